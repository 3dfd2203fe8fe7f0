//! The change feed of the central table: one entry per version, in the order of their commits.

use std::collections::VecDeque;

/// One version of one row.
#[derive(Debug, Clone, Copy)]
struct Change {
    committed_us: u64,
    /// The same row's change before this one.
    previous: u64,
    /// Cost in the central table with this change, all windows together.
    counted: u64,
}

/// The feed. Positions count from 1; a position is also the version number of the change.
#[derive(Debug, Clone, Default)]
pub(super) struct Changes {
    changes: VecDeque<Change>,
    /// Changes dropped from the front.
    dropped: u64,
    counted: u64,
    counted_before: u64,
}

impl Changes {
    /// Position of the newest change, 0 if there is none.
    pub(super) fn newest(&self) -> u64 {
        self.dropped + self.changes.len() as u64
    }

    /// Appends a change that added `grown`. Commits come in order of time: there is one writer.
    pub(super) fn push(&mut self, committed_us: u64, previous: u64, grown: u64) {
        self.counted += grown;
        self.changes.push_back(Change { committed_us, previous, counted: self.counted });
    }

    /// When the change at `position` was committed.
    pub(super) fn committed_us(&self, position: u64) -> Option<u64> {
        position.checked_sub(self.dropped + 1).and_then(|i| self.changes.get(i as usize)).map(|c| c.committed_us)
    }

    /// The newest change committed at or before `by_us`, but no further than `upto_max`; at least `after`.
    pub(super) fn newest_committed_by(&self, by_us: u64, after: u64, upto_max: u64) -> u64 {
        let (mut low, mut high) = (after, upto_max.min(self.newest()));
        // Nearly always everything is visible, or only a few changes are.
        if self.committed_us(high).is_some_and(|at| at <= by_us) {
            return high.max(after);
        }
        // Invariant: everything up to `low` is committed by then, `high` is not.
        while low + 1 < high {
            let middle = low + (high - low) / 2;
            match self.committed_us(middle) {
                Some(at) if at > by_us => high = middle,
                _ => low = middle,
            }
        }
        low
    }

    /// How many rows changed in `(after, upto]`.
    pub(super) fn rows(&self, after: u64, upto: u64) -> u64 {
        let from = (after - self.dropped) as usize;
        let to = (upto - self.dropped) as usize;
        self.changes.range(from..to).filter(|c| c.previous <= after).count() as u64
    }

    /// Cost that a table holding everything up to `position` shows.
    pub(super) fn counted(&self, position: u64) -> u64 {
        match position.checked_sub(self.dropped + 1) {
            Some(i) => self.changes.get(i as usize).map_or(self.counted, |c| c.counted),
            None => self.counted_before,
        }
    }

    /// Forgets changes up to `position`.
    pub(super) fn drop_upto(&mut self, position: u64) {
        while self.dropped < position {
            let Some(change) = self.changes.pop_front() else { return };
            self.counted_before = change.counted;
            self.dropped += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed() -> Changes {
        let mut changes = Changes::default();
        for (committed_us, previous) in [(10, 0), (20, 0), (20, 1), (40, 2)] {
            changes.push(committed_us, previous, 5);
        }
        changes
    }

    #[test]
    fn what_is_committed_by_then_is_visible() {
        let mut changes = feed();
        for (by_us, newest) in [(9, 0), (10, 1), (20, 3), (39, 3), (40, 4), (99, 4)] {
            assert_eq!(changes.newest_committed_by(by_us, 0, 100), newest, "by {by_us}");
        }
        changes.drop_upto(2);
        assert_eq!(changes.newest_committed_by(39, 2, 100), 3);
        assert_eq!(changes.newest_committed_by(99, 2, 3), 3);
        assert_eq!((changes.counted(2), changes.counted(3), changes.counted(4)), (10, 15, 20));
    }

    #[test]
    fn several_changes_of_one_row_are_one_write() {
        let changes = feed();
        assert_eq!(changes.rows(0, 4), 2);
        assert_eq!(changes.rows(1, 3), 2);
        assert_eq!(changes.rows(3, 4), 1);
    }
}
