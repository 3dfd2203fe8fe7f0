//! From log line to regional row: the stages in virtual time, or one constant lag in their place.
//!
//! Not here: requests. They hand over usage events and read rows.

use std::collections::VecDeque;

use georush_core::{
    Origin, SubjectId, Timestamp, UsageEvent, UsageGroup,
    aggregator::{Effect, Update},
    count::Change,
    edge::Enforcement,
};
use rand::{Rng, rngs::Xoshiro256PlusPlus};

use super::{
    centre::{self, Centre},
    changes::Changes,
    logs::Logs,
    network::Network,
    queue::Queue,
    replication::{self, Replication},
    rows::Rows,
    seed::Seed,
    stream::Stream,
    timeline::{Now, Timeline},
};
use crate::{
    cost::OfStream,
    facts,
    oracle::ledger::{Ledger, Transport},
    scenario::{Pipeline as Model, Scenario, Service},
};

/// Longest that the simulation waits for the pipeline to drain after the last arrival, microseconds (a week).
const DRAIN_US_MAX: u64 = 7 * 86_400 * 1_000_000;

#[derive(Debug, Clone, Copy)]
enum Event {
    /// A batch of log lines leaves its region.
    Deliver(u32),
    /// It reaches the stream.
    Put(u32),
    /// The aggregator reads a shard.
    Poll(u16),
}

/// The stages and what is on its way between them.
struct Stages {
    queue: Queue<Event>,
    logs: Logs,
    stream: Stream,
    centre: Centre,
    replication: Replication,
    changes: Changes,
    /// Whether a read of the shard is scheduled.
    polling: Vec<bool>,
    retry_us: u64,
    duplicates: Xoshiro256PlusPlus,
    skipped: u64,
    /// Lines that the stream took, by region index.
    lines: Vec<u64>,
}

enum Kind {
    Stages(Box<Stages>),
    FixedLag { lag_us: Vec<u64>, admissions: Admissions },
}

/// When requests were admitted, as far back as some region may not see.
struct Admissions {
    at_us: VecDeque<u64>,
    dropped: u64,
    keep_us: u64,
}

impl Admissions {
    fn push(&mut self, at_us: u64) {
        self.at_us.push_back(at_us);
        while self.at_us.front().is_some_and(|&at| at + self.keep_us < at_us) {
            self.at_us.pop_front();
            self.dropped += 1;
        }
    }

    /// How many there were by then.
    fn by(&self, us: u64) -> u64 {
        self.dropped + self.at_us.partition_point(|&at| at <= us) as u64
    }

    fn all(&self) -> u64 {
        self.dropped + self.at_us.len() as u64
    }
}

/// The usage pipeline of a run.
pub(super) struct Pipeline {
    rows: Rows,
    kind: Kind,
    /// Events of the pipeline processed.
    pub(super) events: u64,
}

/// A region's lag behind the centre at some instant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown {
    /// Cost that the region's table shows.
    pub(super) counted: u64,
    /// Changes that it lacks.
    pub(super) behind: u64,
}

impl Pipeline {
    pub(super) fn new(
        scenario: &Scenario,
        network: &Network,
        timeline: &Timeline,
        subjects: usize,
        seed: Seed,
    ) -> Self {
        let system = &scenario.system;
        let components = system.enforcement == Enforcement::ReplicatedPlusLocal;
        let rows = Rows::new(subjects, system.regions.len(), components);
        let kind = match &system.pipeline {
            Model::FixedLag { lag_us } => {
                let keep_us = lag_us.iter().copied().max().unwrap_or(0);
                let admissions = Admissions { at_us: VecDeque::new(), dropped: 0, keep_us };
                Kind::FixedLag { lag_us: lag_us.clone(), admissions }
            }
            Model::Stages(stages) => Kind::Stages(Box::new(Stages {
                queue: Queue::new(),
                logs: Logs::new(system, stages.shards, seed),
                stream: Stream::new(system, stages.shards, scenario.start.0, seed),
                centre: Centre::new(scenario, stages, seed),
                replication: Replication::new(scenario, network, timeline, seed),
                changes: Changes::default(),
                polling: vec![false; usize::from(stages.shards)],
                retry_us: facts::model(system.era).logs.retry_us.max(1),
                duplicates: seed.stream("duplicates"),
                skipped: 0,
                lines: vec![0; system.regions.len()],
            })),
        };
        Self { rows, kind, events: 0 }
    }

