//! What is counted of requests, and the text of `/metrics`.
//!
//! Not here: what the HTTP server and the pipeline count of themselves; they hand over readings.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use hyper::StatusCode;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, text},
    metrics::MetricType,
    registry::Registry,
};

/// Why a request ended as it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Cause {
    /// It was answered.
    Served,
    /// Health, metrics, description: not charged to anybody.
    Service,
    /// No address, field or array.
    BadInput,
    /// A private or reserved address.
    SpecialAddress,
    /// No key, or an unknown one.
    NoValidKey,
    /// The quota is used up.
    OverQuota,
    /// More requests a second than the plan allows.
    TooFast,
    /// Not in the plan.
    NotInPlan,
    /// Not in the key's whitelist.
    NotInWhitelist,
    /// Nothing there.
    NotFound,
    /// No valid HTTP request.
    BadRequest,
    /// The table can't be read or has no room.
    Unavailable,
}

const CAUSES: [(Cause, &str); 12] = [
    (Cause::Served, "served"),
    (Cause::Service, "service"),
    (Cause::BadInput, "bad-input"),
    (Cause::SpecialAddress, "special-address"),
    (Cause::NoValidKey, "no-valid-key"),
    (Cause::OverQuota, "over-quota"),
    (Cause::TooFast, "too-fast"),
    (Cause::NotInPlan, "not-in-plan"),
    (Cause::NotInWhitelist, "not-in-whitelist"),
    (Cause::NotFound, "not-found"),
    (Cause::BadRequest, "bad-request"),
    (Cause::Unavailable, "unavailable"),
];

/// Statuses that are ever answered; anything else is counted under the last.
const STATUSES: [u16; 16] = [200, 204, 304, 400, 401, 402, 403, 404, 405, 408, 413, 414, 422, 429, 431, 503];

/// Upper bounds of the latency histogram's buckets, microseconds.
const BOUNDS_US: [u64; 12] = [2, 4, 8, 16, 32, 64, 128, 256, 1_000, 4_000, 16_000, 64_000];

/// Counts of one edge.
#[derive(Debug, Default)]
pub struct Metrics {
    /// By status, cause and time taken: one counter for what is asked of them in two ways.
    requests: [[[AtomicU64; BOUNDS_US.len() + 1]; CAUSES.len()]; STATUSES.len()],
    took_ns: AtomicU64,
    reloads: AtomicU64,
    reload_failures: AtomicU64,
}

