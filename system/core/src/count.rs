//! The central count of one subject in one window, kept by origin.

mod windows;

pub use windows::{WINDOWS_KEPT, WindowCount, Windows};

use crate::usage::Origin;

/// What one origin contributes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Component {
    epoch: u16,
    value: u64,
}

/// A grow-only count: the sum of one component per origin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Count {
    total: u64,
    /// The newest epoch of each region, by its number.
    newest: Vec<Component>,
    /// Everything of older epochs.
    older: Vec<(Origin, u64)>,
}

/// A change to one component of a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Raise the component to this cumulative value unless it is there already. Idempotent, free of order.
    Raise(u64),
    /// Add to the component. Every repetition counts again.
    Add(u64),
}

impl FromIterator<(Origin, u64)> for Count {
    /// The count that was stored as these components.
    fn from_iter<T: IntoIterator<Item = (Origin, u64)>>(components: T) -> Self {
        let mut count = Self::default();
        for (origin, value) in components {
            count.apply(origin, Change::Raise(value));
        }
        count
    }
}

impl Count {
    /// Sum over all origins.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.total
    }

    /// The component of `origin`.
    #[must_use]
    pub fn of(&self, origin: Origin) -> u64 {
        match self.newest.get(usize::from(origin.region)) {
            Some(newest) if newest.epoch == origin.epoch => newest.value,
            _ => self.older.iter().find(|(o, _)| *o == origin).map_or(0, |&(_, value)| value),
        }
    }

    /// What each origin contributes, if anything.
    pub fn components(&self) -> impl Iterator<Item = (Origin, u64)> + '_ {
        let newest = self.newest.iter().zip(0..).filter(|(component, _)| component.value > 0);
        let newest = newest.map(|(c, region)| (Origin { region, epoch: c.epoch }, c.value));
        newest.chain(self.older.iter().copied())
    }

    /// Applies `change` to the component of `origin`; returns by how much the total grew.
    #[inline]
    pub fn apply(&mut self, origin: Origin, change: Change) -> u64 {
        let value = self.component(origin);
        let grown = match change {
            Change::Raise(cumulative) => cumulative.saturating_sub(*value),
            Change::Add(cost) => cost,
        };
        *value += grown;
        self.total += grown;
        grown
    }

    #[inline]
    fn component(&mut self, origin: Origin) -> &mut u64 {
        let region = usize::from(origin.region);
        if region >= self.newest.len() {
            self.newest.resize(region + 1, Component { epoch: origin.epoch, value: 0 });
        }
        if self.newest[region].epoch == origin.epoch {
            return &mut self.newest[region].value;
        }
        self.other_epoch(origin)
    }

    #[cold]
    fn other_epoch(&mut self, origin: Origin) -> &mut u64 {
        let newest = &mut self.newest[usize::from(origin.region)];
        if origin.epoch > newest.epoch {
            if newest.value > 0 {
                self.older.push((Origin { region: origin.region, epoch: newest.epoch }, newest.value));
            }
            *newest = Component { epoch: origin.epoch, value: 0 };
            return &mut newest.value;
        }
        let index = self.older.iter().position(|(o, _)| *o == origin).unwrap_or_else(|| {
            self.older.push((origin, 0));
            self.older.len() - 1
        });
        &mut self.older[index].1
    }

    /// Forgets everything, for a new window; keeps the memory.
    pub fn clear(&mut self) {
        self.total = 0;
        self.newest.clear();
        self.older.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Origin = Origin { region: 0, epoch: 0 };
    const B: Origin = Origin { region: 1, epoch: 0 };
    const A2: Origin = Origin { region: 0, epoch: 1 };

    #[test]
    fn raising_is_idempotent_and_free_of_order() {
        let changes = [(A, 1), (A, 3), (B, 2), (A, 2), (A2, 1), (A, 3)];
        let mut forward = Count::default();
        let mut backward = Count::default();
        for (origin, cumulative) in changes {
            forward.apply(origin, Change::Raise(cumulative));
            forward.apply(origin, Change::Raise(cumulative));
        }
        for (origin, cumulative) in changes.into_iter().rev() {
            backward.apply(origin, Change::Raise(cumulative));
        }
        assert_eq!(forward.total(), 6);
        assert_eq!(backward.total(), 6);
        for count in [forward, backward] {
            assert_eq!((count.of(A), count.of(B), count.of(A2)), (3, 2, 1));
            let mut components: Vec<_> = count.components().collect();
            components.sort_unstable();
            assert_eq!(components, [(A, 3), (A2, 1), (B, 2)]);
        }
    }

    #[test]
    fn a_repeated_add_counts_twice() {
        let mut count = Count::default();
        count.apply(A, Change::Add(4));
        count.apply(A, Change::Add(4));
        assert_eq!(count.total(), 8);
    }
}
