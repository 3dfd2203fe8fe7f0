//! The Kinesis stream as the aggregator reads it.
//!
//! The core knows shards and records by numbers of this life; what they are called outside is here ([`Places`]). Not here:
//! what lines say, and storing how far they are counted.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use aws_sdk_kinesis::{Client, types::ShardIteratorType};
use georush_core::{Timestamp, time::SECOND_US};
use georush_system::backend::config::Aws as Settings;
use georush_system::{
    backend,
    pipeline::now,
    store::{Error, Record},
};

use crate::{
    client::{Calls, Failure, Gate, Service},
    logs,
    shards::{From, Listed, Page, Shards, Source},
};

/// Records of one read. Source: API reference of GetRecords, 10,000 at most; 10 MB are returned at most.
const RECORDS_MAX: i32 = 1_000;

/// A stream and its calls.
#[derive(Debug, Clone)]
pub(crate) struct Kinesis {
    pub(crate) client: Client,
    pub(crate) service: Service,
    pub(crate) name: String,
}

impl Kinesis {
    pub(crate) fn open(calls: &Calls, settings: &Settings) -> Self {
        let place = &settings.central.place;
        let config = calls.at(place);
        let service = Service::new(calls, "Kinesis", "KINESIS", place, &config);
        Self { client: Client::new(&config), service, name: settings.stream.clone() }
    }

    pub(crate) fn resource(&self) -> String {
        format!("the stream {}", self.name)
    }

    /// ARN of the stream, and an identity that no later stream of this name has.
    pub(crate) fn identity(&self) -> Result<(String, String), Failure> {
        let call = self.client.describe_stream_summary().stream_name(&self.name);
        let summary = self.service.call("DescribeStreamSummary", &self.resource(), call.send())?;
        let summary = summary.stream_description_summary;
        let (arn, created) = summary
            .map_or((String::new(), 0), |summary| (summary.stream_arn, summary.stream_creation_timestamp.secs()));
        Ok((arn.clone(), format!("{arn}@{created}")))
    }
}

impl Kinesis {
    /// Fails if the service may have forgotten the beginning of the stream.
    pub(crate) fn goes_back_to_its_beginning(&self) -> Result<(), Error> {
        let call = self.client.describe_stream_summary().stream_name(&self.name);
        let summary = self.service.call("DescribeStreamSummary", &self.resource(), call.send())?;
        let Some(summary) = summary.stream_description_summary else { return Ok(()) };
        let age_s = (now().0 / SECOND_US).saturating_sub(summary.stream_creation_timestamp.secs().max(0) as u64);
        let kept_h = summary.retention_period_hours.max(0) as u64;
        if age_s < kept_h * 3_600 {
            return Ok(());
        }
        let found = format!(
            "{} is {} hours old and keeps {kept_h}, so that counts of before can't be rebuilt",
            self.resource(),
            age_s / 3_600
        );
        let remedy = "restore the central table from a backup, and keep records for longer than a window";
        Err(self.service.error("DescribeStreamSummary", found, remedy.to_owned()))
    }
}

impl Source for Kinesis {
    type Record = Vec<u8>;
    // Source: Kinesis developer guide, "Quotas": five reads per second and shard, for all readers.
    const SPACING: Duration = Duration::from_millis(250);

    fn list(&mut self) -> Result<Vec<Listed>, Failure> {
        let (mut listed, mut token) = (Vec::new(), None::<String>);
        loop {
            let call = self.client.list_shards();
            let call = match token {
                Some(token) => call.next_token(token),
                None => call.stream_name(&self.name),
            };
            let answer = self.service.call("ListShards", &self.resource(), call.send())?;
            listed.extend(answer.shards.unwrap_or_default().into_iter().map(|shard| Listed {
                id: shard.shard_id,
                parents: shard.parent_shard_id.into_iter().chain(shard.adjacent_parent_shard_id).collect(),
                closed: shard.sequence_number_range.is_some_and(|range| range.ending_sequence_number.is_some()),
            }));
            token = answer.next_token;
            if token.is_none() {
                return Ok(listed);
            }
        }
    }

    fn iterator(&mut self, shard: &str, from: &From) -> Result<String, Failure> {
        let call = self.client.get_shard_iterator().stream_name(&self.name).shard_id(shard);
        let call = match from {
            From::Oldest => call.shard_iterator_type(ShardIteratorType::TrimHorizon),
            From::Newest => call.shard_iterator_type(ShardIteratorType::Latest),
            From::After(sequence) => {
                call.shard_iterator_type(ShardIteratorType::AfterSequenceNumber).starting_sequence_number(sequence)
            }
        };
        let answer = self.service.call("GetShardIterator", &self.resource(), call.send())?;
        Ok(answer.shard_iterator.unwrap_or_default())
    }

    fn read(&mut self, iterator: &str) -> Result<Page<Vec<u8>>, Failure> {
        let call = self.client.get_records().shard_iterator(iterator).limit(RECORDS_MAX);
        let answer = self.service.call("GetRecords", &self.resource(), call.send())?;
        let at_tip = answer.millis_behind_latest.unwrap_or_default() == 0;
        let records = answer.records.into_iter();
        let records = records.map(|record| (record.sequence_number, logs::lines(record.data.into_inner())));
        Ok(Page { records: records.collect(), next: answer.next_shard_iterator, at_tip })
    }
}

