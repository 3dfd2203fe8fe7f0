//! Results as OpenMetrics text, for whoever keeps numbers of runs in Prometheus.
//!
//! Not here: the series over time; the text holds what a run came to. Simulated and measured numbers differ by the label `mode`.

use std::fmt::Write;

use serde_json::{Map, Value};

use super::read::{Stored, checked_invariants, list, word};

/// A family, and where its samples come from.
struct Family {
    name: &'static str,
    kind: &'static str,
    unit: &'static str,
    help: &'static str,
    samples: fn(&Value) -> Vec<Sample>,
}

impl Family {
    const fn new(
        name: &'static str,
        kind: &'static str,
        unit: &'static str,
        help: &'static str,
        samples: fn(&Value) -> Vec<Sample>,
    ) -> Self {
        Self { name, kind, unit, help, samples }
    }
}

const FAMILIES: [Family; 9] = [
    Family::new("georush_run", "info", "", "What ran and how it was judged.", run),
    Family::new("georush_requests", "counter", "", "Requests by region and outcome.", requests),
    Family::new("georush_answers_not_ok", "counter", "", "Requests without 2xx, by cause.", causes),
    Family::new("georush_latency_seconds", "summary", "seconds", "Latency of answered requests.", latency),
    Family::new("georush_staleness_seconds", "summary", "seconds", "Age of the view of decisions.", staleness),
    Family::new("georush_quota", "gauge", "", "Counts against the truth, requests.", quota),
    Family::new("georush_threshold_held", "gauge", "", "1 if the condition held.", thresholds),
    Family::new("georush_invariant_violations", "counter", "", "Checks of an invariant that failed.", invariants),
    Family::new("georush_cost_dollars", "gauge", "dollars", "A month of such runs, by service.", cost),
];

/// Labels and value of one line; the suffix goes after the family's name.
struct Sample {
    suffix: &'static str,
    labels: Vec<(&'static str, String)>,
    value: String,
}

/// The text: families of all results, each sample with the labels `scenario`, `mode` and `seed`.
#[must_use]
pub fn text(results: &[Stored]) -> String {
    let mut out = String::new();
    for Family { name, kind, unit, help, samples } in FAMILIES {
        let mut body = String::new();
        for Stored { scenario, json, .. } in results {
            let run = [
                ("scenario", scenario.clone()),
                ("mode", word(json, "mode").to_owned()),
                ("seed", json["seed"].to_string()),
            ];
            for Sample { suffix, labels, value } in samples(json) {
                let labels: Vec<String> =
                    run.iter().chain(&labels).map(|(label, text)| format!("{label}=\"{}\"", escaped(text))).collect();
                writeln!(body, "{name}{suffix}{{{}}} {value}", labels.join(",")).expect("a String takes it");
            }
        }
        if body.is_empty() {
            continue;
        }
        let unit = if unit.is_empty() { String::new() } else { format!("# UNIT {name} {unit}\n") };
        out += &format!("# TYPE {name} {kind}\n{unit}# HELP {name} {help}\n{body}");
    }
    out + "# EOF\n"
}

fn sample(suffix: &'static str, labels: Vec<(&'static str, String)>, value: &Value) -> Option<Sample> {
    value.is_number().then(|| Sample { suffix, labels, value: value.to_string() })
}

fn entries<'a>(json: &'a Value, key: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    json[key].as_object().into_iter().flat_map(Map::iter)
}

fn run(json: &Value) -> Vec<Sample> {
    let label = |name, key| (name, word(json, key).to_owned());
    let labels = vec![label("verdict", "verdict"), label("version", "georush"), label("digest", "digest")];
    vec![Sample { suffix: "_info", labels, value: "1".to_owned() }]
}

fn requests(json: &Value) -> Vec<Sample> {
    let of = |(region, stats): (&String, &Value)| {
        ["ok", "refused", "failed"].map(|outcome| {
            sample("_total", vec![("region", region.clone()), ("outcome", outcome.to_owned())], &stats[outcome])
        })
    };
    entries(&json["traffic"], "by_region").flat_map(of).flatten().collect()
}

fn causes(json: &Value) -> Vec<Sample> {
    let of = |cause: &Value| sample("_total", vec![("cause", word(cause, "cause").to_owned())], &cause["requests"]);
    list(&json["traffic"]["all"], "causes").iter().filter_map(of).collect()
}

fn latency(json: &Value) -> Vec<Sample> {
    entries(&json["traffic"], "by_region").flat_map(|(region, stats)| summary(region, &stats["latency"])).collect()
}

fn staleness(json: &Value) -> Vec<Sample> {
    entries(&json["quota"], "regions").flat_map(|(region, view)| summary(region, &view["staleness"])).collect()
}

