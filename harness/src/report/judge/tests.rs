//! Claims about judging. Not here: the fixture that is judged.

use super::*;
use crate::{
    measure::Measure,
    report::fixture::{self, threshold},
    scenario::{Cause, Phase},
};

const ALL: Tags = Tags { region: None, clients: None, phase: None, cause: None };

fn measured(metric: Metric, tags: &Tags, aggregate: Aggregate) -> Measured {
    let wanted = threshold(metric, tags.clone(), aggregate, Op::Less, 0.0);
    measure(&fixture::scenario(), &fixture::outcome(), &wanted)
}

fn value(metric: Metric, tags: &Tags, aggregate: Aggregate) -> f64 {
    match measured(metric, tags, aggregate) {
        Measured::Value(value) => value,
        other => panic!("{metric:?} {aggregate:?} is {other:?}"),
    }
}

#[test]
fn every_metric_has_a_value_for_each_aggregate_that_it_allows() {
    let quantities = [Metric::Latency, Metric::QuotaStaleness, Metric::QuotaCrossingLag];
    let aggregates = [Aggregate::Min, Aggregate::Avg, Aggregate::Med, Aggregate::P(99.0), Aggregate::Max];
    for metric in quantities {
        let values = aggregates.map(|aggregate| value(metric, &ALL, aggregate));
        assert!(values[0] <= values[2] && values[2] <= values[3] && values[3] <= values[4], "{metric:?} {values:?}");
        assert!(values[1] >= values[0] && values[1] <= values[4]);
    }
    let findings = fixture::outcome().findings;
    let counts = [
        (Metric::Requests, fixture::outcome().requests),
        (Metric::QuotaAdmitted, findings.admitted),
        (Metric::QuotaRejected, findings.rejected),
        (Metric::QuotaOverAdmission, 612),
        (Metric::QuotaFalseRejection, 0),
        (Metric::QuotaCountError, 0),
        (Metric::QuotaDuplicates, 0),
        (Metric::QuotaDeclaredLoss, 0),
        (Metric::QuotaSilentLoss, 0),
    ];
    for (metric, expected) in counts {
        assert_eq!(value(metric, &ALL, Aggregate::Count), expected as f64, "{metric:?}");
    }
    assert_eq!(value(Metric::QuotaOverAdmission, &ALL, Aggregate::Max), 0.0153);
    assert_eq!(value(Metric::QuotaCountError, &ALL, Aggregate::Value), 0.0);
    assert!(value(Metric::ColdStarts, &ALL, Aggregate::Count) > 100.0);
}

#[test]
fn a_rightful_refusal_is_no_failure() {
    let outcome = fixture::outcome();
    let failed = Cause::ALL.iter().filter(|c| c.is_failure());
    let failed: f64 = failed.map(|&c| value(Metric::Errors, &Tags { cause: Some(c), ..ALL }, Aggregate::Count)).sum();
    assert_eq!(value(Metric::Errors, &ALL, Aggregate::Count), failed);
    assert!(value(Metric::Errors, &Tags { cause: Some(Cause::OverQuota), ..ALL }, Aggregate::Count) > 0.0);
    let availability = value(Metric::Availability, &ALL, Aggregate::Value);
    assert_eq!(availability, (outcome.requests as f64 - failed) / outcome.requests as f64);
}

#[test]
fn tags_narrow_a_metric() {
    let by_region = |r| value(Metric::Requests, &Tags { region: Some(r), ..ALL }, Aggregate::Count);
    let by_phase = |p| value(Metric::Requests, &Tags { phase: Some(p), ..ALL }, Aggregate::Count);
    let all = value(Metric::Requests, &ALL, Aggregate::Count);
    assert_eq!((0..3).map(by_region).sum::<f64>(), all);
    assert_eq!(Phase::ALL.into_iter().map(by_phase).sum::<f64>(), all);
    let before = Tags { phase: Some(Phase::Before), ..ALL };
    assert_eq!(value(Metric::Errors, &before, Aggregate::Count), 0.0);
}

#[test]
fn a_rate_is_per_second_of_its_phase() {
    let before = Tags { phase: Some(Phase::Before), ..ALL };
    let requests = value(Metric::Requests, &before, Aggregate::Count);
    assert_eq!(value(Metric::Requests, &before, Aggregate::Rate), requests / 180.0);
    assert_eq!(Phase::ALL.map(|p| phase_us(&fixture::scenario(), p) / 1_000_000), [180, 150, 270]);
}

