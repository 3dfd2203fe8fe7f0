//! A thread that takes one turn after another until it is asked to stop, and what it counts.
//!
//! Not here: what a turn is.

use std::{
    sync::{
        Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use super::Settings;
use crate::store::Error;

/// What an aggregator has done since its thread began.
#[derive(Debug, Default)]
pub struct AggregatorCounters {
    /// Holds the lease; otherwise it stands by.
    pub active: AtomicBool,
    /// Usage events taken in, repeated ones too.
    pub events: AtomicU64,
    /// Cost by which central counts grew.
    pub counted: AtomicU64,
    /// Lines put aside because they are none.
    pub dead_letters: AtomicU64,
    /// Updates of windows that are no longer kept.
    pub late: AtomicU64,
    /// Log lines known to be missing, now.
    pub missing: AtomicU64,
    /// Records of the stream that are not counted yet, at the last look.
    pub lag: AtomicU64,
    /// Turns that failed.
    pub failures: AtomicU64,
}

/// What a replicator has done since its thread began.
#[derive(Debug, Default)]
pub struct ReplicatorCounters {
    /// Groups put into the region's table.
    pub written: AtomicU64,
    /// Changes of the central table that are not in the region yet, at the last look.
    pub lag: AtomicU64,
    /// The central table is being made whole; nothing is published.
    pub held_back: AtomicBool,
    /// Items that were not what the central table had, and were published again or removed.
    pub repaired: AtomicU64,
    /// Writes that the region refused.
    pub refusals: AtomicU64,
    /// Turns that failed otherwise.
    pub failures: AtomicU64,
}

pub(super) fn add(counter: &AtomicU64, by: u64) {
    counter.fetch_add(by, Ordering::Relaxed);
}

pub(super) fn set(counter: &AtomicU64, to: u64) {
    counter.store(to, Ordering::Relaxed);
}

/// Asks threads to stop, and wakes those that wait.
#[derive(Debug, Default)]
pub(super) struct Stop {
    asked: Mutex<bool>,
    told: Condvar,
}

impl Stop {
    pub(super) fn ask(&self) {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.told.notify_all();
    }

    /// Waits, unless asked to stop; says whether it was.
    fn wait(&self, longest: Duration) -> bool {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.told.wait_timeout_while(asked, longest, |asked| !*asked);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Takes turns until asked to stop; a turn says how long to wait for the next. After a failure the part is dropped and opened
/// anew: what it held in memory may be ahead of the files.
pub(super) fn run<P>(
    name: &str,
    stop: &Stop,
    settings: Settings,
    failures: &AtomicU64,
    first: P,
    open: impl Fn() -> Result<P, Error>,
    mut turn: impl FnMut(&mut P) -> Result<Duration, Error>,
) {
    let (mut part, mut backoff) = (Some(first), settings.poll);
    loop {
        let done = part.take().map_or_else(&open, Ok).and_then(|mut part| turn(&mut part).map(|wait| (part, wait)));
        let wait = match done {
            Ok((kept, wait)) => {
                part = Some(kept);
                backoff = settings.poll;
                wait
            }
            Err(error) => {
                tracing::warn!(part = name, %error, again_in = ?backoff, "the pipeline waits");
                add(failures, 1);
                let wait = backoff;
                backoff = (backoff * 2).min(settings.backoff_max);
                wait
            }
        };
        if stop.wait(wait) {
            return;
        }
    }
}
