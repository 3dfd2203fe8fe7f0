//! The central table: items, the numbers of regions, and what the aggregator must not forget.
//!
//! Every write of a group takes the next version; the change feed is the order of versions. Not here: SQL of items, and
//! the aggregator's transaction.

mod barrier;
mod counting;

pub use barrier::Reached;
pub use counting::{Applied, Batch, DeadLetter, Lease, Letter, Position, SubjectChanges};

use std::path::PathBuf;

use georush_core::{Identifier, Timestamp, Version};
use rusqlite::{Connection, OptionalExtension};

use super::{
    error::Error,
    file::{Durability, File},
    items,
};
use crate::item::{Account, Item, Usage};

const LAYOUT: &str = "
CREATE TABLE versions (generation INTEGER NOT NULL, number INTEGER NOT NULL) STRICT;
INSERT INTO versions VALUES (0, 0);
CREATE TABLE regions (name TEXT PRIMARY KEY, number INTEGER NOT NULL UNIQUE, epoch INTEGER NOT NULL) STRICT;
CREATE TABLE lease (token INTEGER NOT NULL, expires INTEGER NOT NULL) STRICT;
INSERT INTO lease VALUES (0, 0);
CREATE TABLE checkpoints (
    stream TEXT NOT NULL, shard INTEGER NOT NULL, sequence INTEGER NOT NULL, PRIMARY KEY (stream, shard)
) STRICT;
CREATE TABLE lanes (
    region INTEGER NOT NULL, epoch INTEGER NOT NULL, lane INTEGER NOT NULL, next INTEGER NOT NULL, missing TEXT NOT NULL,
    PRIMARY KEY (region, epoch, lane)
) STRICT;
CREATE TABLE dead_letters (
    stream TEXT NOT NULL, shard INTEGER NOT NULL, sequence INTEGER NOT NULL, line INTEGER NOT NULL, text TEXT NOT NULL,
    reason TEXT NOT NULL, PRIMARY KEY (stream, shard, sequence, line)
) STRICT;
";

/// What has to be counted before anything is published, and what became of dead letters.
const BARRIER: &str = "
CREATE TABLE barrier (
    stream TEXT NOT NULL, shard INTEGER NOT NULL, sequence INTEGER NOT NULL, PRIMARY KEY (stream, shard)
) STRICT;
ALTER TABLE dead_letters ADD COLUMN settled TEXT;
";

/// Numbers of regions and of epochs are 16 bits.
const NUMBERS_MAX: u64 = 65_535;

/// An open central table.
#[derive(Debug)]
pub struct Central(File);

impl Central {
    pub(super) fn open(path: PathBuf) -> Result<Self, Error> {
        // All of it survives a loss of power: a version that a region has seen must never be given to another write.
        File::open(path, &[&format!("{LAYOUT}{}", items::LAYOUT), BARRIER], Durability::Each).map(Self)
    }

    /// For whoever counts, and so changes rows all over the table.
    pub(super) fn with_large_cache(self) -> Result<Self, Error> {
        self.0.set_cache(64 << 10).map(|()| self)
    }

    /// The number of a region, which stays the same for ever; a new region is given `known` if nobody has it, else the next.
    ///
    /// # Errors
    /// If SQLite fails or there are too many regions.
    pub fn register(&mut self, region: &str, known: Option<u16>) -> Result<u16, Error> {
        if let Some(number) = self.0.read("looking up a region", |db| Ok(number_of(db, region)?))? {
            return Ok(number);
        }
        self.0.write("registering a region", |db| {
            if let Some(number) = number_of(db, region)? {
                return Ok(number);
            }
            let (mut taken, mut next) = (false, 0);
            let mut numbers = db.prepare("SELECT number FROM regions")?;
            for number in numbers.query_map([], |row| row.get::<_, u16>(0))? {
                let number = number?;
                taken |= known == Some(number);
                next = next.max(u64::from(number) + 1);
            }
            let number = match known {
                Some(known) if !taken => known,
                _ if next < NUMBERS_MAX => next as u16,
                _ => return Err(Error::UsedUp(region.to_owned(), "regions").into()),
            };
            db.execute("INSERT INTO regions VALUES (?, ?, 0)", (region, number))?;
            Ok(number)
        })
    }

