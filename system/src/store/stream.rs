//! The embedded stream: records of usage log lines, numbered within each shard.
//!
//! Not here: what the lines say.

mod shards;

pub use shards::{SHARDS, SHARDS_MAX, Shard};

use std::path::PathBuf;

use georush_core::Timestamp;

use super::{
    error::Error,
    file::{Durability, File},
};
use crate::crash;

/// Parts that lines may be split into: many enough for any number of shards that makes sense on one machine.
pub(super) const PARTS: u16 = 64;
/// Bytes of a record at most, unless what is appended in one piece is larger.
const RECORD_BYTES: usize = 128 << 10;

const LAYOUT: &str = "
CREATE TABLE stream (id TEXT NOT NULL) STRICT;
INSERT INTO stream VALUES (lower(hex(randomblob(8))));
CREATE TABLE shards (shard INTEGER PRIMARY KEY, newest INTEGER NOT NULL) STRICT;
CREATE TABLE records (
    shard INTEGER NOT NULL, sequence INTEGER NOT NULL, at INTEGER NOT NULL, lines BLOB NOT NULL,
    PRIMARY KEY (shard, sequence)
) STRICT;
";

/// One record: lines of JSON, each with its line break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its sequence number in its shard.
    pub sequence: u64,
    /// Its lines.
    pub lines: Vec<u8>,
}

/// An open stream.
#[derive(Debug)]
pub struct Stream {
    path: PathBuf,
    file: File,
    id: String,
    /// The shards by number, as they were when the file was `seen`.
    shards: Vec<Shard>,
    seen: Option<u64>,
    /// After which record of each shard reading went on.
    read: Vec<u64>,
}

impl Stream {
    pub(super) fn open(path: PathBuf) -> Result<Self, Error> {
        // All of it survives a loss of power: sequence numbers below a checkpoint must never be given out again.
        let mut file = File::open(path.clone(), &[LAYOUT, shards::LAYOUT], Durability::Each)?;
        let id = file.read("reading the stream's identity", |db| {
            Ok(db.query_row("SELECT id FROM stream", [], |row| row.get(0))?)
        })?;
        Ok(Self { path, file, id, shards: Vec::new(), seen: None, read: Vec::new() })
    }

