//! Whether an outcome holds what its scenario demands.
//!
//! Not here: how a verdict looks. A condition on something that never happened fails: "no data" is not "all is well".

use crate::{
    cost::bill,
    facts::prices::NANO,
    oracle::{Invariant, Status},
    outcome::Outcome,
    report::views,
    scenario::{Aggregate, Metric, Op, Phase, Scenario, Tags, Threshold},
};
use hdrhistogram::Histogram;

/// The whole run's verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Every threshold and every invariant held.
    Passed,
    /// Some did not.
    Failed,
    /// The run can't be judged: nothing happened, or what happened can't be believed.
    Invalid,
}

impl Verdict {
    /// Its name in results.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Invalid => "invalid",
        }
    }

    /// The exit code of the command.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Failed => 1,
            Self::Invalid => 3,
        }
    }
}

/// What a metric came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Measured {
    /// In the metric's base unit: microseconds, a fraction, or a number.
    Value(f64),
    /// Later than any bound: a region that never converged.
    Never,
    /// Nothing was there to measure.
    NoData,
}

/// The unit of a metric's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Microseconds.
    Microseconds,
    /// 1.0 is all.
    Fraction,
    /// Things.
    Number,
    /// Things per second.
    PerSecond,
    /// US dollars.
    Dollars,
}

impl Unit {
    /// Its name in results.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Microseconds => "us",
            Self::Fraction => "fraction",
            Self::Number => "number",
            Self::PerSecond => "per-second",
            Self::Dollars => "usd",
        }
    }
}

/// One threshold and what came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ThresholdResult {
    /// The metric as written.
    pub selector: String,
    /// The condition as written.
    pub condition: String,
    /// What was measured.
    pub measured: Measured,
    /// What it was compared with, in the same unit.
    pub bound: f64,
    /// The unit of both.
    pub unit: Unit,
    /// Whether the condition held.
    pub passed: bool,
}

/// The judgement of one outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// In the order of the scenario file.
    pub thresholds: Vec<ThresholdResult>,
    /// The invariants that were broken, in the order of their ids.
    pub broken: Vec<Invariant>,
    /// How many invariants were checked.
    pub invariants_checked: usize,
    /// What follows from it.
    pub verdict: Verdict,
    /// Why the run is not valid; empty if it is.
    pub reasons: Vec<String>,
}

/// Why a run without requests is not valid.
pub const NO_REQUEST: &str = "no request was made, so nothing could be judged";

/// Judges an outcome by its scenario's thresholds and by all invariants.
#[must_use]
pub fn judge(scenario: &Scenario, outcome: &Outcome) -> Judgement {
    let thresholds: Vec<_> = scenario.thresholds.iter().map(|t| threshold(scenario, outcome, t)).collect();
    let invariants = &outcome.findings.invariants;
    let broken: Vec<_> = invariants.iter().filter(|i| i.status == Status::Broken).cloned().collect();
    let mut reasons = Vec::new();
    if outcome.requests == 0 {
        reasons.push(NO_REQUEST.to_owned());
    }
    let verdict = if !reasons.is_empty() {
        Verdict::Invalid
    } else if broken.is_empty() && thresholds.iter().all(|t| t.passed) {
        Verdict::Passed
    } else {
        Verdict::Failed
    };
    let invariants_checked = invariants.iter().filter(|i| i.status != Status::NotApplicable).count();
    Judgement { thresholds, broken, invariants_checked, verdict, reasons }
}

impl Judgement {
    /// The same of a run that can't be believed for these reasons; unchanged if there are none.
    #[must_use]
    pub fn unless(mut self, reasons: Vec<String>) -> Self {
        if !reasons.is_empty() {
            self.verdict = Verdict::Invalid;
            self.reasons.extend(reasons);
        }
        self
    }
}

