//! How fast the pipeline is over an emulator, which is how fast the emulator is: `system/aws/tests/emulated/run --measure` prints it.
//!
//! Not here: the pipeline on files; see `cargo bench -p georush-system --bench pipeline`.

use std::{sync::atomic::Ordering, time::Instant};

use georush_system::pipeline::{Aggregator, AggregatorCounters, Replicator, ReplicatorCounters, now};

use crate::{Edge, REGIONS, eventually, of_name, quick, stream};

const SUBJECTS: u32 = 500;
const ROUNDS: u32 = 20;

#[test]
#[ignore = "a measurement; system/aws/tests/emulated/run --measure"]
fn how_fast_events_are_counted_and_rows_are_copied() {
    let backend = of_name(&stream("ceiling", 4), "");
    let mut edge = Edge::join(&*backend, REGIONS[0]);
    let events = u64::from(SUBJECTS * ROUNDS);
    let begun = Instant::now();
    (0..ROUNDS).for_each(|_| edge.admit(0..SUBJECTS));
    let appending = begun.elapsed();

    let counted = AggregatorCounters::default();
    let mut aggregator = Aggregator::open(&*backend, quick()).expect("opens");
    let begun = Instant::now();
    eventually("all is counted", || {
        aggregator.turn(now(), &counted).expect("it counts");
        counted.counted.load(Ordering::Relaxed) == events
    });
    let counting = begun.elapsed();

    let copied = ReplicatorCounters::default();
    let open = |region| Replicator::open(&*backend, region, quick()).expect("opens");
    let mut replicators = REGIONS.map(open);
    let mut copy = || {
        for replicator in &mut replicators {
            replicator.turn(now(), &copied).expect("it copies");
        }
    };
    // The first look at the table, which is not through the feed.
    copy();
    let mut rates = Vec::new();
    for _ in 0..2 {
        edge.admit(0..SUBJECTS);
        let before = counted.counted.load(Ordering::Relaxed);
        eventually("another round is counted", || {
            aggregator.turn(now(), &counted).expect("it counts");
            counted.counted.load(Ordering::Relaxed) == before + u64::from(SUBJECTS)
        });
        let (before, wanted) = (copied.written.load(Ordering::Relaxed), u64::from(SUBJECTS) * REGIONS.len() as u64);
        let begun = Instant::now();
        eventually("the rows are copied", || {
            copy();
            copied.written.load(Ordering::Relaxed) >= before + wanted
        });
        rates.push(wanted as f64 / begun.elapsed().as_secs_f64());
    }
    println!(
        "{events} events of {SUBJECTS} subjects: {:.0} events/s to append, {:.0} events/s to count (each row once a turn: \
         coalesced); {:.0?} row updates/s to {} regions",
        events as f64 / appending.as_secs_f64(),
        events as f64 / counting.as_secs_f64(),
        rates,
        REGIONS.len(),
    );
}
