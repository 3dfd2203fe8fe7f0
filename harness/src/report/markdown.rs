//! A summary in Markdown.
//!
//! Not here: anything that is drawn.

use std::fmt::Write;

use serde_json::Value;

use super::{
    format,
    read::{Stored, broken_invariants, found, list, reasons, word},
};

/// A summary of each result.
#[must_use]
pub fn summary(results: &[Stored]) -> String {
    let cell = |text: &str| text.replace('|', "\\|").replace('\n', " ");
    let mut out = String::new();
    for Stored { scenario, json, .. } in results {
        let all = &json["traffic"]["all"];
        let time = |key: &str| all["latency"][key].as_u64().map_or("none".to_owned(), format::duration);
        let number = |value: &Value| value.as_u64().map_or("none".to_owned(), format::count);
        let mut part = || -> std::fmt::Result {
            writeln!(out, "## {}: {scenario}\n\n{}\n", word(json, "verdict").to_uppercase(), word(json, "question"))?;
            if json["verdict"] == "invalid" {
                writeln!(out, "**Not valid:** {}\n", reasons(json))?;
            }
            writeln!(out, "| requests | failed | refused | p50 | p99 | beyond quotas | a month costs |")?;
            writeln!(out, "|--:|--:|--:|--:|--:|--:|--:|")?;
            let counts = [number(&all["requests"]), number(&all["failed"]), number(&all["refused"])];
            let over = number(&json["quota"]["over_admission"]["total"]);
            let cost = json["cost"]["month_nano_usd"].as_u64().map_or("none".to_owned(), format::dollars);
            let times = [time("p50_us"), time("p99_us")].join(" | ");
            writeln!(out, "| {} | {times} | {over} | {cost} |\n", counts.join(" | "))?;
            writeln!(out, "| | threshold | wanted | found |\n|---|---|---|--:|")?;
            for threshold in list(json, "thresholds") {
                let held = if threshold["passed"] == true { "held" } else { "**failed**" };
                let (metric, condition) = (cell(word(threshold, "metric")), cell(word(threshold, "condition")));
                writeln!(out, "| {held} | `{metric}` | `{condition}` | {} |", found(threshold))?;
            }
            for invariant in broken_invariants(json) {
                writeln!(out, "\n**Broken: {}** {}", word(invariant, "id"), word(invariant, "claim"))?;
            }
            writeln!(out, "\nRepeat: `{}`\n", word(json, "repeat"))
        };
        part().expect("a String takes all that is written");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn a_summary_has_verdict_numbers_and_every_threshold() {
        let text = summary(&[fixture::stored()]);
        assert!(text.starts_with("## FAILED: region-outage\n\nWhen eu-central-1 disappears"), "{text}");
        assert!(text.contains("| 116,700 | 2,596 | 2,587 |"), "{text}");
        assert!(text.contains("| **failed** | `availability` | `value>99.9%` | 97.78 % |"), "{text}");
        assert!(text.contains("**Broken: I-18** over-admission equals"), "{text}");
        assert!(text.contains("Repeat: `georush run region-outage.toml --seed 2018"), "{text}");
    }

    #[test]
    fn tables_stay_tables_whatever_a_metric_is_called() {
        let mut stored = fixture::stored();
        stored.json["thresholds"][0]["metric"] = "a|b\nc".into();
        let text = summary(&[stored]);
        assert!(text.contains("`a\\|b c`"), "{text}");
        let columns = |line: &str| line.replace("\\|", "").matches('|').count();
        let table: Vec<usize> = text.lines().filter(|line| line.starts_with('|')).map(columns).collect();
        assert_eq!(table, [8, 8, 8, 5, 5, 5, 5, 5, 5], "{text}");
    }
}
