//! georush: drives a metered multi-region API through its worst day, in simulated time or live, and judges the outcome.
//!
//! Not here: the system under test, which lives in `georush-core` and `georush-system`.

pub mod scenario;
pub mod simulate;
pub mod workload;
