//! Findings from a history and from what was read of the tables: the same form as the ledger's, from less knowledge.
//!
//! Where an answer is an interval, a finding is its certain end: what is reported happened. Not here: the rules by which answers
//! follow from a history.

use super::{
    FalseRejections, Findings, Overrun, RegionView,
    history::{Account, Answers, CountError},
    invariants::{
        CENTRAL_CONVERGES, COUNT_BOUNDS, COUNT_MONOTONE, FR_EXPLAINED, Invariants, NO_DOUBLE, NOT_AHEAD,
        REGIONS_CONVERGE, REPLICA_MONOTONE,
    },
    lag_histogram,
};
use georush_core::SubjectId;

/// What was read of one table.
#[derive(Debug, Clone, Copy)]
pub struct TableSeen<'a> {
    /// Cost that it held at the end, by subject.
    pub counts: &'a [u64],
    /// When a subject's count was first seen at its quota, microseconds after the start.
    pub crossed_us: &'a [Option<u64>],
    /// How often a count was seen to fall.
    pub fallen: u64,
    /// How often a count was seen to change.
    pub changes: u64,
    /// When it held everything, and from then on; `None` if it did not.
    pub complete_us: Option<u64>,
}

/// What was read of all tables.
#[derive(Debug, Clone)]
pub struct TablesSeen<'a> {
    /// The central one.
    pub central: TableSeen<'a>,
    /// By region index.
    pub regions: Vec<TableSeen<'a>>,
    /// Events that the aggregator knows to be missing.
    pub known_gaps: u64,
}

/// What was observed, beside the history.
#[allow(missing_debug_implementations)]
pub struct Observed<'a> {
    /// The tables; `None` if nobody could read them.
    pub tables: Option<TablesSeen<'a>>,
    /// Label of a subject.
    pub name: &'a dyn Fn(SubjectId) -> String,
    /// Number of the window that the run falls into, by subject.
    pub window: &'a dyn Fn(SubjectId) -> u32,
    /// The end of everything, microseconds after the start.
    pub end_us: u64,
}

/// Findings, and how the central counts compare.
#[must_use]
pub fn findings(answers: &Answers, observed: &Observed<'_>) -> (Findings, CountError) {
    let tables = observed.tables.as_ref();
    let error =
        tables.map_or_else(CountError::default, |tables| answers.compare(&|s| tables.central.counts[s.index()]));
    let declared_loss = error.lost.min(tables.map_or(0, |tables| tables.known_gaps));
    let overran = answers.accounts.iter().filter(|a| a.admitted.lower > a.quota);
    let (overruns, over_admission_max) = Overrun::worst(overran.map(|a| overrun(a, observed)).collect());
    let total = |table: &TableSeen<'_>| table.counts.iter().sum();
    let false_rejections = FalseRejections {
        duplicate_count: if error.duplicates > 0 { answers.false_rejections.lower } else { 0 },
        fail_closed: 0,
        unexplained: if error.duplicates > 0 { 0 } else { answers.false_rejections.lower },
    };
    let findings = Findings {
        admitted: answers.admitted.lower,
        rejected: answers.rejected,
        central_count: tables.map_or(0, |tables| total(&tables.central)),
        over_admission: answers.over_admission.lower,
        over_admission_max,
        overruns,
        crossings: answers.accounts.iter().filter(|account| account.admitted.lower >= account.quota).count() as u64,
        arrivals_before_visible: 0,
        false_rejections,
        count_error: error.signed,
        count_error_absolute: error.absolute,
        duplicates: error.duplicates,
        declared_loss,
        silent_loss: error.lost - declared_loss,
        tables_read: tables.is_some(),
        regions: (0..answers.views.len()).map(|region| view(answers, tables, region, observed.end_us)).collect(),
        invariants: invariants(answers, observed, &error, declared_loss).finish(),
    };
    (findings, error)
}

fn view(answers: &Answers, tables: Option<&TablesSeen<'_>>, region: usize, end_us: u64) -> RegionView {
    let views = &answers.views[region];
    let mut crossing_lag = lag_histogram();
    let table = tables.map(|tables| &tables.regions[region]);
    for account in &answers.accounts {
        if let Some(((earliest_us, _), table)) = account.crossed_us.zip(table) {
            // What it has not seen by the end takes at least so long.
            let seen_us = table.crossed_us[account.subject.index()].unwrap_or(end_us);
            crossing_lag.saturating_record(seen_us.saturating_sub(earliest_us));
        }
    }
    RegionView {
        fresh: views.fresh,
        staleness: views.age_upper.clone(),
        crossing_lag,
        convergence_us: table
            .and_then(|table| table.complete_us)
            .map(|us| us.saturating_sub(answers.last_admission_us)),
        final_count: table.map_or(0, |table| table.counts.iter().sum()),
    }
}

fn invariants(answers: &Answers, observed: &Observed<'_>, error: &CountError, declared_loss: u64) -> Invariants {
    let mut invariants = Invariants::default();
    let decided: u64 = answers.views.iter().map(|views| views.fresh + views.age_upper.len()).sum();
    invariants.held(NOT_AHEAD, decided.saturating_sub(answers.ahead));
    if let Some((at_us, seen)) = &answers.first_ahead {
        invariants.check(NOT_AHEAD, false, *at_us, || format!("{seen}; {} in all", answers.ahead));
    }
    invariants.held(FR_EXPLAINED, answers.rejected - answers.false_rejections.lower);
    if answers.false_rejections.lower > 0 && error.duplicates == 0 {
        let seen = || format!("{} refusals, for certain", answers.false_rejections.lower);
        invariants.check(FR_EXPLAINED, false, observed.end_us, seen);
    }
    let Some(tables) = &observed.tables else { return invariants };
    let TablesSeen { central, regions, .. } = tables;
    let fell = || format!("{} counts of the central table were seen to fall", central.fallen);
    invariants.held(COUNT_MONOTONE, central.changes.saturating_sub(1));
    invariants.check(COUNT_MONOTONE, central.fallen == 0, observed.end_us, fell);
    let doubled = || format!("{} counted beyond all that can have been admitted", error.duplicates);
    for index in [COUNT_BOUNDS, NO_DOUBLE] {
        invariants.held(index, (answers.accounts.len() as u64).saturating_sub(1));
        invariants.check(index, error.duplicates == 0, observed.end_us, doubled);
    }
    let lost = error.lost - declared_loss;
    let off = || format!("{} duplicate, {lost} lost and not declared", error.duplicates);
    invariants.check(CENTRAL_CONVERGES, error.duplicates == 0 && lost == 0, observed.end_us, off);
    for (index, region) in regions.iter().enumerate() {
        let fell = || format!("region {index}: {} counts were seen to fall", region.fallen);
        invariants.held(REPLICA_MONOTONE, region.changes.saturating_sub(1));
        invariants.check(REPLICA_MONOTONE, region.fallen == 0, observed.end_us, fell);
        let differing = region.counts.iter().zip(central.counts).filter(|(here, there)| here != there).count();
        let seen = || format!("region {index} differs in {differing} rows");
        invariants.check(REGIONS_CONVERGE, differing == 0, observed.end_us, seen);
    }
    for index in [COUNT_MONOTONE, REPLICA_MONOTONE] {
        invariants.note(index, "as far as a reader of the tables sees");
    }
    invariants
}

fn overrun(account: &Account, observed: &Observed<'_>) -> Overrun {
    Overrun {
        subject: (observed.name)(account.subject),
        window: (observed.window)(account.subject),
        quota: account.quota,
        admitted: account.admitted.lower,
        over: account.admitted.lower - account.quota,
    }
}
