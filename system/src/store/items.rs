//! The tables of items, which the central file and every region's file have alike: one for each group.
//!
//! Each write of a group takes the next number of the file's change feed; a reader asks for what changed after a number.
//! Not here: which write is allowed; that differs between the files.

use std::str::FromStr;

use georush_core::{Identifier, Origin, Status, Timestamp, Version, WindowId};
use rusqlite::{
    Connection, OptionalExtension, Row, named_params,
    types::{FromSqlError, Type},
};

use crate::{
    item::{Account, Item, Usage},
    whitelist::Whitelist,
};

/// Both tables.
pub(super) const LAYOUT: &str = "
CREATE TABLE accounts (
    subject TEXT PRIMARY KEY, plan TEXT NOT NULL, created INTEGER NOT NULL, revoked INTEGER NOT NULL, whitelist TEXT,
    label TEXT NOT NULL, generation INTEGER NOT NULL, number INTEGER NOT NULL, change INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX accounts_change ON accounts (change);
CREATE TABLE usage (
    subject TEXT NOT NULL, window INTEGER NOT NULL, components BLOB NOT NULL, counted_at INTEGER NOT NULL,
    generation INTEGER NOT NULL, number INTEGER NOT NULL, change INTEGER NOT NULL, PRIMARY KEY (subject, window)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX usage_change ON usage (change);
";

/// Writes a plan group.
pub(super) fn put_account(db: &Connection, subject: &str, account: &Account, change: u64) -> rusqlite::Result<()> {
    let whitelist = account.whitelist.as_ref().map(|list| serde_json::to_string(list).expect("texts are JSON"));
    db.prepare_cached(
        "INSERT OR REPLACE INTO accounts VALUES (:subject, :plan, :created, :revoked, :whitelist, :label, :generation, \
         :number, :change)",
    )?
    .execute(named_params! {
        ":subject": subject, ":plan": account.plan, ":created": account.created.0,
        ":revoked": account.status == Status::Revoked, ":whitelist": whitelist, ":label": account.label,
        ":generation": account.version.generation, ":number": account.version.number, ":change": change,
    })?;
    Ok(())
}

/// Writes a usage group.
pub(super) fn put_usage(db: &Connection, subject: &str, usage: &Usage, change: u64) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT OR REPLACE INTO usage VALUES (:subject, :window, :components, :counted_at, :generation, :number, :change)",
    )?
    .execute(named_params! {
        ":subject": subject, ":window": usage.window.0, ":components": to_bytes(&usage.components),
        ":counted_at": usage.counted_at.0, ":generation": usage.version.generation,
        ":number": usage.version.number, ":change": change,
    })?;
    Ok(())
}

/// The plan group of a subject.
pub(super) fn account(db: &Connection, subject: &str) -> rusqlite::Result<Option<Account>> {
    db.prepare_cached(
        "SELECT plan, created, revoked, whitelist, label, generation, number FROM accounts WHERE subject = ?",
    )?
    .query_row([subject], |row| {
        let whitelist: Option<String> = row.get(3)?;
        let whitelist = whitelist.map(|text| serde_json::from_str::<Whitelist>(&text).map_err(|e| unreadable(3, e)));
        Ok(Account {
            plan: row.get(0)?,
            created: Timestamp(row.get(1)?),
            status: if row.get(2)? { Status::Revoked } else { Status::Active },
            whitelist: whitelist.transpose()?,
            label: row.get(4)?,
            version: version(row, 5)?,
        })
    })
    .optional()
}

/// The usage group of a subject: of all its windows, the one with the newest event. Numbers of windows can't be compared
/// after a change of plan.
pub(super) fn usage(db: &Connection, subject: &str) -> rusqlite::Result<Option<Usage>> {
    db.prepare_cached(
        "SELECT window, components, counted_at, generation, number FROM usage WHERE subject = ? \
         ORDER BY counted_at DESC, window DESC LIMIT 1",
    )?
    .query_row([subject], usage_of)
    .optional()
}

/// Reads a row of window, components, counted_at, generation, number.
pub(super) fn usage_of(row: &Row<'_>) -> rusqlite::Result<Usage> {
    Ok(Usage {
        window: WindowId(row.get(0)?),
        components: from_bytes(row.get_ref(1)?.as_blob()?).ok_or_else(|| unreadable(1, FromSqlError::InvalidType))?,
        counted_at: Timestamp(row.get(2)?),
        version: version(row, 3)?,
    })
}

