//! A backend whose calls between region and centre take as long as the distance, and feel the scenario's faults.
//!
//! Calls really wait, are really refused, and records really reach the stream twice or not at all; what lies behind is the real
//! backend. Not here: which faults there are.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    fs::OpenOptions,
    io::{self, Write},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use georush_core::{Identifier, Origin, Timestamp, Version};
use georush_system::{
    backend::{AnyCentral, AnyRegional, AnySink, AnyStream, Backend, Regional, Rows, Sink},
    item::Item,
    pipeline::{From, Settings},
    store::Error,
    usage::Line,
};
use rand::{Rng, rngs::Xoshiro256PlusPlus};

use super::{Deed, FELT, Order, Orders, read};
use crate::{live::clock::wall, simulate::bucket::Bucket, simulate::seed::Seed};

/// How long a call waits on a way that is cut before it is given up, microseconds: as long as a try of the AWS clients.
const TRY_US: u64 = 2_000_000;
/// Looks at whether a cut is over.
const LOOK_US: u64 = 10_000;
/// Longest wait for capacity; whoever would wait longer is refused. As in the simulation, retries of a client make of a short
/// lack of capacity a wait.
const CAPACITY_WAIT_US_MAX: u64 = 60_000_000;

/// A backend with distances and faults.
#[derive(Debug)]
pub(super) struct Linked {
    inner: Arc<dyn Backend>,
    directory: PathBuf,
    orders: Orders,
    /// One for each role and region; what it counts outlives the tables that are opened.
    ways: Mutex<BTreeMap<String, Arc<Mutex<Way>>>>,
}

impl Linked {
    pub(super) fn open(inner: Arc<dyn Backend>, directory: PathBuf) -> io::Result<Self> {
        let orders = read(&directory)?;
        Ok(Self { inner, directory, orders, ways: Mutex::default() })
    }

    fn way(&self, role: &str, region: &str) -> Arc<Mutex<Way>> {
        let name = format!("{role}-{region}");
        let mut ways = self.ways.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Mutex::new(Way::new(&self.orders, self.directory.clone(), &name, region)));
        Arc::clone(ways.entry(name.clone()).or_insert_with(new))
    }
}

impl Backend for Linked {
    fn accounts(&self) -> Result<AnyCentral, Error> {
        self.inner.accounts()
    }

    fn aggregation(&self) -> Result<(AnyCentral, AnyStream), Error> {
        self.inner.aggregation()
    }

    fn replication(&self, region: &str) -> Result<(AnyCentral, AnyRegional), Error> {
        let (central, inner) = self.inner.replication(region)?;
        Ok((central, Box::new(Far { inner, way: self.way("replicator", region) })))
    }

    fn join(&self, region: &str) -> Result<(Origin, AnySink, AnyRegional), Error> {
        let (origin, inner, regional) = self.inner.join(region)?;
        Ok((origin, Box::new(Far { inner, way: self.way("edge", region) }), regional))
    }

    fn sink(&self) -> Result<AnySink, Error> {
        self.inner.sink()
    }

    fn count_again(&self, settings: Settings, from: From) -> Result<(), Error> {
        self.inner.count_again(settings, from)
    }

    fn rebuild(&self, settings: Settings) -> Result<(), Error> {
        self.inner.rebuild(settings)
    }

    fn held(&self, region: &str, subject: &Identifier) -> Result<Option<Item>, Error> {
        self.inner.held(region, subject)
    }

    fn rows(&self, region: &str) -> Result<Box<dyn Rows>, Error> {
        self.inner.rows(region)
    }
}

/// Something at the other end of a way.
#[derive(Debug)]
struct Far<T: ?Sized> {
    way: Arc<Mutex<Way>>,
    inner: Box<T>,
}

impl<T: ?Sized> Far<T> {
    /// The way and what lies behind it. Both are used by one thread, which may sleep meanwhile.
    fn ends(&mut self) -> (MutexGuard<'_, Way>, &mut T) {
        (self.way.lock().unwrap_or_else(PoisonError::into_inner), &mut *self.inner)
    }
}

impl Sink for Far<dyn Sink> {
    fn parts(&self) -> u16 {
        self.inner.parts()
    }

    fn append(&mut self, now: Timestamp, records: &[(u16, Vec<u8>)]) -> Result<(), Error> {
        let (mut way, sink) = self.ends();
        let sent = way.sent(records);
        if sent.is_empty() {
            return Ok(());
        }
        way.cross("append", |way| {
            way.take_stream(&sent)?;
            sink.append(now, &sent)
        })
    }
}

impl Regional for Far<dyn Regional> {
    fn cursor(&mut self) -> Result<Version, Error> {
        let (mut way, table) = self.ends();
        way.cross("cursor", |_| table.cursor())
    }

