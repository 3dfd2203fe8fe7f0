//! How fast whole scenarios run: `cargo bench --bench scenarios [-- ROUNDS]`, in CPU time of the thread.
//!
//! Not here: a criterion bench, or a judgement of what the scenarios find. Their thresholds are for whole runs.
#![allow(missing_docs)]

use std::path::Path;

use cpu_time::ThreadTime;
use georush::{
    scenario::{self, Scenario},
    simulate::{self, Observer},
};

/// A scenario and how it is made short enough to be repeated.
const RUNS: [(&str, &[&str]); 4] = [
    ("sixty-thousand", &[]),
    ("steady-month", &["duration=3d"]),
    // Two hours of the day's spike, on top of the night's ordinary load.
    (
        "black-friday",
        &[
            "duration=2h",
            "clients.spike.start_time=\"0s\"",
            "clients.spike.start_rate=65.7",
            "clients.spike.stages=[{duration=\"2h\",target=65.7}]",
        ],
    ),
    // The peak of 100,000 requests a second, without the faults.
    (
        "black-friday-stress",
        &[
            "duration=20s",
            "faults=[]",
            "clients.shops.start_rate=80000",
            "clients.shops.stages=[{duration=\"20s\",target=80000}]",
            "clients.partners.start_rate=20000",
            "clients.partners.stages=[{duration=\"20s\",target=20000}]",
        ],
    ),
];

struct Unwatched;

impl Observer for Unwatched {}

fn main() {
    // `cargo test --all-targets` starts benches too, without this argument, and is not asked for minutes of measuring.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let rounds: usize = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(5).max(1);
    let scenarios = RUNS.map(|(name, overrides)| load(name, overrides));
    let mut rates = vec![Vec::new(); scenarios.len()];
    let mut requests = vec![0; scenarios.len()];
    // Round by round, so that a neighbour's load meets all scenarios alike.
    for _ in 0..rounds {
        for (index, scenario) in scenarios.iter().enumerate() {
            let start = ThreadTime::now();
            let outcome = simulate::run(scenario, &mut Unwatched).expect("nobody stops the run");
            rates[index].push(outcome.requests as f64 / start.elapsed().as_secs_f64() / 1e6);
            requests[index] = outcome.requests;
        }
    }
    for (((name, overrides), requests), rates) in RUNS.iter().zip(requests).zip(rates) {
        let [least, median, greatest] = spread(rates);
        println!("{least:6.2} / {median:6.2} / {greatest:6.2} M requests per CPU second (min/median/max): {name}");
        println!("        {requests} requests, set-up included {}", overrides.join(" "));
    }
}

fn load(name: &str, overrides: &[&str]) -> Scenario {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios").join(name).with_extension("toml");
    let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
    scenario::load(&path, &overrides, None).unwrap_or_else(|errors| panic!("{errors}"))
}

fn spread(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [values[0], values[values.len() / 2], values[values.len() - 1]]
}
