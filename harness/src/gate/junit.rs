//! Outcomes as JUnit XML: a suite for each lane, a case for each comparison.
//!
//! Not here: cases of thresholds and invariants, which `georush report --junit` writes.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::{Lane, Outcome, Status};
use crate::report::junit::{case, skipped, unsuccessful};

/// The whole document. What is inconclusive counts as skipped, and so does what a trend says.
#[must_use]
pub fn junit(outcomes: &[Outcome]) -> String {
    let mut report = Report::new("georush gate");
    for lane in [Lane::Simulation, Lane::Instructions, Lane::Live, Lane::Trend] {
        let mut cases = outcomes.iter().filter(|outcome| outcome.lane == lane).map(case_of).peekable();
        if cases.peek().is_some() {
            let mut suite = TestSuite::new(format!("gate {}", lane.name()));
            suite.add_test_cases(cases);
            report.add_test_suite(suite);
        }
    }
    report.to_string().expect("memory takes it")
}

fn case_of(outcome: &Outcome) -> TestCase {
    let status = match outcome.status {
        _ if outcome.blocks() => unsuccessful(NonSuccessKind::Failure, &outcome.message()),
        Status::Passed => TestCaseStatus::success(),
        _ => skipped(&outcome.message()),
    };
    case(&outcome.scenario, &format!("gate.{}", outcome.lane.name()), &outcome.metric, status)
}
