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
    env, thread,
    time::{Duration, Instant},
};

use georush_system::{pipeline::now, store::Directory};
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
