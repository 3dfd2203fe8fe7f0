//! The system in virtual time: deterministic, as fast as the machine allows.
//!
//! Not here: what happens to a request (see `edge`) or a usage event (`pipeline`); this is the loop that takes whatever
//! comes next. Arrivals come from sorted streams and never enter a queue; a reply is recorded, not scheduled. Arrivals
//! are taken at the moment they reach the edge; the time before and after that is added to their latency.

pub mod bucket;
mod centre;
mod changes;
mod dns;
mod edge;
mod function;
mod gateway;
mod logs;
mod network;
mod pipeline;
pub mod queue;
mod replication;
mod rows;
pub mod sample;
pub mod seed;
mod stream;
mod table;
mod timeline;
mod trace;
pub mod ways;

use georush_core::{SubjectId, Timestamp, WindowId};

pub(crate) use trace::mix;
pub use trace::{BLOCK, subject_name};

use crate::{
    cost::{Consumed, OfRegion},
    measure::{Component, Measure, series::Point},
    oracle::{closing::End, ledger::Ledger},
    outcome::Outcome,
    scenario::{Cause, Scenario, Tags},
    workload::{self, Arrival, Stream},
};
use edge::{Edges, Moment, Served};
use network::Network;
use pipeline::Pipeline;
use seed::Seed;
use timeline::{Now, Once, Timeline};
use trace::Trace;

/// Watches a run. Nothing it does can change the outcome, except by stopping it.
pub trait Observer {
    /// Called now and then; the run stops if this returns false.
    fn progress(&mut self, simulated_us: u64, requests: u64) -> bool {
        let _ = (simulated_us, requests);
        true
    }

    /// The digest after each block of [`BLOCK`] requests.
    fn block(&mut self, digest: u64) {
        let _ = digest;
    }

    /// Number of the block whose requests shall be told one by one.
    fn wanted(&self) -> Option<usize> {
        None
    }

    /// One request of the wanted block, in words.
    fn decision(&mut self, line: String) {
        let _ = line;
    }

    /// Whether [`Observer::told`] and [`Observer::counted`] shall be called.
    fn listens(&self) -> bool {
        false
    }

    /// One request and what its client was told, in the order of arrivals.
    fn told(&mut self, told: &Told) {
        let _ = told;
    }

    /// The final central counts, by subject and window.
    fn counted(&mut self, count: &dyn Fn(SubjectId, WindowId) -> u64) {
        let _ = count;
    }
}

/// What a client knows of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// Index of its group.
    pub clients: usize,
    /// Who, when, from where.
    pub arrival: Arrival,
    /// Index of the region that took it.
    pub region: usize,
    /// Why it failed; `None` for 2xx.
    pub cause: Option<Cause>,
    /// The count that the decision was made from; 0 if it did not come to that.
    pub view: u64,
    /// How long it took, microseconds.
    pub latency_us: u64,
    /// Of that, behind the region's door.
    pub service_us: u64,
}

/// Requests between two calls of [`Observer::progress`].
const PROGRESS_EVERY: u64 = 1 << 17;

/// Runs a scenario to its end; `None` if the observer stopped it.
pub fn run(scenario: &Scenario, observer: &mut dyn Observer) -> Option<Outcome> {
    Simulation::new(scenario).run(observer)
}

/// One client group's arrivals, a block at a time.
struct Source {
    stream: Stream,
    block: Vec<Arrival>,
    next: usize,
}

struct Simulation<'a> {
    scenario: &'a Scenario,
    start_us: u64,
    sources: Vec<Source>,
    /// Time of each source's next arrival, microseconds; `u64::MAX` once it has ended.
    next_us: Vec<u64>,
    timeline: Timeline,
    now: Now,
    boundaries: Vec<u64>,
    boundary: usize,
    bucket_end_us: u64,
    edges: Edges,
    pipeline: Pipeline,
    ledger: Ledger,
    measure: Measure,
    trace: Trace,
    first_subject: Vec<u32>,
}

