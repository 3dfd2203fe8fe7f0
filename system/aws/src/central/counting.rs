//! The aggregator's part of the central table: lease, position, counts.
//!
//! Counts are written first, each row by itself and conditional on its version; then lanes and checkpoints in one transaction that
//! holds only for the owner of the lease. Whatever ends in between, the records come again, and raising counts again
//! changes nothing. Not here: how events become updates.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::{AttributeValue as Value, TransactWriteItem, Update as DynamoUpdate};
use georush_core::{
    Origin, Timestamp, Version,
    aggregator::{Effect, Gaps, Lane},
    count::{WindowCount, Windows},
    time::SECOND_US,
};
use georush_system::{
    item::Usage,
    store::{Applied, Batch, DeadLetter, Error, Lease, Letter, Position},
};

use super::{Central, TRIES, next_version};
use crate::{
    client::Failure,
    rows::{self, Attributes, EXPIRES, OWN, ROW, USAGE_VERSION, WINDOWS, number, parsed, string, text},
    stream::lock,
    table::Write,
};

/// `sk` of lease and checkpoints.
const AGGREGATION: &str = "aggregation";
/// A lease lasts this long at least: calls that are tried again take seconds.
pub(crate) const LEASE_US_MIN: u64 = 20 * SECOND_US;
/// `pk` of dead letters.
const DEAD_LETTERS: &str = "dead-letters";
const DEAD_LETTERS_KEPT_S: u64 = 30 * 86_400;
/// Items of one TransactWriteItems. Source: API reference.
const TRANSACTION_MAX: usize = 100;

impl Central {
    pub(super) fn take_lease(&self, now: Timestamp, lasts_us: u64) -> Result<Option<Lease>, Error> {
        let lasts_us = lasts_us.max(LEASE_US_MIN);
        let stored = self.table.get(rows::key(OWN, AGGREGATION))?;
        let expires: u64 = stored.as_ref().and_then(|stored| parsed(stored, "expires")).unwrap_or(0);
        // A lease that ends later than one taken now is from a clock that has since been set back.
        if expires > now.0 && expires <= now.after(lasts_us).0 {
            return Ok(None);
        }
        let old: Option<u64> = stored.as_ref().and_then(|stored| parsed(stored, "token"));
        let token = old.unwrap_or(0) + 1;
        let (condition, values) = match old {
            None => ("attribute_not_exists(token)", Vec::new()),
            Some(old) => ("token = :a", vec![(":a", number(old))]),
        };
        // The name is a word that DynamoDB reserves.
        let condition = condition.replace("token", "#s0");
        let taken = self.table.write_if(&Write {
            key: rows::key(OWN, AGGREGATION),
            set: vec![("token".to_owned(), number(token)), ("expires".to_owned(), number(now.after(lasts_us).0))],
            condition: Some(condition),
            values,
            ..Write::default()
        })?;
        Ok(taken.then(|| Lease::new(token, lasts_us)))
    }

    pub(super) fn keep_lease(&self, lease: Lease, now: Timestamp) -> Result<(), Error> {
        self.table.write(&held(lease, now.after(lease.lasts_us()), Vec::new())).map_err(fenced)
    }

    pub(super) fn give_lease_back(&self, lease: Lease) -> Result<(), Error> {
        self.table.write_if(&held(lease, Timestamp(0), Vec::new())).map(drop)
    }

    pub(super) fn read_position(&self, stream: &str) -> Result<Position, Error> {
        let stored = self.table.get(rows::key(OWN, AGGREGATION))?.unwrap_or_default();
        lock(&self.places).begin(match string(&stored, "stream") {
            Some(of) if of == stream => checkpoints(&stored),
            _ => BTreeMap::new(),
        });
        let mut lanes = Vec::new();
        for attributes in self.table.query(OWN, "lanes#")? {
            lanes.extend(lanes_of(&attributes).ok_or_else(|| self.table.unreadable(&attributes))?);
        }
        // Records are numbered from 1 in each life.
        Ok(Position { checkpoints: Vec::new(), gaps: Gaps::from_lanes(lanes) })
    }

