//! The aggregator at work: reads the stream, feeds the core, makes what the core asks for durable in one transaction.
//!
//! Not here: how events become counts. All that is held in memory may be lost at any moment.

use std::{
    collections::{BTreeSet, HashMap},
    sync::atomic::Ordering,
    time::Duration,
};

use georush_core::{
    Identifier, Origin, SubjectId, Timestamp, UsageEvent, WindowId,
    aggregator::{Aggregation, Aggregator as Core, Effect, Input},
};

use super::{
    Settings, micros,
    worker::{AggregatorCounters, add, set},
};
use crate::{
    backend::{Backend, Central, Stream},
    crash,
    record::{Begun, Recorder},
    store::{Batch, DeadLetter, Error, Lease, Record},
    usage::{Line, NotALine},
};

/// Records of one shard in one turn.
const RECORDS_MAX: u32 = 64;
/// After so many events a turn reads no further shard: many share a write of their row, but memory and the lease have an end.
const EVENTS_MAX: u64 = 100_000;
/// A line from a clock this far ahead would be its subject's newest for too long.
const AHEAD_US_MAX: u64 = 3_600_000_000;
/// Characters of a dead letter that are kept.
const DEAD_LETTER_CHARS: usize = 4_096;
/// Time between two removals of what is no longer needed.
const TIDY_EVERY_US: u64 = 600_000_000;
const RECORDS_TRIMMED: u32 = 1_000;
const COUNTS_FORGOTTEN: u32 = 10_000;

/// An aggregator over one backend. Of several, one works at a time.
#[derive(Debug)]
pub struct Aggregator {
    central: Box<dyn Central>,
    stream: Box<dyn Stream>,
    settings: Settings,
    life: Option<Life>,
    regions: BTreeSet<u16>,
    /// The shard that the next turn begins with.
    next: u16,
    tidied_at: Timestamp,
}

/// From taking the lease to losing it.
#[derive(Debug)]
struct Life {
    lease: Lease,
    renewed_at: Timestamp,
    core: Core,
    recorder: Recorder,
}

/// What one turn has read. Subjects are numbered anew in each turn, so that strangers do not add up.
#[derive(Debug, Default)]
struct Gathered {
    numbers: HashMap<Identifier, SubjectId>,
    subjects: Vec<Identifier>,
    counted_at: HashMap<(SubjectId, WindowId), Timestamp>,
    lanes: BTreeSet<(Origin, u16)>,
    dead_letters: Vec<DeadLetter>,
    effects: Vec<Effect>,
    events: u64,
    records: usize,
    /// A shard has more.
    more: bool,
}

impl Aggregator {
    /// An aggregator that will begin at the stored checkpoints once it has the lease.
    ///
    /// # Errors
    /// If table or stream can't be opened.
    pub fn open(backend: &dyn Backend, settings: Settings) -> Result<Self, Error> {
        let (central, stream) = backend.aggregation()?;
        let (regions, tidied_at) = (BTreeSet::new(), Timestamp::default());
        Ok(Self { central, stream, settings, life: None, regions, next: 0, tidied_at })
    }

    /// Reads what is new and makes its counts durable; stands by if another aggregator works. Returns how long to wait.
    ///
    /// # Errors
    /// If the backend fails or another aggregator has taken over. Nothing of the turn is durable then, and the next one begins
    /// at the checkpoints.
    pub fn turn(&mut self, now: Timestamp, counters: &AggregatorCounters) -> Result<Duration, Error> {
        let life = match self.life.take() {
            Some(life) => Some(life),
            None => self.begin(now)?,
        };
        counters.active.store(life.is_some(), Ordering::Relaxed);
        let Some(mut life) = life else { return Ok(self.settings.poll) };
        match self.work(now, &mut life, counters) {
            Ok(more) => {
                self.life = Some(life);
                Ok(if more { Duration::ZERO } else { self.settings.poll })
            }
            Err(error) => {
                self.let_go(life.lease);
                Err(error)
            }
        }
    }

    /// One turn with the lease in hand; says whether there is more to read.
    fn work(&mut self, now: Timestamp, life: &mut Life, counters: &AggregatorCounters) -> Result<bool, Error> {
        let gathered = self.gather(now, life)?;
        if gathered.records > 0 {
            crash::point("aggregator-after-reading");
        }
        self.commit(now, life, &gathered, counters)?;
        if now.since(self.tidied_at) >= TIDY_EVERY_US {
            self.tidy(now, &life.core)?;
            self.tidied_at = now;
        }
        Ok(gathered.more)
    }

