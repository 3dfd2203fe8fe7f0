//! Ways back: counting again, counting anew, a restored central table, damaged regions, dead letters.
//!
//! Not here: crashes, which need none of these.

#[path = "support/pipeline.rs"]
mod support;

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use georush_system::{
    pipeline::{From, Pipeline, Replicator, ReplicatorCounters, Settings, now, rebuild, replay, resend},
    store::Error,
    usage::Line,
};
use support::{
    Admitting, Chance, State, account, aggregate, backup, eventually, identifier, quick, replicate, restore,
};

/// Every row of the central table without its version, and every region's gaps.
fn table(state: &State) -> Vec<(String, u32, Vec<u8>, u64)> {
    let connection = rusqlite::Connection::open(state.0.join("central.db")).expect("opens");
    let mut rows = connection
        .prepare("SELECT subject, window, components, counted_at FROM usage ORDER BY subject, window")
        .expect("the table is there");
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
    rows.query_map([], row).expect("read").collect::<Result<_, _>>().expect("read")
}

/// Some admissions in three regions, counted and replicated.
fn counted(name: &str) -> (State, Vec<Admitting>) {
    let (state, mut chance) = (State::new(name), Chance(3));
    let mut edges: Vec<_> = ["eu-west-1", "us-east-1", "ap-southeast-2"]
        .iter()
        .map(|region| Admitting::join(&state, region, now()))
        .collect();
    for round in 0..30 {
        for edge in &mut edges {
            let subjects: Vec<_> = (0..20).map(|_| chance.below(9) as u32).collect();
            edge.admit_all(&subjects);
            if round == 15 {
                edge.clock = edge.clock.after(1_800_000_000);
            }
        }
    }
    aggregate(&state, now());
    replicate(&state, "eu-west-1");
    (state, edges)
}

#[test]
fn counting_again_from_anywhere_changes_nothing() {
    let (state, _edges) = counted("again");
    let (before, newest) = (table(&state), || state.directory().central().expect("opens").newest().expect("read"));
    let version = newest();
    for from in ["trim-horizon", "1", "17", "1000000", "2017-11-24T00:00:00Z", "2222-01-01T00:00:00Z"] {
        let from: From = from.parse().expect(from);
        let replayed = replay(&state.directory(), Settings::default(), from).expect("nobody works");
        let counters = aggregate(&state, now());
        assert_eq!(counters.counted.load(Ordering::Relaxed), 0);
        assert_eq!(counters.events.load(Ordering::Relaxed) > 0, replayed.records > 0, "{from:?}");
        assert_eq!((table(&state), newest()), (before.clone(), version), "{from:?}");
    }
    assert!("yesterday".parse::<From>().is_err());
}

#[test]
fn a_rebuilt_central_table_is_the_same_and_regions_never_show_less() {
    let (state, _edges) = counted("rebuilt");
    let (before, shown) = (table(&state), state.regional("eu-west-1", 1));
    assert!(before.len() >= 9 && shown > 0);
    rebuild(&state.directory(), Settings::default()).expect("nobody works, and the stream is whole");
    assert_eq!(table(&state), []);
    let counters = ReplicatorCounters::default();
    let mut replicator = Replicator::open(&state.directory(), "eu-west-1", Settings::default()).expect("opens");
    replicator.turn(now(), &counters).expect("read");
    assert_eq!(state.regional("eu-west-1", 1), shown);
    aggregate(&state, now());
    assert_eq!(table(&state), before);
    replicate(&state, "eu-west-1");
    assert_eq!(state.regional("eu-west-1", 1), state.central(1));
}

