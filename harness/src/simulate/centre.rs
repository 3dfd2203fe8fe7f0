//! The aggregator at work on the central table.
//!
//! Not here: what to count (the core's [`Aggregator`]). The central table has one writer, so the updates of a read commit
//! one after the other. Faults are known ahead: a read that an aggregator does not survive commits as far as it came.

use georush_core::{
    Timestamp,
    aggregator::{Aggregation, Aggregator, Effect, Gaps, Input, Update},
};
use rand::{Rng, rngs::Xoshiro256PlusPlus};

use super::{
    changes::Changes,
    rows::Rows,
    sample::Quantiles,
    seed::Seed,
    stream::Stream,
    timeline::{Stop, Timeline},
};
use crate::{
    facts,
    oracle::ledger::Ledger,
    scenario::{Node, Scenario, Stages},
};

/// What survives the aggregator: its checkpoints, in the same database as the counts.
#[derive(Debug, Clone)]
struct Stored {
    checkpoints: Vec<u64>,
    gaps: Gaps,
}

/// The aggregator, its host and the central table's writer.
pub(super) struct Centre {
    core: Aggregator,
    stored: Stored,
    /// Last record whose effects are all in the table, by shard.
    applied: Vec<u64>,
    /// When the last read ended, microseconds.
    last_us: u64,
    /// First instant of the polling grid.
    start_us: u64,
    poll_us: u64,
    records_max: u32,
    /// How to aggregate, and how often to store a checkpoint, microseconds.
    settings: (Aggregation, u64),
    put: Quantiles,
    random: Xoshiro256PlusPlus,
    outbox: Vec<Effect>,
    writes: u64,
}

/// What the aggregator reads and writes.
pub(super) struct World<'a> {
    pub(super) stream: &'a mut Stream,
    pub(super) rows: &'a mut Rows,
    pub(super) changes: &'a mut Changes,
    pub(super) timeline: &'a Timeline,
    pub(super) ledger: &'a mut Ledger,
}

impl Centre {
    pub(super) fn new(scenario: &Scenario, stages: &Stages, seed: Seed) -> Self {
        let model = facts::model(scenario.system.era);
        let stored = Stored { checkpoints: vec![0; usize::from(stages.shards)], gaps: Gaps::default() };
        let settings = (scenario.system.aggregation, stages.checkpoint_every_us);
        Self {
            core: start(scenario.start, settings, &stored),
            applied: stored.checkpoints.clone(),
            stored,
            last_us: scenario.start.0,
            start_us: scenario.start.0,
            poll_us: stages.poll_us,
            records_max: model.stream.records_max,
            settings,
            put: Quantiles::from_points(&model.central.put),
            random: seed.stream("central"),
            outbox: Vec::new(),
            writes: 0,
        }
    }

    /// The first poll at or after `us`.
    pub(super) fn poll_at_or_after(&self, us: u64) -> u64 {
        self.start_us + us.saturating_sub(self.start_us).div_ceil(self.poll_us) * self.poll_us
    }

    /// The last record of a shard that the aggregator has taken in.
    pub(super) fn position(&self, shard: u16) -> u64 {
        self.core.position(shard)
    }

    /// Reads one shard at `now_us`. Returns when to read it again; `None` if it holds nothing more.
    pub(super) fn poll(&mut self, now_us: u64, shard: u16, world: &mut World<'_>) -> Option<u64> {
        if now_us < self.last_us {
            return Some(self.last_us);
        }
        let since_us = std::mem::replace(&mut self.last_us, now_us);
        if let Some(until_us) = world.timeline.killed_until(Node::Aggregator, since_us, now_us) {
            self.restart(until_us.max(now_us));
            if until_us > now_us {
                return Some(until_us);
            }
        }
        let stop = world.timeline.next_stop(Node::Aggregator, now_us);
        if let Some((span, Stop::Paused)) = stop
            && span.at_us <= now_us
        {
            return Some(span.until_us);
        }
        let index = usize::from(shard);
        world.stream.trim(now_us, index, self.stored.checkpoints[index]);
        self.read(now_us, shard, world);
        if let Some(until_us) = self.write(now_us, world) {
            self.restart(until_us);
            return Some(until_us.max(now_us + 1));
        }
        let end_us = self.last_us;
        self.applied[index] = self.core.position(shard);
        self.finish(end_us, shard, world);
        let available_us = world.stream.next_available_us(index, self.core.position(shard))?;
        Some(self.poll_at_or_after(available_us.max(end_us).max(now_us + 1)))
    }

