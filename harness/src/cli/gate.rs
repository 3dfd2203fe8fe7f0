//! `georush gate`.
//!
//! Not here: comparing, and what a lane may decide; the library does both.

use std::path::{Path, PathBuf};

use clap::{Args, builder::NonEmptyStringValueParser};
use georush::gate::{
    self, GateError, Lane, Outcome, Run, Status,
    baseline::{self, Baseline},
    github,
    history::{self, Entry},
    instructions::{self, Counts},
    self_test::{self, Row},
    trend,
};
use georush::report::{format, terminal::paint::Paint};

use super::{
    Stop,
    outputs::{tell_github, write},
    print,
    run::wants_colour,
};

pub(super) const EXAMPLES: &str = "\
Examples:
  georush gate out/black-friday/result.json --baseline results
  georush gate out/*/result.json --baseline results --update --reason 'tables answer faster'
  georush gate head/*/result.json --baseline base --junit gate.xml --github
  georush gate --instructions target/instructions/counts --baseline results
  georush gate out/*/result.json --baseline results --history history.jsonl --label $(git rev-parse HEAD)
  georush gate --self-test

Exit codes: 0 nothing that blocks failed, 1 something did, 2 nothing could be judged.";

const FAILED: u8 = 1;

#[derive(Debug, Args)]
pub(super) struct GateArgs {
    /// Results of `georush run`; several seeds of a scenario are paired with the baseline's.
    #[arg(value_name = "RESULT", required_unless_present_any = ["self_test", "instructions"])]
    results: Vec<PathBuf>,
    /// Folder of baselines, or the file of one; for live results, the folder of the base's.
    #[arg(long, value_name = "PATH", required_unless_present = "self_test")]
    baseline: Option<PathBuf>,
    /// Counts of instructions: a folder of callgrind.*.out.
    #[arg(long, value_name = "DIR")]
    instructions: Option<PathBuf>,
    /// Write the baseline anew instead of comparing.
    #[arg(long, requires = "reason")]
    update: bool,
    /// Why it changes; kept in the baseline.
    #[arg(long, value_name = "TEXT", requires = "update", value_parser = NonEmptyStringValueParser::new())]
    reason: Option<String>,
    /// Look for changes in this file of earlier metrics, and add these.
    #[arg(long, value_name = "FILE", requires = "label", conflicts_with = "update")]
    history: Option<PathBuf>,
    /// What these results are of, for example a commit.
    #[arg(long, value_name = "TEXT", requires = "history", value_parser = NonEmptyStringValueParser::new())]
    label: Option<String>,
    /// JUnit XML, a case for each comparison.
    #[arg(long, value_name = "FILE", conflicts_with = "update")]
    junit: Option<PathBuf>,
    /// Annotations of GitHub Actions, and a summary appended to the file that GITHUB_STEP_SUMMARY names.
    #[arg(long, conflicts_with = "update")]
    github: bool,
    /// Measure how often each lane is wrong.
    #[arg(long, conflicts_with_all = ["results", "baseline", "instructions"])]
    self_test: bool,
    /// Seed of the self-test.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "self_test")]
    seed: u64,
    /// Print every comparison.
    #[arg(long, short)]
    verbose: bool,
}

/// Compares, updates or tests itself.
pub(super) fn gate(args: &GateArgs) -> Result<u8, Stop> {
    let Some(path) = &args.baseline else { return self_test(args.seed) };
    let runs = args.results.iter().map(|file| Run::read(file)).collect::<Result<Vec<_>, _>>();
    let runs = runs.map_err(Stop::could_not_run)?;
    let counts = args.instructions.as_deref().map(instructions::counts).transpose().map_err(Stop::could_not_run)?;
    if let Some(reason) = &args.reason {
        return update(path, &runs, counts.as_ref(), reason).map_err(Stop::could_not_run)?;
    }
    let mut outcomes = compare(path, &runs, counts.as_ref()).map_err(Stop::could_not_run)?;
    if let (Some(file), Some(label)) = (&args.history, &args.label) {
        outcomes.extend(trends(file, label, &runs, counts.as_ref()).map_err(Stop::could_not_run)?);
    }
    if let Some(file) = &args.junit {
        write(file, &gate::junit(&outcomes))?;
    }
    print(&shown(&outcomes, args.verbose, Paint { colour: wants_colour() }))?;
    if args.github {
        tell_github(&github::annotations(&outcomes), &github::summary(&outcomes))?;
    }
    Ok(if gate::blocking(&outcomes) > 0 { FAILED } else { 0 })
}

fn compare(path: &Path, runs: &[Run], counts: Option<&Counts>) -> Result<Vec<Outcome>, GateError> {
    let mut outcomes = gate::judge(runs, path)?;
    if let Some(counts) = counts {
        outcomes.extend(instructions::judge(&instructions::find(path)?, counts));
    }
    Ok(outcomes)
}

fn trends(file: &Path, label: &str, runs: &[Run], counts: Option<&Counts>) -> Result<Vec<Outcome>, GateError> {
    let newest: Vec<_> =
        runs.iter().map(|run| Entry::of(label, run)).chain(counts.map(|c| Entry::of_counts(label, c))).collect();
    let mut known = history::read(file)?;
    history::add(&mut known, newest.clone());
    history::write(file, &known)?;
    Ok(trend::judge(&known, &newest))
}

/// The outer result is for standard output.
fn update(path: &Path, runs: &[Run], counts: Option<&Counts>, reason: &str) -> Result<Result<u8, Stop>, GateError> {
    if reason.trim().is_empty() {
        return Ok(Err(Stop::could_not_run("--reason is empty, expected why the baseline changes")));
    }
    let mut texts = Vec::new();
    for ((_, scenario), runs) in gate::by_scenario(runs) {
        let baseline = Baseline::of(&runs, reason, path)?;
        // One that is as it was keeps its reason.
        if !baseline.is_in(path) {
            texts.push((scenario.to_owned(), baseline.text()));
        }
    }
    texts.extend(counts.map(|counts| (instructions::NAME.to_owned(), counts.text(reason))));
    if texts.is_empty() {
        return Ok(print("every baseline is as it was\n").map(|()| 0));
    }
    let written = baseline::write(path, &texts)?;
    let lines: String = written.iter().map(|file| format!("{}\n", file.display())).collect();
    Ok(print(&lines).map(|()| 0))
}

/// A line for each scenario and lane, and one for whatever is worth one.
fn shown(outcomes: &[Outcome], verbose: bool, paint: Paint) -> String {
    let mut out = String::new();
    let mut groups: Vec<(Lane, &str, Vec<&Outcome>)> = Vec::new();
    for outcome in outcomes {
        let subject = if outcome.lane == Lane::Instructions { "benches" } else { &outcome.scenario };
        match groups.iter_mut().find(|group| (group.0, group.1) == (outcome.lane, subject)) {
            Some(group) => group.2.push(outcome),
            None => groups.push((outcome.lane, subject, vec![outcome])),
        }
    }
    for (lane, subject, outcomes) in groups {
        let count = |status| outcomes.iter().filter(|outcome| outcome.status == status).count() as u64;
        let counts = [Status::Passed, Status::Failed, Status::Inconclusive].map(|status| (status, count(status)));
        let counts =
            counts.iter().filter(|(_, n)| *n > 0).map(|(status, n)| format!("{} {}", format::count(*n), status.name()));
        out += &format!("{subject}, {}: {}\n", lane.name(), counts.collect::<Vec<_>>().join(", "));
        for outcome in outcomes.iter().filter(|outcome| verbose || outcome.status != Status::Passed) {
            let word = match outcome.status {
                Status::Failed if outcome.blocks() => paint.bad("FAILED"),
                Status::Failed => paint.bold("changed"),
                status => status.name().to_owned(),
            };
            out += &format!("  {word}  {}\n", outcome.message());
        }
    }
    let word = if gate::blocking(outcomes) == 0 { paint.good("PASSED") } else { paint.bad("FAILED") };
    out + &format!("{word}  {}\n", gate::verdict(outcomes))
}

fn self_test(seed: u64) -> Result<u8, Stop> {
    let rows = self_test::run(seed);
    let share = |n: u32| format::percent(f64::from(n) / f64::from(self_test::TRIALS));
    let mut out = format!("{} comparisons of equals and of slowdowns in each lane, seed {seed}\n", self_test::TRIALS);
    out += &format!(
        "  {:<22}{:>16}{:>10}{:>12}{:>10}{:>10}\n",
        "", "equals failed", "at most", "slower by", "found", "at least"
    );
    for row in &rows {
        let mark = if row.holds() { "✓" } else { "✗" };
        let Row { lane, false_failures, false_failures_max, slower_percent, found, found_min } = *row;
        let (wrong, most) = (share(false_failures), share(false_failures_max));
        let (slower, found, least) = (format!("{slower_percent} %"), share(found), share(found_min));
        out += &format!("{mark} {lane:<22}{wrong:>16}{most:>10}{slower:>12}{found:>10}{least:>10}\n");
    }
    print(&out)?;
    Ok(if rows.iter().all(Row::holds) { 0 } else { FAILED })
}
