//! Replays recordings through the cores and compares every answer.
//!
//! Not here: what a difference means. There must be none: a core is a function of its state and its inputs.

use std::{
    fmt,
    fs::{self, File},
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
};

use georush_core::{
    Origin, Plan, PlanGroup, Row, Status, SubjectId, Timestamp, UsageEvent, UsageGroup, Version, WindowId, WindowKind,
    aggregator::{self, Aggregation, Aggregator, Gaps, Lane},
    edge::{self, Decision, Edge, Enforcement, OnUnavailable, Request},
    replicator::{self, Pace, Replicator},
};

use super::{Ask, Begun, EXTENSION, Entry, Told};

/// What a replay came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Lives of cores: edges (one for each of their shards), aggregators, replicators.
    pub lives: [u64; 3],
    /// Inputs, by the same roles.
    pub inputs: [u64; 3],
    /// Answers that differ.
    pub differences: u64,
    /// The first of them.
    pub first: Option<Difference>,
    /// Recordings whose last line is not whole, as killed processes leave them.
    pub cut: u64,
    /// Recordings that do not even say how their core began.
    pub empty: u64,
}

/// The roles whose cores are recorded, in the order of [`Replayed`].
pub const ROLES: [&str; 3] = ["edges", "aggregator", "replicators"];

/// An answer that is not the recorded one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Which file.
    pub file: PathBuf,
    /// Which line of it, from 1.
    pub line: u64,
    /// What the core answered in the run.
    pub recorded: String,
    /// What it answers now.
    pub replayed: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, recorded, replayed } = self;
        write!(f, "{}:{line}: recorded {recorded}, replayed {replayed}", file.display())
    }
}

/// Why a recording can't be replayed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory or a file.
    #[error("{}: can't be read: {source}; give the directory that a run with --record wrote", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A line.
    #[error("{}:{line}: {found}, expected a line of a recording", path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: u64,
        /// What is wrong with it.
        found: String,
    },
    /// Nothing was recorded.
    #[error("{}: holds no recording, expected files that end in .{EXTENSION}", .0.display())]
    Nothing(PathBuf),
}

/// Replays all recordings in a directory.
///
/// # Errors
/// If one can't be read or understood.
pub fn replay(directory: &Path) -> Result<Replayed, Error> {
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Read { path, source }
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed(directory))? {
        let path = entry.map_err(failed(directory))?.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION) {
            files.push(path);
        }
    }
    if files.is_empty() {
        return Err(Error::Nothing(directory.to_owned()));
    }
    files.sort();
    let mut replayed = Replayed::default();
    for path in files {
        let file = File::open(&path).map_err(failed(&path))?;
        replayed.take(&path, BufReader::new(file))?;
    }
    Ok(replayed)
}

impl Replayed {
    /// Why nothing can be concluded: every run has cores of every role, and each says at once how it began. Empty if all is there.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let roles = ROLES.iter().zip(self.lives).filter(|(_, lives)| *lives == 0);
        let mut missing: Vec<String> = roles.map(|(role, _)| format!("no recording of {role} is there")).collect();
        if self.empty > 0 {
            missing.push(format!("recordings without a beginning: {}", self.empty));
        }
        missing
    }

    /// Replays one file.
    fn take(&mut self, path: &Path, mut reader: impl BufRead) -> Result<(), Error> {
        let (mut core, mut text, mut line) = (None::<Core>, String::new(), 0);
        loop {
            text.clear();
            let read = reader.read_line(&mut text).map_err(|source| Error::Read { path: path.to_owned(), source })?;
            if !text.ends_with('\n') {
                match core {
                    None => self.empty += 1,
                    Some(_) => self.cut += u64::from(read > 0),
                }
                return Ok(());
            }
            line += 1;
            let wrong = |found: String| Error::Line { path: path.to_owned(), line, found };
            let Some(core) = &mut core else {
                let begun = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
                let begun = Core::begin(&begun);
                self.lives[begun.role()] += 1;
                core = Some(begun);
                continue;
            };
            let Entry { told, answer } = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
            let now = core.tell(told).ok_or_else(|| wrong("an input of another role".to_owned()))?;
            self.inputs[core.role()] += 1;
            if now != answer {
                self.differences += 1;
                let (file, recorded) = (path.to_owned(), answer);
                self.first.get_or_insert(Difference { file, line, recorded, replayed: now });
            }
        }
    }
}

/// What an edge answers, as text.
pub(super) fn edge_answer(decision: &Decision, effects: &[edge::Effect]) -> String {
    format!("{decision:?} {effects:?}")
}

/// A core of any role.
enum Core {
    Edge(Edge),
    Aggregator(Aggregator),
    Replicator(Replicator),
}

