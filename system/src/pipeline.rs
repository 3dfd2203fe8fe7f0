//! The usage pipeline on any backend: one aggregator, one replicator for each region, and what an edge needs of it.
//!
//! Aggregator and replicators are threads that poll. A failing backend is logged, waited for and tried again; it never ends
//! the process. Not here: decisions, which are the core's, and tables and streams, which are the backend's.

mod aggregator;
mod comparison;
mod dead_letters;
mod joined;
mod replay;
mod replicator;
mod worker;

pub use aggregator::Aggregator;
pub use dead_letters::resend;
pub use joined::{Feed, Joined, Uplink, join};
pub use replay::{From, Replayed, rebuild, replay, take_lease};
pub use replicator::Replicator;
pub use worker::{AggregatorCounters, ReplicatorCounters};

use std::{
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, SystemTime},
};

use georush_core::Timestamp;

use crate::{backend::Backend, store::Error};
use worker::Stop;

/// How the pipeline paces itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Whether to aggregate; without it there are replicators only.
    pub aggregate: bool,
    /// Wait between two looks at what is new.
    pub poll: Duration,
    /// Longest wait after a failure; the first is `poll`.
    pub backoff_max: Duration,
    /// How long an aggregator may be silent before another takes over.
    pub lease: Duration,
    /// How long counted records stay in the stream: a central table restored from a backup of that age is made whole.
    pub stream_kept: Duration,
    /// Time between two comparisons of a region's whole table with the central one.
    pub compare_every: Duration,
    /// How long a subject's counts stay after its last event; two of the longest windows at least.
    pub counts_kept: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            aggregate: true,
            poll: Duration::from_millis(100),
            backoff_max: Duration::from_secs(5),
            lease: Duration::from_secs(3),
            stream_kept: Duration::from_secs(3_600),
            compare_every: Duration::from_secs(600),
            counts_kept: Duration::from_secs(63 * 86_400),
        }
    }
}

/// A running pipeline.
#[derive(Debug)]
pub struct Pipeline {
    stop: Arc<Stop>,
    threads: Vec<JoinHandle<()>>,
    aggregator: Option<Arc<AggregatorCounters>>,
    replicators: Vec<(String, Arc<ReplicatorCounters>)>,
}

impl Pipeline {
    /// Starts an aggregator (if asked) and a replicator for each of `regions` on `backend`. If another process aggregates
    /// there already, this one stands by. Several processes may have replicators for one region.
    ///
    /// # Errors
    /// If the backend can't be opened now. Later failures are logged.
    pub fn start(backend: &Arc<dyn Backend>, regions: &[&str], settings: Settings) -> Result<Self, Error> {
        let mut pipeline =
            Self { stop: Arc::default(), threads: Vec::new(), aggregator: None, replicators: Vec::new() };
        // What can't be opened is told now, before any thread runs.
        let aggregator = settings.aggregate.then(|| Aggregator::open(&**backend, settings)).transpose()?;
        let replicators = regions.iter().map(|region| Replicator::open(&**backend, region, settings));
        let replicators = replicators.collect::<Result<Vec<_>, _>>()?;

        if let Some(aggregator) = aggregator {
            let counters = Arc::<AggregatorCounters>::default();
            pipeline.aggregator = Some(counters.clone());
            let (stop, again) = (pipeline.stop.clone(), Arc::clone(backend));
            pipeline.spawn("aggregator", move || {
                let open = || Aggregator::open(&*again, settings);
                worker::run("aggregator", &stop, settings, &counters.failures, aggregator, open, |aggregator| {
                    aggregator.turn(now(), &counters)
                });
            });
        }
        for (region, replicator) in regions.iter().zip(replicators) {
            let region = (*region).to_owned();
            let counters = Arc::<ReplicatorCounters>::default();
            pipeline.replicators.push((region.clone(), counters.clone()));
            let (stop, again) = (pipeline.stop.clone(), Arc::clone(backend));
            pipeline.spawn(&format!("replicator {region}"), move || {
                let open = || Replicator::open(&*again, &region, settings);
                worker::run(&region, &stop, settings, &counters.failures, replicator, open, |replicator| {
                    replicator.turn(now(), &counters)
                });
            });
        }
        Ok(pipeline)
    }

    /// What the aggregator has done, if there is one.
    #[must_use]
    pub fn aggregator(&self) -> Option<&Arc<AggregatorCounters>> {
        self.aggregator.as_ref()
    }

    /// What each replicator has done, by name of its region.
    #[must_use]
    pub fn replicators(&self) -> &[(String, Arc<ReplicatorCounters>)] {
        &self.replicators
    }

    /// Stops all threads after their current transaction.
    pub fn stop(mut self) {
        self.end();
    }

    fn spawn(&mut self, name: &str, work: impl FnOnce() + Send + 'static) {
        let thread = thread::Builder::new().name(name.to_owned()).spawn(work);
        self.threads.push(thread.expect("the system has room for a thread"));
    }

    fn end(&mut self) {
        self.stop.ask();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the pipeline had panicked");
            }
        }
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.end();
    }
}

/// What time it is.
#[must_use]
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp(since.as_micros() as u64)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
