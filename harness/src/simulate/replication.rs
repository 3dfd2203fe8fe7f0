//! Replicators at work: one for each region, each at its own pace.
//!
//! Not here: deciding what to write (the core's [`Replicator`]). A region is brought up to date when somebody looks at
//! it; what happens does not depend on when that is.

use georush_core::{
    Timestamp,
    replicator::{Effect, Input, Pace, Replicator},
};
use rand::{Rng, rngs::Xoshiro256PlusPlus};

use super::{
    bucket::Bucket, changes::Changes, network::Network, rows::Rows, sample::Quantiles, seed::Seed, timeline::Timeline,
};
use crate::{
    facts,
    oracle::ledger::Ledger,
    scenario::{Node, Scenario, Service},
};

struct Region {
    core: Replicator,
    /// When the next thing happens here, microseconds.
    next_us: u64,
    /// When the last thing happened.
    last_us: u64,
    /// Changes up to here are on their way to the region.
    writing: Option<u64>,
    capacity: Bucket,
    random: Xoshiro256PlusPlus,
    arrived_us: u64,
    /// Rows written so far.
    rows: u64,
}

/// All replicators.
pub(super) struct Replication {
    regions: Vec<Region>,
    pace: Pace,
    round_trips_us: Vec<u64>,
    visibility: Quantiles,
    put: Quantiles,
    outbox: Vec<Effect>,
    advances: u64,
    throttled: bool,
}

/// What replicators read and write.
pub(super) struct World<'a> {
    pub(super) changes: &'a Changes,
    pub(super) rows: &'a mut Rows,
    pub(super) timeline: &'a Timeline,
    pub(super) ledger: &'a mut Ledger,
}

impl Replication {
    pub(super) fn new(scenario: &Scenario, network: &Network, timeline: &Timeline, seed: Seed) -> Self {
        let (system, start_us) = (&scenario.system, scenario.start.0);
        let model = facts::model(system.era);
        let pace = Pace {
            poll_us: model.replicator.poll_us,
            changes_max: u64::from(model.replicator.changes_max),
            backoff_us: model.replicator.backoff_us,
            backoff_us_max: model.replicator.backoff_us_max,
        };
        let (write_capacity, burst_s) = (u64::from(system.table.write_capacity), u64::from(model.table.burst_s));
        let region = |(index, name): (usize, &String)| Region {
            core: Replicator::new(pace, 0),
            // Spread over the first interval: ten processes do not start at the same instant.
            next_us: start_us + pace.poll_us * index as u64 / system.regions.len() as u64,
            last_us: start_us,
            writing: None,
            capacity: Bucket::new(write_capacity, write_capacity * burst_s, start_us),
            random: seed.stream(&format!("replicator/{name}")),
            arrived_us: start_us,
            rows: 0,
        };
        Self {
            regions: system.regions.iter().enumerate().map(region).collect(),
            pace,
            round_trips_us: (0..system.regions.len()).map(|r| network.between_us(system.central, r)).collect(),
            visibility: Quantiles::from_points(&model.replicator.visibility),
            put: Quantiles::from_points(&model.table.put),
            outbox: Vec::new(),
            advances: 0,
            throttled: timeline.throttles(Service::TableWrites),
        }
    }

    /// Brings one region up to `now_us`.
    #[inline]
    pub(super) fn advance(&mut self, now_us: u64, region: usize, world: &mut World<'_>) {
        while self.regions[region].next_us <= now_us {
            self.step(now_us, region, world);
        }
    }

    /// Brings all regions up to `now_us`.
    pub(super) fn advance_all(&mut self, now_us: u64, world: &mut World<'_>) {
        for region in 0..self.regions.len() {
            self.advance(now_us, region, world);
        }
    }

    fn step(&mut self, now_us: u64, index: usize, world: &mut World<'_>) {
        let region = &mut self.regions[index];
        let at_us = region.next_us;
        let since_us = std::mem::replace(&mut region.last_us, at_us);
        if let Some(until_us) = world.timeline.killed_until(Node::Replicator(index), since_us, at_us) {
            // A new life begins where the last acknowledged write ended.
            region.core = Replicator::new(self.pace, region.core.cursor());
            region.writing = None;
            region.next_us = until_us.max(at_us + 1);
            return;
        }
        match region.writing.take() {
            None => self.poll(now_us, at_us, index, world),
            Some(upto) if world.timeline.link_down_until(at_us, index).is_none() => {
                self.arrive(at_us, index, upto, world)
            }
            Some(_) => self.answer(at_us, index, Input::Refused),
        }
    }

