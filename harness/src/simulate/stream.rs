//! The Kinesis stream: shards that take records at a limited rate and keep them for a day.
//!
//! Not here: who reads them (see [`super::centre`]).

use std::collections::VecDeque;

use georush_core::{UsageEvent, time::DAY_US};
use rand::{Rng, rngs::Xoshiro256PlusPlus};

use super::{bucket::Bucket, sample::Quantiles, seed::Seed};
use crate::{facts, scenario::System};

/// What one put brought in. It stands for as many Kinesis records as there were log streams in it.
#[derive(Debug, Clone)]
struct Record {
    available_us: u64,
    /// A second copy of something that is in the stream already.
    copy: bool,
    events: Vec<UsageEvent>,
}

struct Shard {
    records: VecDeque<Record>,
    /// Sequence number of the front record.
    first: u64,
    /// Last sequence number ever read.
    read: u64,
    records_bucket: Bucket,
    bytes_bucket: Bucket,
}

/// The stream.
pub(super) struct Stream {
    shards: Vec<Shard>,
    line_bytes: u64,
    put_unit_bytes: u64,
    put_units: u64,
    put_to_get: Quantiles,
    random: Xoshiro256PlusPlus,
    spare: Vec<Vec<UsageEvent>>,
    unread: u64,
    read: u64,
    expired: u64,
}

impl Stream {
    pub(super) fn new(system: &System, shards: u16, start_us: u64, seed: Seed) -> Self {
        let model = facts::model(system.era);
        let records = u64::from(model.stream.records_per_second);
        let bytes = u64::from(model.stream.bytes_per_second);
        let shard = |_| Shard {
            records: VecDeque::new(),
            first: 1,
            read: 0,
            records_bucket: Bucket::new(records, records, start_us),
            bytes_bucket: Bucket::new(bytes, bytes, start_us),
        };
        Self {
            shards: (0..shards).map(shard).collect(),
            line_bytes: u64::from(model.logs.line_bytes),
            put_unit_bytes: facts::prices(system.era).billing.put_unit_bytes,
            put_units: 0,
            put_to_get: Quantiles::from_points(&model.stream.put_to_get),
            random: seed.stream("stream"),
            spare: Vec::new(),
            unread: 0,
            read: 0,
            expired: 0,
        }
    }

    /// Whether the shard takes a batch of so many lines from so many log streams now; if so, its intake is used up by it.
    pub(super) fn admit(&mut self, now_us: u64, shard: usize, streams: usize, lines: usize, remains_ppm: u32) -> bool {
        let shard = &mut self.shards[shard];
        shard.records_bucket.throttle(now_us, remains_ppm);
        shard.bytes_bucket.throttle(now_us, remains_ppm);
        if shard.records_bucket.wait_us(now_us, 1) > 0 || shard.bytes_bucket.wait_us(now_us, 1) > 0 {
            return false;
        }
        let (records, bytes) = (streams.min(lines) as u64, lines as u64 * self.line_bytes);
        shard.records_bucket.reserve(records);
        shard.bytes_bucket.reserve(bytes);
        self.put_units += records * bytes.div_ceil(records.max(1) * self.put_unit_bytes);
        true
    }

    /// Appends a record; returns when a reader can get it.
    pub(super) fn put(&mut self, now_us: u64, shard: usize, events: Vec<UsageEvent>, copy: bool) -> u64 {
        let delay_us = u64::from(self.put_to_get.draw(self.random.next_u32()));
        if !copy {
            self.unread += events.len() as u64;
        }
        let shard = &mut self.shards[shard];
        // Readers get a shard's records in order: none before the one in front of it.
        let after = shard.records.back().map_or(0, |r| r.available_us);
        let available_us = (now_us + delay_us).max(after);
        shard.records.push_back(Record { available_us, copy, events });
        available_us
    }

    /// The record after `position`, if a reader can get it at `now_us`.
    pub(super) fn get(&mut self, now_us: u64, shard: usize, position: u64) -> Option<(u64, &[UsageEvent])> {
        let state = &mut self.shards[shard];
        let sequence = (position + 1).max(state.first);
        let record = state.records.get((sequence - state.first) as usize)?;
        if record.available_us > now_us {
            return None;
        }
        if sequence > state.read {
            state.read = sequence;
            if !record.copy {
                self.unread -= record.events.len() as u64;
                self.read += record.events.len() as u64;
            }
        }
        Some((sequence, &record.events))
    }

    /// When a reader at `position` can get its next record; `None` if there is none.
    pub(super) fn next_available_us(&self, shard: usize, position: u64) -> Option<u64> {
        let state = &self.shards[shard];
        let sequence = (position + 1).max(state.first);
        state.records.get((sequence - state.first) as usize).map(|r| r.available_us)
    }

    /// Drops records that nobody will ask for again (up to `checkpoint`) or that are older than the retention.
    pub(super) fn trim(&mut self, now_us: u64, shard: usize, checkpoint: u64) {
        let state = &mut self.shards[shard];
        // Source: Kinesis developer guide, 2018-03-23: records are kept for 24 hours.
        while let Some(record) = state.records.front() {
            let expired = record.available_us + DAY_US < now_us;
            if state.first > checkpoint && !expired {
                break;
            }
            if state.first > state.read && !record.copy {
                self.unread -= record.events.len() as u64;
                self.expired += record.events.len() as u64;
            }
            state.first += 1;
            if let Some(mut record) = state.records.pop_front() {
                record.events.clear();
                self.spare.push(record.events);
            }
        }
    }

    /// Shards, and PUT payload units so far; the lines of a batch are spread evenly over its records.
    pub(super) fn consumed(&self) -> (u64, u64) {
        (self.shards.len() as u64, self.put_units)
    }

    /// An empty vector, used before if possible.
    pub(super) fn spare(&mut self) -> Vec<UsageEvent> {
        self.spare.pop().unwrap_or_default()
    }

    /// Events that have not been read for the first time.
    pub(super) fn unread(&self) -> u64 {
        self.unread
    }

    /// Events that have been read at least once.
    pub(super) fn read(&self) -> u64 {
        self.read
    }

    /// Events that nobody read within the retention.
    pub(super) fn expired(&self) -> u64 {
        self.expired
    }
}
