//! A table of the whole IPv4 space: from an address to a value, in two cache misses.
//!
//! Every /16 block starts a range of its own, so that ranges need only the lower 16 bits of their first address; most blocks fit
//! into one or two cache lines. Not here: what the values mean.

use std::marker::PhantomData;

use bytemuck::Pod;
use prefetch_index::prefetch_index;

use super::pages::Pages;

/// A stretch of addresses, from `start` to the next stretch's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stretch<T> {
    pub(super) start: u32,
    pub(super) value: T,
}

/// Collects blocks in ascending order into stretches without gaps or equal neighbours.
#[derive(Debug)]
pub(super) struct Stretches<T> {
    all: Vec<Stretch<T>>,
    /// First address that is not covered yet; `None` at the end of the space.
    next: Option<u32>,
    outside: T,
}

impl<T: Copy + PartialEq> Stretches<T> {
    /// Nothing yet; `outside` is the value of what no block covers.
    pub(super) fn new(outside: T) -> Self {
        Self { all: Vec::new(), next: Some(0), outside }
    }

    /// Adds the block that begins at `start`. A block before the end of the last one is left out.
    pub(super) fn push(&mut self, start: u32, prefix: u8, value: T) {
        let Some(next) = self.next.filter(|&next| start >= next) else { return };
        if start > next {
            self.append(next, self.outside);
        }
        self.append(start, value);
        let length = 1_u64 << (32 - u32::from(prefix.min(32)));
        self.next = u32::try_from(u64::from(start) + length).ok();
    }

    fn append(&mut self, start: u32, value: T) {
        if self.all.last().is_none_or(|last| last.value != value) {
            self.all.push(Stretch { start, value });
        }
    }

    /// All stretches; the first begins at 0.
    pub(super) fn finish(mut self) -> Vec<Stretch<T>> {
        if let Some(next) = self.next {
            self.append(next, self.outside);
        }
        self.all
    }
}

/// The stretches of two lists cut where either is, with both values.
pub(super) fn zip<A: Copy, B: Copy, C: PartialEq>(
    left: &[Stretch<A>],
    right: &[Stretch<B>],
    mut both: impl FnMut(A, B) -> C,
) -> Vec<Stretch<C>> {
    let mut all: Vec<Stretch<C>> = Vec::with_capacity(left.len().max(right.len()));
    let (mut l, mut r) = (0, 0);
    while l < left.len() && r < right.len() {
        let start = left[l].start.max(right[r].start);
        let value = both(left[l].value, right[r].value);
        if all.last().is_none_or(|last| last.value != value) {
            all.push(Stretch { start, value });
        }
        let end = |list: Option<u32>| list.map_or(u64::MAX, u64::from);
        let (l_end, r_end) = (end(left.get(l + 1).map(|s| s.start)), end(right.get(r + 1).map(|s| s.start)));
        l += usize::from(l_end <= r_end);
        r += usize::from(r_end <= l_end);
    }
    all
}

/// The table. Of each /16 the lower halves of the first addresses stand together and the values right behind them: what a
/// search ends in is seldom far from where it began.
#[derive(Debug)]
pub(super) struct Ranges<T> {
    /// How many ranges there are before each /16, and in all.
    before: Pages<u32>,
    table: Pages<u8>,
    of: PhantomData<T>,
}

impl<T: Pod> Ranges<T> {
    /// Bytes of a range.
    const WIDTH: usize = size_of::<u16>() + size_of::<T>();