    fn poll(&mut self, now_us: u64, at_us: u64, index: usize, world: &mut World<'_>) {
        let region = &mut self.regions[index];
        if let Some(until_us) = world.timeline.replication_paused_until(at_us, index) {
            region.next_us = until_us;
            return;
        }
        let cursor = region.core.cursor();
        let Some(first_us) = world.changes.committed_us(cursor + 1) else {
            // Nothing to find now or in any poll up to `now_us`: go to the first one after it.
            region.next_us = at_us + ((now_us - at_us) / self.pace.poll_us + 1) * self.pace.poll_us;
            return;
        };
        if first_us > at_us {
            region.next_us = at_us + (first_us - at_us).div_ceil(self.pace.poll_us) * self.pace.poll_us;
            return;
        }
        let bits = region.random.next_u64();
        let visible_us = at_us.saturating_sub(u64::from(self.visibility.draw(bits as u32)));
        let newest = world.changes.newest_committed_by(visible_us, cursor, cursor + self.pace.changes_max);
        self.answer(at_us, index, Input::Changes { newest });
        if let Some(&Effect::Write { after, upto }) = self.outbox.last() {
            let put_us = u64::from(self.put.draw((bits >> 32) as u32));
            self.write(at_us, index, (after, upto), put_us, world);
        }
    }

    /// Sends a write on its way. The SDK retries throttled puts until they pass, so capacity only costs time.
    fn write(&mut self, at_us: u64, index: usize, (after, upto): (u64, u64), put_us: u64, world: &World<'_>) {
        if world.timeline.link_down_until(at_us, index).is_some() {
            self.answer(at_us, index, Input::Refused);
            return;
        }
        let region = &mut self.regions[index];
        let rows = world.changes.rows(after, upto);
        if self.throttled {
            let remains = world.timeline.remains_ppm(at_us, Service::TableWrites, Some(index));
            region.capacity.throttle(at_us, remains);
        }
        let wait_us = region.capacity.wait_us(at_us, rows);
        if wait_us == u64::MAX {
            self.answer(at_us, index, Input::Refused);
            return;
        }
        let wait_us = wait_us.min(CAPACITY_WAIT_US_MAX);
        region.capacity.reserve(rows);
        region.rows += rows;
        let delay_us = 2 * world.timeline.delay_us(at_us, index);
        region.writing = Some(upto);
        region.next_us = at_us + self.round_trips_us[index] + put_us + delay_us + wait_us;
    }

    fn arrive(&mut self, at_us: u64, index: usize, upto: u64, world: &mut World<'_>) {
        self.answer(at_us, index, Input::Written);
        self.regions[index].arrived_us = at_us;
        self.advances += 1;
        world.rows.horizons[index] = upto;
        world.ledger.replica_advanced(Timestamp(at_us), index, upto);
    }

    /// Tells the core what happened and notes when it wants to be asked again.
    fn answer(&mut self, at_us: u64, index: usize, input: Input) {
        self.outbox.clear();
        self.regions[index].core.handle(input, &mut self.outbox);
        if let Some(Effect::PollAfter(wait_us)) = self.outbox.last() {
            self.regions[index].next_us = at_us + wait_us;
        }
    }

    /// Rows written to a region's table, those included that were written again.
    pub(super) fn rows(&self, region: usize) -> u64 {
        self.regions[region].rows
    }

    /// When each region last received something.
    pub(super) fn arrived_us(&self, region: usize) -> u64 {
        self.regions[region].arrived_us
    }

    /// When the next thing happens in any region.
    pub(super) fn next_us(&self) -> u64 {
        self.regions.iter().map(|r| r.next_us).min().unwrap_or(u64::MAX)
    }

    /// Writes that have reached a region.
    pub(super) fn advances(&self) -> u64 {
        self.advances
    }
}

/// Longest that one write waits for capacity before its replicator looks again, microseconds.
const CAPACITY_WAIT_US_MAX: u64 = 60_000_000;
