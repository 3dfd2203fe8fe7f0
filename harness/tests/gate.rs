//! The gate as CI meets it: each kind of regression fails its lane with a message that says all, an unchanged tree passes, and what can't be
//! judged is one clear error.
//!
//! Not here: the statistics; they are tested beside the lanes.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// Quotas that are crossed, an aggregator that dies, and a fast table that can be made slower.
const SCENARIO: &str = r#"
schema = 1
question = "What does a gate see?"
seed = 7
duration = "10m"

[system]
stack = "serverless-2018"
regions = ["us-east-1", "eu-west-1"]

[system.table]
cache = "dax"
cache_ttl = "5m"

[pipeline]
model = "stages"
checkpoint_every = "30s"

[plans.free]
quota = 200
window = "day-utc"

[plans.paid]
quota = 1_000_000
window = "day-utc"

[[clients]]
name = "shops"
identifier = "api-key"
plan = "paid"
keys = 5
executor = "constant-arrival-rate"
rate = 5
from = { US = 1.0, GB = 1.0 }

[[clients]]
name = "visitors"
identifier = "ip"
plan = "free"
keys = 20
executor = "constant-arrival-rate"
rate = 20
from = { US = 1.0, GB = 1.0 }

[[faults]]
at = "4m"
lasts = "20s"
action = "kill"
node = "aggregator"

[thresholds]
"requests" = ["count>1000"]
"#;

struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("gate-{name}"));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("the target directory is writable");
        fs::write(path.join("small.toml"), SCENARIO).expect("writable");
        Self(path)
    }

    /// With the result of the scenario in `base` and its baseline in `results`.
    fn with_baseline(name: &str) -> Self {
        Self::with_baseline_of(name, SCENARIO)
    }

    fn with_baseline_of(name: &str, scenario: &str) -> Self {
        let scratch = Self::new(name);
        scratch.write("small.toml", scenario);
        scratch.run("base", &[]);
        let update = ["gate", "base/result.json", "--baseline", "results", "--update", "--reason", "the first"];
        assert_eq!(scratch.georush(&update).status.code(), Some(0));
        scratch
    }

    fn georush(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_georush"));
        command.args(arguments).current_dir(&self.0).stdin(Stdio::null()).output().expect("the command starts")
    }

    /// Runs the scenario into a folder; thresholds and invariants may fail.
    fn run(&self, out: &str, arguments: &[&str]) {
        let output = self.georush(&[&["run", "small.toml", "--quiet", "--out", out], arguments].concat());
        assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
    }

    fn gate(&self, result: &str) -> (Option<i32>, String) {
        let output = self.georush(&["gate", result, "--baseline", "results"]);
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    }

    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.0.join(file)).expect("the file is there")
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.0.join(file);
        fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
        fs::write(path, text).expect("writable");
    }

    /// Gates a folder of counts against `results`.
    fn count(&self, folder: &str) -> (Option<i32>, String) {
        let output = self.georush(&["gate", "--instructions", folder, "--baseline", "results"]);
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    }

    fn profile(&self, folder: &str, instructions: u64) {
        let text = format!("# callgrind format\nevents: Ir Dr\nfn=(1) edge\n1 5 5\n\ntotals: {instructions} 9\n");
        self.write(&format!("{folder}/edge/authorize/callgrind.authorize.cold.out"), &text);
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// The line about a metric that failed; it must say everything.
fn failure<'a>(output: &'a str, metric: &str) -> &'a str {
    let start = format!("FAILED  small: {metric}: base ");
    let line = output.lines().find(|line| line.trim_start().starts_with(&start));
    let line = line.unwrap_or_else(|| panic!("nothing failed with {metric}:\n{output}"));
    assert!(line.contains(", head ") && line.contains(", tolerance "), "{line}");
    line
}

fn assert_error(found: &(Option<i32>, String), wanted: &str) {
    assert_eq!(found.0, Some(2), "{}", found.1);
    assert_eq!(found.1.lines().count(), 1, "{}", found.1);
    assert!(found.1.starts_with("error: ") && found.1.contains(wanted), "{}", found.1);
}

