//! What the cores were told and what they answered, as lines of JSON, when asked for: replaying it must give the same answers.
//!
//! `GEORUSH_RECORD=DIR` makes each core of a process write a file of its own there: one line on how it began, then one for each
//! input, in the order in which it took them. Not here: replaying (see [`replay`]).

pub mod replay;

use std::{
    env,
    fs::{File, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
};

use georush_core::{
    Origin, Row, Status, Timestamp, UsageEvent, WindowKind,
    aggregator::{self, Lane},
    edge::{self, Decision, Enforcement, OnUnavailable, Request},
    replicator::{self, Pace},
};
use serde::{Deserialize, Serialize};

/// Where recordings go.
pub const DIRECTORY: &str = "GEORUSH_RECORD";
/// How the files' names end.
pub const EXTENSION: &str = "jsonl";

/// How a core began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Begun {
    /// One shard of an edge: region, epoch, whether its own count is added, and what it does without rows (`None` closed, or the
    /// most that it admits).
    Edge(u16, u16, bool, Option<u64>),
    /// An aggregator: when, its checkpoints, and the lanes with their gaps (region, epoch, number, next, missing).
    Aggregator(u64, Vec<u64>, Vec<KnownLane>),
    /// A replicator: poll, changes, backoff and most backoff of its pace, and its cursor.
    Replicator([u64; 4], u64),
}

/// Region, epoch, number, next, missing.
pub type KnownLane = (u16, u16, u16, u64, Vec<(u64, u64)>);

/// What a core was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Told {
    /// An edge: a request.
    Ask(Box<Ask>),
    /// An aggregator: when, shard, sequence number, events.
    Record(u64, u16, u64, Vec<[u64; 9]>),
    /// An aggregator: when, shard.
    EndOfRead(u64, u16),
    /// An aggregator: when, shard.
    Stored(u64, u16),
    /// A replicator: the newest change.
    Changes(u64),
    /// A replicator.
    Written,
    /// A replicator.
    Refused,
}

/// A request and the row that it was decided by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    now: u64,
    subject: u32,
    cost: u16,
    lane: u16,
    readable: bool,
    quota: u64,
    /// Day, anchored day or month.
    window: u8,
    anchor: u64,
    revoked: bool,
    /// Window, total and own of the usage.
    usage: (u32, u64, u64),
}

/// A line of a recording.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    told: Told,
    /// What the core answered, as text.
    answer: String,
}

/// Writes down what one core takes and gives; nothing unless asked for.
#[derive(Debug, Default)]
pub struct Recorder(Option<BufWriter<File>>);

impl Recorder {
    /// A recorder of a core that begins now, if this process is to record.
    #[must_use]
    pub fn begin(name: &str, begun: impl FnOnce() -> Begun) -> Self {
        let Some(directory) = env::var_os(DIRECTORY).map(PathBuf::from) else { return Self(None) };
        match Self::within(&directory, name, &begun()) {
            Ok(recorder) => recorder,
            Err(error) => {
                tracing::error!(%error, directory = %directory.display(), "a core is not recorded");
                Self(None)
            }
        }
    }

    /// A recorder in a directory.
    ///
    /// # Errors
    /// If a file can't be made there.
    pub fn within(directory: &Path, name: &str, begun: &Begun) -> io::Result<Self> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = directory.join(format!("{name}-{}-{number}.{EXTENSION}", process::id()));
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        let mut recorder = Self(Some(BufWriter::new(file)));
        recorder.line(begun);
        // However soon the process ends, its recording says that there was a core.
        recorder.flush();
        Ok(recorder)
    }

    /// Whether anything is written down.
    #[inline]
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// A request at an edge.
    pub fn ask(
        &mut self,
        now: Timestamp,
        request: Request,
        row: &Row,
        readable: bool,
        answer: (&Decision, &[edge::Effect]),
    ) {
        let plan = &row.plan;
        let ask = Ask {
            now: now.0,
            subject: request.subject.0,
            cost: request.cost,
            lane: request.lane,
            readable,
            quota: plan.plan.quota,
            window: match plan.plan.window {
                WindowKind::DayUtc => 0,
                WindowKind::Anchored24h => 1,
                WindowKind::MonthCalendar => 2,
            },
            anchor: plan.anchor.0,
            revoked: plan.status == Status::Revoked,
            usage: (row.usage.window.0, row.usage.total, row.usage.own),
        };
        self.line(&Entry { told: Told::Ask(Box::new(ask)), answer: replay::edge_answer(answer.0, answer.1) });
    }

    /// An input of an aggregator.
    pub fn aggregator(&mut self, now: Timestamp, input: &aggregator::Input<'_>, answer: &[aggregator::Effect]) {
        let told = match *input {
            aggregator::Input::Record { shard, sequence, events } => {
                Told::Record(now.0, shard, sequence, events.iter().map(numbers).collect())
            }
            aggregator::Input::EndOfRead { shard } => Told::EndOfRead(now.0, shard),
            aggregator::Input::Written { shard } => Told::Stored(now.0, shard),
        };
        self.line(&Entry { told, answer: format!("{answer:?}") });
    }

    /// An input of a replicator.
    pub fn replicator(&mut self, input: replicator::Input, answer: &[replicator::Effect]) {
        let told = match input {
            replicator::Input::Changes { newest } => Told::Changes(newest),
            replicator::Input::Written => Told::Written,
            replicator::Input::Refused => Told::Refused,
        };
        self.line(&Entry { told, answer: format!("{answer:?}") });
    }

    /// Makes what was written down so far outlive this process.
    pub fn flush(&mut self) {
        if let Some(file) = &mut self.0
            && let Err(error) = file.flush()
        {
            self.give_up(&error);
        }
    }

    fn line(&mut self, line: &impl Serialize) {
        let Some(file) = &mut self.0 else { return };
        let written = serde_json::to_writer(&mut *file, line).map_err(io::Error::from);
        if let Err(error) = written.and_then(|()| file.write_all(b"\n")) {
            self.give_up(&error);
        }
    }

    fn give_up(&mut self, error: &io::Error) {
        tracing::error!(%error, "a core is no longer recorded");
        self.0 = None;
    }
}

impl Begun {
    /// One shard of an edge.
    #[must_use]
    pub fn edge(origin: Origin, enforcement: Enforcement, on_unavailable: OnUnavailable) -> Self {
        let most = match on_unavailable {
            OnUnavailable::Open => Some(u64::MAX),
            OnUnavailable::Closed => None,
            OnUnavailable::Safe(most) => Some(most),
        };
        Self::Edge(origin.region, origin.epoch, enforcement == Enforcement::ReplicatedPlusLocal, most)
    }

    /// An aggregator.
    #[must_use]
    pub fn aggregator(now: Timestamp, checkpoints: &[u64], lanes: &[Lane]) -> Self {
        let lane = |lane: &Lane| (lane.origin.region, lane.origin.epoch, lane.number, lane.next, lane.missing.clone());
        Self::Aggregator(now.0, checkpoints.to_vec(), lanes.iter().map(lane).collect())
    }

    /// A replicator.
    #[must_use]
    pub fn replicator(pace: Pace, cursor: u64) -> Self {
        Self::Replicator([pace.poll_us, pace.changes_max, pace.backoff_us, pace.backoff_us_max], cursor)
    }
}

fn numbers(event: &UsageEvent) -> [u64; 9] {
    [
        event.at.0,
        event.sequence,
        event.cumulative,
        u64::from(event.subject.0),
        u64::from(event.window.0),
        u64::from(event.origin.region),
        u64::from(event.origin.epoch),
        u64::from(event.cost),
        u64::from(event.lane),
    ]
}
