//! The publish barrier: what has to be counted before any change is published, and the two ways back in the stream.
//!
//! A table that was restored, or is being rebuilt, holds counts that are too low. Regions keep what they have until the
//! aggregator has come as far as the stream went then. Not here: waiting, which is the replicators'.

use rusqlite::{Connection, OptionalExtension};

use super::{Central, counting::keep};
use crate::store::{Lease, error::Error};
use georush_core::Timestamp;

/// How far a stream goes, or was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// Identity of the stream.
    pub stream: String,
    /// Sequence number by shard.
    pub sequences: Vec<u64>,
}

impl Central {
    /// Moves the checkpoints of a stream back to `to` where they are beyond it; what lies between is counted again, which changes
    /// nothing.
    ///
    /// # Errors
    /// [`Error::Fenced`] if the lease is gone, or SQLite fails.
    pub fn rewind(&mut self, lease: Lease, now: Timestamp, to: &Reached) -> Result<(), Error> {
        self.0.write("going back in the stream", |db| {
            keep(db, lease, now)?;
            let mut back =
                db.prepare_cached("UPDATE checkpoints SET sequence = min(sequence, ?) WHERE stream = ? AND shard = ?")?;
            for (shard, sequence) in to.sequences.iter().enumerate() {
                back.execute((sequence, &to.stream, shard))?;
            }
            Ok(())
        })
    }

    /// Forgets all counts, to be counted anew from the beginning of the stream; nothing is published before that has come to
    /// `newest`. Accounts, epochs and versions stay.
    ///
    /// # Errors
    /// [`Error::Fenced`] if the lease is gone, or SQLite fails.
    pub fn forget_counts(&mut self, lease: Lease, now: Timestamp, newest: &Reached) -> Result<(), Error> {
        self.0.write("forgetting all counts", |db| {
            keep(db, lease, now)?;
            db.execute_batch(
                "DELETE FROM usage; DELETE FROM lanes; DELETE FROM checkpoints; DELETE FROM dead_letters WHERE settled IS NULL",
            )?;
            raise(db, newest)?;
            Ok(())
        })
    }
}

/// Nothing is published before everything up to `known` is counted.
pub(super) fn raise(db: &Connection, known: &Reached) -> rusqlite::Result<()> {
    let mut put = db.prepare_cached(
        "INSERT INTO barrier VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET sequence = max(sequence, excluded.sequence)",
    )?;
    for (shard, sequence) in known.sequences.iter().enumerate().filter(|(_, sequence)| **sequence > 0) {
        put.execute((&known.stream, shard, sequence))?;
    }
    lower(db)
}

/// Takes away what is counted by now.
pub(super) fn lower(db: &Connection) -> rusqlite::Result<()> {
    db.prepare_cached(
        "DELETE FROM barrier WHERE EXISTS (SELECT 1 FROM checkpoints AS c WHERE c.stream = barrier.stream \
         AND c.shard = barrier.shard AND c.sequence >= barrier.sequence)",
    )?
    .execute([])
    .map(|_| ())
}

pub(super) fn holds_back(db: &Connection) -> rusqlite::Result<bool> {
    let any: Option<u8> =
        db.prepare_cached("SELECT 1 FROM barrier LIMIT 1")?.query_row([], |row| row.get(0)).optional()?;
    Ok(any.is_some())
}
