//! Our queues against the standard library's heap, at the depth of one region on a busy day.
//!
//! Not here: whole engines.
#![allow(missing_docs)]

use std::{cmp::Reverse, collections::BinaryHeap, hint::black_box};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use georush::simulate::{
    queue::{Deadlines, Queue},
    seed::Seed,
};
use rand::Rng;

const WAITING: usize = 1_900;
const STEPS: usize = 10_000;

/// Delays of up to 262 ms.
fn delays() -> Vec<u64> {
    let mut bits = Seed(1).stream("delays");
    (0..WAITING + STEPS).map(|_| bits.next_u64() >> 46).collect()
}

/// Pops the next event and pushes one after it, over and over.
fn hold(criterion: &mut Criterion) {
    let delays = delays();
    let (first, later) = delays.split_at(WAITING);
    let mut group = criterion.benchmark_group("hold 1,900 events, 10,000 steps");
    let mut queue = Queue::new();
    first.iter().zip(0_u32..).for_each(|(&at, event)| queue.push(at, event));
    group.bench_function("queue", |bencher| {
        let step = |mut queue: Queue<u32>| {
            for &delay in later {
                let Some((now, event)) = queue.pop() else { break };
                queue.push(now + delay, black_box(event));
            }
            queue
        };
        bencher.iter_batched(|| queue.clone(), step, BatchSize::SmallInput);
    });
    let mut deadlines = Deadlines::new();
    first.iter().for_each(|&at| deadlines.push(at));
    group.bench_function("deadlines", |bencher| {
        let step = |mut deadlines: Deadlines| {
            for &delay in later {
                let Some(now) = deadlines.pop() else { break };
                deadlines.push(black_box(now) + delay);
            }
            deadlines
        };
        bencher.iter_batched(|| deadlines.clone(), step, BatchSize::SmallInput);
    });
    let heap: BinaryHeap<Reverse<(u64, u64, u32)>> =
        first.iter().zip(0_u32..).map(|(&at, event)| Reverse((at, event.into(), event))).collect();
    group.bench_function("std heap of (time, sequence, event)", |bencher| {
        let step = |mut heap: BinaryHeap<Reverse<(u64, u64, u32)>>| {
            for (&delay, seq) in later.iter().zip(WAITING as u64..) {
                let Some(Reverse((now, _, event))) = heap.pop() else { break };
                heap.push(Reverse((now + delay, seq, black_box(event))));
            }
            heap
        };
        bencher.iter_batched(|| heap.clone(), step, BatchSize::SmallInput);
    });
    let bare: BinaryHeap<Reverse<u64>> = first.iter().map(|&at| Reverse(at)).collect();
    group.bench_function("std heap of times", |bencher| {
        let step = |mut heap: BinaryHeap<Reverse<u64>>| {
            for &delay in later {
                let Some(Reverse(now)) = heap.pop() else { break };
                heap.push(Reverse(black_box(now) + delay));
            }
            heap
        };
        bencher.iter_batched(|| bare.clone(), step, BatchSize::SmallInput);
    });
    group.finish();
}

criterion_group!(benches, hold);
criterion_main!(benches);
