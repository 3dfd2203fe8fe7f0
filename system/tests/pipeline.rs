//! The pipeline as a whole: from log lines to the rows of every region, through crashes, repeats and rivals.
//!
//! Not here: what single files promise; see the store's own tests.

#[path = "support/pipeline.rs"]
mod support;

use std::{
    collections::BTreeMap,
    env,
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use georush_system::{
    backend::Backend,
    core::Status,
    pipeline::{Aggregator, AggregatorCounters, Pipeline, Replicator, ReplicatorCounters, Settings, join, now},
    store::Directory,
    usage::Line,
};
use support::{
    Admitting, Chance, State, account, aggregate, backup, count, eventually, identifier, quick, replicate, restore,
};

const SUBJECTS: u32 = 7;

#[test]
fn lines_appended_twice_count_once() {
    let state = State::new("twice");
    let mut edge = Admitting::join(&state, "eu-west-1", now());
    let lines = edge.admit_all(&[1, 2, 1]);
    edge.uplink.append(&lines).expect("the stream takes lines");
    let counters = aggregate(&state, now());
    assert_eq!((state.central(1), state.central(2)), (2, 1));
    let seen =
        [&counters.events, &counters.counted, &counters.missing, &counters.lag].map(|c| c.load(Ordering::Relaxed));
    assert_eq!(seen, [6, 3, 0, 0]);
}

#[test]
fn of_two_aggregators_one_works_and_what_the_other_has_read_is_refused() {
    let state = State::new("rivals");
    let mut edge = Admitting::join(&state, "eu-west-1", now());
    let start = edge.clock;
    let open = || Aggregator::open(&state.directory(), Settings::default()).expect("opens");
    let (mut a, mut b) = (open(), open());
    let (seen_a, seen_b) = (AggregatorCounters::default(), AggregatorCounters::default());
    let active = || (seen_a.active.load(Ordering::Relaxed), seen_b.active.load(Ordering::Relaxed));

    edge.admit_all(&[1; 3]);
    a.turn(start, &seen_a).expect("free");
    b.turn(start, &seen_b).expect("stands by");
    assert_eq!((active(), state.central(1)), ((true, false), 3));

    edge.admit_all(&[1; 3]);
    b.turn(start.after(10_000_000), &seen_b).expect("the lease has ended");
    edge.admit_all(&[1; 3]);
    let error = a.turn(start.after(10_000_001), &seen_a).expect_err("taken over").to_string();
    assert!(error.contains("another aggregator has taken over"), "{error}");
    assert_eq!(state.central(1), 6);
    a.turn(start.after(10_000_002), &seen_a).expect("stands by");
    b.turn(start.after(10_000_003), &seen_b).expect("holds the lease");
    assert_eq!((active(), state.central(1)), ((false, true), 9));
}

#[test]
fn a_region_added_later_is_filled() {
    let state = State::new("later");
    let mut first = Admitting::join(&state, "eu-west-1", now());
    first.admit_all(&(0..300).collect::<Vec<_>>());
    aggregate(&state, now());
    replicate(&state, "eu-west-1");
    replicate(&state, "us-east-1");
    let mut later = Admitting::join(&state, "us-east-1", now());
    let items = later.feed.poll().expect("read");
    assert_eq!(items.len(), 300);
    assert!(items.iter().all(|item| count(item) == 1));
    assert_eq!(later.feed.poll().expect("read"), []);
}

#[test]
fn a_revoked_key_is_revoked_in_every_region() {
    let state = State::new("revoke");
    let regions = ["eu-west-1", "us-east-1", "ap-southeast-2"];
    let pipeline = Pipeline::start(&state.backend(), &regions, quick()).expect("starts");
    let mut edges = regions.map(|region| join(&state.directory(), region).expect("joins").feed);
    let mut central = state.directory().central().expect("opens");
    central.sign_up(&identifier(0), &account()).expect("new");
    let mut reaches_all = |status: Status| {
        for feed in &mut edges {
            let mut seen = None;
            eventually("the key in every region", || {
                seen = feed.poll().expect("read").pop().or(seen.take());
                seen.as_ref().and_then(|item| item.account.as_ref()).is_some_and(|account| account.status == status)
            });
        }
    };
    reaches_all(Status::Active);
    central.change_account(&identifier(0), |account| account.status = Status::Revoked).expect("written");
    reaches_all(Status::Revoked);
    pipeline.stop();
}

#[test]
fn a_restarted_edge_counts_under_a_new_epoch() {
    let state = State::new("restart");
    for life in 1..=3 {
        let mut edge = Admitting::join(&state, "eu-west-1", now());
        assert_eq!(edge.edge.origin().epoch, life);
        edge.admit_all(&[1; 4]);
    }
    aggregate(&state, now());
    assert_eq!(state.central(1), 12);
}

#[test]
fn poison_is_put_aside_and_stops_nothing() {
    let state = State::new("poison");
    let mut edge = Admitting::join(&state, "eu-west-1", now());
    let mut ahead = edge.admit(1, 0);
    ahead.at += 7_200_000_000;
    let elsewhere = Line { region: 9, ..edge.admit(1, 0) };
    let mut bytes = b"not JSON\n\xff\xfe\n\n{\"v\":1}\n".to_vec();
    ahead.write(&mut bytes);
    elsewhere.write(&mut bytes);
    edge.admit(1, 0).write(&mut bytes);
    state.directory().stream().expect("opens").append(now(), &[(0, bytes)]).expect("written");
    edge.admit_all(&[1, 1]);
    let counters = aggregate(&state, now());
    assert_eq!(counters.dead_letters.load(Ordering::Relaxed), 5);
    assert_eq!(state.central(1), 5, "each line says what came before it");
    assert_eq!(counters.missing.load(Ordering::Relaxed), 2);
    let (letters, kept) = state.directory().central().expect("opens").dead_letters(9).expect("read");
    assert_eq!((letters.len(), kept), (5, 5));
    let line = |id: &str| id.rsplit('/').next().and_then(|line| line.parse::<u32>().ok());
    let reasons: Vec<_> = letters.iter().rev().map(|letter| (line(&letter.id), letter.reason.as_str())).collect();
    assert!(
        reasons[0].1.starts_with("expected ident") && reasons[4].1.starts_with("field `region` is 9"),
        "{reasons:?}"
    );
    assert_eq!(reasons.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 2, 4, 5, 6].map(Some));
}