    fn put(&mut self, items: &[Item], cursor: Version) -> Result<u64, Error> {
        let (mut way, table) = self.ends();
        way.cross("put", |way| {
            way.take_rows(items.len() as u64)?;
            table.put(items, cursor)
        })
    }

    fn items_between(&mut self, after: &str, upto: Option<&str>) -> Result<Vec<Item>, Error> {
        let (mut way, table) = self.ends();
        way.cross("items_between", |_| table.items_between(after, upto))
    }

    fn remove(&mut self, seen: &Item) -> Result<(), Error> {
        let (mut way, table) = self.ends();
        way.cross("remove", |_| table.remove(seen))
    }

    fn changed_since(&mut self, after: u64, changes_max: u64) -> Result<(Vec<Item>, u64), Error> {
        let (mut way, table) = self.ends();
        way.cross("changed_since", |_| table.changed_since(after, changes_max))
    }

    fn item(&mut self, subject: &Identifier) -> Result<Item, Error> {
        let (mut way, table) = self.ends();
        way.cross("item", |_| table.item(subject))
    }

    fn forget(&mut self, before: Timestamp, most: u32) -> Result<usize, Error> {
        let (mut way, table) = self.ends();
        way.cross("forget", |_| table.forget(before, most))
    }
}

/// The way of one role of one region.
#[derive(Debug)]
struct Way {
    /// For example `edge-eu-west-1`.
    name: String,
    region: String,
    directory: PathBuf,
    round_trip_us: u64,
    /// The region's orders with their numbers, and whether each was felt.
    orders: Vec<(usize, Order, bool)>,
    started_us: Option<u64>,
    random: Xoshiro256PlusPlus,
    rows: Bucket,
    records: Bucket,
    bytes: Bucket,
}

impl Way {
    fn new(orders: &Orders, directory: PathBuf, name: &str, region: &str) -> Self {
        let index = orders.regions.iter().position(|known| known == region);
        let here = |(_, order): &(usize, &Order)| index.is_some() && order.region.is_none_or(|r| Some(r) == index);
        let own = orders.orders.iter().enumerate().filter(here).map(|(n, order)| (n, order.clone(), false));
        let own: Vec<_> = own.collect();
        // Full, and a second of the capacity deep.
        let bucket = |rate: &dyn Fn(Deed) -> Option<u64>| {
            let most = own.iter().filter_map(|(_, order, _)| rate(order.deed)).max().unwrap_or_default();
            Bucket::new(most, most, 0)
        };
        Self {
            name: name.to_owned(),
            region: region.to_owned(),
            directory,
            round_trip_us: index.map_or(0, |index| orders.round_trips_us[index]),
            started_us: orders.started_us,
            random: Seed(orders.seed).stream(&format!("live/link/{name}")),
            rows: bucket(&|deed| if let Deed::Rows(rate) = deed { Some(rate) } else { None }),
            records: bucket(&|deed| if let Deed::Stream(rate, _) = deed { Some(rate) } else { None }),
            bytes: bucket(&|deed| if let Deed::Stream(_, rate) = deed { Some(rate) } else { None }),
            orders: own,
        }
    }

    /// Microseconds after the run's start; `None` before it.
    fn now_us(&mut self) -> Option<u64> {
        if self.started_us.is_none() && !self.orders.is_empty() {
            self.started_us = read(&self.directory).ok().and_then(|orders| orders.started_us);
        }
        self.started_us.and_then(|started_us| wall().0.checked_sub(started_us))
    }

    /// The first order that holds now and that `is` what is asked for; it is felt then.
    fn order<T>(&mut self, is: impl Fn(Deed) -> Option<T>) -> Option<(T, u64)> {
        let now_us = self.now_us()?;
        let holds = |order: &Order| order.at_us <= now_us && now_us < order.until_us;
        let index = self.orders.iter().position(|(_, order, _)| holds(order) && is(order.deed).is_some())?;
        self.feel(index);
        let order = &self.orders[index].1;
        is(order.deed).map(|found| (found, order.until_us - now_us))
    }