#[test]
fn an_unchanged_tree_passes_20_times_out_of_20() {
    let scratch = Scratch::with_baseline("unchanged");
    scratch.profile("counts", 1_000);
    let update = ["gate", "--instructions", "counts", "--baseline", "results", "--update", "--reason", "the first"];
    assert_eq!(scratch.georush(&update).status.code(), Some(0));
    for _ in 0..20 {
        scratch.run("head", &[]);
        let (code, told) = scratch.gate("head/result.json");
        assert_eq!(code, Some(0), "{told}");
        assert_eq!(scratch.count("counts").0, Some(0));
    }
}

#[test]
fn a_slower_table_fails_the_simulation_with_latency() {
    let scratch = Scratch::with_baseline("slower");
    scratch.run("head", &["--set", r#"system.table={cache="none"}"#]);
    let (code, told) = scratch.gate("head/result.json");
    assert_eq!(code, Some(1), "{told}");
    failure(&told, "digest");
    failure(&told, "latency p(50)");
    failure(&told, "latency{region:eu-west-1} p(50)");
}

#[test]
fn a_slower_pipeline_fails_the_simulation_with_over_admission() {
    let scratch = Scratch::with_baseline_of("over", &SCENARIO.replace("cache_ttl = \"5m\"", "cache_ttl = \"2s\""));
    scratch.run("head", &["--set", "pipeline.poll=1m"]);
    let (code, told) = scratch.gate("head/result.json");
    assert_eq!(code, Some(1), "{told}");
    failure(&told, "quota.over_admission count");
    failure(&told, "quota.staleness p(50)");
}

#[test]
fn counts_that_are_wrong_after_a_crash_fail_the_simulation() {
    let scratch = Scratch::with_baseline("lost");
    scratch.run("head", &["--set", "system.aggregation=add-then-checkpoint"]);
    let (code, told) = scratch.gate("head/result.json");
    assert_eq!(code, Some(1), "{told}");
    assert!(failure(&told, "quota.duplicates count").contains("tolerance 0 %"), "{told}");
    failure(&told, "quota.count_error count");
}

#[test]
fn a_lost_event_fails_the_simulation() {
    let scratch = Scratch::with_baseline("skipped");
    let skip = r#"faults=[{at="9m50s",lasts="10s",action="log-skip",region="eu-west-1"}]"#;
    scratch.run("head", &["--set", skip]);
    let (code, told) = scratch.gate("head/result.json");
    assert_eq!(code, Some(1), "{told}");
    assert!(
        told.contains("FAILED  small: quota.declared_loss count")
            || told.contains("FAILED  small: quota.silent_loss count"),
        "{told}"
    );
}

#[test]
fn a_threshold_that_fails_is_named_and_can_t_become_a_baseline() {
    let scratch = Scratch::with_baseline("threshold");
    scratch.run("head", &["--set", r#"thresholds."requests"=["count>1000000"]"#]);
    let (code, told) = scratch.gate("head/result.json");
    assert_eq!(code, Some(1), "{told}");
    assert!(failure(&told, "threshold requests").contains("tolerance count>1000000"), "{told}");
    let update = ["gate", "head/result.json", "--baseline", "results", "--update", "--reason", "x"];
    let output = scratch.georush(&update);
    assert_error(&(output.status.code(), text(&output.stderr)), "so it is no baseline");
}

#[test]
fn more_instructions_fail_their_lane() {
    let scratch = Scratch::new("instructions");
    scratch.profile("base", 1_000_000);
    scratch.profile("head", 1_100_000);
    assert_error(&scratch.count("base"), "there is no baseline of instructions");
    let update = ["gate", "--instructions", "base", "--baseline", "results", "--update", "--reason", "the first"];
    assert_eq!(scratch.georush(&update).status.code(), Some(0));
    let (code, told) = scratch.count("head");
    assert_eq!(code, Some(1), "{told}");
    assert!(
        told.contains("FAILED  authorize.cold: instructions: base 1,000,000, head 1,100,000, tolerance 2 %"),
        "{told}"
    );
    scratch.write("cut/callgrind.authorize.cold.out", "events: Ir\n");
    assert_error(&scratch.count("cut"), "it has no totals");
    scratch.write("none/readme", "");
    assert_error(&scratch.count("none"), "there is no callgrind");
}

#[test]
fn a_tolerance_of_the_scenario_lets_a_change_pass() {
    let scratch = Scratch::with_baseline("tolerance");
    let gate = r#"gate={digest="free",tolerance="100%",tolerances={"cold_starts"="100%"}}"#;
    scratch.run("head", &["--set", gate, "--set", "system.keep_alive=0.79"]);
    let (code, told) = scratch.gate("head/result.json");
    assert_eq!(code, Some(0), "{told}");
}

#[test]
fn several_seeds_are_paired_and_one_that_the_baseline_lacks_is_an_error() {
    let scratch = Scratch::new("seeds");
    let seeds = ["7", "1", "2", "3", "4"];
    let files: Vec<_> = seeds.iter().map(|seed| format!("{seed}/result.json")).collect();
    let files: Vec<_> = files.iter().map(String::as_str).collect();
    seeds.iter().for_each(|seed| scratch.run(seed, &["--seed", seed]));
    let update = [&["gate"], &files[..], &["--baseline", "results", "--update", "--reason", "the first"]].concat();
    assert_eq!(scratch.georush(&update).status.code(), Some(0));
    seeds.iter().for_each(|seed| scratch.run(seed, &["--seed", seed, "--set", r#"system.table={cache="none"}"#]));
    let output = scratch.georush(&[&["gate"], &files[..], &["--baseline", "results"]].concat());
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(failure(&told, "latency p(50)").contains("means of 5 seeds"), "{told}");
    scratch.run("9", &["--seed", "9"]);
    assert_error(&scratch.gate("9/result.json"), "ran with seed 9, but results/small.json is of seed 7, 1, 2, 3, 4");
}

#[test]
fn what_can_t_be_judged_is_one_clear_error() {
    let scratch = Scratch::with_baseline("errors");
    let baseline = scratch.read("results/small.json");
    let result = scratch.read("base/result.json");
    let at = |file: &str, text: &str| {
        scratch.write(file, text);
        let output = scratch.georush(&["gate", "base/result.json", "--baseline", file]);
        (output.status.code(), text_of(&output))
    };
    assert_error(&at("b/cut.json", &baseline[..baseline.len() / 2]), "it is cut short or no JSON");
    assert_error(
        &at("b/edited.json", &baseline.replacen("\"the first\"", "\"the worst\"", 1)),
        "its seal does not fit",
    );
    assert_error(
        &at("b/schema.json", &baseline.replacen("\"baseline\": 1", "\"baseline\": 2", 1)),
        "schema 2, expected 1",
    );
    assert_error(&at("b/none.json", "{}"), "schema");

    scratch.write("head/result.json", &result[..result.len() / 2]);
    assert_error(&scratch.gate("head/result.json"), "it is cut short or no JSON");
    scratch.write("head/result.json", &result.replacen("\"verdict\": \"passed\"", "\"verdict\": \"failed\"", 1));
    assert_error(&scratch.gate("head/result.json"), "its seal does not fit");
    assert_error(&scratch.gate("head/absent.json"), "can't read it");
    assert_error(&scratch.gate("base"), "it is a folder, expected the result.json of a run");
    assert_error(&scratch.gate("results/small.json"), "this is a baseline, expected the result.json of a run");
    scratch.write("head/result.json", "");
    assert_error(&scratch.gate("head/result.json"), "it is cut short or no JSON");
    fs::write(scratch.0.join("head/result.json"), b"\xff\xfe").expect("writable");
    assert_error(&scratch.gate("head/result.json"), "it is no text, expected the result.json of a run");

    fs::copy(scratch.0.join("small.toml"), scratch.0.join("other.toml")).expect("writable");
    let other = scratch.georush(&["run", "other.toml", "--quiet", "--out", "other"]);
    assert_eq!(other.status.code(), Some(0));
    assert_error(&scratch.gate("other/result.json"), "there is no baseline of other; write one with georush gate");
    let output = scratch.georush(&["gate", "other/result.json", "--baseline", "results/small.json"]);
    assert_error(&(output.status.code(), text_of(&output)), "this is a baseline of small, the result is of other");
    scratch.run("seed", &["--seed", "8"]);
    assert_error(&scratch.gate("seed/result.json"), "is of seed 7; run it with one of these");

    scratch.write("taken", "");
    let output =
        scratch.georush(&["gate", "base/result.json", "--baseline", "taken/below", "--update", "--reason", "x"]);
    assert_error(&(output.status.code(), text_of(&output)), "can't write results to taken/below");
    let output = scratch.georush(&["gate", "base/result.json", "--baseline", "results", "--update"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(scratch.read("results/small.json"), baseline);
}

#[test]
fn a_baseline_that_is_as_it_was_keeps_its_reason() {
    let scratch = Scratch::with_baseline("kept");
    let first = scratch.read("results/small.json");
    let update = |results: &[&str], reason: &str| {
        let arguments = [&["gate"], results, &["--baseline", "results", "--update", "--reason", reason]].concat();
        text(&scratch.georush(&arguments).stdout)
    };
    fs::copy(scratch.0.join("small.toml"), scratch.0.join("other.toml")).expect("writable");
    assert_eq!(scratch.georush(&["run", "other.toml", "--quiet", "--out", "other"]).status.code(), Some(0));
    let both = ["base/result.json", "other/result.json"];
    assert_eq!(update(&both, "a new scenario"), "results/other.json\n");
    assert_eq!(scratch.read("results/small.json"), first);
    assert_eq!(update(&both, "nothing"), "every baseline is as it was\n");

    scratch.run("head", &["--set", "system.keep_alive=0.79"]);
    assert_eq!(update(&["head/result.json"], "fewer connections"), "results/small.json\n");
    assert!(scratch.read("results/small.json").contains("fewer connections"));
}

fn text_of(output: &Output) -> String {
    text(&output.stdout) + &text(&output.stderr)
}

#[test]
fn a_history_grows_by_a_line_and_never_blocks() {
    let scratch = Scratch::with_baseline("history");
    let add = |label: &str| {
        let arguments =
            ["gate", "base/result.json", "--baseline", "results", "--history", "history.jsonl", "--label", label];
        scratch.georush(&arguments)
    };
    for label in ["a", "b", "b"] {
        let output = add(label);
        assert_eq!(output.status.code(), Some(0), "{}", text_of(&output));
    }
    assert_eq!(add("").status.code(), Some(2), "a point without a name says nothing");
    assert_eq!(scratch.read("history.jsonl").lines().count(), 2);
}

#[test]
fn github_is_told_of_each_failure() {
    let scratch = Scratch::with_baseline("github");
    scratch.run("head", &["--set", r#"system.table={cache="none"}"#]);
    let output = Command::new(env!("CARGO_BIN_EXE_georush"))
        .args(["gate", "head/result.json", "--baseline", "results", "--github"])
        .env("GITHUB_STEP_SUMMARY", scratch.0.join("summary.md"))
        .current_dir(&scratch.0)
        .output()
        .expect("the command starts");
    let told = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("::error title=gate simulation%3A failed::small: latency p(50): base "), "{told}");
    assert!(scratch.read("summary.md").starts_with("## Gate: FAILED\n"));
}

#[test]
fn junit_has_a_case_for_each_comparison() {
    let scratch = Scratch::with_baseline("junit");
    scratch.run("head", &["--set", r#"system.table={cache="none"}"#]);
    let gate = ["gate", "head/result.json", "--baseline", "results", "--junit", "gate.xml"];
    assert_eq!(scratch.georush(&gate).status.code(), Some(1));
    let xml = scratch.read("gate.xml");
    assert!(xml.contains("<testsuite name=\"gate simulation\""), "{xml}");
    assert!(xml.contains("<failure message=\"small: digest: base "), "{xml}");
}