fn threshold(scenario: &Scenario, outcome: &Outcome, threshold: &Threshold) -> ThresholdResult {
    let measured = measure(scenario, outcome, threshold);
    let passed = match measured {
        Measured::Value(value) => holds(value, threshold.op, threshold.bound),
        Measured::Never => holds(f64::INFINITY, threshold.op, threshold.bound),
        Measured::NoData => false,
    };
    ThresholdResult {
        selector: threshold.selector.clone(),
        condition: threshold.condition.clone(),
        measured,
        bound: threshold.bound,
        unit: unit(threshold.metric, threshold.aggregate),
        passed,
    }
}

fn holds(value: f64, op: Op, bound: f64) -> bool {
    match op {
        Op::Less => value < bound,
        Op::LessOrEqual => value <= bound,
        Op::Greater => value > bound,
        Op::GreaterOrEqual => value >= bound,
        Op::Equal => value == bound,
        Op::NotEqual => value != bound,
    }
}

fn unit(metric: Metric, aggregate: Aggregate) -> Unit {
    match (metric, aggregate) {
        (Metric::Latency | Metric::QuotaStaleness | Metric::QuotaCrossingLag | Metric::QuotaConvergence, _) => {
            Unit::Microseconds
        }
        (Metric::Availability, _) | (Metric::QuotaOverAdmission, Aggregate::Max) => Unit::Fraction,
        (Metric::Requests | Metric::Errors, Aggregate::Rate) => Unit::PerSecond,
        (Metric::CostMonth | Metric::CostPerMillion, _) => Unit::Dollars,
        _ => Unit::Number,
    }
}

fn measure(scenario: &Scenario, outcome: &Outcome, threshold: &Threshold) -> Measured {
    let Threshold { metric, tags, aggregate, .. } = threshold;
    match metric {
        Metric::Latency => quantity(&outcome.measure.select(tags).latency, *aggregate),
        Metric::Availability => match views::availability(&outcome.measure.select(tags)) {
            Some(fraction) => Measured::Value(fraction),
            None => Measured::NoData,
        },
        Metric::Requests => occurrences(outcome.measure.select(tags).requests(), scenario, tags, *aggregate),
        Metric::Errors => {
            let cell = outcome.measure.select(tags);
            let errors = tags.cause.map_or_else(|| cell.failures(), |cause| cell.causes[cause as usize]);
            if cell.requests() == 0 { Measured::NoData } else { occurrences(errors, scenario, tags, *aggregate) }
        }
        Metric::ColdStarts => {
            let cell = outcome.measure.select(tags);
            if cell.requests() == 0 { Measured::NoData } else { number(cell.cold_starts) }
        }
        Metric::QuotaStaleness => quantity(&views::staleness(&outcome.findings, tags.region), *aggregate),
        Metric::QuotaCrossingLag => quantity(&views::crossing_lag(&outcome.findings, tags.region), *aggregate),
        Metric::QuotaConvergence => convergence(outcome, tags.region, *aggregate),
        Metric::CostMonth => dollars(bill(scenario, outcome).map(|bill| bill.month_nano_usd)),
        Metric::CostPerMillion => dollars(bill(scenario, outcome).and_then(|bill| bill.per_million_nano_usd)),
        _ => quota(outcome, *metric, *aggregate),
    }
}

/// The metrics that are one number for the run.
fn quota(outcome: &Outcome, metric: Metric, aggregate: Aggregate) -> Measured {
    let findings = &outcome.findings;
    let decided = findings.admitted > 0 || findings.rejected > 0;
    match (metric, aggregate) {
        (Metric::QuotaAdmitted, _) => number(findings.admitted),
        (Metric::QuotaRejected, _) => number(findings.rejected),
        _ if !decided => Measured::NoData,
        (
            Metric::QuotaCountError | Metric::QuotaDuplicates | Metric::QuotaDeclaredLoss | Metric::QuotaSilentLoss,
            _,
        ) if !findings.tables_read => Measured::NoData,
        (Metric::QuotaOverAdmission, Aggregate::Max) => Measured::Value(findings.over_admission_max),
        (Metric::QuotaOverAdmission, _) => number(findings.over_admission),
        (Metric::QuotaFalseRejection, _) => number(findings.false_rejections.total()),
        (Metric::QuotaCountError, Aggregate::Value) => Measured::Value(findings.count_error as f64),
        (Metric::QuotaCountError, _) => number(findings.count_error_absolute),
        (Metric::QuotaDuplicates, _) => number(findings.duplicates),
        (Metric::QuotaDeclaredLoss, _) => number(findings.declared_loss),
        (Metric::QuotaSilentLoss, _) => number(findings.silent_loss),
        _ => Measured::NoData,
    }
}

