//! What arrival streams promise.
//!
//! Not here: the arithmetic of rates, tested beside it.

use super::*;
use crate::scenario::{Arrival as Kind, Dns, Era, Function, Gateway, IdentifierKind, Pipeline, Segment, System, Table};
use georush_core::{
    Timestamp,
    aggregator::Aggregation,
    edge::{Enforcement, OnUnavailable},
};

const SECOND_US: u64 = 1_000_000;

fn scenario(seconds: u64, clients: Vec<Clients>) -> Scenario {
    let dns = Dns { ttl_us: 0, stale_resolvers_ppm: 0, stale_ttl_us: 0, health_interval_us: 0, health_threshold: 0 };
    let system = System {
        stack: "serverless-2018".to_owned(),
        era: Era::Y2018,
        regions: vec!["us-east-1".to_owned()],
        central: 0,
        enforcement: Enforcement::Replicated,
        aggregation: Aggregation::Cumulative,
        on_unavailable: OnUnavailable::Open,
        dns,
        keep_alive_ppm: 0,
        gateway: Gateway { rate: 1, burst: 1 },
        function: Function { runtime: "python3.6".to_owned(), memory_mb: 128, concurrency: 1, handler_cpu_us: 1 },
        table: Table { on_demand: false, read_capacity: 1, write_capacity: 1, dax_ttl_us: None },
        service: None,
        pipeline: Pipeline::FixedLag { lag_us: vec![0] },
    };
    Scenario {
        name: "test".to_owned(),
        question: "Who calls?".to_owned(),
        seed: 2017,
        start: Timestamp(0),
        duration_us: seconds * SECOND_US,
        system,
        plans: Vec::new(),
        populations: vec![population("few", 3, 0), population("many", 1_000, 1_100)],
        clients,
        faults: Vec::new(),
        thresholds: Vec::new(),
        plots: Vec::new(),
        live: crate::scenario::Live::default(),
        gate: crate::scenario::Gate::default(),
        hash: String::new(),
        overrides: Vec::new(),
    }
}

fn population(name: &str, size: u32, zipf_milli: u32) -> Population {
    Population { name: name.to_owned(), kind: IdentifierKind::ApiKey, plan: 0, size, zipf_milli }
}

/// 100 per second for 1,000 s from two countries, 3 to 1.
fn group(name: &str, arrival: Kind) -> Clients {
    let flat = Segment { duration_us: 1_000 * SECOND_US, from: 100.0, to: 100.0, unit_us: SECOND_US };
    Clients {
        name: name.to_owned(),
        population: 1,
        start_us: 0,
        load: Load::Segments(vec![flat]),
        arrival,
        from: vec![(7, 750_000), (9, 250_000)],
    }
}

fn arrivals(scenario: &Scenario, clients: usize) -> Vec<Arrival> {
    let mut stream = Stream::new(scenario, clients);
    let (mut all, mut block) = (Vec::new(), Vec::new());
    loop {
        stream.fill(&mut block);
        assert!(block.len() <= BLOCK);
        if block.is_empty() {
            return all;
        }
        all.append(&mut block);
    }
}

#[test]
fn one_hundred_a_second_for_one_hundred_seconds_are_ten_thousand() {
    let seen = arrivals(&scenario(100, vec![group("a", Kind::Constant)]), 0);
    assert_eq!(seen.len(), 10_000);
    assert!(seen.iter().zip(0..).all(|(arrival, k)| arrival.at_us == k * 10_000));
}

#[test]
fn the_time_unit_is_that_of_the_rate() {
    let mut clients = group("a", Kind::Constant);
    clients.load =
        Load::Segments(vec![Segment { duration_us: 600 * SECOND_US, from: 6.0, to: 6.0, unit_us: 60 * SECOND_US }]);
    let seen = arrivals(&scenario(1_000, vec![clients]), 0);
    assert_eq!(seen.len(), 60);
    assert_eq!(seen[59].at_us, 590 * SECOND_US);
}

#[test]
fn nothing_arrives_before_the_groups_start_or_at_the_runs_end() {
    let mut clients = group("a", Kind::Poisson);
    clients.start_us = 10 * SECOND_US;
    let seen = arrivals(&scenario(20, vec![clients]), 0);
    assert!(seen.first().is_some_and(|first| first.at_us > 10 * SECOND_US));
    assert!(seen.last().is_some_and(|last| last.at_us < 20 * SECOND_US));
    assert!(seen.is_sorted_by_key(|arrival| arrival.at_us));
    assert!(seen.len().abs_diff(1_000) < 130, "{}", seen.len());
}

