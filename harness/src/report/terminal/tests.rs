//! The summary as a whole, beside its text. Not here: its parts' arithmetic.

use super::*;
use crate::{
    report::{fixture, judge::judge},
    scenario::Scenario,
};

fn told(scenario: &Scenario, outcome: &crate::outcome::Outcome, colour: bool) -> String {
    let judgement = judge(scenario, outcome);
    let assumptions = ["One.".to_owned(), "Two.".to_owned()];
    let report = Report { scenario, outcome, judgement: &judgement, assumptions: &assumptions, live: None };
    let speed = Speed { cpu_us: 61_000 };
    let around = Around { file: "scenarios/region-outage.toml", result: "out/region-outage/result.json", speed };
    summary(&report, &around, Paint { colour })
}

#[test]
fn the_summary_of_an_outage_reads_well() {
    let shown = told(&fixture::scenario(), &fixture::outcome(), false);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/terminal/region-outage.txt");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(path, &shown).expect("the repository is writable");
    }
    let expected = std::fs::read_to_string(path).expect("committed; UPDATE_SNAPSHOTS=1 cargo test writes it");
    assert_eq!(shown, expected);
    let longest = shown.lines().max_by_key(|line| line.chars().count()).expect("lines");
    assert!(longest.chars().count() <= WIDTH, "{longest}");
}

#[test]
fn colours_change_nothing_else() {
    let coloured = told(&fixture::scenario(), &fixture::outcome(), true);
    let mut plain = String::new();
    for (index, part) in coloured.split("\x1b[").enumerate() {
        plain.push_str(if index == 0 { part } else { part.split_once('m').expect("a colour ends in m").1 });
    }
    assert!(coloured.len() > plain.len());
    let unpadded = |text: &str| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    assert_eq!(unpadded(&plain), unpadded(&told(&fixture::scenario(), &fixture::outcome(), false)));
}

#[test]
fn a_run_without_requests_is_told_without_panic() {
    let (scenario, mut outcome) = (fixture::scenario(), fixture::outcome());
    outcome.measure = crate::measure::Measure::new(3, 2, 600_000_000);
    outcome.requests = 0;
    outcome.findings.regions.clear();
    outcome.findings.invariants.clear();
    assert!(told(&scenario, &outcome, false).starts_with("NOT VALID  no request was made"));
}

#[test]
fn words_wrap_at_the_width() {
    assert_eq!(wrapped("one two three", 7), "one two\nthree\n");
    let text = "word ".repeat(30);
    assert_eq!(hanging(&text, 90).lines().last(), Some(format!("{:90}word word", "").as_str()));
}
