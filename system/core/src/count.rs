//! The central count of one subject in one window, kept by origin.

use crate::usage::Origin;

/// What one origin contributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Component {
    origin: Origin,
    value: u64,
}

/// A grow-only count: the sum of one component per origin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Count {
    total: u64,
    components: Vec<Component>,
}

/// A change to one component of a count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Raise the component to this cumulative value unless it is there already. Idempotent, free of order.
    Raise(u64),
    /// Add to the component. Every repetition counts again.
    Add(u64),
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
        self.components.iter().find(|c| c.origin == origin).map_or(0, |c| c.value)
    }

    /// Applies `change` to the component of `origin`; returns by how much the total grew.
    pub fn apply(&mut self, origin: Origin, change: Change) -> u64 {
        let slot = match self.components.iter_mut().find(|c| c.origin == origin) {
            Some(component) => &mut component.value,
            None => {
                self.components.push(Component { origin, value: 0 });
                let last = self.components.len() - 1;
                &mut self.components[last].value
            }
        };
        let grown = match change {
            Change::Raise(cumulative) => cumulative.saturating_sub(*slot),
            Change::Add(cost) => cost,
        };
        *slot += grown;
        self.total += grown;
        grown
    }

    /// Forgets everything, for a new window; keeps the memory.
    pub fn clear(&mut self) {
        self.total = 0;
        self.components.clear();
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
        let changes = [(A, 1), (A, 3), (B, 2), (A, 2), (A2, 1)];
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
        assert_eq!((forward.of(A), forward.of(B), forward.of(A2)), (3, 2, 1));
    }

    #[test]
    fn a_repeated_add_counts_twice() {
        let mut count = Count::default();
        count.apply(A, Change::Add(4));
        count.apply(A, Change::Add(4));
        assert_eq!(count.total(), 8);
    }
}
