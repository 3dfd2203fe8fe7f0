//! A region's table: the items that its edge reads, how far its replicator has come, and its edge's epochs.
//!
//! Not here: SQL of items.

use std::path::PathBuf;

use georush_core::{Identifier, Origin, Timestamp, Version};
use rusqlite::{Connection, OptionalExtension};

use super::{
    central::Central,
    error::Error,
    file::{Durability, File},
    items,
};
use crate::{crash, item::Item};

const LAYOUT: &str = "
CREATE TABLE region (number INTEGER NOT NULL, epoch INTEGER NOT NULL) STRICT;
CREATE TABLE feed (generation INTEGER NOT NULL, number INTEGER NOT NULL, change INTEGER NOT NULL) STRICT;
INSERT INTO feed VALUES (0, 0, 0);
";

/// An open regional table.
#[derive(Debug)]
pub struct Regional {
    file: File,
    number: u16,
    /// The version of the file in which nothing was new after this change.
    unchanged: Option<(u64, u64)>,
}

impl Regional {
    pub(super) fn open(path: PathBuf) -> Result<Self, Error> {
        // What a loss of power takes is put again from the central table.
        let file = File::open(path, &[&format!("{LAYOUT}{}", items::LAYOUT)], Durability::Prefix)?;
        Ok(Self { file, number: 0, unchanged: None })
    }

    /// For the replicator, which changes rows all over the table.
    pub(super) fn with_large_cache(self) -> Result<Self, Error> {
        self.file.set_cache(16 << 10).map(|()| self)
    }

    /// The region's number as the file has it; `None` in a new file.
    pub(super) fn known_number(&mut self) -> Result<Option<u16>, Error> {
        let number = "SELECT number FROM region";
        self.file.read("reading the region's number", |db| Ok(db.query_row(number, [], |row| row.get(0)).optional()?))
    }

    /// Gives the region its number; in a file that has one, it must be the same.
    pub(super) fn adopt(&mut self, region: &str, number: u16) -> Result<(), Error> {
        if self.known_number()?.is_none() {
            self.file.write("giving the region its number", |db| {
                db.execute("INSERT INTO region SELECT ?, 0 WHERE NOT EXISTS (SELECT 1 FROM region)", [number])?;
                Ok(())
            })?;
        }
        self.number = number;
        match self.known_number()? {
            Some(found) if found != number => {
                let (file, region) = (self.file.path().to_owned(), region.to_owned());
                Err(Error::Foreign { file, region, found, wanted: number })
            }
            _ => Ok(()),
        }
    }

    /// The region's number.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }

    /// Begins a new life of the region's edge. No epoch is given twice: each is durable here and in the central table before
    /// it is used, and above the highest of both, so that either file may be lost.
    ///
    /// # Errors
    /// If SQLite fails or the epochs are used up.
    pub fn claim_epoch(&mut self, region: &str, central: &mut Central) -> Result<Origin, Error> {
        let known = self.file.read("reading the epoch", |db| {
            Ok(db.query_row("SELECT epoch FROM region", [], |row| row.get::<_, u16>(0))?)
        })?;
        let epoch = central.claim_epoch(region, known)?;
        crash::point("edge-claiming-an-epoch");
        self.file.set_durability(Durability::Each)?;
        self.file.write("claiming an epoch", |db| {
            db.execute("UPDATE region SET epoch = max(epoch, ?)", [epoch])?;
            Ok(())
        })?;
        self.file.set_durability(Durability::Prefix)?;
        Ok(Origin { region: self.number, epoch })
    }