    /// What tells this stream from one that was in its place before: checkpoints of that one mean nothing here.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// All shards by number, closed ones too.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn shards(&mut self) -> Result<&[Shard], Error> {
        let seen = self.file.version()?;
        if self.seen != Some(seen) {
            self.shards = self.file.read("reading the shards", shards::all)?;
            self.read.resize(self.shards.len(), 0);
            self.seen = Some(seen);
        }
        Ok(&self.shards)
    }

    /// What this connection writes does not show in the version of the file.
    fn forget_shards(&mut self) {
        self.seen = None;
    }

    /// Appends lines of several parts, all of them or none; lines of one part stay in order.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn append(&mut self, now: Timestamp, parts: &[(u16, Vec<u8>)]) -> Result<(), Error> {
        self.file.write("appending to the stream", |db| {
            let mut shards = shards::all(db)?;
            let mut gathered: Vec<Vec<u8>> = vec![Vec::new(); shards.len()];
            let append = |shard: &mut Shard, lines: &mut Vec<u8>| -> rusqlite::Result<()> {
                shard.newest += 1;
                db.prepare_cached("INSERT INTO records VALUES (?, ?, ?, ?)")?.execute((
                    shard.number,
                    shard.newest,
                    now.0,
                    &*lines,
                ))?;
                lines.clear();
                crash::point("edge-part-way-through-a-flush");
                Ok(())
            };
            for (part, lines) in parts {
                let hash = hash(*part);
                let place = shards.iter().position(|shard| shard.takes(hash)).expect("open shards take all hash keys");
                if gathered[place].len() + lines.len() > RECORD_BYTES && !gathered[place].is_empty() {
                    append(&mut shards[place], &mut gathered[place])?;
                }
                gathered[place].extend_from_slice(lines);
            }
            for (shard, lines) in shards.iter_mut().zip(&mut gathered).filter(|(_, lines)| !lines.is_empty()) {
                append(shard, lines)?;
                db.prepare_cached("UPDATE shards SET newest = ? WHERE shard = ?")?
                    .execute((shard.newest, shard.number))?;
            }
            Ok(())
        })?;
        self.forget_shards();
        Ok(())
    }

    /// The next `most` records of a shard after sequence number `after`. A shard has none before this reader has come to the end of
    /// those that it was split or merged from.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn read(&mut self, shard: u16, after: u64, most: u32) -> Result<Vec<Record>, Error> {
        let index = usize::from(shard);
        let ended = |shards: &[Shard], read: &[u64], index: usize| {
            shards.get(index).is_some_and(|shard| shard.closed && read[index] >= shard.newest)
        };
        if let Some(read) = self.read.get_mut(index) {
            *read = after;
        }
        if ended(&self.shards, &self.read, index) {
            return Ok(Vec::new());
        }
        let Some(found) = self.shards()?.get(index) else { return Ok(Vec::new()) };
        let (newest, parents) = (found.newest, found.parents.clone());
        self.read[index] = after;
        if after >= newest || !parents.iter().all(|&parent| ended(&self.shards, &self.read, usize::from(parent))) {
            return Ok(Vec::new());
        }
        let records = "SELECT sequence, lines FROM records WHERE shard = ? AND sequence > ? ORDER BY sequence LIMIT ?";
        self.file.read("reading the stream", |db| {
            let mut statement = db.prepare_cached(records)?;
            let records = statement.query_map((shard, after, most), |row| {
                Ok(Record { sequence: row.get(0)?, lines: row.get_ref(1)?.as_bytes()?.to_vec() })
            })?;
            Ok(records.collect::<Result<_, _>>()?)
        })
    }

    /// The newest sequence number of every shard.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn newest(&mut self) -> Result<Vec<u64>, Error> {
        Ok(self.shards()?.iter().map(|shard| shard.newest).collect())
    }

    /// Records after `checkpoints`, which are by number of the shard; one that is missing is 0.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn behind(&mut self, checkpoints: &[u64]) -> Result<u64, Error> {
        let checkpoint = |shard: &Shard| checkpoints.get(usize::from(shard.number)).copied().unwrap_or_default();
        Ok(self.shards()?.iter().map(|shard| shard.newest.saturating_sub(checkpoint(shard))).sum())
    }

    /// The oldest sequence number of every shard that is kept; one more than the newest if none is.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn oldest(&mut self) -> Result<Vec<u64>, Error> {
        let newest = self.newest()?;
        self.file.read("reading the oldest sequence numbers", |db| {
            let mut oldest = db.prepare_cached("SELECT min(sequence) FROM records WHERE shard = ?")?;
            let mut one = |(shard, newest): (usize, &u64)| {
                oldest.query_row([shard], |row| row.get::<_, Option<u64>>(0)).map(|found| found.unwrap_or(newest + 1))
            };
            Ok(newest.iter().enumerate().map(&mut one).collect::<Result<_, _>>()?)
        })
    }

    /// The last sequence number of every shard that was appended before `at`.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn before(&mut self, at: Timestamp) -> Result<Vec<u64>, Error> {
        let oldest = self.oldest()?;
        self.file.read("looking for a time in the stream", |db| {
            let mut last = db.prepare_cached("SELECT max(sequence) FROM records WHERE shard = ? AND at < ?")?;
            let mut one = |(shard, oldest): (usize, &u64)| {
                last.query_row((shard, at.0), |row| row.get::<_, Option<u64>>(0))
                    .map(|found| found.unwrap_or(oldest - 1))
            };
            Ok(oldest.iter().enumerate().map(&mut one).collect::<Result<_, _>>()?)
        })
    }

    /// Deletes up to `most` records of each shard that were appended before `before` and are counted, which is what
    /// `checkpoints` says. What is not counted is kept, however old. Says how many it deleted.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn trim(&mut self, before: Timestamp, checkpoints: &[u64], most: u32) -> Result<usize, Error> {
        let delete = "DELETE FROM records WHERE rowid IN (SELECT rowid FROM records WHERE shard = ? AND sequence <= ? \
                      AND at < ? ORDER BY sequence LIMIT ?)";
        self.file.write("trimming the stream", |db| {
            let mut deleted = 0;
            for (shard, checkpoint) in checkpoints.iter().enumerate() {
                deleted += db.prepare_cached(delete)?.execute((shard, checkpoint, before.0, most))?;
            }
            Ok(deleted)
        })
    }
}

/// The hash key of a part: neighbours, which is what the lanes of one edge are, lie evenly over all shards.
fn hash(part: u16) -> u32 {
    // The golden ratio of 2^32.
    u32::from(part).wrapping_mul(0x9E37_79B9)
}