/// Whatever order edges, aggregators and replicators work, die, repeat themselves and come back in, and even if the central
/// table is restored from a backup: once all is quiet, every region shows exactly what was admitted.
#[test]
fn counts_are_exact_in_every_region_after_any_interleaving_of_crashes() {
    const REGIONS: [&str; 3] = ["eu-west-1", "us-east-1", "ap-southeast-2"];
    for seed in 1..=20 {
        let (state, mut chance) = (State::new(&format!("crashes-{seed}")), Chance(seed));
        let (directory, start) = (state.directory(), now());
        let (mut clock, settings) = (start, Settings::default());
        let mut edges = REGIONS.map(|region| Admitting::join(&state, region, start));
        let mut aggregators: [Option<Aggregator>; 2] = [None, None];
        let mut replicators: [Option<Replicator>; 3] = [None, None, None];
        let (mut truth, mut said) = (BTreeMap::<u32, u64>::new(), Vec::<Vec<Line>>::new());
        let (counters, replicated) = (AggregatorCounters::default(), ReplicatorCounters::default());
        for _ in 0..150 {
            let (one, region) = (chance.below(2) as usize, chance.below(3) as usize);
            match chance.below(16) {
                0..=3 => {
                    let subjects: Vec<_> =
                        (0..=chance.below(20)).map(|_| chance.below(u64::from(SUBJECTS)) as u32).collect();
                    subjects.iter().for_each(|&subject| *truth.entry(subject).or_default() += 1);
                    said.push(edges[region].admit_all(&subjects));
                }
                4 if !said.is_empty() => {
                    let again = &said[chance.below(said.len() as u64) as usize];
                    edges[region].uplink.append(again).expect("the stream takes lines");
                }
                5 => edges[region] = Admitting::join(&state, REGIONS[region], start),
                6..=8 => {
                    let open = || Aggregator::open(&directory, settings).expect("opens");
                    // An error says that the other has taken over.
                    let _ = aggregators[one].get_or_insert_with(open).turn(clock, &counters);
                }
                9 => aggregators[one] = None,
                10 => std::mem::forget(aggregators[one].take()),
                11..=12 => {
                    let open = || Replicator::open(&directory, REGIONS[region], settings).expect("opens");
                    replicators[region]
                        .get_or_insert_with(open)
                        .turn(clock, &replicated)
                        .expect("nobody is in the way");
                }
                13 => replicators[region] = None,
                14 => clock = clock.after(4_000_000),
                15 if chance.below(3) == 0 => {
                    (aggregators, replicators) = ([None, None], [None, None, None]);
                    if chance.below(2) == 0 { restore(&state.0) } else { backup(&state.0) }
                }
                _ => {}
            }
        }
        drop(aggregators);
        let counters = aggregate(&state, clock.after(10_000_000));
        assert_eq!(counters.missing.load(Ordering::Relaxed), 0, "seed {seed}");
        for region in REGIONS {
            replicate(&state, region);
        }
        for (&subject, &admitted) in &truth {
            assert_eq!(state.central(subject), admitted, "seed {seed}, centre, subject {subject}");
            for region in REGIONS {
                assert_eq!(state.regional(region, subject), admitted, "seed {seed}, {region}, subject {subject}");
            }
        }
        for edge in &mut edges {
            let shown: BTreeMap<_, _> =
                edge.feed.poll().expect("read").iter().map(|item| (item.subject.clone(), count(item))).collect();
            let wanted = truth.iter().map(|(&subject, &admitted)| (identifier(subject), admitted)).collect();
            assert_eq!(shown, wanted, "seed {seed}");
        }
    }
}

