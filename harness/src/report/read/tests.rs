//! What is refused, and in which words.

use super::*;
use crate::report::{Report, fixture, github, json, judge::judge, junit, markdown, page};

fn text() -> String {
    let (scenario, outcome) = (fixture::scenario(), fixture::outcome());
    let judgement = judge(&scenario, &outcome);
    json::text(&Report { scenario: &scenario, outcome: &outcome, judgement: &judgement, assumptions: &[], live: None })
}

fn refused(text: &str) -> String {
    Stored::of("out/result.json", text).expect_err("it is no whole result").to_string()
}

#[test]
fn every_form_of_a_result_that_is_not_valid_says_why() {
    let mut stored = fixture::stored();
    assert_eq!(reasons(&stored.json), "");
    stored.json["verdict"] = "invalid".into();
    assert_eq!(reasons(&stored.json), "nothing can be concluded from this run");
    stored.json["totals"]["requests"] = 0.into();
    let results = [stored];
    let forms =
        [page::page(&results), markdown::summary(&results), junit::xml(&results), github::annotations(&results)];
    for form in forms {
        assert!(form.contains(NO_REQUEST), "{form}");
    }
}

#[test]
fn a_whole_result_is_read_back() {
    let stored = Stored::of("out/result.json", &text()).expect("it is whole");
    assert_eq!((stored.scenario.as_str(), &stored.json["seed"]), ("region-outage", &Value::from(2018)));
}

#[test]
fn a_result_that_was_cut_or_edited_is_refused() {
    let whole = text();
    assert!(refused(&whole[..whole.len() / 2]).starts_with("out/result.json: it is cut short or no JSON"));
    let edited = whole.replace("\"verdict\": \"failed\"", "\"verdict\": \"passed\"");
    assert_ne!(edited, whole);
    assert!(refused(&edited).contains("its seal does not fit its contents"));
}

#[test]
fn a_result_of_another_schema_is_refused_by_its_number() {
    let other = text().replace("\"schema\": 1,", "\"schema\": 99,");
    assert!(refused(&other).contains("schema 99, expected 1"));
    assert!(refused("{}").ends_with("it has no schema, expected the result.json of a run"));
    assert!(refused("{\"baseline\": 1}").ends_with("this is a baseline, expected the result.json of a run"));
}

#[test]
fn a_file_that_is_not_there_is_one_clear_error() {
    let told = read(Path::new("no/such/result.json")).expect_err("it is not there").to_string();
    assert!(told.starts_with("no/such/result.json: can't read it:"), "{told}");
    let told = read(Path::new("src")).expect_err("it is a folder").to_string();
    assert_eq!(told, "src: it is a folder, expected the result.json of a run");
}

#[test]
fn what_was_found_has_its_unit() {
    let told =
        |value: Value, unit: &str| found(&serde_json::json!({ "value": value, "unit": unit, "note": "no data" }));
    assert_eq!(told(48_230.into(), "us"), "48.2 ms");
    assert_eq!(told(0.9995.into(), "fraction"), "99.95 %");
    assert_eq!(told(149.706.into(), "usd"), "$149.71");
    assert_eq!(told(Value::Null, "us"), "no data");
}