#[test]
fn random_arrivals_keep_the_mean_rate_and_scatter_as_asked() {
    for (kind, cv) in [(Kind::Poisson, 1.0), (Kind::Gamma { cv_milli: 2_000 }, 2.0), (Kind::Gamma { cv_milli: 0 }, 0.0)]
    {
        let seen = arrivals(&scenario(1_000, vec![group("a", kind)]), 0);
        let count = seen.len() as f64;
        // Five standard deviations of a renewal process.
        assert!((count - 100_000.0).abs() <= 5.0 * cv * 100_000_f64.sqrt() + 1.0, "{count} arrivals with cv {cv}");
        let gaps: Vec<f64> = seen.windows(2).map(|pair| (pair[1].at_us - pair[0].at_us) as f64).collect();
        let mean = gaps.iter().sum::<f64>() / count;
        let variance = gaps.iter().map(|gap| (gap - mean) * (gap - mean)).sum::<f64>() / count;
        assert!((variance.sqrt() / mean - cv).abs() <= 0.03 * cv + 1e-4, "cv {}", variance.sqrt() / mean);
    }
}

#[test]
fn callers_come_by_weight() {
    let seen = arrivals(&scenario(1_000, vec![group("a", Kind::Constant)]), 0);
    let share = |of: &dyn Fn(&Arrival) -> bool| seen.iter().filter(|&arrival| of(arrival)).count() as f64 / 100_000.0;
    assert!((share(&|arrival| arrival.country == 7) - 0.75).abs() < 0.01);
    assert!(seen.iter().all(|arrival| (3..1_003).contains(&arrival.subject.0)));
    let ratio = share(&|arrival| arrival.subject.0 == 4) / share(&|arrival| arrival.subject.0 == 3);
    assert!((ratio - libm::pow(0.5, 1.1)).abs() < 0.03, "{ratio}");
    assert!((seen.iter().map(|arrival| f64::from(arrival.bits)).sum::<f64>() / 1e5 / 2e9 - 1.0737).abs() < 0.02);
}

#[test]
fn adding_a_group_moves_no_other() {
    let alone = arrivals(&scenario(10, vec![group("a", Kind::Poisson)]), 0);
    let both = scenario(10, vec![group("b", Kind::Poisson), group("a", Kind::Poisson)]);
    assert_eq!(arrivals(&both, 1), alone);
    assert_ne!(arrivals(&both, 0), alone);
}

#[test]
fn arrivals_are_the_same_on_every_platform() {
    let seen = arrivals(&scenario(1_000, vec![group("a", Kind::Poisson)]), 0);
    let sum = seen.iter().fold(0_u64, |sum, arrival| {
        let who = u64::from(arrival.subject.0) << 16 | u64::from(arrival.country);
        [arrival.at_us, who, arrival.bits.into()]
            .iter()
            .fold(sum, |sum, word| sum.wrapping_mul(0x0100_0000_01b3) ^ word)
    });
    assert_eq!((seen.len(), sum), (99_722, 4_319_370_448_414_493_444));
}

#[test]
fn a_trace_is_played_as_it_is() {
    let mut clients = group("a", Kind::Constant);
    clients.start_us = 5;
    let line = |at_us| TraceArrival { at_us, member: None, country: None };
    let mut lines: Vec<TraceArrival> = (0..200).map(line).collect();
    clients.load = Load::Trace(lines.clone());
    let drawn = arrivals(&scenario(1_000, vec![clients.clone()]), 0);
    lines[100] = TraceArrival { at_us: 100, member: Some(2), country: Some(11) };
    lines.push(line(1_000 * SECOND_US));
    clients.load = Load::Trace(lines);
    let named = arrivals(&scenario(1_000, vec![clients]), 0);
    assert_eq!((named[100].at_us, named[100].subject, named[100].country), (105, SubjectId(5), 11));
    assert_eq!((&named[..100], &named[101..]), (&drawn[..100], &drawn[101..]));
    assert_eq!(named.len(), 200);
}

#[test]
fn subjects_are_numbered_population_by_population() {
    assert_eq!(subjects(&scenario(1, Vec::new())), [0, 3, 1_003]);
}
