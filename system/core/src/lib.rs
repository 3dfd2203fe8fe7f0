//! The decisions of a metered, multi-region API: authorise, count, replicate.
//!
//! Not here: input or output, clocks, chance, waiting, logging. Every door is a plain call that takes the time as an
//! argument and appends what must happen next to an outbox that the caller owns. A driver performs those effects, on
//! AWS, on an embedded store or on simulated models, and reports their outcome through the next input.

#![forbid(unsafe_code)]

pub mod aggregator;
pub mod count;
pub mod edge;
pub mod identifier;
pub mod plan;
pub mod rate;
pub mod replicator;
pub mod row;
pub mod time;
pub mod usage;
pub mod window;

pub use identifier::{Identifier, NotAnIdentifier, SubjectId};
pub use plan::Plan;
pub use rate::Rate;
pub use row::{PlanGroup, Row, Status, UsageGroup, Version};
pub use time::Timestamp;
pub use usage::{Origin, UsageEvent};
pub use window::{WindowId, WindowKind};
