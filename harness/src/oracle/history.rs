//! The oracle that sees only what any client and any reader of the tables could see: when each request was sent and answered, what
//! the answer was, and what the tables said. Its answers are intervals.
//!
//! The rules are those of Jepsen's counter checker: what was answered has happened; what was sent and not answered may have
//! happened, once, at any time from then on; the truth at an instant lies between the requests that must have been admitted by then
//! and those that may have been. Where every request has its answer, final counts are exact. Not here: the ledger, which knows
//! everything; a test compares the two in simulations.

use georush_core::SubjectId;
use hdrhistogram::Histogram;

use super::lag_histogram;

/// What a client knows of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Served. `view` is the count that the decision was made from, if the answer tells.
    Admitted {
        /// Count before this request.
        view: Option<u64>,
    },
    /// Refused because of the quota.
    OverQuota,
    /// Certainly not admitted.
    NotAdmitted,
    /// Sent, but not answered: admitted or not.
    Unknown,
}

/// One request as its client saw it. Microseconds after the run's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call {
    /// When it was sent; it was decided at this instant or later.
    pub sent_us: u64,
    /// When its answer was there; it was decided at this instant or earlier.
    pub done_us: u64,
    /// Who asked.
    pub subject: SubjectId,
    /// Index of the region that it was sent to.
    pub region: usize,
    /// What came back.
    pub answer: Answer,
}

/// A number that lies between two others, both included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Interval {
    /// At least this.
    pub lower: u64,
    /// At most this.
    pub upper: u64,
}

impl Interval {
    /// Whether there is no doubt.
    #[must_use]
    pub fn is_exact(self) -> bool {
        self.lower == self.upper
    }

    /// Whether a number fits.
    #[must_use]
    pub fn holds(self, n: u64) -> bool {
        (self.lower..=self.upper).contains(&n)
    }

    fn add(&mut self, lower: u64, upper: u64) {
        self.lower += lower;
        self.upper += upper;
    }
}

/// What one subject came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    /// Who.
    pub subject: SubjectId,
    /// Its quota.
    pub quota: u64,
    /// Cost admitted.
    pub admitted: Interval,
    /// When its quota was crossed: not before, not after; microseconds after the start.
    pub crossed_us: Option<(u64, u64)>,
}

/// What views were worth in one region.
#[derive(Debug, Clone)]
pub struct Views {
    /// Decisions whose view is known and may have been complete.
    pub fresh: u64,
    /// Greatest age that a view can have had, over the others, microseconds.
    pub age_upper: Histogram<u64>,
    /// Least age, over the same, microseconds.
    pub age_lower: Histogram<u64>,
}

/// The oracle's answers.
#[derive(Debug, Clone)]
pub struct Answers {
    /// Cost admitted.
    pub admitted: Interval,
    /// Requests refused for quota.
    pub rejected: u64,
    /// Requests of which nobody knows whether they were admitted.
    pub unknown: u64,
    /// Cost admitted beyond quotas.
    pub over_admission: Interval,
    /// Refusals although there was room: certainly, at most.
    pub false_rejections: Interval,
    /// Decisions whose view exceeded everything that can have been admitted by then.
    pub ahead: u64,
    /// The first of them, in words.
    pub first_ahead: Option<(u64, String)>,
    /// Subjects that were called for, by number.
    pub accounts: Vec<Account>,
    /// By region.
    pub views: Vec<Views>,
    /// When the last request was admitted for certain, microseconds after the start.
    pub last_admission_us: u64,
}

/// Where a count in a table stands to what was admitted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CountError {
    /// Distance of the count from the interval, summed with its sign.
    pub signed: i64,
    /// The same without sign.
    pub absolute: u64,
    /// Counted beyond all that can have been admitted.
    pub duplicates: u64,
    /// Not counted of what was admitted for certain.
    pub lost: u64,
    /// Width of the intervals, summed: what the answer leaves open.
    pub doubt: u64,
}

/// The requests of one subject.
struct Requests {
    /// When those were sent that were or may have been admitted, ascending.
    sent: Vec<u64>,
    /// When those were answered that were admitted, ascending.
    done: Vec<u64>,
}