    /// Leaves a mark, the first time.
    fn feel(&mut self, index: usize) {
        let (number, _, felt) = &mut self.orders[index];
        if std::mem::replace(felt, true) {
            return;
        }
        let path = self.directory.join(format!("{FELT}-{number}-{}", self.name));
        let written = OpenOptions::new().write(true).create_new(true).open(path);
        match written.and_then(|mut file| write!(file, "{}", wall().0)) {
            // A former life of this process has felt it.
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                tracing::warn!(%error, "a fault was felt, and that can't be told");
            }
            _ => {}
        }
    }

    /// There, done, and back. A way that is cut meanwhile may have let the call pass and lose its answer.
    fn cross<T>(&mut self, what: &str, call: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        self.travel(what)?;
        let done = call(self);
        self.travel(what)?;
        done
    }

    fn travel(&mut self, what: &str) -> Result<(), Error> {
        let longer_us = self.order(|deed| if let Deed::Delay(us) = deed { Some(us) } else { None });
        nap(self.round_trip_us / 2 + longer_us.map_or(0, |(us, _)| us));
        let mut waited_us = 0;
        while self.order(|deed| (deed == Deed::Cut).then_some(())).is_some() {
            if waited_us >= TRY_US {
                return Err(self.refused(what, "nothing passes", "it is tried again"));
            }
            nap(LOOK_US);
            waited_us += LOOK_US;
        }
        Ok(())
    }

    /// What leaves the region of these records: without what is skipped, and some of them twice.
    fn sent(&mut self, records: &[(u16, Vec<u8>)]) -> Vec<(u16, Vec<u8>)> {
        let mut sent = Vec::with_capacity(records.len());
        for (part, lines) in records {
            let lines = self.without_skipped(lines);
            if lines.is_empty() {
                continue;
            }
            let twice = self.order(|deed| if let Deed::Duplicate(ppm) = deed { Some(ppm) } else { None });
            let twice =
                twice.is_some_and(|(ppm, _)| u64::from(self.random.next_u32()) * 1_000_000 < u64::from(ppm) << 32);
            sent.extend(std::iter::repeat_n((*part, lines), 1 + usize::from(twice)));
        }
        sent
    }

    /// The lines that were not written while the region's log was skipped. Sent late, they are skipped nevertheless.
    fn without_skipped(&mut self, lines: &[u8]) -> Vec<u8> {
        let skips = |(_, order, _): &(usize, Order, bool)| order.deed == Deed::Skip;
        let started_us = match self.orders.iter().any(skips).then(|| self.now_us()).flatten() {
            Some(_) => self.started_us.unwrap_or_default(),
            None => return lines.to_vec(),
        };
        let (mut kept, text) = (Vec::with_capacity(lines.len()), String::from_utf8_lossy(lines));
        for line in text.split_inclusive('\n') {
            let at_us = line.trim_end().parse::<Line>().ok().and_then(|line| line.at.checked_sub(started_us));
            let within = |order: &Order| at_us.is_some_and(|at_us| order.at_us <= at_us && at_us < order.until_us);
            match self.orders.iter().position(|all| skips(all) && within(&all.1)) {
                Some(index) => self.feel(index),
                None => kept.extend_from_slice(line.as_bytes()),
            }
        }
        kept
    }

    /// Waits for write capacity.
    fn take_rows(&mut self, rows: u64) -> Result<(), Error> {
        let rate = self.order(|deed| if let Deed::Rows(rate) = deed { Some(rate) } else { None });
        let Some((rate, left_us)) = rate else { return Ok(()) };
        let wait_us = wait_us(&mut self.rows, rate, rows);
        // With the end of the fault all capacity is back.
        match wait_us.min(left_us) {
            wait_us if wait_us <= CAPACITY_WAIT_US_MAX && rate > 0 => nap(wait_us),
            _ => return Err(self.throttled("put")),
        }
        self.rows.reserve(rows);
        Ok(())
    }

    /// Refuses records that there is no capacity for now.
    fn take_stream(&mut self, records: &[(u16, Vec<u8>)]) -> Result<(), Error> {
        let rates = self.order(|deed| if let Deed::Stream(a, b) = deed { Some((a, b)) } else { None });
        let Some(((records_a_second, bytes_a_second), _)) = rates else { return Ok(()) };
        let bytes = records.iter().map(|(_, lines)| lines.len() as u64).sum();
        let late_us = wait_us(&mut self.records, records_a_second, 1).max(wait_us(&mut self.bytes, bytes_a_second, 1));
        if late_us > 0 {
            return Err(self.throttled("append"));
        }
        // What is over what there is makes the next ones wait.
        self.records.reserve(records.len() as u64);
        self.bytes.reserve(bytes);
        Ok(())
    }

    fn throttled(&self, what: &str) -> Error {
        self.refused(what, "throttled: capacity is used up", "it is tried again")
    }

    fn refused(&self, what: &str, found: &str, remedy: &str) -> Error {
        let endpoint = format!("the way between {} and the centre", self.region);
        Error::Service { endpoint, operation: what.to_owned(), found: found.to_owned(), remedy: remedy.to_owned() }
    }
}

fn nap(us: u64) {
    if us > 0 {
        thread::sleep(Duration::from_micros(us));
    }
}

/// Microseconds until a bucket that gains `rate` a second has so many tokens.
fn wait_us(bucket: &mut Bucket, rate: u64, tokens: u64) -> u64 {
    let now_us = wall().0;
    bucket.resize(now_us, rate, rate);
    bucket.wait_us(now_us, tokens)
}
