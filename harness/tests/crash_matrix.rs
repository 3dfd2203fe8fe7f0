//! Edge, aggregator and replicator as processes that are killed: at each point that matters, and anywhere. In the end every region
//! counts exactly what was served, less what the dead edge had not yet handed over.
//!
//! A request that was answered and not flushed when its edge was killed is lost, and only its caller knows of it; so this file's
//! clients keep account. Not here: the same in one process over many interleavings, which `system/tests/pipeline.rs` does.

#![cfg(unix)]
// Real processes take real time.
#![allow(clippy::disallowed_methods)]

#[path = "support/cluster.rs"]
mod support;

use std::{
    collections::BTreeMap,
    env, fs, thread,
    time::{Duration, Instant},
};

use georush_system::{
    core::{
        Identifier, Origin, SubjectId, WindowId,
        aggregator::{Effect, Update},
        count::Change,
    },
    pipeline::now,
    store::{Batch, Central, Directory, Lease},
};
use support::{Cluster, Edge, Role, eventually};

const REGIONS: [&str; 3] = ["ap-southeast-2", "eu-west-1", "us-east-1"];

/// Points are in builds with debug assertions only.
fn has_points() -> bool {
    cfg!(debug_assertions)
}

#[test]
fn the_aggregator_may_die_anywhere() {
    if !has_points() {
        return;
    }
    let mut cluster = Cluster::new("aggregator");
    let key = cluster.key.clone();
    let mut edges = REGIONS.map(|region| cluster.edge(region, None));
    let _replicator = cluster.replicator(&REGIONS, None);
    let mut served = 0;
    for point in [
        "aggregator-after-reading",
        "aggregator-between-writes",
        "aggregator-before-checkpoint",
        "aggregator-after-checkpoint",
    ] {
        cluster.disarm();
        let mut dying = cluster.aggregator(Some(point));
        served += edges.iter_mut().map(|edge| edge.serve(&key, 5)).sum::<u64>();
        cluster.settles(&REGIONS, served, point);
        cluster.arm();
        served += edges.iter_mut().map(|edge| edge.serve(&key, 7)).sum::<u64>();
        assert!(!dying.ends(), "{point}");
        served += edges.iter_mut().map(|edge| edge.serve(&key, 3)).sum::<u64>();
        let next = cluster.aggregator(None);
        cluster.settles(&REGIONS, served, point);
        next.kill();
    }
    cluster.disarm();
    let mut dying = cluster.start(&["aggregator", "--rebuild", "--lease", "300"], Some("aggregator-after-forgetting"));
    cluster.arm();
    assert!(!dying.ends() || cluster.central() == served);
    let _next = cluster.aggregator(None);
    cluster.settles(&REGIONS, served, "rebuild");
}

#[test]
fn a_replicator_may_die_anywhere() {
    if !has_points() {
        return;
    }
    let mut cluster = Cluster::new("replicator");
    let key = cluster.key.clone();
    let mut edge = cluster.edge("eu-west-1", None);
    let _aggregator = cluster.aggregator(None);
    let mut served = 0;
    for point in ["replicator-after-reading", "replicator-between-rows", "replicator-after-writing"] {
        cluster.disarm();
        let mut dying = cluster.replicator(&REGIONS, Some(point));
        served += edge.serve(&key, 5);
        cluster.settles(&REGIONS, served, point);
        cluster.arm();
        served += edge.serve(&key, 5);
        assert!(!dying.ends(), "{point}");
        served += edge.serve(&key, 5);
        let next = cluster.replicator(&REGIONS, None);
        cluster.settles(&REGIONS, served, point);
        next.kill();
    }
}