    fn read(&mut self, now_us: u64, shard: u16, world: &mut World<'_>) {
        let now = Timestamp(now_us);
        self.outbox.clear();
        for _ in 0..self.records_max {
            let position = self.core.position(shard);
            let Some((sequence, events)) = world.stream.get(now_us, usize::from(shard), position) else { break };
            self.core.handle(now, Input::Record { shard, sequence, events }, &mut self.outbox);
        }
        self.core.handle(now, Input::EndOfRead { shard }, &mut self.outbox);
    }

    /// Commits the updates one row after the other, until done or dead; if it died, when it is up again.
    fn write(&mut self, now_us: u64, world: &mut World<'_>) -> Option<u64> {
        let effects = std::mem::take(&mut self.outbox);
        prefetch(&effects, world);
        let mut stop = world.timeline.next_stop(Node::Aggregator, now_us);
        let mut at_us = now_us;
        let mut died_until_us = None;
        for group in effects.chunk_by(same_row) {
            at_us += u64::from(self.put.draw(self.random.next_u32()));
            match stop {
                Some((span, Stop::Killed)) if span.at_us <= at_us => {
                    died_until_us = Some(span.until_us);
                    at_us = span.at_us;
                    break;
                }
                Some((span, Stop::Paused)) if span.at_us <= at_us => {
                    at_us += span.until_us - span.at_us.max(now_us);
                    stop = world.timeline.next_stop(Node::Aggregator, span.until_us);
                }
                Some(_) | None => {}
            }
            self.commit(at_us, group, world);
        }
        self.outbox = effects;
        self.last_us = at_us;
        died_until_us
    }

    fn commit(&mut self, at_us: u64, group: &[Effect], world: &mut World<'_>) {
        let Some(Effect::Update(update)) = group.first() else { return };
        let World { rows, changes, ledger, .. } = world;
        let stamp = changes.newest() + 1;
        let written = rows.write(group, stamp, |subject, window| ledger.settled(subject, window));
        self.writes += 1;
        if written.after == written.before {
            return;
        }
        changes.push(at_us, written.previous, written.after - written.before);
        ledger.counted(Timestamp(at_us), update.subject, update.window, stamp, written.before, written.after);
        ledger.visible_everywhere(update.subject, update.window, written.floor);
    }

    /// All updates are durable: a checkpoint may follow.
    fn finish(&mut self, at_us: u64, shard: u16, world: &mut World<'_>) {
        self.outbox.clear();
        self.core.handle(Timestamp(at_us), Input::Written { shard }, &mut self.outbox);
        if let Some(&Effect::Checkpoint { shard, sequence }) = self.outbox.first() {
            let index = usize::from(shard);
            self.stored.checkpoints[index] = sequence;
            self.stored.gaps = self.core.gaps().clone();
            world.ledger.checkpointed(Timestamp(at_us), sequence, self.applied[index]);
            world.stream.trim(at_us, index, sequence);
        }
    }

    /// A new life begins at the checkpoints; before `at_us` nobody reads any shard.
    fn restart(&mut self, at_us: u64) {
        self.last_us = at_us;
        self.core = start(Timestamp(at_us), self.settings, &self.stored);
    }

    /// Writes to the central table.
    pub(super) fn writes(&self) -> u64 {
        self.writes
    }

    /// Lines known to be missing.
    pub(super) fn missing(&self) -> u64 {
        self.core.gaps().missing()
    }
}

/// Brings close what the updates will touch. Rows do not depend on each other: loads overlap here, first those of the rows,
/// then those of what the rows point to; one row after the other, each would wait for memory.
fn prefetch(effects: &[Effect], World { rows, ledger, .. }: &World<'_>) {
    let mut touched = 0;
    for effect in effects {
        if let Effect::Update(Update { subject, .. }) = *effect {
            touched ^= rows.prefetch_write(subject) ^ ledger.prefetch(subject);
        }
    }
    for effect in effects {
        if let Effect::Update(Update { subject, origin, .. }) = *effect {
            touched ^= rows.prefetch_history(subject, origin) ^ ledger.prefetch_pending(subject);
        }
    }
    std::hint::black_box(touched);
}

/// Adjacent updates of the same row are one write.
fn same_row(a: &Effect, b: &Effect) -> bool {
    matches!((a, b), (Effect::Update(a), Effect::Update(b)) if a.subject == b.subject && a.window == b.window)
}

fn start(now: Timestamp, settings: (Aggregation, u64), stored: &Stored) -> Aggregator {
    Aggregator::new(now, settings.0, settings.1, &stored.checkpoints, stored.gaps.clone())
}
