//! The command as people meet it: help, exit codes, errors, files.
//!
//! Not here: what a simulation finds.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

const SCENARIO: &str = r#"
schema = 1
question = "Does a quiet minute hold?"
duration = "60s"

[system]
stack = "serverless-2018"
regions = ["us-east-1", "eu-west-1"]

[plans.free]
quota = 1_500
window = "day-utc"

[[clients]]
name = "visitors"
identifier = "ip"
plan = "free"
keys = 10
executor = "constant-arrival-rate"
rate = 5
from = { "US" = 1.0 }
"#;

/// A directory of the test's own, gone when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("the target directory is writable");
        fs::write(path.join("quiet.toml"), SCENARIO).expect("writable");
        fs::write(path.join("empty.toml"), "").expect("writable");
        Self(path)
    }

    fn georush(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_georush"));
        command
            .args(arguments)
            .env_remove("GEORUSH_STATE")
            .current_dir(&self.0)
            .stdin(Stdio::null())
            .output()
            .expect("the command starts")
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).expect("ours");
        let mut names: Vec<_> =
            entries.map(|e| e.expect("readable").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
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

fn assert_errors(output: &Output) {
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let errors = text(&output.stderr);
    assert!(!errors.is_empty() && errors.lines().all(|line| line.starts_with("error: ")), "{errors}");
    assert_eq!(text(&output.stdout), "");
}

#[test]
fn help_is_what_was_committed() {
    let scratch = Scratch::new("help");
    let pages: [(&str, &[&str]); 52] = [
        ("report-h", &["report", "-h"]),
        ("report", &["report", "--help"]),
        ("georush-h", &["-h"]),
        ("georush", &["--help"]),
        ("run-h", &["run", "-h"]),
        ("run", &["run", "--help"]),
        ("check-h", &["check", "-h"]),
        ("check", &["check", "--help"]),
        ("verify-determinism-h", &["verify-determinism", "-h"]),
        ("verify-determinism", &["verify-determinism", "--help"]),
        ("twin-h", &["twin", "-h"]),
        ("twin", &["twin", "--help"]),
        ("replay-h", &["replay", "-h"]),
        ("replay", &["replay", "--help"]),
        ("gate-h", &["gate", "-h"]),
        ("gate", &["gate", "--help"]),
        ("schema-h", &["schema", "-h"]),
        ("schema", &["schema", "--help"]),
        ("serve-h", &["serve", "-h"]),
        ("serve", &["serve", "--help"]),
        ("edge-h", &["edge", "-h"]),
        ("edge", &["edge", "--help"]),
        ("aggregator-h", &["aggregator", "-h"]),
        ("aggregator", &["aggregator", "--help"]),
        ("replicator-h", &["replicator", "-h"]),
        ("replicator", &["replicator", "--help"]),
        ("usage", &["usage", "--help"]),
        ("usage-top", &["usage", "top", "--help"]),
        ("dead-letters", &["dead-letters", "--help"]),
        ("dead-letters-replay", &["dead-letters", "replay", "--help"]),
        ("stream", &["stream", "--help"]),
        ("stream-split", &["stream", "split", "--help"]),
        ("data-h", &["data", "-h"]),
        ("data", &["data", "--help"]),
        ("data-build-h", &["data", "build", "-h"]),
        ("data-build", &["data", "build", "--help"]),
        ("data-fetch-h", &["data", "fetch", "-h"]),
        ("data-fetch", &["data", "fetch", "--help"]),
        ("data-fetch-city-h", &["data", "fetch", "city", "-h"]),
        ("data-fetch-city", &["data", "fetch", "city", "--help"]),
        ("data-check-h", &["data", "check", "-h"]),
        ("data-check", &["data", "check", "--help"]),
        ("keys-h", &["keys", "-h"]),
        ("keys", &["keys", "--help"]),
        ("keys-create-h", &["keys", "create", "-h"]),
        ("keys-create", &["keys", "create", "--help"]),
        ("keys-list-h", &["keys", "list", "-h"]),
        ("keys-list", &["keys", "list", "--help"]),
        ("keys-show-h", &["keys", "show", "-h"]),
        ("keys-show", &["keys", "show", "--help"]),
        ("keys-revoke-h", &["keys", "revoke", "-h"]),
        ("keys-revoke", &["keys", "revoke", "--help"]),
    ];
    for (name, arguments) in pages {
        let output = scratch.georush(arguments);
        assert_eq!(output.status.code(), Some(0));
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/help/{name}.txt"));
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            fs::write(&path, &output.stdout).expect("the repository is writable");
        }
        let expected = fs::read_to_string(&path).expect("committed; UPDATE_SNAPSHOTS=1 cargo test writes it");
        assert_eq!(text(&output.stdout), expected, "{name}; UPDATE_SNAPSHOTS=1 cargo test accepts the change");
    }
}