/// A number for `/metrics` from elsewhere: name, help and value.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// Name, without the prefix `georush_`; a counter's without `_total`.
    pub name: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// Whether it only grows.
    pub counter: bool,
    /// Labels and the value of each.
    pub values: Vec<(Vec<(&'static str, String)>, f64)>,
}

impl Reading {
    /// A value that goes up and down.
    #[must_use]
    pub fn gauge(name: &'static str, help: &'static str, value: f64) -> Self {
        Self { name, help, counter: false, values: vec![(Vec::new(), value)] }
    }

    /// A value that only grows.
    #[must_use]
    pub fn counter(name: &'static str, help: &'static str, value: u64) -> Self {
        Self { name, help, counter: true, values: vec![(Vec::new(), value as f64)] }
    }
}

impl Metrics {
    /// Counts one request.
    #[inline]
    pub fn count(&self, status: StatusCode, cause: Cause, took: Duration) {
        let status = STATUSES.iter().position(|known| *known == status.as_u16()).unwrap_or(STATUSES.len() - 1);
        let us = took.as_micros() as u64;
        let bucket = BOUNDS_US.iter().position(|bound| us < *bound).unwrap_or(BOUNDS_US.len());
        self.requests[status][cause as usize][bucket].fetch_add(1, Ordering::Relaxed);
        self.took_ns.fetch_add(took.as_nanos() as u64, Ordering::Relaxed);
    }

    /// Counts one attempt to load newer data.
    pub fn reloaded(&self, worked: bool) {
        let counter = if worked { &self.reloads } else { &self.reload_failures };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// The text of `/metrics`, with the readings of others.
    #[must_use]
    pub fn text(&self, readings: Vec<Reading>) -> String {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut requests = Vec::new();
        let mut took = [0; BOUNDS_US.len() + 1];
        for (status, row) in STATUSES.iter().zip(&self.requests) {
            for ((_, cause), counters) in CAUSES.iter().zip(row) {
                let counts = counters.each_ref().map(read);
                let count = counts.iter().sum::<u64>();
                if count > 0 {
                    let labels = vec![("status", status.to_string()), ("cause", (*cause).to_owned())];
                    requests.push((labels, count as f64));
                }
                took.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
            }
        }
        let mut all = vec![
            Reading { name: "requests", help: "Requests by status and cause.", counter: true, values: requests },
            Reading::counter("data_reloads", "Times that newer data was loaded.", read(&self.reloads)),
            Reading::counter("data_reload_failures", "Times that newer data was bad.", read(&self.reload_failures)),
        ];
        all.extend(readings);
        let bounds = BOUNDS_US.iter().map(|us| *us as f64 / 1e6).chain([f64::INFINITY]);
        let buckets = bounds.zip(took).collect();
        let sum = read(&self.took_ns) as f64 / 1e9;
        encode(Snapshot { readings: all, took: Some((buckets, sum)) })
    }
}

/// The text of `/metrics` of a process that answers nothing else.
#[must_use]
pub fn text_of(readings: Vec<Reading>) -> String {
    encode(Snapshot { readings, took: None })
}

fn encode(snapshot: Snapshot) -> String {
    let mut registry = Registry::with_prefix("georush");
    registry.register_collector(Box::new(snapshot));
    let mut out = String::new();
    text::encode(&mut out, &registry).expect("writing to memory can't fail");
    out
}

/// Labels of the exemplars that there are none of.
type NoLabels = [(&'static str, &'static str); 0];

#[derive(Debug)]
struct Snapshot {
    readings: Vec<Reading>,
    /// Buckets of the time that requests took, and its sum.
    took: Option<(Vec<(f64, u64)>, f64)>,
}

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for reading in &self.readings {
            let kind = if reading.counter { MetricType::Counter } else { MetricType::Gauge };
            let mut metric = encoder.encode_descriptor(reading.name, reading.help, None, kind)?;
            for (labels, value) in &reading.values {
                let mut metric = metric.encode_family(labels)?;
                match reading.counter {
                    true => metric.encode_counter::<NoLabels, f64, f64>(value, None)?,
                    false => metric.encode_gauge(value)?,
                }
            }
        }
        let Some((buckets, sum)) = &self.took else { return Ok(()) };
        let help = "Time from a request being read to its answer being written, in seconds.";
        let mut metric = encoder.encode_descriptor("handler_seconds", help, None, MetricType::Histogram)?;
        let count = buckets.iter().map(|(_, count)| count).sum();
        metric.encode_histogram::<NoLabels>(*sum, count, buckets, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_status_and_cause() {
        let metrics = Metrics::default();
        metrics.count(StatusCode::OK, Cause::Served, Duration::from_micros(3));
        metrics.count(StatusCode::OK, Cause::Served, Duration::from_millis(100));
        metrics.count(StatusCode::FORBIDDEN, Cause::OverQuota, Duration::ZERO);
        let text = metrics.text(vec![Reading::gauge("data_age_seconds", "Age of the data.", 1.5)]);
        for line in [
            r#"georush_requests_total{status="200",cause="served"} 2.0"#,
            r#"georush_requests_total{status="403",cause="over-quota"} 1.0"#,
            r#"georush_handler_seconds_bucket{le="0.000004"} 2"#,
            r#"georush_handler_seconds_bucket{le="+Inf"} 3"#,
            "georush_data_age_seconds 1.5",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn causes_stand_at_their_numbers() {
        assert!(CAUSES.iter().enumerate().all(|(index, (cause, _))| *cause as usize == index));
    }
}