/// Items of subjects with changes after number `after`, in the order of the changes, and the last number that they cover.
/// Takes in the next `changes_max` changes at least.
pub(super) fn changed(db: &Connection, after: u64, changes_max: u64) -> rusqlite::Result<(Vec<Item>, u64)> {
    let mut statement = db.prepare_cached(
        "SELECT subject, change FROM (SELECT subject, change FROM accounts WHERE change > :after \
         UNION ALL SELECT subject, change FROM usage WHERE change > :after) ORDER BY change LIMIT :max",
    )?;
    let changes_max = i64::try_from(changes_max).unwrap_or(i64::MAX);
    let mut rows = statement.query(named_params! { ":after": after, ":max": changes_max })?;
    let mut seen = std::collections::HashSet::new();
    let (mut items, mut last) = (Vec::new(), after);
    while let Some(row) = rows.next()? {
        last = row.get(1)?;
        let subject: String = row.get(0)?;
        if !seen.contains(&subject) {
            items.push(item(db, &subject)?);
            seen.insert(subject);
        }
    }
    Ok((items, last))
}

/// The item of a subject.
pub(super) fn item(db: &Connection, subject: &str) -> rusqlite::Result<Item> {
    let identifier =
        Identifier::from_str(subject).map_err(|_| unreadable(0, format!("{subject:?} is no identifier")))?;
    Ok(Item { subject: identifier, account: account(db, subject)?, usage: usage(db, subject)? })
}

/// Every usage group with the account of its subject.
pub(super) fn all_usage(db: &Connection) -> rusqlite::Result<Vec<(Identifier, Option<Account>, Usage)>> {
    let mut statement = db.prepare_cached(
        "SELECT window, components, counted_at, generation, number, subject FROM usage ORDER BY subject, window",
    )?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(5)?, usage_of(row)?)))?;
    rows.map(|row| {
        let (subject, usage) = row?;
        let identifier =
            Identifier::from_str(&subject).map_err(|_| unreadable(5, format!("{subject:?} is no identifier")))?;
        Ok((identifier, account(db, &subject)?, usage))
    })
    .collect()
}

/// Items in the order of their subjects' text, after `after` and up to `upto`, `most` at most.
pub(super) fn between(db: &Connection, after: &str, upto: Option<&str>, most: u32) -> rusqlite::Result<Vec<Item>> {
    let mut statement = db.prepare_cached(
        "SELECT subject FROM accounts WHERE subject > ?1 AND (?2 IS NULL OR subject <= ?2) \
         UNION SELECT subject FROM usage WHERE subject > ?1 AND (?2 IS NULL OR subject <= ?2) ORDER BY subject LIMIT ?3",
    )?;
    let subjects = statement.query_map((after, upto, most), |row| row.get::<_, String>(0))?;
    subjects.map(|subject| item(db, &subject?)).collect()
}

/// Up to `most` usage groups without an event since `before`, by subject and window.
pub(super) fn idle(db: &Connection, before: Timestamp, most: u32) -> rusqlite::Result<Vec<(String, u32)>> {
    db.prepare_cached("SELECT subject, window FROM usage WHERE counted_at < ? LIMIT ?")?
        .query_map((before.0, most), |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect()
}

/// Deletes those usage groups unless an event came since. Each file forgets on its own: once its window is over, a count
/// says nothing that its absence does not say.
pub(super) fn forget(db: &Connection, idle: &[(String, u32)], before: Timestamp) -> rusqlite::Result<()> {
    let mut statement = db.prepare_cached("DELETE FROM usage WHERE subject = ? AND window = ? AND counted_at < ?")?;
    idle.iter().try_for_each(|(subject, window)| statement.execute((subject, window, before.0)).map(|_| ()))
}

fn version(row: &Row<'_>, at: usize) -> rusqlite::Result<Version> {
    Ok(Version { generation: row.get(at)?, number: row.get(at + 1)? })
}

fn unreadable(column: usize, why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, why.into())
}

const COMPONENT_BYTES: usize = 12;

/// Region, epoch and value of each component, little-endian.
fn to_bytes(components: &[(Origin, u64)]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(components.len() * COMPONENT_BYTES);
    for (origin, value) in components {
        bytes.extend(origin.region.to_le_bytes());
        bytes.extend(origin.epoch.to_le_bytes());
        bytes.extend(value.to_le_bytes());
    }
    bytes
}

fn from_bytes(bytes: &[u8]) -> Option<Vec<(Origin, u64)>> {
    let component = |chunk: &[u8]| {
        let region = u16::from_le_bytes(chunk.get(..2)?.try_into().ok()?);
        let epoch = u16::from_le_bytes(chunk.get(2..4)?.try_into().ok()?);
        let value = u64::from_le_bytes(chunk.get(4..)?.try_into().ok()?);
        Some((Origin { region, epoch }, value))
    };
    bytes.chunks(COMPONENT_BYTES).map(component).collect()
}
