//! What happens next: a queue of events by time, and the 4-ary heap it is made of.
//!
//! Not here: the clock, which is whatever the last event popped says.

use std::hint::select_unpredictable;

/// A min-heap whose nodes have four children: half as deep as a binary one, and four children share a cache line or two.
/// Equal items leave in no particular order; give them an order or use [`Queue`].
#[derive(Debug, Clone)]
pub struct Heap<E> {
    items: Vec<E>,
}

/// Bare points in time (or a time shifted left with an id in the low bits), least first. The fastest queue here.
pub type Deadlines = Heap<u64>;

const CHILDREN: usize = 4;

impl<E: Copy + Ord> Heap<E> {
    /// Empty.
    #[must_use]
    pub const fn new() -> Self {
        Self { items: Vec::new() }
    }

    /// Adds an item.
    #[inline]
    pub fn push(&mut self, item: E) {
        self.items.push(item);
        let bottom = self.items.len() - 1;
        self.rise(bottom, item);
    }

    /// The least item.
    #[inline]
    #[must_use]
    pub fn peek(&self) -> Option<E> {
        self.items.first().copied()
    }

    /// Removes the least item.
    #[inline]
    pub fn pop(&mut self) -> Option<E> {
        let last = self.items.pop()?;
        let Some(&least) = self.items.first() else { return Some(last) };
        // The item that fills the gap came from the bottom and nearly always belongs there: let the gap sink all the way
        // without comparing, then rise.
        let hole = self.sink();
        self.rise(hole, last);
        Some(least)
    }

    /// How many items there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Moves the gap at the root down to a leaf and returns where it ended.
    #[inline]
    fn sink(&mut self) -> usize {
        let items = self.items.as_mut_slice();
        let mut hole = 0;
        loop {
            let first = CHILDREN * hole + 1;
            let least = match items.get(first..) {
                Some([a, b, c, d, ..]) => {
                    let (left, left_at) = lesser((a, 0), (b, 1));
                    let (right, right_at) = lesser((c, 2), (d, 3));
                    first + lesser((left, left_at), (right, right_at)).1
                }
                Some(rest) if !rest.is_empty() => {
                    (first..items.len()).min_by_key(|&child| items[child]).expect("the range is not empty")
                }
                _ => return hole,
            };
            items[hole] = items[least];
            hole = least;
        }
    }

    /// Puts the item into the gap, or above it as far as it is less than what is there.
    #[inline]
    fn rise(&mut self, mut hole: usize, item: E) {
        let items = self.items.as_mut_slice();
        while hole > 0 {
            let parent = (hole - 1) / CHILDREN;
            if items[parent] <= item {
                break;
            }
            items[hole] = items[parent];
            hole = parent;
        }
        items[hole] = item;
    }
}

impl<E: Copy + Ord> Default for Heap<E> {
    fn default() -> Self {
        Self::new()
    }
}

/// Of two items with their positions, the lesser. No processor can guess which it is.
#[inline]
fn lesser<E: Copy + Ord>(a: (E, usize), b: (E, usize)) -> (E, usize) {
    let second = b.0 < a.0;
    (select_unpredictable(second, b.0, a.0), select_unpredictable(second, b.1, a.1))
}

/// Events by time; those of the same time leave in the order in which they came.
///
/// The heap moves 16 bytes whatever the size of an event: its time, a sequence number and the place where it waits.
#[derive(Debug, Clone)]
pub struct Queue<T> {
    heap: Heap<u128>,
    events: Vec<T>,
    /// Places in `events` that nothing in the heap points to.
    free: Vec<u32>,
    next_seq: u32,
}

const SEQ_SHIFT: u32 = 32;
const TIME_SHIFT: u32 = 64;

impl<T: Copy> Queue<T> {
    /// Empty.
    #[must_use]
    pub const fn new() -> Self {
        Self { heap: Heap::new(), events: Vec::new(), free: Vec::new(), next_seq: 0 }
    }

    /// Adds an event at that time, in whatever unit the caller uses throughout.
    #[inline]
    pub fn push(&mut self, at: u64, event: T) {
        if self.next_seq == u32::MAX {
            self.renumber();
        }
        let place = self.place(event);
        self.heap.push(u128::from(at) << TIME_SHIFT | u128::from(self.next_seq) << SEQ_SHIFT | u128::from(place));
        self.next_seq += 1;
    }

    /// When the next event is.
    #[inline]
    #[must_use]
    pub fn peek_at(&self) -> Option<u64> {
        self.heap.peek().map(|entry| (entry >> TIME_SHIFT) as u64)
    }

    /// Removes the next event; returns it with its time.
    #[inline]
    pub fn pop(&mut self) -> Option<(u64, T)> {
        let entry = self.heap.pop()?;
        let place = entry as u32;
        self.free.push(place);
        Some(((entry >> TIME_SHIFT) as u64, self.events[place as usize]))
    }

    /// How many events wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    #[inline]
    fn place(&mut self, event: T) -> u32 {
        if let Some(place) = self.free.pop() {
            self.events[place as usize] = event;
            return place;
        }
        self.events.push(event);
        u32::try_from(self.events.len() - 1).expect("fewer than 2^32 events wait")
    }

    /// Numbers the waiting events anew, from 0, in their order. A sorted vector is a heap.
    #[cold]
    fn renumber(&mut self) {
        self.heap.items.sort_unstable();
        for (entry, seq) in self.heap.items.iter_mut().zip(0_u128..) {
            let (at, place) = (*entry >> TIME_SHIFT, *entry as u32);
            *entry = at << TIME_SHIFT | seq << SEQ_SHIFT | u128::from(place);
        }
        self.next_seq = u32::try_from(self.heap.len()).expect("fewer than 2^32 events wait");
    }
}

impl<T: Copy> Default for Queue<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::seed::Seed;
    use rand::Rng;

    /// Any mix of pushes and pops gives what a vector kept in stable order of time gives.
    #[test]
    fn it_behaves_like_a_vector_sorted_by_time_and_arrival() {
        for seed in 0..50 {
            let mut bits = Seed(seed).stream("queue");
            let mut queue = Queue::new();
            queue.next_seq = u32::MAX - 1_000;
            let mut sorted: Vec<(u64, u32)> = Vec::new();
            for event in 0..5_000 {
                if bits.next_u32() % 5 < 2 + u32::from(event < 2_500) {
                    let at = u64::from(bits.next_u32() % 64);
                    queue.push(at, event);
                    sorted.insert(sorted.partition_point(|&(other, _)| other <= at), (at, event));
                } else {
                    let expected = if sorted.is_empty() { None } else { Some(sorted.remove(0)) };
                    assert_eq!(queue.peek_at(), expected.map(|(at, _)| at));
                    assert_eq!(queue.pop(), expected);
                }
                assert_eq!(queue.len(), sorted.len());
            }
        }
    }

    #[test]
    fn deadlines_leave_in_order() {
        let mut bits = Seed(1).stream("deadlines");
        for count in [0, 1, 2, 5, 6, 21, 22, 1_000] {
            let mut sorted: Vec<u64> = (0..count).map(|_| bits.next_u64() >> 54).collect();
            let mut deadlines = Deadlines::new();
            sorted.iter().for_each(|&at| deadlines.push(at));
            sorted.sort_unstable();
            assert_eq!(std::iter::from_fn(|| deadlines.pop()).collect::<Vec<_>>(), sorted);
        }
    }
}
