//! The central table on DynamoDB: accounts, regions, epochs, generation.
//!
//! Each group of an item has its own version, which grows with the clock, and each write is conditional on the version that
//! it was made from. Not here: counting, and the change feed.

mod again;
mod counting;

pub(crate) use counting::LEASE_US_MIN;

use std::time::{Duration, Instant};

use aws_sdk_dynamodb::types::{AttributeValue as Value, Put, TransactWriteItem};
use georush_core::{Identifier, Timestamp, Version};
use georush_system::{
    backend,
    item::{Account, Item, Usage},
    pipeline::now,
    store::{Applied, Batch, Error, Lease, Letter, Position},
};

use crate::{
    feed::Replica,
    rows::{self, ACCOUNT_VERSION, Attributes, EXPIRES, OWN, ROW, USAGE_VERSION, number, parsed, string, text},
    stream::{SharedPlaces, lock},
    table::{Table, Write},
};

/// How often a condition may fail before it is an error: each time somebody else was faster.
const TRIES: u32 = 20;
/// How often it is looked whether the table is still the same, and whether it is whole again if it was not.
const IDENTIFY_EVERY: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_secs(5);
const NUMBERS_MAX: u64 = 65_535;
/// `sk` of which table this is.
const IDENTITY: &str = "identity";
/// Whether its counts may be published.
const WHOLE: &str = "whole";

/// An open central table.
#[derive(Debug)]
pub(crate) struct Central {
    table: Table,
    identity: Identity,
    identified_at: Instant,
    /// When it was first seen that counts are not whole, if they are not.
    held_back_since: Option<Instant>,
    /// With the stream, for an aggregator.
    places: SharedPlaces,
    /// With a region's table, for a replicator.
    replica: Option<Replica>,
}

/// Which table it is, and whether its counts may be published.
#[derive(Debug, Clone, Copy)]
struct Identity {
    generation: u32,
    /// Everything that the stream held when this generation began is counted.
    whole: bool,
}

/// The version of a write made now to a group of version `old`: later than all before, also of an item that was deleted.
fn next_version(old: Version, generation: u32) -> Version {
    Version { generation, number: now().0.max(old.number + 1) }
}

impl Central {
    /// Opens the table; one that was restored, and so has another identity than it says itself, begins a generation.
    pub(crate) fn open(table: Table, places: SharedPlaces, replica: Option<Replica>) -> Result<Self, Error> {
        let identity = identify(&table)?;
        let identified_at = Instant::now();
        let held_back_since = (!identity.whole).then_some(identified_at);
        Ok(Self { table, identity, identified_at, held_back_since, places, replica })
    }

