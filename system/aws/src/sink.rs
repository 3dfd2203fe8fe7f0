//! The ways of usage log lines to the stream: straight, or through a log group and its subscription.
//!
//! A service that fails is left alone for a moment, so that whoever writes lines is not held up. Not here: keeping lines that
//! did not get through; they stay with the caller.

use aws_sdk_cloudwatchlogs::types::InputLogEvent;
use aws_sdk_kinesis::{primitives::Blob, types::PutRecordsRequestEntry};
use georush_core::{Origin, Timestamp};
use georush_system::backend::config::{Aws as Settings, Place};
use georush_system::{backend::Sink, store::Error};

use crate::{
    client::{Calls, Gate, Service},
    stream::Kinesis,
};

/// As many as an edge has lanes, so that each lane's lines stay in order.
const PARTS: u16 = 16;
/// Tries of records that were left over.
const TRIES: u32 = 5;
// Source: API reference of PutRecords: 500 records, 5 MiB (10 since 2025) with their keys.
const RECORDS_MAX: usize = 500;
const RECORDS_BYTES_MAX: usize = 5 << 20;
// Source: API reference of PutLogEvents: 10,000 events, 1,048,576 bytes where each event counts 26 more.
const EVENTS_MAX: usize = 10_000;
const EVENTS_BYTES_MAX: usize = 1 << 20;
const EVENT_BYTES: usize = 26;

/// Puts records into the stream.
#[derive(Debug)]
pub(crate) struct ToStream {
    kinesis: Kinesis,
    /// Lines of one writer and part have one partition key.
    writer: String,
    gate: Gate,
}

impl ToStream {
    pub(crate) fn new(kinesis: Kinesis, writer: String) -> Self {
        Self { kinesis, writer, gate: Gate::default() }
    }

    fn put(&self, records: &[(u16, Vec<u8>)]) -> Result<(), Error> {
        let entry = |(part, lines): &(u16, Vec<u8>)| {
            let key = format!("{}-{part}", self.writer);
            let entry = PutRecordsRequestEntry::builder().partition_key(key).data(Blob::new(lines.as_slice())).build();
            entry.expect("key and data are given")
        };
        let mut left: Vec<_> = records.iter().map(entry).collect();
        for tries in 0..TRIES {
            let call = self.kinesis.client.put_records().stream_name(&self.kinesis.name);
            let call = call.set_records(Some(left.clone())).send();
            let answer = self.kinesis.service.call("PutRecords", &self.kinesis.resource(), call)?;
            let mut results = answer.records.iter();
            let mut code = None;
            left.retain(|_| {
                let failed = results.next().and_then(|result| result.error_code.as_ref());
                code = failed.or(code);
                failed.is_some()
            });
            let Some(code) = code else { return Ok(()) };
            if tries + 1 == TRIES {
                let found = format!("{} of {} records were refused {TRIES} times: {code}", left.len(), records.len());
                let remedy =
                    format!("they wait and go again; if this lasts, give {} more shards", self.kinesis.resource());
                return Err(self.kinesis.service.error("PutRecords", found, remedy));
            }
            self.kinesis.service.back_off(tries);
        }
        Ok(())
    }
}

impl Sink for ToStream {
    fn parts(&self) -> u16 {
        PARTS
    }

    fn append(&mut self, _now: Timestamp, records: &[(u16, Vec<u8>)]) -> Result<(), Error> {
        self.gate.check()?;
        let done = pieces(records, RECORDS_MAX, RECORDS_BYTES_MAX, |(_, lines)| lines.len() + 64)
            .try_for_each(|records| self.put(records));
        self.gate.note(done)
    }
}

/// Puts lines into a log group, each as an event of its own.
#[derive(Debug)]
pub(crate) struct ToLogs {
    logs: LogGroup,
    origin: Origin,
    /// Log streams that exist.
    made: [bool; PARTS as usize],
    gate: Gate,
}

/// A log group and its calls.
#[derive(Debug, Clone)]
pub(crate) struct LogGroup {
    pub(crate) client: aws_sdk_cloudwatchlogs::Client,
    pub(crate) service: Service,
    pub(crate) name: String,
}

