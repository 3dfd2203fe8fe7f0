//! CloudWatch Logs and its subscription: log lines gather into batches, and a batch reaches the stream some seconds later.
//!
//! Not here: whether the stream takes it (see [`super::stream`]).

use georush_core::UsageEvent;
use rand::{Rng, rngs::Xoshiro256PlusPlus};

use super::{sample::Quantiles, seed::Seed};
use crate::{facts, scenario::System};

/// Lines on their way to one shard.
#[derive(Debug, Clone, Default)]
pub(super) struct Batch {
    /// Index of the region that wrote the lines.
    pub(super) region: usize,
    /// Number of the shard that will take them.
    pub(super) shard: usize,
    /// Log streams that the lines come from: one for each environment. Each becomes a record.
    pub(super) streams: usize,
    /// The lines.
    pub(super) events: Vec<UsageEvent>,
    closes_us: u64,
}

/// The log groups of all regions.
pub(super) struct Logs {
    shards: usize,
    batch_us: u64,
    batch_events_max: usize,
    batches: Vec<Batch>,
    free: Vec<u32>,
    /// The batch that takes lines, by region and shard.
    open: Vec<Option<u32>>,
    ingest: Quantiles,
    subscription: Quantiles,
    random: Xoshiro256PlusPlus,
    in_flight: u64,
}

impl Logs {
    pub(super) fn new(system: &System, shards: u16, seed: Seed) -> Self {
        let model = &facts::model(system.era).logs;
        let shards = usize::from(shards);
        Self {
            shards,
            batch_us: model.batch_us,
            batch_events_max: model.batch_events_max as usize,
            batches: Vec::new(),
            free: Vec::new(),
            open: vec![None; system.regions.len() * shards],
            ingest: Quantiles::from_points(&model.ingest),
            subscription: Quantiles::from_points(&model.subscription),
            random: seed.stream("logs"),
            in_flight: 0,
        }
    }

    /// Takes one line. Its lane is the shard that it will go to; `running` environments write at this time.
    /// Returns a new batch and when it reaches the stream, if the line opened one.
    #[inline]
    pub(super) fn line(&mut self, region: usize, running: usize, event: UsageEvent) -> Option<(u64, u32)> {
        let now_us = event.at.0;
        let shard = usize::from(event.lane);
        let slot = region * self.shards + shard;
        self.in_flight += 1;
        if let Some(id) = self.open[slot] {
            let batch = &mut self.batches[id as usize];
            if now_us < batch.closes_us && batch.events.len() < self.batch_events_max {
                batch.events.push(event);
                batch.streams = batch.streams.max(running);
                return None;
            }
        }
        let id = self.free.pop().unwrap_or_else(|| {
            self.batches.push(Batch::default());
            self.batches.len() as u32 - 1
        });
        self.open[slot] = Some(id);
        let batch = &mut self.batches[id as usize];
        (batch.region, batch.shard, batch.streams) = (region, shard, running.max(1));
        batch.closes_us = now_us + self.batch_us;
        batch.events.push(event);
        let bits = self.random.next_u64();
        let delay_us =
            u64::from(self.ingest.draw(bits as u32)) + u64::from(self.subscription.draw((bits >> 32) as u32));
        Some((now_us + self.batch_us + delay_us, id))
    }

    /// A batch that is due.
    pub(super) fn batch(&self, id: u32) -> &Batch {
        &self.batches[id as usize]
    }

    /// The batch has left; its memory is given `events` to use again.
    pub(super) fn sent(&mut self, id: u32, spare: Vec<UsageEvent>) -> Vec<UsageEvent> {
        let batch = &mut self.batches[id as usize];
        let slot = batch.region * self.shards + batch.shard;
        if self.open[slot] == Some(id) {
            self.open[slot] = None;
        }
        let events = std::mem::replace(&mut batch.events, spare);
        self.in_flight -= events.len() as u64;
        self.free.push(id);
        events
    }

    /// Lines that have not reached the stream.
    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight
    }
}
