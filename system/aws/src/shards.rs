//! Reads all shards of a stream: parents before children, from stored positions, through expired iterators.
//!
//! The same for Kinesis and for the change feeds of tables, which differ in their calls only ([`Source`]). Not here: what
//! records say, and where positions are stored.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt::Debug,
    time::{Duration, Instant},
};

use georush_system::store::Error;

use crate::client::Failure;

/// Time between two listings of the shards, unless one ended.
const LIST_EVERY: Duration = Duration::from_secs(10);

/// Where reading of a shard begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum From {
    /// At its oldest record.
    Oldest,
    /// After its newest record.
    Newest,
    /// After this sequence number.
    After(String),
}

/// A shard as the service lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) id: String,
    /// What it was split or merged from.
    pub(crate) parents: Vec<String>,
    /// Takes no more records.
    pub(crate) closed: bool,
}

/// What one read returns.
#[derive(Debug)]
pub(crate) struct Page<T> {
    /// Records by sequence number.
    pub(crate) records: Vec<(String, T)>,
    /// Where the next read goes on; `None` at the end of a closed shard.
    pub(crate) next: Option<String>,
    /// Nothing newer was there.
    pub(crate) at_tip: bool,
}

/// The calls of a service with shards.
pub(crate) trait Source: Debug + Send {
    /// What a record is turned into.
    type Record: Debug + Send;
    /// Time between two reads of one shard, for the service's limits.
    const SPACING: Duration;

    /// All shards that are not forgotten.
    fn list(&mut self) -> Result<Vec<Listed>, Failure>;
    /// A way into a shard.
    fn iterator(&mut self, shard: &str, from: &From) -> Result<String, Failure>;
    /// The records there.
    fn read(&mut self, iterator: &str) -> Result<Page<Self::Record>, Failure>;
}

/// One shard.
#[derive(Debug)]
pub(crate) struct Shard<T> {
    pub(crate) id: String,
    parents: Vec<String>,
    closed: bool,
    /// Read to its end.
    ended: bool,
    from: From,
    iterator: Option<String>,
    /// When it was last read.
    pub(crate) read_at: Option<Instant>,
    /// More is known to be there.
    pub(crate) behind: bool,
    /// Records that were read and not taken yet.
    pub(crate) queue: VecDeque<(String, T)>,
}

impl<T> Shard<T> {
    /// Whether it was read to its end, and all of it was taken.
    pub(crate) fn is_over(&self) -> bool {
        self.ended && self.queue.is_empty()
    }
}

/// A reader of all shards.
#[derive(Debug)]
pub(crate) struct Shards<S: Source> {
    source: S,
    /// In the order in which they became known.
    pub(crate) all: Vec<Shard<S::Record>>,
    positions: BTreeMap<String, String>,
    listed_at: Option<Instant>,
    /// Where shards of the first listing begin that have no position.
    first: From,
}

impl<S: Source> Shards<S> {
    /// A reader that begins after `positions`. Shards of the first listing without one begin at `first`, later ones at their
    /// oldest record.
    pub(crate) fn new(source: S, positions: BTreeMap<String, String>, first: From) -> Self {
        Self { source, all: Vec::new(), positions, listed_at: None, first }
    }

    /// Begins anew after other positions; shards are known again at the next listing.
    pub(crate) fn begin(&mut self, positions: BTreeMap<String, String>) {
        self.all.clear();
        self.positions = positions;
        self.listed_at = None;
    }

    /// Lists the shards, if it is time.
    pub(crate) fn list(&mut self) -> Result<(), Error> {
        if self.listed_at.is_some_and(|at| at.elapsed() < LIST_EVERY) {
            return Ok(());
        }
        let listed = self.source.list()?;
        for shard in &mut self.all {
            // A shard that is forgotten has nothing left to read.
            let known = listed.iter().find(|listed| listed.id == shard.id);
            shard.closed |= known.is_none_or(|listed| listed.closed);
            shard.ended |= known.is_none();
        }
        for Listed { id, parents, closed } in listed {
            if self.all.iter().any(|shard| shard.id == id) {
                continue;
            }
            let from = self.positions.get(&id).cloned().map_or_else(|| self.first.clone(), From::After);
            let mut iterator = None;
            if from == From::Newest {
                // The newest record is the one of now, not of the first read.
                iterator = Some(self.source.iterator(&id, &from)?);
            }
            let (queue, read_at) = (VecDeque::new(), None);
            let shard = Shard { id, parents, closed, ended: false, from, iterator, read_at, behind: true, queue };
            self.all.push(shard);
        }
        self.first = From::Oldest;
        self.listed_at = Some(Instant::now());
        Ok(())
    }

