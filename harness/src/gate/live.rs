//! The lane of live results: base and head in turn on one machine, the run as the unit, the ratio of each pair. What happens on a
//! machine in one run is one piece of evidence, however many requests it had.
//!
//! Not here: running them in turn; `docs/gates.md` has the loop.

use std::{fs, path::Path};

use super::{
    GateError, Lane, Outcome, Run, Status,
    interval::{Interval, bootstrap},
    metric::{MEASURED, Metric, Value},
    percent, relative,
};

/// Fewer pairs leave everything open.
pub const PAIRS_MIN: usize = 6;

/// Higher than in the simulation's lane: a machine's noise must not stop anybody.
pub const LEVEL: f64 = 0.99;

/// How deep results may lie below the folder of the base.
const DEPTH_MAX: usize = 4;

/// The live results of a scenario in a folder and below, or in a file.
///
/// # Errors
/// If there are none, or one is damaged.
pub fn bases(path: &Path, scenario: &str) -> Result<Vec<Run>, GateError> {
    let mut files = Vec::new();
    if path.is_dir() {
        collect(path, DEPTH_MAX, &mut files).map_err(|error| GateError::at(path, error))?;
    } else {
        files.push(path.to_owned());
    }
    let runs = files.iter().map(|file| Run::read(file)).collect::<Result<Vec<_>, _>>()?;
    let runs: Vec<_> = runs.into_iter().filter(|run| run.mode == "live" && run.scenario == scenario).collect();
    if runs.is_empty() {
        let what = format_args!(
            "there is no live result of {scenario}; live runs are compared with live runs of the base, in turn on one machine"
        );
        return Err(GateError::at(path, what));
    }
    Ok(runs)
}

fn collect(folder: &Path, depth: usize, files: &mut Vec<std::path::PathBuf>) -> std::io::Result<()> {
    let mut entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    entries.sort();
    for path in entries {
        if path.is_dir() && depth > 0 {
            collect(&path, depth - 1, files)?;
        } else if path.file_name().is_some_and(|name| name == "result.json") {
            files.push(path);
        }
    }
    Ok(())
}

/// Compares results with those of the base that ran next to them.
///
/// # Errors
/// If they are of several machines or seeds, or did not run in turn.
pub fn judge(bases: &[Run], heads: &[&Run]) -> Result<Vec<Outcome>, GateError> {
    let pairs = paired(bases, heads)?;
    let all = pairs.len();
    let pairs: Vec<_> = pairs.into_iter().filter(|(base, head)| base.valid && head.valid).collect();
    let left_out = all - pairs.len();
    Ok(MEASURED.iter().filter_map(|metric| compare(metric, &pairs, heads[0], left_out)).collect())
}

type Pair<'a> = (&'a Run, &'a Run);

