//! One scenario in both modes, side by side: where the calibrated simulation and the real system agree, and where not.
//!
//! The simulation takes service times and the pipeline's lag from a calibration run of another seed; everything else is the
//! scenario at live scale. Not here: either run.

mod calibration;

use hdrhistogram::Histogram;
use serde::Serialize;

pub use calibration::{COMPARED, Calibration};

use crate::{
    live::{Live, tables::LOOK_EVERY_US},
    measure::latency_histogram,
    outcome::Outcome,
    scenario::{FaultAction, Scenario, Tags},
    simulate::{self, Observer, Told},
};

/// How far latency quantiles may be apart, of the measured one.
pub const LATENCY_TOLERANCE: f64 = 0.25;
/// Latencies that differ by less than this are alike, microseconds: the histograms' and the clock's own grain.
const GRAIN_US: f64 = 20.0;
/// The quantiles of the calibrated lag that the simulation is run with: the least, the middle, the most.
const LAGS: [f64; 3] = [0.05, 0.5, 0.99];

/// How two values are to be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Both are exact, and must be equal.
    Equal,
    /// The measured one must lie between what the simulation gives with the least and with the greatest lag of the calibration.
    Within,
    /// Within [`LATENCY_TOLERANCE`].
    Near,
}

/// One quantity in both modes. Simulated and measured values have columns of their own.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Row {
    /// What it is.
    pub metric: &'static str,
    /// Whether it is a time in microseconds; otherwise it is a number.
    pub is_time: bool,
    /// How it is compared.
    pub rule: Rule,
    /// With the median lag of the calibration.
    pub simulated: f64,
    /// The least and the most that was accepted.
    pub accepted: (f64, f64),
    /// In real time.
    pub measured: f64,
    /// (simulated - measured) / measured; `None` where nothing was measured.
    pub error: Option<f64>,
    /// Whether they agree.
    pub agrees: bool,
}

/// Both modes side by side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Twin {
    /// The quantities.
    pub rows: Vec<Row>,
    /// Mean of the absolute errors of the latencies, as fractions of what was measured.
    pub mape: f64,
    /// Mean of the same with their signs: above 0, the simulation is slower.
    pub bias: f64,
}

impl Twin {
    /// Whether all agree.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.rows.iter().all(|row| row.agrees)
    }
}

