//! Outcomes as GitHub Actions shows them: annotations, and the step's summary.
//!
//! Not here: those of results, which `georush report --github` writes.

use std::fmt::Write;

use super::{Outcome, Status, blocking, verdict};
use crate::report::github::command;

/// Workflow commands, one a line: an error for each failure that blocks, a warning for whatever else is worth a look, and a notice if
/// nothing blocks.
#[must_use]
pub fn annotations(outcomes: &[Outcome]) -> String {
    let worth_a_look = outcomes.iter().filter(|outcome| outcome.status != Status::Passed);
    let told = worth_a_look.map(|outcome| {
        let level = if outcome.blocks() { "error" } else { "warning" };
        command(level, &format!("gate {}: {}", outcome.lane.name(), outcome.status.name()), &outcome.message())
    });
    let passed = (blocking(outcomes) == 0).then(|| command("notice", "gate: passed", &verdict(outcomes)));
    told.chain(passed).collect()
}

/// Markdown: the verdict, and a table of what did not pass.
#[must_use]
pub fn summary(outcomes: &[Outcome]) -> String {
    let word = if blocking(outcomes) == 0 { "PASSED" } else { "FAILED" };
    let mut out = format!("## Gate: {word}\n\n{}\n\n", verdict(outcomes));
    let mut rows = outcomes.iter().filter(|outcome| outcome.status != Status::Passed).peekable();
    if rows.peek().is_some() {
        out += "| | lane | of | metric | base | head | tolerance | |\n|---|---|---|---|--:|--:|--:|---|\n";
    }
    for Outcome { lane, status, scenario, metric, base, head, tolerance, note } in rows {
        let (lane, status, note) = (lane.name(), status.name(), note.replace('|', "\\|"));
        writeln!(out, "| {status} | {lane} | {scenario} | `{metric}` | {base} | {head} | {tolerance} | {note} |")
            .expect("a String takes all that is written");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::Lane;

    fn outcome(lane: Lane, status: Status) -> Outcome {
        let text = |text: &str| text.to_owned();
        Outcome {
            lane,
            status,
            scenario: text("quiet"),
            metric: text("latency p(99)"),
            base: text("100 ms"),
            head: text("112 ms"),
            tolerance: text("5 %"),
            note: text("worse by +12 %"),
        }
    }

    #[test]
    fn a_failure_that_blocks_is_an_error_and_one_that_does_not_is_a_warning() {
        let told = annotations(&[
            outcome(Lane::Simulation, Status::Failed),
            outcome(Lane::Trend, Status::Failed),
            outcome(Lane::Live, Status::Inconclusive),
            outcome(Lane::Live, Status::Passed),
        ]);
        let lines: Vec<_> = told.lines().collect();
        assert_eq!(lines.len(), 3, "{told}");
        assert_eq!(
            lines[0],
            "::error title=gate simulation%3A failed::quiet: latency p(99): base 100 ms, head 112 ms, tolerance 5 %25; worse by +12 %25"
        );
        assert!(lines[1].starts_with("::warning title=gate trend%3A failed::"), "{told}");
        assert!(lines[2].starts_with("::warning title=gate live%3A inconclusive::"), "{told}");
    }

    #[test]
    fn a_gate_that_passed_is_a_notice_and_a_summary_without_a_table() {
        let passed = [outcome(Lane::Simulation, Status::Passed)];
        assert_eq!(annotations(&passed), "::notice title=gate%3A passed::1 comparison, 0 failures that block\n");
        assert_eq!(summary(&passed), "## Gate: PASSED\n\n1 comparison, 0 failures that block\n\n");
    }

    #[test]
    fn a_summary_has_a_row_for_whatever_did_not_pass() {
        let text = summary(&[outcome(Lane::Simulation, Status::Failed), outcome(Lane::Live, Status::Passed)]);
        assert!(text.starts_with("## Gate: FAILED\n\n2 comparisons, 1 failure that blocks"), "{text}");
        let row = "| failed | simulation | quiet | `latency p(99)` | 100 ms | 112 ms | 5 % | worse by +12 % |";
        assert!(text.ends_with(&format!("{row}\n")), "{text}");
    }
}