/// In the order in which they started, each of base and head with its neighbour.
fn paired<'a>(bases: &'a [Run], heads: &[&'a Run]) -> Result<Vec<Pair<'a>>, GateError> {
    let scenario = &heads[0].scenario;
    if bases.len() != heads.len() {
        let what = format_args!(
            "{scenario}: {} live runs of the base and {} of the head; each needs its pair",
            bases.len(),
            heads.len()
        );
        return Err(GateError::of(what));
    }
    let empty = (String::new(), String::new());
    let taken = |run: &'a Run| run.taken.clone().unwrap_or_else(|| empty.clone());
    let mut runs: Vec<_> = bases.iter().map(|run| (taken(run), false, run)).collect();
    runs.extend(heads.iter().map(|&run| (taken(run), true, run)));
    runs.sort_by(|a, b| a.0.cmp(&b.0));
    let first = &runs[0];
    for ((_, machine), _, run) in &runs {
        if *machine != first.0.1 {
            return Err(GateError::at(
                &run.file,
                format_args!("ran on {machine}, others on {}; compare runs of one machine", first.0.1),
            ));
        }
        if run.seed != first.2.seed {
            return Err(GateError::at(
                &run.file,
                format_args!("ran with seed {}, others with {}; the load must be the same", run.seed, first.2.seed),
            ));
        }
    }
    let pair = |two: &[((String, String), bool, &'a Run)]| match two {
        [(_, false, base), (_, true, head)] | [(_, true, head), (_, false, base)] => Ok((*base, *head)),
        _ => Err(GateError::at(
            &two[0].2.file,
            "base and head did not run in turn, so what the machine did meanwhile can't be told from what the change did; see docs/gates.md",
        )),
    };
    runs.chunks(2).map(pair).collect()
}

/// `None` for what no run measured.
fn compare(metric: &Metric, pairs: &[Pair<'_>], head: &Run, left_out: usize) -> Option<Outcome> {
    let number = |run: &Run| run.values.get(metric.name).and_then(|value| value.number());
    let pairs: Vec<_> = pairs.iter().filter_map(|(base, head)| Some((number(base)?, number(head)?))).collect();
    if pairs.is_empty() && left_out == 0 {
        return None;
    }
    let tolerance = head.tolerances.for_metric(metric.name);
    let (status, interval) = verdict(metric, &pairs, tolerance, head.seed);
    let (lower, upper) = (relative(interval.lower), relative(interval.upper));
    let note = match (pairs.len(), left_out) {
        (n @ ..PAIRS_MIN, _) => format!("{n} valid pairs, at least {PAIRS_MIN} are needed"),
        (n, 0) => format!("worse by {lower} to {upper} in {n} pairs"),
        (n, out) => format!("worse by {lower} to {upper} in {n} pairs, {out} left out because a run was not valid"),
    };
    let middle = |side: fn(&(f64, f64)) -> f64| {
        let mut values: Vec<_> = pairs.iter().map(side).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).map_or(Value::Absent, |value| Value::Number(*value))
    };
    Some(Outcome {
        lane: Lane::Live,
        status,
        scenario: head.scenario.clone(),
        metric: metric.name.to_owned(),
        base: metric.show(middle(|pair| pair.0)),
        head: metric.show(middle(|pair| pair.1)),
        tolerance: percent(tolerance),
        note,
    })
}

/// What pairs of values say: failed only if the whole interval of the ratio is beyond the tolerance, passed only if none of it is.
pub(super) fn verdict(metric: &Metric, pairs: &[(f64, f64)], tolerance: f64, seed: u64) -> (Status, Interval) {
    let name = format!("gate/live/{}", metric.name);
    let interval = bootstrap(pairs, LEVEL, (seed, &name), |pairs| mean_ratio(pairs) - 1.0);
    let status = match interval {
        _ if pairs.len() < PAIRS_MIN => Status::Inconclusive,
        _ if interval.lower > tolerance => Status::Failed,
        _ if interval.upper <= tolerance => Status::Passed,
        _ => Status::Inconclusive,
    };
    (status, interval)
}

/// The geometric mean of head to base: a pair twice as fast and one twice as slow cancel out. Times of 0 count as 1 us.
fn mean_ratio(pairs: &[(f64, f64)]) -> f64 {
    let logs = pairs.iter().map(|(base, head)| libm::log(head.max(1.0) / base.max(1.0)));
    if pairs.is_empty() { 1.0 } else { libm::exp(logs.sum::<f64>() / pairs.len() as f64) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::metric::Tolerances;
    use serde_json::json;

    fn run(second: usize, us: f64) -> Run {
        Run {
            file: format!("out/{second}/result.json").into(),
            scenario: "quiet".to_owned(),
            hash: "h".to_owned(),
            mode: "live".to_owned(),
            seed: 1,
            version: "0".to_owned(),
            digest: String::new(),
            valid: true,
            failures: Vec::new(),
            values: MEASURED.iter().map(|metric| (metric.name.to_owned(), Value::Number(us))).collect(),
            tolerances: Tolerances::of(&json!({})),
            taken: Some((format!("2026-01-01T00:00:{second:02}Z"), "a machine".to_owned())),
        }
    }

    /// Base and head in turn, eight times, the head slower by a factor; the machine gets slower all the while.
    fn series(factor: f64) -> (Vec<Run>, Vec<Run>) {
        let noise = |n: usize| 1_000.0 * (1.0 + 0.02 * n as f64) * (1.0 + 0.01 * ((n * 7) % 3) as f64);
        let base = (0..8).map(|n| run(2 * n, noise(2 * n))).collect();
        (base, (0..8).map(|n| run(2 * n + 1, factor * noise(2 * n + 1))).collect())
    }

    fn statuses(base: &[Run], head: &[Run]) -> Vec<Status> {
        let outcomes = judge(base, &head.iter().collect::<Vec<_>>()).expect("comparable");
        outcomes.iter().map(|outcome| outcome.status).collect()
    }

    #[test]
    fn a_strong_slowdown_fails_and_a_slight_one_leaves_it_open() {
        let status = |factor| {
            let (base, head) = series(factor);
            statuses(&base, &head)[0]
        };
        assert_eq!([status(1.3), status(1.0), status(1.035)], [Status::Failed, Status::Passed, Status::Inconclusive]);
    }

    #[test]
    fn too_few_valid_pairs_leave_everything_open() {
        let (mut base, head) = series(2.0);
        assert_eq!(statuses(&base[..5], &head[..5]), [Status::Inconclusive; 6]);
        base[0].valid = false;
        assert_eq!(statuses(&base, &head)[0], Status::Failed);
        base[3].valid = false;
        base[4].valid = false;
        assert_eq!(statuses(&base, &head)[0], Status::Inconclusive);
    }

    #[test]
    fn runs_that_did_not_take_turns_or_are_of_two_machines_are_not_compared() {
        let (base, mut head) = series(1.0);
        let told = |base: &[Run], head: &[Run]| {
            judge(base, &head.iter().collect::<Vec<_>>()).expect_err("not comparable").to_string()
        };
        let late: Vec<_> = (20..28).map(|second| run(second, 1.0)).collect();
        assert!(told(&base, &late).contains("did not run in turn"));
        assert!(told(&base, &head[..7]).contains("each needs its pair"));
        head[3].taken = Some(("2026-01-01T00:00:07Z".to_owned(), "another".to_owned()));
        assert!(told(&base, &head).contains("ran on another"));
    }
}
