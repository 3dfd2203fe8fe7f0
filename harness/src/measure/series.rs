//! Measures in buckets of time.

use super::breakdown::{LATENCY_GROUPS, group, middle_us};
use crate::scenario::Cause;

/// Buckets of a series at most; the width follows from the run's length.
const BUCKETS_MAX: u64 = 480;
/// Widths to choose from, microseconds.
const WIDTHS_US: [u64; 12] = [
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    30_000_000,
    60_000_000,
    120_000_000,
    300_000_000,
    600_000_000,
    1_800_000_000,
    3_600_000_000,
    21_600_000_000,
];

/// What one region did in one bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RegionPoint {
    /// Requests that arrived.
    pub requests: u64,
    /// Refused for quota or standing.
    pub refused: u64,
    /// Failed.
    pub failed: u64,
    /// Admitted cost that the region's table showed at the bucket's end, over all subjects since the run's start.
    pub visible: u64,
    /// Changes of the central table that the region had not received at the bucket's end.
    pub replication_lag: u64,
    /// Greatest staleness of a decision in the bucket, microseconds.
    pub staleness_us_max: u64,
}

/// One bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Point {
    /// By region index.
    pub regions: Vec<RegionPoint>,
    /// Median latency, microseconds, within 7 %.
    pub p50_us: u64,
    /// 99th percentile, microseconds, within 7 %.
    pub p99_us: u64,
    /// Admitted cost so far, over all subjects since the run's start.
    pub admitted: u64,
    /// Records in the stream that the aggregator had not read at the bucket's end.
    pub stream_backlog: u64,
    /// Non-2xx answers by [`Cause`].
    pub causes: [u64; Cause::ALL.len()],
}

/// A run's buckets, in order.
#[derive(Debug, Clone)]
pub struct Series {
    width_us: u64,
    points: Vec<Point>,
    open: Point,
    latency: Vec<u32>,
}

impl Series {
    pub(super) fn new(regions: usize, duration_us: u64) -> Self {
        let fits = |&&width: &&u64| duration_us.div_ceil(width) <= BUCKETS_MAX;
        Self {
            width_us: WIDTHS_US.iter().find(fits).copied().unwrap_or(duration_us.div_ceil(BUCKETS_MAX)),
            points: Vec::new(),
            open: Point { regions: vec![RegionPoint::default(); regions], ..Point::default() },
            latency: vec![0; LATENCY_GROUPS],
        }
    }

    /// Width of a bucket, microseconds.
    #[must_use]
    pub fn width_us(&self) -> u64 {
        self.width_us
    }

    /// The closed buckets.
    #[must_use]
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    #[inline]
    pub(super) fn record(&mut self, region: usize, cause: Option<Cause>, latency_us: Option<u64>) {
        let point = &mut self.open.regions[region];
        point.requests += 1;
        if let Some(cause) = cause {
            self.open.causes[cause as usize] += 1;
            if cause.is_failure() {
                point.failed += 1;
            } else {
                point.refused += 1;
            }
        }
        if let Some(us) = latency_us {
            self.latency[group(us)] += 1;
        }
    }

    /// Notes a decision's staleness in the open bucket.
    #[inline]
    pub fn staleness(&mut self, region: usize, us: u64) {
        let max = &mut self.open.regions[region].staleness_us_max;
        *max = us.max(*max);
    }

    /// Closes the open bucket. `state` fills in what is known at its end.
    pub fn close(&mut self, state: impl FnOnce(&mut Point)) {
        self.open.p50_us = self.quantile(50);
        self.open.p99_us = self.quantile(99);
        state(&mut self.open);
        let regions = vec![RegionPoint::default(); self.open.regions.len()];
        let next = Point { regions, ..Point::default() };
        self.points.push(std::mem::replace(&mut self.open, next));
        self.latency.fill(0);
    }

    fn quantile(&self, percent: u64) -> u64 {
        let total: u64 = self.latency.iter().map(|&n| u64::from(n)).sum();
        let mut seen = 0;
        let holds = |n: &u32| {
            seen += u64::from(*n);
            *n > 0 && seen * 100 >= total * percent
        };
        self.latency.iter().position(holds).map_or(0, middle_us)
    }
}
