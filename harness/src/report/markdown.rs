//! Results for other programs' eyes: Markdown, JUnit XML, CSV.
//!
//! Not here: the page.

use std::fmt::Write;

use serde_json::Value;

use super::{format, page::escaped, read::Stored};
use crate::facts::prices::NANO;

fn list<'a>(json: &'a Value, key: &str) -> &'a [Value] {
    json[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

fn word<'a>(json: &'a Value, key: &str) -> &'a str {
    json[key].as_str().unwrap_or_default()
}

/// What a threshold found, with its unit.
fn found(threshold: &Value) -> String {
    match (threshold["value"].as_f64(), word(threshold, "unit")) {
        (None, _) => word(threshold, "note").to_owned(),
        (Some(us), "us") => format::duration(us as u64),
        (Some(fraction), "fraction") => format::percent(fraction),
        (Some(dollars), "usd") => format::dollars((dollars * NANO as f64).round() as u64),
        (Some(number), _) => number.to_string(),
    }
}

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
            for invariant in list(json, "invariants").iter().filter(|i| i["status"] == "broken") {
                writeln!(out, "\n**Broken: {}** {}", word(invariant, "id"), word(invariant, "claim"))?;
            }
            writeln!(out, "\nRepeat: `{}`\n", word(json, "repeat"))
        };
        part().expect("a String takes all that is written");
    }
    out
}

/// JUnit XML: a suite for each result, a case for each threshold and invariant.
#[must_use]
pub fn junit(results: &[Stored]) -> String {
    let mut out = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n".to_owned();
    for Stored { scenario, json, .. } in results {
        let mut cases = Vec::new();
        for t in list(json, "thresholds") {
            let name = format!("{} {}", word(t, "metric"), word(t, "condition"));
            let failure = (t["passed"] != true).then(|| format!("found {}", found(t)));
            cases.push(case(scenario, "thresholds", &name, failure.as_deref(), false));
        }
        for i in list(json, "invariants") {
            let name = format!("{} {}", word(i, "id"), word(i, "name"));
            let failure = (i["status"] == "broken").then(|| word(&i["first_violation"], "seen"));
            cases.push(case(scenario, "invariants", &name, failure, i["status"] == "not-applicable"));
        }
        let count = |what: &str| cases.iter().filter(|c| c.contains(what)).count();
        let (failures, skipped) = (count("<failure"), count("<skipped"));
        let head = format!("tests=\"{}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\"", cases.len());
        out += &format!("  <testsuite name=\"{}\" {head}>\n{}  </testsuite>\n", escaped(scenario), cases.concat());
    }
    out + "</testsuites>\n"
}

fn case(scenario: &str, class: &str, name: &str, failure: Option<&str>, skipped: bool) -> String {
    let inside = match failure {
        Some(message) => format!("<failure message=\"{}\"/>", escaped(message)),
        None if skipped => "<skipped/>".to_owned(),
        None => String::new(),
    };
    let (scenario, name) = (escaped(scenario), escaped(name));
    format!("    <testcase classname=\"{scenario}.{class}\" name=\"{name}\">{inside}</testcase>\n")
}

/// The series, a line for each bucket; times are its start, microseconds.
#[must_use]
pub fn csv(result: &Stored) -> String {
    let series = &result.json["series"];
    let mut columns: Vec<(String, &[Value])> = Vec::new();
    flatten(series, "", &mut columns);
    let width_us = series["width_us"].as_u64().unwrap_or(1);
    let buckets = columns.first().map_or(0, |(_, values)| values.len());
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let mut out = format!("at_us,{}\n", names.join(","));
    for bucket in 0..buckets {
        let values: Vec<String> = columns.iter().map(|(_, values)| values[bucket].to_string()).collect();
        out += &format!("{},{}\n", bucket as u64 * width_us, values.join(","));
    }
    out
}

fn flatten<'a>(value: &'a Value, name: &str, columns: &mut Vec<(String, &'a [Value])>) {
    match value {
        Value::Array(values) => columns.push((name.to_owned(), values)),
        Value::Object(map) => {
            for (key, value) in map {
                flatten(value, &if name.is_empty() { key.clone() } else { format!("{name}.{key}") }, columns);
            }
        }
        _ => {}
    }
}
