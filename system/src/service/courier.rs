//! Carries usage from an edge to the stream, and rows from the region's table to the edge.
//!
//! Two threads a region, away from every request, so that rows come however far the stream is. While the stream takes nothing,
//! usage waits: here up to a bound, then in the edge up to its own, and beyond that it is dropped and counted. Not here: what
//! becomes of usage.

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

/// Between one edge and its region's files: what carries usage away, and what brings rows. Neither waits for the other.
pub(super) struct Courier {
    sender: Sender,
    /// Unless each request reads its own row.
    fetcher: Option<Fetcher>,
}

/// Carries usage to the stream.
struct Sender {
    edge: Arc<Edge>,
    uplink: Uplink,
    log: Log,
    lines: Vec<Line>,
    text: Vec<u8>,
    failing: bool,
}

/// Brings rows from the region's table.
struct Fetcher {
    edge: Arc<Edge>,
    feed: Feed,
    rows_kept: Duration,
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
    threads: Vec<JoinHandle<()>>,
}

impl Courier {
    pub(super) fn new(edge: Arc<Edge>, joined: Joined, log: Log, rows_kept: Duration) -> Self {
        let feed = joined.feed;
        let fetcher = Fetcher { edge: Arc::clone(&edge), feed, rows_kept, read_at: Instant::now(), failing: false };
        let (lines, text) = (Vec::new(), Vec::new());
        let sender = Sender { edge, uplink: joined.uplink, log, lines, text, failing: false };
        Self { sender, fetcher: Some(fetcher) }
    }

    /// Brings no rows from now on: each request reads its own.
    pub(super) fn leave_rows(&mut self) {
        self.fetcher = None;
    }

    /// Brings all rows that there are now.
    pub(super) fn fetch_all(&mut self) -> Result<(), Error> {
        self.fetcher.as_mut().map_or(Ok(()), Fetcher::fetch_all)
    }

    pub(super) fn start(self) -> Started {
        let over = Arc::new(AtomicBool::new(false));
        let (mut sender, told) = (self.sender, Arc::clone(&over));
        let mut threads = vec![begin("usage", move || {
            while !told.load(Ordering::Relaxed) {
                sender.round();
                thread::park_timeout(ROUND);
            }
            sender.round();
        })];
        if let Some(mut fetcher) = self.fetcher {
            let told = Arc::clone(&over);
            threads.push(begin("rows", move || {
                while !told.load(Ordering::Relaxed) {
                    fetcher.round();
                    thread::park_timeout(ROUND);
                }
            }));
        }
        Started { over, threads }
    }
}

fn begin(name: &str, work: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(work);
    thread.expect("the system has room for a thread")
}

impl Fetcher {
    fn round(&mut self) {
        let fetched = self.fetch_all();
        if fetched.is_ok() {
            self.read_at = Instant::now();
        }
        self.edge.set_readable(self.read_at.elapsed() <= self.rows_kept);
        match &fetched {
            Err(error) if !self.failing => tracing::error!(%error, "rows don't get through"),
            Ok(()) if self.failing => tracing::info!("rows get through again"),
            _ => {}
        }
        self.failing = fetched.is_err();
    }

    fn fetch_all(&mut self) -> Result<(), Error> {
        while self.fetch()? {}
        Ok(())
    }

    /// Brings changed rows; says whether there were any.
    fn fetch(&mut self) -> Result<bool, Error> {
        let items = self.feed.poll()?;
        for item in &items {
            self.edge.apply(now(), item);
        }
        self.edge.tally.fed_at.store(now().0, Ordering::Relaxed);
        Ok(!items.is_empty())
    }
}

impl Sender {
    fn round(&mut self) {
        let sent = self.send();
        match &sent {
            Err(error) if !self.failing => {
                tracing::error!(%error, waiting = self.lines.len(), "usage doesn't get through")
            }
            Ok(()) if self.failing => tracing::info!("usage gets through again"),
            _ => {}
        }
        self.failing = sent.is_err();
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
    /// Ends it after a last round of its sender, so that usage of everything answered is in the stream.
    pub(super) fn stop(self) {
        self.over.store(true, Ordering::Relaxed);
        self.threads.iter().for_each(|thread| thread.thread().unpark());
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a courier had panicked");
            }
        }
    }
}