/// Names of what was read in this life, for the central table beside the stream.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// By number of the shard.
    shards: Vec<PlacesOfShard>,
    /// How far each shard is counted, as the central table has it, by name of the shard.
    counted: BTreeMap<String, String>,
    /// A life begins there; set by the central table, taken by the stream.
    begins: bool,
}

#[derive(Debug, Default)]
struct PlacesOfShard {
    id: String,
    /// Records so far.
    number: u64,
    /// Sequence numbers of records since the last checkpoint, by number.
    since: BTreeMap<u64, String>,
    /// It takes no more records, those that it has are read, and the shards after it are known.
    ended: bool,
    /// When it was read to its newest record.
    at_tip: Option<Instant>,
}

impl Places {
    /// Begins a life after `positions`.
    pub(crate) fn begin(&mut self, positions: BTreeMap<String, String>) {
        self.shards.clear();
        (self.counted, self.begins) = (positions, true);
    }

    /// Name of a shard, and the sequence number of one of its records.
    pub(crate) fn of(&self, shard: u16, number: u64) -> Option<(&str, &str)> {
        let shard = self.shards.get(usize::from(shard))?;
        Some((&shard.id, shard.since.get(&number)?))
    }

    /// How far each shard is counted once these records are, too. What the service has forgotten needs no place.
    pub(crate) fn after(&self, moved: &[(u16, u64)]) -> BTreeMap<String, String> {
        let mut counted = self.counted.clone();
        let place = |&(shard, number)| self.of(shard, number).map(|(name, place)| (name.to_owned(), place.to_owned()));
        counted.extend(moved.iter().filter_map(place));
        counted.retain(|name, _| self.shards.iter().any(|shard| shard.id == *name));
        counted
    }

    /// Whether all records that were there at `instant` were read.
    pub(crate) fn is_all_read_since(&self, instant: Instant) -> bool {
        let read = |shard: &PlacesOfShard| shard.ended || shard.at_tip.is_some_and(|at| at > instant);
        !self.shards.is_empty() && self.shards.iter().all(read)
    }

    /// That is stored: what is before it is not asked for again.
    pub(crate) fn checkpointed(&mut self, moved: &[(u16, u64)], counted: BTreeMap<String, String>) {
        self.counted = counted;
        for &(shard, number) in moved {
            if let Some(shard) = self.shards.get_mut(usize::from(shard)) {
                shard.since = shard.since.split_off(&number);
            }
        }
    }
}

/// Places that stream and central table share.
pub(crate) type SharedPlaces = Arc<Mutex<Places>>;

pub(crate) fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An open stream.
#[derive(Debug)]
pub(crate) struct Stream {
    shards: Shards<Kinesis>,
    id: String,
    places: SharedPlaces,
    gate: Gate,
}

impl Stream {
    pub(crate) fn open(kinesis: Kinesis, places: SharedPlaces) -> Result<Self, Error> {
        let (_, id) = kinesis.identity()?;
        Ok(Self { shards: Shards::new(kinesis, BTreeMap::new(), From::Oldest), id, places, gate: Gate::default() })
    }
}

impl backend::Stream for Stream {
    fn id(&self) -> &str {
        &self.id
    }

    fn shards(&mut self) -> Result<u16, Error> {
        let mut places = lock(&self.places);
        if std::mem::take(&mut places.begins) {
            self.shards.begin(places.counted.clone());
        }
        drop(places);
        let shards = &mut self.shards;
        self.gate.pass(|| shards.list())?;
        let mut places = lock(&self.places);
        for shard in &self.shards.all[places.shards.len()..] {
            places.shards.push(PlacesOfShard { id: shard.id.clone(), ..PlacesOfShard::default() });
        }
        for (place, shard) in places.shards.iter_mut().zip(&self.shards.all) {
            place.ended = shard.is_over();
        }
        Ok(self.shards.all.len().min(usize::from(u16::MAX)) as u16)
    }

    fn read(&mut self, shard: u16, after: u64, most: u32) -> Result<Vec<Record>, Error> {
        let shards = &mut self.shards;
        self.gate.pass(|| shards.fetch(usize::from(shard)))?;
        let mut places = lock(&self.places);
        let Some(place) = places.shards.get_mut(usize::from(shard)) else { return Ok(Vec::new()) };
        debug_assert_eq!(place.number, after, "a life reads each record once");
        let shard = &mut self.shards.all[usize::from(shard)];
        if shard.queue.len() <= most as usize && !shard.behind {
            place.at_tip = shard.read_at;
        }
        let queue = &mut shard.queue;
        let taken = queue.drain(..queue.len().min(most as usize));
        let records = taken.map(|(sequence, lines)| {
            place.number += 1;
            place.since.insert(place.number, sequence);
            Record { sequence: place.number, lines }
        });
        Ok(records.collect())
    }

    /// One for each shard that has more, because Kinesis does not say how many.
    fn lag(&mut self, _positions: &[u64]) -> Result<u64, Error> {
        Ok(self.shards.all.iter().filter(|shard| shard.behind).count() as u64)
    }

    /// Kinesis forgets by itself, after the stream's retention.
    fn trim(&mut self, _before: Timestamp, _checkpoints: &[u64], _most: u32) -> Result<usize, Error> {
        Ok(0)
    }
}
