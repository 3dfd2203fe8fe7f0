//! Drives a metered, multi-region API through its worst day, in simulated time or live, and judges the outcome.

pub mod determinism;
pub mod measure;
pub mod oracle;
pub mod outcome;
pub mod report;
pub mod scenario;
pub mod simulate;
