//! Results as GitHub Actions shows them: an annotation for each failure.
//!
//! Not here: the step summary, which is the Markdown one.

use super::{
    junit::broken,
    read::{Stored, broken_invariants, found, list, reasons, word},
};

/// Workflow commands, one a line: an error for each condition that failed, a warning for a run that is not valid, and one notice for each
/// result that passed.
#[must_use]
pub fn annotations(results: &[Stored]) -> String {
    let mut out = String::new();
    for Stored { scenario, json, .. } in results {
        let mut tell = |level: &str, what: &str, message: &str| {
            out += &command(level, &format!("{scenario}: {what}"), message);
        };
        for threshold in list(json, "thresholds").iter().filter(|t| t["passed"] != true) {
            let metric = word(threshold, "metric");
            tell("error", metric, &format!("wanted {}, found {}", word(threshold, "condition"), found(threshold)));
        }
        for invariant in broken_invariants(json) {
            tell("error", word(invariant, "id"), &broken(invariant));
        }
        match word(json, "verdict") {
            "passed" => tell("notice", "passed", word(json, "question")),
            "invalid" => tell("warning", "not valid", &reasons(json)),
            _ => {}
        }
    }
    out
}

/// A workflow command and the end of its line: an annotation of that level.
pub(crate) fn command(level: &str, title: &str, message: &str) -> String {
    format!("::{level} title={}::{}\n", property(title), data(message))
}

/// Source: actions/toolkit, `command.ts`: what must be escaped in a command's message.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// And what in a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn each_failure_is_one_line_with_what_was_wanted_and_found() {
        let told = annotations(&[fixture::stored()]);
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines.len(), 2, "{told}");
        assert_eq!(lines[0], "::error title=region-outage%3A availability::wanted value>99.9%25, found 97.78 %25");
        assert!(lines[1].starts_with("::error title=region-outage%3A I-18::"), "{told}");
    }

    #[test]
    fn a_result_that_passed_is_a_notice_and_nothing_ends_a_command_early() {
        let mut stored = fixture::stored();
        stored.json["verdict"] = "passed".into();
        stored.json["question"] = "one\ntwo".into();
        stored.json["thresholds"] = serde_json::json!([]);
        stored.json["invariants"] = serde_json::json!([]);
        assert_eq!(annotations(&[stored]), "::notice title=region-outage%3A passed::one%0Atwo\n");
    }
}