/// Judges a history. `quota` gives each subject's.
#[must_use]
pub fn judge(calls: &[Call], regions: usize, quota: &dyn Fn(SubjectId) -> u64) -> Answers {
    let mut answers = Answers {
        admitted: Interval::default(),
        rejected: 0,
        unknown: 0,
        over_admission: Interval::default(),
        false_rejections: Interval::default(),
        ahead: 0,
        first_ahead: None,
        accounts: Vec::new(),
        views: (0..regions)
            .map(|_| Views { fresh: 0, age_upper: lag_histogram(), age_lower: lag_histogram() })
            .collect(),
        last_admission_us: 0,
    };
    let mut by_subject: Vec<&Call> = calls.iter().collect();
    by_subject.sort_by_key(|call| (call.subject, call.sent_us));
    for calls in by_subject.chunk_by(|a, b| a.subject == b.subject) {
        let subject = calls[0].subject;
        answers.take(calls, subject, quota(subject));
    }
    answers
}

impl Answers {
    fn take(&mut self, calls: &[&Call], subject: SubjectId, quota: u64) {
        let requests = Requests::of(calls);
        let admitted = Interval { lower: requests.done.len() as u64, upper: requests.sent.len() as u64 };
        self.admitted.add(admitted.lower, admitted.upper);
        self.unknown += admitted.upper - admitted.lower;
        self.over_admission.add(admitted.lower.saturating_sub(quota), admitted.upper.saturating_sub(quota));
        self.last_admission_us = self.last_admission_us.max(requests.done.last().copied().unwrap_or(0));
        let nth = |times: &[u64]| quota.checked_sub(1).and_then(|n| times.get(n as usize).copied());
        let crossed_us = nth(&requests.sent).zip(nth(&requests.done));
        self.accounts.push(Account { subject, quota, admitted, crossed_us });
        for call in calls {
            match call.answer {
                Answer::OverQuota => {
                    self.rejected += 1;
                    // Nothing that was sent after this answer can have been admitted before it.
                    let (least, most) = (requests.admitted_by(call.sent_us), requests.possible_by(call.done_us));
                    self.false_rejections.add(u64::from(most < quota), u64::from(least < quota));
                }
                Answer::Admitted { view: Some(view) } => self.view(call, view, &requests),
                Answer::Admitted { view: None } | Answer::NotAdmitted | Answer::Unknown => {}
            }
        }
    }

    fn view(&mut self, call: &Call, view: u64, requests: &Requests) {
        let views = &mut self.views[call.region];
        // The request itself is among those that were sent, but never part of its own view.
        let possible = requests.possible_by(call.done_us) - 1;
        if view > possible {
            self.ahead += 1;
            let seen = || format!("subject {}: a view of {view} with {possible} admitted at most", call.subject.0);
            self.first_ahead.get_or_insert_with(|| (call.done_us, seen()));
        }
        if view >= possible {
            views.fresh += 1;
            return;
        }
        let first_unseen = |times: &[u64], own: Option<u64>| {
            let view = view as usize;
            let before = own.is_some_and(|own| times.partition_point(|&at| at < own) <= view);
            times.get(view + usize::from(before)).copied()
        };
        let oldest = first_unseen(&requests.sent, Some(call.sent_us)).unwrap_or(call.done_us);
        let newest = first_unseen(&requests.done, None).unwrap_or(call.sent_us);
        views.age_upper.saturating_record(call.done_us.saturating_sub(oldest));
        views.age_lower.saturating_record(call.sent_us.saturating_sub(newest));
    }

    /// Compares counts in a table with what was admitted.
    #[must_use]
    pub fn compare(&self, count: &dyn Fn(SubjectId) -> u64) -> CountError {
        let mut error = CountError::default();
        for Account { subject, admitted, .. } in &self.accounts {
            let counted = count(*subject);
            let (over, under) = (counted.saturating_sub(admitted.upper), admitted.lower.saturating_sub(counted));
            error.signed += over.cast_signed() - under.cast_signed();
            error.absolute += over + under;
            error.duplicates += over;
            error.lost += under;
            error.doubt += admitted.upper - admitted.lower;
        }
        error
    }
}