    pub(super) fn count(&mut self, lease: Lease, now: Timestamp, batch: &Batch<'_>) -> Result<Applied, Error> {
        let generation = self.unchanged_generation()?;
        let applied = self.raise(generation, batch)?;
        self.put_dead_letters(now, batch)?;
        self.checkpoint(lease, now, batch)?;
        Ok(applied)
    }

    /// Raises the counts of all subjects. One that somebody else changes meanwhile is read again.
    fn raise(&self, generation: u32, batch: &Batch<'_>) -> Result<Applied, Error> {
        let mut open = batch.by_subject();
        let mut applied = Applied::default();
        for _ in 0..TRIES {
            if open.is_empty() {
                return Ok(applied);
            }
            let subjects: Vec<String> = open.iter().map(|changes| changes.subject.clone()).collect();
            let stored = self.table.items(&subjects)?.into_iter();
            let stored = stored.filter_map(|row| Some((string(&row, rows::PK)?.to_owned(), row)));
            let mut stored: HashMap<String, Attributes> = stored.collect();
            let (mut writes, mut raised) = (Vec::new(), Vec::new());
            for changes in open {
                let row = stored.remove(&changes.subject).unwrap_or_default();
                let windows = rows::windows(&row).ok_or_else(|| self.table.unreadable(&row))?;
                let mut windows = Windows::new(windows.iter().map(Usage::count).collect());
                let (changed, came) = changes.apply(&mut windows);
                if changed.is_empty() {
                    applied += came;
                    continue;
                }
                writes.push(raised_row(generation, &changes.subject, windows.kept(), &row));
                raised.push((changes, came));
            }
            let (mut again, mut failed) = (Vec::new(), None);
            for ((changes, came), done) in raised.into_iter().zip(self.table.write_all(&writes)) {
                match done {
                    Ok(()) => applied += came,
                    // Another aggregator was faster, or this very write was answered too late and tried again.
                    Err(failure) if failure.is_condition() => again.push(changes),
                    Err(failure) => failed = Some(failure),
                }
            }
            if let Some(failure) = failed {
                return Err(failure.into());
            }
            open = again;
        }
        Err(self.contended("UpdateItem"))
    }

    fn put_dead_letters(&self, now: Timestamp, batch: &Batch<'_>) -> Result<(), Error> {
        let places = lock(&self.places);
        let letter = |letter: &DeadLetter| {
            let (shard, sequence) = places.of(letter.shard, letter.sequence)?;
            // The same letter has the same key when it is read again, and is not put aside again.
            let key = rows::key(DEAD_LETTERS, format!("{shard}#{sequence}#{:06}", letter.line));
            let kept = now.0 / SECOND_US + DEAD_LETTERS_KEPT_S;
            let set = vec![
                ("stream".to_owned(), text(batch.stream)),
                ("line".to_owned(), text(&letter.text)),
                ("reason".to_owned(), text(&letter.reason)),
                (EXPIRES.to_owned(), number(kept)),
            ];
            let condition = Some("attribute_not_exists(pk)".to_owned());
            Some(Write { key, set, condition, ..Write::default() })
        };
        let letters: Vec<Write> = batch.dead_letters.iter().filter_map(letter).collect();
        drop(places);
        for done in self.table.write_all(&letters) {
            match done {
                Err(failure) if !failure.is_condition() => return Err(failure.into()),
                _ => {}
            }
        }
        Ok(())
    }

    /// All dead letters that wait, the oldest of each shard first.
    pub(super) fn letters(&self) -> Result<Vec<Letter>, Error> {
        let letter = |item: &Attributes| {
            let parts: [&str; 3] = string(item, rows::SK)?.split('#').collect::<Vec<_>>().try_into().ok()?;
            let [shard, sequence, line] = parts;
            let id = format!("{shard}/{sequence}/{}", line.parse::<u32>().ok()?);
            Some(Letter { id, text: string(item, "line")?.to_owned(), reason: string(item, "reason")?.to_owned() })
        };
        let all = self.table.query(DEAD_LETTERS, "shardId-")?;
        let waiting = all.iter().filter(|item| !item.contains_key("settled"));
        waiting.map(|item| letter(item).ok_or_else(|| self.table.unreadable(item))).collect()
    }