/// Checks that a scenario can be compared.
///
/// # Errors
/// Faults of the pipeline or of processes, with their lines in `file`: a calibrated pipeline is one lag and has no parts that
/// could fail.
pub fn check(scenario: &Scenario, file: &str) -> Result<(), String> {
    let cant = |fault: &&crate::scenario::Fault| {
        !matches!(fault.action, FaultAction::Reroute { .. } | FaultAction::DnsStale { .. })
    };
    let wrong: Vec<String> = scenario
        .faults
        .iter()
        .filter(cant)
        .map(|fault| {
            format!("{file}:{}: twin compares reroute and dns-stale only: a calibrated pipeline is one lag", fault.line)
        })
        .collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

/// The scenario of a calibration run: without faults, with another seed for each.
#[must_use]
pub fn calibration_scenario(scenario: &Scenario, number: u64) -> Scenario {
    let seed = scenario.seed ^ (0x5EED + number);
    Scenario { seed, faults: Vec::new(), thresholds: Vec::new(), ..scenario.clone() }
}

/// A simulated run, and its service times.
#[derive(Debug)]
struct Simulated {
    outcome: Outcome,
    service: Histogram<u64>,
}

struct Listener {
    service: Histogram<u64>,
}

impl Observer for Listener {
    fn listens(&self) -> bool {
        true
    }

    fn told(&mut self, told: &Told) {
        self.service.saturating_record(told.service_us);
    }
}

/// Simulates a scenario at live scale with a calibration and compares it with what was measured live. `differences` are the answers of
/// the live run's cores that a replay of their inputs does not give.
///
/// # Panics
/// Never: nobody stops the simulation.
#[must_use]
pub fn compare(
    scenario: &Scenario,
    calibration: &Calibration,
    outcome: &Outcome,
    live: &Live,
    differences: u64,
) -> Twin {
    let [least, middle, most] = LAGS.map(|quantile| simulated(&calibration.apply(scenario, quantile)));
    let ends = |value: &dyn Fn(&Outcome) -> u64| [&least, &middle, &most].map(|run| value(&run.outcome) as f64);
    let exact = live.answers.unknown == 0 && outcome.findings.crossings == 0 && middle.outcome.findings.crossings == 0;
    let decided = if exact { Rule::Equal } else { Rule::Within };
    let crossings = outcome.findings.crossings.max(middle.outcome.findings.crossings) as f64;
    let doubt = crossings + live.answers.unknown as f64;
    let number = |metric, rule, value: &dyn Fn(&Outcome) -> u64| {
        let ([least, middle, most], measured) = (ends(value), value(outcome) as f64);
        // A request of a crossed quota more or less is the scatter of a single lag.
        let spare = if rule == Rule::Within { doubt } else { 0.0 };
        row(
            metric,
            false,
            rule,
            middle,
            (least.min(most).min(middle) - spare, least.max(most).max(middle) + spare),
            measured,
        )
    };
    let mut rows = vec![
        number("requests", Rule::Equal, &|outcome| outcome.requests),
        number("admitted", decided, &|outcome| outcome.findings.admitted),
        number("rejected", decided, &|outcome| outcome.findings.rejected),
        number("over-admission", decided, &|outcome| outcome.findings.over_admission),
        number("central count", decided, &|outcome| outcome.findings.central_count),
        number("count error", Rule::Equal, &|outcome| outcome.findings.count_error_absolute),
        row("replay", false, Rule::Equal, 0.0, (0.0, 0.0), differences as f64),
    ];
    let slowest = |outcome: &Outcome| outcome.findings.regions.iter().filter_map(|region| region.convergence_us).max();
    if let (Some(simulated), Some(measured)) = (slowest(&middle.outcome), slowest(outcome)) {
        // The slowest of all regions' last lines, seen by a reader that looks now and then: no quantile of a single lag bounds it.
        let most = (calibration.lag_us(1.0) + 2 * LOOK_EVERY_US) as f64;
        rows.push(row("convergence", true, Rule::Within, simulated as f64, (0.0, most), measured as f64));
    }
    let near = |metric, simulated: u64, measured: u64| {
        let (simulated, measured) = (simulated as f64, measured as f64);
        let spare = (measured * LATENCY_TOLERANCE).max(GRAIN_US);
        let accepted = (simulated - spare, simulated + spare);
        row(metric, true, Rule::Near, simulated, accepted, measured)
    };
    let all = |outcome: &Outcome| outcome.measure.select(&Tags::default()).latency;
    let (modelled, seen) = (all(&middle.outcome), all(outcome));
    for (service, latency, q) in [("service p50", "latency p50", 0.5), ("service p99", "latency p99", 0.99)] {
        rows.push(near(service, middle.service.value_at_quantile(q), live.times.service.value_at_quantile(q)));
        rows.push(near(latency, modelled.value_at_quantile(q), seen.value_at_quantile(q)));
    }
    let errors: Vec<f64> = rows.iter().filter(|row| row.rule == Rule::Near).filter_map(|row| row.error).collect();
    let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / errors.len().max(1) as f64;
    let (mape, bias) = (mean(&mut errors.iter().map(|error| error.abs())), mean(&mut errors.iter().copied()));
    Twin { rows, mape, bias }
}

fn row(metric: &'static str, is_time: bool, rule: Rule, simulated: f64, accepted: (f64, f64), measured: f64) -> Row {
    let error = (measured != 0.0).then(|| (simulated - measured) / measured);
    let agrees = (accepted.0..=accepted.1).contains(&measured);
    Row { metric, is_time, rule, simulated, accepted, measured, error, agrees }
}

fn simulated(scenario: &Scenario) -> Simulated {
    let mut listener = Listener { service: latency_histogram() };
    let outcome = simulate::run(scenario, &mut listener).expect("the listener stops nothing");
    Simulated { outcome, service: listener.service }
}
