//! The lane of simulated results: the same decisions, thresholds at the baseline's seed, metrics paired by seed.
//!
//! Not here: results that scatter.

use super::{
    GateError, Lane, Outcome, Run, Status,
    baseline::{Baseline, Reference},
    interval::{Interval, PAIRS_MIN, bootstrap},
    metric::{Metric, Value},
    percent, relative,
};

/// Of the intervals of metrics.
const LEVEL: f64 = 0.95;

/// Compares results of one scenario with its baseline.
///
/// # Errors
/// If a seed is not in the baseline or is there twice, or nothing can be concluded from a run.
pub fn judge(baseline: &Baseline, heads: &[&Run]) -> Result<Vec<Outcome>, GateError> {
    let pairs = paired(baseline, heads)?;
    let mut outcomes: Vec<_> = pairs.iter().map(|pair| digest(baseline, pair)).collect();
    outcomes.extend(pairs.iter().filter(|(base, _)| base.seed == baseline.seed).flat_map(|(_, head)| thresholds(head)));
    let names = pairs.iter().flat_map(|(base, head)| base.values.keys().chain(head.values.keys()));
    let mut names: Vec<_> = names.collect();
    names.sort();
    names.dedup();
    outcomes.extend(names.into_iter().filter_map(|name| metric(name, baseline, &pairs)));
    Ok(outcomes)
}

type Pair<'a> = (&'a Reference, &'a Run);

