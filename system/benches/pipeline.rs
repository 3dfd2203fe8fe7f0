//! What the embedded pipeline takes in and gives out on one core, how late it is, and what it does while the central table stands still.
//!
//! `taskset -c 0 cargo bench -p georush-system --bench pipeline -- [events|rows|lag|outage|single]... [--subjects N] [--seconds S]`:
//! parts and their sizes, all of them if none is named; `--seconds` is how long lag is watched and how long the central table
//! stands still. Durability is that of `georush serve`. Not here: edges and sockets; lines are made as a courier makes them.
#![allow(missing_docs)]

#[path = "parts/load.rs"]
mod load;

use std::{
    env, fs,
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use cpu_time::{ProcessTime, ThreadTime};
use georush_system::{
    backend::Backend,
    pipeline::{Aggregator, AggregatorCounters, Pipeline, Replicator, ReplicatorCounters, Settings, now},
    store::Directory,
};
use load::{Load, REGIONS, State};

/// Events a second that an edge hands over in rounds of 50 ms, all regions together.
const EVENTS: usize = 50_000;
const ROUND: Duration = Duration::from_millis(50);
/// Row updates a second in all regions together.
const ROWS: usize = 10_000;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let option = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1)?.parse::<u64>().ok()
    };
    let asked = |part: &str| {
        let parts = ["events", "rows", "lag", "outage", "single"];
        arguments.iter().any(|a| a == part) || !arguments.iter().any(|a| parts.contains(&a.as_str()))
    };
    let subjects = option("--subjects").map(|subjects| subjects as u32);
    let sizes = |usual: &[u32]| subjects.map_or_else(|| usual.to_vec(), |subjects| vec![subjects]);
    let seconds = Duration::from_secs(option("--seconds").unwrap_or(60));
    if asked("events") {
        sizes(&[1_000, 100_000]).into_iter().for_each(events);
    }
    if asked("rows") {
        sizes(&[1_000, 10_000, 100_000]).into_iter().for_each(rows);
    }
    if asked("lag") {
        lag(subjects.unwrap_or(half_the_rows()), seconds.min(Duration::from_secs(30)));
    }
    if asked("single") {
        single(seconds.min(Duration::from_secs(20)));
    }
    if asked("outage") {
        outage(subjects.unwrap_or(half_the_rows()), seconds);
    }
}

/// So many subjects, all of which change between two polls, make half of the row updates.
fn half_the_rows() -> u32 {
    let polls = 1_000 / Settings::default().poll.as_millis() as usize;
    (ROWS / 2 / polls / REGIONS.len()) as u32
}

/// From lines to central counts: what couriers append in two rounds, or in the time that the turn before took if that is longer,
/// then a turn of the aggregator. After that both at once, as in a running pipeline: one waits for the disk while the other works.
fn events(subjects: u32) {
    let state = State::new("events");
    let mut load = Load::new(&state.0, subjects);
    let backend: &dyn Backend = &state.0;
    let mut aggregator = Aggregator::open(backend, Settings::default()).expect("opens");
    let counters = AggregatorCounters::default();
    let taken = || counters.events.load(Ordering::Relaxed) as usize;
    let (mut rounds, mut appending) = (2, Duration::default());
    let mut work = |events: usize| {
        let until = taken() + events;
        appending = Duration::default();
        while taken() < until {
            let begun = ThreadTime::now();
            (0..rounds).for_each(|_| load.append(EVENTS / 20 / REGIONS.len()));
            appending += begun.elapsed();
            while aggregator.turn(now(), &counters).expect("counts").is_zero() {}
            rounds = begun.elapsed().div_duration_f64(ROUND).ceil().max(2.0) as usize;
        }
        appending
    };
    work((4 * subjects as usize).max(EVENTS));
    let (before, wall, cpu) = (taken(), Instant::now(), ThreadTime::now());
    let appending = work(20 * EVENTS);
    let (wall, cpu, measured) = (wall.elapsed(), cpu.elapsed(), taken() - before);
    assert_eq!(load.served(), load.counted(&state.0), "every event is counted");
    println!(
        "events, {subjects} subjects: {:.0} events/s of CPU ({:.1} us each, {:.1} of it to append), {:.0} events/s of wall time",
        per_second(measured, cpu),
        micros_each(measured, cpu),
        micros_each(measured, appending),
        per_second(measured, wall),
    );

    let (before, wall, cpu) = (taken(), Instant::now(), ProcessTime::now());
    let until = before + 20 * EVENTS;
    thread::scope(|scope| {
        scope.spawn(|| {
            while (load.served() as usize) < until {
                load.append(EVENTS / 20 / REGIONS.len());
                // At most a second of the goal waits.
                while load.served() as usize > taken() + EVENTS {
                    thread::sleep(Duration::from_millis(1));
                }
            }
        });
        while taken() < until {
            if !aggregator.turn(now(), &counters).expect("counts").is_zero() {
                thread::sleep(Duration::from_millis(1));
            }
        }
    });
    let (wall, cpu, measured) = (wall.elapsed(), cpu.elapsed(), taken() - before);
    println!(
        "events, {subjects} subjects, couriers and aggregator at once: {:.0} events/s of wall time, {:.0} % of one core",
        per_second(measured, wall),
        100.0 * cpu.as_secs_f64() / wall.as_secs_f64(),
    );
}

