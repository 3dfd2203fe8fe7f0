//! A small region outage, made by hand, for the tests of what reports it.
//!
//! Not here: a model of anything. The numbers only have to look like a run.

use super::{Report, json, judge::judge, read::Stored};
use crate::{
    cost::{Consumed, OfRegion},
    measure::{Component, Measure, Parts, Sample, latency_histogram},
    oracle::{FalseRejections, Findings, Overrun, RegionView, invariants},
    outcome::Outcome,
    scenario::{
        Aggregate, Arrival, Cause, Clients, Dns, Era, Fault, FaultAction, Function, Gate, Gateway, IdentifierKind,
        Live, Load, Metric, NamedPlan, Op, Phase, Pipeline, Plot, Population, Scenario, System, Table, Tags, Threshold,
    },
};
use georush_core::{Plan, Timestamp, aggregator::Aggregation, edge::*, window::WindowKind};

const SECOND_US: u64 = 1_000_000;
/// Central, the one that goes down, and one far away.
pub(crate) const REGIONS: [&str; 3] = ["us-east-1", "eu-central-1", "ap-southeast-2"];

/// A threshold on `metric`.
pub(crate) fn threshold(metric: Metric, tags: Tags, aggregate: Aggregate, op: Op, bound: f64) -> Threshold {
    let (selector, condition) = (String::new(), String::new());
    Threshold { selector, metric, tags, condition, aggregate, op, bound, line: 1 }
}

fn written(selector: &str, condition: &str, threshold: Threshold) -> Threshold {
    Threshold { selector: selector.into(), condition: condition.into(), ..threshold }
}

/// Ten minutes, three regions, the second of them down from 3m to 5m30s.
pub(crate) fn scenario() -> Scenario {
    let clients = |name: &str, population| Clients {
        name: name.into(),
        population,
        start_us: 0,
        load: Load::Segments(Vec::new()),
        arrival: Arrival::Poisson,
        from: vec![(0, 1_000_000)],
    };
    let population =
        |name: &str, size| Population { name: name.into(), kind: IdentifierKind::ApiKey, plan: 0, size, zipf_milli: 0 };
    Scenario {
        name: "region-outage".into(),
        question:
            "When eu-central-1 disappears for two and a half minutes at peak, how long do its users wait, what do they \
                   see, and does anybody get past a quota?"
                .into(),
        seed: 2018,
        start: Timestamp::from_date(2018, 11, 23).expect("a real date"),
        duration_us: 600 * SECOND_US,
        system: system(),
        plans: vec![NamedPlan { name: "business".into(), plan: Plan { quota: 40_000, window: WindowKind::DayUtc } }],
        populations: vec![population("shops", 500), population("one-busy-site", 1)],
        clients: vec![clients("shops", 0), clients("one-busy-site", 1)],
        faults: vec![Fault {
            at_us: 180 * SECOND_US,
            until_us: 330 * SECOND_US,
            action: FaultAction::RegionOutage { region: 1 },
            line: 31,
        }],
        thresholds: thresholds(),
        plots: vec![Plot {
            name: "overshoot".into(),
            x: "time".into(),
            y: vec!["quota.admitted".into(), "quota.visible{region:*}".into(), "errors{cause:region-outage}".into()],
        }],
        live: Live::default(),
        gate: Gate::default(),
        hash: "5f".repeat(32),
        overrides: vec!["plans.business.quota=40000".into()],
    }
}

fn thresholds() -> Vec<Threshold> {
    let region = |index| Tags { region: Some(index), ..Tags::default() };
    vec![
        written(
            "latency{region:ap-southeast-2}",
            "p(99)<400ms",
            threshold(Metric::Latency, region(2), Aggregate::P(99.0), Op::Less, 400_000.0),
        ),
        written(
            "availability",
            "value>99.9%",
            threshold(Metric::Availability, Tags::default(), Aggregate::Value, Op::Greater, 0.999),
        ),
        written(
            "quota.over_admission",
            "max<2%",
            threshold(Metric::QuotaOverAdmission, Tags::default(), Aggregate::Max, Op::Less, 0.02),
        ),
        written(
            "quota.silent_loss",
            "count==0",
            threshold(Metric::QuotaSilentLoss, Tags::default(), Aggregate::Count, Op::Equal, 0.0),
        ),
    ]
}

fn system() -> System {
    System {
        stack: "serverless-2018".into(),
        era: Era::Y2018,
        regions: REGIONS.map(String::from).to_vec(),
        central: 0,
        enforcement: Enforcement::Replicated,
        aggregation: Aggregation::Cumulative,
        on_unavailable: OnUnavailable::Closed,
        dns: Dns {
            ttl_us: 60 * SECOND_US,
            stale_resolvers_ppm: 50_000,
            stale_ttl_us: 3_600 * SECOND_US,
            health_interval_us: 10 * SECOND_US,
            health_threshold: 3,
        },
        keep_alive_ppm: 800_000,
        gateway: Gateway { rate: 10_000, burst: 5_000 },
        function: Function { runtime: "python3.6".into(), memory_mb: 256, concurrency: 1_000, handler_cpu_us: 2_000 },
        table: Table { on_demand: false, read_capacity: 25, write_capacity: 25, dax_ttl_us: None },
        service: None,
        pipeline: Pipeline::FixedLag { lag_us: vec![5 * SECOND_US; 3] },
    }
}