    /// The number of a region, which stays the same for ever; a new region is given `known` if nobody has it, else the next.
    pub(crate) fn register(&self, region: &str, known: Option<u16>) -> Result<u16, Error> {
        let at = format!("region#{region}");
        for _ in 0..TRIES {
            if let Some(attributes) = self.table.get(rows::key(OWN, &at))? {
                return parsed(&attributes, "number").ok_or_else(|| self.table.unreadable(&attributes));
            }
            let regions = self.list()?;
            let free = known.filter(|known| regions.iter().all(|(number, _)| number != known));
            let next = regions.iter().map(|(number, _)| u64::from(*number) + 1).max().unwrap_or(0);
            let number = match free {
                Some(free) => free,
                None if next < NUMBERS_MAX => next as u16,
                None => return Err(Error::UsedUp(region.to_owned(), "regions")),
            };
            // Two items, so that neither name nor number is given twice.
            let mut named = rows::key(OWN, &at);
            named.extend([("number".to_owned(), rows::number(number)), ("epoch".to_owned(), rows::number(0))]);
            let numbered = rows::key(OWN, format!("number#{number}"));
            let new = [named, numbered].map(|item| self.put_new(item));
            let call = self.table.client.transact_write_items().set_transact_items(Some(new.into()));
            match self.table.service.call("TransactWriteItems", &self.table.resource(), call.send()) {
                Ok(_) => return Ok(number),
                // Somebody else was faster, or it was this call and its answer was lost.
                Err(failure) if failure.is("TransactionCanceledException") => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        Err(self.contended("TransactWriteItems"))
    }

    fn put_new(&self, item: Attributes) -> TransactWriteItem {
        let put = Put::builder().table_name(&self.table.at.name).set_item(Some(item));
        let put = put.condition_expression("attribute_not_exists(pk)").build();
        TransactWriteItem::builder().put(put.expect("table and item are given")).build()
    }

    fn list(&self) -> Result<Vec<(u16, String)>, Error> {
        let found = self.table.query(OWN, "region#")?;
        let region = |attributes: &Attributes| {
            let name = string(attributes, rows::SK)?.strip_prefix("region#")?.to_owned();
            Some((parsed(attributes, "number")?, name))
        };
        let read = |attributes| region(attributes).ok_or_else(|| self.table.unreadable(attributes));
        let mut regions = found.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        regions.sort();
        Ok(regions)
    }

    /// Claims the next epoch of a registered region, above `floor` and above every epoch claimed here.
    pub(crate) fn claim_epoch(&self, region: &str, floor: u16) -> Result<u16, Error> {
        let key = rows::key(OWN, format!("region#{region}"));
        for _ in 0..TRIES {
            let stored = self.table.get(key.clone())?.unwrap_or_default();
            let old: u64 = parsed(&stored, "epoch").ok_or_else(|| self.table.unreadable(&stored))?;
            let epoch = old.max(u64::from(floor)) + 1;
            if epoch > NUMBERS_MAX {
                return Err(Error::UsedUp(region.to_owned(), "epochs"));
            }
            let claimed = self.table.write_if(&Write {
                key: key.clone(),
                set: vec![("epoch".to_owned(), number(epoch))],
                condition: Some("epoch = :a".to_owned()),
                values: vec![(":a", number(old))],
                ..Write::default()
            })?;
            if claimed {
                // Nobody else has this epoch. If this very call was tried twice and the first try counted, its second fails,
                // and the epoch is skipped.
                return Ok(epoch as u16);
            }
        }
        Err(self.contended("UpdateItem"))
    }

    fn put_account(&self, subject: &Identifier, account: &Account, old: Option<Version>) -> Write {
        let set = rows::of_account(account).into_iter().map(|(name, value)| (name.to_owned(), value));
        let (condition, values) = match old {
            None => ("attribute_not_exists(account_version)", Vec::new()),
            Some(old) => ("account_version = :a", vec![(":a", text(rows::version_text(old)))]),
        };
        let (key, remove) = (rows::key(subject.to_string(), ROW), vec![EXPIRES.to_owned()]);
        Write { key, set: set.collect(), remove, condition: Some(condition.to_owned()), values }
    }

    fn contended(&self, operation: &str) -> Error {
        let found = format!("others changed the same item {TRIES} times meanwhile");
        self.table.service.error(operation, found, "try again".to_owned())
    }

    /// The generation, after a look at the identity if it is time for one.
    fn identified(&mut self) -> Result<u32, Error> {
        let every = if self.identity.whole { IDENTIFY_EVERY } else { LOOK_EVERY };
        if self.identified_at.elapsed() >= every {
            self.identity = identify(&self.table)?;
            self.identified_at = Instant::now();
            let since = self.held_back_since.unwrap_or(self.identified_at);
            self.held_back_since = (!self.identity.whole).then_some(since);
        }
        Ok(self.identity.generation)
    }

    /// The generation of the life that works; one that began before a restore must not go on.
    fn unchanged_generation(&mut self) -> Result<u32, Error> {
        let before = self.identity.generation;
        if self.identified()? == before { Ok(before) } else { Err(Error::Fenced) }
    }

    /// Lets counts be published again once all that was in the stream when they were found to be too low is counted.
    fn lower_barrier(&mut self) -> Result<(), Error> {
        let Some(since) = self.held_back_since else { return Ok(()) };
        if !lock(&self.places).is_all_read_since(since) {
            return Ok(());
        }
        // If not: restored once more, and the next look tells.
        if self.table.write_if(&self.saying_whole(true))? {
            tracing::info!(table = self.table.at.name, "counts are whole again and are published");
            (self.identity.whole, self.held_back_since) = (true, None);
        }
        Ok(())
    }

    /// The write that says whether counts are whole, unless another generation has begun.
    fn saying_whole(&self, whole: bool) -> Write {
        Write {
            key: rows::key(OWN, IDENTITY),
            set: vec![(WHOLE.to_owned(), Value::Bool(whole))],
            condition: Some("generation = :a".to_owned()),
            values: vec![(":a", number(self.identity.generation))],
            ..Write::default()
        }
    }
}

/// Gives a group a version above its own and above `found`, which a region has in its place, so that every region gets it again.
pub(crate) fn publish_again(table: &Table, subject: &Identifier, name: &str, found: Version) -> Result<(), Error> {
    let key = rows::key(subject.to_string(), ROW);
    let old = rows::version_of(&table.get(key.clone())?.unwrap_or_default(), name);
    let next = next_version(Version { number: old.number.max(found.number), ..old }, found.generation);
    let again = Write {
        key,
        set: vec![(name.to_owned(), text(rows::version_text(next)))],
        condition: Some(format!("{name} = :a")),
        values: vec![(":a", text(rows::version_text(old)))],
        ..Write::default()
    };
    // If not, what was written meanwhile is published.
    table.write_if(&again).map(drop)
}

/// The table's identity. A table that holds another's was restored from its backup: what regions hold may be newer, and must lose
/// against this, but not before counts are whole again.
fn identify(table: &Table) -> Result<Identity, Error> {
    let call = table.client.describe_table().table_name(&table.at.name);
    let described = table.service.call("DescribeTable", &table.resource(), call.send())?.table;
    let id = described.and_then(|described| described.table_id).unwrap_or_default();
    let key = rows::key(OWN, IDENTITY);
    for _ in 0..TRIES {
        let stored = table.get(key.clone())?;
        let (generation, condition, values) = match &stored {
            None => (0, "attribute_not_exists(pk)", Vec::new()),
            Some(stored) => {
                let old = string(stored, "table_id").unwrap_or_default();
                let generation: u32 = parsed(stored, "generation").ok_or_else(|| table.unreadable(stored))?;
                if old == id {
                    let whole = stored.get(WHOLE).and_then(|whole| whole.as_bool().ok()).copied().unwrap_or(true);
                    return Ok(Identity { generation, whole });
                }
                (generation + 1, "table_id = :a", vec![(":a", text(old))])
            }
        };
        let begun = table.write_if(&Write {
            key: key.clone(),
            set: vec![
                ("table_id".to_owned(), text(&id)),
                ("generation".to_owned(), number(generation)),
                (WHOLE.to_owned(), Value::Bool(generation == 0)),
            ],
            condition: Some(condition.to_owned()),
            values,
            ..Write::default()
        })?;
        if begun {
            if generation > 0 {
                let table = &table.at.name;
                tracing::warn!(table, generation, "the central table was restored: a new generation begins");
            }
            return Ok(Identity { generation, whole: generation == 0 });
        }
    }
    Err(table.service.error("UpdateItem", "others changed the identity meanwhile".to_owned(), "try again".to_owned()))
}

impl backend::Central for Central {
    fn regions(&mut self) -> Result<Vec<(u16, String)>, Error> {
        self.list()
    }

    fn sign_up(&mut self, subject: &Identifier, account: &Account) -> Result<Version, Error> {
        let version = next_version(Version::default(), self.identified()?);
        let write = self.put_account(subject, &Account { version, ..account.clone() }, None);
        if self.table.write_if(&write)? {
            return Ok(version);
        }
        match self.item(subject)?.account {
            // Its answer was lost, and it was tried again.
            Some(stored) if stored.version == version => Ok(version),
            _ => Err(Error::Exists(subject.clone())),
        }
    }

    fn change_account(
        &mut self,
        subject: &Identifier,
        change: &dyn Fn(&mut Account),
    ) -> Result<Option<Account>, Error> {
        let generation = self.identified()?;
        for _ in 0..TRIES {
            let Some(before) = self.item(subject)?.account else { return Ok(None) };
            let mut after = before.clone();
            change(&mut after);
            after.version = before.version;
            if after == before {
                return Ok(Some(after));
            }
            after.version = next_version(before.version, generation);
            if self.table.write_if(&self.put_account(subject, &after, Some(before.version)))? {
                return Ok(Some(after));
            }
        }
        Err(self.contended("UpdateItem"))
    }

    /// Reads the whole table.
    fn signed_up(&mut self, prefix: &str) -> Result<Vec<Item>, Error> {
        let (mut found, mut start) = (Vec::new(), None);
        loop {
            let (page, next) = self.table.scan(start)?;
            let fits = |attributes: &&Attributes| {
                attributes.contains_key(ACCOUNT_VERSION)
                    && string(attributes, rows::PK).is_some_and(|pk| pk.starts_with(prefix))
            };
            for attributes in page.iter().filter(fits) {
                found.push(rows::item(attributes).ok_or_else(|| self.table.unreadable(attributes))?);
            }
            start = next;
            if start.is_none() {
                break;
            }
        }
        let created = |item: &Item| item.account.as_ref().map(|account| account.created);
        found.sort_by(|a, b| (created(a), &a.subject).cmp(&(created(b), &b.subject)));
        Ok(found)
    }

    fn item(&mut self, subject: &Identifier) -> Result<Item, Error> {
        self.table.item(subject)
    }

    /// Reads the whole table.
    fn all_usage(&mut self) -> Result<Vec<(Identifier, Option<Account>, Usage)>, Error> {
        let (mut found, mut start) = (Vec::new(), None);
        loop {
            let (page, next) = self.table.scan(start)?;
            for row in page.iter().filter(|row| row.contains_key(USAGE_VERSION)) {
                let unreadable = || self.table.unreadable(row);
                let Item { subject, account, .. } = rows::item(row).ok_or_else(unreadable)?;
                let windows = rows::windows(row).ok_or_else(unreadable)?.into_iter();
                found.extend(windows.map(|usage| (subject.clone(), account.clone(), usage)));
            }
            start = next;
            if start.is_none() {
                break;
            }
        }
        found.sort_by_cached_key(|(subject, _, usage)| (subject.to_string(), usage.window));
        Ok(found)
    }

    fn dead_letters(&mut self, most: u32) -> Result<(Vec<Letter>, u64), Error> {
        let mut letters = self.letters()?;
        let number = letters.len() as u64;
        letters.reverse();
        letters.truncate(most as usize);
        Ok((letters, number))
    }

    fn settle(&mut self, letter: &Letter, how: &str) -> Result<(), Error> {
        self.settle_letter(letter, how)
    }

    fn newest(&mut self) -> Result<Version, Error> {
        let generation = self.identified()?;
        match &mut self.replica {
            // One change that may not be read yet.
            Some(replica) if !self.identity.whole => Ok(Version { generation, number: replica.cursor().number + 1 }),
            Some(replica) => replica.newest(&self.table, generation),
            None => Ok(Version { generation, number: 0 }),
        }
    }

    fn changed(&mut self, after: u64, changes_max: u64) -> Result<Vec<Item>, Error> {
        if !self.identity.whole {
            return Err(Error::HeldBack);
        }
        Ok(self.replica.as_ref().map(|replica| replica.changed(after, changes_max)).unwrap_or_default())
    }

    fn repaired(&mut self) -> u64 {
        self.replica.as_ref().map(Replica::repaired).unwrap_or_default()
    }

    fn acquire(&mut self, now: Timestamp, lasts_us: u64) -> Result<Option<Lease>, Error> {
        self.take_lease(now, lasts_us)
    }

    fn renew(&mut self, lease: Lease, now: Timestamp) -> Result<(), Error> {
        self.unchanged_generation()?;
        self.keep_lease(lease, now)?;
        self.lower_barrier()
    }

    fn release(&mut self, lease: Lease) -> Result<(), Error> {
        self.give_lease_back(lease)
    }

    fn position(&mut self, stream: &str) -> Result<Position, Error> {
        self.read_position(stream)
    }

    fn apply(&mut self, lease: Lease, now: Timestamp, batch: &Batch<'_>) -> Result<Applied, Error> {
        let applied = self.count(lease, now, batch)?;
        self.lower_barrier()?;
        Ok(applied)
    }

    /// Counts of strangers have a time to live, after which DynamoDB deletes them; those of keys are few.
    fn forget(&mut self, _before: Timestamp, _most: u32) -> Result<usize, Error> {
        Ok(0)
    }
}
