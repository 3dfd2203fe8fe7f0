//! What only a live run has to say: its scale, measured times without any model in them, the generator, the machine, doubts.
//!
//! Not here: what has the same place as in a simulation.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Distribution, number, rounded};
use crate::{
    live::{Live, outcome::Times, validity::Check},
    oracle::{history::Interval, lag_histogram},
    report::judge::Judgement,
    scenario::{Scenario, units::show_instant},
};
use serde_json::Number;

#[derive(Debug, Serialize)]
pub(super) struct Measured<'a> {
    valid: bool,
    reasons: &'a [String],
    checks: Vec<Condition>,
    started: String,
    machine: &'a str,
    time_compression: f64,
    rate_scale: f64,
    modelled: [&'static str; 3],
    measured: [&'static str; 2],
    response_time: Option<Distribution>,
    service_time: Option<Distribution>,
    send_lag: Option<Distribution>,
    regions: BTreeMap<&'a str, Region>,
    generator: Generator,
    cpu: Cpu,
    history: History,
    faults: Vec<Fault<'a>>,
    casualties: &'a [String],
}

#[derive(Debug, Serialize)]
struct Condition {
    name: &'static str,
    unit: &'static str,
    value: Option<Number>,
    bound: Option<Number>,
    holds: bool,
}

#[derive(Debug, Serialize)]
struct Region {
    response_time: Option<Distribution>,
    service_time: Option<Distribution>,
}

#[derive(Debug, Serialize)]
struct Generator {
    dropped_iterations: u64,
    elapsed_us: u64,
    busy_us: u64,
    cpu_us: u64,
    connections: u64,
    in_flight_max: usize,
}

#[derive(Debug, Serialize)]
struct Cpu {
    cpus: usize,
    ours: f64,
    others: f64,
    stolen: f64,
    waited: f64,
    waited_us: u64,
}

#[derive(Debug, Serialize)]
struct Range {
    lower: u64,
    upper: u64,
}

#[derive(Debug, Serialize)]
struct History {
    unknown: u64,
    admitted: Range,
    over_admission: Range,
    false_rejections: Range,
    count_error_absolute: u64,
    count_doubt: u64,
    staleness_lower: Option<Distribution>,
}

#[derive(Debug, Serialize)]
struct Fault<'a> {
    at_us: u64,
    done_us: u64,
    what: &'a str,
}

pub(super) fn measured<'a>(scenario: &'a Scenario, judgement: &'a Judgement, live: &'a Live) -> Measured<'a> {
    let Times { response, service } = &live.times;
    let names = scenario.system.regions.iter().map(String::as_str);
    let region = |times: &Times| Region {
        response_time: Distribution::of(&times.response),
        service_time: Distribution::of(&times.service),
    };
    let effort = &live.effort;
    Measured {
        valid: judgement.reasons.is_empty(),
        reasons: &judgement.reasons,
        checks: live.checks.iter().map(condition).collect(),
        started: show_instant(live.started),
        machine: &live.machine,
        time_compression: scenario.live.time_compression,
        rate_scale: scenario.live.rate_scale,
        modelled: ["dns", "network", "tls"],
        measured: ["queue", "handler"],
        response_time: Distribution::of(response),
        service_time: Distribution::of(service),
        send_lag: Distribution::of(&live.lag),
        regions: names.zip(live.regions.iter().map(region)).collect(),
        generator: Generator {
            dropped_iterations: live.dropped,
            elapsed_us: effort.elapsed_us,
            busy_us: effort.busy_us,
            cpu_us: effort.cpu_us,
            connections: effort.connections,
            in_flight_max: effort.in_flight_max,
        },
        cpu: Cpu {
            cpus: live.usage.cpus,
            ours: rounded(live.usage.ours),
            others: rounded(live.usage.others),
            stolen: rounded(live.usage.stolen),
            waited: rounded(live.usage.waited),
            waited_us: live.usage.waited_us,
        },
        history: history(live),
        faults: live.faults.iter().map(|f| Fault { at_us: f.at_us, done_us: f.done_us, what: &f.what }).collect(),
        casualties: &live.casualties,
    }
}

fn condition(check: &Check) -> Condition {
    let Check { name, value, bound, unit, .. } = *check;
    Condition { name, unit, value: number(value), bound: number(bound), holds: check.holds() }
}

fn history(live: &Live) -> History {
    let range = |interval: Interval| Range { lower: interval.lower, upper: interval.upper };
    let answers = &live.answers;
    let mut ages = lag_histogram();
    for views in &answers.views {
        ages.add(&views.age_lower).expect("both have the same bounds");
        ages.saturating_record_n(0, views.fresh);
    }
    History {
        unknown: answers.unknown,
        admitted: range(answers.admitted),
        over_admission: range(answers.over_admission),
        false_rejections: range(answers.false_rejections),
        count_error_absolute: live.count_error.absolute,
        count_doubt: live.count_error.doubt,
        staleness_lower: Distribution::of(&ages),
    }
}