impl<'a> Simulation<'a> {
    fn new(scenario: &'a Scenario) -> Self {
        let (system, start_us, seed) = (&scenario.system, scenario.start.0, Seed(scenario.seed));
        let first_subject = workload::subjects(scenario);
        let subjects: usize = scenario.populations.iter().map(|p| p.size as usize).sum();
        let timeline = Timeline::new(scenario);
        let network = Network::new(scenario, seed);
        let (identity, cached) = (timeline.is_empty(), system.table.dax_ttl_us.is_some());
        let pipeline = Pipeline::new(scenario, &network, &timeline, subjects, seed);
        let measure = Measure::new(system.regions.len(), scenario.clients.len(), scenario.duration_us);
        let source = |stream| Source { stream, block: Vec::new(), next: 0 };
        let mut simulation = Self {
            scenario,
            start_us,
            sources: Stream::all(scenario).into_iter().map(source).collect(),
            next_us: vec![0; scenario.clients.len()],
            now: timeline.now(start_us),
            boundaries: timeline.boundaries(),
            boundary: 0,
            bucket_end_us: start_us + measure.series.width_us(),
            edges: Edges::new(scenario, network, subjects, seed),
            pipeline,
            ledger: Ledger::new(scenario.start, system.enforcement, identity, cached, subjects, system.regions.len()),
            measure,
            trace: Trace::default(),
            first_subject,
            timeline,
        };
        (0..scenario.clients.len()).for_each(|clients| simulation.refill(clients));
        simulation
    }

    fn run(mut self, observer: &mut dyn Observer) -> Option<Outcome> {
        let wanted = observer.wanted();
        loop {
            let (arrival_us, clients) = self.next_arrival();
            let event_us = self.pipeline.next_us().unwrap_or(u64::MAX);
            let landmark_us = self.next_landmark_us();
            let next_us = arrival_us.min(event_us).min(landmark_us);
            if arrival_us == u64::MAX && landmark_us == u64::MAX {
                break;
            }
            // What happens at one instant: the timeline first, then the pipeline, then requests, which so see all that
            // has become visible by then.
            if landmark_us == next_us {
                self.landmark(landmark_us);
            } else if event_us == next_us {
                self.pipeline.step(&self.now, &self.timeline, &mut self.ledger);
            } else {
                self.arrive(clients, wanted, observer);
                if self.trace.requests().is_multiple_of(PROGRESS_EVERY)
                    && !observer.progress(arrival_us - self.start_us, self.trace.requests())
                {
                    return None;
                }
            }
        }
        Some(self.finish(observer))
    }

    #[inline]
    fn next_arrival(&self) -> (u64, usize) {
        let mut least = (u64::MAX, 0);
        for (clients, &at_us) in self.next_us.iter().enumerate() {
            if at_us < least.0 {
                least = (at_us, clients);
            }
        }
        least
    }

    /// The next fault boundary or end of a bucket within the run.
    #[inline]
    fn next_landmark_us(&self) -> u64 {
        let boundary_us = self.boundaries.get(self.boundary).copied().unwrap_or(u64::MAX);
        let bucket_us = if self.bucket_end_us <= self.end_us() { self.bucket_end_us } else { u64::MAX };
        boundary_us.min(bucket_us)
    }

    fn end_us(&self) -> u64 {
        self.start_us + self.scenario.duration_us
    }

    #[inline]
    fn arrive(&mut self, clients: usize, wanted: Option<usize>, observer: &mut dyn Observer) {
        let source = &mut self.sources[clients];
        let arrival = source.block[source.next];
        source.next += 1;
        let now_us = self.next_us[clients];
        match source.block.get(source.next) {
            Some(next) => self.next_us[clients] = self.start_us + next.at_us,
            None => self.refill(clients),
        }
        let moment = Moment {
            now_us,
            now: &self.now,
            timeline: &self.timeline,
            pipeline: &mut self.pipeline,
            ledger: &mut self.ledger,
        };
        let served = self.edges.serve(clients, &arrival, moment);
        self.measure.record(served.sample, &served.parts);
        self.measure.came_from(usize::from(arrival.country), served.sample.region);
        self.measure.series.staleness(served.sample.region, served.staleness_us);
        let block = self.trace.enter(now_us - self.start_us, &arrival, &served);
        if let Some(digest) = block.ended {
            observer.block(digest);
        }
        if observer.listens() {
            observer.told(&told(clients, arrival, &served));
        }
        if wanted == Some(block.number) {
            observer.decision(trace::line(self.scenario, now_us - self.start_us, &arrival, &served));
        }
    }

