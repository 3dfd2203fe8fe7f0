//! A token bucket in integers.
//!
//! Not a queue: what does not fit is refused or told when it would fit.

/// Tokens are kept in millionths, so that a rate in tokens per second is one in millionths per microsecond.
const MILLIONTHS: i64 = 1_000_000;

/// Bound of a level and of a gain, so that their sum never overflows.
const GAIN_MAX: u64 = 1 << 61;

/// A bucket that refills continuously. Times are microseconds and never go back; an earlier time refills nothing.
#[derive(Debug, Clone)]
pub struct Bucket {
    /// Rate and depth while nothing throttles it.
    whole: [u64; 2],
    rate: u64,
    depth: i64,
    level: i64,
    at_us: u64,
}

impl Bucket {
    /// A full bucket that holds `depth` tokens and gains `rate` a second.
    #[must_use]
    pub fn new(rate: u64, depth: u64, at_us: u64) -> Self {
        let level = millionths(depth);
        Self { whole: [rate, depth], rate, depth: level, level, at_us }
    }

    /// Changes rate and depth from here on. What is in the bucket and does not fit any more is lost.
    pub fn resize(&mut self, at_us: u64, rate: u64, depth: u64) {
        self.refill(at_us);
        self.rate = rate;
        self.depth = millionths(depth);
        self.level = self.level.min(self.depth);
    }

    /// Leaves so many millionths of the whole rate and depth from here on.
    pub fn throttle(&mut self, at_us: u64, remains_ppm: u32) {
        let [rate, depth] = self.whole.map(|whole| whole * u64::from(remains_ppm) / MILLIONTHS as u64);
        self.resize(at_us, rate, depth);
    }

    #[inline]
    fn refill(&mut self, at_us: u64) {
        if at_us > self.at_us {
            let gained = (at_us - self.at_us).saturating_mul(self.rate).min(GAIN_MAX);
            self.level = (self.level + gained as i64).min(self.depth);
            self.at_us = at_us;
        }
    }

    /// Takes `tokens` if there are so many; says whether it did.
    #[inline]
    pub fn take(&mut self, at_us: u64, tokens: u64) -> bool {
        self.refill(at_us);
        let wanted = tokens as i64 * MILLIONTHS;
        let enough = self.level >= wanted;
        if enough {
            self.level -= wanted;
        }
        enough
    }

    /// Microseconds until `tokens` could be taken; 0 if they can be now, `u64::MAX` if never.
    #[inline]
    #[must_use]
    pub fn wait_us(&mut self, at_us: u64, tokens: u64) -> u64 {
        self.refill(at_us);
        let missing = tokens as i64 * MILLIONTHS - self.level;
        match (missing, self.rate) {
            (..=0, _) => 0,
            (_, 0) => u64::MAX,
            (missing, rate) => (missing as u64).div_ceil(rate),
        }
    }

    /// Takes `tokens` that may be there only later; follows a call of [`Self::wait_us`] for the same instant.
    #[inline]
    pub fn reserve(&mut self, tokens: u64) {
        self.level -= tokens as i64 * MILLIONTHS;
    }
}

fn millionths(tokens: u64) -> i64 {
    tokens.saturating_mul(MILLIONTHS as u64).min(GAIN_MAX) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(bucket: &mut Bucket, at_us: u64, requests: u32) -> u32 {
        (0..requests).map(|_| u32::from(bucket.take(at_us, 1))).sum()
    }

    // The two worked examples of API Gateway's developer guide (2018-05-24): 10,000 requests a second, burst 5,000.
    #[test]
    fn of_ten_thousand_in_one_millisecond_five_thousand_are_served() {
        assert_eq!(served(&mut Bucket::new(10_000, 5_000, 0), 0, 10_000), 5_000);
    }

    #[test]
    fn five_thousand_at_once_and_five_thousand_in_the_hundred_and_first_millisecond_make_six_thousand() {
        let mut bucket = Bucket::new(10_000, 5_000, 0);
        assert_eq!(served(&mut bucket, 0, 5_000) + served(&mut bucket, 100_000, 5_000), 6_000);
    }

    #[test]
    fn an_even_load_at_the_rate_is_served_for_ever() {
        let mut bucket = Bucket::new(10_000, 1, 0);
        assert!((0..100_000).all(|n| bucket.take(n * 100, 1)));
    }

    #[test]
    fn of_a_bucket_made_smaller_nothing_more_can_be_taken_than_fits() {
        let mut bucket = Bucket::new(10, 100, 0);
        bucket.throttle(0, 0);
        assert!(!bucket.take(60_000_000, 1));
        assert_eq!(bucket.wait_us(60_000_000, 1), u64::MAX);
        bucket.throttle(60_000_000, 1_000_000);
        assert_eq!(served(&mut bucket, 61_000_000, 100), 10);
    }

    #[test]
    fn the_wait_is_exact() {
        let mut bucket = Bucket::new(3, 1, 0);
        assert!(bucket.take(0, 1));
        let wait = bucket.wait_us(0, 1);
        assert_eq!(wait, 333_334);
        assert!(!bucket.take(wait - 1, 1));
        assert!(bucket.take(wait, 1));
    }
}
