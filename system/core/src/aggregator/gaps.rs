//! Which log lines are known to be missing.
//!
//! Each origin numbers the lines of each of its lanes 1, 2, 3, ... without gaps. A number that was skipped is a line that is late or lost; once
//! everything in flight has arrived, it is lost, and the system knows it.

use crate::usage::{Origin, UsageEvent};

/// Lines seen and missing of one lane of one origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    /// Whose lane.
    pub origin: Origin,
    /// Number of the lane.
    pub number: u16,
    /// The lowest number above everything seen.
    pub next: u64,
    /// Missing numbers below `next`, as inclusive ranges in ascending order.
    pub missing: Vec<(u64, u64)>,
}

/// The gaps of all origins. Durable: stored with the checkpoint, so that a restart does not forget them.
#[derive(Debug, Clone, Default)]
pub struct Gaps {
    lanes: Vec<Lane>,
}

impl Gaps {
    /// The gaps that were stored as these lanes.
    #[must_use]
    pub fn from_lanes(lanes: Vec<Lane>) -> Self {
        Self { lanes }
    }

    /// All lanes, each in one place as long as these gaps live.
    #[must_use]
    pub fn lanes(&self) -> &[Lane] {
        &self.lanes
    }

    /// Lines known to be missing, all origins together.
    #[must_use]
    pub fn missing(&self) -> u64 {
        self.lanes.iter().flat_map(|l| &l.missing).map(|(first, last)| last - first + 1).sum()
    }

    /// Takes in events of a record, which may repeat what is known.
    pub(super) fn see(&mut self, events: &[UsageEvent]) {
        let mut rest = events;
        while let [first, ..] = rest {
            let follows = |pair: &[UsageEvent]| {
                pair[1].sequence == pair[0].sequence + 1
                    && pair[1].origin == pair[0].origin
                    && pair[1].lane == pair[0].lane
            };
            let run = 1 + rest.windows(2).take_while(|pair| follows(pair)).count();
            self.lane(first.origin, first.lane).see(first.sequence, rest[run - 1].sequence);
            rest = &rest[run..];
        }
    }

    fn lane(&mut self, origin: Origin, number: u16) -> &mut Lane {
        let index = self.lanes.iter().position(|l| l.origin == origin && l.number == number).unwrap_or_else(|| {
            self.lanes.push(Lane { origin, number, next: 1, missing: Vec::new() });
            self.lanes.len() - 1
        });
        &mut self.lanes[index]
    }
}

impl Lane {
    fn see(&mut self, first: u64, last: u64) {
        if first > self.next {
            self.missing.push((self.next, first - 1));
        } else if first < self.next {
            self.fill(first, last);
        }
        self.next = self.next.max(last + 1);
    }

    /// Takes `first..=last` out of the missing ranges.
    fn fill(&mut self, first: u64, last: u64) {
        let mut left = Vec::with_capacity(self.missing.len() + 1);
        for &(from, to) in &self.missing {
            if to < first || from > last {
                left.push((from, to));
                continue;
            }
            if from < first {
                left.push((from, first - 1));
            }
            if to > last {
                left.push((last + 1, to));
            }
        }
        self.missing = left;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SubjectId, Timestamp, WindowId};

    fn events(sequences: &[u64]) -> Vec<UsageEvent> {
        let event = |&sequence: &u64| UsageEvent {
            at: Timestamp(0),
            sequence,
            cumulative: 1,
            subject: SubjectId(0),
            window: WindowId(0),
            origin: Origin::default(),
            cost: 1,
            lane: 0,
        };
        sequences.iter().map(event).collect()
    }

    fn missing_after(records: &[&[u64]]) -> u64 {
        let mut gaps = Gaps::default();
        for record in records {
            gaps.see(&events(record));
        }
        gaps.missing()
    }

    #[test]
    fn a_skipped_number_is_missing_until_it_arrives() {
        assert_eq!(missing_after(&[&[1, 2, 5, 6]]), 2);
        assert_eq!(missing_after(&[&[1, 2, 5, 6], &[3]]), 1);
        assert_eq!(missing_after(&[&[1, 2, 5, 6], &[3, 4]]), 0);
        assert_eq!(missing_after(&[&[3]]), 2);
    }

    #[test]
    fn repeats_and_interleaved_shards_leave_no_gap() {
        assert_eq!(missing_after(&[&[1, 2, 3], &[2, 3], &[1, 2, 3, 4]]), 0);
        assert_eq!(missing_after(&[&[2, 4, 6, 8], &[1, 3, 5, 7]]), 0);
        assert_eq!(missing_after(&[&[10], &[4, 5], &[1, 2]]), 5);
    }
}