/// What an edge had not flushed is lost; what it had, is not. Nothing is counted twice, whichever it was.
#[test]
fn an_edge_that_dies_loses_what_it_had_not_flushed_and_nothing_else() {
    if !has_points() {
        return;
    }
    let mut cluster = Cluster::new("edge");
    let key = cluster.key.clone();
    let (_aggregator, _replicator) = (cluster.aggregator(None), cluster.replicator(&REGIONS, None));
    let mut counted = 0;
    for (point, is_answered, lost) in [
        ("edge-before-deciding", false, true),
        ("edge-before-answering", false, true),
        ("edge-before-flush", true, true),
        ("edge-part-way-through-a-flush", true, true),
        ("edge-after-flush", true, false),
    ] {
        cluster.disarm();
        let mut edge = cluster.edge("eu-west-1", Some(point));
        counted += edge.serve(&key, 20);
        cluster.settles(&REGIONS, counted, point);
        cluster.arm();
        assert_eq!((edge.ask(&key), edge.role.ends()), (is_answered, false), "{point}");
        counted += u64::from(!lost);
        cluster.disarm();
        let mut next = cluster.edge("eu-west-1", None);
        assert!(next.epoch > edge.epoch, "{point}: an epoch is never used twice");
        counted += next.serve(&key, 3);
        cluster.settles(&REGIONS, counted, point);
    }
    let before = cluster.edge("eu-west-1", None).epoch;
    cluster.arm();
    let mut dying = cluster.start(
        &["edge", "--region", "eu-west-1", "--listen", "127.0.0.1:0", "--plans", "plans.toml"],
        Some("edge-claiming-an-epoch"),
    );
    assert!(!dying.ends());
    cluster.disarm();
    let mut edge = cluster.edge("eu-west-1", None);
    assert_eq!(edge.epoch, before + 2, "the epoch of the one that died is used up");
    counted += edge.serve(&key, 4);
    cluster.settles(&REGIONS, counted, "claiming an epoch");
}

/// Paused past its lease, woken when another works: what it had read is refused.
#[test]
fn an_aggregator_that_wakes_after_its_lease_changes_nothing() {
    let mut cluster = Cluster::new("zombie");
    let key = cluster.key.clone();
    let mut edge = cluster.edge("eu-west-1", None);
    let _replicator = cluster.replicator(&REGIONS, None);
    let (first, mut served) = (cluster.aggregator(None), 0);
    served += edge.serve(&key, 10);
    cluster.settles(&REGIONS, served, "before the pause");
    let second = cluster.aggregator(None);
    for round in 0..4 {
        let (sleeper, _other) = if round % 2 == 0 { (&first, &second) } else { (&second, &first) };
        stop_without_lock(&cluster, sleeper);
        served += edge.serve(&key, 10);
        cluster.settles(&REGIONS, served, "the other has taken over");
        served += edge.serve(&key, 10);
        sleeper.signal("CONT");
        served += edge.serve(&key, 10);
        cluster.settles(&REGIONS, served, "both are awake");
    }
}

/// Asleep between reading and writing while another does its work, then woken: what they still have to write is refused, or older than
/// what is there.
#[test]
fn who_wakes_between_reading_and_writing_takes_nothing_back() {
    if !has_points() {
        return;
    }
    let mut cluster = Cluster::new("late");
    let key = cluster.key.clone();
    let mut edge = cluster.edge("eu-west-1", None);
    let _others = cluster.replicator(&REGIONS[1..], None);
    let (aggregator, replicator) = (
        cluster.sleeper(&["aggregator", "--poll", "5", "--lease", "300"], "aggregator-after-reading"),
        cluster.sleeper(&["replicator", "--region", REGIONS[0], "--poll", "5"], "replicator-after-reading"),
    );
    let mut served = edge.serve(&key, 10);
    cluster.settles(&REGIONS, served, "both are awake");
    cluster.arm();
    served += edge.serve(&key, 10);
    aggregator.sleeps();
    let second = cluster.aggregator(None);
    replicator.sleeps();
    cluster.disarm();
    let _second = cluster.replicator(&REGIONS[..1], None);
    served += edge.serve(&key, 10);
    cluster.settles(&REGIONS, served, "others have taken over");
    for late in [&aggregator, &replicator] {
        late.signal("CONT");
        thread::sleep(Duration::from_millis(500));
        assert_eq!((cluster.central(), cluster.regional(REGIONS[0])), (served, served), "{}", late.log());
    }
    eventually("a refusal", || aggregator.log().contains("another aggregator has taken over"));
    second.kill();
    served += edge.serve(&key, 10);
    cluster.settles(&REGIONS, served, "the first goes on");
}

