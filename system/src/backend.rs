//! What the pipeline needs of a place that keeps tables and a stream.
//!
//! [`crate::store`] keeps them in files. Each trait is one part of it, as one role sees it. Not here: any promise beyond
//! what the methods say; what a backend does to keep it is its own.

pub mod config;

use std::fmt::Debug;

use georush_core::{Identifier, Origin, Timestamp, Version};

use crate::{
    item::{Account, Item, Usage},
    pipeline::{From, Settings},
    store::{Applied, Batch, Error, Lease, Letter, Position, Record},
};

/// A central table of any backend.
pub type AnyCentral = Box<dyn Central>;
/// A region's table of any backend.
pub type AnyRegional = Box<dyn Regional>;
/// A way to the stream of any backend.
pub type AnySink = Box<dyn Sink>;
/// A stream of any backend.
pub type AnyStream = Box<dyn Stream>;

/// A place that keeps tables and a stream. What it opens is for one thread at a time.
pub trait Backend: Debug + Send + Sync {
    /// The central table, for whoever manages accounts.
    ///
    /// # Errors
    /// If it can't be opened.
    fn accounts(&self) -> Result<AnyCentral, Error>;

    /// The central table and the stream, for one aggregator: positions in the one are positions of the other.
    ///
    /// # Errors
    /// If one can't be opened.
    fn aggregation(&self) -> Result<(AnyCentral, AnyStream), Error>;

    /// The central table and a region's, for one replicator: cursors in the one are positions in the feed of the other. A new
    /// region is given the next number.
    ///
    /// # Errors
    /// If one can't be opened.
    fn replication(&self, region: &str) -> Result<(AnyCentral, AnyRegional), Error>;

    /// Begins a new life of the edge of a region: an epoch that was never used before and is durable now, the way of its lines
    /// to the stream, and its region's table.
    ///
    /// # Errors
    /// If something can't be opened or written.
    fn join(&self, region: &str) -> Result<(Origin, AnySink, AnyRegional), Error>;

    /// A way to the stream for lines that are no edge's any more.
    ///
    /// # Errors
    /// If it can't be opened.
    fn sink(&self) -> Result<AnySink, Error>;

    /// Lets aggregation go on at `from`, or where it is if that is earlier: nothing is ever skipped. Counts are cumulative, so that none
    /// changes.
    ///
    /// # Errors
    /// If another aggregator works, the backend can't go back to there, or it fails.
    fn count_again(&self, settings: Settings, from: From) -> Result<(), Error>;

    /// Forgets all counts, so that they are counted from the beginning of the stream. Regions keep theirs until that is done.
    ///
    /// # Errors
    /// If the stream does not go back to its beginning, another aggregator works, or the backend fails.
    fn rebuild(&self, settings: Settings) -> Result<(), Error>;

    /// What a region holds of a subject; `None` if the region has no table.
    ///
    /// # Errors
    /// If its table can't be read.
    fn held(&self, region: &str, subject: &Identifier) -> Result<Option<Item>, Error>;

    /// A region's rows for an edge that holds none in memory.
    ///
    /// # Errors
    /// If they can't be opened.
    fn rows(&self, region: &str) -> Result<Box<dyn Rows>, Error>;
}

/// A region's rows, read one by one and by many threads.
pub trait Rows: Debug + Send + Sync {
    /// The item of a subject; it may be empty. May wait for the table.
    ///
    /// # Errors
    /// If the table can't be read.
    fn row(&self, subject: &Identifier) -> Result<Item, Error>;
}

/// The central table.
pub trait Central: Debug + Send {
    /// All regions by number.
    ///
    /// # Errors
    /// If the table can't be read.
    fn regions(&mut self) -> Result<Vec<(u16, String)>, Error>;

    /// Signs a subject up. The version in `account` does not matter; returns the one that it was given.
    ///
    /// # Errors
    /// If the subject has an account, or the table can't be written.
    fn sign_up(&mut self, subject: &Identifier, account: &Account) -> Result<Version, Error>;