impl Core {
    fn begin(begun: &Begun) -> Self {
        match begun {
            Begun::Edge(region, epoch, local, most) => {
                let origin = Origin { region: *region, epoch: *epoch };
                let enforcement = if *local { Enforcement::ReplicatedPlusLocal } else { Enforcement::Replicated };
                let on_unavailable = match most {
                    None => OnUnavailable::Closed,
                    Some(u64::MAX) => OnUnavailable::Open,
                    Some(most) => OnUnavailable::Safe(*most),
                };
                Self::Edge(Edge::new(origin, enforcement, on_unavailable))
            }
            Begun::Aggregator(now, checkpoints, lanes) => {
                let lanes = lanes.iter().map(|(region, epoch, number, next, missing)| Lane {
                    origin: Origin { region: *region, epoch: *epoch },
                    number: *number,
                    next: *next,
                    missing: missing.clone(),
                });
                let gaps = Gaps::from_lanes(lanes.collect());
                Self::Aggregator(Aggregator::new(Timestamp(*now), Aggregation::Cumulative, 0, checkpoints, gaps))
            }
            Begun::Replicator([poll_us, changes_max, backoff_us, backoff_us_max], cursor) => {
                let (poll_us, changes_max) = (*poll_us, *changes_max);
                let pace = Pace { poll_us, changes_max, backoff_us: *backoff_us, backoff_us_max: *backoff_us_max };
                Self::Replicator(Replicator::new(pace, *cursor))
            }
        }
    }

    /// Its place in [`Replayed`].
    fn role(&self) -> usize {
        match self {
            Self::Edge(_) => 0,
            Self::Aggregator(_) => 1,
            Self::Replicator(_) => 2,
        }
    }

    /// Its answer; `None` if this is no input of its role.
    fn tell(&mut self, told: Told) -> Option<String> {
        match (self, told) {
            (Self::Edge(core), Told::Ask(ask)) => {
                let mut effects = Vec::new();
                let (request, row) = (ask.request(), ask.row()?);
                let decision = core.authorize(Timestamp(ask.now), request, &row, ask.readable, &mut effects);
                Some(edge_answer(&decision, &effects))
            }
            (Self::Aggregator(core), Told::Record(now, shard, sequence, events)) => {
                let events: Vec<UsageEvent> = events.iter().map(event).collect::<Option<_>>()?;
                Some(aggregate(core, now, aggregator::Input::Record { shard, sequence, events: &events }))
            }
            (Self::Aggregator(core), Told::EndOfRead(now, shard)) => {
                Some(aggregate(core, now, aggregator::Input::EndOfRead { shard }))
            }
            (Self::Aggregator(core), Told::Stored(now, shard)) => {
                Some(aggregate(core, now, aggregator::Input::Written { shard }))
            }
            (Self::Replicator(core), told) => {
                let input = match told {
                    Told::Changes(newest) => replicator::Input::Changes { newest },
                    Told::Written => replicator::Input::Written,
                    Told::Refused => replicator::Input::Refused,
                    Told::Ask(_) | Told::Record(..) | Told::EndOfRead(..) | Told::Stored(..) => return None,
                };
                let mut effects = Vec::new();
                core.handle(input, &mut effects);
                Some(format!("{effects:?}"))
            }
            (Self::Edge(_) | Self::Aggregator(_), _) => None,
        }
    }
}

fn aggregate(core: &mut Aggregator, now: u64, input: aggregator::Input<'_>) -> String {
    let mut effects = Vec::new();
    core.handle(Timestamp(now), input, &mut effects);
    format!("{effects:?}")
}

impl Ask {
    fn request(&self) -> Request {
        Request { subject: SubjectId(self.subject), cost: self.cost, lane: self.lane }
    }

    /// `None` for a window that there is not.
    fn row(&self) -> Option<Row> {
        let window = match self.window {
            0 => WindowKind::DayUtc,
            1 => WindowKind::Anchored24h,
            2 => WindowKind::MonthCalendar,
            _ => return None,
        };
        let plan = PlanGroup {
            plan: Plan { quota: self.quota, window },
            anchor: Timestamp(self.anchor),
            status: if self.revoked { Status::Revoked } else { Status::Active },
            version: Version::default(),
        };
        let (window, total, own) = self.usage;
        let usage = UsageGroup { window: WindowId(window), total, own, version: Version::default() };
        Some(Row { plan, usage })
    }
}