fn paired<'a>(baseline: &'a Baseline, heads: &[&'a Run]) -> Result<Vec<Pair<'a>>, GateError> {
    let mut pairs: Vec<Pair<'a>> = Vec::new();
    for &head in heads {
        let wrong = |what: String| Err(GateError::at(&head.file, what));
        let Run { scenario, seed, .. } = head;
        if !head.valid {
            return wrong("nothing can be concluded from this run; look at it with georush report".to_owned());
        }
        if pairs.iter().any(|(_, earlier)| earlier.seed == *seed) {
            return wrong(format!("there are two results of {scenario} with seed {seed}"));
        }
        let Some(base) = baseline.runs.iter().find(|run| run.seed == *seed) else {
            let seeds: Vec<_> = baseline.runs.iter().map(|run| run.seed.to_string()).collect();
            let (file, seeds) = (baseline.file.display(), seeds.join(", "));
            return wrong(format!(
                "{scenario} ran with seed {seed}, but {file} is of seed {seeds}; run it with one of these"
            ));
        };
        pairs.push((base, head));
    }
    pairs.sort_by_key(|(base, _)| base.seed);
    Ok(pairs)
}

fn digest(baseline: &Baseline, (base, head): &Pair<'_>) -> Outcome {
    let (same, free) = (base.digest == head.digest, head.tolerances.digest_free);
    let note = match (same, free) {
        (true, _) => "",
        (_, true) => "the decisions differ, which this scenario allows",
        _ if baseline.hash == head.hash => {
            "the same scenario decides otherwise; if that is intended, --update --reason TEXT"
        }
        _ => "scenario or overrides are not the baseline's; if that is intended, --update --reason TEXT",
    };
    Outcome {
        lane: Lane::Simulation,
        status: if same || free { Status::Passed } else { Status::Failed },
        scenario: head.scenario.clone(),
        metric: if baseline.runs.len() > 1 { format!("digest of seed {}", base.seed) } else { "digest".to_owned() },
        base: base.digest.clone(),
        head: head.digest.clone(),
        tolerance: if free { "any" } else { "equal" }.to_owned(),
        note: note.to_owned(),
    }
}

/// One outcome for each that failed, or one for all.
fn thresholds(head: &Run) -> Vec<Outcome> {
    let outcome = |status, metric: &str, head_value: &str, tolerance: &str| Outcome {
        lane: Lane::Simulation,
        status,
        scenario: head.scenario.clone(),
        metric: metric.to_owned(),
        base: "held".to_owned(),
        head: head_value.to_owned(),
        tolerance: tolerance.to_owned(),
        note: String::new(),
    };
    if head.failures.is_empty() {
        return vec![outcome(Status::Passed, "thresholds and invariants", "held", "all hold")];
    }
    head.failures.iter().map(|[what, found, wanted]| outcome(Status::Failed, what, found, wanted)).collect()
}

/// `None` for what neither side measured.
fn metric(name: &str, baseline: &Baseline, pairs: &[Pair<'_>]) -> Option<Outcome> {
    let of = |values: &super::metric::Values| values.get(name).copied().unwrap_or(Value::Absent);
    let values: Vec<_> = pairs.iter().map(|(base, head)| (of(&base.values), of(&head.values))).collect();
    // A metric of another version, which this one does not know.
    let metric = Metric::named(name)?;
    if values.iter().all(|pair| *pair == (Value::Absent, Value::Absent)) {
        return None;
    }
    let head = pairs.first()?.1;
    let tolerance = head.tolerances.for_metric(name);
    let outcome = |status, (base, value): (Value, Value), note: String| Outcome {
        lane: Lane::Simulation,
        status,
        scenario: head.scenario.clone(),
        metric: name.to_owned(),
        base: metric.show(base),
        head: metric.show(value),
        tolerance: percent(tolerance),
        note,
    };
    let numbers: Option<Vec<_>> = values.iter().map(|(base, head)| Some((base.number()?, head.number()?))).collect();
    if let Some(numbers) = numbers.filter(|numbers| numbers.len() >= PAIRS_MIN) {
        let (status, interval) = verdict(&metric, &numbers, tolerance, baseline.seed);
        let means = (Value::Number(mean(&numbers, |pair| pair.0)), Value::Number(mean(&numbers, |pair| pair.1)));
        let (lower, upper) = (relative(interval.lower), relative(interval.upper));
        let note = format!("means of {} seeds, worse by {lower} to {upper}", numbers.len());
        return Some(outcome(status, means, note));
    }
    let worse = |&(base, head): &(Value, Value)| worse(&metric, base, head);
    let (at, worst) = values.iter().enumerate().max_by(|a, b| worse(a.1).total_cmp(&worse(b.1)))?;
    let difference = worse(worst);
    let status = if difference > tolerance { Status::Failed } else { Status::Passed };
    let seed = if pairs.len() > 1 {
        format!(", the worst of {} seeds ({})", pairs.len(), pairs[at].0.seed)
    } else {
        String::new()
    };
    let note = match worst {
        (Value::Absent, _) => "the baseline has no such value".to_owned(),
        (_, Value::Absent) => "it is not measured any more".to_owned(),
        _ if difference == 0.0 => String::new(),
        _ if difference.is_infinite() => format!("the baseline has none{seed}"),
        _ if difference > 0.0 => format!("worse by {}{seed}", relative(difference)),
        _ => format!("better by {}{seed}", relative(-difference)),
    };
    Some(outcome(status, *worst, note))
}

/// What pairs of values say: failed only if the whole interval of the difference of means is beyond the tolerance.
pub(super) fn verdict(metric: &Metric, pairs: &[(f64, f64)], tolerance: f64, seed: u64) -> (Status, Interval) {
    let worse = |pairs: &[(f64, f64)]| metric.worse(mean(pairs, |pair| pair.0), mean(pairs, |pair| pair.1));
    let interval = bootstrap(pairs, LEVEL, (seed, &format!("gate/{}", metric.name)), worse);
    let status = match interval {
        _ if interval.lower > tolerance => Status::Failed,
        _ if interval.upper <= tolerance => Status::Passed,
        _ => Status::Inconclusive,
    };
    (status, interval)
}

fn mean(pairs: &[(f64, f64)], side: fn(&(f64, f64)) -> f64) -> f64 {
    pairs.iter().map(side).sum::<f64>() / pairs.len() as f64
}

/// What was not there to measure before can't be worse; what is not there any more is.
fn worse(metric: &Metric, base: Value, head: Value) -> f64 {
    let number = |value| match value {
        Value::Number(n) => n,
        Value::Never | Value::Absent => f64::INFINITY,
    };
    match (base, head) {
        (Value::Absent, _) => 0.0,
        (_, Value::Absent) => f64::INFINITY,
        (Value::Never, Value::Number(_)) => -1.0,
        _ => metric.worse(number(base), number(head)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::metric::Tolerances;
    use serde_json::json;
    use std::path::PathBuf;

    fn run(seed: u64, p99_us: f64) -> Run {
        Run {
            file: PathBuf::from(format!("out/{seed}.json")),
            scenario: "quiet".to_owned(),
            hash: "h".to_owned(),
            mode: "simulation".to_owned(),
            seed,
            version: "0".to_owned(),
            digest: format!("{p99_us}"),
            valid: true,
            failures: Vec::new(),
            values: [("latency p(99)".to_owned(), Value::Number(p99_us))].into(),
            tolerances: Tolerances::of(&json!({ "gate": { "digest": "free" } })),
            taken: None,
        }
    }

    fn judged(base: &[Run], head: &[Run]) -> Vec<Outcome> {
        let refs = |runs: &'static [Run]| runs.iter().collect::<Vec<_>>();
        let (base, head) = (base.to_vec().leak(), head.to_vec().leak());
        let baseline = Baseline::of(&refs(base), "test", PathBuf::from("b.json").as_path()).expect("good runs");
        judge(&baseline, &refs(head)).expect("comparable")
    }

    fn latency(outcomes: &[Outcome]) -> &Outcome {
        outcomes.iter().find(|outcome| outcome.metric == "latency p(99)").expect("it was compared")
    }

    fn runs(values: impl Fn(u64) -> f64, seeds: u64) -> Vec<Run> {
        (1..=seeds).map(|seed| run(seed, values(seed))).collect()
    }

    #[test]
    fn with_one_seed_a_metric_may_be_worse_by_its_tolerance_and_no_more() {
        let at = |us| judged(&[run(1, 100_000.0)], &[run(1, us)]);
        assert_eq!(latency(&at(105_000.0)).status, Status::Passed);
        let worse = at(112_000.0);
        assert_eq!(latency(&worse).status, Status::Failed);
        let message = "quiet: latency p(99): base 100 ms, head 112 ms, tolerance 5 %; worse by +12 %";
        assert_eq!(latency(&worse).message(), message);
    }

    #[test]
    fn with_several_seeds_the_whole_interval_must_be_beyond_the_tolerance() {
        let noise = |seed: u64| 100_000.0 + (seed * 7_919 % 5_000) as f64;
        let times = |factor: f64| latency(&judged(&runs(noise, 8), &runs(|s| noise(s) * factor, 8))).status;
        assert_eq!(times(1.0), Status::Passed);
        assert_eq!(times(1.1), Status::Failed);
        let alternating = |s: u64| noise(s) * if s.is_multiple_of(2) { 1.25 } else { 0.95 };
        assert_eq!(latency(&judged(&runs(noise, 8), &runs(alternating, 8))).status, Status::Inconclusive);
    }

    #[test]
    fn a_seed_that_the_baseline_lacks_and_one_that_comes_twice_are_errors() {
        let base = run(1, 1.0);
        let baseline = Baseline::of(&[&base], "test", PathBuf::from("b.json").as_path()).expect("a good run");
        let other = run(2, 1.0);
        let told = judge(&baseline, &[&other]).expect_err("another seed").to_string();
        assert_eq!(told, "out/2.json: quiet ran with seed 2, but b.json is of seed 1; run it with one of these");
        assert!(judge(&baseline, &[&base, &base]).expect_err("twice").to_string().contains("two results"));
    }

    #[test]
    fn a_region_that_never_converges_any_more_fails() {
        let metric = Metric::named("quota.convergence max").expect("known");
        assert_eq!(worse(&metric, Value::Number(5.0), Value::Never), f64::INFINITY);
        assert_eq!(worse(&metric, Value::Never, Value::Never), 0.0);
        assert!(worse(&metric, Value::Never, Value::Number(5.0)) < 0.0);
    }
}