impl Requests {
    fn of(calls: &[&Call]) -> Self {
        let (mut sent, mut done) = (Vec::new(), Vec::new());
        for call in calls {
            match call.answer {
                Answer::Admitted { .. } => {
                    sent.push(call.sent_us);
                    done.push(call.done_us);
                }
                Answer::Unknown => sent.push(call.sent_us),
                Answer::OverQuota | Answer::NotAdmitted => {}
            }
        }
        sent.sort_unstable();
        done.sort_unstable();
        Self { sent, done }
    }

    /// How many were certainly admitted before `at_us`.
    fn admitted_by(&self, at_us: u64) -> u64 {
        self.done.partition_point(|&done| done < at_us) as u64
    }

    /// How many can have been admitted by `at_us`.
    fn possible_by(&self, at_us: u64) -> u64 {
        self.sent.partition_point(|&sent| sent <= at_us) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(sent_us: u64, done_us: u64, answer: Answer) -> Call {
        Call { sent_us, done_us, subject: SubjectId(0), region: 0, answer }
    }

    fn admitted(sent_us: u64, done_us: u64, view: u64) -> Call {
        call(sent_us, done_us, Answer::Admitted { view: Some(view) })
    }

    #[test]
    fn with_every_answer_known_counts_are_exact() {
        let calls = [admitted(0, 5, 0), admitted(10, 15, 1), call(20, 25, Answer::OverQuota)];
        let answers = judge(&calls, 1, &|_| 1);
        assert_eq!(answers.admitted, Interval { lower: 2, upper: 2 });
        assert_eq!(answers.over_admission, Interval { lower: 1, upper: 1 });
        assert_eq!(answers.compare(&|_| 2), CountError::default());
        let twice = answers.compare(&|_| 3);
        assert_eq!((twice.signed, twice.duplicates, twice.lost), (1, 1, 0));
        let lost = answers.compare(&|_| 1);
        assert_eq!((lost.signed, lost.absolute, lost.lost), (-1, 1, 1));
    }

    #[test]
    fn what_was_never_answered_may_or_may_not_have_been_admitted() {
        let calls = [admitted(0, 5, 0), call(10, 15, Answer::Unknown), call(20, 25, Answer::NotAdmitted)];
        let answers = judge(&calls, 1, &|_| 10);
        assert_eq!((answers.admitted, answers.unknown), (Interval { lower: 1, upper: 2 }, 1));
        for (count, absolute) in [(0, 1), (1, 0), (2, 0), (3, 1)] {
            let error = answers.compare(&|_| count);
            assert_eq!((error.absolute, error.doubt), (absolute, 1), "{count}");
        }
    }

    #[test]
    fn a_refusal_is_false_for_certain_only_if_nothing_under_way_can_explain_it() {
        let refusal = |sent_us, done_us| call(sent_us, done_us, Answer::OverQuota);
        // One of two was admitted long before, one is under way at the same time.
        let calls = [admitted(0, 5, 0), admitted(8, 30, 1), refusal(10, 20)];
        assert_eq!(judge(&calls, 1, &|_| 2).false_rejections, Interval { lower: 0, upper: 1 });
        // Now nothing else is under way.
        let calls = [admitted(0, 5, 0), refusal(10, 20), admitted(21, 30, 1)];
        assert_eq!(judge(&calls, 1, &|_| 2).false_rejections, Interval { lower: 1, upper: 1 });
    }

    #[test]
    fn a_view_is_as_old_as_the_first_admission_that_it_lacks() {
        let calls = [admitted(0, 4, 0), admitted(100, 104, 1), admitted(200, 210, 1)];
        let answers = judge(&calls, 1, &|_| 10);
        let views = &answers.views[0];
        assert_eq!((views.fresh, views.age_upper.len()), (2, 1));
        assert_eq!((views.age_upper.max(), views.age_lower.max()), (110, 96));
    }

    #[test]
    fn a_view_of_more_than_was_ever_sent_is_noticed() {
        let answers = judge(&[admitted(0, 4, 0), admitted(10, 14, 3)], 1, &|_| 10);
        assert_eq!(answers.ahead, 1);
        assert!(answers.first_ahead.is_some_and(|(at_us, text)| at_us == 14 && text.contains("a view of 3 with 1")));
    }
}
