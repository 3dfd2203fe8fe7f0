//! Which lists cover an address: a sorted table that many overlapping ranges become.
//!
//! Not here: what the lists are.

use std::collections::BTreeMap;

/// Sets of lists that occur together somewhere, each numbered once. Number 0 is the empty one.
#[derive(Debug)]
pub(super) struct Combinations(BTreeMap<Vec<u16>, u32>);

impl Default for Combinations {
    fn default() -> Self {
        Self(BTreeMap::from([(Vec::new(), 0)]))
    }
}

impl Combinations {
    /// All sets, in order of their numbers.
    pub(super) fn sets(&self) -> impl Iterator<Item = &[u16]> {
        let mut sets: Vec<_> = self.0.iter().collect();
        sets.sort_by_key(|(_, number)| **number);
        sets.into_iter().map(|(set, _)| set.as_slice())
    }

    fn number(&mut self, set: &[u16]) -> u32 {
        if let Some(number) = self.0.get(set) {
            return *number;
        }
        let number = u32::try_from(self.0.len()).expect("fewer combinations than ranges, and those fit in memory");
        self.0.insert(set.to_vec(), number);
        number
    }
}

/// The first address of each stretch in which the same lists hold, and their combination. Before the first nothing holds.
#[derive(Debug, Clone)]
pub(super) struct Table<T> {
    starts: Vec<T>,
    combinations: Vec<u32>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { starts: Vec::new(), combinations: Vec::new() }
    }
}

/// Addresses as numbers.
pub(super) trait Address: Copy + Ord {
    /// The next one; none after the last.
    fn next(self) -> Option<Self>;
}

impl Address for u32 {
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
}

impl Address for u128 {
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
}

impl<T: Address> Table<T> {
    /// Sweeps over the ranges of all lists, in order of their boundaries, and notes wherever the set of lists changes.
    pub(super) fn sweep<'a>(lists: impl Iterator<Item = &'a [(T, T)]>, combinations: &mut Combinations) -> Self
    where
        T: 'a,
    {
        let mut depths = Vec::new();
        let mut boundaries = Vec::new();
        for (index, ranges) in lists.enumerate() {
            let list = u16::try_from(index).expect("a directory has fewer than 65,536 lists");
            depths.push(0_u32);
            for &(first, last) in ranges {
                boundaries.push((first, list, true));
                boundaries.extend(last.next().map(|after| (after, list, false)));
            }
        }
        boundaries.sort_unstable();
        let mut table = Self::default();
        let mut held: Vec<u16> = Vec::new();
        for group in boundaries.chunk_by(|a, b| a.0 == b.0) {
            // Ends sort before starts, so a depth could fall below zero for a moment if a list met itself: add first.
            for &(_, list, _) in group.iter().filter(|(_, _, begins)| *begins) {
                depths[usize::from(list)] += 1;
            }
            for &(_, list, _) in group.iter().filter(|(_, _, begins)| !*begins) {
                depths[usize::from(list)] -= 1;
            }
            for &(_, list, _) in group {
                match (held.binary_search(&list), depths[usize::from(list)] > 0) {
                    (Err(place), true) => held.insert(place, list),
                    (Ok(place), false) => drop(held.remove(place)),
                    _ => {}
                }
            }
            table.note(group[0].0, combinations.number(&held));
        }
        table
    }

    fn note(&mut self, start: T, combination: u32) {
        if self.combinations.last().copied().unwrap_or(0) != combination {
            self.starts.push(start);
            self.combinations.push(combination);
        }
    }

    /// The combination that holds at an address; none before the first start.
    pub(super) fn at(&self, address: T) -> Option<usize> {
        let after = self.starts.partition_point(|start| *start <= address);
        Some(self.combinations[after.checked_sub(1)?] as usize)
    }

    /// Stretches in which some list holds.
    pub(super) fn ranges(&self) -> usize {
        self.combinations.iter().filter(|combination| **combination != 0).count()
    }
}
