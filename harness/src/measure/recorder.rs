//! A histogram for the hot path, with the buckets of an HdrHistogram.
//!
//! Not for reading: it becomes an [`Histogram`] once the run is over. Recording is an index and an addition; the library's
//! own takes five times as many instructions.

use hdrhistogram::Histogram;

use super::LATENCY_DIGITS;

/// Buckets to a doubling, for two significant digits: the least power of two from 100 up.
const PER_DOUBLING: u64 = 128;
const PER_DOUBLING_BITS: u32 = PER_DOUBLING.trailing_zeros();

/// Counts by value, microseconds.
#[derive(Debug, Clone, Default)]
pub struct Recorder {
    counts: Vec<u32>,
}

impl Recorder {
    /// Counts one value.
    #[inline]
    pub fn record(&mut self, us: u64) {
        self.record_n(us, 1);
    }

    /// Counts one value that stands for several.
    #[inline]
    pub fn record_n(&mut self, us: u64, times: u32) {
        let index = index(us);
        if index >= self.counts.len() {
            self.grow(index);
        }
        self.counts[index] += times;
    }

    #[cold]
    fn grow(&mut self, index: usize) {
        self.counts.resize(index + PER_DOUBLING as usize, 0);
    }

    /// Adds all that was counted to a histogram of values up to `us_max`.
    pub fn add_to(&self, histogram: &mut Histogram<u64>) {
        for (index, &count) in self.counts.iter().enumerate().filter(|&(_, &count)| count > 0) {
            let value = lowest(index).clamp(histogram.low(), histogram.high());
            histogram.record_n(value, u64::from(count)).expect("the value is within the histogram's bounds");
        }
    }

    /// All that was counted, as a histogram.
    #[must_use]
    pub fn histogram(&self, us_max: u64) -> Histogram<u64> {
        let mut histogram = Histogram::new_with_bounds(1, us_max, LATENCY_DIGITS).expect("the bounds are valid");
        self.add_to(&mut histogram);
        histogram
    }
}

/// A value's bucket: itself below 256, then 128 buckets to each doubling.
#[inline]
fn index(us: u64) -> usize {
    let shift = (us | (2 * PER_DOUBLING - 1)).ilog2() - PER_DOUBLING_BITS;
    ((u64::from(shift) << PER_DOUBLING_BITS) + (us >> shift)) as usize
}

/// The least value of a bucket.
fn lowest(index: usize) -> u64 {
    let index = index as u64;
    if index < 2 * PER_DOUBLING {
        return index;
    }
    let shift = index / PER_DOUBLING - 1;
    (index - shift * PER_DOUBLING) << shift
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{LATENCY_US_MAX, latency_histogram};

    #[test]
    fn every_value_lands_where_the_library_puts_it() {
        let mut ours = Recorder::default();
        let mut library = latency_histogram();
        let values = (1..3_000).chain((0..400).map(|n| 1_000 + n * n * n * 7));
        for value in values.filter(|&v| v <= LATENCY_US_MAX) {
            ours.record(value);
            library.record(value).expect("in bounds");
        }
        assert_eq!(ours.histogram(LATENCY_US_MAX), library);
    }

    #[test]
    fn a_bucket_begins_with_its_lowest_value() {
        for bucket in 1..3_000 {
            assert_eq!(index(lowest(bucket)), bucket);
            assert_eq!(index(lowest(bucket) - 1), bucket - 1);
        }
    }
}