const PIPELINE_IN: &str = "GEORUSH_TEST_PIPELINE_IN";

/// Not a test by itself: the process that the next one kills.
#[test]
fn a_pipeline_to_be_killed() {
    if let Some(state) = env::var_os(PIPELINE_IN) {
        let backend: Arc<dyn Backend> = Arc::new(Directory::open(Path::new(&state)).expect("its parent's"));
        let pipeline = Pipeline::start(&backend, &["eu-west-1", "us-east-1"], quick());
        thread::sleep(Duration::from_secs(60));
        drop(pipeline);
    }
}

#[test]
fn counts_are_exact_although_the_pipelines_process_is_killed_again_and_again() {
    let state = State::new("killed");
    let mut edge = Admitting::join(&state, "eu-west-1", now());
    let mut chance = Chance(7);
    let start = || {
        let mut command = Command::new(env::current_exe().expect("it runs"));
        command.args(["--exact", "a_pipeline_to_be_killed"]).env(PIPELINE_IN, &state.0);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts")
    };
    let mut child = start();
    for _ in 0..8 {
        let until = Instant::now() + Duration::from_millis(150 + chance.below(250));
        while Instant::now() < until {
            edge.admit_all(&[0, 1, 2, 1]);
        }
        child.kill().expect("ours");
        child.wait().expect("ours");
        child = start();
    }
    let total = edge.admit(1, 0).cumulative - 1;
    eventually("the last count in both regions", || {
        ["eu-west-1", "us-east-1"].iter().all(|region| state.regional(region, 1) == total)
    });
    child.kill().expect("ours");
    child.wait().expect("ours");
    assert_eq!((state.central(0), state.central(1), state.central(2)), (total / 2, total, total / 2));
}

/// `cargo test --release -p georush-system --test pipeline -- --ignored --nocapture` prints the numbers.
#[test]
#[ignore = "a measurement"]
fn how_fast_lines_become_counts() {
    for (subjects, batch) in [(100, 1_000), (10_000, 1_000), (100_000, 1_000), (10_000, 10)] {
        let (state, mut chance) = (State::new(&format!("speed-{subjects}-{batch}")), Chance(1));
        let mut edge = Admitting::join(&state, "eu-west-1", now());
        let events: u32 = if batch == 10 { 20_000 } else { 400_000 };
        let mut appending = Duration::ZERO;
        for _ in 0..events / batch {
            let lines: Vec<_> = (0..batch).map(|i| edge.admit(chance.below(subjects) as u32, (i % 4) as u16)).collect();
            let begun = Instant::now();
            edge.uplink.append(&lines).expect("the stream takes lines");
            appending += begun.elapsed();
        }
        let begun = Instant::now();
        let counters = aggregate(&state, now());
        let aggregating = begun.elapsed();
        assert_eq!(counters.counted.load(Ordering::Relaxed), u64::from(events));
        let begun = Instant::now();
        let rows = replicate(&state, "eu-west-1").written.load(Ordering::Relaxed);
        let rate = |n: u64, took: Duration| (n as f64 / took.as_secs_f64()) as u64;
        println!(
            "{subjects} subjects, {batch} lines at a time: append {}/s, count {}/s, replicate {} rows/s",
            rate(u64::from(events), appending),
            rate(u64::from(events), aggregating),
            rate(rows, begun.elapsed())
        );
    }
}
