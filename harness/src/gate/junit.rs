//! Outcomes as JUnit XML: a suite for each lane, a case for each comparison.
//!
//! Not here: cases of thresholds and invariants, which `georush report --junit` writes.

use super::{Lane, Outcome, Status};
use crate::report::page::escaped;

/// The whole document. What is inconclusive or skipped counts as skipped, and so does what a trend says.
#[must_use]
pub fn junit(outcomes: &[Outcome]) -> String {
    let mut out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n".to_owned();
    for lane in [Lane::Simulation, Lane::Instructions, Lane::Live, Lane::Trend] {
        let cases: Vec<_> = outcomes.iter().filter(|outcome| outcome.lane == lane).collect();
        if cases.is_empty() {
            continue;
        }
        let failures = cases.iter().filter(|outcome| outcome.blocks()).count();
        let skipped = cases.iter().filter(|outcome| !outcome.blocks() && outcome.status != Status::Passed).count();
        let head = format!("tests=\"{}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\"", cases.len());
        let cases: String = cases.into_iter().map(case).collect();
        out += &format!("  <testsuite name=\"gate {}\" {head}>\n{cases}  </testsuite>\n", lane.name());
    }
    out + "</testsuites>\n"
}

fn case(outcome: &Outcome) -> String {
    let message = escaped(&outcome.message());
    let inside = match outcome.status {
        _ if outcome.blocks() => format!("<failure message=\"{message}\"/>"),
        Status::Passed => String::new(),
        _ => format!("<skipped message=\"{message}\"/>"),
    };
    let (scenario, name) = (escaped(&outcome.scenario), escaped(&outcome.metric));
    format!("    <testcase classname=\"{scenario}.gate.{}\" name=\"{name}\">{inside}</testcase>\n", outcome.lane.name())
}
