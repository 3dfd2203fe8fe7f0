//! Real time, as microseconds after a run's start.
//!
//! Not here: anything that is simulated. No other module of the harness reads a clock.
#![allow(clippy::disallowed_methods, reason = "the live mode runs in real time")]

use std::time::{Duration, Instant, SystemTime};

use georush_core::Timestamp;

/// A run's clock. Never goes back; the wall's clock is read beside it, so that a jump of it shows.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
    wall: SystemTime,
}

impl Clock {
    /// A clock whose 0 is `after` from now.
    #[must_use]
    pub fn starting(after: Duration) -> Self {
        Self { start: Instant::now() + after, wall: SystemTime::now() + after }
    }

    /// Microseconds after the start; negative before it.
    #[inline]
    #[must_use]
    pub fn signed_us(&self) -> i64 {
        let now = Instant::now();
        match now.checked_duration_since(self.start) {
            Some(after) => after.as_micros() as i64,
            None => -(self.start.duration_since(now).as_micros() as i64),
        }
    }

    /// Microseconds after the start; 0 before it.
    #[inline]
    #[must_use]
    pub fn now_us(&self) -> u64 {
        self.signed_us().max(0).cast_unsigned()
    }

    /// The start, by the wall's clock.
    #[must_use]
    pub fn start(&self) -> Timestamp {
        Timestamp(since_1970_us(self.wall))
    }

    /// How far the wall's clock has gone ahead of this one since the start (negative: fallen behind), microseconds.
    #[must_use]
    pub fn wall_jump_us(&self) -> i64 {
        let wall = since_1970_us(SystemTime::now()).cast_signed() - since_1970_us(self.wall).cast_signed();
        wall - self.signed_us()
    }

    /// Sleeps until an instant; does nothing if it is over.
    pub fn sleep_until(&self, at_us: u64) {
        let wait = at_us.cast_signed() - self.signed_us();
        if wait > 0 {
            std::thread::sleep(Duration::from_micros(wait.cast_unsigned()));
        }
    }
}

/// The wall's clock.
#[must_use]
pub fn wall() -> Timestamp {
    Timestamp(since_1970_us(SystemTime::now()))
}

fn since_1970_us(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_micros() as u64
}
