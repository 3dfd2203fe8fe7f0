//! The lane of trends: where a history changes and stays changed, however slowly single steps added up. It informs; it never blocks,
//! because who comes last is not always who did it.
//!
//! Not here: the file.

use std::collections::BTreeSet;

use rand::Rng;

use super::{
    Lane, Outcome, Status,
    history::Entry,
    instructions::NAME as LANE,
    metric::{INSTRUCTIONS, Metric, Value},
    percent, relative,
};
use crate::simulate::seed::Seed;

/// Points on either side of a change: fewer could be an outlier.
const SEGMENT_MIN: usize = 4;

/// Points that are looked at, the newest.
const POINTS_MAX: usize = 200;

/// Shuffles that a split is held against.
const SHUFFLES: usize = 499;

/// Shuffles that may split as well: 1 % of all.
const AS_GOOD_MAX: usize = SHUFFLES / 100;

/// A change smaller than this is not worth anybody's time, however certain it is.
const SIZE_MIN: f64 = 0.02;

/// A place where values change: the index of the first new one, and the means of the stretches before and after.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Change {
    /// Index of the first value after it.
    pub at: usize,
    /// Mean of the stretch before.
    pub before: f64,
    /// Mean of the stretch after.
    pub after: f64,
}

/// The change points of a series, oldest first. A series is split where the means of both sides are furthest apart for their lengths, if
/// that is further than nearly all of its shuffles can be split, and so on in both parts.
#[must_use]
pub fn changes(values: &[f64], name: &str) -> Vec<Change> {
    let mut cuts = BTreeSet::new();
    let mut waiting = vec![(0, values.len())];
    while let Some((from, to)) = waiting.pop() {
        let Some((at, strength)) = best_split(&values[from..to]) else { continue };
        let mut bits = Seed(1).stream(&format!("gate/trend/{name}/{from}"));
        let mut shuffled = values[from..to].to_vec();
        let as_good = (0..SHUFFLES).filter(|_| {
            shuffle(&mut shuffled, &mut bits);
            best_split(&shuffled).is_some_and(|(_, chance)| chance >= strength)
        });
        if as_good.count() <= AS_GOOD_MAX {
            cuts.insert(from + at);
            waiting.extend([(from, from + at), (from + at, to)]);
        }
    }
    let ends: Vec<_> = [0].into_iter().chain(cuts).chain([values.len()]).collect();
    let change = |ends: &[usize]| {
        let &[from, at, to] = ends else { unreachable!("windows of three") };
        Change { at, before: mean(&values[from..at]), after: mean(&values[at..to]) }
    };
    ends.windows(3)
        .map(change)
        .filter(|change| (change.after - change.before).abs() >= SIZE_MIN * change.before.abs())
        .collect()
}

/// Where the means of both sides are furthest apart, weighted as the energy of a difference of means is; `None` for what can't be split.
fn best_split(values: &[f64]) -> Option<(usize, f64)> {
    let (n, total) = (values.len(), values.iter().sum::<f64>());
    let mut left = 0.0;
    let mut best = None;
    for (index, value) in values.iter().enumerate() {
        let at = index + 1;
        left += value;
        if at < SEGMENT_MIN || n - at < SEGMENT_MIN {
            continue;
        }
        let (l, r) = (at as f64, (n - at) as f64);
        let apart = left / l - (total - left) / r;
        let strength = apart * apart * l * r / (l + r);
        if best.is_none_or(|(_, strongest)| strength > strongest) {
            best = Some((at, strength));
        }
    }
    best.filter(|(_, strength)| *strength > 0.0)
}

