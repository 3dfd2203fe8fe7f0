//! A region's table on DynamoDB: what its edge reads, how far its replicator has come, and its edge's epochs.
//!
//! Each group is put on the condition that what is there is older. Not here: which changes there are.

use georush_core::{Identifier, Origin, Timestamp, Version, time::SECOND_US};
use georush_system::{
    backend::{self, Rows},
    item::Item,
    store::Error,
};

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Mutex,
};

use crate::{
    central::Central,
    changes::Changes,
    client::{Calls, Gate, is_stale},
    feed::{Replica, Stored},
    rows::{self, ACCOUNT_VERSION, Attributes, EXPIRES, OWN, USAGE_VERSION, WINDOWS, number, parsed, string, text},
    shards::{From, Shards},
    stream::lock,
    table::{Table, Write},
};

/// The region itself, as its table knows it.
const REGION: &str = "region";
/// How far its replicator has come.
const CURSOR: &str = "cursor";

/// A region's table and the calls that several of its users share.
#[derive(Debug, Clone)]
pub(crate) struct RegionalTable {
    pub(crate) table: Table,
}

impl RegionalTable {
    /// The region's number as the table has it.
    pub(crate) fn known(&self) -> Result<(Option<u16>, u16), Error> {
        let stored = self.table.get(rows::key(OWN, REGION))?.unwrap_or_default();
        Ok((parsed(&stored, "number"), parsed(&stored, "epoch").unwrap_or(0)))
    }

    /// Registers the region, and makes sure that its table belongs to this central table.
    pub(crate) fn adopt(&self, region: &str, central: &Central) -> Result<u16, Error> {
        let (known, _) = self.known()?;
        let wanted = central.register(region, known)?;
        match known {
            Some(found) if found != wanted => {
                let found = format!("{} says that region {region} has number {found}", self.table.resource());
                let remedy =
                    format!("in the central table it is {wanted}: they do not belong together; name another table");
                Err(self.table.service.error("GetItem", found, remedy))
            }
            Some(_) => Ok(wanted),
            None => {
                let set = vec![("number".to_owned(), number(wanted))];
                self.table.write(&Write { key: rows::key(OWN, REGION), set, ..Write::default() })?;
                Ok(wanted)
            }
        }
    }

    /// Begins a new life of the region's edge. Its epoch is durable in both tables before it is used, above the highest of both.
    pub(crate) fn claim_epoch(&self, region: &str, central: &Central) -> Result<Origin, Error> {
        let number_of = self.adopt(region, central)?;
        let epoch = central.claim_epoch(region, self.known()?.1)?;
        // If not, a later life was faster; this one has its epoch for itself all the same.
        self.table.write_if(&Write {
            key: rows::key(OWN, REGION),
            set: vec![("epoch".to_owned(), number(epoch))],
            condition: Some("attribute_not_exists(epoch) OR epoch < :a".to_owned()),
            values: vec![(":a", number(epoch))],
            ..Write::default()
        })?;
        Ok(Origin { region: number_of, epoch })
    }

    /// Puts every group that is newer than what is here; says how many were.
    pub(crate) fn put_groups(&self, items: &[Item]) -> Result<u64, Error> {
        let mut writes = Vec::new();
        for item in items {
            let key = rows::key(item.subject.to_string(), rows::ROW);
            let newer = |name: &str| Some(format!("attribute_not_exists({name}) OR {name} < :a"));
            if let Some(account) = &item.account {
                let set = rows::of_account(account).into_iter().map(|(name, value)| (name.to_owned(), value));
                let (condition, version) = (newer(ACCOUNT_VERSION), text(rows::version_text(account.version)));
                let (remove, values) = (vec![EXPIRES.to_owned()], vec![(":a", version)]);
                writes.push(Write { key: key.clone(), set: set.collect(), remove, condition, values });
            }
            if let Some(usage) = &item.usage {
                let version = text(rows::version_text(usage.version));
                let mut set =
                    vec![(WINDOWS.to_owned(), rows::of_windows([usage])), (USAGE_VERSION.to_owned(), version.clone())];
                let expiry = rows::expiry(&item.subject, usage.counted_at);
                set.extend(expiry.map(|expiry| (EXPIRES.to_owned(), expiry)));
                let (condition, values) = (newer(USAGE_VERSION), vec![(":a", version)]);
                writes.push(Write { key, set, condition, values, ..Write::default() });
            }
        }
        let mut put = 0;
        for done in self.table.write_all(&writes) {
            match done {
                Ok(()) => put += 1,
                Err(failure) if failure.is_condition() => {}
                Err(failure) => return Err(failure.into()),
            }
        }
        Ok(put)
    }