impl LogGroup {
    pub(crate) fn open(calls: &Calls, place: &Place, name: &str) -> Self {
        let config = calls.at(place);
        let service = Service::new(calls, "CloudWatch Logs", "CLOUDWATCH_LOGS", place, &config);
        Self { client: aws_sdk_cloudwatchlogs::Client::new(&config), service, name: name.to_owned() }
    }

    /// The log group of the settings, if lines go to one.
    pub(crate) fn of(calls: &Calls, settings: &Settings) -> Option<Self> {
        settings.logs.as_ref().map(|logs| Self::open(calls, &settings.central.place, &logs.group))
    }

    pub(crate) fn resource(&self) -> String {
        format!("the log group {}", self.name)
    }
}

impl ToLogs {
    pub(crate) fn new(logs: LogGroup, origin: Origin) -> Self {
        Self { logs, origin, made: [false; PARTS as usize], gate: Gate::default() }
    }

    fn put(&mut self, now: Timestamp, part: u16, lines: &[u8]) -> Result<(), Error> {
        let stream = format!("{}/{}/{part}", self.origin.region, self.origin.epoch);
        let made = &mut self.made[usize::from(part % PARTS)];
        if !*made {
            let call = self.logs.client.create_log_stream().log_group_name(&self.logs.name).log_stream_name(&stream);
            match self.logs.service.call("CreateLogStream", &self.logs.resource(), call.send()) {
                Err(failure) if !failure.is("ResourceAlreadyExistsException") => return Err(failure.into()),
                _ => *made = true,
            }
        }
        let text = String::from_utf8_lossy(lines);
        let lines: Vec<&str> = text.lines().collect();
        let at_ms = i64::try_from(now.0 / 1_000).unwrap_or(i64::MAX);
        for lines in pieces(&lines, EVENTS_MAX, EVENTS_BYTES_MAX, |line| line.len() + EVENT_BYTES) {
            let event = |line: &&str| InputLogEvent::builder().timestamp(at_ms).message(*line).build();
            let events = lines.iter().map(event).map(|event| event.expect("time and message are given"));
            let call = self.logs.client.put_log_events().log_group_name(&self.logs.name).log_stream_name(&stream);
            let call = call.set_log_events(Some(events.collect())).send();
            let answer = self.logs.service.call("PutLogEvents", &self.logs.resource(), call)?;
            if let Some(rejected) = answer.rejected_log_events_info {
                let remedy = "set this machine's clock".to_owned();
                return Err(self.logs.service.error(
                    "PutLogEvents",
                    format!("events were rejected: {rejected:?}"),
                    remedy,
                ));
            }
        }
        Ok(())
    }
}

impl Sink for ToLogs {
    fn parts(&self) -> u16 {
        PARTS
    }

    fn append(&mut self, now: Timestamp, records: &[(u16, Vec<u8>)]) -> Result<(), Error> {
        self.gate.check()?;
        let done = records.iter().try_for_each(|(part, lines)| self.put(now, *part, lines));
        self.gate.note(done)
    }
}

/// Cuts `all` into pieces within a service's limits of number and size.
fn pieces<T>(mut all: &[T], most: usize, bytes_max: usize, size: impl Fn(&T) -> usize) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = |item: &&T| {
            bytes += size(item);
            bytes <= bytes_max
        };
        let number = all.iter().take(most).take_while(fits).count().max(1).min(all.len());
        let (piece, rest) = all.split_at(number);
        all = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_within_number_and_size_and_nothing_is_left_out() {
        let cut =
            |all: &[usize], most, bytes| pieces(all, most, bytes, |size| *size).map(<[_]>::to_vec).collect::<Vec<_>>();
        assert_eq!(cut(&[1, 1, 1, 1, 1], 2, 100), [vec![1, 1], vec![1, 1], vec![1]]);
        assert_eq!(cut(&[4, 4, 4], 9, 8), [vec![4, 4], vec![4]]);
        assert_eq!(cut(&[9, 1], 9, 8), [vec![9], vec![1]]);
        assert!(cut(&[], 9, 8).is_empty());
    }
}
