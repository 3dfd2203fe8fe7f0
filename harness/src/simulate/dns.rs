//! Route 53's latency routing and the resolvers between it and the clients.
//!
//! Not here: outages themselves; only what health checks make of them. Each country's clients share a fixed set of
//! resolvers, and an answer lives in a resolver for its TTL, or longer where the resolver stretches it.

use rand::{Rng, rngs::Xoshiro256PlusPlus};

use super::{network::Network, sample::Quantiles, seed::Seed};
use crate::{facts, scenario};

/// Resolvers of one country. A modelling choice: enough that answers run out at scattered times.
const RESOLVERS: usize = 128;

/// An answer in eight bytes, so that all resolvers fit a small cache: when it expires (microseconds after the run's start)
/// above, the region below.
#[derive(Debug, Clone, Copy, Default)]
struct Answer(u64);

impl Answer {
    const REGION_BITS: u32 = 8;

    fn new(expires_us: u64, region: u16) -> Self {
        Self(expires_us << Self::REGION_BITS | u64::from(region))
    }

    fn expires_us(self) -> u64 {
        self.0 >> Self::REGION_BITS
    }

    fn region(self) -> usize {
        (self.0 & ((1 << Self::REGION_BITS) - 1)) as usize
    }
}

/// Where a client is sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Route {
    /// Index of the region.
    pub(super) region: usize,
    /// Whether the resolver had to ask Route 53.
    pub(super) asked: bool,
}

/// Route 53 and all resolvers.
pub(super) struct Dns {
    start_us: u64,
    ttl_us: u64,
    stale_ttl_us: u64,
    stale_resolvers: usize,
    answers: Vec<Answer>,
    /// Regions by distance, for each country.
    nearest: Vec<Vec<u16>>,
    cached: Quantiles,
    uncached: Quantiles,
    random: Xoshiro256PlusPlus,
    ages: Xoshiro256PlusPlus,
}

impl Dns {
    pub(super) fn new(scenario: &scenario::System, network: &Network, start_us: u64, seed: Seed) -> Self {
        let model = facts::model(scenario.era);
        let countries = facts::countries().len();
        let regions = scenario.regions.len();
        let by_distance = |country| {
            let mut order: Vec<u16> = (0..regions as u16).collect();
            order.sort_by_key(|&region| (network.distance_us(country, usize::from(region)), region));
            order
        };
        Self {
            start_us,
            ttl_us: scenario.dns.ttl_us,
            stale_ttl_us: scenario.dns.stale_ttl_us,
            stale_resolvers: (scenario.dns.stale_resolvers_ppm as usize * RESOLVERS + 500_000) / 1_000_000,
            answers: vec![Answer::default(); countries * RESOLVERS],
            nearest: (0..countries).map(by_distance).collect(),
            cached: Quantiles::from_points(&model.dns.lookup_cached),
            uncached: Quantiles::from_points(&model.dns.lookup_uncached),
            random: seed.stream("dns"),
            ages: seed.stream("dns/ages"),
        }
    }

    /// Where a client of `country` goes at `now_us`. `bits` choose its resolver; `stale_ppm` of the resolvers keep what
    /// they have.
    #[inline]
    pub(super) fn route(
        &mut self,
        now_us: u64,
        country: usize,
        bits: u32,
        unhealthy: &[bool],
        stale_ppm: u32,
    ) -> Route {
        let resolver = bits as usize % RESOLVERS;
        let since_start_us = now_us - self.start_us;
        let answer = &mut self.answers[country * RESOLVERS + resolver];
        let frozen = stale_ppm > 0
            && answer.expires_us() > 0
            && (resolver as u64 * 1_000_000) < u64::from(stale_ppm) * RESOLVERS as u64;
        if since_start_us < answer.expires_us() || frozen {
            return Route { region: answer.region(), asked: false };
        }
        let order = &self.nearest[country];
        // Route 53 answers with the best region even if all look unhealthy.
        let region = order.iter().copied().find(|&r| !unhealthy[usize::from(r)]).unwrap_or(order[0]);
        let ttl_us = if resolver < self.stale_resolvers { self.stale_ttl_us } else { self.ttl_us };
        // The world did not begin with the run: a resolver's first answer is one it has had for some of its life.
        let life_us = match answer.expires_us() {
            0 => ((u128::from(ttl_us) * u128::from(self.ages.next_u32())) >> 32) as u64,
            _ => ttl_us,
        };
        *answer = Answer::new(since_start_us + life_us, region);
        Route { region: usize::from(region), asked: true }
    }

    /// The region that a country's clients use as long as nothing is wrong.
    #[inline]
    pub(super) fn nearest(&self, country: usize) -> usize {
        usize::from(self.nearest[country][0])
    }

    /// Time of a look-up, microseconds.
    #[inline]
    pub(super) fn lookup_us(&mut self, asked: bool) -> u32 {
        let bits = self.random.next_u32();
        if asked { self.uncached.draw(bits) } else { self.cached.draw(bits) }
    }
}