    /// Brings what a request for `subject` will touch close. Changes nothing.
    #[inline]
    pub(super) fn prefetch(&self, subject: SubjectId) -> u64 {
        self.rows.prefetch(subject)
    }

    /// What `region`'s table shows of a subject at `now_us`.
    #[inline]
    pub(super) fn read(
        &mut self,
        now_us: u64,
        subject: SubjectId,
        region: usize,
        origin: Origin,
        timeline: &Timeline,
        ledger: &mut Ledger,
    ) -> UsageGroup {
        self.catch_up(now_us, region, timeline, ledger);
        self.rows.read(subject, region, origin)
    }

    /// Brings one region's table up to `now_us`.
    #[inline]
    fn catch_up(&mut self, now_us: u64, region: usize, timeline: &Timeline, ledger: &mut Ledger) {
        let Self { rows, kind, .. } = self;
        match kind {
            Kind::Stages(stages) => {
                let Stages { replication, changes, .. } = stages.as_mut();
                replication.advance(now_us, region, &mut replication::World { changes, rows, timeline, ledger });
            }
            Kind::FixedLag { lag_us, .. } => {
                let horizon = now_us.saturating_sub(lag_us[region]);
                // Crossings first, each at its own instant; then whatever else has become visible.
                while let Some(stamp) = ledger.next_crossing(region).filter(|&stamp| stamp <= horizon) {
                    ledger.replica_advanced(Timestamp(stamp + lag_us[region]), region, stamp);
                }
                ledger.replica_advanced(Timestamp(now_us), region, horizon);
                rows.horizons[region] = horizon;
            }
        }
    }

    /// Takes the log line of an admitted request.
    #[inline]
    pub(super) fn log(&mut self, event: UsageEvent, running: usize, now: &Now, ledger: &mut Ledger) {
        let region = usize::from(event.origin.region);
        match &mut self.kind {
            Kind::Stages(stages) => {
                if now.skips_logs[region] {
                    stages.skipped += 1;
                } else if let Some((at_us, batch)) = stages.logs.line(region, running, event) {
                    stages.queue.push(at_us, Event::Deliver(batch));
                }
            }
            Kind::FixedLag { admissions, .. } => {
                let UsageEvent { at, subject, window, origin, cumulative, .. } = event;
                let update = Effect::Update(Update { subject, window, origin, change: Change::Raise(cumulative) });
                let written = self.rows.write(&[update], at.0, |subject, window| ledger.settled(subject, window));
                ledger.counted(at, subject, window, at.0, written.before, written.after);
                ledger.visible_everywhere(subject, window, written.floor);
                admissions.push(at.0);
            }
        }
    }

    /// When the next event of the pipeline is due.
    #[inline]
    pub(super) fn next_us(&self) -> Option<u64> {
        match &self.kind {
            Kind::Stages(stages) => stages.queue.peek_at(),
            Kind::FixedLag { .. } => None,
        }
    }

    /// Processes the next event of the pipeline.
    pub(super) fn step(&mut self, now: &Now, timeline: &Timeline, ledger: &mut Ledger) {
        let Self { rows, kind, events } = self;
        let Kind::Stages(stages) = kind else { return };
        let Some((at_us, event)) = stages.queue.pop() else { return };
        *events += 1;
        match event {
            Event::Deliver(batch) => stages.deliver(at_us, batch, now, timeline),
            Event::Put(batch) => stages.put(at_us, batch, now, timeline),
            Event::Poll(shard) => stages.poll(at_us, shard, rows, timeline, ledger),
        }
        ledger.balance(Timestamp(at_us), stages.transport());
    }

