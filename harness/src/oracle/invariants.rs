//! The invariants by id, and whether they held.

/// What became of an invariant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Checked, held.
    Held,
    /// Checked, broken.
    Broken,
    /// Does not apply to this run.
    NotApplicable,
}

/// One invariant after a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invariant {
    /// For example `I-18`.
    pub id: &'static str,
    /// For example `OA_IDENTITY`.
    pub name: &'static str,
    /// What it says, in a sentence.
    pub claim: &'static str,
    /// What became of it.
    pub status: Status,
    /// How often it was checked.
    pub checks: u64,
    /// How often it was broken.
    pub violations: u64,
    /// The first violation: when (microseconds after the run's start) and what was seen.
    pub first: Option<(u64, String)>,
    /// Why it does not apply, or how it was checked, where that needs saying.
    pub note: &'static str,
}

/// The invariants that this version checks.
pub const ALL: [(&str, &str, &str); 18] = [
    ("I-01", "DECISION_EXPLAINED", "a verdict follows from the recorded view and quota"),
    ("I-02", "VIEW_NOT_AHEAD", "no view exceeds what was truly admitted"),
    ("I-03", "VIEW_MONOTONE", "an edge's view of a subject never falls within a window"),
    ("I-04", "COUNT_MONOTONE", "a central count never falls within a window"),
    ("I-05", "COUNT_BOUNDS", "a central count never exceeds what was emitted"),
    ("I-06", "NO_DOUBLE_EFFECT", "no usage event takes effect twice"),
    ("I-08", "NO_GAP_BELOW_CHECKPOINT", "everything up to a checkpoint has been counted"),
    ("I-11", "WINDOW_ATTRIBUTION", "an event is charged to the window of its decision"),
    ("I-12", "REPLICA_VERSION_MONOTONE", "a region's version never falls"),
    ("I-17", "OA_BOUND", "over-admission stays within the policy's bound"),
    ("I-18", "OA_IDENTITY", "over-admission equals the arrivals between crossing and visibility"),
    ("I-19", "FR_EXPLAINED", "every false rejection has a known cause"),
    ("I-21", "SERVED_IMPLIES_LOGGED", "every admitted request left one usage event"),
    ("I-22", "LEDGER_BALANCE", "emitted events = counted + in flight + lost, at every step"),
    ("I-23", "EPOCH_UNIQUE", "sequence and cumulative count grow by each event of an origin"),
    ("I-25", "REJECT_NOT_USAGE", "a refused request leaves no usage event"),
    ("L-01", "CENTRAL_CONVERGES", "in the end the central count is the admitted cost less declared loss"),
    ("L-02", "REGIONS_CONVERGE", "in the end every region holds the central count"),
];

// Positions in [`ALL`], found when the program is built.
pub(super) const EXPLAINED: usize = index("I-01");
pub(super) const NOT_AHEAD: usize = index("I-02");
pub(super) const VIEW_MONOTONE: usize = index("I-03");
pub(super) const COUNT_MONOTONE: usize = index("I-04");
pub(super) const COUNT_BOUNDS: usize = index("I-05");
pub(super) const NO_DOUBLE: usize = index("I-06");
pub(super) const NO_GAP: usize = index("I-08");
pub(super) const ATTRIBUTION: usize = index("I-11");
pub(super) const REPLICA_MONOTONE: usize = index("I-12");
pub(super) const OA_BOUND: usize = index("I-17");
pub(super) const OA_IDENTITY: usize = index("I-18");
pub(super) const FR_EXPLAINED: usize = index("I-19");
pub(super) const SERVED_LOGGED: usize = index("I-21");
pub(super) const BALANCE: usize = index("I-22");
pub(super) const EPOCH_UNIQUE: usize = index("I-23");
pub(super) const REJECT_NOT_USAGE: usize = index("I-25");
pub(super) const CENTRAL_CONVERGES: usize = index("L-01");
pub(super) const REGIONS_CONVERGE: usize = index("L-02");

/// The record of all invariants during a run.
#[derive(Debug, Clone)]
pub struct Invariants {
    records: Vec<Invariant>,
}

/// Position of an id in [`ALL`].
///
/// # Panics
/// For an id that is not there.
#[must_use]
pub const fn index(id: &str) -> usize {
    let mut i = 0;
    while i < ALL.len() {
        let (a, b) = (ALL[i].0.as_bytes(), id.as_bytes());
        if a[0] == b[0] && a[2] == b[2] && a[3] == b[3] {
            return i;
        }
        i += 1;
    }
    panic!("no such invariant")
}

impl Default for Invariants {
    fn default() -> Self {
        let record = |(id, name, claim)| Invariant {
            id,
            name,
            claim,
            status: Status::NotApplicable,
            checks: 0,
            violations: 0,
            first: None,
            note: "",
        };
        Self { records: ALL.into_iter().map(record).collect() }
    }
}

impl Invariants {
    /// Notes one check of invariant `index`; `seen` describes a violation.
    #[inline]
    pub fn check(&mut self, index: usize, holds: bool, at_us: u64, seen: impl FnOnce() -> String) {
        self.records[index].checks += 1;
        if !holds {
            self.broken(index, at_us, seen());
        }
    }

    #[cold]
    fn broken(&mut self, index: usize, at_us: u64, seen: String) {
        let record = &mut self.records[index];
        record.violations += 1;
        record.first.get_or_insert((at_us, seen));
    }

    /// Adds checks that were counted elsewhere and all held.
    pub fn held(&mut self, index: usize, checks: u64) {
        self.records[index].checks += checks;
    }

    /// Sets an explanation.
    pub fn note(&mut self, index: usize, note: &'static str) {
        self.records[index].note = note;
    }

    /// The final records: what was never checked does not apply.
    #[must_use]
    pub fn finish(mut self) -> Vec<Invariant> {
        for record in &mut self.records {
            record.status = match (record.checks, record.violations) {
                (0, _) => Status::NotApplicable,
                (_, 0) => Status::Held,
                _ => Status::Broken,
            };
        }
        self.records
    }
}
