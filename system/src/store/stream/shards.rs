//! The shards of the embedded stream: which hash keys each takes, and how one becomes two and two become one.
//!
//! As in Kinesis, a shard that was split or merged is closed: it takes no more records, keeps those it has, and is never opened
//! again. Not here: records.

use georush_core::Timestamp;
use rusqlite::Connection;

use super::Stream;
use crate::{
    crash,
    store::error::{Error, Halt},
};

/// Shards of a stream that nobody asked to be otherwise. One file takes one writer at a time, so that more would not be faster;
/// several of them keep everything honest that must not rely on order between shards.
pub const SHARDS: u16 = 4;
/// Shards that a stream can begin with.
pub const SHARDS_MAX: u16 = 256;

/// The shards of a layout that had four without ranges of hash keys.
pub(super) const LAYOUT: &str = "
ALTER TABLE shards RENAME TO shards_without_ranges;
CREATE TABLE shards (
    shard INTEGER PRIMARY KEY, newest INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, made INTEGER NOT NULL,
    parent INTEGER, other_parent INTEGER, closed INTEGER NOT NULL
) STRICT;
INSERT INTO shards
    SELECT column1, coalesce((SELECT newest FROM shards_without_ranges WHERE shard = column1), 0),
    column1 << 30, ((column1 + 1) << 30) - 1, 0, NULL, NULL, 0 FROM (VALUES (0), (1), (2), (3));
DROP TABLE shards_without_ranges;
";

/// One shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shard {
    /// Its number, never used for another.
    pub number: u16,
    /// Sequence number of its newest record; 0 if it never had one.
    pub newest: u64,
    /// The first and the last hash key of lines that go to it.
    pub hashes: (u32, u32),
    /// When it was opened.
    pub made: Timestamp,
    /// What it was split or merged from.
    pub parents: Vec<u16>,
    /// It takes no more records.
    pub closed: bool,
}

impl Shard {
    /// Whether lines with this hash key go to it now.
    pub(super) fn takes(&self, hash: u32) -> bool {
        !self.closed && (self.hashes.0..=self.hashes.1).contains(&hash)
    }

    fn open(all: &[Self], number: u16) -> Result<&Self, Error> {
        match all.iter().find(|shard| shard.number == number) {
            None => Err(wrong(number, "is not there; `georush stream shards` tells all")),
            Some(shard) if shard.closed => Err(wrong(number, "is closed already; choose an open one")),
            Some(shard) => Ok(shard),
        }
    }
}

impl Stream {
    /// Divides all hash keys among `count` shards. Only for a stream that was made just now.
    pub(in crate::store) fn divide(&mut self, now: Timestamp, count: u16) -> Result<(), Error> {
        self.file.write("making shards", |db| {
            let any = "SELECT EXISTS (SELECT 1 FROM shards WHERE newest > 0 OR closed)";
            if db.query_row(any, [], |row| row.get(0))? {
                return Err(Error::StreamExists(self.path.clone()).into());
            }
            db.execute("DELETE FROM shards", [])?;
            let first = |number: u64| (number << 32) / u64::from(count);
            for number in 0..u64::from(count) {
                let hashes = (first(number) as u32, (first(number + 1) - 1) as u32);
                insert(db, now, number as u16, hashes, &[])?;
            }
            Ok(())
        })?;
        self.forget_shards();
        Ok(())
    }

    /// Closes a shard and opens two in its place: the first takes hash keys below `at`, the middle if it is not given. Returns the
    /// new ones.
    ///
    /// # Errors
    /// If there is no such open shard, it can't be divided there, or SQLite fails.
    pub fn split(&mut self, now: Timestamp, number: u16, at: Option<u32>) -> Result<[Shard; 2], Error> {
        self.reshard(now, &[number], |parents| {
            let (first, last) = parents[0].hashes;
            let at = at.unwrap_or(first + (last - first) / 2 + 1);
            if at <= first || at > last {
                let wanted =
                    format!("takes hash keys {first} to {last} and can't be split at {at}; choose one after the first");
                return Err(wrong(number, &wanted));
            }
            Ok(vec![(first, at - 1), (at, last)])
        })
        .map(|children| children.try_into().expect("two ranges were given"))
    }

    /// Closes two neighbours and opens one in their place, which is returned.
    ///
    /// # Errors
    /// If they are not open neighbours, or SQLite fails.
    pub fn merge(&mut self, now: Timestamp, numbers: [u16; 2]) -> Result<Shard, Error> {
        self.reshard(now, &numbers, |parents| {
            let (low, high) = if parents[0].hashes < parents[1].hashes {
                (parents[0].hashes, parents[1].hashes)
            } else {
                (parents[1].hashes, parents[0].hashes)
            };
            if low.1.checked_add(1) != Some(high.0) {
                let wanted =
                    format!("and shard {} take hash keys that are not adjacent; choose neighbours", numbers[1]);
                return Err(wrong(numbers[0], &wanted));
            }
            Ok(vec![(low.0, high.1)])
        })
        .map(|mut children| children.remove(0))
    }

    /// Closes `parents` and opens a shard for each of the ranges that `into` makes of them, in one transaction.
    fn reshard(
        &mut self,
        now: Timestamp,
        parents: &[u16],
        into: impl FnOnce(&[&Shard]) -> Result<Vec<(u32, u32)>, Error>,
    ) -> Result<Vec<Shard>, Error> {
        let children = self.file.write("resharding", |db| {
            let all = all(db)?;
            let open = parents.iter().map(|&number| Shard::open(&all, number)).collect::<Result<Vec<_>, _>>()?;
            let (ranges, next) = (into(&open)?, all.len());
            if next + ranges.len() > usize::from(u16::MAX) {
                return Err(Error::UsedUp("the stream".to_owned(), "shards").into());
            }
            for parent in parents {
                db.execute("UPDATE shards SET closed = 1 WHERE shard = ?", [parent])?;
            }
            crash::point("stream-part-way-through-resharding");
            let mut children = Vec::new();
            for (hashes, number) in ranges.into_iter().zip(next as u16..) {
                insert(db, now, number, hashes, parents)?;
                let parents = parents.to_vec();
                children.push(Shard { number, newest: 0, hashes, made: now, parents, closed: false });
            }
            Ok(children)
        });
        self.forget_shards();
        crash::point("stream-after-resharding");
        children
    }
}

/// All shards by number; there is none without one.
pub(super) fn all(db: &Connection) -> Result<Vec<Shard>, Halt> {
    let mut statement = db.prepare_cached(
        "SELECT shard, newest, first, last, made, parent, other_parent, closed FROM shards ORDER BY shard",
    )?;
    let shards = statement.query_map([], |row| {
        let parents: [Option<u16>; 2] = [row.get(5)?, row.get(6)?];
        Ok(Shard {
            number: row.get(0)?,
            newest: row.get(1)?,
            hashes: (row.get(2)?, row.get(3)?),
            made: Timestamp(row.get(4)?),
            parents: parents.into_iter().flatten().collect(),
            closed: row.get(7)?,
        })
    })?;
    Ok(shards.collect::<Result<_, _>>()?)
}

fn insert(db: &Connection, now: Timestamp, number: u16, hashes: (u32, u32), parents: &[u16]) -> rusqlite::Result<()> {
    db.execute(
        "INSERT INTO shards VALUES (?, 0, ?, ?, ?, ?, ?, 0)",
        (number, hashes.0, hashes.1, now.0, parents.first(), parents.get(1)),
    )
    .map(|_| ())
}

fn wrong(number: u16, why: &str) -> Error {
    Error::Shard(number, why.to_owned())
}