#[test]
fn what_is_trimmed_is_not_rebuilt_from_and_a_working_aggregator_is_not_disturbed() {
    let (state, _edges) = counted("trimmed");
    let pipeline = Pipeline::start(&state.backend(), &[], quick()).expect("starts");
    eventually("it works", || pipeline.aggregator().is_some_and(|counters| counters.active.load(Ordering::Relaxed)));
    let error = replay(&state.directory(), quick(), From::TrimHorizon).expect_err("somebody works");
    assert!(matches!(error, Error::Held), "{error}");
    pipeline.stop();
    let (before, mut stream) = (table(&state), state.directory().stream().expect("opens"));
    let checkpoints = stream.newest().expect("read");
    stream.trim(now().after(1), &checkpoints, 3).expect("written");
    let error = rebuild(&state.directory(), Settings::default()).expect_err("a part is gone");
    assert!(matches!(error, Error::Trimmed { oldest: 4 }), "{error}");
    assert_eq!(table(&state), before);
}

/// A restored table counts less than regions show. It publishes nothing until it has caught up.
#[test]
fn a_restored_central_table_publishes_nothing_before_it_has_caught_up() {
    let (state, mut edges) = counted("restored");
    backup(&state.0);
    edges[0].admit_all(&[1; 50]);
    aggregate(&state, now());
    replicate(&state, "eu-west-1");
    let shown = state.regional("eu-west-1", 1);
    edges[0].admit_all(&[1; 5]);
    restore(&state.0);

    let counters = ReplicatorCounters::default();
    let mut replicator = Replicator::open(&state.directory(), "eu-west-1", Settings::default()).expect("opens");
    assert!(state.central(1) < shown);
    for _ in 0..3 {
        replicator.turn(now(), &counters).expect("read");
        assert_eq!(state.regional("eu-west-1", 1), shown);
        assert!(counters.held_back.load(Ordering::Relaxed) && counters.lag.load(Ordering::Relaxed) > 0);
    }
    aggregate(&state, now());
    replicator.turn(now(), &counters).expect("read");
    assert!(!counters.held_back.load(Ordering::Relaxed));
    assert_eq!((state.central(1), state.regional("eu-west-1", 1)), (shown + 5, shown + 5));
}

fn by_hand(state: &State, region: &str, sql: &str) {
    let connection = rusqlite::Connection::open(state.0.join(format!("{region}.db"))).expect("opens");
    connection.busy_timeout(Duration::from_secs(20)).expect("a time");
    assert!(connection.execute(sql, []).expect(sql) > 0, "{sql}");
}

#[test]
fn what_was_lost_or_altered_in_a_region_is_repaired() {
    let (state, _edges) = counted("altered");
    for region in ["us-east-1", "ap-southeast-2"] {
        replicate(&state, region);
    }
    state.directory().central().expect("opens").sign_up(&identifier(0), &account()).expect("new");
    replicate(&state, "eu-west-1");
    let mut wrong = 0;
    for sql in [
        "DELETE FROM usage WHERE subject = (SELECT min(subject) FROM usage)",
        "UPDATE usage SET components = x'000001000100000000000000' WHERE subject = (SELECT max(subject) FROM usage)",
        "UPDATE usage SET number = 1000000, components = x'' WHERE subject = (SELECT subject FROM usage \
         WHERE subject NOT IN (SELECT subject FROM accounts) ORDER BY subject LIMIT 1 OFFSET 2)",
        "UPDATE accounts SET revoked = 1",
        "INSERT INTO accounts SELECT 'key:' || printf('%064d', 7), plan, created, 0, NULL, 'invented', generation, number, 9999999 \
         FROM accounts LIMIT 1",
    ] {
        by_hand(&state, "eu-west-1", sql);
        wrong += 1;
    }
    let (settings, counters) = (quick(), ReplicatorCounters::default());
    let mut replicator = Replicator::open(&state.directory(), "eu-west-1", settings).expect("opens");
    for _ in 0..5 {
        replicator.turn(now(), &counters).expect("read");
    }
    assert_eq!(counters.repaired.load(Ordering::Relaxed), wrong);
    let directory = state.directory();
    let (mut central, mut regional) =
        (directory.central().expect("opens"), directory.regional("eu-west-1").expect("opens"));
    let (ours, theirs) = (central.items_after("", 99).expect("read"), regional.items_between("", None).expect("read"));
    assert!(ours.len() >= 9);
    assert_eq!(ours, theirs);
    // Nothing is left to repair, in any region.
    for region in ["eu-west-1", "us-east-1"] {
        replicate(&state, region);
        let (counters, settings) = (ReplicatorCounters::default(), quick());
        let mut replicator = Replicator::open(&state.directory(), region, settings).expect("opens");
        for _ in 0..3 {
            replicator.turn(now(), &counters).expect("read");
        }
        assert_eq!(counters.repaired.load(Ordering::Relaxed), 0, "{region}");
    }
}