/// What might have become of [`scenario`].
pub(crate) fn outcome() -> Outcome {
    let mut measure = Measure::new(REGIONS.len(), 2, 600 * SECOND_US);
    let mut random = 2018_u64;
    let mut admitted = 0;
    for second in 0..600_u64 {
        measure.enter(match second {
            0..180 => Phase::Before,
            180..330 => Phase::During,
            _ => Phase::After,
        });
        for n in 0..120 + second / 4 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (sample, parts) = request(second, n, random >> 33);
            admitted += u64::from(sample.cause.is_none());
            measure.record(sample, &parts);
        }
        measure.series.staleness(2, 4 * SECOND_US + second * 1_000);
        if second % 2 == 1 {
            measure.series.close(|point| {
                point.admitted = admitted;
                for region in &mut point.regions {
                    region.visible = admitted.saturating_sub(1_000);
                }
            });
        }
    }
    let all = measure.select(&Tags::default());
    let findings = findings(admitted, all.causes[Cause::OverQuota as usize]);
    let requests = measure.select(&Tags::default()).requests();
    let (simulated_us, events) = (612 * SECOND_US, requests * 3);
    Outcome {
        measure,
        findings,
        requests,
        simulated_us,
        events,
        consumed: Some(consumed(requests)),
        digest: 0x0123_4567_89ab_cdef,
        subjects: 501,
    }
}

fn consumed(requests: u64) -> Consumed {
    let region = OfRegion { function_steps: requests / 3, reads: requests / 3, rows: 900, lines: requests / 4 };
    Consumed { regions: vec![region; REGIONS.len()], queries: requests / 50, stream: None }
}

fn request(second: u64, n: u64, random: u64) -> (Sample, Parts) {
    let home = (n % 3) as usize;
    let down = (180..330).contains(&second);
    let lost = down && home == 1 && second < 225;
    let region = if down && home == 1 && !lost { 0 } else { home };
    let clients = usize::from(n.is_multiple_of(10));
    let cause = match random % 1_000 {
        _ if lost => Some(Cause::RegionOutage),
        _ if clients == 1 && second > 500 => Some(Cause::OverQuota),
        0..3 if region == 0 && down => Some(Cause::ConcurrencyLimit),
        _ => None,
    };
    let mut parts = Parts::default();
    let jitter = (random % 97) as u32;
    parts[Component::Network as usize] = 12_000 + 400 * jitter + if region == home { 0 } else { 92_000 };
    parts[Component::Gateway as usize] = 6_000 + 20 * jitter;
    parts[Component::Table as usize] = 4_200 + 9 * jitter;
    parts[Component::Handler as usize] = 3_100;
    if random.is_multiple_of(5) {
        parts[Component::Dns as usize] = 2_000;
        parts[Component::Tls as usize] = 3 * parts[Component::Network as usize];
    }
    if random % 1_000 < if down { 25 } else { 3 } {
        parts[Component::ColdStart as usize] = 380_000;
    }
    (Sample { region, clients, cause, answered: !lost }, parts)
}

fn findings(admitted: u64, rejected: u64) -> Findings {
    let view = |fresh, us: u64, convergence_us| {
        let (mut staleness, mut crossing_lag) = (latency_histogram(), latency_histogram());
        (1..=1_000).for_each(|n| staleness.saturating_record(us * n / 1_000));
        crossing_lag.saturating_record(us);
        RegionView { fresh, staleness, crossing_lag, convergence_us, final_count: admitted }
    };
    let mut record = invariants::Invariants::default();
    for (index, (id, ..)) in invariants::ALL.iter().enumerate().filter(|(_, (id, ..))| *id != "I-08") {
        record.held(index, 1_000);
        record.check(index, *id != "I-18", 503_000_000, || "one-busy-site#0: 612 over, 598 arrived".into());
    }
    record.note(invariants::index("I-08"), "a fixed lag has no checkpoints");
    Findings {
        admitted,
        rejected,
        central_count: admitted,
        over_admission: 612,
        over_admission_max: 612.0 / 40_000.0,
        overruns: vec![Overrun {
            subject: "one-busy-site#0".into(),
            window: 17_858,
            quota: 40_000,
            admitted: 40_612,
            over: 612,
        }],
        crossings: 1,
        arrivals_before_visible: 598,
        false_rejections: FalseRejections::default(),
        count_error: 0,
        count_error_absolute: 0,
        duplicates: 0,
        declared_loss: 0,
        silent_loss: 0,
        tables_read: true,
        regions: vec![
            view(9_000, 1_200_000, Some(4_100_000)),
            view(400, 4_800_000, None),
            view(0, 5_100_000, Some(5_300_000)),
        ],
        invariants: record.finish(),
    }
}

/// The fixture's result, read back from its text.
pub(crate) fn stored() -> Stored {
    let (scenario, outcome) = (scenario(), outcome());
    let judgement = judge(&scenario, &outcome);
    let report = Report { scenario: &scenario, outcome: &outcome, judgement: &judgement, assumptions: &[], live: None };
    Stored::of("result.json", &json::text(&report)).expect("it is whole")
}