    fn refill(&mut self, clients: usize) {
        let Source { stream, block, next } = &mut self.sources[clients];
        stream.fill(block);
        *next = 0;
        self.next_us[clients] = block.first().map_or(u64::MAX, |arrival| self.start_us + arrival.at_us);
        // Loads that do not depend on each other overlap; later, one after the other, each would wait for memory.
        let mut touched = 0;
        for arrival in block.iter() {
            touched ^= self.ledger.prefetch(arrival.subject) ^ self.pipeline.prefetch(arrival.subject);
            touched ^= self.edges.prefetch(arrival.subject, usize::from(arrival.country));
        }
        for arrival in block.iter() {
            touched ^= self.ledger.prefetch_pending(arrival.subject);
        }
        std::hint::black_box(touched);
    }

    fn landmark(&mut self, at_us: u64) {
        if self.bucket_end_us == at_us {
            self.close_bucket(at_us);
        }
        if self.boundaries.get(self.boundary) == Some(&at_us) {
            self.boundary += 1;
            self.now = self.timeline.now(at_us);
            self.edges.change(at_us, &self.now, &self.timeline);
            for once in self.timeline.once(at_us) {
                if let Once::EdgeKilled(region) = once {
                    self.ledger.edge_restarted(region);
                }
            }
            self.measure.enter(self.timeline.phase(at_us));
        }
    }

    fn close_bucket(&mut self, at_us: u64) {
        self.pipeline.settle(at_us, &self.timeline, &mut self.ledger);
        let (pipeline, ledger) = (&self.pipeline, &self.ledger);
        self.measure.series.close(|point: &mut Point| {
            point.admitted = ledger.admitted();
            point.stream_backlog = pipeline.backlog();
            for (index, region) in point.regions.iter_mut().enumerate() {
                let shown = pipeline.shown(index);
                region.visible = shown.counted;
                region.replication_lag = shown.behind;
            }
        });
        self.bucket_end_us = at_us + self.measure.series.width_us();
    }

    fn finish(mut self, observer: &mut dyn Observer) -> Outcome {
        let end_us = self.end_us();
        if self.bucket_end_us - self.measure.series.width_us() < end_us {
            self.close_bucket(end_us);
        }
        let drained_us = self.pipeline.drain(end_us, &self.now, &self.timeline, &mut self.ledger);
        let regions = self.scenario.system.regions.len();
        let last_admission = self.ledger.last_admission();
        let pipeline = &self.pipeline;
        let central = |subject: SubjectId, window: WindowId| pipeline.rows().central(subject, window);
        if observer.listens() {
            observer.counted(&central);
        }
        let agrees = |region: usize, subject: SubjectId| pipeline.rows().agrees(region, subject);
        let name = |subject: SubjectId| trace::subject_name(self.scenario, &self.first_subject, subject);
        let (central_writes, replications) = pipeline.writes();
        let all = self.measure.select(&Tags::default());
        let consumed = self.consumed();
        let findings = self.ledger.finish(&End {
            at: Timestamp(drained_us),
            central: &central,
            agrees: &agrees,
            name: &name,
            known_gaps: pipeline.missing(),
            converged: (0..regions).map(|r| pipeline.converged(r, last_admission)).collect(),
            central_count: pipeline.counted(),
            region_counts: (0..regions).map(|r| pipeline.shown(r).counted).collect(),
            central_writes,
            replications,
            served: all.ok,
        });
        Outcome {
            consumed,
            measure: self.measure,
            findings,
            requests: self.trace.requests(),
            simulated_us: drained_us - self.start_us,
            events: self.pipeline.events,
            digest: self.trace.digest(),
            subjects: self.scenario.populations.iter().map(|p| u64::from(p.size)).sum(),
        }
    }

    /// What the run used up; `None` if its service times were measured on something that is not AWS.
    fn consumed(&self) -> Option<Consumed> {
        let region = |index| {
            let (function_steps, reads) = self.edges.consumed(index);
            let (rows, lines) = self.pipeline.consumed(index);
            OfRegion { function_steps, reads, rows, lines }
        };
        self.scenario.system.service.is_none().then(|| Consumed {
            regions: (0..self.scenario.system.regions.len()).map(region).collect(),
            queries: self.edges.queries(),
            stream: self.pipeline.stream_consumed(),
        })
    }
}

fn told(clients: usize, arrival: Arrival, served: &Served) -> Told {
    Told {
        clients,
        arrival,
        region: served.sample.region,
        cause: served.sample.cause,
        view: served.view,
        latency_us: served.parts.iter().map(|&part| u64::from(part)).sum(),
        service_us: Component::SERVICE.map(|component| u64::from(served.parts[component as usize])).iter().sum(),
    }
}
