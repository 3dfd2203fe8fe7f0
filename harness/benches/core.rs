//! What one step of the core costs: the edge, the aggregator, the replicator and the count they share.
//!
//! Not here: the simulator around them (see `scenarios`).
#![allow(missing_docs)]

#[path = "parts/steps.rs"]
mod steps;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use georush_core::{
    Origin, SubjectId, Timestamp,
    aggregator::{self, Aggregation, Aggregator, Gaps},
    count::{Change, Count},
    edge::{Edge, Enforcement, OnUnavailable, Request},
    replicator::{self, Replicator},
};
use steps::{EVENTS, PACE, record, row};

const REQUESTS: u32 = 4_096;
/// A multiple of the requests of one iteration, and at 16 bytes a counter far beyond any cache.
const SUBJECTS: u32 = 1 << 23;
/// Spreads consecutive numbers; odd, so that it visits every subject of a power of two.
const SPREAD: u32 = 0x9E37_79B1;
const REGIONS: u16 = 10;

fn edge(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("edge, authorize");
    group.throughput(Throughput::Elements(REQUESTS.into()));
    let row = row();
    for (policy, enforcement) in
        [("replicated", Enforcement::Replicated), ("replicated plus local", Enforcement::ReplicatedPlusLocal)]
    {
        for (heat, subjects) in [("hot", 64), ("cold", SUBJECTS)] {
            let mut edge = Edge::new(Origin::default(), enforcement, OnUnavailable::Open);
            let mut outbox = Vec::new();
            let mut number = 0_u32;
            let mut authorize = || {
                number = number.wrapping_add(1);
                let subject = SubjectId(number.wrapping_mul(SPREAD) % subjects);
                let request = Request { subject, cost: 1, lane: 0 };
                outbox.clear();
                black_box(edge.authorize(Timestamp(1), request, black_box(&row), true, &mut outbox));
            };
            // Counters are made on first use; that is no part of a request.
            (0..subjects).for_each(|_| authorize());
            group.bench_function(format!("{policy}, {heat}"), |bencher| {
                bencher.iter(|| (0..REQUESTS).for_each(|_| authorize()));
            });
        }
    }
    group.finish();
}

fn aggregator(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("aggregator, a record of 100 events and the end of its read");
    group.throughput(Throughput::Elements(EVENTS.into()));
    for (name, aggregation) in
        [("cumulative", Aggregation::Cumulative), ("add, then checkpoint", Aggregation::AddThenCheckpoint)]
    {
        let mut aggregator = Aggregator::new(Timestamp(0), aggregation, 0, &[0], Gaps::default());
        let (mut events, mut outbox, mut sequence) = (record(0), Vec::new(), 0);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                sequence += 1;
                outbox.clear();
                let record = aggregator::Input::Record { shard: 0, sequence, events: black_box(&events) };
                aggregator.handle(Timestamp(sequence), record, &mut outbox);
                aggregator.handle(Timestamp(sequence), aggregator::Input::EndOfRead { shard: 0 }, &mut outbox);
                for event in &mut events {
                    event.sequence += u64::from(EVENTS);
                    event.cumulative += u64::from(EVENTS);
                }
                black_box(&outbox);
            });
        });
    }
    group.finish();
}

fn replicator(criterion: &mut Criterion) {
    let mut replicator = Replicator::new(PACE, 0);
    let (mut newest, mut outbox) = (0, Vec::new());
    criterion.bench_function("replicator, changes found and written", |bencher| {
        bencher.iter(|| {
            newest += 5;
            outbox.clear();
            replicator.handle(replicator::Input::Changes { newest: black_box(newest) }, &mut outbox);
            replicator.handle(replicator::Input::Written, &mut outbox);
            black_box(&outbox);
        });
    });
}

fn count(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("count, apply");
    group.throughput(Throughput::Elements(REGIONS.into()));
    let mut cumulative = 0;
    let mut count = Count::default();
    group.bench_function("raise, ten regions in turn", |bencher| {
        bencher.iter(|| {
            cumulative += 1;
            for region in 0..REGIONS {
                black_box(count.apply(Origin { region, epoch: 0 }, Change::Raise(black_box(cumulative))));
            }
        });
    });
    let mut count = Count::default();
    group.bench_function("add, ten regions in turn", |bencher| {
        bencher.iter(|| {
            for region in 0..REGIONS {
                black_box(count.apply(Origin { region, epoch: 0 }, Change::Add(black_box(1))));
            }
        });
    });
    group.finish();
}

criterion_group!(benches, edge, aggregator, replicator, count);
criterion_main!(benches);