#[test]
fn a_good_scenario_is_printed_and_a_quiet_check_says_nothing() {
    let scratch = Scratch::new("check-good");
    let output = scratch.georush(&["check", "quiet.toml"]);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
    assert!(!output.stdout.is_empty());
    let output = scratch.georush(&["check", "--quiet", "quiet.toml", "quiet.toml"]);
    assert_eq!((output.status.code(), text(&output.stdout)), (Some(0), String::new()));
}

#[test]
fn every_bad_file_is_told_in_lines_that_start_with_error() {
    let scratch = Scratch::new("check-bad");
    assert_errors(&scratch.georush(&["check", "missing.toml"]));
    assert_errors(&scratch.georush(&["check", "--quiet", "quiet.toml", "empty.toml", "missing.toml"]));
    assert_errors(&scratch.georush(&["run", "missing.toml"]));
    assert_errors(&scratch.georush(&["verify-determinism", "missing.toml"]));
    assert_eq!(scratch.files(), ["empty.toml", "quiet.toml"]);
}

#[test]
fn wrong_arguments_are_one_line() {
    let scratch = Scratch::new("arguments");
    let wrong: [&[&str]; 10] = [
        &["run"],
        &["check"],
        &["run", "quiet.toml", "--sed", "1"],
        &["run", "quiet.toml", "--seed", "one"],
        &["run", "quiet.toml", "--mode", "dream"],
        &["rum"],
        &["serve", "--region", "a", "--region", "b", "--region", "a"],
        &["serve", "--idle-time", "18446744073709551615"],
        &["serve", "--flags", "flags.example/"],
        &["edge", "--trust", "10.0.0"],
    ];
    for arguments in wrong {
        let output = scratch.georush(arguments);
        assert_errors(&output);
        assert_eq!(text(&output.stderr).lines().count(), 1, "{output:?}");
    }
}