    fn begin(&mut self, now: Timestamp) -> Result<Option<Life>, Error> {
        let Some(lease) = self.central.acquire(now, micros(self.settings.lease))? else { return Ok(None) };
        let position = self.central.position(self.stream.id())?;
        let begun = || Begun::aggregator(now, &position.checkpoints, position.gaps.lanes());
        let recorder = Recorder::begin("aggregator", begun);
        let core = Core::new(now, Aggregation::Cumulative, 0, &position.checkpoints, position.gaps);
        Ok(Some(Life { lease, renewed_at: now, core, recorder }))
    }

    fn gather(&mut self, now: Timestamp, life: &mut Life) -> Result<Gathered, Error> {
        let (mut gathered, mut asked) = (Gathered::default(), false);
        let shards = self.stream.shards()?;
        let begin = self.next.min(shards);
        for shard in (begin..shards).chain(0..begin) {
            if gathered.events >= EVENTS_MAX {
                (self.next, gathered.more) = (shard, true);
                break;
            }
            let records = self.stream.read(shard, life.core.position(shard), RECORDS_MAX)?;
            gathered.more |= records.len() == RECORDS_MAX as usize;
            gathered.records += records.len();
            for Record { sequence, lines } in records {
                let text = String::from_utf8_lossy(&lines);
                let lines = read(&text);
                let is_new =
                    |read: &Read<'_>| read.line.as_ref().is_ok_and(|line| !self.regions.contains(&line.region));
                if !asked && lines.iter().any(is_new) {
                    self.regions = self.central.regions()?.into_iter().map(|(number, _)| number).collect();
                    asked = true;
                }
                let events = gathered.take(now, (shard, sequence), lines, &self.regions);
                life.tell(now, Input::Record { shard, sequence, events: &events }, &mut gathered.effects);
            }
            life.tell(now, Input::EndOfRead { shard }, &mut gathered.effects);
            // The checkpoint is written with the counts or not at all, and in that case this life ends.
            life.tell(now, Input::Written { shard }, &mut gathered.effects);
        }
        life.recorder.flush();
        Ok(gathered)
    }

    fn commit(
        &mut self,
        now: Timestamp,
        life: &mut Life,
        gathered: &Gathered,
        counters: &AggregatorCounters,
    ) -> Result<(), Error> {
        if gathered.records > 0 {
            let lanes = life.core.gaps().lanes().iter();
            let lanes: Vec<_> = lanes.filter(|lane| gathered.lanes.contains(&(lane.origin, lane.number))).collect();
            let batch = Batch {
                stream: self.stream.id(),
                effects: &gathered.effects,
                subjects: &gathered.subjects,
                counted_at: &gathered.counted_at,
                lanes: &lanes,
                dead_letters: &gathered.dead_letters,
            };
            let applied = self.central.apply(life.lease, now, &batch)?;
            crash::point("aggregator-after-checkpoint");
            life.renewed_at = now;
            add(&counters.events, gathered.events);
            add(&counters.counted, applied.grown);
            add(&counters.late, applied.late);
            add(&counters.dead_letters, gathered.dead_letters.len() as u64);
            if let Some(letter) = gathered.dead_letters.first() {
                let DeadLetter { shard, sequence, line, reason, .. } = letter;
                let lines = gathered.dead_letters.len();
                tracing::warn!(lines, shard, sequence, line, reason, "lines that are no usage were put aside");
            }
        } else if now.since(life.renewed_at) >= micros(self.settings.lease) / 3 {
            self.central.renew(life.lease, now)?;
            life.renewed_at = now;
        }
        let positions = self.positions(&life.core)?;
        set(&counters.lag, self.stream.lag(&positions)?);
        set(&counters.missing, life.core.gaps().missing());
        Ok(())
    }

    fn let_go(&mut self, lease: Lease) {
        if let Err(error) = self.central.release(lease) {
            tracing::warn!(%error, "the next aggregator has to wait for the lease to end");
        }
    }

    /// How far each shard was read.
    fn positions(&mut self, core: &Core) -> Result<Vec<u64>, Error> {
        Ok((0..self.stream.shards()?).map(|shard| core.position(shard)).collect())
    }

    fn tidy(&mut self, now: Timestamp, core: &Core) -> Result<(), Error> {
        let kept_since = |kept| Timestamp(now.0.saturating_sub(micros(kept)));
        let checkpoints = self.positions(core)?;
        let (records, counts) = (kept_since(self.settings.stream_kept), kept_since(self.settings.counts_kept));
        while self.stream.trim(records, &checkpoints, RECORDS_TRIMMED)? >= RECORDS_TRIMMED as usize {}
        while self.central.forget(counts, COUNTS_FORGOTTEN)? >= COUNTS_FORGOTTEN as usize {}
        Ok(())
    }
}