/// From central counts to ten regions: as many changes as come between two polls at the goal, then a turn of each replicator.
fn rows(subjects: u32) {
    let state = State::new("rows");
    let mut load = Load::new(&state.0, subjects);
    let mut aggregator = Aggregator::open(&state.0, Settings::default()).expect("opens");
    let open = |region| Replicator::open(&state.0, region, Settings::default()).expect("opens");
    let mut replicators: Vec<Replicator> = REGIONS.iter().map(|region| open(region)).collect();
    let (counters, copied) = (AggregatorCounters::default(), ReplicatorCounters::default());
    let written = || copied.written.load(Ordering::Relaxed) as usize;
    let changes = ROWS / REGIONS.len() / 10;
    let (mut wall, mut cpu, mut begun_with) = (Duration::default(), Duration::default(), None);
    // First every row must be there, and compared once.
    let first = subjects as usize * REGIONS.len();
    let mut comparisons = subjects as usize / 500 + 2;
    let wanted = 10 * ROWS;
    while begun_with.is_none_or(|rows| written() - rows < wanted) {
        load.append_one_each(if written() < first { subjects as usize } else { changes });
        while aggregator.turn(now(), &counters).expect("counts").is_zero() {}
        let (begun, busy) = (Instant::now(), ThreadTime::now());
        for replicator in &mut replicators {
            let mut before = usize::MAX;
            while written() != before {
                before = written();
                replicator.turn(now(), &copied).expect("copies");
            }
        }
        if begun_with.is_some() {
            wall += begun.elapsed();
            cpu += busy.elapsed();
        } else if written() >= first {
            comparisons -= 1;
            begun_with = (comparisons == 0).then(&written);
        }
    }
    let measured = written() - begun_with.unwrap_or_default();
    println!(
        "rows, {subjects} subjects: {:.0} row updates/s of CPU ({:.1} us each), {:.0} row updates/s of wall time",
        per_second(measured, cpu),
        micros_each(measured, cpu),
        per_second(measured, wall),
    );
}

/// Half of both goals in real time, with all threads of the pipeline.
fn lag(subjects: u32, lasts: Duration) {
    let state = State::new("lag");
    let (mut load, pipeline) = start(&state.0, subjects);
    let mut probe = load.probe(&state.0);
    let (cpu, begun, mut round) = (ProcessTime::now(), Instant::now(), 0);
    let before = copied(&pipeline);
    while begun.elapsed() < lasts {
        load.append(EVENTS / 2 / 20 / REGIONS.len());
        round += 1;
        while begun.elapsed() < ROUND * round {
            thread::sleep(Duration::from_millis(2));
            probe.look(&load);
        }
    }
    let (wall, cpu) = (begun.elapsed(), cpu.elapsed());
    let rows = (copied(&pipeline) - before) as usize;
    let (central, regional) = probe.end();
    println!(
        "lag, {subjects} subjects, {} events/s and {:.0} row updates/s for {} s: to the central table p50 {} ms, p99 {} ms; \
         to a region p50 {} ms, p99 {} ms, longest {} ms; {:.0} % of one core with the generator and the reading",
        EVENTS / 2,
        per_second(rows, wall),
        wall.as_secs(),
        central.at(50),
        central.at(99),
        regional.at(50),
        regional.at(99),
        regional.at(100),
        100.0 * cpu.as_secs_f64() / wall.as_secs_f64(),
    );
}

