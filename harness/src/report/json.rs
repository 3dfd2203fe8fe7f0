//! `result.json`: one run for programs. `docs/results-format.md` is its reference.
//!
//! Not here: anything that differs between two simulations of one version, scenario and seed (clock, machine, speed, paths). What is
//! measured in a live run is in `live` and in the same places as in a simulation.

mod cost;
mod distribution;
mod gate;
mod layout;
mod live;
mod plots;
mod quota;
pub mod seal;
mod series;
mod system;
mod traffic;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Number;

use crate::{
    measure::Component,
    oracle::{Invariant, Status},
    outcome::Outcome,
    report::{
        Report, command,
        judge::{Measured, ThresholdResult, Verdict},
    },
};
pub use distribution::Distribution;

/// Version of the format; grows with every change that could break a reader.
pub const SCHEMA: u32 = 1;

#[derive(Debug, Serialize)]
struct Document<'a> {
    schema: u32,
    georush: &'static str,
    mode: &'static str,
    question: &'a str,
    scenario: Source<'a>,
    system: system::System<'a>,
    faults: Vec<system::Span<'a>>,
    seed: u64,
    repeat: String,
    verdict: &'static str,
    exit_code: u8,
    thresholds: Vec<Condition<'a>>,
    invariants: Vec<Checked<'a>>,
    totals: Totals,
    traffic: traffic::Traffic<'a>,
    breakdown: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
    quota: quota::Quota<'a>,
    cost: Option<cost::Cost>,
    series: series::Columns<'a>,
    plots: BTreeMap<&'a str, plots::Resolved<'a>>,
    gate: gate::Tolerated<'a>,
    assumptions: &'a [String],
    digest: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    live: Option<live::Measured<'a>>,
    manifest: Manifest<'a>,
}

#[derive(Debug, Serialize)]
struct Source<'a> {
    name: &'a str,
    hash: &'a str,
    overrides: &'a [String],
}

#[derive(Debug, Serialize)]
struct Manifest<'a> {
    version: &'static str,
    scenario_hash: &'a str,
    seed: u64,
    mode: &'static str,
}

#[derive(Debug, Serialize)]
struct Totals {
    requests: u64,
    subjects: u64,
    pipeline_events: u64,
    duration_us: u64,
    simulated_us: u64,
}

#[derive(Debug, Serialize)]
struct Condition<'a> {
    metric: &'a str,
    condition: &'a str,
    unit: &'static str,
    value: Option<Number>,
    bound: Option<Number>,
    passed: bool,
    note: &'static str,
}

#[derive(Debug, Serialize)]
struct Checked<'a> {
    id: &'static str,
    name: &'static str,
    claim: &'static str,
    status: &'static str,
    checks: u64,
    violations: u64,
    first_violation: Option<FirstViolation<'a>>,
    note: &'static str,
}

#[derive(Debug, Serialize)]
struct FirstViolation<'a> {
    at_us: u64,
    seen: &'a str,
}

/// The run as JSON text, the same bytes for the same version, scenario and seed.
#[must_use]
pub fn text(report: &Report) -> String {
    seal::seal(&layout::write(&document(report)))
}

fn document<'a>(report: &Report<'a>) -> Document<'a> {
    let Report { scenario, outcome, judgement, assumptions, live } = *report;
    let version = env!("CARGO_PKG_VERSION");
    Document {
        schema: SCHEMA,
        georush: version,
        mode: report.mode(),
        question: &scenario.question,
        scenario: Source { name: &scenario.name, hash: &scenario.hash, overrides: &scenario.overrides },
        system: system::system(scenario),
        faults: system::spans(scenario),
        seed: scenario.seed,
        repeat: command::repeat(scenario, &command::file_name(scenario), live.map(|live| &live.arguments[..])),
        verdict: judgement.verdict.name(),
        exit_code: Verdict::exit_code(judgement.verdict),
        thresholds: judgement.thresholds.iter().map(condition).collect(),
        invariants: outcome.findings.invariants.iter().map(checked).collect(),
        totals: Totals {
            requests: outcome.requests,
            subjects: outcome.subjects,
            pipeline_events: outcome.events,
            duration_us: scenario.duration_us,
            simulated_us: outcome.simulated_us,
        },
        traffic: traffic::traffic(scenario, &outcome.measure),
        breakdown: breakdown(outcome),
        quota: quota::quota(scenario, &outcome.findings),
        cost: cost::cost(report),
        series: series::columns(scenario, &outcome.measure.series),
        plots: plots::plots(scenario),
        gate: gate::tolerated(&scenario.gate),
        assumptions,
        digest: format!("{:016x}", outcome.digest),
        live: live.map(|live| live::measured(scenario, judgement, live)),
        manifest: Manifest { version, scenario_hash: &scenario.hash, seed: scenario.seed, mode: report.mode() },
    }
}

fn condition(result: &ThresholdResult) -> Condition<'_> {
    let (value, note) = match result.measured {
        Measured::Value(value) => (number(value), ""),
        Measured::Never => (None, "never"),
        Measured::NoData => (None, "no data"),
    };
    Condition {
        metric: &result.selector,
        condition: &result.condition,
        unit: result.unit.name(),
        value,
        bound: number(result.bound),
        passed: result.passed,
        note,
    }
}

fn checked(invariant: &Invariant) -> Checked<'_> {
    let status = match invariant.status {
        Status::Held => "held",
        Status::Broken => "broken",
        Status::NotApplicable => "not-applicable",
    };
    Checked {
        id: invariant.id,
        name: invariant.name,
        claim: invariant.claim,
        status,
        checks: invariant.checks,
        violations: invariant.violations,
        first_violation: invariant.first.as_ref().map(|(at_us, seen)| FirstViolation { at_us: *at_us, seen }),
        note: invariant.note,
    }
}

fn breakdown(outcome: &Outcome) -> BTreeMap<&'static str, BTreeMap<&'static str, u64>> {
    let quantiles = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];
    let parts = |parts: [f64; Component::ALL.len()]| -> BTreeMap<_, _> {
        Component::ALL.into_iter().map(|c| (c.name(), parts[c as usize].round() as u64)).collect()
    };
    quantiles.iter().filter_map(|&(name, q)| Some((name, parts(outcome.measure.breakdown.at(q)?)))).collect()
}

/// An integer where the value is one, otherwise rounded; `None` for what JSON has no number for.
fn number(value: f64) -> Option<Number> {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    let whole = value.fract() == 0.0 && value.abs() < EXACT_MAX;
    if whole { Some(Number::from(value as i64)) } else { Number::from_f64(rounded(value)) }
}

/// Six digits after the point: enough for a millionth, and no tail that only looks exact.
fn rounded(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests;
