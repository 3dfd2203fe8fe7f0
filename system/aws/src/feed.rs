//! The change feed of the central table as replicators read it: once for all regions of this process.
//!
//! Changes wait here until every region has them. A region that is away for long, or new, reads the whole table once instead, page by
//! page, while changes since then wait. No region waits for another. Not here: when to ask and how much to take.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
};

use georush_core::{Timestamp, Version, time::SECOND_US};
use georush_system::{item::Item, pipeline::now, store::Error};

use crate::{
    central,
    changes::Changes,
    client::{Calls, Gate, is_stale},
    regional::RegionalTable,
    rows::{self, ACCOUNT_VERSION, Attributes, USAGE_VERSION},
    shards::{From, Shards},
    stream::lock,
    table::Table,
};

/// Changes that wait; a region that is further behind reads the whole table.
const WAITING_MAX: usize = 50_000;
/// Positions older than this are not gone on after. Source: DynamoDB Streams keeps changes for 24 hours.
const POSITIONS_KEPT_US: u64 = 23 * 3_600 * SECOND_US;

/// Time between two looks at the whole table, which repair what was lost or altered in the region.
const WHOLE_EVERY_US: u64 = 24 * 3_600 * SECOND_US;

/// Where a region is in the feed, as its table stores it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) generation: u32,
    /// Last sequence number by shard.
    pub(crate) positions: BTreeMap<String, String>,
    pub(crate) at: Timestamp,
}

/// One region in this process.
#[derive(Debug)]
struct Region {
    stored: Stored,
    /// It has all changes up to this number.
    done: u64,
    /// Where reading the whole table goes on, if that is needed: `None` at the beginning.
    whole: Option<Option<Attributes>>,
    /// When it last began to read the whole table.
    whole_at: Timestamp,
    /// Rows that were not what the centre had, since somebody last asked.
    repaired: u64,
}

#[derive(Debug)]
struct Change {
    item: Option<Item>,
    shard: String,
    sequence: String,
}

/// The feed and the regions that read it.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    generation: u32,
    shards: Option<Shards<Changes>>,
    gate: Gate,
    regions: BTreeMap<String, Region>,
    waiting: VecDeque<Change>,
    /// Changes that no longer wait.
    gone: u64,
    /// Where the last of them is, by shard.
    positions: BTreeMap<String, String>,
}

/// One region's part of the feed, and its table.
#[derive(Debug, Clone)]
pub(crate) struct Replica {
    pub(crate) feed: Arc<Mutex<Feed>>,
    pub(crate) region: String,
    pub(crate) table: RegionalTable,
    pub(crate) calls: Calls,
}

impl Feed {
    /// Lets a region read. One that does already goes on where it is.
    pub(crate) fn join(&mut self, region: &str, stored: Stored) {
        let (begun, newest) = (self.shards.is_some(), self.newest());
        let fresh = now().since(stored.at) < POSITIONS_KEPT_US && !stored.positions.is_empty();
        let whole = (begun || !fresh).then_some(None);
        self.regions.entry(region.to_owned()).or_insert(Region {
            stored,
            done: newest,
            whole,
            whole_at: now(),
            repaired: 0,
        });
    }

    fn newest(&self) -> u64 {
        self.gone + self.waiting.len() as u64
    }

    /// Opens the feed where the region that is furthest behind is, or at its newest change if all must read everything.
    fn begin(&mut self, calls: &Calls, central: &Table, generation: u32) -> Result<(), Error> {
        if self.shards.is_some() && self.generation == generation {
            return Ok(());
        }
        let restored = self.shards.is_some();
        let (gone, waiting) = (self.newest(), VecDeque::new());
        (self.gone, self.waiting, self.generation) = (gone, waiting, generation);
        for region in self.regions.values_mut() {
            region.done = gone;
            if restored || region.stored.generation != generation {
                region.whole = Some(None);
            }
        }
        let known: Vec<_> =
            self.regions.values().filter(|region| region.whole.is_none()).map(|r| &r.stored.positions).collect();
        let first = if known.is_empty() { From::Newest } else { From::Oldest };
        let positions = earliest(&known);
        let mut shards = Shards::new(Changes::open(calls, central)?, positions.clone(), first);
        shards.list()?;
        self.positions = positions;
        self.shards = Some(shards);
        Ok(())
    }

