//! The oracle's findings.
//!
//! Not here: the invariants, which stand beside the thresholds.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Distribution, rounded};
use crate::{
    oracle::{Findings, Overrun},
    report::views,
    scenario::Scenario,
};

#[derive(Debug, Serialize)]
pub(super) struct Quota<'a> {
    admitted: u64,
    rejected: u64,
    central_count: u64,
    count_error: i64,
    count_error_absolute: u64,
    duplicates: u64,
    declared_loss: u64,
    silent_loss: u64,
    crossings: u64,
    over_admission: OverAdmission<'a>,
    false_rejections: FalseRejections,
    staleness: Option<Distribution>,
    crossing_lag: Option<Distribution>,
    regions: BTreeMap<&'a str, View>,
}

#[derive(Debug, Serialize)]
struct OverAdmission<'a> {
    total: u64,
    max_fraction: f64,
    arrivals_before_visible: u64,
    worst: Vec<Worst<'a>>,
}

#[derive(Debug, Serialize)]
struct Worst<'a> {
    subject: &'a str,
    window: u32,
    quota: u64,
    admitted: u64,
    over: u64,
}

#[derive(Debug, Serialize)]
struct FalseRejections {
    total: u64,
    duplicate_count: u64,
    fail_closed: u64,
    unexplained: u64,
}

#[derive(Debug, Serialize)]
struct View {
    fresh_decisions: u64,
    staleness: Option<Distribution>,
    crossing_lag: Option<Distribution>,
    convergence_us: Option<u64>,
    final_count: u64,
}

pub(super) fn quota<'a>(scenario: &'a Scenario, findings: &'a Findings) -> Quota<'a> {
    let names = scenario.system.regions.iter().map(String::as_str);
    let view = |index: usize| View {
        fresh_decisions: findings.regions[index].fresh,
        staleness: Distribution::of(&views::staleness(findings, Some(index))),
        crossing_lag: Distribution::of(&views::crossing_lag(findings, Some(index))),
        convergence_us: findings.regions[index].convergence_us,
        final_count: findings.regions[index].final_count,
    };
    Quota {
        admitted: findings.admitted,
        rejected: findings.rejected,
        central_count: findings.central_count,
        count_error: findings.count_error,
        count_error_absolute: findings.count_error_absolute,
        duplicates: findings.duplicates,
        declared_loss: findings.declared_loss,
        silent_loss: findings.silent_loss,
        crossings: findings.crossings,
        over_admission: OverAdmission {
            total: findings.over_admission,
            max_fraction: rounded(findings.over_admission_max),
            arrivals_before_visible: findings.arrivals_before_visible,
            worst: findings.overruns.iter().map(worst).collect(),
        },
        false_rejections: FalseRejections {
            total: findings.false_rejections.total(),
            duplicate_count: findings.false_rejections.duplicate_count,
            fail_closed: findings.false_rejections.fail_closed,
            unexplained: findings.false_rejections.unexplained,
        },
        staleness: Distribution::of(&views::staleness(findings, None)),
        crossing_lag: Distribution::of(&views::crossing_lag(findings, None)),
        regions: names.zip((0..findings.regions.len()).map(view)).collect(),
    }
}

fn worst(overrun: &Overrun) -> Worst<'_> {
    let Overrun { subject, window, quota, admitted, over } = overrun;
    Worst { subject, window: *window, quota: *quota, admitted: *admitted, over: *over }
}