/// One caller of one region, who is charged in every round: what the pipeline costs beside the requests themselves.
fn single(lasts: Duration) {
    let state = State::new("single");
    let backend: Arc<dyn Backend> = Arc::new(state.0.clone());
    let mut load = Load::new(&state.0, 1);
    let _pipeline = Pipeline::start(&backend, &REGIONS[..1], Settings::default()).expect("opens");
    let mut feed = load.feed(&state.0);
    let (cpu, begun, mut rounds) = (ProcessTime::now(), Instant::now(), 0);
    while begun.elapsed() < lasts {
        load.append_one_each(1);
        while !feed.poll().expect("read").is_empty() {}
        rounds += 1;
        thread::sleep((ROUND * rounds).saturating_sub(begun.elapsed()));
    }
    let (wall, cpu) = (begun.elapsed(), cpu.elapsed());
    println!(
        "single caller: {:.2} ms of CPU each second for courier, aggregator and replicator",
        1e3 * cpu.as_secs_f64() / wall.as_secs_f64()
    );
}

/// Half of the events in real time, while another process's transaction holds the central table; then how fast the rest drains.
fn outage(subjects: u32, lasts: Duration) {
    let state = State::new("outage");
    let (mut load, pipeline) = start(&state.0, subjects);
    let each = EVENTS / 2 / 20 / REGIONS.len();
    let rounds = |load: &mut Load, lasts: Duration| {
        let (begun, mut round, mut most) = (Instant::now(), 0, 0);
        while begun.elapsed() < lasts {
            load.append(each);
            round += 1;
            most = resident().max(most);
            thread::sleep((ROUND * round).saturating_sub(begun.elapsed()));
        }
        most
    };
    let before = rounds(&mut load, Duration::from_secs(3));
    let mut held = load::hold(&state.0);
    let holding = held.transaction().expect("a lock");
    let during = rounds(&mut load, lasts);
    holding.rollback().expect("ours");
    let begun = Instant::now();
    let (mut after, mut most) = (None, during);
    // Events go on while the rest drains.
    while after.is_none() && begun.elapsed() < 10 * lasts {
        most = rounds(&mut load, ROUND).max(most);
        let lag = pipeline.aggregator().map_or(0, |counters| counters.lag.load(Ordering::Relaxed));
        after = (lag < 200).then(|| begun.elapsed());
    }
    let told = after
        .map_or_else(|| "it does not drain".to_owned(), |after| format!("drained after {:.1} s", after.as_secs_f64()));
    println!(
        "outage of {} s at {} events/s: {before} MiB before, {during} MiB during, {most} MiB while it drains; {told}; stream.db {} MiB",
        lasts.as_secs(),
        EVENTS / 2,
        fs::metadata(state.path().join("stream.db")).map_or(0, |file| file.len() >> 20),
    );
}

fn start(directory: &Directory, subjects: u32) -> (Load, Pipeline) {
    let backend: Arc<dyn Backend> = Arc::new(directory.clone());
    let mut load = Load::new(directory, subjects);
    let pipeline = Pipeline::start(&backend, &REGIONS, Settings::default()).expect("opens");
    load.append_one_each(subjects as usize);
    while copied(&pipeline) < u64::from(subjects) * REGIONS.len() as u64 {
        thread::sleep(ROUND);
    }
    (load, pipeline)
}

fn copied(pipeline: &Pipeline) -> u64 {
    pipeline.replicators().iter().map(|(_, counters)| counters.written.load(Ordering::Relaxed)).sum()
}

/// Memory of this process, MiB.
fn resident() -> u64 {
    let told = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = told.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.map_or(0, |pages| pages * 4 / 1_024)
}

fn per_second(count: usize, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

fn micros_each(count: usize, time: Duration) -> f64 {
    time.as_secs_f64() * 1e6 / count as f64
}
