//! Compares simulation engines on one workload, in interleaved rounds: `cargo bench --bench engines [-- ROUNDS]`.
//!
//! Not here: a criterion bench. What counts is the ratio within a round, in CPU time of the thread.

#![allow(
    clippy::disallowed_methods,
    reason = "the engines we compare with use the platform's functions, as they would anywhere"
)]
#![allow(missing_docs)]

#[path = "engines/heap.rs"]
mod heap;
#[path = "engines/nexosim.rs"]
mod nexosim;
#[path = "engines/ours.rs"]
mod ours;
#[path = "engines/setting.rs"]
mod setting;

use cpu_time::ThreadTime;
use setting::{Outcome, SETTINGS, Setting};

type Engine = (&'static str, fn(&Setting, u64) -> Outcome);

const ENGINES: [Engine; 3] = [("georush", ours::run), ("plain heap", heap::run), ("nexosim", nexosim::run)];

fn main() {
    // `cargo test --all-targets` starts benches too, without this argument, and is not asked for minutes of measuring.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let rounds: u64 = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(5).max(1);
    for setting in &SETTINGS {
        let mut rates: Vec<Vec<f64>> = vec![Vec::new(); ENGINES.len()];
        for round in 0..rounds {
            let outcomes: Vec<Outcome> = ENGINES
                .iter()
                .zip(&mut rates)
                .map(|((_, run), rates)| {
                    let start = ThreadTime::now();
                    let outcome = run(setting, round);
                    rates.push(outcome.requests as f64 / start.elapsed().as_secs_f64() / 1e6);
                    outcome
                })
                .collect();
            check(setting, &outcomes);
        }
        print(setting, &rates);
    }
}

/// All engines answer the same requests: they differ by chance only.
fn check(setting: &Setting, outcomes: &[Outcome]) {
    let quantile = |outcome: &Outcome, q| outcome.latency_us.value_at_quantile(q) as f64;
    for ((name, _), outcome) in ENGINES.iter().zip(outcomes) {
        let rejected = 1e3 * outcome.rejected as f64 / outcome.requests as f64;
        let expected = 1e3 * outcomes[0].rejected as f64 / outcomes[0].requests as f64;
        for q in [0.5, 0.99] {
            let ratio = quantile(outcome, q) / quantile(&outcomes[0], q);
            assert!((ratio - 1.0).abs() < 0.02, "{}: {name} is {ratio} times georush at quantile {q}", setting.name);
        }
        assert!((rejected - expected).abs() < 5.0, "{}: {name} rejects {rejected} of 1,000", setting.name);
        assert_eq!(outcome.completed, outcome.requests, "{}: {name} completes what arrives", setting.name);
    }
}

fn print(setting: &Setting, rates: &[Vec<f64>]) {
    println!("\n{}: {} requests/s in each of {} regions", setting.name, setting.rate, setting::REGIONS);
    for ((name, _), own) in ENGINES.iter().zip(rates) {
        let [least, median, greatest] = spread(own.clone());
        println!("{name:>12}: {least:6.2} / {median:6.2} / {greatest:6.2} M requests per CPU second (min/median/max)");
    }
    for ((name, _), own) in ENGINES.iter().zip(rates).skip(1) {
        let [low, ratio, high] = spread(rates[0].iter().zip(own).map(|(ours, theirs)| ours / theirs).collect());
        println!("     georush / {name}: {low:.2} / {ratio:.2} / {high:.2}");
    }
}

fn spread(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [values[0], values[values.len() / 2], values[values.len() - 1]]
}
