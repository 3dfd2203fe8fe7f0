//! What a request costs inside: the check of its key alone, and the whole way from head to answer.
//!
//! `cargo bench -p georush-system --bench handler`, with `GEORUSH_CITY` as in `lookup`. Not here: sockets; see `peers`.
#![allow(missing_docs)]

#[path = "parts/addresses.rs"]
mod addresses;

use std::{env, hint::black_box, net::IpAddr, path::PathBuf, sync::Arc};

use addresses::Random;
use arc_swap::ArcSwap;
use criterion::{BatchSize, Criterion, Throughput};
use georush_system::{
    address::Trusted,
    api::{Api, Data},
    core::{Identifier, Origin, Status, Version},
    edge::{Ask, Edge, Settings, Want},
    geo::{self, Geo},
    http::Handler,
    item::{Account, Item},
    key,
    plans::Plans,
};
use hyper::{Request, http::request::Parts};

const KEYS: usize = 10_000;
const BATCH: usize = 4_096;
const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 114, 7));

fn api() -> (Api, Vec<String>) {
    let plans = "[plans.all]\nquota = 1_000_000_000_000\npaid = true";
    let plans = Plans::parse(plans, "plans.toml").expect("good plans");
    let files = env::var_os("GEORUSH_CITY").map(PathBuf::from).into_iter().collect();
    let geo = Geo::load(&geo::Settings { files, ..geo::Settings::default() }).expect("good data");
    let data = Arc::new(ArcSwap::from_pointee(Data::new(geo)));
    let edge = Arc::new(Edge::new(Settings::new(Origin::default()), &plans));
    let api = Api::new(data, edge, Trusted::default(), Box::new(Vec::new));
    let keys: Vec<String> = (0..KEYS).map(|number| format!("{number:056x}")).collect();
    let now = api.now();
    for key in &keys {
        let account = Account {
            plan: "all".into(),
            created: now,
            status: Status::Active,
            whitelist: None,
            label: "".into(),
            version: Version { generation: 0, number: 1 },
        };
        api.edge.apply(now, &Item { subject: key::identifier(key), account: Some(account), usage: None });
    }
    (api, keys)
}

fn request(ip: IpAddr, key: &str) -> Parts {
    let request = Request::builder()
        .uri(format!("/{ip}?api-key={key}"))
        .header("host", "127.0.0.1:8080")
        .header("user-agent", "ipdata-python")
        .header("accept", "*/*");
    request.body(()).expect("a request").into_parts().0
}

/// Usage is written by a thread of its own in the service; here it is thrown away between batches.
fn forget(api: &Api) {
    let mut lines = Vec::new();
    api.edge.drain(api.now(), &mut lines);
}

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
