//! Carries usage from an edge to the stream, and rows from the region's table to the edge.
//!
//! One thread a region, away from every request. While the stream takes nothing, usage waits: here up to a bound, then in the
//! edge up to its own, and beyond that it is dropped and counted. Not here: what becomes of usage.

use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::Log;
use crate::{
    crash,
    edge::Edge,
    pipeline::{Feed, Joined, Uplink, now},
    store::Error,
    usage::Line,
};

/// Wait between two rounds.
const ROUND: Duration = Duration::from_millis(50);
/// Lines that wait here at most; each takes about 150 bytes.
const LINES_MAX: usize = 200_000;
/// Lines that one transaction takes.
const LINES_A_WRITE: usize = 10_000;

/// Between one edge and its region's files.
pub(super) struct Courier {
    edge: Arc<Edge>,
    uplink: Uplink,
    /// What brings rows, unless each request reads its own.
    feed: Option<Feed>,
    log: Log,
    rows_kept: Duration,
    lines: Vec<Line>,
    text: Vec<u8>,
    /// When the table was last read.
    read_at: Instant,
    failing: bool,
}

impl std::fmt::Debug for Courier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Courier").finish_non_exhaustive()
    }
}

/// A courier at work.
#[derive(Debug)]
pub(super) struct Started {
    over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Courier {
    pub(super) fn new(edge: Arc<Edge>, joined: Joined, log: Log, rows_kept: Duration) -> Self {
        let (uplink, feed) = (joined.uplink, Some(joined.feed));
        let read_at = Instant::now();
        Self { edge, uplink, feed, log, rows_kept, lines: Vec::new(), text: Vec::new(), read_at, failing: false }
    }

    /// Brings no rows from now on: each request reads its own.
    pub(super) fn leave_rows(&mut self) {
        self.feed = None;
    }

    /// Brings all rows that there are now.
    pub(super) fn fetch_all(&mut self) -> Result<(), Error> {
        while self.fetch()? {}
        Ok(())
    }

    /// Brings changed rows; says whether there were any.
    fn fetch(&mut self) -> Result<bool, Error> {
        let Some(feed) = &mut self.feed else { return Ok(false) };
        let items = feed.poll()?;
        for item in &items {
            self.edge.apply(now(), item);
        }
        self.edge.tally.fed_at.store(now().0, Ordering::Relaxed);
        Ok(!items.is_empty())
    }

    pub(super) fn start(mut self) -> Started {
        let over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&over);
        let work = move || {
            while !told.load(Ordering::Relaxed) {
                self.round();
                thread::park_timeout(ROUND);
            }
            self.round();
        };
        let thread = thread::Builder::new().name("courier".to_owned()).spawn(work);
        Started { over, thread: thread.expect("the system has room for a thread") }
    }

    fn round(&mut self) {
        let sent = self.send();
        let fetched = self.fetch_all();
        if fetched.is_ok() {
            self.read_at = Instant::now();
        }
        if self.feed.is_some() {
            self.edge.set_readable(self.read_at.elapsed() <= self.rows_kept);
        }
        let failure = sent.and(fetched).err();
        match &failure {
            Some(error) if !self.failing => {
                tracing::error!(%error, waiting = self.lines.len(), "usage or rows don't get through")
            }
            None if self.failing => tracing::info!("usage and rows get through again"),
            _ => {}
        }
        self.failing = failure.is_some();
    }

    fn send(&mut self) -> Result<(), Error> {
        if self.lines.len() < LINES_MAX {
            let known = self.lines.len();
            self.edge.drain(now(), &mut self.lines);
            self.write_log(known);
        }
        while !self.lines.is_empty() {
            let batch = self.lines.len().min(LINES_A_WRITE);
            crash::point("edge-before-flush");
            self.uplink.append(&self.lines[..batch])?;
            crash::point("edge-after-flush");
            self.lines.drain(..batch);
        }
        Ok(())
    }

    /// Writes the lines after the first `known` to the usage log. One that can't be written is given up, with a word.
    fn write_log(&mut self, known: usize) {
        let Some(log) = &mut self.log else { return };
        self.text.clear();
        for line in &self.lines[known..] {
            line.write(&mut self.text);
        }
        if let Err(error) = log.write_all(&self.text).and_then(|()| log.flush()) {
            tracing::error!(%error, "the usage log can't be written and is given up; the stream is not affected");
            self.log = None;
        }
    }
}

impl Started {
    /// Ends it after a last round, so that usage of everything answered is in the stream.
    pub(super) fn stop(self) {
        self.over.store(true, Ordering::Relaxed);
        self.thread.thread().unpark();
        if self.thread.join().is_err() {
            tracing::error!("a courier had panicked");
        }
    }
}
