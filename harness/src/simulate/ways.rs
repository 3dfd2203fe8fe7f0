//! The ways of requests to regions: the resolver's answer, what is rerouted, and the client's own round trips.
//!
//! Not here: anything behind the region's door. The live mode takes these ways, too: where a client is sent and how far it is
//! from there are models in both modes.

use georush_core::Timestamp;

use super::{
    dns::Dns,
    network::Network,
    seed::Seed,
    timeline::{Now, Timeline},
};
use crate::{
    measure::{Component, Parts},
    scenario::{Phase, Scenario, System},
    workload::Arrival,
};

/// Resolvers and distances.
pub(super) struct Ways {
    dns: Dns,
    network: Network,
    /// A connection is open already if the arrival's upper twenty bits are below this.
    keep_alive: u32,
    queries: u64,
}

impl Ways {
    pub(super) fn new(system: &System, network: Network, start_us: u64, seed: Seed) -> Self {
        Self {
            dns: Dns::new(system, &network, start_us, seed),
            network,
            keep_alive: ((u64::from(system.keep_alive_ppm) << 20) / 1_000_000) as u32,
            queries: 0,
        }
    }

    /// The region that a request reaches, and what the way takes.
    #[inline]
    pub(super) fn take(&mut self, now_us: u64, arrival: &Arrival, now: &Now) -> (usize, Parts) {
        let country = usize::from(arrival.country);
        let mut parts = Parts::default();
        let route = self.dns.route(now_us, country, arrival.bits, &now.unhealthy, now.stale_dns_ppm);
        let region = now.rerouted[route.region];
        let new_connection = arrival.bits >> 12 >= self.keep_alive;
        if new_connection {
            self.queries += u64::from(route.asked);
            parts[Component::Dns as usize] = self.dns.lookup_us(route.asked);
        }
        let (network_us, tls_us) = self.network.round_trip_us(country, region, new_connection);
        parts[Component::Network as usize] = network_us;
        parts[Component::Tls as usize] = tls_us;
        (region, parts)
    }

    /// Look-ups of clients that Route 53 itself had to answer.
    pub(super) fn queries(&self) -> u64 {
        self.queries
    }

    /// The region that a country's clients use as long as nothing is wrong.
    #[inline]
    pub(super) fn nearest(&self, country: usize) -> usize {
        self.dns.nearest(country)
    }
}

/// One request's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// Index of the region.
    pub region: usize,
    /// What the client's own legs take: name, connection, round trip. The rest is 0.
    pub legs: Parts,
    /// Whether nothing passes between clients and the region.
    pub cut: bool,
    /// When, relative to the faults.
    pub phase: Phase,
}

/// The ways of a whole run, for whoever has the arrivals and no simulation. With the same scenario and seed they are those of
/// the simulation.
#[allow(missing_debug_implementations)]
pub struct Guide {
    ways: Ways,
    timeline: Timeline,
    boundaries: Vec<u64>,
    boundary: usize,
    now: Now,
    phase: Phase,
    start: Timestamp,
}

impl Guide {
    /// At the start of a run.
    #[must_use]
    pub fn new(scenario: &Scenario) -> Self {
        let (timeline, start) = (Timeline::new(scenario), scenario.start);
        let network = Network::new(scenario, Seed(scenario.seed));
        Self {
            ways: Ways::new(&scenario.system, network, start.0, Seed(scenario.seed)),
            boundaries: timeline.boundaries(),
            boundary: 0,
            now: timeline.now(start.0),
            phase: Phase::Before,
            timeline,
            start,
        }
    }

    /// The way of the next arrival; to be asked in the order of arrivals.
    pub fn way(&mut self, arrival: &Arrival) -> Way {
        let now_us = self.start.0 + arrival.at_us;
        while let Some(&at_us) = self.boundaries.get(self.boundary).filter(|&&at_us| at_us <= now_us) {
            self.boundary += 1;
            self.now = self.timeline.now(at_us);
            self.phase = self.timeline.phase(at_us);
        }
        let (region, legs) = self.ways.take(now_us, arrival, &self.now);
        Way { region, legs, cut: self.now.outage[region], phase: self.phase }
    }
}
