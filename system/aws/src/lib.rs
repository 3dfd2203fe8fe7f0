//! The pipeline's tables and stream on AWS, or on whatever answers at the same calls: DynamoDB, DynamoDB Streams, Kinesis,
//! CloudWatch Logs.
//!
//! Calls go through the official clients and wait for their answer; a call is tried three times within five seconds. Not here: any
//! decision on quotas, counts or replication, and any promise that `georush_system::backend` does not make.

#![forbid(unsafe_code)]

mod central;
mod changes;
mod client;
mod create;
mod feed;
mod logs;
mod regional;
mod rows;
mod shards;
mod sink;
mod stream;
mod table;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use georush_core::{Identifier, Origin};
use georush_system::{
    backend::{AnyCentral, AnyRegional, AnySink, AnyStream, Backend, Central as _, Rows, config::Aws as Settings},
    item::Item,
    pipeline::{self, From, take_lease},
    store::{Error, Lease},
};

use central::{Central, LEASE_US_MIN};
use client::Calls;
use feed::{Feed, Replica};
use regional::{Regional, RegionalTable, RowByRow};
use sink::{LogGroup, ToLogs, ToStream};
use stream::{Kinesis, SharedPlaces, Stream};
use table::Table;

/// AWS as a backend. Its methods wait for answers, so that they are not for asynchronous code.
#[derive(Debug)]
pub struct Aws {
    settings: Settings,
    calls: Calls,
    central: Table,
    kinesis: Kinesis,
    feed: Arc<Mutex<Feed>>,
}

impl Aws {
    /// Clients for all of it; makes what is missing if the settings say so.
    ///
    /// # Errors
    /// If threads can't be had, or something that is to be made can't be made.
    pub fn open(settings: Settings) -> Result<Self, Error> {
        let calls = Calls::new(&settings.central.place.region)?;
        let central = Table::open(&calls, &settings.central);
        let kinesis = Kinesis::open(&calls, &settings);
        if settings.create {
            create::table(&central)?;
            create::stream(&kinesis)?;
            if let Some(logs) = LogGroup::of(&calls, &settings) {
                create::log_group(&logs, &settings, &kinesis)?;
            }
        }
        Ok(Self { settings, calls, central, kinesis, feed: Arc::default() })
    }

    fn central(&self) -> Result<Central, Error> {
        Central::open(self.central.clone(), SharedPlaces::default(), None)
    }

    fn table(&self, region: &str) -> Result<RegionalTable, Error> {
        let at = self.settings.regions.get(region).ok_or_else(|| {
            let known: Vec<&str> = self.settings.regions.keys().map(String::as_str).collect();
            Error::UnknownRegion(region.to_owned(), known.join(", "))
        })?;
        Ok(RegionalTable { table: Table::open(&self.calls, at) })
    }

    /// Does something for which no aggregator may work.
    fn alone(
        &self,
        settings: pipeline::Settings,
        work: impl FnOnce(&mut Central, Lease) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut central = self.central()?;
        let lease = settings.lease.max(Duration::from_micros(LEASE_US_MIN));
        let lease = take_lease(&mut central, lease)?;
        let done = work(&mut central, lease);
        central.release(lease)?;
        done
    }

    /// A region's table that is there, or is made.
    fn ready_table(&self, region: &str) -> Result<RegionalTable, Error> {
        let table = self.table(region)?;
        if self.settings.create {
            create::table(&table.table)?;
        }
        Ok(table)
    }
}

impl Backend for Aws {
    fn accounts(&self) -> Result<AnyCentral, Error> {
        Ok(Box::new(self.central()?))
    }

    fn aggregation(&self) -> Result<(AnyCentral, AnyStream), Error> {
        let places = SharedPlaces::default();
        let central = Central::open(self.central.clone(), Arc::clone(&places), None)?;
        Ok((Box::new(central), Box::new(Stream::open(self.kinesis.clone(), places)?)))
    }

    fn replication(&self, region: &str) -> Result<(AnyCentral, AnyRegional), Error> {
        let table = self.ready_table(region)?;
        table.adopt(region, &self.central()?)?;
        // Read before the lock is taken: every region waits for it.
        let stored = table.stored()?;
        stream::lock(&self.feed).join(region, stored);
        let (feed, calls) = (Arc::clone(&self.feed), self.calls.clone());
        let replica = Replica { feed, region: region.to_owned(), table: table.clone(), calls };
        let central = Central::open(self.central.clone(), SharedPlaces::default(), Some(replica.clone()))?;
        Ok((Box::new(central), Box::new(Regional::new(table, self.calls.clone(), Some(replica)))))
    }

    fn join(&self, region: &str) -> Result<(Origin, AnySink, AnyRegional), Error> {
        let table = self.ready_table(region)?;
        let origin = table.claim_epoch(region, &self.central()?)?;
        let sink: AnySink = match LogGroup::of(&self.calls, &self.settings) {
            Some(logs) => Box::new(ToLogs::new(logs, origin)),
            None => Box::new(ToStream::new(self.kinesis.clone(), format!("{}-{}", origin.region, origin.epoch))),
        };
        Ok((origin, sink, Box::new(Regional::new(table, self.calls.clone(), None))))
    }

    fn sink(&self) -> Result<AnySink, Error> {
        Ok(Box::new(ToStream::new(self.kinesis.clone(), "dead-letters".to_owned())))
    }

    fn count_again(&self, settings: pipeline::Settings, from: From) -> Result<(), Error> {
        match from {
            From::TrimHorizon => self.alone(settings, |central, lease| central.rewind(lease)),
            From::Sequence(_) | From::Time(_) => Err(Error::OnlyFromTrimHorizon),
        }
    }

    fn rebuild(&self, settings: pipeline::Settings) -> Result<(), Error> {
        self.kinesis.goes_back_to_its_beginning()?;
        self.alone(settings, Central::forget_counts)
    }

    fn held(&self, region: &str, subject: &Identifier) -> Result<Option<Item>, Error> {
        match self.settings.regions.contains_key(region) {
            true => self.table(region)?.table.item(subject).map(Some),
            false => Ok(None),
        }
    }

    fn rows(&self, region: &str) -> Result<Box<dyn Rows>, Error> {
        Ok(Box::new(RowByRow::new(self.table(region)?)))
    }
}
