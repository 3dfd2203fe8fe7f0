//! Which windows of a subject the centre keeps, and how changes raise their counts.
//!
//! Not here: versions and storing, which are the tables'.

use super::{Change, Count};
use crate::{time::Timestamp, usage::Origin, window::WindowId};

/// Windows that are kept of each subject: a late event may still belong to the one before the newest.
pub const WINDOWS_KEPT: usize = 2;

/// The count of one window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowCount {
    /// Which window.
    pub window: WindowId,
    /// When the newest event in it was decided.
    pub counted_at: Timestamp,
    /// Its count.
    pub count: Count,
}

/// The counts of one subject: those of the windows with the newest events, the newest first. Numbers of windows say nothing of
/// their order, because a plan may have changed.
#[derive(Debug, Clone, Default)]
pub struct Windows(Vec<WindowCount>);

impl Windows {
    /// The windows that were stored, in any order.
    #[must_use]
    pub fn new(stored: Vec<WindowCount>) -> Self {
        let mut windows = Self(stored);
        windows.order();
        windows
    }

    /// The windows that are kept, the newest first.
    #[must_use]
    pub fn kept(&self) -> &[WindowCount] {
        &self.0
    }

    /// Applies changes to one window, whose newest event was decided at `counted_at`; says by how much its count grew, and `None` if
    /// the window is older than all that are kept: then nothing is counted.
    pub fn apply(
        &mut self,
        window: WindowId,
        counted_at: Timestamp,
        changes: impl IntoIterator<Item = (Origin, Change)>,
    ) -> Option<u64> {
        let known = self.0.iter().position(|kept| kept.window == window);
        let newer = |kept: &&WindowCount| (kept.counted_at, kept.window) > (counted_at, window);
        if known.is_none() && self.0.iter().filter(newer).count() >= WINDOWS_KEPT {
            return None;
        }
        let place = known.unwrap_or_else(|| {
            self.0.push(WindowCount { window, counted_at, count: Count::default() });
            self.0.len() - 1
        });
        let kept = &mut self.0[place];
        let grown = changes.into_iter().map(|(origin, change)| kept.count.apply(origin, change)).sum();
        if grown > 0 {
            kept.counted_at = kept.counted_at.max(counted_at);
        } else if known.is_none() {
            self.0.pop();
        }
        self.order();
        Some(grown)
    }

    fn order(&mut self) {
        self.0.sort_by_key(|kept| std::cmp::Reverse((kept.counted_at, kept.window)));
        self.0.truncate(WINDOWS_KEPT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Origin = Origin { region: 0, epoch: 1 };
    const B: Origin = Origin { region: 1, epoch: 1 };

    fn apply(windows: &mut Windows, window: u32, at: u64, changes: &[(Origin, u64)]) -> Option<u64> {
        let changes = changes.iter().map(|&(origin, value)| (origin, Change::Raise(value)));
        windows.apply(WindowId(window), Timestamp(at), changes)
    }

    fn kept(windows: &Windows) -> Vec<(u32, u64, u64)> {
        windows.kept().iter().map(|kept| (kept.window.0, kept.counted_at.0, kept.count.total())).collect()
    }

    #[test]
    fn the_two_windows_with_the_newest_events_are_kept() {
        let mut windows = Windows::default();
        assert_eq!(apply(&mut windows, 9, 10, &[(A, 1), (B, 2)]), Some(3));
        assert_eq!(apply(&mut windows, 3, 20, &[(A, 1)]), Some(1), "after a change of plan numbers begin anew");
        assert_eq!(apply(&mut windows, 9, 30, &[(A, 5), (B, 2)]), Some(4));
        assert_eq!(kept(&windows), [(9, 30, 7), (3, 20, 1)]);
        assert_eq!(apply(&mut windows, 4, 25, &[(A, 1)]), Some(1));
        assert_eq!(kept(&windows), [(9, 30, 7), (4, 25, 1)]);
    }

    #[test]
    fn what_is_older_than_all_that_is_kept_is_late_and_counts_nothing() {
        let mut windows = Windows::default();
        apply(&mut windows, 1, 10, &[(A, 1)]);
        apply(&mut windows, 2, 20, &[(A, 1)]);
        assert_eq!(apply(&mut windows, 3, 5, &[(A, 1)]), None);
        assert_eq!(apply(&mut windows, 0, 10, &[(A, 1)]), None, "of equals the lower number is the older one");
        assert_eq!(apply(&mut windows, 1, 5, &[(A, 4)]), Some(3), "a window that is kept takes late events");
        assert_eq!(kept(&windows), [(2, 20, 1), (1, 10, 4)]);
    }

    #[test]
    fn what_raises_nothing_changes_nothing() {
        let mut windows = Windows::default();
        apply(&mut windows, 1, 10, &[(A, 3)]);
        assert_eq!(apply(&mut windows, 1, 99, &[(A, 2)]), Some(0));
        assert_eq!(apply(&mut windows, 2, 99, &[]), Some(0));
        assert_eq!(kept(&windows), [(1, 10, 3)]);
    }
}
