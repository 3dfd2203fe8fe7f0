//! Signs of life of a connection, and when they have been missing for too long.
//!
//! Not here: the timer that asks, and what is done to the connection.

use std::{
    sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    time::Duration,
};

use super::Limits;

/// What a connection's stream and service tell its timer. All run in one task, so a plain load and store will do.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    answers: AtomicU32,
    unfinished_head: AtomicU32,
    writes: AtomicU32,
    write_waits: AtomicBool,
    reading_body: AtomicBool,
    refused: AtomicBool,
}

impl Pulse {
    /// Answers that the handler gave, wrapping.
    pub(super) fn answers(&self) -> u32 {
        self.answers.load(Relaxed)
    }

    /// The handler has given an answer.
    pub(super) fn answered(&self) {
        self.answers.store(self.answers.load(Relaxed).wrapping_add(1), Relaxed);
    }

    /// The number of the head that has not ended, 0 if none.
    pub(super) fn unfinished_head(&self) -> u32 {
        self.unfinished_head.load(Relaxed)
    }

    pub(super) fn set_unfinished_head(&self, number: u32) {
        self.unfinished_head.store(number, Relaxed);
    }

    /// The peer has taken bytes.
    pub(super) fn wrote(&self) {
        self.writes.store(self.writes.load(Relaxed).wrapping_add(1), Relaxed);
        self.write_waits.store(false, Relaxed);
    }

    /// The peer takes no bytes for now.
    pub(super) fn write_waits(&self) {
        self.write_waits.store(true, Relaxed);
    }

    pub(super) fn set_reading_body(&self, reading: bool) {
        self.reading_body.store(reading, Relaxed);
    }

    /// The server refused a request, so that its peer may still be sending.
    pub(super) fn set_refused(&self) {
        self.refused.store(true, Relaxed);
    }

    pub(super) fn refused(&self) -> bool {
        self.refused.load(Relaxed)
    }
}

/// What took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Overdue {
    /// The end of a head.
    Head,
    /// The next request.
    Request,
    /// That the peer reads.
    Read,
}

/// Looks at a [`Pulse`] once a tick. A condition must have held at so many ticks after the one that first saw it, that
/// its time has passed for certain.
#[derive(Debug)]
pub(super) struct Watch {
    head_ticks: Patience,
    idle_ticks: Patience,
    write_ticks: Patience,
    head: u32,
    answers: u32,
    writes: u32,
    waited: bool,
}

impl Watch {
    /// The time between two looks.
    pub(super) fn tick(limits: &Limits) -> Duration {
        let shortest = limits.head_time.min(limits.idle_time).min(limits.write_time);
        shortest.max(Duration::from_millis(1))
    }

    pub(super) fn new(limits: &Limits) -> Self {
        let tick = Self::tick(limits);
        Self {
            head_ticks: Patience::new(limits.head_time, tick),
            idle_ticks: Patience::new(limits.idle_time, tick),
            write_ticks: Patience::new(limits.write_time, tick),
            head: 0,
            answers: 0,
            writes: 0,
            waited: false,
        }
    }

    /// To be called every [`tick`](Self::tick). Says it again at every tick for as long as it lasts.
    pub(super) fn look(&mut self, pulse: &Pulse) -> Option<Overdue> {
        let head = pulse.unfinished_head();
        let answers = pulse.answers();
        let writes = pulse.writes.load(Relaxed);
        let waits = pulse.write_waits.load(Relaxed);
        let reading_body = pulse.reading_body.load(Relaxed);
        let same_head = head != 0 && head == self.head;
        // A long answer that is being read slowly is no idle time either.
        let same_answers = answers == self.answers && !reading_body && !waits && head == 0;
        let same_writes = waits && self.waited && writes == self.writes;
        (self.head, self.answers, self.writes, self.waited) = (head, answers, writes, waits);
        if self.write_ticks.ran_out(same_writes) {
            return Some(Overdue::Read);
        }
        if self.head_ticks.ran_out(same_head && !reading_body) {
            return Some(Overdue::Head);
        }
        self.idle_ticks.ran_out(same_answers).then_some(Overdue::Request)
    }
}

/// How many ticks in a row a condition has held, of how many.
#[derive(Debug)]
struct Patience {
    held: u32,
    limit: u32,
}

impl Patience {
    fn new(time: Duration, tick: Duration) -> Self {
        let limit = time.as_nanos().div_ceil(tick.as_nanos().max(1));
        Self { held: 0, limit: u32::try_from(limit).unwrap_or(u32::MAX).max(1) }
    }

    fn ran_out(&mut self, holds: bool) -> bool {
        self.held = if holds { self.held.saturating_add(1) } else { 0 };
        self.held >= self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch() -> (Pulse, Watch) {
        let second = Duration::from_secs(1);
        let limits = Limits { head_time: second, idle_time: 3 * second, write_time: 2 * second, ..Limits::default() };
        (Pulse::default(), Watch::new(&limits))
    }

    #[test]
    fn a_head_is_overdue_when_two_looks_see_the_same_one() {
        let (pulse, mut watch) = watch();
        pulse.set_unfinished_head(1);
        assert_eq!(watch.look(&pulse), None);
        pulse.set_unfinished_head(2);
        assert_eq!(watch.look(&pulse), None);
        assert_eq!(watch.look(&pulse), Some(Overdue::Head));
    }

    #[test]
    fn a_connection_is_idle_when_no_answer_was_given_for_the_idle_time() {
        let (pulse, mut watch) = watch();
        pulse.answered();
        assert_eq!([(); 4].map(|()| watch.look(&pulse)), [None, None, None, Some(Overdue::Request)]);
    }

    #[test]
    fn a_reader_is_slow_only_if_it_takes_nothing_at_all() {
        let (pulse, mut watch) = watch();
        pulse.wrote();
        pulse.write_waits();
        assert_eq!([(); 2].map(|()| watch.look(&pulse)), [None, None]);
        pulse.wrote();
        pulse.write_waits();
        assert_eq!([(); 3].map(|()| watch.look(&pulse)), [None, None, Some(Overdue::Read)]);
    }

    #[test]
    fn the_time_of_a_body_is_not_idle_time() {
        let (pulse, mut watch) = watch();
        pulse.set_reading_body(true);
        assert_eq!([(); 9].map(|()| watch.look(&pulse)), [None; 9]);
    }
}