    /// Takes in what is new.
    fn fetch(&mut self) -> Result<(), Error> {
        let Some(shards) = &mut self.shards else { return Ok(()) };
        let fetched = self.gate.pass(|| {
            shards.list()?;
            (0..shards.all.len()).try_for_each(|index| shards.fetch(index))
        });
        for shard in &mut shards.all {
            let taken = shard.queue.drain(..);
            self.waiting.extend(taken.map(|(sequence, item)| Change { item, shard: shard.id.clone(), sequence }));
        }
        if let Err(error) = fetched {
            if is_stale(&error) {
                // What was missed is in the table.
                self.shards = None;
                self.regions.values_mut().for_each(|region| region.whole = Some(None));
            }
            return Err(error);
        }
        if self.waiting.len() > WAITING_MAX {
            let (gone, newest) = (self.gone, self.newest());
            for (name, region) in self.regions.iter_mut().filter(|(_, region)| region.done == gone) {
                tracing::warn!(region = name, "too far behind: it will read the whole central table");
                (region.whole, region.done) = (Some(None), newest);
            }
        }
        self.drop_done();
        Ok(())
    }

    fn drop_done(&mut self) {
        let done = self.regions.values().map(|region| region.done).min().unwrap_or(self.gone);
        let dropped = (done - self.gone).min(self.waiting.len() as u64);
        let dropped_changes = self.waiting.drain(..dropped as usize);
        self.positions.extend(dropped_changes.map(|change| (change.shard, change.sequence)));
        self.gone += dropped;
    }

    fn changes(&self, after: u64, upto: u64) -> impl Iterator<Item = &Change> {
        let skipped = after.saturating_sub(self.gone) as usize;
        self.waiting.iter().skip(skipped).take(upto.saturating_sub(after.max(self.gone)) as usize)
    }
}

/// For each shard that all have a position in, the earliest. The others are read from their oldest record.
fn earliest(all: &[&BTreeMap<String, String>]) -> BTreeMap<String, String> {
    let Some((first, others)) = all.split_first() else { return BTreeMap::new() };
    let lowest = |(shard, position): (&String, &String)| {
        let mut lowest = position;
        for other in others {
            let other = other.get(shard)?;
            if by_number(other, lowest) == Ordering::Less {
                lowest = other;
            }
        }
        Some((shard.clone(), lowest.clone()))
    };
    first.iter().filter_map(lowest).collect()
}

/// Sequence numbers have more digits than any integer type.
fn by_number(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    (a.len(), a).cmp(&(b.len(), b))
}

impl Replica {
    /// The newest change that this region may take, after a look at the feed. A region that needs the whole table takes one page of it
    /// now, and no change before it has all pages.
    pub(crate) fn newest(&self, central: &Table, generation: u32) -> Result<Version, Error> {
        let (whole, done) = {
            let mut feed = lock(&self.feed);
            feed.begin(&self.calls, central, generation)?;
            feed.fetch()?;
            let newest = feed.newest();
            let Some(region) = feed.regions.get_mut(&self.region) else {
                return Ok(Version { generation, number: newest });
            };
            if now().since(region.whole_at) >= WHOLE_EVERY_US {
                (region.whole, region.whole_at) = (region.whole.take().or(Some(None)), now());
            }
            match &region.whole {
                None => return Ok(Version { generation, number: newest }),
                Some(start) => (start.clone(), region.done),
            }
        };
        // Others read the feed meanwhile.
        let (page, next) = central.scan(whole)?;
        let items: Vec<Item> = page
            .iter()
            .filter(|attributes| rows::string(attributes, rows::SK) == Some(rows::ROW))
            .filter_map(rows::item)
            .map(|item| versioned(item, generation))
            .collect();
        let mut repaired = 0;
        for strange in self.table.put_newer(&items)? {
            repaired += u64::from(self.repair(central, generation, &strange)?);
        }
        let mut feed = lock(&self.feed);
        if let Some(region) = feed.regions.get_mut(&self.region) {
            region.repaired += repaired;
            if region.done == done {
                region.whole = next.map(Some);
                region.stored.generation = generation;
            }
        }
        Ok(Version { generation, number: done })
    }

    /// Makes the region's item what the centre has, if it is neither that nor on its way there; says whether it had to. The centre
    /// publishes the item once more, so that edges hear of it, too.
    fn repair(&self, central: &Table, generation: u32, there: &Item) -> Result<bool, Error> {
        // Read after the region's: what it has may have been newer than the page.
        let centre = versioned(central.item(&there.subject)?, generation);
        let strange = rows::strange(&centre, there);
        if strange == [None; 2] {
            return Ok(false);
        }
        let (region, subject) = (&self.region, &there.subject);
        tracing::warn!(region, %subject, "the region's item is not the central one; it is repaired");
        let ours = rows::versions(&centre);
        for ((name, found), ours) in [ACCOUNT_VERSION, USAGE_VERSION].into_iter().zip(strange).zip(ours) {
            let Some(found) = found else { continue };
            if found.generation > generation || ours.is_none() {
                // No version that the centre gives is above it.
                self.table.remove_group(subject, name, found)?;
            }
            if ours.is_some() {
                central::publish_again(central, subject, name, Version { generation, ..found })?;
            }
        }
        Ok(true)
    }

