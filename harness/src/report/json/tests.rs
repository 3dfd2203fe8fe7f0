//! Claims about `result.json`. Not here: the numbers' meaning, which the judge's tests hold.

use base64::{Engine, prelude::BASE64_STANDARD};
use hdrhistogram::{Histogram, serialization::Deserializer};
use serde_json::Value;

use super::*;
use crate::{
    report::{fixture, judge::judge},
    scenario::Tags,
};

fn text_of_fixture() -> String {
    let (scenario, outcome) = (fixture::scenario(), fixture::outcome());
    let judgement = judge(&scenario, &outcome);
    let assumptions = ["Round trips follow a model.".to_owned()];
    text(&Report {
        scenario: &scenario,
        outcome: &outcome,
        judgement: &judgement,
        assumptions: &assumptions,
        live: None,
    })
}

fn parsed() -> Value {
    serde_json::from_str(&text_of_fixture()).expect("JSON")
}

#[test]
fn the_same_run_gives_the_same_bytes() {
    assert_eq!(text_of_fixture(), text_of_fixture());
    assert!(text_of_fixture().ends_with("}\n"));
}

#[test]
fn a_histogram_survives_the_round_trip() {
    let encoded = parsed()["traffic"]["all"]["latency"]["histogram"].as_str().expect("text").to_owned();
    let bytes = BASE64_STANDARD.decode(encoded).expect("base64");
    let decoded: Histogram<u64> = Deserializer::new().deserialize(&mut bytes.as_slice()).expect("HdrHistogram V2");
    assert_eq!(decoded, fixture::outcome().measure.select(&Tags::default()).latency);
}

#[test]
fn the_parts_add_up_to_the_whole() {
    let json = parsed();
    let all = json["traffic"]["all"]["requests"].as_u64().expect("a number");
    let sum = |cut: &Value| -> u64 {
        cut.as_object().expect("a map").values().map(|v| v["requests"].as_u64().expect("a number")).sum()
    };
    for cut in ["by_region", "by_clients", "by_phase"] {
        assert_eq!(sum(&json["traffic"][cut]), all, "{cut}");
    }
    let by_region = json["traffic"]["by_region_and_clients"].as_object().expect("a map");
    assert_eq!(by_region.values().map(sum).sum::<u64>(), all);
    let column = json["series"]["requests"].as_array().expect("a column");
    assert_eq!(column.iter().filter_map(Value::as_u64).sum::<u64>(), all);
    assert_eq!(json["series"]["buckets"], column.len());
}

#[test]
fn verdict_thresholds_and_invariants_are_told() {
    let json = parsed();
    assert_eq!((&json["verdict"], &json["exit_code"]), (&"failed".into(), &1.into()));
    assert_eq!(json["thresholds"][1]["metric"], "availability");
    assert_eq!(json["thresholds"][1]["passed"], false);
    assert_eq!(json["thresholds"][2]["value"], 0.0153);
    assert!(json["thresholds"][0]["value"].is_u64() && json["thresholds"][0]["bound"].is_u64());
    let broken = json["invariants"].as_array().expect("a list").iter().find(|i| i["status"] == "broken").expect("one");
    assert_eq!((&broken["id"], &broken["first_violation"]["at_us"]), (&"I-18".into(), &503_000_000.into()));
    assert_eq!(json["digest"], "0123456789abcdef");
    assert_eq!(json["repeat"], "georush run region-outage.toml --seed 2018 --set plans.business.quota=40000");
    assert_eq!(json["quota"]["regions"]["eu-central-1"]["convergence_us"], Value::Null);
}

#[test]
fn every_plot_points_at_a_column() {
    let json = parsed();
    let curves = json["plots"]["overshoot"]["y"].as_array().expect("a list");
    assert_eq!(curves.len(), 5);
    for curve in curves {
        let column = json.pointer(curve["column"].as_str().expect("a pointer")).expect("a column");
        assert_eq!(column.as_array().map(Vec::len), Some(300), "{curve}");
    }
    let mut scenario = fixture::scenario();
    let names = "requests errors latency.p50 latency.p99 quota.admitted quota.rejected quota.visible{region:us-east-1} \
                 quota.staleness queue.stream replication.lag{region:*}";
    scenario.plots[0].y = names.split_whitespace().map(String::from).collect();
    let resolved = serde_json::to_value(plots::plots(&scenario)).expect("JSON");
    let curves = resolved["overshoot"]["y"].as_array().expect("a list");
    assert_eq!(curves.len(), 8 + 3 + 3);
    assert!(curves.iter().all(|c| json.pointer(c["column"].as_str().expect("a pointer")).is_some()));
}

#[test]
fn nothing_measured_is_null_and_not_zero() {
    let (scenario, mut outcome) = (fixture::scenario(), fixture::outcome());
    outcome.measure = crate::measure::Measure::new(3, 2, 600_000_000);
    let judgement = judge(&scenario, &outcome);
    let report = Report { scenario: &scenario, outcome: &outcome, judgement: &judgement, assumptions: &[], live: None };
    let json: Value = serde_json::from_str(&text(&report)).expect("JSON");
    assert_eq!(json["traffic"]["all"]["latency"], Value::Null);
    assert_eq!(json["traffic"]["all"]["availability"], Value::Null);
    assert_eq!(json["thresholds"][0]["note"], "no data");
    assert_eq!(json["breakdown"], serde_json::json!({}));
}
