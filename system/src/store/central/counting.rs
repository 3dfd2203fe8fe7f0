//! The aggregator's part of the central table: its lease, its position, and the one transaction in which counts,
//! checkpoints, gaps and dead letters become durable together.
//!
//! Not here: how events become updates.

use std::collections::HashMap;

use georush_core::{
    Identifier, Origin, SubjectId, Timestamp, Version, WindowId,
    aggregator::{Effect, Gaps, Lane, Update},
    count::{Change, Windows},
};
use rusqlite::Connection;

use super::{Central, barrier, newest, set_newest};
use crate::{
    crash,
    item::Usage,
    store::{
        error::{Error, Halt},
        items,
    },
};

/// Dead letters kept; whoever writes nonsense for hours must not fill the disk.
const DEAD_LETTERS_MAX: u32 = 10_000;

/// The right to aggregate, until somebody else takes it. Its token grows with each holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    token: u64,
    lasts_us: u64,
}

impl Lease {
    /// The lease that `token` stands for.
    #[must_use]
    pub fn new(token: u64, lasts_us: u64) -> Self {
        Self { token, lasts_us }
    }

    /// Its token, above those of all holders before.
    #[must_use]
    pub fn token(self) -> u64 {
        self.token
    }

    /// How long it lasts unless it is renewed, microseconds.
    #[must_use]
    pub fn lasts_us(self) -> u64 {
        self.lasts_us
    }
}

/// Where aggregation goes on.
#[derive(Debug, Clone)]
pub struct Position {
    /// The last sequence number counted, by shard; of those that are missing, nothing was.
    pub checkpoints: Vec<u64>,
    /// What is known to be missing.
    pub gaps: Gaps,
}

/// A line that is no usage log line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Shard of its record.
    pub shard: u16,
    /// Sequence number of its record.
    pub sequence: u64,
    /// Which line of the record, from 1.
    pub line: u32,
    /// The line, cut if it is long.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

/// A dead letter that waits for somebody to look at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Its name, as `shard/sequence/line`.
    pub id: String,
    /// The line, cut if it is long.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

/// What one transaction makes durable.
#[derive(Debug, Clone, Copy)]
pub struct Batch<'a> {
    /// Identity of the stream that it was read from.
    pub stream: &'a str,
    /// What the aggregator asks for.
    pub effects: &'a [Effect],
    /// Identifiers by number of the subject.
    pub subjects: &'a [Identifier],
    /// When the newest event of each row was decided.
    pub counted_at: &'a HashMap<(SubjectId, WindowId), Timestamp>,
    /// The lanes that may have changed.
    pub lanes: &'a [&'a Lane],
    /// Lines that are none.
    pub dead_letters: &'a [DeadLetter],
}

/// What a batch changes of one subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectChanges {
    /// The subject, as tables store it.
    pub subject: String,
    /// Its windows by number.
    windows: Vec<WindowChanges>,
}

/// What a batch changes of one subject in one window.
#[derive(Debug, Clone, PartialEq, Eq)]
struct WindowChanges {
    window: WindowId,
    counted_at: Timestamp,
    changes: Vec<(Origin, Change)>,
}

impl Batch<'_> {
    /// What it changes, in the order of subjects.
    #[must_use]
    pub fn by_subject(&self) -> Vec<SubjectChanges> {
        let update = |effect| match effect {
            &Effect::Update(update) => Some(update),
            Effect::Checkpoint { .. } => None,
        };
        let mut updates: Vec<Update> = self.effects.iter().filter_map(update).collect();
        let mut texts: Vec<(String, SubjectId)> =
            self.subjects.iter().zip(0..).map(|(subject, number)| (subject.to_string(), SubjectId(number))).collect();
        texts.sort_unstable();
        let mut places = vec![0; texts.len()];
        texts.iter().enumerate().for_each(|(place, (_, subject))| places[subject.index()] = place);
        updates.sort_by_key(|update| (places[update.subject.index()], update.window));
        let window = |updates: &[Update]| {
            let Update { subject, window, .. } = updates[0];
            WindowChanges {
                window,
                counted_at: self.counted_at.get(&(subject, window)).copied().unwrap_or_default(),
                changes: updates.iter().map(|update| (update.origin, update.change)).collect(),
            }
        };
        let subject = |updates: &[Update]| SubjectChanges {
            subject: texts[places[updates[0].subject.index()]].0.clone(),
            windows: updates.chunk_by(|a, b| a.window == b.window).map(window).collect(),
        };
        updates.chunk_by(|a, b| a.subject == b.subject).map(subject).collect()
    }
}