/// `None` if a number is too large for what it says.
fn event(&[at, sequence, cumulative, subject, window, region, epoch, cost, lane]: &[u64; 9]) -> Option<UsageEvent> {
    Some(UsageEvent {
        at: Timestamp(at),
        sequence,
        cumulative,
        subject: SubjectId(u32::try_from(subject).ok()?),
        window: WindowId(u32::try_from(window).ok()?),
        origin: Origin { region: u16::try_from(region).ok()?, epoch: u16::try_from(epoch).ok()? },
        cost: u16::try_from(cost).ok()?,
        lane: u16::try_from(lane).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Recorder;

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("georush-record-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("writable");
        path
    }

    /// Records an edge with a quota of two that is asked three times.
    fn recorded(directory: &Path) {
        let origin = Origin { region: 3, epoch: 7 };
        let begun = Begun::edge(origin, Enforcement::ReplicatedPlusLocal, OnUnavailable::Safe(5));
        let mut recorder = Recorder::within(directory, "edge", &begun).expect("writable");
        let mut core = Edge::new(origin, Enforcement::ReplicatedPlusLocal, OnUnavailable::Safe(5));
        let ask = Ask {
            now: 1_000,
            subject: 2,
            cost: 1,
            lane: 4,
            readable: true,
            quota: 2,
            window: 0,
            anchor: 0,
            revoked: false,
            usage: (0, 0, 0),
        };
        let row = ask.row().expect("a known window");
        for _ in 0..3 {
            let mut effects = Vec::new();
            let decision = core.authorize(Timestamp(1_000), ask.request(), &row, true, &mut effects);
            recorder.ask(Timestamp(1_000), ask.request(), &row, true, (&decision, &effects));
        }
        recorder.flush();
    }

    #[test]
    fn what_was_recorded_is_answered_the_same_again() {
        let directory = scratch("same");
        recorded(&directory);
        let begun = Begun::aggregator(Timestamp(5), &[9, 0], &[]);
        let mut recorder = Recorder::within(&directory, "aggregator", &begun).expect("writable");
        let mut core = Aggregator::new(Timestamp(5), Aggregation::Cumulative, 0, &[9, 0], Gaps::default());
        let usage = event(&[1_000, 1, 1, 2, 0, 3, 7, 1, 4]).expect("small numbers");
        let record = aggregator::Input::Record { shard: 0, sequence: 10, events: &[usage] };
        for input in [record, aggregator::Input::EndOfRead { shard: 0 }, aggregator::Input::Written { shard: 0 }] {
            let mut effects = Vec::new();
            core.handle(Timestamp(6), input, &mut effects);
            recorder.aggregator(Timestamp(6), &input, &effects);
        }
        let pace = Pace { poll_us: 1, changes_max: 10, backoff_us: 1, backoff_us_max: 8 };
        let mut replicator = Recorder::within(&directory, "replicator", &Begun::replicator(pace, 4)).expect("writable");
        let mut core = Replicator::new(pace, 4);
        for input in [replicator::Input::Changes { newest: 30 }, replicator::Input::Refused] {
            let mut effects = Vec::new();
            core.handle(input, &mut effects);
            replicator.replicator(input, &effects);
        }
        recorder.flush();
        replicator.flush();
        let replayed = replay(&directory).expect("whole");
        assert_eq!((replayed.lives, replayed.inputs, replayed.differences), ([1, 1, 1], [3, 3, 2], 0));
        assert_eq!(replayed.missing(), Vec::<String>::new());
        fs::remove_dir_all(directory).expect("ours");
    }

    #[test]
    fn an_answer_that_differs_is_named_with_its_line() {
        let directory = scratch("differs");
        recorded(&directory);
        let path = fs::read_dir(&directory).expect("there").next().expect("a file").expect("readable").path();
        let text = fs::read_to_string(&path).expect("readable");
        fs::write(&path, text.replacen("OverQuota", "Admitted", 1)).expect("writable");
        let replayed = replay(&directory).expect("whole");
        let first = replayed.first.expect("a difference").to_string();
        assert_eq!(replayed.differences, 1);
        assert!(first.contains(".jsonl:4: recorded Decision { verdict: Admitted"), "{first}");
        // A process that was killed leaves half a line.
        fs::write(&path, &text[..text.len() - 9]).expect("writable");
        let replayed = replay(&directory).expect("whole but for its end");
        assert_eq!((replayed.inputs, replayed.cut, replayed.differences), ([2, 0, 0], 1, 0));
        fs::remove_dir_all(directory).expect("ours");
    }

    #[test]
    fn a_recording_that_was_deleted_or_emptied_is_missed() {
        let directory = scratch("missing");
        recorded(&directory);
        let replayed = replay(&directory).expect("whole");
        let roles = ["aggregator", "replicators"].map(|role| format!("no recording of {role} is there"));
        assert_eq!(replayed.missing(), roles);
        fs::write(directory.join("aggregator-1-0.jsonl"), "").expect("writable");
        let replayed = replay(&directory).expect("whole");
        assert_eq!((replayed.empty, replayed.missing().len()), (1, 3));
        fs::remove_dir_all(directory).expect("ours");
    }

    #[test]
    fn a_directory_without_recordings_is_one_clear_error() {
        let directory = scratch("nothing");
        let error = replay(&directory).expect_err("nothing there").to_string();
        assert!(error.ends_with("holds no recording, expected files that end in .jsonl"), "{error}");
        fs::remove_dir_all(directory).expect("ours");
    }
}