#[test]
fn a_region_that_refuses_writes_holds_up_no_other() {
    let (state, mut edges) = counted("refusing");
    let regions = ["eu-west-1", "us-east-1", "ap-southeast-2"];
    let pipeline = Pipeline::start(&state.backend(), &regions, quick()).expect("starts");
    let everywhere = |regions: &[&str]| regions.iter().all(|region| state.regional(region, 1) == state.central(1));
    eventually("all regions", || everywhere(&regions));
    let locked = rusqlite::Connection::open(state.0.join("us-east-1.db")).expect("opens");
    locked.execute_batch("BEGIN IMMEDIATE").expect("nobody writes");
    let begun = Instant::now();
    let before = state.central(1);
    edges[0].admit_all(&[1; 10]);
    eventually("the others", || state.central(1) == before + 10 && everywhere(&["eu-west-1", "ap-southeast-2"]));
    assert!(begun.elapsed() < Duration::from_secs(4), "the lock is waited for longer than this");
    assert_eq!(state.regional("us-east-1", 1), before);
    let refusals = || {
        let one = pipeline.replicators().iter().find(|(region, _)| region == "us-east-1");
        one.map_or(0, |(_, counters)| counters.refusals.load(Ordering::Relaxed))
    };
    eventually("a refusal", || refusals() > 0);
    locked.execute_batch("ROLLBACK").expect("ours");
    eventually("the one that refused", || everywhere(&regions));
    pipeline.stop();
}

#[test]
fn a_dead_letter_that_can_be_accepted_counts_once_and_does_not_come_back() {
    let state = State::new("letters");
    let mut edge = Admitting::join(&state, "eu-west-1", now());
    edge.admit_all(&[1, 1]);
    let (early, mut bytes) = (edge.admit(1, 0), b"nonsense\n".to_vec());
    // A region that is registered only later.
    let elsewhere = Line { region: 1, sequence: 1, cumulative: 5, ..early };
    elsewhere.write(&mut bytes);
    state.directory().stream().expect("opens").append(now(), &[(0, bytes)]).expect("written");
    aggregate(&state, now());
    assert_eq!(state.central(1), 2);
    let letters = || state.directory().central().expect("opens").dead_letters(9).expect("read").0;
    let waiting = letters();
    assert_eq!(waiting.len(), 2);
    let (known, nonsense) = (&waiting[0], &waiting[1]);
    let refused = resend(&state.directory(), known, None).expect("read").expect_err("nobody knows region 1");
    assert!(refused.to_string().starts_with("field `region` is 1"), "{refused}");

    let _later = Admitting::join(&state, "us-east-1", now());
    // As if the first had died between the stream and the mark.
    for _ in 0..2 {
        assert_eq!(resend(&state.directory(), known, None).expect("written"), Ok(()));
    }
    aggregate(&state, now());
    assert_eq!((state.central(1), letters().len()), (7, 1));
    state.directory().central().expect("opens").settle(nonsense, "discarded").expect("written");
    replay(&state.directory(), Settings::default(), From::TrimHorizon).expect("nobody works");
    aggregate(&state, now());
    assert_eq!((state.central(1), letters()), (7, vec![]));
}
