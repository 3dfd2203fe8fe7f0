//! Ways back: counting again, counting anew, a restored central table.
//!
//! Not here: crashes, which need none of these.

#[path = "support/pipeline.rs"]
mod support;

use std::sync::atomic::Ordering;

use georush_system::{
    pipeline::{From, Pipeline, Replicator, ReplicatorCounters, Settings, now, rebuild, replay},
    store::Error,
};
use support::{Admitting, Chance, State, aggregate, backup, eventually, quick, replicate, restore};

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
