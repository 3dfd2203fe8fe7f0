//! Results as JUnit XML: a suite for each result, a case for each threshold and invariant.
//!
//! Not here: times of cases; a run is one thing.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};
use serde_json::Value;

use super::read::{Stored, found, list, reasons, word};

/// The XML. A result that is not valid has a case of its own, in error.
#[must_use]
pub fn xml(results: &[Stored]) -> String {
    let mut report = Report::new("georush");
    report.add_test_suites(results.iter().map(suite));
    report.to_string().expect("memory takes it")
}

fn suite(Stored { scenario, json, .. }: &Stored) -> TestSuite {
    let mut suite = TestSuite::new(scenario.as_str());
    suite.add_property(("mode", word(json, "mode"))).add_property(("seed", json["seed"].to_string().as_str()));
    suite.add_property(("repeat", word(json, "repeat")));
    if json["verdict"] == "invalid" {
        let told = unsuccessful(NonSuccessKind::Error, &reasons(json));
        suite.add_test_case(case(scenario, "run", "the run is valid", told));
    }
    for threshold in list(json, "thresholds") {
        let name = format!("{} {}", word(threshold, "metric"), word(threshold, "condition"));
        let status = if threshold["passed"] == true {
            TestCaseStatus::success()
        } else {
            unsuccessful(NonSuccessKind::Failure, &format!("found {}", found(threshold)))
        };
        suite.add_test_case(case(scenario, "thresholds", &name, status));
    }
    for invariant in list(json, "invariants") {
        let name = format!("{} {}", word(invariant, "id"), word(invariant, "name"));
        let status = match word(invariant, "status") {
            "held" => TestCaseStatus::success(),
            "not-applicable" => skipped(word(invariant, "note")),
            _ => unsuccessful(NonSuccessKind::Failure, &broken(invariant)),
        };
        suite.add_test_case(case(scenario, "invariants", &name, status));
    }
    suite
}

/// What an invariant claims and what was seen instead.
pub(super) fn broken(invariant: &Value) -> String {
    let seen = word(&invariant["first_violation"], "seen");
    let first = if seen.is_empty() { String::new() } else { format!("; first: {seen}") };
    format!(
        "{}: broken in {} of {} checks{first}",
        word(invariant, "claim"),
        invariant["violations"],
        invariant["checks"]
    )
}

/// A case, filed by scenario and class.
pub(crate) fn case(scenario: &str, class: &str, name: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(name, status);
    case.set_classname(format!("{scenario}.{class}"));
    case
}

pub(crate) fn unsuccessful(kind: NonSuccessKind, message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(message);
    status
}

pub(crate) fn skipped(note: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    if !note.is_empty() {
        status.set_message(note);
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn every_threshold_and_invariant_is_a_case() {
        let stored = fixture::stored();
        let xml = xml(std::slice::from_ref(&stored));
        let (thresholds, invariants) = (list(&stored.json, "thresholds"), list(&stored.json, "invariants"));
        assert_eq!(xml.matches("<testcase").count(), thresholds.len() + invariants.len());
        assert_eq!((xml.matches("<failure").count(), xml.matches("<skipped").count()), (2, 1));
        assert!(xml.contains("tests=\"22\"") && xml.contains("failures=\"2\""), "{xml}");
        assert!(xml.contains("name=\"availability value&gt;99.9%\"") && xml.contains("found 97.78 %"), "{xml}");
        assert!(xml.contains("first: one-busy-site#0: 612 over, 598 arrived"));
    }

    #[test]
    fn a_run_that_is_not_valid_is_an_error() {
        let mut stored = fixture::stored();
        stored.json["verdict"] = "invalid".into();
        stored.json["live"] = serde_json::json!({ "reasons": ["the generator was late", "a < b"] });
        let xml = xml(&[stored]);
        assert!(xml.contains("<error message=\"the generator was late; a &lt; b\""), "{xml}");
        assert!(xml.contains("errors=\"1\""));
    }
}
