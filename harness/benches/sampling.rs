//! What one draw costs, ours against rand_distr, and what one arrival costs.
//!
//! Not here: whole engines.
#![allow(clippy::disallowed_methods, reason = "what we compare with uses the platform's functions")]
#![allow(missing_docs, dead_code)]

#[path = "engines/setting.rs"]
mod setting;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use georush::{
    scenario::{Arrival as Kind, Scenario},
    simulate::{
        sample::{Alias, Gaps, Quantiles},
        seed::Seed,
    },
    workload::Stream,
};
use rand::Rng;
use rand_distr::{Distribution, Exp1, LogNormal, weighted::WeightedAliasIndex};

const DRAWS: u64 = 10_000;

fn draws(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("draw");
    group.throughput(Throughput::Elements(DRAWS));
    let mut bits = Seed(1).stream("draws");
    let quantiles = Quantiles::from_points(&[(0.5, 180_000.0), (0.99, 450_000.0)]);
    group.bench_function("latency, table", |bencher| {
        bencher.iter(|| (0..DRAWS).map(|_| u64::from(quantiles.draw(bits.next_u32()))).sum::<u64>());
    });
    let lognormal = LogNormal::new(12.0, 0.4).expect("sigma is positive");
    group.bench_function("latency, rand_distr", |bencher| {
        bencher.iter(|| (0..DRAWS).map(|_| lognormal.sample(&mut bits) as u64).sum::<u64>());
    });
    let gaps = Gaps::exponential();
    group.bench_function("gap, table", |bencher| {
        bencher.iter(|| (0..DRAWS).map(|_| gaps.draw(bits.next_u32())).sum::<f64>());
    });
    group.bench_function("gap, rand_distr", |bencher| {
        bencher.iter(|| (0..DRAWS).map(|_| -> f64 { Exp1.sample(&mut bits) }).sum::<f64>());
    });
    let members = Alias::zipf(100_000, 1.1);
    group.bench_function("Zipf member of 100,000, table", |bencher| {
        bencher.iter(|| (0..DRAWS).map(|_| u64::from(members.draw(bits.next_u64()))).sum::<u64>());
    });
    let weights = (1..=100_000).map(|n| f64::from(n).powf(-1.1)).collect();
    let theirs = WeightedAliasIndex::new(weights).expect("weights are positive");
    group.bench_function("Zipf member of 100,000, rand_distr", |bencher| {
        bencher.iter(|| (0..DRAWS).map(|_| theirs.sample(&mut bits) as u64).sum::<u64>());
    });
    group.finish();
}

fn arrivals(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("arrival");
    let mut scenario = setting::SETTINGS[0].scenario(1);
    scenario.duration_us = 10_000_000;
    group.throughput(Throughput::Elements(100_000));
    for (name, kind) in [("poisson", Kind::Poisson), ("constant", Kind::Constant)] {
        scenario.clients[0].arrival = kind;
        let stream = Stream::new(&scenario, 0);
        group.bench_function(name, |bencher| bencher.iter(|| read(stream.clone())));
    }
    group.bench_function("building a stream", |bencher| bencher.iter(|| build(&scenario)));
    group.finish();
}

fn read(mut stream: Stream) -> u64 {
    let (mut block, mut sum) = (Vec::new(), 0);
    loop {
        stream.fill(&mut block);
        if block.is_empty() {
            return sum;
        }
        sum += block.iter().map(|arrival| arrival.at_us ^ u64::from(arrival.subject.0 ^ arrival.bits)).sum::<u64>();
    }
}

fn build(scenario: &Scenario) -> Stream {
    Stream::new(scenario, 0)
}

criterion_group!(benches, draws, arrivals);
criterion_main!(benches);
