//! The aggregator: turns records of usage events into changes of central counts, and decides when a checkpoint is safe.
//!
//! Not here: reading the stream, writing the table. What it holds in memory may be lost at any moment; a restart begins
//! at the stored checkpoints.

mod gaps;

pub use gaps::{Gaps, Lane};

use crate::{
    count::Change,
    identifier::SubjectId,
    time::Timestamp,
    usage::{Origin, UsageEvent},
    window::WindowId,
};

/// How events become counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aggregation {
    /// Raise each origin's component to the highest cumulative count seen. Exact under duplicates, replays and loss of
    /// all but the last line.
    Cumulative,
    /// Add each event's cost, then move the checkpoint. What a first implementation does; every replay counts again.
    AddThenCheckpoint,
}

/// What has happened.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// The next record of a shard was read. Sequence numbers grow within a shard.
    Record {
        /// The shard it came from.
        shard: u16,
        /// Its sequence number.
        sequence: u64,
        /// The events in it.
        events: &'a [UsageEvent],
    },
    /// The read of this shard has no more records for now: write what was gathered.
    EndOfRead {
        /// The shard.
        shard: u16,
    },
    /// All updates asked for since the last `EndOfRead` of this shard are durable.
    Written {
        /// The shard.
        shard: u16,
    },
}

/// What must happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Change one component of one central count. Adjacent updates of the same subject and window are one write.
    Update(Update),
    /// Store that everything up to and including this sequence number has been counted, and the gaps.
    Checkpoint {
        /// The shard.
        shard: u16,
        /// The last sequence number counted.
        sequence: u64,
    },
}

/// A change of one component of one central count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Update {
    /// Whose count.
    pub subject: SubjectId,
    /// In which window.
    pub window: WindowId,
    /// Whose component.
    pub origin: Origin,
    /// What to do to it.
    pub change: Change,
}

const NONE: u32 = u32::MAX;

/// An update in the making, chained to the next one of the same row.
#[derive(Debug, Clone, Copy)]
struct Gathered {
    update: Update,
    next: u32,
}

/// Where a subject's updates of the current read begin, if `read` is the current one.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    read: u32,
    first: u32,
}

#[derive(Debug, Clone, Copy)]
struct Shard {
    /// Last sequence number gathered.
    read: u64,
    checkpoint: u64,
    checkpointed_at: Timestamp,
}

/// One aggregator in one life.
#[derive(Debug, Clone)]
pub struct Aggregator {
    aggregation: Aggregation,
    checkpoint_every_us: u64,
    shards: Vec<Shard>,
    gaps: Gaps,
    read: u32,
    slots: Vec<Slot>,
    heads: Vec<u32>,
    gathered: Vec<Gathered>,
}

impl Aggregator {
    /// An aggregator that begins after the given checkpoints, one per shard, knowing the gaps stored with them.
    #[must_use]
    pub fn new(
        now: Timestamp,
        aggregation: Aggregation,
        checkpoint_every_us: u64,
        checkpoints: &[u64],
        gaps: Gaps,
    ) -> Self {
        let shard = |&checkpoint| Shard { read: checkpoint, checkpoint, checkpointed_at: now };
        Self {
            aggregation,
            checkpoint_every_us,
            shards: checkpoints.iter().map(shard).collect(),
            gaps,
            read: 1,
            slots: Vec::new(),
            heads: Vec::new(),
            gathered: Vec::new(),
        }
    }

    /// The last sequence number of `shard` that this life has taken in; reading goes on after it.
    #[must_use]
    pub fn position(&self, shard: u16) -> u64 {
        self.shards.get(usize::from(shard)).map_or(0, |shard| shard.read)
    }

    /// What is known to be missing; to be stored with each checkpoint.
    #[must_use]
    pub fn gaps(&self) -> &Gaps {
        &self.gaps
    }

    /// Takes in what happened and appends what must happen next.
    pub fn handle(&mut self, now: Timestamp, input: Input<'_>, outbox: &mut Vec<Effect>) {
        match input {
            Input::Record { shard, sequence, events } => {
                let shard = self.shard(now, shard);
                if sequence > shard.read {
                    shard.read = sequence;
                    self.gaps.see(events);
                    events.iter().for_each(|event| self.gather(event));
                }
            }
            Input::EndOfRead { shard: _ } => self.emit(outbox),
            Input::Written { shard } => self.checkpoint(now, shard, outbox),
        }
    }

    /// A shard; one that is new begins at its beginning.
    #[inline]
    fn shard(&mut self, now: Timestamp, shard: u16) -> &mut Shard {
        let shard = usize::from(shard);
        if shard >= self.shards.len() {
            self.shards.resize(shard + 1, Shard { read: 0, checkpoint: 0, checkpointed_at: now });
        }
        &mut self.shards[shard]
    }

    fn gather(&mut self, event: &UsageEvent) {
        let change = match self.aggregation {
            Aggregation::Cumulative => Change::Raise(event.cumulative),
            Aggregation::AddThenCheckpoint => Change::Add(u64::from(event.cost)),
        };
        let update = Update { subject: event.subject, window: event.window, origin: event.origin, change };
        if event.subject.index() >= self.slots.len() {
            self.slots.resize(event.subject.index() + 1, Slot::default());
        }
        let slot = &mut self.slots[event.subject.index()];
        if slot.read != self.read {
            *slot = Slot { read: self.read, first: self.gathered.len() as u32 };
            self.heads.push(slot.first);
            self.gathered.push(Gathered { update, next: NONE });
            return;
        }
        let end = self.gathered.len() as u32;
        let mut at = slot.first as usize;
        loop {
            let there = &mut self.gathered[at];
            if there.update.origin == update.origin && there.update.window == update.window {
                there.update.change = merged(there.update.change, change);
                return;
            }
            if there.next == NONE {
                there.next = end;
                self.gathered.push(Gathered { update, next: NONE });
                return;
            }
            at = there.next as usize;
        }
    }