/// Quantiles and count of a distribution, in seconds; nothing if there is none.
fn summary(region: &str, distribution: &Value) -> Vec<Sample> {
    let quantiles =
        [("0.5", "p50_us"), ("0.9", "p90_us"), ("0.95", "p95_us"), ("0.99", "p99_us"), ("0.999", "p99.9_us")];
    let at = |(quantile, key): (&str, &str)| {
        let us = distribution[key].as_u64()?;
        let labels = vec![("region", region.to_owned()), ("quantile", quantile.to_owned())];
        Some(Sample { suffix: "", labels, value: format!("{}.{:06}", us / 1_000_000, us % 1_000_000) })
    };
    let mut samples: Vec<Sample> = quantiles.into_iter().filter_map(at).collect();
    samples.extend(sample("_count", vec![("region", region.to_owned())], &distribution["count"]));
    samples
}

fn quota(json: &Value) -> Vec<Sample> {
    let quota = &json["quota"];
    let counts = ["admitted", "rejected", "central_count", "duplicates", "declared_loss", "silent_loss"];
    let mut named: Vec<(&str, &Value)> = counts.map(|name| (name, &quota[name])).to_vec();
    named.push(("over_admission", &quota["over_admission"]["total"]));
    named.push(("false_rejections", &quota["false_rejections"]["total"]));
    named.into_iter().filter_map(|(name, value)| sample("", vec![("count", name.to_owned())], value)).collect()
}

fn thresholds(json: &Value) -> Vec<Sample> {
    let of = |threshold: &Value| Sample {
        suffix: "",
        labels: ["metric", "condition"].map(|key| (key, word(threshold, key).to_owned())).to_vec(),
        value: u8::from(threshold["passed"] == true).to_string(),
    };
    list(json, "thresholds").iter().map(of).collect()
}

fn invariants(json: &Value) -> Vec<Sample> {
    let of = |i: &Value| sample("_total", vec![("id", word(i, "id").to_owned())], &i["violations"]);
    checked_invariants(json).filter_map(of).collect()
}

fn cost(json: &Value) -> Vec<Sample> {
    let of = |(service, nano_usd): (&String, &Value)| {
        let nano_usd = nano_usd.as_u64()?;
        let value = format!("{}.{:09}", nano_usd / 1_000_000_000, nano_usd % 1_000_000_000);
        Some(Sample { suffix: "", labels: vec![("service", service.clone())], value })
    };
    entries(&json["cost"], "services").filter_map(of).collect()
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::report::fixture;

    /// Claims of the OpenMetrics specification that a text can break.
    fn check(text: &str) {
        assert!(text.ends_with("# EOF\n") && text.matches("# EOF").count() == 1);
        let (mut families, mut series, mut family) = (BTreeSet::new(), BTreeSet::new(), (String::new(), String::new()));
        for line in text.lines().filter(|line| *line != "# EOF") {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a name and a type");
                assert!(families.insert(name.to_owned()), "{name}: a family must be in one piece");
                family = (name.to_owned(), kind.to_owned());
            } else if let Some(rest) = line.strip_prefix("# UNIT ") {
                let (name, unit) = rest.split_once(' ').expect("a name and a unit");
                assert!(name == family.0 && name.ends_with(&format!("_{unit}")), "{line}");
            } else if let Some(rest) = line.strip_prefix("# HELP ") {
                assert!(rest.starts_with(&family.0), "{line}");
            } else {
                let (identity, value) = line.rsplit_once(' ').expect("a series and a value");
                let name = identity.split('{').next().expect("a name");
                let suffix = name.strip_prefix(family.0.as_str()).expect("a sample belongs to the family above it");
                let allowed: &[&str] = match family.1.as_str() {
                    "info" => &["_info"],
                    "counter" => &["_total"],
                    "summary" => &["", "_count"],
                    _ => &[""],
                };
                assert!(allowed.contains(&suffix), "{line}");
                assert!(value.parse::<f64>().is_ok_and(|value| value >= 0.0 || family.1 == "gauge"), "{line}");
                assert!(series.insert(identity.to_owned()), "{identity}: twice");
            }
        }
    }

    #[test]
    fn the_text_keeps_the_formats_rules_with_one_result_and_with_two() {
        let mut other = fixture::stored();
        other.json["seed"] = 7.into();
        other.json["thresholds"][0]["metric"] = "a \"quoted\\\n metric".into();
        check(&text(&[fixture::stored()]));
        check(&text(&[fixture::stored(), other]));
        check(&text(&[]));
    }

    #[test]
    fn numbers_are_those_of_the_result() {
        let text = text(&[fixture::stored()]);
        let run = "scenario=\"region-outage\",mode=\"simulation\",seed=\"2018\"";
        for line in [
            format!(
                "georush_run_info{{{run},verdict=\"failed\",version=\"{}\",digest=\"0123456789abcdef\"}} 1",
                env!("CARGO_PKG_VERSION")
            ),
            format!("georush_requests_total{{{run},region=\"eu-central-1\",outcome=\"failed\"}} 2551"),
            format!("georush_answers_not_ok_total{{{run},cause=\"concurrency-limit\"}} 45"),
            format!("georush_threshold_held{{{run},metric=\"availability\",condition=\"value>99.9%\"}} 0"),
            format!("georush_quota{{{run},count=\"over_admission\"}} 612"),
        ] {
            assert!(text.contains(&format!("{line}\n")), "{line}\n{text}");
        }
    }
}
