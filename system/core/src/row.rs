//! The row that one read returns. Plan and usage stand side by side in it, but each is an attribute group of its own
//! with its own version: the writer of one can never clobber the other.

use crate::{plan::Plan, time::Timestamp, window::WindowId};

/// A version of one attribute group. A restored central table starts a new generation, so that its rows are newer than
/// anything a region has seen although their numbers restart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Grows with each restore of the central table.
    pub generation: u32,
    /// Grows with each write within a generation.
    pub number: u64,
}

/// Whether a subject may call at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Signed up (or a free identifier) and in good standing.
    Active,
    /// Revoked or suspended: refused whatever its usage.
    Revoked,
}

/// The plan attributes of a row; written by sign-up and account changes only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanGroup {
    /// Quota and window.
    pub plan: Plan,
    /// Start of the subject's first anchored window.
    pub anchor: Timestamp,
    /// Standing.
    pub status: Status,
    /// Version of this group.
    pub version: Version,
}

/// The usage attributes of a row as one origin reads them; written by the aggregator and replicator only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UsageGroup {
    /// The window that the counts belong to. Counts of another window are worth nothing in this one.
    pub window: WindowId,
    /// Admitted cost of all origins in the window.
    pub total: u64,
    /// The reading origin's own component of `total`.
    pub own: u64,
    /// Version of this group.
    pub version: Version,
}

/// One subject's row in a regional table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// What the subject may use.
    pub plan: PlanGroup,
    /// What it has used, as far as this region knows.
    pub usage: UsageGroup,
}

impl Row {
    /// Replaces the plan group if `plan` is newer; says whether it did. The usage group is left alone.
    pub fn put_plan(&mut self, plan: PlanGroup) -> bool {
        let newer = plan.version > self.plan.version;
        if newer {
            self.plan = plan;
        }
        newer
    }

    /// Replaces the usage group if `usage` is newer; says whether it did. The plan group is left alone.
    pub fn put_usage(&mut self, usage: UsageGroup) -> bool {
        let newer = usage.version > self.usage.version;
        if newer {
            self.usage = usage;
        }
        newer
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::WindowKind;

    fn version(generation: u32, number: u64) -> Version {
        Version { generation, number }
    }

    fn row() -> Row {
        Row {
            plan: PlanGroup {
                plan: Plan { quota: 10, window: WindowKind::DayUtc },
                anchor: Timestamp(0),
                status: Status::Active,
                version: version(0, 5),
            },
            usage: UsageGroup { window: WindowId(1), total: 7, own: 0, version: version(0, 5) },
        }
    }

    #[test]
    fn an_older_write_changes_nothing_and_a_restored_table_wins() {
        let mut row = row();
        assert!(!row.put_usage(UsageGroup { total: 3, version: version(0, 4), ..row.usage }));
        assert_eq!(row.usage.total, 7);
        assert!(row.put_usage(UsageGroup { total: 3, version: version(1, 1), ..row.usage }));
        assert_eq!(row.usage.total, 3);
    }

    #[test]
    fn a_plan_change_does_not_touch_usage_nor_the_other_way_round() {
        let mut row = row();
        let before = row.usage;
        assert!(row.put_plan(PlanGroup { status: Status::Revoked, version: version(0, 6), ..row.plan }));
        assert_eq!(row.usage, before);
        let plan = row.plan;
        assert!(row.put_usage(UsageGroup { total: 8, version: version(0, 6), ..row.usage }));
        assert_eq!(row.plan, plan);
    }
}
