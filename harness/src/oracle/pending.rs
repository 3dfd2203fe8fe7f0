//! When the admissions that some region cannot see yet were decided, for one subject.
//!
//! Not a count: the ledger has that. Memory is bounded; where a region stands still for long, resolution is given up
//! first.

use std::collections::VecDeque;

use georush_core::Timestamp;

/// Instants kept at most.
const KEPT_MAX: usize = 8_192;

/// Instants of admissions number `base`, `base + stride`, `base + 2 stride`, ... of the window, counted from 0.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    base: u64,
    stride: u64,
    /// Admissions seen, in all.
    admitted: u64,
    kept: VecDeque<Timestamp>,
}

impl Default for Pending {
    fn default() -> Self {
        Self { base: 0, stride: 1, admitted: 0, kept: VecDeque::new() }
    }
}

impl Pending {
    /// The next admission was decided at `at`.
    #[inline]
    pub(super) fn push(&mut self, at: Timestamp) {
        if self.kept.is_empty() {
            self.base = self.admitted;
            self.stride = 1;
        }
        if self.stride == 1 || (self.admitted - self.base).is_multiple_of(self.stride) {
            self.kept.push_back(at);
            if self.kept.len() > KEPT_MAX {
                self.thin();
            }
        }
        self.admitted += 1;
    }

    #[cold]
    fn thin(&mut self) {
        let mut index = 0;
        self.kept.retain(|_| {
            index += 1;
            index % 2 == 1
        });
        self.stride *= 2;
    }

    /// Microseconds since the first admission that a view of `view` admissions does not hold.
    #[inline]
    pub(super) fn age_us(&self, view: u64, now: Timestamp) -> u64 {
        let index = view.saturating_sub(self.base) / self.stride;
        self.kept.get(index as usize).map_or(0, |&at| now.since(at).max(1))
    }

    /// No view will be below `total` again.
    #[inline]
    pub(super) fn forget_below(&mut self, total: u64) {
        while self.base + self.stride <= total && !self.kept.is_empty() {
            self.kept.pop_front();
            self.base += self.stride;
        }
    }

    pub(super) fn clear(&mut self) {
        self.kept.clear();
        self.admitted = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_as_old_as_the_first_admission_it_lacks() {
        let mut pending = Pending::default();
        for at in [10, 20, 30, 40] {
            pending.push(Timestamp(at));
        }
        assert_eq!(pending.age_us(0, Timestamp(50)), 40);
        assert_eq!(pending.age_us(3, Timestamp(50)), 10);
        pending.forget_below(2);
        assert_eq!(pending.age_us(2, Timestamp(50)), 20);
        pending.forget_below(4);
        pending.push(Timestamp(60));
        assert_eq!(pending.age_us(4, Timestamp(61)), 1);
    }

    #[test]
    fn a_region_that_stands_still_costs_resolution_not_memory() {
        let mut pending = Pending::default();
        for at in 0..1_000_000 {
            pending.push(Timestamp(at));
        }
        assert!(pending.kept.len() <= KEPT_MAX);
        let age = pending.age_us(500_000, Timestamp(1_000_000));
        assert!(age.abs_diff(500_000) <= 256, "{age}");
        pending.forget_below(1_000_000);
        assert!(pending.kept.len() <= 1);
    }
}