    /// Brings all regions up to `now_us`.
    pub(super) fn settle(&mut self, now_us: u64, timeline: &Timeline, ledger: &mut Ledger) {
        for region in 0..self.rows.horizons.len() {
            self.catch_up(now_us, region, timeline, ledger);
        }
        self.rows.look_round();
    }

    /// Runs the pipeline until nothing is on its way, from `now_us`; returns when that was.
    pub(super) fn drain(&mut self, now_us: u64, now: &Now, timeline: &Timeline, ledger: &mut Ledger) -> u64 {
        let limit_us = now_us + DRAIN_US_MAX;
        let mut at_us = now_us;
        while let Some(next_us) = self.next_us().filter(|&us| us <= limit_us) {
            at_us = at_us.max(next_us);
            self.step(now, timeline, ledger);
        }
        match &self.kind {
            Kind::FixedLag { lag_us, .. } => at_us += lag_us.iter().copied().max().unwrap_or(0),
            Kind::Stages(_) => {
                while let Some(next_us) = self.next_replication_us().filter(|&us| us <= limit_us) {
                    at_us = at_us.max(next_us);
                    for region in 0..self.rows.horizons.len() {
                        self.catch_up(at_us, region, timeline, ledger);
                    }
                }
            }
        }
        self.settle(at_us, timeline, ledger);
        at_us
    }

    /// When replication moves on; `None` once every region holds everything.
    fn next_replication_us(&self) -> Option<u64> {
        let Kind::Stages(stages) = &self.kind else { return None };
        let newest = stages.changes.newest();
        let behind = self.rows.horizons.iter().any(|&h| h < newest);
        behind.then(|| stages.replication.next_us())
    }

    /// What a region's table shows at this moment.
    pub(super) fn shown(&self, region: usize) -> Shown {
        let horizon = self.rows.horizons[region];
        match &self.kind {
            Kind::Stages(stages) => {
                Shown { counted: stages.changes.counted(horizon), behind: stages.changes.newest() - horizon }
            }
            Kind::FixedLag { admissions, .. } => Shown { counted: admissions.by(horizon), behind: 0 },
        }
    }

    /// Events in the stream that nobody has read.
    pub(super) fn backlog(&self) -> u64 {
        match &self.kind {
            Kind::Stages(stages) => stages.stream.unread(),
            Kind::FixedLag { .. } => 0,
        }
    }

    /// Cost in the central table, all windows.
    pub(super) fn counted(&self) -> u64 {
        match &self.kind {
            Kind::Stages(stages) => stages.changes.counted(stages.changes.newest()),
            Kind::FixedLag { admissions, .. } => admissions.all(),
        }
    }

    /// Writes to the central table, and writes that reached a region.
    pub(super) fn writes(&self) -> (u64, u64) {
        match &self.kind {
            Kind::Stages(stages) => (stages.centre.writes(), stages.replication.advances()),
            Kind::FixedLag { admissions, .. } => (admissions.all(), admissions.all()),
        }
    }

    /// What a region used: rows written to its table, lines that it sent to the stream.
    pub(super) fn consumed(&self, region: usize) -> (u64, u64) {
        match &self.kind {
            Kind::Stages(stages) => (stages.replication.rows(region), stages.lines[region]),
            Kind::FixedLag { .. } => (0, 0),
        }
    }

    /// What the stream used; `None` if there is none.
    pub(super) fn stream_consumed(&self) -> Option<OfStream> {
        let Kind::Stages(stages) = &self.kind else { return None };
        let (shards, put_units) = stages.stream.consumed();
        Some(OfStream { shards, put_units })
    }

    /// Lines that the aggregator knows to be missing.
    pub(super) fn missing(&self) -> u64 {
        match &self.kind {
            Kind::Stages(stages) => stages.centre.missing(),
            Kind::FixedLag { .. } => 0,
        }
    }