    pub(super) fn settle_letter(&self, letter: &Letter, how: &str) -> Result<(), Error> {
        let unknown = || {
            let found = format!("{} is no dead letter's id", letter.id);
            self.table.service.error("UpdateItem", found, "name one that is listed".to_owned())
        };
        let parts: [&str; 3] = letter.id.split('/').collect::<Vec<_>>().try_into().map_err(|_| unknown())?;
        let [shard, sequence, line] = parts;
        let line: u32 = line.parse().map_err(|_| unknown())?;
        let write = Write {
            key: rows::key(DEAD_LETTERS, format!("{shard}#{sequence}#{line:06}")),
            set: vec![("settled".to_owned(), text(how))],
            condition: Some("attribute_exists(pk)".to_owned()),
            ..Write::default()
        };
        // If not, its time to live has ended meanwhile.
        self.table.write_if(&write).map(drop)
    }

    /// Makes lanes and checkpoints durable, if the lease is still held.
    fn checkpoint(&self, lease: Lease, now: Timestamp, batch: &Batch<'_>) -> Result<(), Error> {
        let mut moved = Vec::new();
        for effect in batch.effects {
            if let Effect::Checkpoint { shard, sequence } = effect {
                moved.push((*shard, *sequence));
            }
        }
        let positions = lock(&self.places).after(&moved);
        let shards = positions.iter().map(|(name, place)| (name.clone(), text(place)));
        let set = vec![("stream".to_owned(), text(batch.stream)), ("shards".to_owned(), Value::M(shards.collect()))];
        let expires = now.after(lease.lasts_us());
        let lanes: Vec<Write> =
            lanes_by_origin(batch.lanes).into_iter().map(|(origin, set)| lane_write(origin, set)).collect();
        // The checkpoint goes last: lanes that are ahead of it take the same lines in again, and lose none.
        let chunks = lanes.chunks(TRANSACTION_MAX - 1).collect::<Vec<_>>();
        let (last, before) = chunks.split_last().map_or((&[][..], &[][..]), |(last, before)| (*last, before));
        for chunk in before {
            self.transact(&held(lease, expires, Vec::new()), chunk)?;
        }
        self.transact(&held(lease, expires, set), last)?;
        lock(&self.places).checkpointed(&moved, positions);
        Ok(())
    }

    fn transact(&self, held: &Write, others: &[Write]) -> Result<(), Error> {
        let item = |write: &Write| {
            let (expression, names, values) = write.expression();
            let update = DynamoUpdate::builder().table_name(&self.table.at.name).set_key(Some(write.key.clone()));
            let update = update.update_expression(expression).set_condition_expression(write.condition.clone());
            let update = update.set_expression_attribute_names(Some(names.into_iter().collect()));
            let update = update.set_expression_attribute_values(Some(values.into_iter().collect())).build();
            TransactWriteItem::builder().update(update.expect("table, key and expression are given")).build()
        };
        let items = std::iter::once(held).chain(others).map(item).collect();
        let call = self.table.client.transact_write_items().set_transact_items(Some(items)).send();
        match self.table.service.call("TransactWriteItems", &self.table.resource(), call) {
            Ok(_) => Ok(()),
            Err(failure) if failure.is("TransactionCanceledException") => {
                // Cancelled for what reason? If the lease is still held, another transaction was in the way.
                let stored = self.table.get(rows::key(OWN, AGGREGATION))?.unwrap_or_default();
                let token = number_of(held, ":a");
                if string_number(&stored, "token") == token { Err(failure.into()) } else { Err(Error::Fenced) }
            }
            Err(failure) => Err(failure.into()),
        }
    }
}

