//! The embedded stream: records of usage log lines, numbered within each shard.
//!
//! Not here: what the lines say.

use std::path::PathBuf;

use georush_core::Timestamp;

use super::{
    error::Error,
    file::{Durability, File},
};
use crate::crash;

/// Shards of the embedded stream. One file takes one writer at a time, so that more shards would not be faster; several of
/// them keep everything honest that must not rely on order between shards.
pub const SHARDS: u16 = 4;

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
    file: File,
    id: String,
}

impl Stream {
    pub(super) fn open(path: PathBuf) -> Result<Self, Error> {
        // All of it survives a loss of power: sequence numbers below a checkpoint must never be given out again.
        let mut file = File::open(path, &[LAYOUT], Durability::Each)?;
        let id = file.read("reading the stream's identity", |db| {
            Ok(db.query_row("SELECT id FROM stream", [], |row| row.get(0))?)
        })?;
        Ok(Self { file, id })
    }

    /// What tells this stream from one that was in its place before: checkpoints of that one mean nothing here.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Appends records to shards, all of them or none.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn append(&mut self, now: Timestamp, records: &[(u16, Vec<u8>)]) -> Result<(), Error> {
        self.file.write("appending to the stream", |db| {
            for (shard, lines) in records {
                let next =
                    "INSERT INTO shards VALUES (?, 1) ON CONFLICT DO UPDATE SET newest = newest + 1 RETURNING newest";
                let sequence: u64 = db.prepare_cached(next)?.query_row([shard], |row| row.get(0))?;
                db.prepare_cached("INSERT INTO records VALUES (?, ?, ?, ?)")?
                    .execute((shard, sequence, now.0, lines))?;
                crash::point("edge-part-way-through-a-flush");
            }
            Ok(())
        })
    }

    /// The next `most` records of a shard after sequence number `after`.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn read(&mut self, shard: u16, after: u64, most: u32) -> Result<Vec<Record>, Error> {
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
        self.file.read("reading the newest sequence numbers", |db| {
            let mut newest = vec![0; usize::from(SHARDS)];
            let mut statement = db.prepare_cached("SELECT shard, newest FROM shards")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                if let Some(newest) = newest.get_mut(row.get::<_, u16>(0)? as usize) {
                    *newest = row.get(1)?;
                }
            }
            Ok(newest)
        })
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
