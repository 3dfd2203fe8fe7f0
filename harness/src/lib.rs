//! georush: drives a metered multi-region API through its worst day and judges the outcome.
//!
//! Not here: the system itself, which is `georush-core` and `georush-system`.

pub mod facts;
pub mod scenario;