    /// Emits the gathered updates, those of one row side by side, rows in the order of their first event.
    fn emit(&mut self, outbox: &mut Vec<Effect>) {
        for &head in &self.heads {
            let row = outbox.len();
            let mut at = head;
            while at != NONE {
                let Gathered { update, next } = self.gathered[at as usize];
                outbox.push(Effect::Update(update));
                at = next;
            }
            // A subject seldom has two windows in one read; sorting keeps the updates of each window adjacent.
            if outbox.len() - row > 1 {
                outbox[row..].sort_by_key(|effect| match effect {
                    Effect::Update(update) => update.window,
                    Effect::Checkpoint { .. } => WindowId(u32::MAX),
                });
            }
        }
        self.heads.clear();
        self.gathered.clear();
        self.read = self.read.wrapping_add(1);
    }

    fn checkpoint(&mut self, now: Timestamp, shard: u16, outbox: &mut Vec<Effect>) {
        let every_us = self.checkpoint_every_us;
        let state = self.shard(now, shard);
        if state.read > state.checkpoint && now.since(state.checkpointed_at) >= every_us {
            state.checkpoint = state.read;
            state.checkpointed_at = now;
            outbox.push(Effect::Checkpoint { shard, sequence: state.read });
        }
    }
}

fn merged(a: Change, b: Change) -> Change {
    match (a, b) {
        (Change::Raise(a), Change::Raise(b)) => Change::Raise(a.max(b)),
        (Change::Add(a), Change::Add(b)) => Change::Add(a + b),
        (Change::Raise(_), Change::Add(_)) | (Change::Add(_), Change::Raise(_)) => {
            unreachable!("an aggregator uses one kind of change")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(subject: u32, region: u16, window: u32, cumulative: u64) -> UsageEvent {
        UsageEvent {
            at: Timestamp(0),
            sequence: cumulative,
            cumulative,
            subject: SubjectId(subject),
            window: WindowId(window),
            origin: Origin { region, epoch: 0 },
            cost: 1,
            lane: 0,
        }
    }

    fn read(aggregator: &mut Aggregator, sequence: u64, events: &[UsageEvent]) -> Vec<Effect> {
        let mut outbox = Vec::new();
        aggregator.handle(Timestamp(0), Input::Record { shard: 0, sequence, events }, &mut outbox);
        aggregator.handle(Timestamp(0), Input::EndOfRead { shard: 0 }, &mut outbox);
        outbox
    }

    fn updates(effects: &[Effect]) -> Vec<(u32, u32, u16, Change)> {
        let update = |effect: &Effect| match effect {
            Effect::Update(u) => Some((u.subject.0, u.window.0, u.origin.region, u.change)),
            Effect::Checkpoint { .. } => None,
        };
        effects.iter().filter_map(update).collect()
    }

    #[test]
    fn events_of_one_row_become_one_write_per_origin() {
        let events = [event(7, 0, 1, 1), event(8, 0, 1, 1), event(7, 1, 1, 4), event(7, 0, 2, 1), event(7, 0, 1, 2)];
        let mut cumulative = Aggregator::new(Timestamp(0), Aggregation::Cumulative, 0, &[0], Gaps::default());
        assert_eq!(
            updates(&read(&mut cumulative, 1, &events)),
            [
                (7, 1, 0, Change::Raise(2)),
                (7, 1, 1, Change::Raise(4)),
                (7, 2, 0, Change::Raise(1)),
                (8, 1, 0, Change::Raise(1))
            ]
        );
        let mut adding = Aggregator::new(Timestamp(0), Aggregation::AddThenCheckpoint, 0, &[0], Gaps::default());
        assert_eq!(
            updates(&read(&mut adding, 1, &events)),
            [
                (7, 1, 0, Change::Add(2)),
                (7, 1, 1, Change::Add(1)),
                (7, 2, 0, Change::Add(1)),
                (8, 1, 0, Change::Add(1))
            ]
        );
    }

    #[test]
    fn the_checkpoint_follows_the_writes_and_not_more_often_than_asked() {
        let mut aggregator = Aggregator::new(Timestamp(0), Aggregation::Cumulative, 100, &[0], Gaps::default());
        assert!(!read(&mut aggregator, 5, &[event(0, 0, 0, 1)]).iter().any(|e| matches!(e, Effect::Checkpoint { .. })));
        let mut outbox = Vec::new();
        aggregator.handle(Timestamp(99), Input::Written { shard: 0 }, &mut outbox);
        assert_eq!(outbox, []);
        aggregator.handle(Timestamp(100), Input::Written { shard: 0 }, &mut outbox);
        assert_eq!(outbox, [Effect::Checkpoint { shard: 0, sequence: 5 }]);
    }

    #[test]
    fn a_record_at_or_before_the_position_is_not_taken_in_again() {
        let mut aggregator = Aggregator::new(Timestamp(0), Aggregation::AddThenCheckpoint, 0, &[4], Gaps::default());
        assert_eq!(updates(&read(&mut aggregator, 4, &[event(0, 0, 0, 1)])), []);
        assert_eq!(updates(&read(&mut aggregator, 5, &[event(0, 0, 0, 2)])), [(0, 0, 0, Change::Add(1))]);
    }
}
