//! What roles and commands say of counts, as processes: metrics and the end on a signal, `usage`, `dead-letters`.
//!
//! Not here: being killed, which `crash_matrix.rs` has; the same commands on AWS, which `on_aws.rs` has.

#![cfg(unix)]
// Real processes take real time.
#![allow(clippy::disallowed_methods)]

#[path = "support/cluster.rs"]
mod support;

use std::fs;

use georush_system::{
    core::{
        Identifier, Origin, SubjectId, WindowId,
        aggregator::{Effect, Update},
        count::Change,
    },
    pipeline::now,
    store::{Batch, Central, Lease},
};
use support::{Cluster, eventually};

const REGIONS: [&str; 3] = ["ap-southeast-2", "eu-west-1", "us-east-1"];

/// Each role ends by itself when asked to, and the next one does not have to wait for a lease.
#[test]
fn roles_end_when_told_and_say_how_far_behind_they_are() {
    let mut cluster = Cluster::new("told");
    let key = cluster.key.clone();
    let mut edge = cluster.edge("eu-west-1", None);
    let mut aggregator = cluster.start(&["aggregator", "--metrics", "127.0.0.1:0", "--lease", "30000"], None);
    let mut replicator = cluster.start(&["replicator", "--region", "eu-west-1", "--metrics", "127.0.0.1:0"], None);
    let served = edge.serve(&key, 5);
    cluster.settles(&["eu-west-1"], served, "running");
    for (role, wanted) in [
        (&aggregator, "georush_aggregator_lag_records 0"),
        (&replicator, "georush_replicator_lag_changes{region=\"eu-west-1\"} 0"),
    ] {
        eventually(wanted, || read(&role.address(), "/metrics").lines().any(|line| line.starts_with(wanted)));
        assert!(read(&role.address(), "/healthz").ends_with(r#"{"status":"ok"}"#));
    }
    for role in [&mut aggregator, &mut replicator] {
        role.signal("TERM");
        assert!(role.ends(), "{}", role.log());
    }
    let served = served + edge.serve(&key, 5);
    let _aggregator = cluster.aggregator(None);
    eventually("the next one works at once", || cluster.central() == served);
    assert!(fs::exists(cluster.path.join("state/central.db")).expect("readable"));
}

#[test]
fn usage_is_told_by_subject_plan_region_and_window_and_dead_letters_are_worked_off() {
    let mut cluster = Cluster::new("usage");
    let key = cluster.key.clone();
    let (_aggregator, _replicator) = (cluster.aggregator(None), cluster.replicator(&REGIONS, None));
    let (mut first, mut second) = (cluster.edge(REGIONS[0], None), cluster.edge(REGIONS[1], None));
    let served = first.serve(&key, 7) + second.serve(&key, 5);
    cluster.settles(&REGIONS, served, "usage");
    let json = |cluster: &Cluster, arguments: &[&str]| -> serde_json::Value {
        let (worked, told) = cluster.run(&[arguments, &["--format", "json"]].concat());
        assert!(worked, "{told}");
        serde_json::from_str(&told).expect(&told)
    };
    let plans = ["--plans", "plans.toml"];
    let top = json(&cluster, &[&["usage", "top"], &plans[..]].concat());
    assert_eq!((&top[0]["used"], &top[0]["plan"], &top[0]["quota"]), (&12.into(), &"p".into(), &100_000_000.into()));
    let plan = json(&cluster, &[&["usage", "by-plan"], &plans[..]].concat());
    assert_eq!((&plan[0]["subjects"], &plan[0]["used"]), (&1.into(), &12.into()));
    let of_key = json(&cluster, &[&["usage", "key", &key], &plans[..]].concat());
    assert_eq!(
        (&of_key[0]["region"], &of_key[0]["used"], &of_key[1]["used"]),
        (&REGIONS[0].into(), &7.into(), &5.into())
    );
    let (worked, csv) = cluster.run(&["usage", "export", "--format", "csv", "--plans", "plans.toml"]);
    assert!(worked && csv.starts_with("subject,plan,window_start,window_end,region,used,newest_event\nkey:"), "{csv}");
    assert_eq!(csv.lines().count(), 3, "{csv}");
    assert!(!cluster.run(&["usage", "key", "nobody's"]).0);

    cluster
        .directory()
        .stream()
        .expect("opens")
        .append(now(), &[(0, b"nonsense, \"quoted\"\n".to_vec())])
        .expect("written");
    eventually("a dead letter", || {
        json(&cluster, &["dead-letters", "list"]).as_array().is_some_and(|letters| letters.len() == 1)
    });
    let id = json(&cluster, &["dead-letters", "list"])[0]["id"].as_str().expect("an id").to_owned();
    let (worked, told) = cluster.run(&["dead-letters", "replay", "--all"]);
    assert!(!worked && told.contains("0 replayed, 1 refused") && told.contains("repair it with --text"), "{told}");
    let repaired = format!(
        r#"{{"v":1,"at":{},"subject":"ip:192.0.2.7","window":1,"region":0,"epoch":9,"lane":0,"sequence":1,"cumulative":3,"cost":3}}"#,
        now().0
    );
    let replay = ["dead-letters", "replay", &id, "--text", &repaired];
    // Points are in builds with debug assertions only.
    if cfg!(debug_assertions) {
        cluster.arm();
        assert!(!cluster.start(&replay, Some("dead-letters-after-sending")).ends());
        cluster.disarm();
        assert_eq!(json(&cluster, &["dead-letters", "list"]).as_array().map(Vec::len), Some(1), "it is not settled");
    }
    let (worked, told) = cluster.run(&replay);
    assert!(worked, "{told}");
    assert_eq!(json(&cluster, &["dead-letters", "list"]), serde_json::json!([]));
    let export = |cluster: &Cluster| cluster.run(&["usage", "export", "--format", "csv"]).1;
    eventually("its count, once", || {
        let told = export(&cluster);
        told.lines().any(|line| line.starts_with("ip:192.0.2.7,") && line.split(',').nth(5) == Some("3"))
    });
    assert!(!cluster.run(&["dead-letters", "discard", &id]).0, "it is settled");
}

#[test]
fn what_nobody_used_is_an_empty_list_and_odd_names_stay_whole() {
    let cluster = Cluster::new("odd-usage");
    let usage = |arguments: &[&str]| cluster.run(&[&["usage"], arguments, &["--plans", "plans.toml"]].concat());
    let heading = "subject,plan,window_start,window_end,region,used,newest_event\n";
    for what in [&["top"][..], &["by-plan"], &["export"], &["key", &cluster.key]] {
        let (worked, told) = usage(&[what, &["--format", "json"]].concat());
        assert!(worked && told.trim() == "[]", "{what:?}: {told}");
        let (worked, told) = usage(&[what, &["--format", "csv"]].concat());
        assert!(worked && told.lines().count() == 1, "{what:?}: {told}");
    }
    assert_eq!(usage(&["export", "--format", "csv"]).1, heading);
    for unknown in ["nobody", "", "key:ffff", "deadbeef", "\u{1F511}, \"x\""] {
        let (worked, told) = usage(&["key", unknown]);
        assert!(!worked && told.contains("there is no key") && !told.contains("panicked"), "{unknown:?}: {told}");
    }
    let (worked, told) = cluster.run(&["usage", "top", "--state", "elsewhere"]);
    assert!(!worked && told.contains("elsewhere") && told.contains("there is no state in it"), "{told}");

    let label = "=1+1, \"b\"";
    let made = ["keys", "create", "--plan", "p", "--plans", "plans.toml", "--key", "an-odd-key", "--label", label];
    assert!(cluster.run(&made).0);
    let mut central = cluster.directory().central().expect("opens");
    let lease = central.acquire(now(), 1_000_000).expect("written").expect("nobody has it");
    let subjects = [georush_system::key::identifier("an-odd-key")];
    count_once(&mut central, lease, &subjects);
    let (_, told) = usage(&["top", "--format", "csv"]);
    let mut csv = csv::Reader::from_reader(told.as_bytes());
    let rows: Vec<_> = csv.records().collect::<Result<_, _>>().expect(&told);
    assert_eq!((rows.len(), rows[0].get(2), rows[0].get(6)), (1, Some("1"), Some(label)), "{told}");
    let (_, told) = usage(&["top", "--format", "json"]);
    let rows: serde_json::Value = serde_json::from_str(&told).expect(&told);
    assert_eq!(rows[0]["label"], label);
    // A plan that the file does not know any more: still counted, without a window.
    let (worked, told) = cluster.run(&["usage", "export", "--format", "csv"]);
    assert!(worked && told.contains(",p,,,0,1,"), "{told}");
}

/// Counts one request of the only subject, in the current month.
fn count_once(central: &mut Central, lease: Lease, subjects: &[Identifier]) {
    let (year, month, _) = now().date();
    let (subject, window) = (SubjectId(0), WindowId(year * 12 + month - 1));
    let update = Update { subject, window, origin: Origin { region: 0, epoch: 1 }, change: Change::Raise(1) };
    let counted_at = [((subject, window), now())].into();
    let batch = Batch {
        stream: "s",
        effects: &[Effect::Update(update)],
        subjects,
        counted_at: &counted_at,
        lanes: &[],
        dead_letters: &[],
    };
    central.apply(lease, now(), &batch).expect("written");
}

fn read(address: &str, path: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).expect("it listens");
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes())
        .expect("it reads");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("it answers");
    text
}
