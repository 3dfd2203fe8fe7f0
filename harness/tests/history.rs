//! The history-only oracle against the one that knows everything, over simulated runs; and the ways of the live mode against
//! those of the simulation.
//!
//! Not here: real processes.

use std::path::Path;

use georush::{
    live::{outcome::quotas, scale::at_live_scale},
    oracle::history::{self, Answer, Call, Interval},
    outcome::Outcome,
    scenario::{Cause, Scenario, load},
    simulate::{self, Observer, Told, ways::Guide},
    workload::Merged,
};
use georush_core::{SubjectId, Timestamp, WindowId};

/// One of the committed scenarios.
fn committed(name: &str, overrides: &[&str]) -> Scenario {
    let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
    let path = Path::new("../scenarios").join(name).with_extension("toml");
    load(&path, &overrides, None).unwrap_or_else(|errors| panic!("{errors}"))
}

/// Writes down what clients are told, and the final counts of the first window.
#[derive(Default)]
struct Scribe {
    told: Vec<Told>,
    counts: Vec<u64>,
    window: WindowId,
}

impl Observer for Scribe {
    fn listens(&self) -> bool {
        true
    }

    fn told(&mut self, told: &Told) {
        self.told.push(*told);
    }

    fn counted(&mut self, count: &dyn Fn(SubjectId, WindowId) -> u64) {
        for (subject, counted) in (0..).zip(&mut self.counts) {
            *counted = count(SubjectId(subject), self.window);
        }
    }
}

fn observed(scenario: &Scenario) -> (Outcome, Scribe) {
    let window = scenario.plans[0].plan.window.id(scenario.start, Timestamp(0));
    let mut scribe = Scribe { counts: vec![0; quotas(scenario).len()], window, ..Scribe::default() };
    let outcome = simulate::run(scenario, &mut scribe).expect("nobody stops it");
    (outcome, scribe)
}

/// The history of a simulated run: a request is sent and decided at its arrival, its answer takes its latency. Every `lost`-th
/// answer gets lost.
fn calls(told: &[Told], lost: usize) -> Vec<Call> {
    let call = |(number, told): (usize, &Told)| {
        let answer = match told.cause {
            _ if lost > 0 && number % lost == 0 => Answer::Unknown,
            None => Answer::Admitted { view: Some(told.view) },
            Some(Cause::OverQuota) => Answer::OverQuota,
            Some(_) => Answer::NotAdmitted,
        };
        let sent_us = told.arrival.at_us;
        let (subject, region) = (told.arrival.subject, told.region);
        Call { sent_us, done_us: sent_us + told.latency_us, subject, region, answer }
    };
    told.iter().enumerate().map(call).collect()
}

fn exact(n: u64) -> Interval {
    Interval { lower: n, upper: n }
}

#[test]
fn where_every_request_has_its_answer_both_oracles_count_the_same() {
    for (name, overrides) in [
        ("aggregator-crash", &[][..]),
        ("aggregator-crash", &["system.aggregation=add-then-checkpoint"][..]),
        ("sixty-thousand", &["plans.business.quota=20000"][..]),
        ("region-outage", &[][..]),
        ("duplicate-delivery", &[][..]),
    ] {
        let scenario = committed(name, &[&["thresholds={}"][..], overrides].concat());
        let (outcome, scribe) = observed(&scenario);
        let (findings, quotas) = (&outcome.findings, quotas(&scenario));
        let regions = scenario.system.regions.len();
        let answers = history::judge(&calls(&scribe.told, 0), regions, &|s| quotas[s.index()]);
        assert_eq!(answers.admitted, exact(findings.admitted), "{name}");
        assert_eq!(answers.rejected, findings.rejected, "{name}");
        assert_eq!(answers.over_admission, exact(findings.over_admission), "{name}");
        let error = answers.compare(&|subject| scribe.counts[subject.index()]);
        assert_eq!((error.signed, error.absolute), (findings.count_error, findings.count_error_absolute), "{name}");
        assert_eq!((error.duplicates, error.doubt), (findings.duplicates, 0), "{name}");
        assert_eq!(error.lost, findings.declared_loss + findings.silent_loss, "{name}");
        // Only what is refused for certain without reason is called false.
        assert!(answers.false_rejections.lower <= findings.false_rejections.total(), "{name}");
        assert!(answers.false_rejections.upper >= findings.false_rejections.total(), "{name}");
    }
}

#[test]
fn lost_answers_widen_the_intervals_around_the_truth() {
    let scenario = committed("aggregator-crash", &[]);
    let (outcome, scribe) = observed(&scenario);
    let (findings, quotas) = (&outcome.findings, quotas(&scenario));
    for lost in [3, 10, 1_000] {
        let answers = history::judge(&calls(&scribe.told, lost), scenario.system.regions.len(), &|s| quotas[s.index()]);
        assert!(
            !answers.admitted.is_exact() && answers.admitted.holds(findings.admitted),
            "{lost}: {:?}",
            answers.admitted
        );
        assert!(answers.over_admission.holds(findings.over_admission), "{lost}: {:?}", answers.over_admission);
        let error = answers.compare(&|subject| scribe.counts[subject.index()]);
        assert_eq!((error.absolute, error.doubt), (0, answers.unknown), "the truth is never called an error");
    }
}

#[test]
fn ages_of_views_lie_between_what_the_history_allows() {
    let scenario = committed("sixty-thousand", &["duration=3m", "faults=[]", "thresholds={}"]);
    let (outcome, scribe) = observed(&scenario);
    let quotas = quotas(&scenario);
    let regions = scenario.system.regions.len();
    let answers = history::judge(&calls(&scribe.told, 0), regions, &|s| quotas[s.index()]);
    for (region, views) in answers.views.iter().enumerate() {
        let truth = &outcome.findings.regions[region].staleness;
        for q in [0.5, 0.9, 0.99] {
            if truth.is_empty() {
                continue;
            }
            let (lower, upper) = (views.age_lower.value_at_quantile(q), views.age_upper.value_at_quantile(q));
            let truth = truth.value_at_quantile(q);
            // Two digits of the histograms.
            assert!(
                lower <= truth + truth / 50 && truth <= upper + upper / 50,
                "{region} {q}: {lower} {truth} {upper}"
            );
        }
    }
}

#[test]
fn the_same_seed_sends_the_same_callers_to_the_same_regions_live_and_simulated() {
    for name in ["region-outage", "sixty-thousand", "aggregator-crash", "black-friday"] {
        let mut scenario = at_live_scale(&committed(name, &[]));
        scenario.duration_us = scenario.duration_us.min(20_000_000);
        let (_, scribe) = observed(&scenario);
        let mut guide = Guide::new(&scenario);
        let live: Vec<_> = Merged::new(&scenario).map(|(clients, a)| (clients, a, guide.way(&a))).collect();
        assert_eq!(live.len(), scribe.told.len(), "{name}");
        assert!(live.len() > 500, "{name}");
        for ((clients, arrival, way), told) in live.iter().zip(&scribe.told) {
            assert_eq!((*clients, *arrival, way.region), (told.clients, told.arrival, told.region), "{name}");
            assert_eq!(way.cut, told.cause == Some(Cause::RegionOutage), "{name}");
        }
    }
}
