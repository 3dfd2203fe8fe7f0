//! What a request costs inside: the check of its key alone, and the whole way from head to answer.
//!
//! `cargo bench -p georush-system --bench handler`, with `GEORUSH_CITY` as in `lookup`. Not here: sockets; see `peers`.
#![allow(missing_docs)]

#[path = "parts/addresses.rs"]
mod addresses;
#[path = "parts/calls.rs"]
mod calls;

use std::hint::black_box;

use addresses::Random;
use calls::{KEYS, PEER, api, forget, request};
use criterion::{BatchSize, Criterion, Throughput};
use georush_system::{
    core::Identifier,
    edge::{Ask, Want},
    http::Handler,
    key,
};
use hyper::http::request::Parts;

const BATCH: usize = 4_096;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let (api, keys) = api();
    let mut random = Random(7);
    let mut draw = || keys[random.next() as usize % KEYS].as_str();
    let drawn: Vec<&str> = (0..BATCH).map(|_| draw()).collect();

    let mut group = criterion.benchmark_group("key");
    group.throughput(Throughput::Elements(BATCH as u64));
    group.bench_function("digest", |bencher| {
        bencher.iter(|| drawn.iter().for_each(|key| drop(black_box(key::identifier(key)))));
    });
    let subjects: Vec<Identifier> = drawn.iter().map(|key| key::identifier(key)).collect();
    let now = api.now();
    let admit = |subject: &Identifier| {
        let ask = Ask { subject, cost: 1, want: Want::Record, address: PEER, host: None };
        black_box(api.edge.admit(now, &ask)).expect("a known key");
    };
    group.bench_function("admit, digest known", |bencher| {
        bencher.iter_batched(|| forget(&api), |()| subjects.iter().for_each(admit), BatchSize::PerIteration);
    });
    group.bench_function("digest and admit", |bencher| {
        let all = || drawn.iter().for_each(|key| admit(&key::identifier(key)));
        bencher.iter_batched(|| forget(&api), |()| all(), BatchSize::PerIteration);
    });
    group.finish();

    let mut group = criterion.benchmark_group("answer");
    group.throughput(Throughput::Elements(BATCH as u64));
    for (kind, addresses) in [("uniform", addresses::uniform()), ("Zipf", addresses::zipf())] {
        let mut batches = addresses.chunks_exact(BATCH).cycle();
        let mut batch = || {
            forget(&api);
            let addresses = batches.next().into_iter().flatten();
            addresses.zip(&drawn).map(|(&ip, key)| request(ip, key)).collect::<Vec<_>>()
        };
        let answer = |requests: &Vec<Parts>| {
            requests.iter().for_each(|request| drop(black_box(api.answer(request, PEER))));
        };
        group.bench_function(kind, |bencher| {
            bencher.iter_batched_ref(&mut batch, |all| answer(all), BatchSize::PerIteration)
        });
    }
    group.finish();
    criterion.final_summary();
}