#[test]
fn recordings_that_are_missing_make_no_replay_valid() {
    let scratch = Scratch::new("replay");
    fs::write(scratch.0.join("edge-1-0.jsonl"), "{\"edge\":[3,7,true,null]}\n").expect("writable");
    let output = scratch.georush(&["replay", "."]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(text(&output.stdout).starts_with("NOT VALID  no recording of aggregator is there; "), "{output:?}");
}

#[test]
fn data_that_is_missing_or_no_mmdb_is_one_line_a_file() {
    let scratch = Scratch::new("data-bad");
    let output = scratch.georush(&["data", "check", "missing.mmdb", "quiet.toml"]);
    assert_errors(&output);
    let errors = text(&output.stderr);
    let lines: Vec<_> = errors.lines().collect();
    assert_eq!(lines.len(), 2, "{errors}");
    assert!(lines[0].starts_with("error: missing.mmdb: ") && lines[1].starts_with("error: quiet.toml: "), "{errors}");
    assert_errors(&scratch.georush(&["data", "build", "--packages", "."]));
    assert_errors(&scratch.georush(&["data", "fetch", "city", "--packages", "."]));
    let archive = "ip-location-db-geo-whois-asn-country-mmdb-2.3.2026061719.tgz";
    fs::write(scratch.0.join(archive), "something else").expect("writable");
    let output = scratch.georush(&["data", "build", "--packages", "."]);
    assert_errors(&output);
    let errors = text(&output.stderr);
    assert!(errors.contains("expected sha512-xemBDNQl4mCY") && errors.lines().count() == 1, "{errors}");
}

#[test]
fn a_target_that_cannot_be_written_stops_before_the_run() {
    let scratch = Scratch::new("unwritable");
    let output = scratch.georush(&["run", "quiet.toml", "--out", "empty.toml/below"]);
    assert_errors(&output);
    assert!(text(&output.stderr).contains("can't write results to empty.toml/below"));
    assert_eq!(scratch.files(), ["empty.toml", "quiet.toml"]);
}

#[test]
fn a_run_writes_the_same_result_wherever_it_is_put() {
    let scratch = Scratch::new("run");
    let first = scratch.georush(&["run", "quiet.toml", "--seed", "3"]);
    assert_eq!((first.status.code(), text(&first.stderr)), (Some(0), String::new()));
    let told = text(&first.stdout);
    assert_eq!(told.lines().next(), Some("georush run quiet.toml --seed 3"));
    assert_eq!(told.lines().last(), Some("repeat   georush run quiet.toml --seed 3"));
    let second = scratch.georush(&["run", "./quiet.toml", "--seed", "3", "--out", "else/where", "--quiet"]);
    assert!(text(&second.stdout).starts_with("PASSED") && text(&second.stdout).lines().count() == 1);
    let read = |path: &str| fs::read(scratch.0.join(path)).expect("written");
    assert_eq!(read("out/quiet/result.json"), read("else/where/result.json"));
}

#[test]
fn two_runs_of_a_scenario_decide_the_same() {
    let scratch = Scratch::new("verify");
    let output = scratch.georush(&["verify-determinism", "quiet.toml", "--seed", "3"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output.stdout).starts_with("SAME  quiet, seed 3: two runs, "));
    let output = scratch.georush(&["verify-determinism", "quiet.toml", "--set", "clients.visitors.rate=0"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(text(&output.stdout).starts_with("NOT VALID  quiet, seed 1: no request was made"));
}

#[cfg(unix)]
#[test]
fn a_run_that_is_interrupted_leaves_nothing_behind() {
    let scratch = Scratch::new("interrupted");
    let mut command = Command::new(env!("CARGO_BIN_EXE_georush"));
    let long = ["run", "quiet.toml", "--set", "clients.visitors.rate=100000", "--set", "duration=24h"];
    command.args(long).current_dir(&scratch.0).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the command starts");
    let mut first = String::new();
    let mut told = BufReader::new(child.stdout.take().expect("piped"));
    told.read_line(&mut first).expect("the command to repeat comes first");
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill exists");
    assert!(sent.success());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(text(&output.stderr), "interrupted: nothing was written\n");
    assert_eq!(scratch.files(), ["empty.toml", "quiet.toml"]);
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_is_no_error() {
    let scratch = Scratch::new("pipe");
    let mut command = Command::new(env!("CARGO_BIN_EXE_georush"));
    command.args(["run", "quiet.toml"]).current_dir(&scratch.0);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
}

#[test]
fn a_key_is_printed_alone_listed_shown_and_revoked() {
    let scratch = Scratch::new("keys");
    let created =
        scratch.georush(&["keys", "create", "--plan", "free", "--label", "shop", "--allow", "*.shop.example"]);
    assert_eq!(created.status.code(), Some(0), "{created:?}");
    let key = text(&created.stdout).trim().to_owned();
    assert_eq!(text(&created.stdout), format!("{key}\n"));
    assert!(key.len() == 54 && text(&created.stderr).starts_with("made key "), "{created:?}");

    let list: serde_json::Value =
        serde_json::from_slice(&scratch.georush(&["keys", "list", "--json"]).stdout).expect("JSON");
    let digest = list[0]["digest"].as_str().expect("a digest");
    assert_eq!((digest.len(), &list[0]["label"], &list[0]["allow"][0]), (64, &"shop".into(), &"*.shop.example".into()));
    assert_eq!(list[0]["window"]["quota"], 1_500);
    assert!(!list.to_string().contains(&key), "a key is told once");

    for named in [&key, &digest[..6]] {
        let shown = text(&scratch.georush(&["keys", "show", named]).stdout);
        assert!(shown.starts_with(&format!("digest   {digest}\nplan     free (1,500 in 24 hours)\n")), "{shown}");
    }
    for told in ["revoked ", "was revoked already"] {
        let output = scratch.georush(&["keys", "revoke", &digest[..6]]);
        assert!(output.status.success() && text(&output.stdout).contains(told), "{output:?}");
    }
    assert!(text(&scratch.georush(&["keys", "list"]).stdout).contains("  revoked  "));
}

#[test]
fn what_is_wrong_with_a_key_is_told() {
    let scratch = Scratch::new("keys-bad");
    let told = |arguments: &[&str], expected: &str| {
        let output = scratch.georush(arguments);
        assert_errors(&output);
        assert!(text(&output.stderr).contains(expected), "{output:?}");
    };
    told(
        &["keys", "list"],
        "state: there is no state in it; give the directory that a server uses, or begin one here with `georush serve`",
    );
    told(&["keys", "create", "--plan", "fre"], "there is no plan \"fre\", expected one of: business, ");
    told(&["keys", "create", "--plan", "free", "--key", "short"], "expected 8 or more printable ASCII characters");
    told(&["keys", "create", "--plan", "free", "--allow", "a b"], "\"a b\" is no host");
    told(&["keys", "create", "--plan", "free", "--plans", "empty.toml"], "empty.toml:1: missing field `plans`");
    let long = "x".repeat(201);
    told(&["keys", "create", "--plan", "free", "--label", &long], "--label has 201 characters, expected up to 200");
    told(&["keys", "create", "--plan", "free", "--label", "a\nb"], "--label holds the control character '\\n'");
    let create = ["keys", "create", "--plan", "free", "--key", "long-enough"];
    assert_eq!(text(&scratch.georush(&create).stdout), "long-enough\n");
    told(&create, "exists already; a key is made once");
    told(&["keys", "show", "never-made"], "there is no key \"never-made\"");
}

#[test]
fn a_stream_that_was_made_first_is_listed_and_split() {
    let scratch = Scratch::new("stream-first");
    let told = |arguments: &[&str]| text(&scratch.georush(&[&["stream"], arguments].concat()).stdout);
    assert_eq!(told(&["create", "--shards", "1"]), "a stream of 1 shard\n");
    assert_eq!(told(&["shards", "--format", "csv"]).lines().count(), 2);
    assert_eq!(told(&["split", "0"]), "shard 0 is closed; 1 and 2 are open\n");
}

#[test]
fn a_run_writes_what_else_was_asked_for_in_one_go() {
    let scratch = Scratch::new("outputs");
    let names =
        ["--markdown", "m.md", "--junit", "j.xml", "--csv", "s.csv", "--hlog", "h.hlog", "--openmetrics", "o.txt"];
    let run = scratch.georush(&[&["run", "quiet.toml", "--out", "out", "-q", "--github"], &names[..]].concat());
    assert_eq!(run.status.code(), Some(0), "{}", text(&run.stderr));
    assert!(
        text(&run.stdout).contains("::notice title=quiet%3A passed::Does a quiet minute hold?"),
        "{}",
        text(&run.stdout)
    );
    let read = |name: &str| fs::read_to_string(scratch.0.join(name)).expect(name);
    assert!(read("m.md").starts_with("## PASSED: quiet"));
    assert!(read("j.xml").contains("<testsuite name=\"quiet\""));
    assert!(read("s.csv").starts_with("at_us,"));
    assert!(read("h.hlog").starts_with("#[Histogram log format version 1.3]"));
    assert!(read("o.txt").ends_with("# EOF\n"));
}

#[test]
fn an_output_that_cannot_be_written_stops_a_run_before_it_begins() {
    let scratch = Scratch::new("output-blocked");
    let run = scratch.georush(&["run", "quiet.toml", "--out", "out", "--junit", "quiet.toml/j.xml"]);
    assert_eq!(run.status.code(), Some(2));
    assert!(text(&run.stderr).starts_with("error: can't write results to quiet.toml: "), "{}", text(&run.stderr));
    assert_eq!(scratch.files(), ["empty.toml", "quiet.toml"]);
}

#[test]
fn progress_is_for_programs_that_ask_and_for_nobody_else_without_a_terminal() {
    let scratch = Scratch::new("progress");
    let silent = scratch.georush(&["run", "quiet.toml", "--out", "out", "-q"]);
    assert_eq!(text(&silent.stderr), "");
    let told = scratch.georush(&["run", "quiet.toml", "--out", "out", "-q", "--progress", "json"]);
    assert_eq!(told.stdout, silent.stdout);
    let lines = text(&told.stderr);
    let last: serde_json::Value = serde_json::from_str(lines.lines().last().expect("a line")).expect("JSON");
    assert_eq!((&last["what"], &last["finished"], &last["at_us"]), (&"run".into(), &true.into(), &60_000_000.into()));
    let result = fs::read_to_string(scratch.0.join("out/result.json")).expect("written");
    let result: serde_json::Value = serde_json::from_str(&result).expect("JSON");
    assert_eq!(last["requests"], result["totals"]["requests"]);
    let verified = scratch.georush(&["verify-determinism", "quiet.toml", "--progress", "json"]);
    assert_eq!(text(&verified.stderr).matches("\"finished\":true").count(), 2);
}