    /// Builds the table of stretches that cover the whole space.
    pub(super) fn new(stretches: &[Stretch<T>]) -> Self {
        let mut before = Vec::with_capacity(0x1_0001);
        let mut table = Vec::with_capacity((stretches.len() + 0x1_0000) * Self::WIDTH);
        let (mut lows, mut values) = (Vec::new(), Vec::new());
        let (mut at, mut count) = (0, 0);
        let mut current = stretches.first().map_or(T::zeroed(), |first| first.value);
        for block in 0..=u32::from(u16::MAX) {
            if stretches.get(at).is_none_or(|stretch| stretch.start != block << 16) {
                lows.push(0);
                values.push(current);
            }
            while let Some(stretch) = stretches.get(at).filter(|stretch| stretch.start >> 16 == block) {
                current = stretch.value;
                lows.push(stretch.start as u16);
                values.push(current);
                at += 1;
            }
            before.push(count);
            count += lows.len() as u32;
            table.extend_from_slice(bytemuck::cast_slice(&lows));
            table.extend_from_slice(bytemuck::cast_slice(&values));
            lows.clear();
            values.clear();
        }
        before.push(count);
        Self { before: Pages::of(&before), table: Pages::of(&table), of: PhantomData }
    }

    /// Asks memory for what [`approach`](Self::approach) will read.
    #[inline]
    pub(super) fn announce(&self, address: u32) {
        prefetch_index(&*self.before, (address >> 16) as usize);
    }

    /// Asks memory for what [`get`](Self::get) will search.
    #[inline]
    pub(super) fn approach(&self, address: u32) {
        let block = (address >> 16) as usize;
        let (begin, end) = (self.before[block] as usize, self.before[block + 1] as usize);
        let (first, lows) = (begin * Self::WIDTH, (end - begin) * size_of::<u16>());
        // A search steps to the middle first; the values are behind the end.
        for place in [0, lows / 2, lows] {
            prefetch_index(&*self.table, first + place);
        }
    }

    /// The value of an address.
    #[inline]
    pub(super) fn get(&self, address: u32) -> T {
        let block = (address >> 16) as usize;
        let (begin, end) = (self.before[block] as usize, self.before[block + 1] as usize);
        let ranges = &self.table[begin * Self::WIDTH..end * Self::WIDTH];
        let (lows, values) = ranges.split_at((end - begin) * size_of::<u16>());
        let after = bytemuck::cast_slice::<u8, u16>(lows).partition_point(|&start| start <= address as u16);
        bytemuck::pod_read_unaligned(&values[(after - 1) * size_of::<T>()..][..size_of::<T>()])
    }

    /// The bytes it takes.
    pub(super) fn size(&self) -> usize {
        size_of_val(&*self.before) + self.table.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_the_value_of_its_block() {
        let blocks = [
            (0x0100_0000, 24, 1),
            (0x0100_0200, 23, 2),
            (0x0100_0400, 24, 2),
            (0x0A00_0000, 8, 3),
            (0xFFFF_FFFF, 32, 4),
        ];
        let mut stretches = Stretches::new(0);
        for (start, prefix, value) in blocks {
            stretches.push(start, prefix, value);
        }
        let ranges = Ranges::new(&stretches.finish());
        let truth = |address: u32| {
            let holds = |start: u32, prefix: u8| u64::from(address ^ start) >> (32 - prefix) == 0;
            blocks.iter().find(|&&(start, prefix, _)| holds(start, prefix)).map_or(0, |b| b.2)
        };
        for (start, _, _) in blocks {
            for address in (0..0x500).flat_map(|by| [start.wrapping_add(by), start.wrapping_sub(by)]) {
                assert_eq!(ranges.get(address), truth(address), "{address:x}");
            }
        }
        for address in [0, 0x0AFF_FFFF, 0x0B00_0000, 0x0A12_3456, u32::MAX - 1, u32::MAX] {
            assert_eq!(ranges.get(address), truth(address), "{address:x}");
        }
    }

    #[test]
    fn zipped_lists_are_cut_where_either_is() {
        let left = [Stretch { start: 0, value: 1 }, Stretch { start: 10, value: 2 }];
        let right =
            [Stretch { start: 0, value: 'a' }, Stretch { start: 5, value: 'b' }, Stretch { start: 10, value: 'c' }];
        let cut: Vec<_> = zip(&left, &right, |l, r| (l, r)).iter().map(|s| (s.start, s.value)).collect();
        assert_eq!(cut, [(0, (1, 'a')), (5, (1, 'b')), (10, (2, 'c'))]);
    }
}
