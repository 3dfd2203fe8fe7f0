//! Regional DynamoDB tables: what a read takes, whether capacity is left for it, and DAX in front.
//!
//! Not here: the rows themselves (see [`super::rows`]).

use georush_core::{SubjectId, UsageGroup};
use rand::{Rng, rngs::Xoshiro256PlusPlus};

use super::{bucket::Bucket, sample::Quantiles, seed::Seed};
use crate::{facts, scenario::System};

/// An item in DAX.
#[derive(Debug, Clone, Copy, Default)]
struct Cached {
    expires_us: u64,
    usage: UsageGroup,
}

struct Region {
    /// Of the whole table, in half read units: an eventually consistent read takes one.
    table: Bucket,
    /// Of each partition, if there is more than one.
    partitions: Vec<Bucket>,
    cache: Vec<Cached>,
    reads: u64,
}

/// What a read cost in time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Read {
    /// The read itself, microseconds.
    pub(super) table_us: u32,
    /// Waiting for capacity before it, by the SDK's retries.
    pub(super) queue_us: u32,
}

/// The tables of all regions.
pub(super) struct Tables {
    regions: Vec<Region>,
    retries: Vec<u64>,
    get: Quantiles,
    cached: Quantiles,
    cache_ttl_us: Option<u64>,
    random: Xoshiro256PlusPlus,
}

impl Tables {
    pub(super) fn new(system: &System, subjects: usize, start_us: u64, seed: Seed) -> Self {
        let model = facts::model(system.era);
        let table = &model.table;
        let half_units = 2 * u64::from(system.table.read_capacity);
        // Source: DynamoDB developer guide, 2018-04-18: partitions = ceil(RCU / 3000 + WCU / 1000), capacity spread evenly.
        let needed = u64::from(system.table.read_capacity) * u64::from(table.partition_write)
            + u64::from(system.table.write_capacity) * u64::from(table.partition_read);
        let partitions = needed.div_ceil(u64::from(table.partition_read) * u64::from(table.partition_write)).max(1);
        let partition_half_units = if table.adaptive || system.table.on_demand {
            2 * u64::from(table.partition_read)
        } else {
            half_units.div_ceil(partitions)
        };
        let burst_s = u64::from(table.burst_s);
        let cache = if system.table.dax_ttl_us.is_some() { subjects } else { 0 };
        let region = |_: &String| Region {
            table: Bucket::new(half_units, half_units * burst_s, start_us),
            partitions: vec![
                Bucket::new(partition_half_units, partition_half_units * burst_s, start_us);
                if partitions > 1 { partitions as usize } else { 0 }
            ],
            cache: vec![Cached::default(); cache],
            reads: 0,
        };
        let waits = (0..table.retries_max).scan(0, |sum, attempt| {
            *sum += table.retry_base_us << attempt.min(20);
            Some(*sum)
        });
        Self {
            regions: system.regions.iter().map(region).collect(),
            retries: waits.collect(),
            get: Quantiles::from_points(&table.get),
            cached: Quantiles::from_points(&model.dax.get),
            cache_ttl_us: system.table.dax_ttl_us,
            random: seed.stream("table"),
        }
    }

    /// Leaves `remains_ppm` of the read capacity to a region from here on.
    pub(super) fn throttle(&mut self, now_us: u64, region: usize, remains_ppm: u32) {
        let Region { table, partitions, .. } = &mut self.regions[region];
        for bucket in std::iter::once(table).chain(partitions) {
            bucket.throttle(now_us, remains_ppm);
        }
    }

    /// The time of a read that DAX answers; `None` if it must go to the table.
    #[inline]
    pub(super) fn hit(&mut self, now_us: u64, region: usize, subject: SubjectId) -> Option<Read> {
        self.cache_ttl_us?;
        let held = self.regions[region].cache[subject.index()].expires_us > now_us;
        held.then(|| Read { table_us: self.cached.draw(self.random.next_u32()), queue_us: 0 })
    }

    /// What a reader gets: what DAX holds, or else what is in the table, which DAX then holds too.
    #[inline]
    pub(super) fn through_cache(
        &mut self,
        now_us: u64,
        region: usize,
        subject: SubjectId,
        table: impl FnOnce() -> UsageGroup,
    ) -> UsageGroup {
        let Some(ttl_us) = self.cache_ttl_us else { return table() };
        let cached = &mut self.regions[region].cache[subject.index()];
        if cached.expires_us <= now_us {
            *cached = Cached { expires_us: now_us + ttl_us, usage: table() };
        }
        cached.usage
    }

    /// One eventually consistent read. `None` if the SDK gave up for want of capacity.
    #[inline]
    pub(super) fn read(&mut self, now_us: u64, region: usize, subject: SubjectId) -> Option<Read> {
        let table_us = self.get.draw(self.random.next_u32());
        let Region { table, partitions, reads, .. } = &mut self.regions[region];
        let mut partition = match partitions.len() {
            0 => None,
            count => partitions.get_mut(spread(subject, count)),
        };
        let of_partition = partition.as_mut().map_or(0, |p| p.wait_us(now_us, 1));
        let wait_us = table.wait_us(now_us, 1).max(of_partition);
        let queue_us =
            if wait_us == 0 { 0 } else { self.retries.iter().copied().find(|&retry_us| retry_us >= wait_us)? };
        table.reserve(1);
        *reads += 1;
        if let Some(partition) = partition {
            partition.reserve(1);
        }
        Some(Read { table_us, queue_us: queue_us as u32 })
    }

    /// Reads that a region's table answered.
    pub(super) fn reads(&self, region: usize) -> u64 {
        self.regions[region].reads
    }
}

/// Which partition a subject lives in: DynamoDB hashes keys.
fn spread(subject: SubjectId, partitions: usize) -> usize {
    (subject.0.wrapping_mul(0x9E37_79B1) >> 8) as usize % partitions
}
