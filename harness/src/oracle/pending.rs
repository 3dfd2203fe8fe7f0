//! When the admissions that some region cannot see yet were decided, for one subject.
//!
//! Not a count: the ledger has that. Memory is bounded; where a region stands still for long, resolution is given up
//! first.

use std::collections::VecDeque;

use georush_core::Timestamp;

/// Instants kept at most.
const KEPT_MAX: usize = 8_192;
/// No admission is pending.
const NONE: Timestamp = Timestamp(u64::MAX);

/// Instants of admissions number `base`, `base + stride`, `base + 2 stride`, ... of the window, counted from 0. Most
/// subjects have one at most; only the others pay for more.
#[derive(Debug, Clone)]
pub(super) struct Pending {
    base: u64,
    first: Timestamp,
    rest: Option<Box<Rest>>,
}

#[derive(Debug, Clone)]
struct Rest {
    stride: u64,
    kept: VecDeque<Timestamp>,
}

impl Default for Pending {
    fn default() -> Self {
        Self { base: 0, first: NONE, rest: None }
    }
}

impl Pending {
    /// Admission `number` was decided at `at`. Numbers come in order.
    #[inline]
    pub(super) fn push(&mut self, number: u64, at: Timestamp) {
        if self.first == NONE {
            self.base = number;
            self.first = at;
            return;
        }
        let rest = self.rest.get_or_insert_with(|| Box::new(Rest { stride: 1, kept: VecDeque::new() }));
        if rest.stride == 1 || (number - self.base).is_multiple_of(rest.stride) {
            rest.kept.push_back(at);
            if rest.kept.len() > KEPT_MAX {
                rest.thin();
            }
        }
    }

    /// Microseconds since the first admission that a view of `view` admissions does not hold.
    #[inline]
    pub(super) fn age_us(&self, view: u64, now: Timestamp) -> u64 {
        let stride = self.rest.as_ref().map_or(1, |r| r.stride);
        let at = match view.saturating_sub(self.base) / stride {
            0 => Some(self.first).filter(|&at| at != NONE),
            index => self.rest.as_ref().and_then(|r| r.kept.get(index as usize - 1).copied()),
        };
        at.map_or(0, |at| now.since(at).max(1))
    }

    /// No view will be below `total` again.
    #[inline]
    pub(super) fn forget_below(&mut self, total: u64) {
        while self.first != NONE {
            let stride = self.rest.as_ref().map_or(1, |r| r.stride);
            if self.base + stride > total {
                return;
            }
            self.base += stride;
            self.first = self.rest.as_mut().and_then(|r| r.kept.pop_front()).unwrap_or(NONE);
            if self.first == NONE
                && let Some(rest) = &mut self.rest
            {
                rest.stride = 1;
            }
        }
    }

    /// Brings the kept instants close. Changes nothing.
    #[inline]
    pub(super) fn prefetch(&self) -> u64 {
        let last = self.rest.as_ref().and_then(|rest| rest.kept.back());
        last.map_or(0, |at| at.0)
    }

    pub(super) fn clear(&mut self) {
        self.first = NONE;
        if let Some(rest) = &mut self.rest {
            rest.stride = 1;
            rest.kept.clear();
        }
    }
}

impl Rest {
    /// Gives up every other instant.
    #[cold]
    fn thin(&mut self) {
        let mut index = 0;
        self.kept.retain(|_| {
            index += 1;
            index % 2 == 0
        });
        self.stride *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_as_old_as_the_first_admission_it_lacks() {
        let mut pending = Pending::default();
        for (number, at) in [10, 20, 30, 40].into_iter().enumerate() {
            pending.push(number as u64, Timestamp(at));
        }
        assert_eq!(pending.age_us(0, Timestamp(50)), 40);
        assert_eq!(pending.age_us(3, Timestamp(50)), 10);
        pending.forget_below(2);
        assert_eq!(pending.age_us(2, Timestamp(50)), 20);
        pending.forget_below(4);
        pending.push(4, Timestamp(60));
        assert_eq!(pending.age_us(4, Timestamp(61)), 1);
    }

    #[test]
    fn a_region_that_stands_still_costs_resolution_not_memory() {
        let mut pending = Pending::default();
        for at in 0..1_000_000 {
            pending.push(at, Timestamp(at));
        }
        let kept = |p: &Pending| p.rest.as_ref().map_or(0, |r| r.kept.len());
        assert!(kept(&pending) <= KEPT_MAX);
        let age = pending.age_us(500_000, Timestamp(1_000_000));
        assert!(age.abs_diff(500_000) <= 256, "{age}");
        pending.forget_below(1_000_000);
        assert!(kept(&pending) <= 1);
    }
}
