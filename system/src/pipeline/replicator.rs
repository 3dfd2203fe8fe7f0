//! A replicator at work: carries what changed in the central table to one region's table.
//!
//! Not here: when to ask and how much to take; that is the core's.

use std::{sync::atomic::Ordering, time::Duration};

use georush_core::{
    Timestamp, Version,
    replicator::{Effect, Input, Pace, Replicator as Core},
};

use super::{
    Settings,
    comparison::Comparison,
    micros,
    worker::{ReplicatorCounters, add, set},
};
use crate::{
    backend::{Backend, Central, Regional},
    crash,
    record::{Begun, Recorder},
    store::Error,
};

/// Changes taken by one read.
const CHANGES_MAX: u64 = 10_000;
/// Time between two removals of counts that are no longer needed.
const TIDY_EVERY_US: u64 = 600_000_000;
const COUNTS_FORGOTTEN: u32 = 10_000;

/// One region's replicator. A second one of the same region does no harm.
#[derive(Debug)]
pub struct Replicator {
    region: String,
    central: Box<dyn Central>,
    regional: Box<dyn Regional>,
    settings: Settings,
    generation: u32,
    core: Core,
    outbox: Vec<Effect>,
    recorder: Recorder,
    tidied_at: Timestamp,
    comparison: Comparison,
}

impl Replicator {
    /// A replicator that goes on after the region's cursor, or from the beginning if the central table was restored since.
    ///
    /// # Errors
    /// If a table can't be opened.
    pub fn open(backend: &dyn Backend, region: &str, settings: Settings) -> Result<Self, Error> {
        let (mut central, mut regional) = backend.replication(region)?;
        let (generation, core, recorder) = begin(region, &mut *regional, &mut *central, settings)?;
        let (region, outbox, tidied_at) = (region.to_owned(), Vec::new(), Timestamp::default());
        let comparison = Comparison::default();
        Ok(Self { region, central, regional, settings, generation, core, outbox, recorder, tidied_at, comparison })
    }

    /// Carries what is new to the region. Returns how long to wait.
    ///
    /// # Errors
    /// If the central table fails, or the region's while nothing is written. A refused write is no error: it is counted,
    /// and tried again after the wait.
    pub fn turn(&mut self, now: Timestamp, counters: &ReplicatorCounters) -> Result<Duration, Error> {
        if now.since(self.tidied_at) >= TIDY_EVERY_US {
            let before = Timestamp(now.0.saturating_sub(micros(self.settings.counts_kept)));
            while self.regional.forget(before, COUNTS_FORGOTTEN)? >= COUNTS_FORGOTTEN as usize {}
            self.tidied_at = now;
        }
        let newest = self.central.newest()?;
        if newest.generation != self.generation {
            (self.generation, self.core, self.recorder) =
                begin(&self.region, &mut *self.regional, &mut *self.central, self.settings)?;
        }
        let mut input = Some(Input::Changes { newest: newest.number });
        let mut held_back = false;
        let mut wait_us = 0;
        while let Some(happened) = input.take() {
            self.core.handle(happened, &mut self.outbox);
            if self.recorder.is_on() {
                self.recorder.replicator(happened, &self.outbox);
            }
            for effect in self.outbox.drain(..) {
                match effect {
                    Effect::PollAfter(us) => wait_us = us,
                    Effect::Write { after, upto } => {
                        let items = match self.central.changed(after, upto - after) {
                            // The region keeps what it has.
                            Err(Error::HeldBack) => {
                                held_back = true;
                                input = Some(Input::Refused);
                                continue;
                            }
                            items => items?,
                        };
                        let cursor = Version { generation: self.generation, number: upto };
                        crash::point("replicator-after-reading");
                        input = Some(match self.regional.put(&items, cursor) {
                            Ok(written) => {
                                crash::point("replicator-after-writing");
                                add(&counters.written, written);
                                Input::Written
                            }
                            Err(error) => {
                                tracing::warn!(region = self.region, %error, "the region refused a write");
                                add(&counters.refusals, 1);
                                Input::Refused
                            }
                        });
                    }
                }
            }
        }
        self.recorder.flush();
        let lag = newest.number.saturating_sub(self.core.cursor());
        set(&counters.lag, lag);
        if lag == 0 {
            let (central, regional) = (&mut *self.central, &mut *self.regional);
            match self.comparison.step(now, &self.region, central, regional, self.settings) {
                Err(Error::HeldBack) => held_back = true,
                repaired => add(&counters.repaired, repaired?),
            }
        }
        add(&counters.repaired, self.central.repaired());
        counters.held_back.store(held_back, Ordering::Relaxed);
        Ok(Duration::from_micros(wait_us))
    }
}

/// The central table's generation, a core that begins where the region is in it, and what records it.
fn begin(
    region: &str,
    regional: &mut dyn Regional,
    central: &mut dyn Central,
    settings: Settings,
) -> Result<(u32, Core, Recorder), Error> {
    let cursor = regional.cursor()?;
    let generation = central.newest()?.generation;
    let position = if cursor.generation == generation { cursor.number } else { 0 };
    let (poll_us, backoff_us_max) = (micros(settings.poll), micros(settings.backoff_max));
    let pace = Pace { poll_us, changes_max: CHANGES_MAX, backoff_us: poll_us, backoff_us_max };
    let recorder = Recorder::begin(&format!("replicator-{region}"), || Begun::replicator(pace, position));
    Ok((generation, Core::new(pace, position), recorder))
}