/// Exact to a billionth as long as a bill is below nine million dollars.
fn dollars(nano_usd: Option<u64>) -> Measured {
    nano_usd.map_or(Measured::NoData, |nano_usd| Measured::Value(nano_usd as f64 / NANO as f64))
}

fn number(n: u64) -> Measured {
    Measured::Value(n as f64)
}

fn occurrences(n: u64, scenario: &Scenario, tags: &Tags, aggregate: Aggregate) -> Measured {
    if aggregate != Aggregate::Rate {
        return number(n);
    }
    match tags.phase.map_or(scenario.duration_us, |phase| phase_us(scenario, phase)) {
        0 => Measured::NoData,
        us => Measured::Value(n as f64 * 1_000_000.0 / us as f64),
    }
}

fn quantity(histogram: &Histogram<u64>, aggregate: Aggregate) -> Measured {
    if histogram.is_empty() {
        return Measured::NoData;
    }
    Measured::Value(match aggregate {
        Aggregate::Avg => histogram.mean(),
        Aggregate::Min => histogram.min() as f64,
        Aggregate::Max | Aggregate::Value => histogram.max() as f64,
        Aggregate::Med => histogram.value_at_quantile(0.5) as f64,
        Aggregate::P(percent) => histogram.value_at_quantile(percent / 100.0) as f64,
        Aggregate::Count => histogram.len() as f64,
        Aggregate::Rate => return Measured::NoData,
    })
}

/// One value per region; a region that never converged is the slowest of all.
fn convergence(outcome: &Outcome, region: Option<usize>, aggregate: Aggregate) -> Measured {
    if !outcome.findings.tables_read || outcome.findings.admitted == 0 {
        return Measured::NoData;
    }
    let chosen = |&(index, _): &(usize, _)| region.is_none_or(|wanted| wanted == index);
    let regions = outcome.findings.regions.iter().enumerate().filter(chosen);
    let mut times: Vec<_> = regions.map(|(_, view)| view.convergence_us.unwrap_or(u64::MAX)).collect();
    times.sort_unstable();
    let (Some(&least), Some(&greatest)) = (times.first(), times.last()) else { return Measured::NoData };
    let rank = |percent: f64| times[((percent / 100.0 * times.len() as f64).ceil() as usize).clamp(1, times.len()) - 1];
    let us = match aggregate {
        Aggregate::Avg if greatest == u64::MAX => u64::MAX,
        Aggregate::Avg => return Measured::Value(times.iter().sum::<u64>() as f64 / times.len() as f64),
        Aggregate::Min => least,
        Aggregate::Med => rank(50.0),
        Aggregate::P(percent) => rank(percent),
        Aggregate::Max | Aggregate::Value => greatest,
        Aggregate::Count | Aggregate::Rate => return Measured::NoData,
    };
    if us == u64::MAX { Measured::Never } else { number(us) }
}

/// How long a phase lasted, microseconds; phases follow the faults as the measure does.
fn phase_us(scenario: &Scenario, phase: Phase) -> u64 {
    let end = scenario.duration_us;
    let before = scenario.faults.first().map_or(end, |fault| fault.at_us.min(end));
    let (mut during, mut covered) = (0, before);
    for fault in &scenario.faults {
        let until = fault.until_us.min(end);
        during += until.saturating_sub(fault.at_us.max(covered));
        covered = covered.max(until);
    }
    match phase {
        Phase::Before => before,
        Phase::During => during,
        Phase::After => end - before - during,
    }
}

#[cfg(test)]
mod tests;
