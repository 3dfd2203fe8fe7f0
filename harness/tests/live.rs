//! The live mode with real processes: a short run, a stall, an overload, an end by force, and what is refused.
//!
//! Not here: judging, which is the same as in simulations.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::Duration,
};

use serde_json::Value;

const SCENARIO: &str = r#"
schema = 1
question = "Do three real seconds hold?"
seed = 7
duration = "30s"

[system]
stack = "serverless-2018"
regions = ["us-east-1", "eu-west-1"]

[plans.paid]
quota = 100
window = "day-utc"

[plans.free]
quota = 1_000
window = "day-utc"

[[clients]]
name = "shops"
identifier = "api-key"
plan = "paid"
keys = 3
executor = "constant-arrival-rate"
rate = 15
from = { US = 1, GB = 1 }

[[clients]]
name = "visitors"
identifier = "ip"
plan = "free"
keys = 20
executor = "constant-arrival-rate"
rate = 10
from = { US = 1, GB = 1 }

[[clients]]
name = "pages"
identifier = "referer"
plan = "free"
keys = 5
executor = "constant-arrival-rate"
rate = 5
from = "world"

[thresholds]
"quota.count_error" = ["count==0"]
"quota.rejected" = ["count>0"]
"availability" = ["value==100%"]

[live]
time_compression = 10
warm_up = "500ms"
"#;

/// A directory of the test's own, and a port that no other test uses.
struct Scratch {
    path: PathBuf,
    port: u32,
}

