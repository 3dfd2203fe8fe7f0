//! `georush twin`.
//!
//! Not here: the runs and their comparison.

use std::path::{Path, PathBuf};

use clap::Args;
use georush::{
    live::{self, Error, Live, Options, scale::at_live_scale, topology::RECORDINGS},
    outcome::Outcome,
    report::{
        format,
        progress::{Audience, RealTime},
        write::Target,
    },
    scenario::Scenario,
    twin::{self, Calibration, Row, Rule, Twin},
};
use georush_system::record::replay::{Replayed, replay};
use serde::Serialize;

use super::{Changes, Stop, interrupt, print};

pub(super) const EXAMPLES: &str = "\
Examples:
  georush twin scenarios/sixty-thousand.toml
  georush twin scenarios/black-friday.toml --set clients.shops.rate=350000
  georush twin scenarios/sixty-thousand.toml --calibration results/calibrations/sixty-thousand.json

Three live runs: the scenario's own, which the calibrated simulation is compared with, and before and after it one with another
seed and without faults, from which the simulator's service times and the pipeline's lag are taken. Counts must be equal where
both are exact. Exit code 1 says that the two modes differ, 3 that a live run is not valid, or that the modes differ on a
machine that does not repeat itself: the two other runs differ by more than the modes may.";

const TWIN: &str = "twin.json";
const CALIBRATION: &str = "calibration.json";
const DIFFERENT: u8 = 1;
const NOT_VALID: u8 = 3;

#[derive(Debug, Args)]
pub(super) struct TwinArgs {
    /// Scenario file.
    file: PathBuf,
    #[command(flatten)]
    changes: Changes,
    /// Take this calibration instead of making one.
    #[arg(long, value_name = "FILE")]
    calibration: Option<PathBuf>,
    /// Directory for comparison and calibration [default: out/<scenario>].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    progress: super::ProgressArgs,
}

#[derive(Debug, Serialize)]
struct Document<'a> {
    georush: &'static str,
    scenario: &'a str,
    hash: &'a str,
    seed: u64,
    verdict: &'static str,
    reasons: &'a [String],
    twin: &'a Twin,
    calibration: &'a Calibration,
}

/// Runs both modes and compares them; 0 if they agree.
pub(super) fn twin(args: &TwinArgs) -> Result<u8, Stop> {
    let scenario = super::live::load(&args.file, &args.changes.set, args.changes.seed)?;
    let file = args.file.display().to_string();
    live::check(&scenario, &file, false).map_err(Stop::could_not_run)?;
    twin::check(&scenario, &file).map_err(Stop::could_not_run)?;
    let directory = args.out.clone().unwrap_or_else(|| Path::new("out").join(&scenario.name));
    let given = args.calibration.as_deref().map(read).transpose()?;
    let target = Target::prepare(&directory, &[TWIN, CALIBRATION]).map_err(Stop::could_not_run)?;
    interrupt::listen()?;

    let audience = args.progress.audience(false);
    let scaled = at_live_scale(&scenario);
    let mut reasons = Vec::new();
    let calibrate = |number, reasons: &mut Vec<String>| {
        let other = twin::calibration_scenario(&scaled, number);
        let (_, live) = run(&other, &directory, "calibration", audience)?;
        reasons.extend(live.reasons().into_iter().map(|reason| format!("calibration: {reason}")));
        Ok::<_, Stop>((other, live))
    };
    let before = if given.is_none() { Some(calibrate(0, &mut reasons)?) } else { None };
    let (outcome, live) = run(&scaled, &directory, "run", audience)?;
    reasons.extend(live.reasons());
    let replayed = replay(&directory.join("live").join(RECORDINGS)).map_err(Stop::could_not_run)?;
    reasons.extend(replayed.missing());
    let calibration = match (given, before) {
        (Some(calibration), _) => {
            if !calibration.valid {
                reasons.push("calibration: the run that it is of was not valid".to_owned());
            }
            calibration
        }
        (None, before) => {
            let mut runs: Vec<(Scenario, Live)> = before.into_iter().collect();
            runs.push(calibrate(1, &mut reasons)?);
            let runs: Vec<_> = runs.iter().map(|(scenario, live)| (scenario, live)).collect();
            let nothing =
                "the calibration runs measured nothing: give the scenario callers that are admitted more than once";
            Calibration::of(&runs).ok_or_else(|| Stop::could_not_run(nothing))?
        }
    };
    let twin = twin::compare(&scaled, &calibration, &outcome, &live, replayed.differences);
    let (spread, quantile) = calibration.spread();
    if !twin.agrees() && spread > twin::LATENCY_TOLERANCE {
        reasons.push(format!(
            "the machine does not repeat itself: p{} of service times differs by {} between the calibration runs",
            quantile * 100.0,
            format::percent(spread)
        ));
    }

    let code = match (reasons.is_empty(), twin.agrees()) {
        (false, _) => NOT_VALID,
        (true, true) => 0,
        (true, false) => DIFFERENT,
    };
    let verdict = ["agrees", "differs", "", "invalid"][usize::from(code)];
    let document = Document {
        georush: env!("CARGO_PKG_VERSION"),
        scenario: &scenario.name,
        hash: &scenario.hash,
        seed: scenario.seed,
        verdict,
        reasons: &reasons,
        twin: &twin,
        calibration: &calibration,
    };
    target.write(CALIBRATION, &json(&calibration)).map_err(Stop::could_not_run)?;
    let path = target.write(TWIN, &json(&document)).map_err(Stop::could_not_run)?;
    print(&told(&twin, &calibration, &replayed, &reasons, &super::run::shown(&path)))?;
    Ok(code)
}