    /// Changes the account of a subject; returns it as it is then, `None` if there is none. Changing nothing writes nothing.
    /// `change` may be called again if somebody else was faster.
    ///
    /// # Errors
    /// If the table can't be written.
    fn change_account(&mut self, subject: &Identifier, change: &dyn Fn(&mut Account))
    -> Result<Option<Account>, Error>;

    /// Subjects with an account whose identifier begins with `prefix`, in the order of sign-up.
    ///
    /// # Errors
    /// If the table can't be read.
    fn signed_up(&mut self, prefix: &str) -> Result<Vec<Item>, Error>;

    /// The item of a subject; it may be empty.
    ///
    /// # Errors
    /// If the table can't be read.
    fn item(&mut self, subject: &Identifier) -> Result<Item, Error>;

    /// Every usage group that is kept, with the account of its subject, in the order of subjects and windows.
    ///
    /// # Errors
    /// If the table can't be read.
    fn all_usage(&mut self) -> Result<Vec<(Identifier, Option<Account>, Usage)>, Error>;

    /// The newest dead letters that wait, `most` at most and the newest first, and how many do.
    ///
    /// # Errors
    /// If the table can't be read.
    fn dead_letters(&mut self, most: u32) -> Result<(Vec<Letter>, u64), Error>;

    /// Marks a dead letter as settled, `how` in one word; it is not listed any more, and not put aside again if it is read again.
    ///
    /// # Errors
    /// If the table can't be written.
    fn settle(&mut self, letter: &Letter, how: &str) -> Result<(), Error>;

    /// The newest position of the change feed, and the generation that it belongs to.
    ///
    /// # Errors
    /// If the feed can't be read.
    fn newest(&mut self) -> Result<Version, Error>;

    /// Items with changes after position `after`: the next `changes_max` changes at least. Groups that did not change may be left
    /// out.
    ///
    /// # Errors
    /// [`Error::HeldBack`] if nothing may be published now, or the feed can't be read.
    fn changed(&mut self, after: u64, changes_max: u64) -> Result<Vec<Item>, Error>;

    /// Items in the order of their subjects' text, after `after`, `most` at most. None from a backend whose tables are not compared.
    ///
    /// # Errors
    /// [`Error::HeldBack`] if the table is being made whole, or it can't be read.
    fn items_after(&mut self, _after: &str, _most: u32) -> Result<Vec<Item>, Error> {
        Ok(Vec::new())
    }

    /// Gives what is known of a subject new versions, so that every region gets it once more.
    ///
    /// # Errors
    /// If the table can't be written.
    fn publish_again(&mut self, _subject: &Identifier) -> Result<(), Error> {
        Ok(())
    }

    /// Items that were repaired since this was last asked, by a backend that compares tables in its own way.
    fn repaired(&mut self) -> u64 {
        0
    }

    /// Takes the lease for `lasts_us` microseconds unless somebody holds it.
    ///
    /// # Errors
    /// If the table can't be written.
    fn acquire(&mut self, now: Timestamp, lasts_us: u64) -> Result<Option<Lease>, Error>;

    /// Holds the lease for its time from now on.
    ///
    /// # Errors
    /// [`Error::Fenced`] if somebody else has taken it, or the table can't be written.
    fn renew(&mut self, lease: Lease, now: Timestamp) -> Result<(), Error>;

    /// Gives the lease back, if it is still held.
    ///
    /// # Errors
    /// If the table can't be written.
    fn release(&mut self, lease: Lease) -> Result<(), Error>;

    /// Where aggregation of this stream goes on; a stream that was never read begins at its beginning.
    ///
    /// # Errors
    /// If the table can't be read.
    fn position(&mut self, stream: &str) -> Result<Position, Error>;