    /// How many items were repaired since this was last asked.
    pub(crate) fn repaired(&self) -> u64 {
        lock(&self.feed).regions.get_mut(&self.region).map_or(0, |region| std::mem::take(&mut region.repaired))
    }

    /// Items with changes in `(after, after + changes_max]`, each once with the newest of its changed groups.
    pub(crate) fn changed(&self, after: u64, changes_max: u64) -> Vec<Item> {
        let feed = lock(&self.feed);
        let mut places = BTreeMap::new();
        let mut items: Vec<Item> = Vec::new();
        for item in feed.changes(after, after.saturating_add(changes_max)).filter_map(|change| change.item.as_ref()) {
            let item = versioned(item.clone(), feed.generation);
            match places.get(&item.subject) {
                None => {
                    places.insert(item.subject.clone(), items.len());
                    items.push(item);
                }
                Some(&place) => {
                    let there: &mut Item = &mut items[place];
                    there.account = item.account.or(there.account.take());
                    there.usage = item.usage.or(there.usage.take());
                }
            }
        }
        items
    }

    /// Where this region is.
    pub(crate) fn cursor(&self) -> Version {
        let feed = lock(&self.feed);
        let number = feed.regions.get(&self.region).map_or(0, |region| region.done);
        Version { generation: feed.generation, number }
    }

    /// What is to be stored when the region has all changes up to `number`.
    pub(crate) fn position(&self, number: u64) -> Stored {
        let feed = lock(&self.feed);
        // Whoever is reading the whole table must do so again after an end in between.
        if feed.regions.get(&self.region).is_none_or(|region| region.whole.is_some()) {
            return Stored::default();
        }
        let mut stored = Stored { generation: feed.generation, at: now(), positions: feed.positions.clone() };
        for change in feed.changes(feed.gone, number) {
            stored.positions.insert(change.shard.clone(), change.sequence.clone());
        }
        if let Some(shards) = &feed.shards {
            stored.positions.retain(|id, _| shards.all.iter().any(|shard| shard.id == *id));
        }
        stored
    }

    /// The region has all changes up to `number`, and `stored` says so.
    pub(crate) fn moved(&self, number: u64, stored: Stored) {
        let mut feed = lock(&self.feed);
        if let Some(region) = feed.regions.get_mut(&self.region) {
            (region.done, region.stored) = (number.max(region.done), stored);
        }
        feed.drop_done();
    }
}

/// Items of a restored table are of its generation, whenever they were written.
fn versioned(mut item: Item, generation: u32) -> Item {
    item.account.iter_mut().for_each(|account| account.version.generation = generation);
    item.usage.iter_mut().for_each(|usage| usage.version.generation = generation);
    item
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positions(all: &[(&str, &str)]) -> BTreeMap<String, String> {
        all.iter().map(|(shard, position)| ((*shard).to_owned(), (*position).to_owned())).collect()
    }

    #[test]
    fn the_feed_begins_where_the_region_furthest_behind_is() {
        let (ahead, behind) =
            (positions(&[("a", "100"), ("b", "7"), ("c", "1")]), positions(&[("a", "99"), ("b", "0012")]));
        assert_eq!(earliest(&[&ahead, &behind]), positions(&[("a", "99"), ("b", "7")]));
        assert_eq!(earliest(&[]), BTreeMap::new());
    }

    fn feed() -> Feed {
        let mut feed = Feed::default();
        let change = |sequence: u32| Change { item: None, shard: "a".to_owned(), sequence: sequence.to_string() };
        feed.join("near", Stored::default());
        feed.join("far", Stored::default());
        feed.waiting.extend((1..=4).map(change));
        feed
    }

    #[test]
    fn changes_wait_until_every_region_has_them() {
        let mut feed = feed();
        let done = |feed: &mut Feed, region: &str, number| {
            feed.regions.get_mut(region).expect("it joined").done = number;
            feed.drop_done();
        };
        done(&mut feed, "near", 3);
        assert_eq!((feed.gone, feed.changes(3, 9).count(), feed.changes(0, 2).count()), (0, 1, 2));
        done(&mut feed, "far", 2);
        assert_eq!((feed.gone, feed.changes(2, 9).count(), feed.newest()), (2, 2, 4));
    }

    #[test]
    fn a_region_without_a_fresh_position_reads_the_whole_table() {
        let mut feed = feed();
        let stored = |at| Stored { generation: 0, positions: positions(&[("a", "1")]), at };
        feed.join("new", stored(now()));
        feed.join("old", stored(Timestamp(now().0 - POSITIONS_KEPT_US)));
        let whole = |region: &str| feed.regions[region].whole.is_some();
        assert_eq!([whole("near"), whole("new"), whole("old")], [true, false, true]);
    }
}
