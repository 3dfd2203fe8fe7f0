//! What it costs to locate an address: the pieces of its answer, and the whole answer as JSON.
//!
//! `cargo bench -p georush-system --bench lookup`; with `GEORUSH_CITY=FILE` on ip-location-db's DB-IP City file, too. Not here: who may ask.
#![allow(missing_docs)]

#[path = "parts/addresses.rs"]
mod addresses;
#[path = "parts/plain.rs"]
mod plain;

use std::{env, hint::black_box, net::IpAddr, path::Path};

use cpu_time::ThreadTime;
use criterion::{Criterion, Throughput};
use georush_system::{
    core::Timestamp,
    geo::{Geo, Settings},
};
use plain::Plain;
use serde_json::Value;

/// 2026-06-17 00:00 UTC.
const NOW: Timestamp = Timestamp(1_781_654_400_000_000);
const ROUNDS: usize = 9;
/// Addresses of one iteration.
const BATCH: usize = 4_096;

/// An answer as the API writes it.
#[inline]
fn answer(geo: &Geo, ip: IpAddr) -> Vec<u8> {
    let mut out = Vec::with_capacity(1_408);
    out.push(b'{');
    geo.find(ip).write(&mut out, NOW);
    out.extend_from_slice(br#""count":"1"}"#);
    out
}

/// Both ways must tell the same, or the ratio means nothing.
fn agree(geo: &Geo, plain: &Plain, addresses: &[IpAddr]) -> usize {
    let mut bytes = 0;
    for &ip in &addresses[..BATCH] {
        let (ours, theirs) = (answer(geo, ip), plain.json(ip, NOW, "1"));
        let read = |text: &[u8]| widened(serde_json::from_slice(text).expect("JSON"));
        assert_eq!(read(&ours), read(&theirs), "{ip}");
        bytes += ours.len();
    }
    bytes / BATCH
}

/// 70 and 70.0 are the same degrees.
fn widened(value: Value) -> Value {
    match value {
        Value::Number(number) => number.as_f64().into(),
        Value::Object(members) => members.into_iter().map(|(name, member)| (name, widened(member))).collect(),
        Value::Array(items) => items.into_iter().map(widened).collect(),
        Value::Null | Value::Bool(_) | Value::String(_) => value,
    }
}

/// CPU time of this thread: wall time holds what the neighbours do.
fn nanoseconds(addresses: &[IpAddr], mut step: impl FnMut(IpAddr)) -> f64 {
    let started = ThreadTime::now();
    addresses.iter().for_each(|&ip| step(ip));
    started.elapsed().as_nanos() as f64 / addresses.len() as f64
}

fn median(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    let (least, middle, most) = (values[0], values[values.len() / 2], values[values.len() - 1]);
    format!("{least:.1} / {middle:.1} / {most:.1}")
}

/// The two ways in turn, several rounds; ratios are taken within a round.
fn ratios(name: &str, geo: &Geo, plain: &Plain, addresses: &[IpAddr]) {
    let (mut ours, mut theirs, mut ratio) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let index = nanoseconds(addresses, |ip| {
            black_box(answer(geo, ip));
        });
        let decode = nanoseconds(addresses, |ip| {
            black_box(plain.json(ip, NOW, "1"));
        });
        ours.push(index);
        theirs.push(decode);
        ratio.push(decode / index);
    }
    let (ours, theirs, ratio) = (median(ours), median(theirs), median(ratio));
    println!("{name}: index {ours} ns, decode and serde_json {theirs} ns, ratio {ratio} (min / median / max)");
}

fn bench(criterion: &mut Criterion, data: &str, city: Option<&Path>) {
    let files = city.map(Path::to_owned).into_iter().collect();
    let geo = Geo::load(&Settings { files, ..Settings::default() }).expect("good data");
    let plain = Plain::load(city, NOW);
    println!("{data}: index of {:.0} MB", geo.index_size() as f64 / 1e6);
    for (kind, addresses) in [("uniform", addresses::uniform()), ("Zipf", addresses::zipf())] {
        let size = agree(&geo, &plain, &addresses);
        println!("{data}, {kind}: answers of {size} bytes on average");
        let mut group = criterion.benchmark_group(format!("{data}, {kind}"));
        group.throughput(Throughput::Elements(BATCH as u64));
        let mut run = |what: &str, step: &mut dyn FnMut(IpAddr)| {
            let mut batches = addresses.chunks_exact(BATCH).cycle();
            group.bench_function(what, |bencher| {
                bencher.iter(|| batches.next().into_iter().flatten().for_each(|&ip| step(ip)));
            });
        };
        run("pieces", &mut |ip| {
            black_box(geo.find(ip));
        });
        run("JSON", &mut |ip| {
            black_box(answer(&geo, ip));
        });
        run("JSON by decoding", &mut |ip| {
            black_box(plain.json(ip, NOW, "1"));
        });
        group.finish();
        ratios(&format!("{data}, {kind}"), &geo, &plain, &addresses);
    }
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    bench(&mut criterion, "built-in", None);
    if let Some(city) = env::var_os("GEORUSH_CITY") {
        bench(&mut criterion, "city", Some(Path::new(&city)));
    }
    criterion.final_summary();
}
