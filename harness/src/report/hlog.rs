//! Latency histograms as a histogram log, which HdrHistogram's own tools open.
//!
//! Not here: intervals. A result holds one histogram for the run, so each is one interval of the run's length, with a tag.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use hdrhistogram::{
    Histogram,
    serialization::{
        Deserializer, V2DeflateSerializer,
        interval_log::{IntervalLogWriterBuilder, Tag},
    },
};
use serde_json::Value;

use super::read::{Stored, word};

/// The log: the whole run without a tag; then `region=...`, `clients=...`, `phase=...`; of a live run also `response_time` and
/// `service_time`, which hold no model. Values are microseconds.
///
/// # Errors
///
/// What is wrong with a histogram of the result.
pub fn log(result: &Stored) -> Result<String, String> {
    let Stored { scenario, json, .. } = result;
    let length = Duration::from_micros(json["totals"]["duration_us"].as_u64().unwrap_or(0));
    let (mut bytes, mut serializer) = (Vec::new(), V2DeflateSerializer::new());
    let about = format!("georush: {scenario}, {}, seed {}; microseconds", word(json, "mode"), json["seed"]);
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment("[Histogram log format version 1.3]")
        .add_comment(&about)
        .begin_log_with(&mut bytes, &mut serializer)
        .map_err(|error| error.to_string())?;
    for (tag, value) in histograms(json) {
        let histogram = decoded(value).map_err(|what| format!("the histogram {tag:?} can't be read: {what}"))?;
        let written = log.write_histogram(&histogram, Duration::ZERO, length, tagged(&tag));
        written.map_err(|error| format!("the histogram {tag:?} can't be written: {error:?}"))?;
    }
    String::from_utf8(bytes).map_err(|error| error.to_string())
}

/// The tag of an interval; an empty one is none.
fn tagged(tag: &str) -> Option<Tag<'_>> {
    if tag.is_empty() { None } else { Tag::new(tag) }
}

/// Every distribution of latencies and its tag; the whole run's is empty.
fn histograms(json: &Value) -> Vec<(String, &Value)> {
    let traffic = &json["traffic"];
    let mut found = vec![(String::new(), &traffic["all"]["latency"])];
    for (cut, name) in [("by_region", "region"), ("by_clients", "clients"), ("by_phase", "phase")] {
        for (key, stats) in traffic[cut].as_object().into_iter().flatten() {
            found.push((format!("{name}={}", key.replace([',', ' '], "_")), &stats["latency"]));
        }
    }
    found.extend(["response_time", "service_time"].map(|name| (name.to_owned(), &json["live"][name])));
    found.retain(|(_, value)| value["histogram"].is_string());
    found
}

fn decoded(value: &Value) -> Result<Histogram<u64>, String> {
    let bytes = BASE64_STANDARD.decode(word(value, "histogram")).map_err(|error| error.to_string())?;
    Deserializer::new().deserialize(&mut bytes.as_slice()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    use super::*;
    use crate::{report::fixture, scenario::Tags};

    #[test]
    fn the_librarys_own_reader_finds_every_histogram_again() {
        let log = log(&fixture::stored()).expect("the fixture's histograms are whole");
        let mut seen = Vec::new();
        for entry in IntervalLogIterator::new(log.as_bytes()) {
            let LogEntry::Interval(interval) = entry.expect("the log follows its grammar") else { continue };
            let bytes = BASE64_STANDARD.decode(interval.encoded_histogram()).expect("base64");
            let histogram: Histogram<u64> =
                Deserializer::new().deserialize(&mut bytes.as_slice()).expect("a histogram");
            assert_eq!(interval.duration(), Duration::from_secs(600));
            seen.push((interval.tag().map(|tag| tag.as_str().to_owned()), histogram));
        }
        let measure = fixture::outcome().measure;
        assert_eq!(seen[0].0, None);
        assert!(seen[0].1 == measure.select(&Tags::default()).latency, "the whole run comes first, unchanged");
        let tags: Vec<_> = seen.iter().filter_map(|(tag, _)| tag.as_deref()).collect();
        assert!(tags.contains(&"region=ap-southeast-2") && tags.contains(&"clients=shops"), "{tags:?}");
        assert!(tags.contains(&"phase=during"), "{tags:?}");
        assert_eq!(seen.len(), 1 + 3 + 2 + 3);
    }

    #[test]
    fn a_damaged_histogram_is_named() {
        let mut stored = fixture::stored();
        stored.json["traffic"]["by_phase"]["during"]["latency"]["histogram"] = "HISTFA==".into();
        assert!(log(&stored).expect_err("it is damaged").contains("\"phase=during\""));
    }
}
