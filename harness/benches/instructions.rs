//! How many instructions the parts of a request and of a simulation take, as callgrind counts them: what `georush gate --instructions`
//! compares.
//!
//! `ci/instructions` installs what this needs and runs it; `cargo bench` runs it where that is there. Every part runs once, on a state
//! that is the same each time. Not here: times, which the other benches have.
#![allow(
    clippy::disallowed_methods,
    reason = "addresses are drawn with the platform's functions; other platforms' counts are not compared"
)]
#![allow(missing_docs)]

#[path = "../../system/benches/parts/addresses.rs"]
mod addresses;
#[path = "../../system/benches/parts/calls.rs"]
mod calls;
#[path = "parts/steps.rs"]
mod steps;

use std::env;

use mimalloc::MiMalloc;

/// As in the command. That of the platform would count otherwise on another one.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() {
    if is_counted() || can_count() {
        parts::start();
    }
}

/// Whether valgrind runs this program.
fn is_counted() -> bool {
    env::args().nth(1).is_some_and(|argument| argument == "--gungraun-run")
}

/// Whether it can be made to; if not, says what is missing, so that `cargo bench` goes on with the other benches.
fn can_count() -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let is_there = |program: &str| env::split_paths(&path).any(|folder| folder.join(program).is_file());
    let missing = ["valgrind", "gungraun-runner"].into_iter().find(|program| !is_there(program));
    if let Some(program) = missing {
        println!("no instructions counted, because {program} is not on the path; ci/instructions installs it");
    }
    missing.is_none()
}

mod parts {
    use std::{hint::black_box, net::IpAddr, path::Path};

    use georush::{
        outcome::Outcome,
        scenario::{self, Scenario},
        simulate::{self, Observer, queue::Queue, seed::Seed},
    };
    use georush_core::{
        Origin, SubjectId, Timestamp, UsageEvent,
        aggregator::{self, Aggregation, Aggregator, Gaps},
        edge::{Edge, Enforcement, OnUnavailable, Request},
        replicator::{self, Replicator},
    };
    use georush_system::{
        api::Api,
        geo::{Geo, Settings},
        http::Handler,
    };
    use gungraun::{Callgrind, LibraryBenchmarkConfig, library_benchmark, library_benchmark_group, main};
    use hyper::http::request::Parts;
    use rand::Rng;

    use super::{addresses, calls, steps};

    const STEPS: u32 = 10_000;
    const SUBJECTS: u32 = 1_024;
    const ADDRESSES: usize = 4_096;
    /// 2026-06-17 00:00 UTC.
    const NOW: Timestamp = Timestamp(1_781_654_400_000_000);

    fn edge(enforcement: Enforcement) -> Edge {
        let mut edge = Edge::new(Origin::default(), enforcement, OnUnavailable::Open);
        // Counters are made on first use; that is no part of a request.
        authorize_all(&mut edge, SUBJECTS);
        edge
    }

    fn authorize_all(edge: &mut Edge, requests: u32) {
        let row = steps::row();
        let mut outbox = Vec::new();
        for number in 0..requests {
            let request = Request { subject: SubjectId(number % SUBJECTS), cost: 1, lane: 0 };
            outbox.clear();
            black_box(edge.authorize(Timestamp(1), request, black_box(&row), true, &mut outbox));
        }
    }

    #[library_benchmark]
    #[bench::replicated(edge(Enforcement::Replicated))]
    #[bench::replicated_plus_local(edge(Enforcement::ReplicatedPlusLocal))]
    fn authorize(mut edge: Edge) -> Edge {
        authorize_all(&mut edge, STEPS);
        edge
    }

    fn aggregator(aggregation: Aggregation) -> (Aggregator, Vec<Vec<UsageEvent>>) {
        (
            Aggregator::new(Timestamp(0), aggregation, 0, &[0], Gaps::default()),
            (0..u64::from(STEPS / steps::EVENTS)).map(steps::record).collect(),
        )
    }

