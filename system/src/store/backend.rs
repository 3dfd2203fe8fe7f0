//! The embedded store as a [`Backend`].
//!
//! Not here: what the methods do; each is the file's own of the same name.

use std::sync::{Mutex, PoisonError};

use georush_core::{Identifier, Origin, Timestamp, Version};

use super::{
    Applied, Batch, Central, Directory, Error, Lease, Letter, Position, Record, Regional, Stream, stream::PARTS,
};
use crate::{
    backend::{self, AnyCentral, AnyRegional, AnySink, AnyStream, Backend, Rows},
    item::{Account, Item, Usage},
    pipeline::{From, Replayed, Settings, rebuild, replay},
};

impl Backend for Directory {
    fn accounts(&self) -> Result<AnyCentral, Error> {
        Ok(Box::new(self.central()?))
    }

    fn aggregation(&self) -> Result<(AnyCentral, AnyStream), Error> {
        Ok((Box::new(self.central()?.with_large_cache()?), Box::new(self.stream()?)))
    }

    fn replication(&self, region: &str) -> Result<(AnyCentral, AnyRegional), Error> {
        let regional = self.regional(region)?.with_large_cache()?;
        Ok((Box::new(self.central()?), Box::new(regional)))
    }

    fn join(&self, region: &str) -> Result<(Origin, AnySink, AnyRegional), Error> {
        let mut regional = self.regional(region)?;
        let origin = regional.claim_epoch(region, &mut self.central()?)?;
        Ok((origin, Box::new(self.stream()?), Box::new(regional)))
    }

    fn sink(&self) -> Result<AnySink, Error> {
        Ok(Box::new(self.stream()?))
    }

    fn count_again(&self, settings: Settings, from: From) -> Result<(), Error> {
        let Replayed { records } = replay(self, settings, from)?;
        tracing::info!(records, "counting again");
        Ok(())
    }

    fn rebuild(&self, settings: Settings) -> Result<(), Error> {
        let Replayed { records } = rebuild(self, settings)?;
        tracing::info!(records, "counting anew");
        Ok(())
    }

    fn held(&self, region: &str, subject: &Identifier) -> Result<Option<Item>, Error> {
        match self.has_region(region) {
            true => self.regional(region)?.item(subject).map(Some),
            false => Ok(None),
        }
    }

    fn rows(&self, region: &str) -> Result<Box<dyn Rows>, Error> {
        // The first is opened now, to see whether it can be.
        let first = self.regional(region)?;
        Ok(Box::new(RowByRow { directory: self.clone(), region: region.to_owned(), idle: Mutex::new(vec![first]) }))
    }
}

/// A region's rows: as many open tables as there are readers at once.
#[derive(Debug)]
struct RowByRow {
    directory: Directory,
    region: String,
    idle: Mutex<Vec<Regional>>,
}

impl Rows for RowByRow {
    fn row(&self, subject: &Identifier) -> Result<Item, Error> {
        let idle = || self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = idle().pop();
        let mut table = taken.map_or_else(|| self.directory.table(&self.region), Ok)?;
        let item = table.item(subject)?;
        idle().push(table);
        Ok(item)
    }
}

impl backend::Central for Central {
    fn regions(&mut self) -> Result<Vec<(u16, String)>, Error> {
        self.regions()
    }

    fn sign_up(&mut self, subject: &Identifier, account: &Account) -> Result<Version, Error> {
        self.sign_up(subject, account)
    }

    fn change_account(
        &mut self,
        subject: &Identifier,
        change: &dyn Fn(&mut Account),
    ) -> Result<Option<Account>, Error> {
        self.change_account(subject, change)
    }

    fn signed_up(&mut self, prefix: &str) -> Result<Vec<Item>, Error> {
        self.signed_up(prefix)
    }

    fn item(&mut self, subject: &Identifier) -> Result<Item, Error> {
        self.item(subject)
    }

    fn all_usage(&mut self) -> Result<Vec<(Identifier, Option<Account>, Usage)>, Error> {
        self.all_usage()
    }

    fn dead_letters(&mut self, most: u32) -> Result<(Vec<Letter>, u64), Error> {
        self.dead_letters(most)
    }

    fn settle(&mut self, letter: &Letter, how: &str) -> Result<(), Error> {
        self.settle(letter, how)
    }

    fn newest(&mut self) -> Result<Version, Error> {
        self.newest()
    }

    fn changed(&mut self, after: u64, changes_max: u64) -> Result<Vec<Item>, Error> {
        self.changed(after, changes_max)
    }

    fn items_after(&mut self, after: &str, most: u32) -> Result<Vec<Item>, Error> {
        self.items_after(after, most)
    }

    fn publish_again(&mut self, subject: &Identifier) -> Result<(), Error> {
        self.publish_again(subject)
    }

    fn acquire(&mut self, now: Timestamp, lasts_us: u64) -> Result<Option<Lease>, Error> {
        self.acquire(now, lasts_us)
    }

    fn renew(&mut self, lease: Lease, now: Timestamp) -> Result<(), Error> {
        self.renew(lease, now)
    }

    fn release(&mut self, lease: Lease) -> Result<(), Error> {
        self.release(lease)
    }

    fn position(&mut self, stream: &str) -> Result<Position, Error> {
        self.position(stream)
    }

    fn apply(&mut self, lease: Lease, now: Timestamp, batch: &Batch<'_>) -> Result<Applied, Error> {
        self.apply(lease, now, batch)
    }

    fn forget(&mut self, before: Timestamp, most: u32) -> Result<usize, Error> {
        self.forget(before, most)
    }
}

impl backend::Regional for Regional {
    fn cursor(&mut self) -> Result<Version, Error> {
        self.cursor()
    }

    fn put(&mut self, items: &[Item], cursor: Version) -> Result<u64, Error> {
        self.put(items, cursor)
    }

    fn items_between(&mut self, after: &str, upto: Option<&str>) -> Result<Vec<Item>, Error> {
        self.items_between(after, upto)
    }

    fn remove(&mut self, seen: &Item) -> Result<(), Error> {
        self.remove(seen)
    }

    fn changed_since(&mut self, after: u64, changes_max: u64) -> Result<(Vec<Item>, u64), Error> {
        self.changed_since(after, changes_max)
    }

    fn item(&mut self, subject: &Identifier) -> Result<Item, Error> {
        self.item(subject)
    }

    fn forget(&mut self, before: Timestamp, most: u32) -> Result<usize, Error> {
        self.forget(before, most)
    }
}

impl backend::Sink for Stream {
    fn parts(&self) -> u16 {
        PARTS
    }

    fn append(&mut self, now: Timestamp, records: &[(u16, Vec<u8>)]) -> Result<(), Error> {
        self.append(now, records)
    }
}

impl backend::Stream for Stream {
    fn id(&self) -> &str {
        self.id()
    }

    fn shards(&mut self) -> Result<u16, Error> {
        Ok(self.shards()?.len() as u16)
    }

    fn read(&mut self, shard: u16, after: u64, most: u32) -> Result<Vec<Record>, Error> {
        self.read(shard, after, most)
    }

    fn lag(&mut self, positions: &[u64]) -> Result<u64, Error> {
        self.behind(positions)
    }

    fn trim(&mut self, before: Timestamp, checkpoints: &[u64], most: u32) -> Result<usize, Error> {
        self.trim(before, checkpoints, most)
    }
}