/// Pauses a process while it holds no lock on the central table: whoever sleeps with it stops everybody.
fn stop_without_lock(cluster: &Cluster, role: &Role) {
    let central = rusqlite::Connection::open(cluster.path.join("state/central.db")).expect("opens");
    eventually("a moment without a lock", || {
        role.signal("STOP");
        let is_free = central.execute_batch("BEGIN IMMEDIATE; ROLLBACK").is_ok();
        if !is_free {
            role.signal("CONT");
        }
        is_free
    });
}

#[test]
fn repeated_batches_lost_checkpoints_and_stale_replays_count_once() {
    let mut cluster = Cluster::new("stale");
    let key = cluster.key.clone();
    let mut edge = cluster.edge("eu-west-1", None);
    let replicator = cluster.replicator(&REGIONS, None);
    let aggregator = cluster.aggregator(None);
    let served = edge.serve(&key, 60);
    cluster.settles(&REGIONS, served, "before");
    let state = cluster.path.join("state");
    let open = |file: &str| {
        let connection = rusqlite::Connection::open(state.join(file)).expect("opens");
        connection.busy_timeout(Duration::from_secs(20)).expect("a time");
        connection
    };
    // Every record once more, as a producer that saw no acknowledgement.
    let repeat = "INSERT INTO records SELECT r.shard, s.newest + r.sequence, r.at, r.lines FROM records AS r \
                  JOIN shards AS s ON s.shard = r.shard; \
                  UPDATE shards SET newest = (SELECT max(sequence) FROM records WHERE records.shard = shards.shard) \
                  WHERE newest > 0";
    open("stream.db").execute_batch(&format!("BEGIN IMMEDIATE; {repeat}; COMMIT")).expect("written");
    cluster.settles(&REGIONS, served, "repeated batches");
    aggregator.kill();
    open("central.db").execute_batch("DELETE FROM checkpoints").expect("written");
    let aggregator = cluster.aggregator(None);
    cluster.settles(&REGIONS, served, "lost checkpoints");
    aggregator.kill();
    let from = ["aggregator", "--from", "trim-horizon", "--poll", "5", "--lease", "300"];
    let _aggregator = cluster.start(&from, None);
    replicator.kill();
    // The replicators' cursors, lost.
    for region in REGIONS {
        open(&format!("{region}.db")).execute_batch("UPDATE feed SET generation = 0, number = 0").expect("written");
    }
    let _replicator = cluster.replicator(&REGIONS, None);
    let served = served + edge.serve(&key, 6);
    cluster.settles(&REGIONS, served, "stale replays");
}

/// The article's figures: 10,000 requests to one region, 50,000 to another, and every region says 60,000.
/// `cargo test -p georush --test crash_matrix sixty -- --nocapture` says how long it takes.
#[test]
fn sixty_thousand_requests_to_two_regions_are_sixty_thousand_in_every_region() {
    let mut cluster = Cluster::new("sixty");
    let key = cluster.key.clone();
    let (_aggregator, _replicator) = (cluster.aggregator(None), cluster.replicator(&REGIONS, None));
    let (mut first, mut second) = (cluster.edge(REGIONS[0], None), cluster.edge(REGIONS[1], None));
    let begun = Instant::now();
    let served = first.serve(&key, 10_000) + second.serve(&key, 50_000);
    let answered = Instant::now();
    assert_eq!(served, 60_000);
    cluster.settles(&REGIONS, served, "sixty thousand");
    println!(
        "{served} requests in {:?}, in every region {:?} after the last answer",
        answered - begun,
        answered.elapsed()
    );
}