    #[library_benchmark]
    #[bench::cumulative(aggregator(Aggregation::Cumulative))]
    #[bench::add_then_checkpoint(aggregator(Aggregation::AddThenCheckpoint))]
    fn aggregate((mut aggregator, records): (Aggregator, Vec<Vec<UsageEvent>>)) -> Aggregator {
        let mut outbox = Vec::new();
        for (events, sequence) in records.iter().zip(1_u64..) {
            outbox.clear();
            let record = aggregator::Input::Record { shard: 0, sequence, events };
            aggregator.handle(Timestamp(sequence), record, &mut outbox);
            aggregator.handle(Timestamp(sequence), aggregator::Input::EndOfRead { shard: 0 }, &mut outbox);
            black_box(&outbox);
        }
        aggregator
    }

    fn replicator() -> Replicator {
        Replicator::new(steps::PACE, 0)
    }

    #[library_benchmark]
    #[bench::changes(replicator())]
    fn replicate(mut replicator: Replicator) -> Replicator {
        let mut outbox = Vec::new();
        for step in 1..=u64::from(STEPS) {
            outbox.clear();
            replicator.handle(replicator::Input::Changes { newest: black_box(5 * step) }, &mut outbox);
            replicator.handle(replicator::Input::Written, &mut outbox);
            black_box(&outbox);
        }
        replicator
    }

    /// As many events as wait in one region on a busy day, and delays of up to 262 ms.
    fn queue() -> (Queue<u32>, Vec<u64>) {
        let mut bits = Seed(1).stream("delays");
        let mut queue = Queue::new();
        (0..1_900).for_each(|event| queue.push(bits.next_u64() >> 46, event));
        (queue, (0..STEPS).map(|_| bits.next_u64() >> 46).collect())
    }

    #[library_benchmark]
    #[bench::hold(queue())]
    fn queue_events((mut queue, delays): (Queue<u32>, Vec<u64>)) -> Queue<u32> {
        for delay in delays {
            let Some((now, event)) = queue.pop() else { break };
            queue.push(now + delay, black_box(event));
        }
        queue
    }

    fn geo(mut addresses: Vec<IpAddr>) -> (Geo, Vec<IpAddr>) {
        addresses.truncate(ADDRESSES);
        (Geo::load(&Settings::default()).expect("good data"), addresses)
    }

    // From addresses to JSON, as the API writes it.
    #[library_benchmark]
    #[bench::uniform(geo(addresses::uniform()))]
    fn look_up((geo, addresses): (Geo, Vec<IpAddr>)) -> Geo {
        let mut out = Vec::with_capacity(1_408);
        for ip in addresses {
            out.clear();
            geo.find(ip).write(&mut out, NOW);
            black_box(&out);
        }
        geo
    }

    fn requests() -> (Api, Vec<Parts>) {
        let (api, keys) = calls::api();
        let mut random = addresses::Random(7);
        let mut key = || keys[random.next() as usize % calls::KEYS].as_str();
        let requests = addresses::zipf().iter().take(ADDRESSES).map(|ip| calls::request(*ip, key())).collect();
        calls::forget(&api);
        (api, requests)
    }

    // From heads of requests to answers, with their keys.
    #[library_benchmark]
    #[bench::requests(requests())]
    fn answer((api, requests): (Api, Vec<Parts>)) -> Api {
        for request in &requests {
            drop(black_box(api.answer(request, calls::PEER)));
        }
        api
    }

    struct Unwatched;

    impl Observer for Unwatched {}

    fn load(name: &str) -> Scenario {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios").join(name).with_extension("toml");
        scenario::load(&path, &[], None).unwrap_or_else(|errors| panic!("{errors}"))
    }

    #[library_benchmark]
    #[bench::sixty_thousand(load("sixty-thousand"))]
    #[bench::region_outage(load("region-outage"))]
    fn run(scenario: Scenario) -> Outcome {
        simulate::run(&scenario, &mut Unwatched).expect("nobody stops the run")
    }

    library_benchmark_group!(
        name = all,
        benchmarks = [authorize, aggregate, replicate, queue_events, run, look_up, answer]
    );
    // Caches are not simulated, which would double the time.
    main!(
        config = LibraryBenchmarkConfig::default().tool(Callgrind::with_args(["--cache-sim=no"])),
        library_benchmark_groups = all
    );

    /// Counts every part.
    pub(super) fn start() {
        main();
    }
}
