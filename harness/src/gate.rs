//! Whether results are as good as their baselines. Each lane is a way of comparing that may decide no more than its numbers can
//! carry; `docs/gates.md` says what and why.
//!
//! Not here: running anything, and how outcomes are shown.

pub mod baseline;
mod error;
pub mod github;
pub mod history;
pub mod instructions;
pub mod interval;
mod junit;
pub mod live;
pub mod metric;
pub mod run;
pub mod self_test;
pub mod simulation;
pub mod trend;

use std::{collections::BTreeMap, path::Path};

use crate::report::format;

pub use error::GateError;
pub use junit::junit;
pub use run::Run;

/// A way of comparing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// Simulated results, which are exact. Blocks.
    Simulation,
    /// Instructions that benches execute, which are almost exact. Blocks.
    Instructions,
    /// Measured results, which scatter. Blocks for a strong reason only.
    Live,
    /// Where a history changes. Never blocks.
    Trend,
}

impl Lane {
    /// Its name in outputs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Simulation => "simulation",
            Self::Instructions => "instructions",
            Self::Live => "live",
            Self::Trend => "trend",
        }
    }
}

/// What came of one comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Not worse than the tolerance allows.
    Passed,
    /// Worse.
    Failed,
    /// Neither can be said.
    Inconclusive,
}

impl Status {
    /// Its name in outputs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// One metric of one scenario, compared; everything as text for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The way of comparing.
    pub lane: Lane,
    /// What came of it.
    pub status: Status,
    /// The scenario, or the bench.
    pub scenario: String,
    /// The metric with its aggregate, for example `latency p(99)`, or `digest`.
    pub metric: String,
    /// The baseline's value.
    pub base: String,
    /// The result's value.
    pub head: String,
    /// How much worse still passes.
    pub tolerance: String,
    /// What else there is to say: interval, reason, what to do. May be empty.
    pub note: String,
}

impl Outcome {
    /// Whether this alone fails the gate.
    #[must_use]
    pub fn blocks(&self) -> bool {
        self.status == Status::Failed && self.lane != Lane::Trend
    }

    /// All of it in one line: `black-friday: latency p(99): base 545 ms, head 612 ms, tolerance 5 %; ...`.
    #[must_use]
    pub fn message(&self) -> String {
        let Self { scenario, metric, base, head, tolerance, note, .. } = self;
        let end = if note.is_empty() { String::new() } else { format!("; {note}") };
        format!("{scenario}: {metric}: base {base}, head {head}, tolerance {tolerance}{end}")
    }
}

/// Compares results with the baselines at `path`: a folder, or the file of a single scenario. In the order of lanes, then of names.
///
/// # Errors
/// If a result has no baseline that it can be compared with, or something is damaged.
pub fn judge(heads: &[Run], path: &Path) -> Result<Vec<Outcome>, GateError> {
    let mut outcomes = Vec::new();
    for ((mode, scenario), runs) in by_scenario(heads) {
        outcomes.extend(match mode {
            "live" => live::judge(&live::bases(path, scenario)?, &runs)?,
            _ => simulation::judge(&baseline::find(path, scenario)?, &runs)?,
        });
    }
    outcomes.sort_by_key(|outcome| outcome.lane);
    Ok(outcomes)
}

/// How many failures block.
#[must_use]
pub fn blocking(outcomes: &[Outcome]) -> u64 {
    outcomes.iter().filter(|outcome| outcome.blocks()).count() as u64
}

/// `42 comparisons, 1 failure that blocks`.
#[must_use]
pub fn verdict(outcomes: &[Outcome]) -> String {
    let blocking = blocking(outcomes);
    let block = if blocking == 1 { "blocks" } else { "block" };
    format!(
        "{}, {} that {block}",
        format::plural(outcomes.len() as u64, "comparison"),
        format::plural(blocking, "failure")
    )
}

/// Runs by mode and scenario.
#[must_use]
pub fn by_scenario(runs: &[Run]) -> BTreeMap<(&str, &str), Vec<&Run>> {
    let mut groups = BTreeMap::<_, Vec<_>>::new();
    for run in runs {
        groups.entry((run.mode.as_str(), run.scenario.as_str())).or_default().push(run);
    }
    groups
}

/// A fraction as percent, to a hundredth of one: `5 %`, `0.01 %`.
fn percent(fraction: f64) -> String {
    format!("{} %", (fraction * 1e4).round() / 1e2)
}

/// A relative difference with its sign: `+12.3 %`.
fn relative(worse: f64) -> String {
    match worse {
        _ if worse.is_infinite() => "beyond any".to_owned(),
        _ if worse < 0.0 => percent(worse),
        _ => format!("+{}", percent(worse)),
    }
}
