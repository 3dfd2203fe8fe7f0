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

/// Writes a usage group over one of the same window that is older; says whether there was one.
pub(super) fn raise_usage(db: &Connection, subject: &str, usage: &Usage, change: u64) -> rusqlite::Result<bool> {
    let raised = db
        .prepare_cached(
            "UPDATE usage SET components = :components, counted_at = :counted_at, generation = :generation, \
             number = :number, change = :change WHERE subject = :subject AND window = :window \
             AND (generation, number) < (:generation, :number)",
        )?
        .execute(named_params! {
            ":subject": subject, ":window": usage.window.0, ":components": to_bytes(&usage.components),
            ":counted_at": usage.counted_at.0, ":generation": usage.version.generation,
            ":number": usage.version.number, ":change": change,
        })?;
    Ok(raised > 0)
}

/// The plan group of a subject.
pub(super) fn account(db: &Connection, subject: &str) -> rusqlite::Result<Option<Account>> {
    db.prepare_cached(
        "SELECT plan, created, revoked, whitelist, label, generation, number FROM accounts WHERE subject = ?",
    )?
    .query_row([subject], account_of)
    .optional()
}

/// Reads a row of plan, created, revoked, whitelist, label, generation, number.
fn account_of(row: &Row<'_>) -> rusqlite::Result<Account> {
    account_at(row, 0)
}

/// The same, from column `at` on.
fn account_at(row: &Row<'_>, at: usize) -> rusqlite::Result<Account> {
    let whitelist: Option<String> = row.get(at + 3)?;
    let whitelist = whitelist.map(|text| serde_json::from_str::<Whitelist>(&text).map_err(|e| unreadable(at + 3, e)));
    Ok(Account {
        plan: row.get(at)?,
        created: Timestamp(row.get(at + 1)?),
        status: if row.get(at + 2)? { Status::Revoked } else { Status::Active },
        whitelist: whitelist.transpose()?,
        label: row.get(at + 4)?,
        version: version(row, at + 5)?,
    })
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

/// The groups that changed after number `after`, up to number `upto`, as items in the order of changes. An older window of a
/// subject is none of them.
pub(super) fn changed_groups(db: &Connection, after: u64, upto: u64) -> rusqlite::Result<Vec<Item>> {
    let upto = upto.min(i64::MAX as u64);
    let mut accounts = db.prepare_cached(
        "SELECT plan, created, revoked, whitelist, label, generation, number, subject, change FROM accounts \
         WHERE change > ? AND change <= ?",
    )?;
    let mut usages = db.prepare_cached(
        "SELECT window, components, counted_at, generation, number, subject, change FROM usage AS one \
         WHERE change > ? AND change <= ? AND NOT EXISTS (SELECT 1 FROM usage AS other \
         WHERE other.subject = one.subject AND (other.counted_at, other.window) > (one.counted_at, one.window))",
    )?;
    let account = |row: &Row<'_>| {
        Ok((row.get(8)?, Item { subject: identifier(row, 7)?, account: Some(account_of(row)?), usage: None }))
    };
    let usage = |row: &Row<'_>| {
        Ok((row.get(6)?, Item { subject: identifier(row, 5)?, account: None, usage: Some(usage_of(row)?) }))
    };
    let mut changes: Vec<(u64, Item)> = accounts.query_map((after, upto), account)?.collect::<Result<_, _>>()?;
    for change in usages.query_map((after, upto), usage)? {
        changes.push(change?);
    }
    changes.sort_unstable_by_key(|(change, _)| *change);
    Ok(changes.into_iter().map(|(_, item)| item).collect())
}

/// Items of subjects with changes after number `after`, whole and in the order of the changes, and the last number that they cover.
/// Takes in `changes_max` changes at most. For a table that holds one window of each subject.
pub(super) fn changed(db: &Connection, after: u64, changes_max: u64) -> rusqlite::Result<(Vec<Item>, u64)> {
    let changes_max = changes_max.min(i64::MAX as u64);
    let mut usages = db.prepare_cached(
        "SELECT u.window, u.components, u.counted_at, u.generation, u.number, u.subject, u.change, \
         a.plan, a.created, a.revoked, a.whitelist, a.label, a.generation, a.number, a.subject IS NOT NULL \
         FROM usage AS u LEFT JOIN accounts AS a ON a.subject = u.subject WHERE u.change > ? ORDER BY u.change LIMIT ?",
    )?;
    let mut accounts =
        db.prepare_cached("SELECT subject, change FROM accounts WHERE change > ? ORDER BY change LIMIT ?")?;
    let both = |row: &Row<'_>| {
        let account = if row.get(14)? { Some(account_at(row, 7)?) } else { None };
        Ok((row.get(6)?, Item { subject: identifier(row, 5)?, account, usage: Some(usage_of(row)?) }))
    };
    let mut changes: Vec<(u64, Item)> = usages.query_map((after, changes_max), both)?.collect::<Result<_, _>>()?;
    // Beyond the end of either part, the other may have gaps.
    let end = |changes: &[(u64, Item)]| match changes.last() {
        Some((last, _)) if changes.len() as u64 == changes_max => *last,
        _ => u64::MAX,
    };
    let mut upto = end(&changes);
    let mut others = Vec::new();
    let subjects = accounts.query_map((after, changes_max), |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
    for found in subjects {
        let (subject, change) = found?;
        others.push((change, item(db, &subject)?));
    }
    upto = upto.min(end(&others));
    changes.append(&mut others);
    changes.retain(|(change, _)| *change <= upto);
    changes.sort_unstable_by_key(|(change, _)| *change);
    let last = changes.last().map_or(after, |(change, _)| *change);
    Ok((changes.into_iter().map(|(_, item)| item).collect(), last))
}

/// The item of a subject.
pub(super) fn item(db: &Connection, subject: &str) -> rusqlite::Result<Item> {
    Ok(Item { subject: identifier_of(subject, 0)?, account: account(db, subject)?, usage: usage(db, subject)? })
}

/// Every usage group with the account of its subject.
pub(super) fn all_usage(db: &Connection) -> rusqlite::Result<Vec<(Identifier, Option<Account>, Usage)>> {
    let mut statement = db.prepare_cached(
        "SELECT window, components, counted_at, generation, number, subject FROM usage ORDER BY subject, window",
    )?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(5)?, usage_of(row)?)))?;
    rows.map(|row| {
        let (subject, usage) = row?;
        Ok((identifier_of(&subject, 5)?, account(db, &subject)?, usage))
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

fn identifier(row: &Row<'_>, at: usize) -> rusqlite::Result<Identifier> {
    identifier_of(row.get_ref(at)?.as_str()?, at)
}

fn identifier_of(subject: &str, column: usize) -> rusqlite::Result<Identifier> {
    Identifier::from_str(subject).map_err(|_| unreadable(column, format!("{subject:?} is no identifier")))
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