/// Shards are split and merged while lines flow, and whoever does it, or counts, dies in between.
#[test]
fn counts_are_exact_through_splits_merges_and_kills_and_a_rebuild_gives_the_same() {
    let mut cluster = Cluster::new("reshard");
    assert!(cluster.run(&["stream", "create", "--shards", "2"]).0);
    let key = cluster.key.clone();
    let mut edges = REGIONS.map(|region| cluster.edge(region, None));
    let _replicator = cluster.replicator(&REGIONS, None);
    let mut aggregator = cluster.aggregator(None);
    let mut served = 0;
    let mut settle = |cluster: &Cluster, context: &str| {
        served += edges.iter_mut().map(|edge| edge.serve(&key, 4)).sum::<u64>();
        cluster.settles(&REGIONS, served, context);
        served
    };
    settle(&cluster, "two shards");
    for (arguments, closed, open) in [
        (vec!["split", "0"], vec![0], vec![1, 2, 3]),
        (vec!["split", "1", "--at", "3000000000"], vec![0, 1], vec![2, 3, 4, 5]),
        (vec!["merge", "3", "4"], vec![0, 1, 3, 4], vec![2, 5, 6]),
    ] {
        let arguments = [&["stream"], &arguments[..]].concat();
        let shards = |cluster: &Cluster, closed: bool| {
            let mut stream = cluster.directory().stream().expect("opens");
            let shards = stream.shards().expect("read").iter();
            shards.filter(|shard| shard.closed == closed).map(|shard| shard.number).collect::<Vec<_>>()
        };
        if has_points() {
            let before = shards(&cluster, false);
            cluster.arm();
            assert!(!cluster.start(&arguments, Some("stream-part-way-through-resharding")).ends());
            cluster.disarm();
            assert_eq!(shards(&cluster, false), before, "all of it or nothing");
            settle(&cluster, "nothing was changed");
        }
        aggregator.kill();
        // Whoever does it dies as soon as it is done.
        cluster.arm();
        let mut doing = cluster.start(&arguments, Some("stream-after-resharding"));
        assert_eq!(doing.ends(), !has_points(), "{}", doing.log());
        cluster.disarm();
        assert_eq!((shards(&cluster, true), shards(&cluster, false)), (closed, open));
        aggregator = cluster.aggregator(None);
        settle(&cluster, "counted by the next one");
    }
    aggregator.kill();
    let lives = cluster.lives();
    let mut rebuilding = cluster.start(&["aggregator", "--rebuild", "--poll", "5", "--lease", "300"], None);
    let total = settle(&cluster, "rebuilt through all shards");
    assert!(lives.iter().all(|(life, counted)| cluster.lives()[life] >= *counted) && total > 0);
    rebuilding.signal("TERM");
    assert!(rebuilding.ends(), "{}", rebuilding.log());
    let (worked, told) = cluster.run(&["stream", "shards", "--format", "csv"]);
    assert!(worked && told.lines().count() == 8 && told.contains("6,open,"), "{told}");
}

/// A generator of the test's own (xorshift64*).
struct Chance(u64);

impl Chance {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % n
    }
}

/// What a client knows of one life of an edge.
#[derive(Debug, Default, Clone, Copy)]
struct Served {
    /// Answered with 200.
    all: u64,
    /// Of these, seen to be counted.
    safe: u64,
}

