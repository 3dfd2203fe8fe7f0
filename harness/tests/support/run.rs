//! Scenarios written as text, run to their end. Not here: what should come of them.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicUsize, Ordering},
};

use georush::{
    oracle::Status,
    outcome::Outcome,
    scenario::{Scenario, load},
    simulate::{self, Observer},
};

struct Silent;

impl Observer for Silent {}

/// Reads a scenario from a text.
pub(crate) fn read(text: &str) -> Scenario {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let name = format!("{}-{}.toml", process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).expect("the temporary file is writable");
    let scenario = load(&path, &[], None).unwrap_or_else(|errors| panic!("{errors}\n{text}"));
    fs::remove_file(&path).expect("the temporary file is there");
    scenario
}

/// Reads one of the committed scenarios.
#[allow(dead_code, reason = "not every test crate that shares this file uses it")]
pub(crate) fn committed(name: &str, overrides: &[&str]) -> Scenario {
    let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
    let path = Path::new("../scenarios").join(name).with_extension("toml");
    load(&path, &overrides, None).unwrap_or_else(|errors| panic!("{errors}"))
}

/// Runs a scenario to its end.
pub(crate) fn run(scenario: &Scenario) -> Outcome {
    simulate::run(scenario, &mut Silent).expect("nobody stops the run")
}

/// The invariants that a run broke, each in a line.
pub(crate) fn broken(outcome: &Outcome) -> Vec<String> {
    let broken = outcome.findings.invariants.iter().filter(|i| i.status == Status::Broken);
    broken.map(|i| format!("{} {}: {} times, first {:?}", i.id, i.name, i.violations, i.first)).collect()
}