impl SubjectChanges {
    /// Raises the counts in `windows`; says which of them grew, and what that adds to what came of the batch.
    pub fn apply(&self, windows: &mut Windows) -> (Vec<WindowId>, Applied) {
        let (mut changed, mut applied) = (Vec::new(), Applied::default());
        for WindowChanges { window, counted_at, changes } in &self.windows {
            match windows.apply(*window, *counted_at, changes.iter().copied()) {
                None => applied.late += changes.len() as u64,
                Some(0) => {}
                Some(grown) => {
                    changed.push(*window);
                    applied.grown += grown;
                }
            }
        }
        applied.rows = changed.len() as u64;
        (changed, applied)
    }
}

/// What came of a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Applied {
    /// Windows whose counts grew.
    pub rows: u64,
    /// Cost by which counts grew.
    pub grown: u64,
    /// Updates of windows that are no longer kept, because the subject has events in two later ones.
    pub late: u64,
}

impl std::ops::AddAssign for Applied {
    fn add_assign(&mut self, other: Self) {
        self.rows += other.rows;
        self.grown += other.grown;
        self.late += other.late;
    }
}

impl Central {
    /// Takes the lease for `lasts_us` microseconds unless somebody holds it.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn acquire(&mut self, now: Timestamp, lasts_us: u64) -> Result<Option<Lease>, Error> {
        // A lease that ends later than one taken now is from a clock that has since been set back.
        let held = |expires: u64| expires > now.0 && expires <= now.after(lasts_us).0;
        let expires = |db: &Connection| db.query_row("SELECT expires FROM lease", [], |row| row.get(0));
        if self.0.read("looking at the lease", |db| Ok(held(expires(db)?)))? {
            return Ok(None);
        }
        self.0.write("taking the lease", |db| {
            if held(expires(db)?) {
                return Ok(None);
            }
            let take = "UPDATE lease SET token = token + 1, expires = ? RETURNING token";
            let token = db.query_row(take, [now.after(lasts_us).0], |row| row.get(0))?;
            Ok(Some(Lease { token, lasts_us }))
        })
    }

    /// Holds the lease for its time from now on.
    ///
    /// # Errors
    /// [`Error::Fenced`] if somebody else has taken it, or SQLite fails.
    pub fn renew(&mut self, lease: Lease, now: Timestamp) -> Result<(), Error> {
        self.0.write("renewing the lease", |db| keep(db, lease, now))
    }

    /// Gives the lease back, if it is still held.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn release(&mut self, lease: Lease) -> Result<(), Error> {
        self.0.write("releasing the lease", |db| {
            db.execute("UPDATE lease SET expires = 0 WHERE token = ?", [lease.token])?;
            Ok(())
        })
    }

    /// Where aggregation of this stream goes on; a stream that was never read begins at its beginning.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn position(&mut self, stream: &str) -> Result<Position, Error> {
        self.0.read("reading the checkpoints", |db| {
            let mut checkpoints = Vec::new();
            let mut stored = db.prepare_cached("SELECT shard, sequence FROM checkpoints WHERE stream = ?")?;
            let mut rows = stored.query([stream])?;
            while let Some(row) = rows.next()? {
                let shard = usize::from(row.get::<_, u16>(0)?);
                if shard >= checkpoints.len() {
                    checkpoints.resize(shard + 1, 0);
                }
                checkpoints[shard] = row.get(1)?;
            }
            let mut all = db.prepare_cached("SELECT region, epoch, lane, next, missing FROM lanes")?;
            let lanes = all.query_map([], |row| {
                let missing = row.get_ref(4)?.as_str()?;
                Ok(Lane {
                    origin: Origin { region: row.get(0)?, epoch: row.get(1)? },
                    number: row.get(2)?,
                    next: row.get(3)?,
                    missing: serde_json::from_str(missing).map_err(|error| {
                        rusqlite::Error::FromSqlConversionFailure(4, rusqlite::types::Type::Text, error.into())
                    })?,
                })
            })?;
            Ok(Position { checkpoints, gaps: Gaps::from_lanes(lanes.collect::<Result<_, _>>()?) })
        })
    }

    /// Makes a batch durable, all of it or nothing.
    ///
    /// # Errors
    /// [`Error::Fenced`] if somebody else has taken the lease, or SQLite fails.
    pub fn apply(&mut self, lease: Lease, now: Timestamp, batch: &Batch<'_>) -> Result<Applied, Error> {
        self.0.write("counting", |db| {
            keep(db, lease, now)?;
            let mut applied = Applied::default();
            let mut version = newest(db)?;
            // In the order of the table: neighbours are on one page.
            for changes in batch.by_subject() {
                applied += raise(db, &changes, &mut version)?;
                crash::point("aggregator-between-writes");
            }
            crash::point("aggregator-before-checkpoint");
            let mut checkpoint = db.prepare_cached("INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?)")?;
            for effect in batch.effects {
                if let Effect::Checkpoint { shard, sequence } = effect {
                    checkpoint.execute((batch.stream, shard, sequence))?;
                }
            }
            set_newest(db, version)?;
            barrier::lower(db)?;
            store_lanes(db, batch.lanes)?;
            store_dead_letters(db, batch)?;
            Ok(applied)
        })
    }

    /// The newest dead letters that wait, `most` at most, and how many do.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn dead_letters(&mut self, most: u32) -> Result<(Vec<Letter>, u64), Error> {
        self.0.read("reading dead letters", |db| {
            let count =
                db.query_row("SELECT count(*) FROM dead_letters WHERE settled IS NULL", [], |row| row.get(0))?;
            let mut statement = db.prepare_cached(
                "SELECT shard || '/' || sequence || '/' || line, text, reason FROM dead_letters WHERE settled IS NULL \
                 ORDER BY rowid DESC LIMIT ?",
            )?;
            let letters = statement
                .query_map([most], |row| Ok(Letter { id: row.get(0)?, text: row.get(1)?, reason: row.get(2)? }))?;
            Ok((letters.collect::<Result<_, _>>()?, count))
        })
    }

    /// Marks a dead letter as settled, `how` in one word; it is not listed any more, and not put aside again if it is read again.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn settle(&mut self, letter: &Letter, how: &str) -> Result<(), Error> {
        self.0.write("settling a dead letter", |db| {
            let mark =
                "UPDATE dead_letters SET settled = ? WHERE shard || '/' || sequence || '/' || line = ? AND text = ?";
            db.execute(mark, (how, &letter.id, &letter.text))?;
            Ok(())
        })
    }
}