#[test]
fn phases_of_overlapping_faults_are_counted_once() {
    let mut scenario = fixture::scenario();
    let mut second = scenario.faults[0].clone();
    (second.at_us, second.until_us) = (300_000_000, 360_000_000);
    scenario.faults.push(second);
    assert_eq!(Phase::ALL.map(|p| phase_us(&scenario, p) / 1_000_000), [180, 180, 240]);
    scenario.faults.clear();
    assert_eq!(Phase::ALL.map(|p| phase_us(&scenario, p) / 1_000_000), [600, 0, 0]);
}

#[test]
fn a_region_that_never_converged_is_slower_than_any_bound() {
    let second = Tags { region: Some(1), ..ALL };
    assert_eq!(measured(Metric::QuotaConvergence, &ALL, Aggregate::Max), Measured::Never);
    assert_eq!(measured(Metric::QuotaConvergence, &ALL, Aggregate::Avg), Measured::Never);
    assert_eq!(measured(Metric::QuotaConvergence, &second, Aggregate::Min), Measured::Never);
    assert_eq!(value(Metric::QuotaConvergence, &ALL, Aggregate::Min), 4_100_000.0);
    assert_eq!(value(Metric::QuotaConvergence, &ALL, Aggregate::Med), 5_300_000.0);
    let mut scenario = fixture::scenario();
    scenario.thresholds = vec![threshold(Metric::QuotaConvergence, ALL, Aggregate::Max, Op::Less, 1e15)];
    assert!(!judge(&scenario, &fixture::outcome()).thresholds[0].passed);
}

#[test]
fn a_complete_view_counts_as_staleness_zero() {
    let central = Tags { region: Some(0), ..ALL };
    assert_eq!(value(Metric::QuotaStaleness, &central, Aggregate::Med), 0.0);
    assert!(value(Metric::QuotaStaleness, &central, Aggregate::P(99.0)) > 1_000_000.0);
}

#[test]
fn a_condition_on_nothing_fails() {
    let mut scenario = fixture::scenario();
    let conditions = [
        (Metric::Latency, Aggregate::P(99.0)),
        (Metric::Availability, Aggregate::Value),
        (Metric::Errors, Aggregate::Count),
        (Metric::ColdStarts, Aggregate::Count),
        (Metric::QuotaSilentLoss, Aggregate::Count),
        (Metric::QuotaStaleness, Aggregate::Max),
        (Metric::QuotaCrossingLag, Aggregate::Max),
    ];
    scenario.thresholds = conditions.map(|(m, a)| threshold(m, ALL, a, Op::GreaterOrEqual, 0.0)).to_vec();
    let mut outcome = fixture::outcome();
    assert!(judge(&scenario, &outcome).thresholds.iter().all(|t| t.passed));
    outcome.measure = Measure::new(3, 2, 600_000_000);
    (outcome.findings.admitted, outcome.findings.rejected) = (0, 0);
    outcome.findings.regions.clear();
    let judgement = judge(&scenario, &outcome);
    assert!(judgement.thresholds.iter().all(|t| !t.passed && t.measured == Measured::NoData));
    assert_eq!(judgement.verdict, Verdict::Failed);
}

#[test]
fn the_verdict_needs_every_threshold_and_every_invariant() {
    let (mut scenario, mut outcome) = (fixture::scenario(), fixture::outcome());
    let judgement = judge(&scenario, &outcome);
    assert_eq!(judgement.thresholds.iter().map(|t| t.passed).collect::<Vec<_>>(), [true, false, true, true]);
    assert_eq!(judgement.broken.iter().map(|i| i.id).collect::<Vec<_>>(), ["I-18"]);
    assert_eq!((judgement.invariants_checked, judgement.verdict), (17, Verdict::Failed));
    scenario.thresholds.remove(1);
    assert_eq!(judge(&scenario, &outcome).verdict, Verdict::Failed);
    outcome.findings.invariants.retain(|i| i.id != "I-18");
    assert_eq!(judge(&scenario, &outcome).verdict, Verdict::Passed);
    outcome.requests = 0;
    assert_eq!(judge(&scenario, &outcome).verdict, Verdict::Invalid);
}

#[test]
fn every_comparison_compares() {
    let expected = [
        (Op::Less, [true, false, false]),
        (Op::LessOrEqual, [true, true, false]),
        (Op::Greater, [false, false, true]),
        (Op::GreaterOrEqual, [false, true, true]),
        (Op::Equal, [false, true, false]),
        (Op::NotEqual, [true, false, true]),
    ];
    for (op, held) in expected {
        assert_eq!([1.0, 2.0, 3.0].map(|value| holds(value, op, 2.0)), held, "{op:?}");
    }
}