/// Processes are killed at random times, a hundred times and more (`GEORUSH_SOAK=N` for another number, `GEORUSH_SEED=N` to repeat).
/// After each the counts must come to rest at what was served less what dead edges had not flushed.
#[test]
fn counts_are_exact_after_a_hundred_random_kills() {
    let number = |name: &str, default| env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (kills, seed) = (number("GEORUSH_SOAK", 100), number("GEORUSH_SEED", now().0).max(1));
    let mut chance = Chance(seed);
    let mut cluster = Cluster::new("soak");
    let key = cluster.key.clone();
    let mut edges: Vec<Edge> = REGIONS.iter().map(|region| cluster.edge(region, None)).collect();
    let mut aggregators: Vec<Role> = (0..2).map(|_| cluster.aggregator(None)).collect();
    let mut replicators: Vec<Role> =
        vec![cluster.replicator(&REGIONS[..2], None), cluster.replicator(&REGIONS[1..], None)];
    let mut served = BTreeMap::<(String, u16), Served>::new();
    let (mut lost, mut killed_edges) = (0, 0);
    for kill in 0..kills {
        let context = format!("seed {seed}, kill {kill} (GEORUSH_SEED={seed} repeats its choices)");
        for _ in 0..=chance.below(3) {
            let edge = &mut edges[chance.below(3) as usize];
            let times = chance.below(20);
            served.entry((edge.region.clone(), edge.epoch)).or_default().all += edge.serve(&key, times);
            thread::sleep(Duration::from_millis(chance.below(40)));
        }
        let one = chance.below(2) as usize;
        match chance.below(9) {
            0..=2 => {
                let old = std::mem::replace(&mut aggregators[one], cluster.aggregator(None));
                old.kill();
            }
            3..=4 => {
                let regions = if one == 0 { &REGIONS[..2] } else { &REGIONS[1..] };
                replicators.remove(one).kill();
                replicators.insert(one, cluster.replicator(regions, None));
            }
            5 => {
                aggregators[one].signal("STOP");
                thread::sleep(Duration::from_millis(chance.below(500)));
                aggregators[one].signal("CONT");
            }
            // The aggregator is killed while shards change; a third of what is tried can't be done, which is told.
            6 => {
                let shards = cluster.directory().stream().expect("opens").shards().expect("read").to_vec();
                let open: Vec<_> =
                    shards.iter().filter(|shard| !shard.closed).map(|shard| shard.number.to_string()).collect();
                let of = |chance: &mut Chance| open[chance.below(open.len() as u64) as usize].clone();
                let (a, b) = (of(&mut chance), of(&mut chance));
                let merging = open.len() > 6 || chance.below(2) == 0;
                let arguments = if merging { vec!["stream", "merge", &a, &b] } else { vec!["stream", "split", &a] };
                let resharding = cluster.start(&arguments, None);
                thread::sleep(Duration::from_millis(chance.below(30)));
                if chance.below(2) == 0 {
                    resharding.kill();
                }
                let old = std::mem::replace(&mut aggregators[one], cluster.aggregator(None));
                old.kill();
            }
            _ => {
                let (at, region) = (chance.below(3) as usize, REGIONS);
                edges.remove(at).role.kill();
                edges.insert(at, cluster.edge(region[at], None));
                killed_edges += 1;
            }
        }
        lost += settle(&cluster, &edges, &mut served, &context);
    }
    let all: u64 = served.values().map(|served| served.all).sum();
    println!(
        "{kills} kills, {killed_edges} of them of edges: {all} served, {lost} lost in edges, the rest exact everywhere"
    );
}

/// Waits until counts rest, and judges them. Lives that are over may lack what nobody saw counted; that is settled here.
fn settle(cluster: &Cluster, edges: &[Edge], served: &mut BTreeMap<(String, u16), Served>, context: &str) -> u64 {
    let alive = |life: &(String, u16)| edges.iter().any(|edge| edge.region == life.0 && edge.epoch == life.1);
    eventually(context, || {
        let counted = cluster.lives();
        served.iter().all(|(life, served)| !alive(life) || counted.get(life).copied().unwrap_or(0) == served.all)
            && drained(&cluster.directory())
    });
    let (counted, mut lost) = (cluster.lives(), 0);
    for (life, served) in served.iter_mut() {
        let counted = counted.get(life).copied().unwrap_or(0);
        assert!(
            (served.safe..=served.all).contains(&counted),
            "{context}: {life:?} served {served:?}, counted {counted}"
        );
        lost += served.all - counted;
        *served = Served { all: counted, safe: counted };
    }
    let total = served.values().map(|served| served.all).sum();
    cluster.settles(&REGIONS, total, context);
    lost
}

/// Whether everything in the stream is counted.
fn drained(directory: &Directory) -> bool {
    let mut stream = directory.stream().expect("opens");
    let position = directory.central().expect("opens").position(stream.id()).expect("read");
    stream.behind(&position.checkpoints).expect("read") == 0
}

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
    if has_points() {
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
    assert!(!worked && told.contains("elsewhere") && told.contains("there is no central.db in it"), "{told}");

    let label = "a, \"b\"\n=1+1";
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