    /// All regions by number.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn regions(&mut self) -> Result<Vec<(u16, String)>, Error> {
        self.0.read("listing the regions", |db| {
            let mut statement = db.prepare_cached("SELECT number, name FROM regions ORDER BY number")?;
            Ok(statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
        })
    }

    /// Claims the next epoch of a registered region, above `floor` and above every epoch claimed here.
    ///
    /// # Errors
    /// If SQLite fails or the epochs are used up.
    pub fn claim_epoch(&mut self, region: &str, floor: u16) -> Result<u16, Error> {
        self.0.write("claiming an epoch", |db| {
            let claim = "UPDATE regions SET epoch = max(epoch, ?2) + 1 WHERE name = ?1 RETURNING epoch";
            let epoch: u64 = db.query_row(claim, (region, floor), |row| row.get(0))?;
            if epoch > NUMBERS_MAX {
                return Err(Error::UsedUp(region.to_owned(), "epochs").into());
            }
            Ok(epoch as u16)
        })
    }

    /// Signs a subject up. The version in `account` does not matter; returns the one that it was given.
    ///
    /// # Errors
    /// If the subject has an account, or SQLite fails.
    pub fn sign_up(&mut self, subject: &Identifier, account: &Account) -> Result<Version, Error> {
        let text = subject.to_string();
        self.0.write("signing up", |db| {
            if items::account(db, &text)?.is_some() {
                return Err(Error::Exists(subject.clone()).into());
            }
            Ok(put(db, &text, account)?)
        })
    }

    /// Signs several subjects up in one transaction, or none. Versions in the accounts do not matter.
    ///
    /// # Errors
    /// If one of them has an account, or SQLite fails.
    pub fn sign_up_all(&mut self, accounts: &[(Identifier, Account)]) -> Result<(), Error> {
        self.0.write("signing up", |db| {
            for (subject, account) in accounts {
                let text = subject.to_string();
                if items::account(db, &text)?.is_some() {
                    return Err(Error::Exists(subject.clone()).into());
                }
                put(db, &text, account)?;
            }
            Ok(())
        })
    }