    /// Changes of the central table up to this version are here.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn cursor(&mut self) -> Result<Version, Error> {
        self.file.read("reading the replicator's cursor", |db| {
            let version = |row: &rusqlite::Row<'_>| Ok(Version { generation: row.get(0)?, number: row.get(1)? });
            Ok(db.query_row("SELECT generation, number FROM feed", [], version)?)
        })
    }

    /// Puts every group that is newer than what is here, and moves the cursor to `cursor` unless it is there already, in one
    /// transaction. Says how many groups it put.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn put(&mut self, items: &[Item], cursor: Version) -> Result<u64, Error> {
        // What this connection writes does not show in the file's version.
        self.unchanged = None;
        self.file.write("putting items", |db| {
            let before: u64 = db.prepare_cached("SELECT change FROM feed")?.query_row([], |row| row.get(0))?;
            let mut change = before;
            for item in items {
                let subject = item.subject.to_string();
                if let Some(account) = &item.account
                    && account.version > stored(db, PLAN_VERSION, &subject)?
                {
                    change += 1;
                    items::put_account(db, &subject, account, change)?;
                }
                if let Some(usage) = &item.usage {
                    if items::raise_usage(db, &subject, usage, change + 1)? {
                        change += 1;
                    } else if usage.version > stored(db, USAGE_VERSION, &subject)? {
                        change += 1;
                        db.prepare_cached("DELETE FROM usage WHERE subject = ?")?.execute([&subject])?;
                        items::put_usage(db, &subject, usage, change)?;
                    }
                }
                crash::point("replicator-between-rows");
            }
            db.prepare_cached("UPDATE feed SET change = ?")?.execute([change])?;
            db.prepare_cached("UPDATE feed SET generation = ?1, number = ?2 WHERE (generation, number) < (?1, ?2)")?
                .execute((cursor.generation, cursor.number))?;
            Ok(change - before)
        })
    }

    /// Items changed here after local change number `after`, `changes_max` changes at most, and the number that they cover.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn changed_since(&mut self, after: u64, changes_max: u64) -> Result<(Vec<Item>, u64), Error> {
        let version = self.file.version()?;
        if self.unchanged == Some((version, after)) {
            return Ok((Vec::new(), after));
        }
        let changed = self.file.read("reading what changed", |db| Ok(items::changed(db, after, changes_max)?))?;
        self.unchanged = changed.0.is_empty().then_some((version, after));
        Ok(changed)
    }

    /// The item of a subject; it may be empty.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn item(&mut self, subject: &Identifier) -> Result<Item, Error> {
        self.file.read("reading an item", |db| Ok(items::item(db, &subject.to_string())?))
    }

    /// Items in the order of their subjects' text, after `after` and up to `upto`, to the end if there is none.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn items_between(&mut self, after: &str, upto: Option<&str>) -> Result<Vec<Item>, Error> {
        self.file.read("comparing tables", |db| Ok(items::between(db, after, upto, u32::MAX)?))
    }

    /// Forgets an item, which is not what the central table ever held, if it is still as it was `seen`.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn remove(&mut self, seen: &Item) -> Result<(), Error> {
        let subject = seen.subject.to_string();
        self.unchanged = None;
        self.file.write("removing an item", |db| {
            if items::item(db, &subject)? == *seen {
                db.execute("DELETE FROM accounts WHERE subject = ?", [&subject])?;
                db.execute("DELETE FROM usage WHERE subject = ?", [&subject])?;
            }
            Ok(())
        })
    }

    /// Forgets up to `most` usage groups without an event since `before`; says how many it found.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn forget(&mut self, before: Timestamp, most: u32) -> Result<usize, Error> {
        let idle = self.file.read("looking for old windows", |db| Ok(items::idle(db, before, most)?))?;
        if !idle.is_empty() {
            self.file.write("forgetting old windows", |db| Ok(items::forget(db, &idle, before)?))?;
        }
        Ok(idle.len())
    }
}

const PLAN_VERSION: &str = "SELECT generation, number FROM accounts WHERE subject = ?";
const USAGE_VERSION: &str = "SELECT generation, number FROM usage WHERE subject = ?";

/// The version of a group here; that of nothing is below all others.
fn stored(db: &Connection, version: &str, subject: &str) -> rusqlite::Result<Version> {
    db.prepare_cached(version)?
        .query_row([subject], |row| Ok(Version { generation: row.get(0)?, number: row.get(1)? }))
        .optional()
        .map(Option::unwrap_or_default)
}