pub(super) fn keep(db: &Connection, lease: Lease, now: Timestamp) -> Result<(), Halt> {
    let mut statement = db.prepare_cached("UPDATE lease SET expires = ? WHERE token = ?")?;
    match statement.execute((now.after(lease.lasts_us).0, lease.token))? {
        0 => Err(Error::Fenced.into()),
        _ => Ok(()),
    }
}

/// Raises the counts of one subject; writes nothing if they do not grow.
fn raise(db: &Connection, changes: &SubjectChanges, version: &mut Version) -> rusqlite::Result<Applied> {
    let subject = &changes.subject;
    let stored: Vec<Usage> = db
        .prepare_cached("SELECT window, components, counted_at, generation, number FROM usage WHERE subject = ?")?
        .query_map([subject], items::usage_of)?
        .collect::<Result<_, _>>()?;
    let mut windows = Windows::new(stored.iter().map(Usage::count).collect());
    let (changed, applied) = changes.apply(&mut windows);
    let kept = windows.kept();
    for count in kept.iter().filter(|count| changed.contains(&count.window)) {
        version.number += 1;
        let usage = Usage::new(count, *version);
        if !items::raise_usage(db, subject, &usage, version.number)? {
            items::put_usage(db, subject, &usage, version.number)?;
        }
    }
    for gone in stored.iter().filter(|usage| kept.iter().all(|count| count.window != usage.window)) {
        db.prepare_cached("DELETE FROM usage WHERE subject = ? AND window = ?")?.execute((subject, gone.window.0))?;
    }
    Ok(applied)
}

fn store_lanes(db: &Connection, lanes: &[&Lane]) -> rusqlite::Result<()> {
    let mut statement = db.prepare_cached("INSERT OR REPLACE INTO lanes VALUES (?, ?, ?, ?, ?)")?;
    for lane in lanes {
        let missing = serde_json::to_string(&lane.missing).expect("numbers are JSON");
        statement.execute((lane.origin.region, lane.origin.epoch, lane.number, lane.next, missing))?;
    }
    Ok(())
}

fn store_dead_letters(db: &Connection, batch: &Batch<'_>) -> rusqlite::Result<()> {
    let mut statement = db.prepare_cached("INSERT OR IGNORE INTO dead_letters VALUES (?, ?, ?, ?, ?, ?, NULL)")?;
    for letter in batch.dead_letters {
        statement.execute((batch.stream, letter.shard, letter.sequence, letter.line, &letter.text, &letter.reason))?;
    }
    if !batch.dead_letters.is_empty() {
        db.execute(
            "DELETE FROM dead_letters WHERE rowid <= (SELECT max(rowid) FROM dead_letters) - ?",
            [DEAD_LETTERS_MAX],
        )?;
    }
    Ok(())
}
