//! Rate limits: how fast a subject may ask, whatever is left of its quota.
//!
//! A token bucket kept as one instant, as the generic cell rate algorithm does. Source: ITU-T I.371, annex A. Not here: quotas; a
//! limit holds where it is kept and is not replicated.

use crate::time::Timestamp;

const SECOND_NS: u64 = 1_000_000_000;

/// How many requests may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Requests a second, 1 to [`Rate::MAX`].
    pub per_second: u32,
    /// Requests at once after a pause, 1 or more.
    pub burst: u32,
}

impl Rate {
    /// The highest rate: beyond it, nanoseconds between two requests become coarse.
    pub const MAX: u32 = 1_000_000;

    fn interval_ns(self) -> u64 {
        SECOND_NS / u64::from(self.per_second.clamp(1, Self::MAX))
    }

    /// Seconds, rounded up, in which an empty bucket is full again.
    #[must_use]
    pub fn window_s(self) -> u64 {
        (u64::from(self.burst) * self.interval_ns()).div_ceil(SECOND_NS)
    }
}

/// The bucket of one subject: when it will be full again, nanoseconds since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bucket(u64);

impl Bucket {
    /// Takes one request out.
    ///
    /// # Errors
    /// If there is none: after how many microseconds there is.
    #[inline]
    pub fn take(&mut self, now: Timestamp, rate: Rate) -> Result<(), u64> {
        let now_ns = now.0.saturating_mul(1_000);
        let full_at = self.0.max(now_ns);
        let (missing_ns, interval_ns) = (full_at - now_ns, rate.interval_ns());
        let allowed_ns = u64::from(rate.burst.saturating_sub(1)) * interval_ns;
        if missing_ns > allowed_ns {
            return Err((missing_ns - allowed_ns).div_ceil(1_000));
        }
        self.0 = full_at.saturating_add(interval_ns);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::SECOND_US;

    const NOW: Timestamp = Timestamp(1_511_481_600_000_000);

    fn admitted(bucket: &mut Bucket, rate: Rate, instants: impl Iterator<Item = Timestamp>) -> usize {
        instants.filter(|&now| bucket.take(now, rate).is_ok()).count()
    }

    #[test]
    fn after_a_pause_a_burst_is_served_and_then_the_rate() {
        let (rate, mut bucket) = (Rate { per_second: 10, burst: 5 }, Bucket::default());
        assert_eq!(admitted(&mut bucket, rate, std::iter::repeat_n(NOW, 20)), 5);
        assert_eq!(bucket.take(NOW, rate), Err(100_000), "a tenth of a second makes room for one");
        let second = (1..=1_000).map(|ms| NOW.after(ms * 1_000));
        assert_eq!(admitted(&mut bucket, rate, second), 10);
        let later = NOW.after(60 * SECOND_US);
        assert_eq!(admitted(&mut bucket, rate, std::iter::repeat_n(later, 20)), 5, "no more is saved up than a burst");
    }

    #[test]
    fn who_waits_as_long_as_told_is_served() {
        for rate in [(1, 1), (3, 2), (7, 100), (999_983, 1), (Rate::MAX, 50)] {
            let rate = Rate { per_second: rate.0, burst: rate.1 };
            let (mut now, mut bucket) = (NOW, Bucket::default());
            for _ in 0..1_000 {
                if let Err(after_us) = bucket.take(now, rate) {
                    assert!(bucket.take(now.after(after_us - 1), rate).is_err(), "{rate:?}");
                    now = now.after(after_us);
                    assert_eq!(bucket.take(now, rate), Ok(()), "{rate:?}");
                }
            }
        }
    }

    #[test]
    fn no_stretch_of_time_has_more_than_a_burst_and_the_rate() {
        let rate = Rate { per_second: 50, burst: 20 };
        // Steps of 0 to 40 ms, twice as many requests as the rate allows.
        let (mut now, mut bucket, mut state, mut served) = (NOW, Bucket::default(), 1_u64, Vec::new());
        for _ in 0..5_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            now = now.after((state >> 33) % 20_000);
            if bucket.take(now, rate).is_ok() {
                served.push(now);
            }
        }
        for (first, begin) in served.iter().enumerate().step_by(37) {
            for (last, end) in served.iter().enumerate().skip(first) {
                let most = 20 + end.since(*begin) * 50 / SECOND_US;
                assert!((last - first) as u64 <= most, "{} in {} us", last - first + 1, end.since(*begin));
            }
        }
        let whole = served.last().map_or(0, |end| end.since(NOW)) * 50 / SECOND_US;
        assert!(served.len() as u64 >= whole, "{} of {whole}", served.len());
    }

    #[test]
    fn a_clock_that_was_set_back_gives_nothing_away_and_forgets_nothing() {
        let (rate, mut bucket) = (Rate { per_second: 1, burst: 1 }, Bucket::default());
        assert_eq!(bucket.take(NOW, rate), Ok(()));
        assert_eq!(bucket.take(Timestamp(NOW.0 - 10), rate), Err(SECOND_US + 10));
    }

    #[test]
    fn a_bucket_says_in_which_time_it_fills() {
        let seconds = |per_second, burst| Rate { per_second, burst }.window_s();
        assert_eq!((seconds(50, 100), seconds(50, 1), seconds(3, 10), seconds(1, 60)), (2, 1, 4, 60));
    }
}