    /// Changes the account of a subject; returns it as it is then, `None` if there is none. Changing nothing writes nothing.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn change_account(
        &mut self,
        subject: &Identifier,
        change: impl FnOnce(&mut Account),
    ) -> Result<Option<Account>, Error> {
        let text = subject.to_string();
        self.0.write("changing an account", |db| {
            let Some(before) = items::account(db, &text)? else { return Ok(None) };
            let mut after = before.clone();
            change(&mut after);
            after.version = before.version;
            if after != before {
                after.version = put(db, &text, &after)?;
            }
            Ok(Some(after))
        })
    }

    /// Subjects with an account whose identifier begins with `prefix`, in the order of sign-up.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn signed_up(&mut self, prefix: &str) -> Result<Vec<Item>, Error> {
        self.0.read("listing accounts", |db| {
            let mut statement = db.prepare_cached(
                "SELECT subject FROM accounts WHERE substr(subject, 1, length(?1)) = ?1 ORDER BY created, subject",
            )?;
            let subjects = statement.query_map([prefix], |row| row.get::<_, String>(0))?;
            Ok(subjects.map(|subject| items::item(db, &subject?)).collect::<Result<_, _>>()?)
        })
    }

    /// The item of a subject; it may be empty.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn item(&mut self, subject: &Identifier) -> Result<Item, Error> {
        self.0.read("reading an item", |db| Ok(items::item(db, &subject.to_string())?))
    }

    /// The newest version; the newest position of the change feed is its number.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn newest(&mut self) -> Result<Version, Error> {
        self.0.read("reading the newest version", |db| Ok(newest(db)?))
    }

    /// Items with changes after position `after`: the next `changes_max` changes. Of each, the group that changed.
    ///
    /// # Errors
    /// [`Error::HeldBack`] if nothing may be published now, or SQLite fails.
    pub fn changed(&mut self, after: u64, changes_max: u64) -> Result<Vec<Item>, Error> {
        self.0.read("reading the change feed", |db| {
            if barrier::holds_back(db)? {
                return Err(Error::HeldBack.into());
            }
            Ok(items::changed_groups(db, after, after.saturating_add(changes_max))?)
        })
    }

    /// Begins a new generation if a region has `seen` a version that is not reached here: this table was restored. All
    /// items are versioned anew, so that they win over what the regions hold, and none is published before everything that
    /// the stream holds now, as `known` says, is counted. Says whether it did.
    ///
    /// # Errors
    /// If SQLite fails.
    pub(super) fn supersede(&mut self, seen: Version, known: impl FnOnce() -> Option<Reached>) -> Result<bool, Error> {
        if self.newest()? >= seen {
            return Ok(false);
        }
        let known = known();
        self.0.write("beginning a new generation", |db| {
            let now = newest(db)?;
            if now >= seen {
                return Ok(false);
            }
            let mut next = Version { generation: seen.generation + 1, number: now.number };
            for (table, id) in [("accounts", "subject"), ("usage", "subject, window")] {
                let columns = format!(
                    "UPDATE {table} SET generation = ?1, number = ?2 + place, change = ?2 + place FROM (SELECT {id}, \
                     row_number() OVER (ORDER BY change) AS place FROM {table}) AS old WHERE ({}) = ({})",
                    id.split(", ").map(|column| format!("{table}.{column}")).collect::<Vec<_>>().join(", "),
                    id.split(", ").map(|column| format!("old.{column}")).collect::<Vec<_>>().join(", "),
                );
                next.number += db.execute(&columns, (next.generation, next.number))? as u64;
            }
            set_newest(db, next)?;
            known.iter().try_for_each(|known| barrier::raise(db, known))?;
            Ok(true)
        })
    }

    /// Items in the order of their subjects' text, after `after`, `most` at most.
    ///
    /// # Errors
    /// [`Error::HeldBack`] if the table is being made whole, or SQLite fails.
    pub fn items_after(&mut self, after: &str, most: u32) -> Result<Vec<Item>, Error> {
        self.0.read("comparing tables", |db| {
            if barrier::holds_back(db)? {
                return Err(Error::HeldBack.into());
            }
            Ok(items::between(db, after, None, most)?)
        })
    }

    /// Gives what is known of a subject new versions, so that every region gets it once more.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn publish_again(&mut self, subject: &Identifier) -> Result<(), Error> {
        let text = subject.to_string();
        self.0.write("publishing an item again", |db| {
            let Item { account, usage, .. } = items::item(db, &text)?;
            if let Some(account) = account {
                put(db, &text, &account)?;
            }
            if let Some(usage) = usage {
                let mut version = newest(db)?;
                version.number += 1;
                items::put_usage(db, &text, &Usage { version, ..usage }, version.number)?;
                set_newest(db, version)?;
            }
            Ok(())
        })
    }

    /// Every usage group that is kept, with the account of its subject, in the order of subjects and windows.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn all_usage(&mut self) -> Result<Vec<(Identifier, Option<Account>, Usage)>, Error> {
        self.0.read("reading all usage", |db| Ok(items::all_usage(db)?))
    }

    /// Forgets up to `most` usage groups without an event since `before`; says how many it found.
    ///
    /// # Errors
    /// If SQLite fails.
    pub fn forget(&mut self, before: Timestamp, most: u32) -> Result<usize, Error> {
        let idle = self.0.read("looking for old windows", |db| Ok(items::idle(db, before, most)?))?;
        if !idle.is_empty() {
            self.0.write("forgetting old windows", |db| Ok(items::forget(db, &idle, before)?))?;
        }
        Ok(idle.len())
    }
}

fn number_of(db: &Connection, region: &str) -> rusqlite::Result<Option<u16>> {
    db.query_row("SELECT number FROM regions WHERE name = ?", [region], |row| row.get(0)).optional()
}

fn put(db: &Connection, subject: &str, account: &Account) -> Result<Version, rusqlite::Error> {
    let mut version = newest(db)?;
    version.number += 1;
    items::put_account(db, subject, &Account { version, ..account.clone() }, version.number)?;
    set_newest(db, version)?;
    Ok(version)
}

fn newest(db: &Connection) -> rusqlite::Result<Version> {
    db.prepare_cached("SELECT generation, number FROM versions")?
        .query_row([], |row| Ok(Version { generation: row.get(0)?, number: row.get(1)? }))
}

fn set_newest(db: &Connection, version: Version) -> rusqlite::Result<()> {
    db.prepare_cached("UPDATE versions SET generation = ?, number = ?")?
        .execute((version.generation, version.number))
        .map(|_| ())
}