fn run(scenario: &Scenario, directory: &Path, what: &'static str, audience: Audience) -> Result<(Outcome, Live), Stop> {
    let options = Options {
        directory: &directory.join("live"),
        target: None,
        keys: None,
        record: true,
        arguments: Vec::new(),
        stop: interrupt::flag(),
    };
    let progress = RealTime::start(audience, what, scenario.live.warm_up_us + scenario.duration_us);
    let seen = live::run(scenario, &options);
    progress.end(seen.is_ok());
    seen.map_err(|error| match error {
        Error::Interrupted => interrupt::stop_live(options.directory),
        error => Stop::could_not_run(error),
    })
}

fn read(path: &Path) -> Result<Calibration, Stop> {
    let wrong = |error: &dyn std::fmt::Display| Stop::could_not_run(format!("{}: {error}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&format!("can't be read: {error}")))?;
    serde_json::from_str(&text).map_err(|error| wrong(&format!("is no calibration: {error}")))
}

fn json(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).expect("memory takes it, and all keys are strings");
    bytes.push(b'\n');
    bytes
}

fn told(twin: &Twin, calibration: &Calibration, replayed: &Replayed, reasons: &[String], path: &str) -> String {
    let head = match (reasons, twin.agrees()) {
        ([], true) => "AGREES  the calibrated simulation and the real system".to_owned(),
        ([], false) => "DIFFERS  the calibrated simulation and the real system".to_owned(),
        (reasons, _) => format!("NOT VALID  {}", reasons.join("; ")),
    };
    let mut out = format!("{head}\n\n  {:<16}{:>14}{:>14}{:>10}  {}\n", "", "simulated", "measured", "error", "rule");
    for row in &twin.rows {
        let shown = |value: f64| {
            if row.is_time {
                format::duration(value.max(0.0).round() as u64)
            } else {
                format::count(value.max(0.0) as u64)
            }
        };
        let error = row.error.map_or("-".to_owned(), |error| format!("{:+.1} %", error * 100.0));
        let mark = if row.agrees { "✓" } else { "✗" };
        let (simulated, measured) = (shown(row.simulated), shown(row.measured));
        out += &format!("{mark} {:<16}{simulated:>14}{measured:>14}{error:>10}  {}\n", row.metric, rule(row, &shown));
    }
    let (mape, bias) = (format::percent(twin.mape), twin.bias * 100.0);
    out +=
        &format!("\n  latencies: mean absolute error {mape}, bias {bias:+.1} % (above 0: the simulation is slower)\n");
    out += &format!(
        "  calibrated {} on {} with {}\n",
        calibration.date,
        calibration.machine,
        format::plural(calibration.requests, "request"),
    );
    for (q, us) in &calibration.repeated_us {
        let us: Vec<String> = us.iter().map(|&us| format::duration(us)).collect();
        out += &format!("  service p{} of the calibration runs: {}\n", q * 100.0, us.join(", "));
    }
    out += &format!("  replayed: {}\n  result {path}\n", super::replay::told(replayed).replace('\n', "\n  "));
    out
}

fn rule(row: &Row, shown: &dyn Fn(f64) -> String) -> String {
    match row.rule {
        Rule::Equal => "equal".to_owned(),
        Rule::Within => format!("{} to {}", shown(row.accepted.0), shown(row.accepted.1)),
        Rule::Near => format!("within {}", format::percent(twin::LATENCY_TOLERANCE)),
    }
}
