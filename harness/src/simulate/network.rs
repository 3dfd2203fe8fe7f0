//! Distances: from clients to regions and between regions.
//!
//! Not here: processing time of any kind.

use rand::{Rng, rngs::Xoshiro256PlusPlus};

use super::{sample::Quantiles, seed::Seed};
use crate::{
    facts,
    scenario::{Era, Scenario},
};

/// Round trips between all parties, microseconds.
pub(super) struct Network {
    era: Era,
    /// Region of the facts, by the scenario's index.
    regions: Vec<usize>,
    /// Round trip to the nearest data centre of any provider, by country.
    last_mile: Vec<Quantiles>,
    /// What the chosen region lies beyond that, by country and region.
    beyond_us: Vec<u32>,
    /// Extra round trips of a new connection.
    handshakes: u32,
    random: Xoshiro256PlusPlus,
}

impl Network {
    pub(super) fn new(scenario: &Scenario, seed: Seed) -> Self {
        let system = &scenario.system;
        let index = |name: &String| facts::region(name).expect("a resolved scenario names known regions");
        let regions: Vec<usize> = system.regions.iter().map(index).collect();
        let beyond = |country: &facts::Country| -> Vec<u32> {
            let extra = |&region: &usize| {
                let between =
                    if region == country.nearest { 0 } else { facts::rtt_us(system.era, country.nearest, region) };
                (country.detour_us + between) as u32
            };
            regions.iter().map(extra).collect()
        };
        let callers = scenario.callers();
        let last_mile = |(index, country): (usize, &facts::Country)| {
            if !callers.contains(&index) {
                return Quantiles::from_points(&[(0.5, 1.0)]);
            }
            let shares: Vec<(f64, &[(f64, f64)])> = country.last_mile.iter().map(|(w, p)| (*w, p.as_slice())).collect();
            Quantiles::mixture(&shares)
        };
        Self {
            era: system.era,
            last_mile: facts::countries().iter().enumerate().map(last_mile).collect(),
            beyond_us: facts::countries().iter().flat_map(beyond).collect(),
            regions,
            handshakes: facts::model(system.era).new_connection_rtts,
            random: seed.stream("network"),
        }
    }

    /// What latency routing compares: the part of the round trip that depends on the region.
    pub(super) fn distance_us(&self, country: usize, region: usize) -> u32 {
        self.beyond_us[country * self.regions.len() + region]
    }

    /// One client round trip and, if the connection is new, what opening it takes.
    #[inline]
    pub(super) fn round_trip_us(&mut self, country: usize, region: usize, new_connection: bool) -> (u32, u32) {
        let last_mile = self.last_mile[country].draw(self.random.next_u32());
        let round_trip = last_mile + self.beyond_us[country * self.regions.len() + region];
        (round_trip, if new_connection { self.handshakes * round_trip } else { 0 })
    }

    /// Round trip between two regions.
    pub(super) fn between_us(&self, a: usize, b: usize) -> u64 {
        facts::rtt_us(self.era, self.regions[a], self.regions[b])
    }
}