    /// Reads once from a shard, if it is time and its parents are read to their end; the records wait in its queue.
    pub(crate) fn fetch(&mut self, index: usize) -> Result<(), Error> {
        let Some(shard) = self.all.get(index) else { return Ok(()) };
        let too_early = shard.read_at.is_some_and(|at| at.elapsed() < S::SPACING);
        let unread = |parent: &String| {
            let parent = self.all.iter().find(|shard| shard.id == *parent);
            parent.is_some_and(|parent| !parent.is_over())
        };
        if shard.ended || too_early || !shard.queue.is_empty() || shard.parents.iter().any(unread) {
            return Ok(());
        }
        let shard = &mut self.all[index];
        (shard.read_at, shard.behind) = (Some(Instant::now()), true);
        let iterator = match shard.iterator.take() {
            Some(iterator) => iterator,
            None => self.source.iterator(&shard.id, &shard.from)?,
        };
        let page = match self.source.read(&iterator) {
            Ok(page) => page,
            // The next fetch makes another iterator from where this shard is.
            Err(failure) if failure.is("ExpiredIteratorException") && shard.from != From::Newest => return Ok(()),
            Err(failure) => {
                let kept = !failure.is_stale();
                shard.iterator = kept.then_some(iterator);
                return Err(failure.into());
            }
        };
        if let Some((newest, _)) = page.records.last() {
            shard.from = From::After(newest.clone());
        }
        shard.behind = !page.at_tip;
        // A closed shard that has nothing newer is read, also where the service does not say so.
        shard.ended = page.next.is_none() || (shard.closed && page.at_tip && page.records.is_empty());
        if shard.ended {
            self.listed_at = None;
            shard.behind = false;
        }
        shard.iterator = page.next;
        shard.queue.extend(page.records);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A service of three shards: `c` is what became of `a` and `b`. Iterators are positions.
    #[derive(Debug, Default)]
    struct Split {
        asked: Vec<String>,
    }

    impl Source for Split {
        type Record = u32;
        const SPACING: Duration = Duration::ZERO;

        fn list(&mut self) -> Result<Vec<Listed>, Failure> {
            let shard = |id: &str, parents: &[&str], closed| Listed {
                id: id.to_owned(),
                parents: parents.iter().map(|parent| (*parent).to_owned()).collect(),
                closed,
            };
            Ok(vec![shard("a", &["forgotten"], true), shard("b", &[], true), shard("c", &["a", "b"], false)])
        }

        fn iterator(&mut self, shard: &str, from: &From) -> Result<String, Failure> {
            let after = match from {
                From::Oldest => "0",
                From::Newest => "9",
                From::After(sequence) => sequence,
            };
            Ok(format!("{shard} {after}"))
        }

        fn read(&mut self, iterator: &str) -> Result<Page<u32>, Failure> {
            self.asked.push(iterator.to_owned());
            let (shard, after) = iterator.split_once(' ').expect("made above");
            let after: u32 = after.parse().expect("made above");
            let open = shard == "c";
            let records = if after < 2 { vec![((after + 1).to_string(), after + 1)] } else { Vec::new() };
            let at_end = !open && records.is_empty();
            let next = (!at_end).then(|| format!("{shard} {}", after + records.len() as u32));
            Ok(Page { at_tip: records.is_empty(), records, next })
        }
    }

    #[test]
    fn a_child_is_not_read_before_all_its_parents_are_read_to_their_end_and_taken() {
        let mut shards = Shards::new(Split::default(), BTreeMap::from([("a".into(), "1".into())]), From::Oldest);
        let mut taken = Vec::new();
        for _ in 0..6 {
            shards.list().expect("it lists");
            for index in 0..shards.all.len() {
                shards.fetch(index).expect("it reads");
                let shard = &mut shards.all[index];
                taken.extend(shard.queue.pop_front().map(|(_, value)| format!("{}{value}", shard.id)));
            }
        }
        assert_eq!(taken, ["a2", "b1", "b2", "c1", "c2"]);
        assert!(!shards.all[2].ended && !shards.all[2].behind);
    }

    #[test]
    fn whoever_begins_at_the_newest_is_there_from_the_listing_on() {
        let mut shards = Shards::new(Split::default(), BTreeMap::new(), From::Newest);
        shards.list().expect("it lists");
        assert_eq!(shards.all[0].iterator.as_deref(), Some("a 9"));
    }
}
