//! The replicator: carries the changes of the central table to one region, in order, behind one cursor.
//!
//! Each region has a replicator of its own, so that none waits for another. Not here: reading the change feed, writing
//! the regional table. Regional writes are conditional on the version, so repeating one changes nothing.

/// How a replicator paces itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Wait between two reads of the change feed, microseconds.
    pub poll_us: u64,
    /// Changes taken by one read at most.
    pub changes_max: u64,
    /// First wait after a refused write, microseconds; doubles with each refusal in a row.
    pub backoff_us: u64,
    /// Longest such wait, microseconds.
    pub backoff_us_max: u64,
}

/// What has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// The change feed was read; changes up to and including `newest` are visible.
    Changes {
        /// Position of the newest visible change.
        newest: u64,
    },
    /// The write asked for has reached the region.
    Written,
    /// The region refused the write (throttled or out of reach); nothing of it counts as written.
    Refused,
}

/// What must happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Bring the region up to `upto`: for each row changed in `(after, upto]`, put its newest image there if its version
    /// is newer than the region's. Several changes of one row are one write.
    Write {
        /// Changes up to here are in the region already.
        after: u64,
        /// Changes up to here shall be.
        upto: u64,
    },
    /// Read the change feed again after this many microseconds.
    PollAfter(u64),
}

/// One region's replicator in one life.
#[derive(Debug, Clone)]
pub struct Replicator {
    pace: Pace,
    cursor: u64,
    newest: u64,
    writing: Option<u64>,
    refusals: u32,
}

impl Replicator {
    /// A replicator that begins after position `cursor`.
    #[must_use]
    pub fn new(pace: Pace, cursor: u64) -> Self {
        Self { pace, cursor, newest: cursor, writing: None, refusals: 0 }
    }

    /// Changes up to here are in the region.
    #[must_use]
    pub fn cursor(&self) -> u64 {
        self.cursor
    }

    /// Takes in what happened and appends what must happen next.
    #[inline]
    pub fn handle(&mut self, input: Input, outbox: &mut Vec<Effect>) {
        match input {
            Input::Changes { newest } => {
                self.newest = newest;
                let upto = newest.min(self.cursor.saturating_add(self.pace.changes_max));
                if upto > self.cursor {
                    self.writing = Some(upto);
                    outbox.push(Effect::Write { after: self.cursor, upto });
                } else {
                    outbox.push(Effect::PollAfter(self.pace.poll_us));
                }
            }
            Input::Written => {
                self.cursor = self.writing.take().unwrap_or(self.cursor);
                self.refusals = 0;
                let more = self.newest > self.cursor;
                outbox.push(Effect::PollAfter(if more { 0 } else { self.pace.poll_us }));
            }
            Input::Refused => {
                self.writing = None;
                let wait_us = self.pace.backoff_us.saturating_mul(1 << self.refusals.min(20));
                self.refusals += 1;
                outbox.push(Effect::PollAfter(wait_us.min(self.pace.backoff_us_max)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { poll_us: 500, changes_max: 10, backoff_us: 100, backoff_us_max: 350 };

    fn step(replicator: &mut Replicator, input: Input) -> Vec<Effect> {
        let mut outbox = Vec::new();
        replicator.handle(input, &mut outbox);
        outbox
    }

    #[test]
    fn the_cursor_moves_only_once_a_write_has_arrived() {
        let mut replicator = Replicator::new(PACE, 3);
        assert_eq!(step(&mut replicator, Input::Changes { newest: 5 }), [Effect::Write { after: 3, upto: 5 }]);
        assert_eq!(replicator.cursor(), 3);
        assert_eq!(step(&mut replicator, Input::Written), [Effect::PollAfter(500)]);
        assert_eq!(replicator.cursor(), 5);
        assert_eq!(step(&mut replicator, Input::Changes { newest: 5 }), [Effect::PollAfter(500)]);
    }

    #[test]
    fn one_read_takes_no_more_than_its_share_and_the_next_follows_at_once() {
        let mut replicator = Replicator::new(PACE, 0);
        assert_eq!(step(&mut replicator, Input::Changes { newest: 15 }), [Effect::Write { after: 0, upto: 10 }]);
        assert_eq!(step(&mut replicator, Input::Written), [Effect::PollAfter(0)]);
        assert_eq!(step(&mut replicator, Input::Changes { newest: 15 }), [Effect::Write { after: 10, upto: 15 }]);
        assert_eq!(step(&mut replicator, Input::Written), [Effect::PollAfter(500)]);
    }

    #[test]
    fn refusals_back_off_up_to_a_limit_and_a_success_forgets_them() {
        let mut replicator = Replicator::new(PACE, 0);
        for wait in [100, 200, 350, 350] {
            step(&mut replicator, Input::Changes { newest: 1 });
            assert_eq!(step(&mut replicator, Input::Refused), [Effect::PollAfter(wait)]);
        }
        assert_eq!(replicator.cursor(), 0);
        step(&mut replicator, Input::Changes { newest: 1 });
        step(&mut replicator, Input::Written);
        step(&mut replicator, Input::Changes { newest: 2 });
        assert_eq!(step(&mut replicator, Input::Refused), [Effect::PollAfter(100)]);
    }
}
