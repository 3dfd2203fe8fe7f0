//! API Gateway: one token bucket per region, and the time it takes itself.

use rand::{Rng, rngs::Xoshiro256PlusPlus};

use super::{bucket::Bucket, sample::Quantiles, seed::Seed};
use crate::{facts, scenario::System};

/// API Gateway in all regions.
pub(super) struct Gateway {
    buckets: Vec<Bucket>,
    overhead: Quantiles,
    random: Xoshiro256PlusPlus,
    /// Longest that it waits for the function, microseconds.
    pub(super) timeout_us: u32,
}

impl Gateway {
    pub(super) fn new(system: &System, start_us: u64, seed: Seed) -> Self {
        let model = &facts::model(system.era).gateway;
        let (rate, burst) = (u64::from(system.gateway.rate), u64::from(system.gateway.burst));
        Self {
            buckets: vec![Bucket::new(rate, burst, start_us); system.regions.len()],
            overhead: Quantiles::from_points(&model.overhead),
            random: seed.stream("gateway"),
            timeout_us: model.timeout_us as u32,
        }
    }

    /// Leaves `remains_ppm` of rate and burst to a region from here on.
    pub(super) fn throttle(&mut self, now_us: u64, region: usize, remains_ppm: u32) {
        self.buckets[region].throttle(now_us, remains_ppm);
    }

    /// Whether the region takes one more request.
    #[inline]
    pub(super) fn admit(&mut self, now_us: u64, region: usize) -> bool {
        self.buckets[region].take(now_us, 1)
    }

    /// Its own time for one request, microseconds.
    #[inline]
    pub(super) fn overhead_us(&mut self) -> u32 {
        self.overhead.draw(self.random.next_u32())
    }
}
