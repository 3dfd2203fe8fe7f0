//! Usage events: what an admitted request leaves behind in the log.

use crate::{identifier::SubjectId, time::Timestamp, window::WindowId};

/// Who admitted: an edge in one region, and which of its lives. An epoch is never used twice, because a cumulative
/// count restarts at zero with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// Number of the edge's region.
    pub region: u16,
    /// Number of the edge's life; grows with every start.
    pub epoch: u16,
}

/// One admitted request, as one log line says it. Refused requests are never usage and leave no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageEvent {
    /// When the edge decided; the window follows from this and nothing else.
    pub at: Timestamp,
    /// Events of this origin in this lane so far, this one included: 1, 2, 3, ... A gap is a loss that can be declared.
    pub sequence: u64,
    /// Cost admitted by this origin for this subject in this window so far, this event included.
    pub cumulative: u64,
    /// Who is charged.
    pub subject: SubjectId,
    /// The window that is charged.
    pub window: WindowId,
    /// Who admitted.
    pub origin: Origin,
    /// Cost of this event.
    pub cost: u16,
    /// Which of the origin's log streams the line went to; each stays in order as long as nothing is retried.
    pub lane: u16,
}