impl Life {
    /// Hands the core an input; its effects are appended.
    fn tell(&mut self, now: Timestamp, input: Input<'_>, effects: &mut Vec<Effect>) {
        let before = effects.len();
        self.core.handle(now, input, effects);
        if self.recorder.is_on() {
            self.recorder.aggregator(now, &input, &effects[before..]);
        }
    }
}

impl Gathered {
    /// Takes in the lines of a record; returns the events of those that are usage.
    fn take(
        &mut self,
        now: Timestamp,
        place: (u16, u64),
        lines: Vec<Read<'_>>,
        regions: &BTreeSet<u16>,
    ) -> Vec<UsageEvent> {
        let mut events = Vec::with_capacity(lines.len());
        for Read { number, text, line } in lines {
            match line.and_then(|line| check(now, line, regions)) {
                Ok(line) => events.push(self.take_line(line)),
                Err(NotALine(reason)) => {
                    let text = text.chars().take(DEAD_LETTER_CHARS).collect();
                    self.dead_letters.push(DeadLetter {
                        shard: place.0,
                        sequence: place.1,
                        line: number,
                        text,
                        reason,
                    });
                }
            }
        }
        self.events += events.len() as u64;
        events
    }

    fn take_line(&mut self, line: Line) -> UsageEvent {
        let next = SubjectId(self.subjects.len() as u32);
        let subject = self.numbers.get(&line.subject).copied().unwrap_or_else(|| {
            self.numbers.insert(line.subject.clone(), next);
            self.subjects.push(line.subject.clone());
            next
        });
        let event = line.event(subject);
        let newest = self.counted_at.entry((event.subject, event.window)).or_default();
        *newest = event.at.max(*newest);
        self.lanes.insert((event.origin, event.lane));
        event
    }
}

/// One line of a record as it was read.
struct Read<'a> {
    /// Which line of the record, from 1.
    number: u32,
    text: &'a str,
    line: Result<Line, NotALine>,
}

fn read(text: &str) -> Vec<Read<'_>> {
    let lines = text.lines().zip(1..).filter(|(text, _)| !text.is_empty());
    lines.map(|(text, number)| Read { number, text, line: text.parse() }).collect()
}

/// Whether a line can be counted: its region is known, its time not far ahead.
pub(super) fn check(now: Timestamp, line: Line, regions: &BTreeSet<u16>) -> Result<Line, NotALine> {
    if !regions.contains(&line.region) {
        return Err(NotALine(format!("field `region` is {}, expected the number of a region", line.region)));
    }
    if line.at > now.after(AHEAD_US_MAX).0 {
        return Err(NotALine(format!("field `at` is {}, expected an hour from {} at most", line.at, now.0)));
    }
    Ok(line)
}

impl Drop for Aggregator {
    fn drop(&mut self) {
        if let Some(life) = self.life.take() {
            self.let_go(life.lease);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        pipeline::{join, now},
        store::tests::Scratch,
    };

    #[test]
    fn an_aggregator_that_dies_before_its_transaction_loses_nothing() {
        let (_scratch, directory) = Scratch::new("dies");
        let mut edge = join(&directory, "eu-west-1").expect("joins");
        let subject = Identifier::Referer("shop.example".into());
        let line = |sequence| Line {
            v: 1,
            at: now().0,
            subject: subject.clone(),
            window: 1,
            region: edge.origin.region,
            epoch: edge.origin.epoch,
            lane: 0,
            sequence,
            cumulative: sequence,
            cost: 1,
        };
        let lines = [line(1), line(2)];
        edge.uplink.append(&lines).expect("written");

        let open = || Aggregator::open(&directory, Settings::default()).expect("opens");
        let mut dying = open();
        let mut life = dying.begin(now()).expect("read").expect("nobody holds the lease");
        let gathered = dying.gather(now(), &mut life).expect("read");
        assert_eq!(gathered.effects.len(), 2, "an update and a checkpoint");
        drop(dying);

        let later = now().after(10_000_000);
        let counters = AggregatorCounters::default();
        open().turn(later, &counters).expect("nobody is in the way");
        let usage = directory.central().expect("opens").item(&subject).expect("read").usage.expect("counted");
        assert_eq!(usage.components, [(edge.origin, 2)]);
    }
}