impl Scratch {
    fn new(name: &str, number: u32) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("live-{name}"));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("the target directory is writable");
        fs::write(path.join("short.toml"), SCENARIO).expect("writable");
        Self { path, port: 20_000 + (std::process::id() * 16 + number) % 12_000 }
    }

    /// Puts a scenario of these parts in the place of the usual one.
    fn write(&self, scenario: &str, faults: &str) {
        fs::write(self.path.join("short.toml"), format!("{scenario}{faults}")).expect("writable");
    }

    fn command(&self, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_georush"));
        command.args(["run", "short.toml", "--mode", "live", "--set", &format!("live.port={}", self.port)]).args(more);
        command.current_dir(&self.path).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, more: &[&str]) -> Output {
        self.command(more).output().expect("the command starts")
    }

    fn result(&self) -> Value {
        let text = fs::read_to_string(self.path.join("out/short/result.json")).expect("a result was written");
        serde_json::from_str(&text).expect("results are JSON")
    }

    /// Whether somebody listens at the first region's address.
    fn is_taken(&self) -> bool {
        TcpListener::bind(format!("127.0.71.1:{}", self.port)).is_err()
    }

    fn wait_until(&self, taken: bool) {
        for _ in 0..1_500 {
            if self.is_taken() == taken {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("the address is still {}", if taken { "free" } else { "taken" });
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// A harness that is ended with the test.
struct Harness(Child);

impl Drop for Harness {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Other work on the machine may make a run invalid, which is right; then only what does not depend on time is checked.
fn assert_held(output: &Output, result: &Value) {
    let held = |condition: &Value| condition["passed"] == true;
    assert!(result["thresholds"].as_array().expect("an array").iter().all(held), "{}", text(&output.stdout));
    let code = output.status.code();
    assert!(code == Some(0) || code == Some(3) && result["live"]["valid"] == false, "{}", text(&output.stdout));
}

#[test]
fn three_real_seconds_are_counted_exactly_and_leave_nothing_behind() {
    let scratch = Scratch::new("short", 0);
    let output = scratch.run(&[]);
    assert!(scratch.path.join("out/short/result.json").exists(), "{output:?}");
    let result = scratch.result();
    assert_held(&output, &result);
    assert_eq!((&result["mode"], &result["manifest"]["mode"]), (&Value::from("live"), &Value::from("live")));
    let admitted = result["quota"]["admitted"].as_u64().expect("a number");
    assert_eq!(result["quota"]["central_count"].as_u64(), Some(admitted));
    assert!(result["totals"]["requests"].as_u64().is_some_and(|requests| requests > 700), "{}", result["totals"]);
    assert_eq!(result["live"]["history"]["unknown"], 0);
    assert!(result["live"]["service_time"]["count"].as_u64() >= Some(admitted));
    assert!(!scratch.is_taken(), "no process is left");
    let logs = fs::read_dir(scratch.path.join("out/short/live/logs")).expect("logs are kept").count();
    assert_eq!(logs, 5, "one for each process");
}

#[test]
fn two_seconds_of_standstill_show_in_the_response_times_of_all_who_were_due_meanwhile() {
    let scratch = Scratch::new("stall", 1);
    let pause = r#"
[[faults]]
at = "30s"
lasts = "20s"
action = "pause"
node = "edge"
region = "us-east-1"
"#;
    scratch.write(&SCENARIO.replace(r#"duration = "30s""#, r#"duration = "80s""#), pause);
    let output = scratch.run(&["--set", "thresholds={}"]);
    let result = scratch.result();
    // Two seconds of eight: a quarter of the region's requests waits, evenly between nothing and two seconds. The 80th of a hundred
    // waits for a fifth of that, the 90th for three fifths, the 99th for nearly all.
    let response = &result["live"]["regions"]["us-east-1"]["response_time"];
    let ms = |key: &str| response[key].as_u64().unwrap_or(0) / 1_000;
    let told = || format!("{response} {}", text(&output.stdout));
    assert!(ms("p50_us") < 300, "{}", told());
    assert!((900..1_600).contains(&ms("p90_us")), "{}", told());
    assert!((1_700..2_400).contains(&ms("p99_us")), "{}", told());
    assert!((1_900..2_600).contains(&ms("max_us")), "{}", told());
    let other = &result["live"]["regions"]["eu-west-1"]["response_time"];
    assert!(other["p99_us"].as_u64().is_some_and(|us| us < 900_000), "{other}");
    assert!(result["live"]["faults"].as_array().is_some_and(|done| done.len() == 2), "{}", result["live"]["faults"]);
}

#[test]
fn a_generator_that_can_not_keep_up_says_so_instead_of_a_pretty_result() {
    let scratch = Scratch::new("overload", 2);
    let output = scratch.run(&["--set", "live.max_in_flight=1", "--set", "live.rate_scale=20"]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stdout));
    let result = scratch.result();
    assert_eq!((&result["verdict"], &result["live"]["valid"]), (&Value::from("invalid"), &Value::from(false)));
    assert!(text(&output.stdout).contains("dropped_iterations"), "{}", text(&output.stdout));
    assert!(result["totals"]["requests"].as_u64() > Some(0), "numbers are written nevertheless");
}

#[test]
fn a_harness_that_is_killed_takes_its_processes_with_it() {
    let scratch = Scratch::new("killed", 3);
    let mut harness = Harness(scratch.command(&["--set", "live.time_compression=0.5"]).spawn().expect("starts"));
    scratch.wait_until(true);
    harness.0.kill().expect("it runs");
    scratch.wait_until(false);
    let output = scratch.run(&[]);
    assert_held(&output, &scratch.result());
}

#[test]
fn what_the_live_mode_can_not_do_is_refused_before_anything_starts() {
    let scratch = Scratch::new("refused", 4);
    for (fault, name) in [
        ("action = \"cold-flush\"\nregion = \"eu-west-1\"", "cold-flush"),
        ("lasts = \"1s\"\naction = \"throttle\"\nservice = \"gateway\"\nremains = 0.5", "throttle"),
        ("lasts = \"1s\"\naction = \"throttle\"\nservice = \"function\"\nremains = 0.5", "throttle"),
        ("lasts = \"1s\"\naction = \"throttle\"\nservice = \"table-reads\"\nremains = 0.5", "throttle"),
    ] {
        scratch.write(SCENARIO, &format!("\n[[faults]]\nat = \"1s\"\n{fault}\n"));
        let output = scratch.run(&[]);
        assert_eq!(output.status.code(), Some(2), "{fault}");
        let line = SCENARIO.matches('\n').count() + 2;
        let told = format!("error: short.toml:{line}: the live mode can't do {name} ");
        assert!(text(&output.stderr).starts_with(&told), "{}", text(&output.stderr));
        assert!(text(&output.stderr).ends_with("; --mode sim can\n"), "{}", text(&output.stderr));
    }
    for (set, told) in [
        ("pipeline={model=\"fixed-lag\",lag=\"1s\"}", "pipeline.model is \"fixed-lag\""),
        ("system.aggregation=add-then-checkpoint", "system.aggregation is \"add-then-checkpoint\""),
        ("duration=49h", "plans.free.window ends within the run"),
    ] {
        let output = scratch.run(&["--set", "faults=[]", "--set", set]);
        assert_eq!(output.status.code(), Some(2), "{set}");
        assert!(text(&output.stderr).contains(told), "{}", text(&output.stderr));
    }
    assert!(!scratch.path.join("out").exists());
}

/// Faults of processes and of writes, one after another: tenths of seconds in real time. None of them costs a call or a count.
const PROCESSES: &str = r#"
[[faults]]
at = "2s"
lasts = "5s"
action = "throttle"
service = "table-writes"
region = "us-east-1"
remains = 0

[[faults]]
at = "8s"
lasts = "4s"
action = "kill"
node = "replicator"
region = "eu-west-1"

[[faults]]
at = "14s"
lasts = "4s"
action = "replication-pause"

[[faults]]
at = "19s"
lasts = "4s"
action = "pause"
node = "aggregator"

# Last: the lease of the dead one runs for three real seconds.
[[faults]]
at = "24s"
action = "restart"
node = "aggregator"
"#;

#[test]
fn processes_that_die_or_stand_still_and_tables_that_refuse_are_caught_up_with() {
    let scratch = Scratch::new("processes", 9);
    // Counts that come late let more calls pass; how many is no matter here.
    scratch.write(&SCENARIO.replace("\"quota.rejected\" = [\"count>0\"]\n", ""), PROCESSES);
    let output = scratch.run(&[]);
    let result = scratch.result();
    assert_held(&output, &result);
    let told = result["live"]["faults"].to_string();
    for done in [
        "SIGKILL aggregator",
        "start aggregator",
        "SIGKILL replicator eu-west-1",
        "start replicator eu-west-1",
        "SIGSTOP replicator us-east-1",
        "SIGSTOP replicator eu-west-1",
        "SIGCONT replicator eu-west-1",
        "throttle (service table-writes, region us-east-1, remains 0%), first felt by replicator us-east-1",
        "SIGSTOP aggregator",
        "SIGCONT aggregator",
    ] {
        assert!(told.contains(done), "{done}: {told}");
    }
    assert_eq!(result["live"]["casualties"], Value::Array(Vec::new()));
}

/// A region that is gone while all resolvers keep their answers, an edge that is dead for a while, and callers that are sent elsewhere.
const REQUESTS: &str = r#"
[[faults]]
at = "5s"
lasts = "10s"
action = "region-outage"
region = "us-east-1"

[[faults]]
at = "5s"
lasts = "10s"
action = "dns-stale"

[[faults]]
at = "17s"
lasts = "3s"
action = "kill"
node = "edge"
region = "us-east-1"

[[faults]]
at = "22s"
lasts = "8s"
action = "reroute"
from = "eu-west-1"
to = "us-east-1"
"#;

#[test]
fn faults_of_the_way_of_requests_cost_what_they_cost_in_the_simulation() {
    let scratch = Scratch::new("requests", 10);
    scratch.write(SCENARIO, REQUESTS);
    let output = scratch.run(&["--set", "thresholds={}"]);
    let live = scratch.result();
    let mut simulation = Command::new(env!("CARGO_BIN_EXE_georush"));
    simulation.args(["run", "short.toml", "--set", "thresholds={}", "--out", "out/simulated"]);
    assert!(simulation.current_dir(&scratch.path).output().expect("starts").status.success());
    let text = fs::read_to_string(scratch.path.join("out/simulated/result.json")).expect("a result was written");
    let simulated: Value = serde_json::from_str(&text).expect("results are JSON");
    let requests = |result: &Value, region: &str| result["traffic"]["by_region"][region]["requests"].as_u64();
    let failed = |result: &Value, cause: &str| {
        let causes = result["traffic"]["all"]["causes"].as_array().expect("an array");
        causes.iter().find(|reason| reason["cause"] == cause).and_then(|reason| reason["requests"].as_u64())
    };
    for region in ["us-east-1", "eu-west-1"] {
        assert_eq!(requests(&live, region), requests(&simulated, region), "{region}");
        assert!(requests(&live, region) > Some(0), "{region} {}", live["traffic"]);
    }
    // What was on its way when the region went is lost as well.
    let (lost, due) = (failed(&live, "region-outage"), failed(&simulated, "region-outage"));
    assert!(lost >= due && due > Some(0), "{lost:?} {due:?} {}", live["traffic"]);
    // A process needs a moment to start.
    let (lost, due) = (failed(&live, "edge-down"), failed(&simulated, "edge-down"));
    assert!(lost >= due && due > Some(0), "{lost:?} {due:?} {}", live["traffic"]);
    assert!(matches!(output.status.code(), Some(0 | 1 | 3)), "{output:?}");
}

/// Faults of the way to the centre, one after another: tenths of seconds in real time.
const WAY: &str = r#"
[[faults]]
at = "2s"
lasts = "5s"
action = "delay"
region = "eu-west-1"
by = "150ms"

[[faults]]
at = "8s"
lasts = "5s"
action = "partition"
region = "eu-west-1"

[[faults]]
at = "14s"
lasts = "5s"
action = "throttle"
service = "stream"
remains = 0

[[faults]]
at = "20s"
lasts = "9s"
action = "duplicate"
"#;

#[test]
fn faults_of_the_way_to_the_centre_are_felt_and_counted_through_and_cores_replay_the_same() {
    let scratch = Scratch::new("way", 7);
    scratch.write(SCENARIO, WAY);
    let output = scratch.run(&["--record"]);
    let result = scratch.result();
    assert_held(&output, &result);
    let told = result["live"]["faults"].to_string();
    for felt in [
        "delay (region eu-west-1, by 150ms), first felt by edge eu-west-1",
        "partition (region eu-west-1), first felt by edge eu-west-1",
        "throttle (service stream, remains 0%), first felt by edge us-east-1",
        "duplicate (rate 100%), first felt by edge us-east-1",
    ] {
        assert!(told.contains(felt), "{felt}: {told}");
    }
    let mut replay = Command::new(env!("CARGO_BIN_EXE_georush"));
    let output = replay.args(["replay", "out/short/live/recording"]).current_dir(&scratch.path).output();
    let output = output.expect("the command starts");
    let told = text(&output.stdout);
    assert!(output.status.success() && told.starts_with("SAME  every answer of the cores"), "{output:?}");
    assert!(
        !told.contains("edges 0 ") && !told.contains("aggregator 0 ") && !told.contains("replicators 0 "),
        "{told}"
    );
}

#[test]
fn log_lines_that_are_skipped_are_missing_or_made_good_by_the_next() {
    let scratch = Scratch::new("skip", 8);
    let fault = "\n[[faults]]\nat = \"20s\"\nlasts = \"10s\"\naction = \"log-skip\"\nregion = \"eu-west-1\"\n";
    scratch.write(SCENARIO, fault);
    let output = scratch.run(&["--set", "thresholds={}"]);
    let result = scratch.result();
    // Nothing comes after the skipped lines that would tell of them: what they said is lost and nobody knows.
    let lost =
        result["quota"]["silent_loss"].as_u64().unwrap_or(0) + result["quota"]["declared_loss"].as_u64().unwrap_or(0);
    assert!(lost > 0, "{} {}", result["quota"], text(&output.stdout));
    assert!(result["live"]["faults"].to_string().contains("log-skip (region eu-west-1), first felt by edge eu-west-1"));
}

#[test]
fn a_port_in_use_is_one_clear_error() {
    let scratch = Scratch::new("taken", 5);
    let _taken = TcpListener::bind(format!("127.0.71.2:{}", scratch.port)).expect("free");
    let output = scratch.run(&[]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let (errors, port) = (text(&output.stderr), scratch.port);
    assert_eq!(
        errors,
        format!(
            "error: 127.0.71.2:{port} is in use, wanted for the edge of eu-west-1: end what listens there, or give \
             another port with --set live.port=N\n"
        )
    );
}

#[test]
fn a_target_is_wanted_for_every_region_and_understood() {
    let scratch = Scratch::new("target", 6);
    for (target, told) in [
        ("us-east-1=http://127.0.0.1:1", "no --target for eu-west-1"),
        ("mars=http://127.0.0.1:1", "\"mars\" is no region of the scenario"),
        ("us-east-1=https://127.0.0.1:1", "expected an address that begins with http://"),
        ("us-east-1", "expected REGION=URL"),
    ] {
        let output = scratch.run(&["--target", target]);
        assert_eq!(output.status.code(), Some(2), "{target}");
        assert!(text(&output.stderr).contains(told), "{}", text(&output.stderr));
    }
}