fn string_number(attributes: &Attributes, name: &str) -> Option<String> {
    attributes.get(name).and_then(|value| value.as_n().ok()).cloned()
}

fn number_of(write: &Write, name: &str) -> Option<String> {
    write.values.iter().find(|(value, _)| *value == name).and_then(|(_, value)| value.as_n().ok()).cloned()
}

/// A write of the item of the lease that holds for its owner only.
pub(super) fn held(lease: Lease, expires: Timestamp, set: Vec<(String, Value)>) -> Write {
    let mut all = vec![("token".to_owned(), number(lease.token())), ("expires".to_owned(), number(expires.0))];
    all.extend(set);
    Write {
        key: rows::key(OWN, AGGREGATION),
        set: all,
        condition: Some("#s0 = :a".to_owned()),
        values: vec![(":a", number(lease.token()))],
        ..Write::default()
    }
}

pub(super) fn fenced(failure: Failure) -> Error {
    if failure.is_condition() { Error::Fenced } else { failure.into() }
}

fn checkpoints(stored: &Attributes) -> BTreeMap<String, String> {
    let shards = stored.get("shards").and_then(|shards| shards.as_m().ok());
    let place = |(shard, place): (&String, &Value)| Some((shard.clone(), place.as_s().ok()?.clone()));
    shards.into_iter().flatten().filter_map(place).collect()
}

/// The write of a subject's counts in place of those that `row` has.
fn raised_row(generation: u32, subject: &str, kept: &[WindowCount], row: &Attributes) -> Write {
    let old = rows::version_of(row, USAGE_VERSION);
    let version = next_version(old, generation);
    let windows: Vec<Usage> = kept.iter().map(|count| Usage::new(count, version)).collect();
    let newest = kept.first().map(|count| count.counted_at).unwrap_or_default();
    let mut set = vec![
        (WINDOWS.to_owned(), rows::of_windows(&windows)),
        (USAGE_VERSION.to_owned(), text(rows::version_text(version))),
    ];
    let expiry = subject.parse().ok().and_then(|subject| rows::expiry(&subject, newest));
    set.extend(expiry.map(|expiry| (EXPIRES.to_owned(), expiry)));
    let (condition, values) = match old == Version::default() {
        true => ("attribute_not_exists(usage_version)", Vec::new()),
        false => ("usage_version = :a", vec![(":a", text(rows::version_text(old)))]),
    };
    Write { key: rows::key(subject, ROW), set, condition: Some(condition.to_owned()), values, ..Write::default() }
}

type LaneSet = Vec<(String, Value)>;

fn lanes_by_origin(lanes: &[&Lane]) -> BTreeMap<Origin, LaneSet> {
    let mut by_origin = BTreeMap::<Origin, LaneSet>::new();
    for lane in lanes {
        let text_of = serde_json::to_string(&(lane.next, &lane.missing)).expect("numbers are JSON");
        by_origin.entry(lane.origin).or_default().push((format!("lane_{}", lane.number), text(text_of)));
    }
    by_origin
}

fn lane_write(origin: Origin, set: LaneSet) -> Write {
    Write { key: rows::key(OWN, format!("lanes#{}#{}", origin.region, origin.epoch)), set, ..Write::default() }
}

fn lanes_of(attributes: &Attributes) -> Option<Vec<Lane>> {
    let (region, epoch) = string(attributes, rows::SK)?.strip_prefix("lanes#")?.split_once('#')?;
    let origin = Origin { region: region.parse().ok()?, epoch: epoch.parse().ok()? };
    let mut lanes = Vec::new();
    for (name, value) in attributes {
        if let Some(number) = name.strip_prefix("lane_") {
            let (next, missing) = serde_json::from_str(value.as_s().ok()?).ok()?;
            lanes.push(Lane { origin, number: number.parse().ok()?, next, missing });
        }
    }
    lanes.sort_by_key(|lane| lane.number);
    Some(lanes)
}
