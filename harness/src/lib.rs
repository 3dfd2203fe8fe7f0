//! The command `georush` as a library: scenarios, the simulation, its judges.
//!
//! Not here: what the metered API decides; that is `georush-core`.

#![forbid(unsafe_code)]

pub mod cost;
pub mod determinism;
pub mod facts;
pub mod gate;
pub mod live;
pub mod measure;
pub mod oracle;
pub mod outcome;
pub mod report;
pub mod scenario;
pub mod simulate;
pub mod twin;
pub mod workload;