    /// Makes a batch durable: if its checkpoints are, all of it is.
    ///
    /// # Errors
    /// [`Error::Fenced`] if somebody else has taken the lease, or the table can't be written. Checkpoints were not moved.
    fn apply(&mut self, lease: Lease, now: Timestamp, batch: &Batch<'_>) -> Result<Applied, Error>;

    /// Forgets up to `most` usage groups without an event since `before`; says how many it found.
    ///
    /// # Errors
    /// If the table can't be written.
    fn forget(&mut self, before: Timestamp, most: u32) -> Result<usize, Error>;
}

/// A region's table.
pub trait Regional: Debug + Send {
    /// Changes of the central table up to this position and generation are here.
    ///
    /// # Errors
    /// If the table can't be read.
    fn cursor(&mut self) -> Result<Version, Error>;

    /// Puts every group that is newer than what is here, then moves the cursor to `cursor` unless it is there already. Says how
    /// many groups it put.
    ///
    /// # Errors
    /// If the table can't be written. The cursor was not moved.
    fn put(&mut self, items: &[Item], cursor: Version) -> Result<u64, Error>;

    /// Items in the order of their subjects' text, after `after` and up to `upto`, to the end if there is none. None from a backend
    /// whose tables are not compared.
    ///
    /// # Errors
    /// If the table can't be read.
    fn items_between(&mut self, _after: &str, _upto: Option<&str>) -> Result<Vec<Item>, Error> {
        Ok(Vec::new())
    }

    /// Forgets an item, which is not what the central table ever held, if it is still as it was `seen`.
    ///
    /// # Errors
    /// If the table can't be written.
    fn remove(&mut self, _seen: &Item) -> Result<(), Error> {
        Ok(())
    }

    /// Items changed here after local change number `after`, `changes_max` changes at most, and the number that they cover.
    ///
    /// # Errors
    /// If the table can't be read.
    fn changed_since(&mut self, after: u64, changes_max: u64) -> Result<(Vec<Item>, u64), Error>;

    /// The item of a subject; it may be empty.
    ///
    /// # Errors
    /// If the table can't be read.
    fn item(&mut self, subject: &Identifier) -> Result<Item, Error>;

    /// Forgets up to `most` usage groups without an event since `before`; says how many it found.
    ///
    /// # Errors
    /// If the table can't be written.
    fn forget(&mut self, before: Timestamp, most: u32) -> Result<usize, Error>;
}

/// The way of lines to the stream.
pub trait Sink: Debug + Send {
    /// Into how many parts lines may be split; lines of one part stay in order.
    fn parts(&self) -> u16;

    /// Appends records, each to its part. On an error some may have been appended; appending them again does no harm.
    ///
    /// # Errors
    /// If not all of them are known to be durable.
    fn append(&mut self, now: Timestamp, records: &[(u16, Vec<u8>)]) -> Result<(), Error>;
}

/// The stream as its reader sees it.
pub trait Stream: Debug + Send {
    /// What tells this stream from one that was in its place before: checkpoints of that one mean nothing here.
    fn id(&self) -> &str;

    /// How many shards are known. They are numbered from 0; a number stays with its shard as long as this is open. A shard has
    /// no records to read before those that it was split or merged from are read to their end.
    ///
    /// # Errors
    /// If the stream can't be read.
    fn shards(&mut self) -> Result<u16, Error>;

    /// The next `most` records of a shard after sequence number `after`.
    ///
    /// # Errors
    /// If the stream can't be read.
    fn read(&mut self, shard: u16, after: u64, most: u32) -> Result<Vec<Record>, Error>;

    /// Records that were appended after `positions`, one for each shard, as far as is known.
    ///
    /// # Errors
    /// If the stream can't be read.
    fn lag(&mut self, positions: &[u64]) -> Result<u64, Error>;

    /// Deletes up to `most` records of each shard that were appended before `before` and are counted, which is what
    /// `checkpoints` says. What is not counted is kept, however old. Says how many it deleted; 0 if the stream does this itself.
    ///
    /// # Errors
    /// If the stream can't be written.
    fn trim(&mut self, before: Timestamp, checkpoints: &[u64], most: u32) -> Result<usize, Error>;
}