    /// Puts every group that is newer than what is here, and writes nothing else; returns what is here of subjects with a group that the
    /// centre did not have.
    pub(crate) fn put_newer(&self, items: &[Item]) -> Result<Vec<Item>, Error> {
        let subjects: Vec<String> = items.iter().map(|item| item.subject.to_string()).collect();
        let here = self.table.items(&subjects)?;
        let here: HashMap<_, _> = here.iter().filter_map(rows::item).map(|item| (item.subject.clone(), item)).collect();
        let (mut newer, mut strange) = (items.to_vec(), Vec::new());
        for item in &mut newer {
            let Some(there) = here.get(&item.subject) else { continue };
            if rows::strange(item, there) != [None; 2] {
                strange.push(there.clone());
            }
            let (ours, theirs) = (rows::versions(item), rows::versions(there));
            item.account = item.account.take().filter(|_| ours[0] > theirs[0]);
            item.usage = item.usage.take().filter(|_| ours[1] > theirs[1]);
        }
        self.put_groups(&newer)?;
        Ok(strange)
    }

    /// Forgets a group, if it still has the version `name` = `seen`.
    pub(crate) fn remove_group(&self, subject: &Identifier, name: &str, seen: Version) -> Result<(), Error> {
        let group: &[&str] = match name {
            USAGE_VERSION => &[WINDOWS, USAGE_VERSION],
            _ => &["plan", ACCOUNT_VERSION],
        };
        let removal = Write {
            key: rows::key(subject.to_string(), rows::ROW),
            remove: group.iter().map(|name| (*name).to_owned()).collect(),
            condition: Some(format!("{name} = :a")),
            values: vec![(":a", text(rows::version_text(seen)))],
            ..Write::default()
        };
        // If not, somebody else has written meanwhile.
        self.table.write_if(&removal).map(drop)
    }

    pub(crate) fn stored(&self) -> Result<Stored, Error> {
        let stored = self.table.get(rows::key(OWN, CURSOR))?.unwrap_or_default();
        let place = |(shard, place): (&String, &aws_sdk_dynamodb::types::AttributeValue)| {
            Some((shard.clone(), place.as_s().ok()?.clone()))
        };
        let positions = stored.get("shards").and_then(|shards| shards.as_m().ok());
        Ok(Stored {
            generation: parsed(&stored, "generation").unwrap_or(0),
            positions: positions.into_iter().flatten().filter_map(place).collect(),
            at: Timestamp(parsed::<u64>(&stored, "at_s").unwrap_or(0) * SECOND_US),
        })
    }

    fn store(&self, stored: &Stored) -> Result<(), Error> {
        let shards = stored.positions.iter().map(|(shard, place)| (shard.clone(), text(place)));
        let set = vec![
            ("generation".to_owned(), number(stored.generation)),
            ("shards".to_owned(), aws_sdk_dynamodb::types::AttributeValue::M(shards.collect())),
            ("at_s".to_owned(), number(stored.at.0 / SECOND_US)),
        ];
        Ok(self.table.write(&Write { key: rows::key(OWN, CURSOR), set, ..Write::default() })?)
    }
}

/// An edge's way through its region's table: first all of it, then what changes.
#[derive(Debug)]
enum Walk {
    /// Nothing was read yet.
    Begin,
    /// Page by page, while the changes since the beginning wait.
    Whole(Shards<Changes>, Option<Attributes>),
    /// What changes.
    Changes(Shards<Changes>),
}

