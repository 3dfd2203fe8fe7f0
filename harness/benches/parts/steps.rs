//! What the core is given in benches: a row, records, a pace.
//!
//! Not here: what is measured with them.

use georush_core::{
    Origin, PlanGroup, Row, Status, SubjectId, Timestamp, UsageEvent, UsageGroup, Version, WindowId, plan::Plan,
    replicator::Pace, window::WindowKind,
};

/// Events of a record.
pub(crate) const EVENTS: u32 = 100;

/// How a replicator goes about it.
pub(crate) const PACE: Pace =
    Pace { poll_us: 500_000, changes_max: 1_000, backoff_us: 100_000, backoff_us_max: 10_000_000 };

/// A row whose quota nobody reaches.
pub(crate) fn row() -> Row {
    Row {
        plan: PlanGroup {
            plan: Plan { quota: u64::MAX, window: WindowKind::DayUtc },
            anchor: Timestamp(0),
            status: Status::Active,
            version: Version::default(),
        },
        usage: UsageGroup { window: WindowId(0), total: 5, own: 2, version: Version::default() },
    }
}

/// Events of one origin, as one log batch holds them: every subject twice.
pub(crate) fn record(number: u64) -> Vec<UsageEvent> {
    let event = |index: u32| {
        let sequence = number * u64::from(EVENTS) + u64::from(index) + 1;
        UsageEvent {
            at: Timestamp(number),
            sequence,
            cumulative: sequence,
            subject: SubjectId(index % (EVENTS / 2) * 37),
            window: WindowId(0),
            origin: Origin::default(),
            cost: 1,
            lane: 0,
        }
    };
    (0..EVENTS).map(event).collect()
}
