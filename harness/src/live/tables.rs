//! What the tables say during a run: a reader that looks at the central table and at every region's, as any operator could.
//!
//! Not here: what follows from it; that is the oracle's.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
};

use georush_core::{Identifier, WindowId};
use georush_system::{
    item::Item,
    store::{Central, Directory, Error, Regional, Stream},
};

use super::clock::Clock;

/// Time between two looks.
pub const LOOK_EVERY_US: u64 = 100_000;
const CHANGES_MAX: u64 = 100_000;

/// One table, as far as it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// Cost counted, by subject, in the run's windows.
    pub counts: Vec<u64>,
    /// Their sum.
    pub total: u64,
    /// The sum over time: when it was seen (microseconds after the start), and the sum.
    pub history: Vec<(u64, u64)>,
    /// When a subject's count was first seen to have reached its quota.
    pub crossed_us: Vec<Option<u64>>,
    /// Counts that were seen to fall.
    pub fallen: u64,
    /// Changes of counts that were seen.
    pub changes: u64,
}

/// All tables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Readings {
    /// The central table.
    pub central: Reading,
    /// By region index.
    pub regions: Vec<Reading>,
    /// Log lines that the aggregator knows to be missing, at the last look.
    pub missing: u64,
    /// Records of the stream that were not counted yet: when, and how many.
    pub backlog: Vec<(u64, u64)>,
}

/// The reader.
#[derive(Debug)]
pub struct Tables {
    central: Central,
    central_position: u64,
    stream: Stream,
    regions: Vec<(Regional, u64)>,
    subjects: BTreeMap<Identifier, usize>,
    quotas: Vec<u64>,
    windows: Vec<WindowId>,
    /// What was read so far.
    pub readings: Readings,
}

impl Tables {
    /// A reader of the tables in a state directory. Subjects are known by their identifiers, each with its quota and the
    /// window that the run falls into.
    ///
    /// # Errors
    /// If a table can't be opened.
    pub fn open(
        directory: &Directory,
        regions: &[String],
        identifiers: Vec<Identifier>,
        quotas: Vec<u64>,
        windows: Vec<WindowId>,
    ) -> Result<Self, Error> {
        let subjects = identifiers.len();
        let empty = Reading { counts: vec![0; subjects], crossed_us: vec![None; subjects], ..Reading::default() };
        let open = |region: &String| directory.regional(region).map(|table| (table, 0));
        let mut central = directory.central()?;
        Ok(Self {
            // Sign-ups, which came before, count nothing.
            central_position: central.newest()?.number,
            central,
            stream: directory.stream()?,
            readings: Readings { central: empty.clone(), regions: vec![empty; regions.len()], ..Readings::default() },
            regions: regions.iter().map(open).collect::<Result<_, _>>()?,
            subjects: identifiers.into_iter().zip(0..).collect(),
            quotas,
            windows,
        })
    }

    /// Looks at everything once.
    ///
    /// # Errors
    /// If a table can't be read.
    pub fn look(&mut self, clock: &Clock) -> Result<(), Error> {
        let newest = self.central.newest()?.number;
        while newest > self.central_position {
            let items = self.central.changed(self.central_position, CHANGES_MAX)?;
            self.central_position = newest.min(self.central_position + CHANGES_MAX);
            take(&self.subjects, &self.quotas, &self.windows, &mut self.readings.central, clock, &items);
        }
        for ((table, position), reading) in self.regions.iter_mut().zip(&mut self.readings.regions) {
            let (items, upto) = table.changed_since(*position, CHANGES_MAX)?;
            *position = upto;
            take(&self.subjects, &self.quotas, &self.windows, reading, clock, &items);
        }
        let position = self.central.position(self.stream.id())?;
        self.readings.missing = position.gaps.missing();
        let behind = self.stream.behind(&position.checkpoints)?;
        self.readings.backlog.push((clock.now_us(), behind));
        Ok(())
    }

    /// Looks again and again until `stop` is set.
    ///
    /// # Errors
    /// If a table can't be read.
    pub fn watch(&mut self, clock: &Clock, stop: &AtomicBool) -> Result<(), Error> {
        while !stop.load(Ordering::Relaxed) {
            self.look(clock)?;
            clock.sleep_until(clock.now_us() + LOOK_EVERY_US);
        }
        Ok(())
    }

    /// Whether the stream is read to its end and every region holds what the centre holds.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let Readings { central, regions, backlog, .. } = &self.readings;
        let read = backlog.last().is_some_and(|&(_, behind)| behind == 0);
        read && regions.iter().all(|region| region.counts == central.counts)
    }
}

fn take(
    subjects: &BTreeMap<Identifier, usize>,
    quotas: &[u64],
    windows: &[WindowId],
    reading: &mut Reading,
    clock: &Clock,
    items: &[Item],
) {
    let (now_us, before) = (clock.now_us(), reading.total);
    for item in items {
        let (Some(&subject), Some(usage)) = (subjects.get(&item.subject), &item.usage) else { continue };
        if usage.window != windows[subject] {
            continue;
        }
        let count = usage.total();
        let held = std::mem::replace(&mut reading.counts[subject], count);
        reading.fallen += u64::from(count < held);
        reading.total = (reading.total + count).saturating_sub(held);
        reading.changes += u64::from(count != held);
        if count >= quotas[subject] {
            reading.crossed_us[subject].get_or_insert(now_us);
        }
    }
    if reading.total != before {
        reading.history.push((now_us, reading.total));
    }
}