fn shuffle(values: &mut [f64], bits: &mut impl Rng) {
    for i in (1..values.len()).rev() {
        let j = ((u128::from(bits.next_u64()) * (i as u128 + 1)) >> 64) as usize;
        values.swap(i, j);
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The last change of every metric of the newest entries, if it is for the worse; one outcome for all if there is none.
#[must_use]
pub fn judge(history: &[Entry], newest: &[Entry]) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for entry in newest {
        let before = outcomes.len();
        for name in entry.values.keys() {
            outcomes.extend(metric(history, entry, name));
        }
        if outcomes.len() == before {
            let points = history.iter().filter(|earlier| earlier.is_of(entry)).count();
            let text = |text: &str| text.to_owned();
            let note = match points {
                n if n < 2 * SEGMENT_MIN => format!("{n} of the {} points that a change takes", 2 * SEGMENT_MIN),
                n => format!("no change for the worse in {n} points"),
            };
            let (base, head, tolerance) = (text("steady"), text("steady"), percent(SIZE_MIN));
            let (scenario, metric) = (subject(entry), text("all metrics"));
            outcomes.push(Outcome {
                lane: Lane::Trend,
                status: Status::Passed,
                scenario,
                metric,
                base,
                head,
                tolerance,
                note,
            });
        }
    }
    outcomes
}

fn subject(entry: &Entry) -> String {
    if entry.scenario.is_empty() { entry.lane.clone() } else { entry.scenario.clone() }
}

fn metric(history: &[Entry], entry: &Entry, name: &str) -> Option<Outcome> {
    let points = history.iter().filter(|earlier| earlier.is_of(entry));
    let points: Vec<_> = points.filter_map(|e| Some((&e.label, e.values.get(name)?.number()?))).collect();
    let points = &points[points.len().saturating_sub(POINTS_MAX)..];
    let values: Vec<_> = points.iter().map(|point| point.1).collect();
    let metric = Metric::named(name).or((entry.lane == LANE).then_some(INSTRUCTIONS))?;
    let change = *changes(&values, name).last()?;
    let worse = metric.worse(change.before, change.after);
    (worse > 0.0).then(|| Outcome {
        lane: Lane::Trend,
        status: Status::Failed,
        scenario: subject(entry),
        metric: name.to_owned(),
        base: metric.show(Value::Number(change.before)),
        head: metric.show(Value::Number(change.after)),
        tolerance: percent(SIZE_MIN),
        note: format!("worse by {} since {}", relative(worse), points[change.at].0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noisy(n: usize, level: impl Fn(usize) -> f64) -> Vec<f64> {
        let mut bits = Seed(3).stream("noise");
        (0..n).map(|i| level(i) * (1.0 + 0.02 * (bits.next_u64() as f64 / u64::MAX as f64 - 0.5))).collect()
    }

    #[test]
    fn a_step_is_found_where_it_is() {
        let found = changes(&noisy(40, |i| if i < 25 { 100.0 } else { 110.0 }), "step");
        assert_eq!(found.iter().map(|change| change.at).collect::<Vec<_>>(), [25]);
        assert!((found[0].after / found[0].before - 1.1).abs() < 0.01, "{found:?}");
    }

    #[test]
    fn two_steps_are_two_and_steadiness_is_none() {
        let level = |i| [100.0, 110.0, 95.0][i / 20];
        assert_eq!(changes(&noisy(60, level), "two").iter().map(|c| c.at).collect::<Vec<_>>(), [20, 40]);
        assert_eq!(changes(&noisy(60, |_| 100.0), "steady"), []);
        assert_eq!(changes(&[1.0; 30], "constant"), []);
        assert_eq!(changes(&[1.0, 2.0], "short"), []);
    }

    #[test]
    fn a_single_outlier_is_no_change() {
        let mut values = noisy(40, |_| 100.0);
        values[20] = 200.0;
        assert_eq!(changes(&values, "outlier"), []);
    }

    #[test]
    fn a_change_for_the_worse_names_the_label_where_it_began() {
        let entry = |label: String, us| Entry {
            label,
            lane: "simulation".to_owned(),
            scenario: "quiet".to_owned(),
            seed: 1,
            values: [("latency p(99)".to_owned(), Value::Number(us))].into(),
        };
        let at = |factor: f64| {
            let us = |n| if n < 10 { 1e5 } else { 1e5 * factor };
            let history: Vec<_> = (0..20).map(|n| entry(format!("c{n}"), us(n))).collect();
            judge(&history, &history[19..]).remove(0)
        };
        let worse = at(1.2);
        let message = "quiet: latency p(99): base 100 ms, head 120 ms, tolerance 2 %; worse by +20 % since c10";
        assert_eq!((worse.message().as_str(), worse.blocks()), (message, false));
        assert_eq!(at(0.8).status, Status::Passed);
    }
}
