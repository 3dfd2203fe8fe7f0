//! The workload that all engines run, and what they must agree on.
//!
//! Not here: anything an engine could do better than another.

use georush::scenario::{
    Arrival, Clients, Dns, Era, Function, Gateway, IdentifierKind, Load, Pipeline, Population, Scenario, Segment,
    System, Table,
};
use georush_core::{
    Timestamp,
    aggregator::Aggregation,
    edge::{Enforcement, OnUnavailable},
};
use hdrhistogram::Histogram;

pub(crate) const REGIONS: usize = 10;
pub(crate) const KEYS: u32 = 100_000;
pub(crate) const ZIPF_MILLI: u32 = 1_100;
/// The most frequent key reaches it in the long settings.
pub(crate) const QUOTA: u32 = 200_000;
/// Counts reach all other regions this often.
pub(crate) const WINDOW_US: u64 = 1_000_000;
/// What a request waits longer if no environment is warm.
pub(crate) const COLD_START_US: u64 = 250_000;

/// One load: every region is open to exponential arrivals at the same rate.
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    /// Per second and region.
    pub(crate) rate: f64,
    pub(crate) seconds: u64,
    /// Median of the time in the function, microseconds.
    pub(crate) service_us: f64,
    /// Environments warm at the start, per region.
    pub(crate) warm: u32,
}

pub(crate) const SETTINGS: [Setting; 2] = [
    Setting { name: "black friday", rate: 10_000.0, seconds: 20, service_us: 180_000.0, warm: 2_500 },
    Setting { name: "low", rate: 1.0, seconds: 200_000, service_us: 3_000.0, warm: 10 },
];

/// Sigma of the lognormal time in the function.
pub(crate) const SERVICE_SIGMA: f64 = 0.4;
/// Median and sigma of the lognormal time on the network, microseconds.
pub(crate) const NETWORK: (f64, f64) = (20_000.0, 0.5);

/// What an engine found.
pub(crate) struct Outcome {
    pub(crate) requests: u64,
    pub(crate) rejected: u64,
    pub(crate) cold: u64,
    pub(crate) completed: u64,
    pub(crate) latency_us: Histogram<u64>,
}

impl Outcome {
    pub(crate) fn new() -> Self {
        let latency_us = Histogram::new_with_bounds(1, 60_000_000, 3).expect("the bounds are valid");
        Self { requests: 0, rejected: 0, cold: 0, completed: 0, latency_us }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.rejected += other.rejected;
        self.cold += other.cold;
        self.completed += other.completed;
        self.latency_us.add(&other.latency_us).expect("the bounds are the same");
    }
}

impl Setting {
    /// As arrival streams read it: one client group per region.
    pub(crate) fn scenario(&self, seed: u64) -> Scenario {
        let duration_us = self.seconds * 1_000_000;
        let flat = Segment { duration_us, from: self.rate, to: self.rate, unit_us: 1_000_000 };
        let group = |region: usize| Clients {
            name: format!("region-{region}"),
            population: 0,
            start_us: 0,
            load: Load::Segments(vec![flat]),
            arrival: Arrival::Poisson,
            from: vec![(region, 1_000_000)],
        };
        Scenario {
            name: self.name.to_owned(),
            question: "How fast is an engine?".to_owned(),
            seed,
            start: Timestamp(0),
            duration_us,
            system: system(),
            plans: Vec::new(),
            populations: vec![Population {
                name: "keys".to_owned(),
                kind: IdentifierKind::ApiKey,
                plan: 0,
                size: KEYS,
                zipf_milli: ZIPF_MILLI,
            }],
            clients: (0..REGIONS).map(group).collect(),
            faults: Vec::new(),
            thresholds: Vec::new(),
            plots: Vec::new(),
            live: georush::scenario::Live::default(),
            gate: georush::scenario::Gate::default(),
            hash: String::new(),
            overrides: Vec::new(),
        }
    }
}

/// Arrival streams read none of this.
fn system() -> System {
    System {
        stack: "serverless-2018".to_owned(),
        era: Era::Y2018,
        regions: (0..REGIONS).map(|region| format!("region-{region}")).collect(),
        central: 0,
        enforcement: Enforcement::Replicated,
        aggregation: Aggregation::Cumulative,
        on_unavailable: OnUnavailable::Open,
        dns: Dns { ttl_us: 0, stale_resolvers_ppm: 0, stale_ttl_us: 0, health_interval_us: 0, health_threshold: 0 },
        keep_alive_ppm: 0,
        gateway: Gateway { rate: 1, burst: 1 },
        function: Function { runtime: "python3.6".to_owned(), memory_mb: 128, concurrency: 1, handler_cpu_us: 1 },
        table: Table { on_demand: false, read_capacity: 1, write_capacity: 1, dax_ttl_us: None },
        service: None,
        pipeline: Pipeline::FixedLag { lag_us: vec![0; REGIONS] },
    }
}
