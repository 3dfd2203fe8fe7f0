//! A distribution: quantiles for people, the whole histogram for programs.
//!
//! Not here: what was measured.

use base64::{Engine, prelude::BASE64_STANDARD};
use hdrhistogram::{
    Histogram,
    serialization::{Serializer, V2Serializer},
};
use serde::Serialize;

/// Quantiles in microseconds, and the histogram as base64 of HdrHistogram's V2 encoding, not compressed.
#[derive(Debug, Serialize)]
pub struct Distribution {
    count: u64,
    min_us: u64,
    mean_us: u64,
    p50_us: u64,
    p90_us: u64,
    p95_us: u64,
    p99_us: u64,
    #[serde(rename = "p99.9_us")]
    p999_us: u64,
    max_us: u64,
    histogram: String,
}

impl Distribution {
    /// `None` for an empty histogram.
    #[must_use]
    pub fn of(histogram: &Histogram<u64>) -> Option<Self> {
        if histogram.is_empty() {
            return None;
        }
        let quantile = |q| histogram.value_at_quantile(q);
        Some(Self {
            count: histogram.len(),
            min_us: histogram.min(),
            mean_us: histogram.mean().round() as u64,
            p50_us: quantile(0.5),
            p90_us: quantile(0.9),
            p95_us: quantile(0.95),
            p99_us: quantile(0.99),
            p999_us: quantile(0.999),
            max_us: histogram.max(),
            histogram: encode(histogram),
        })
    }
}

// V2 without deflate: compressed bytes would depend on the compression library and its build features.
fn encode(histogram: &Histogram<u64>) -> String {
    let mut bytes = Vec::new();
    V2Serializer::new().serialize(histogram, &mut bytes).expect("writing to memory does not fail");
    BASE64_STANDARD.encode(bytes)
}