/// An open regional table.
#[derive(Debug)]
pub(crate) struct Regional {
    table: RegionalTable,
    calls: Calls,
    /// With the central table, for a replicator.
    replica: Option<Replica>,
    walk: Walk,
    waiting: VecDeque<Item>,
    gate: Gate,
}

impl Regional {
    pub(crate) fn new(table: RegionalTable, calls: Calls, replica: Option<Replica>) -> Self {
        Self { table, calls, replica, walk: Walk::Begin, waiting: VecDeque::new(), gate: Gate::default() }
    }

    /// One step of the walk; says whether there may be more at once.
    fn step(&mut self) -> Result<bool, Error> {
        match std::mem::replace(&mut self.walk, Walk::Begin) {
            Walk::Begin => {
                let changes = Changes::open(&self.calls, &self.table.table)?;
                let mut shards = Shards::new(changes, BTreeMap::new(), From::Newest);
                shards.list()?;
                self.walk = Walk::Whole(shards, None);
                Ok(true)
            }
            Walk::Whole(shards, start) => {
                let (page, next) = self.table.table.scan(start)?;
                let of_subjects = |attributes: &&Attributes| string(attributes, rows::SK) == Some(rows::ROW);
                self.waiting.extend(page.iter().filter(of_subjects).filter_map(rows::item));
                self.walk = match next {
                    Some(next) => Walk::Whole(shards, Some(next)),
                    None => Walk::Changes(shards),
                };
                Ok(true)
            }
            Walk::Changes(mut shards) => {
                let fetched =
                    shards.list().and_then(|()| (0..shards.all.len()).try_for_each(|index| shards.fetch(index)));
                for shard in &mut shards.all {
                    self.waiting.extend(shard.queue.drain(..).filter_map(|(_, item)| item));
                }
                // What was missed is in the table: the walk begins anew.
                if !fetched.as_ref().is_err_and(is_stale) {
                    self.walk = Walk::Changes(shards);
                }
                fetched.map(|()| false)
            }
        }
    }
}

impl backend::Regional for Regional {
    fn cursor(&mut self) -> Result<Version, Error> {
        Ok(self.replica.as_ref().map(Replica::cursor).unwrap_or_default())
    }

    fn put(&mut self, items: &[Item], cursor: Version) -> Result<u64, Error> {
        let table = &self.table;
        let replica = self.replica.as_ref();
        self.gate.pass(|| {
            let put = table.put_groups(items)?;
            if let Some(replica) = replica {
                let stored = replica.position(cursor.number);
                table.store(&stored)?;
                replica.moved(cursor.number, stored);
            }
            Ok(put)
        })
    }

    fn changed_since(&mut self, after: u64, changes_max: u64) -> Result<(Vec<Item>, u64), Error> {
        self.gate.check()?;
        while self.waiting.is_empty() {
            let more = self.step();
            if !self.gate.note(more)? {
                break;
            }
        }
        let number = self.waiting.len().min(usize::try_from(changes_max).unwrap_or(usize::MAX));
        let items: Vec<Item> = self.waiting.drain(..number).collect();
        Ok((items, after + number as u64))
    }

    fn item(&mut self, subject: &Identifier) -> Result<Item, Error> {
        self.table.table.item(subject)
    }

    /// Counts of strangers have a time to live, after which DynamoDB deletes them; those of keys are few.
    fn forget(&mut self, _before: Timestamp, _most: u32) -> Result<usize, Error> {
        Ok(0)
    }
}

/// A region's rows, one GetItem each.
#[derive(Debug)]
pub(crate) struct RowByRow {
    table: RegionalTable,
    gate: Mutex<Gate>,
}

impl RowByRow {
    pub(crate) fn new(table: RegionalTable) -> Self {
        Self { table, gate: Mutex::new(Gate::default()) }
    }
}

impl Rows for RowByRow {
    fn row(&self, subject: &Identifier) -> Result<Item, Error> {
        lock(&self.gate).check()?;
        let item = self.table.table.item(subject);
        lock(&self.gate).note(item)
    }
}