    /// When a region came to hold everything; `None` if it does not.
    pub(super) fn converged(&self, region: usize, last_admission: Timestamp) -> Option<Timestamp> {
        match &self.kind {
            Kind::Stages(stages) => (self.rows.horizons[region] == stages.changes.newest())
                .then(|| Timestamp(stages.replication.arrived_us(region)).max(last_admission)),
            Kind::FixedLag { lag_us, .. } => Some(last_admission.after(lag_us[region])),
        }
    }

    /// All rows.
    pub(super) fn rows(&self) -> &Rows {
        &self.rows
    }
}

impl Stages {
    /// Where every event is that the edges have emitted.
    fn transport(&self) -> Transport {
        Transport {
            in_logs: self.logs.in_flight(),
            in_stream: self.stream.unread(),
            read: self.stream.read(),
            skipped: self.skipped + self.stream.expired(),
        }
    }

    fn deliver(&mut self, at_us: u64, id: u32, now: &Now, timeline: &Timeline) {
        let region = self.logs.batch(id).region;
        // Source: CloudWatch Logs user guide: delivery is retried while the destination is out of reach or throttles.
        if let Some(until_us) = timeline.link_down_until(at_us, region) {
            self.queue.push(until_us, Event::Deliver(id));
            return;
        }
        match timeline.delay_us(at_us, region) {
            0 => self.put(at_us, id, now, timeline),
            delay_us => self.queue.push(at_us + delay_us, Event::Put(id)),
        }
    }

    fn put(&mut self, at_us: u64, id: u32, now: &Now, timeline: &Timeline) {
        let batch = self.logs.batch(id);
        let (region, shard, streams, lines) = (batch.region, batch.shard, batch.streams, batch.events.len());
        let remains_ppm = timeline.remains_ppm(at_us, Service::Stream, None);
        if !self.stream.admit(at_us, shard, streams, lines, remains_ppm) {
            self.queue.push(at_us + self.retry_us, Event::Deliver(id));
            return;
        }
        self.lines[region] += lines as u64;
        let spare = self.stream.spare();
        let events = self.logs.sent(id, spare);
        let duplicates_ppm = now.duplicates_ppm[region];
        let repeated =
            duplicates_ppm > 0 && u64::from(self.duplicates.next_u32()) * 1_000_000 < u64::from(duplicates_ppm) << 32;
        let copy = repeated.then(|| events.clone());
        let mut available_us = self.stream.put(at_us, shard, events, false);
        if let Some(copy) = copy {
            available_us = self.stream.put(at_us, shard, copy, true).min(available_us);
        }
        if !std::mem::replace(&mut self.polling[shard], true) {
            self.queue.push(self.centre.poll_at_or_after(available_us), Event::Poll(shard as u16));
        }
    }

    fn poll(&mut self, at_us: u64, shard: u16, rows: &mut Rows, timeline: &Timeline, ledger: &mut Ledger) {
        let Self { stream, changes, centre, replication, .. } = self;
        // Versions that every region holds can be forgotten; that needs the regions as they are now.
        replication.advance_all(at_us, &mut replication::World { changes, rows, timeline, ledger });
        changes.drop_upto(rows.look_round());
        let next_us = centre.poll(at_us, shard, &mut centre::World { stream, rows, changes, timeline, ledger });
        self.polling[usize::from(shard)] = next_us.is_some();
        if let Some(next_us) = next_us {
            self.queue.push(next_us.max(at_us + 1), Event::Poll(shard));
        }
        // An aggregator that has just started anew reads every shard again from its checkpoint.
        for other in 0..self.polling.len() {
            let position = self.centre.position(other as u16);
            if !self.polling[other]
                && let Some(available_us) = self.stream.next_available_us(other, position)
            {
                self.polling[other] = true;
                let poll_us = self.centre.poll_at_or_after(available_us.max(at_us + 1));
                self.queue.push(poll_us, Event::Poll(other as u16));
            }
        }
    }
}
