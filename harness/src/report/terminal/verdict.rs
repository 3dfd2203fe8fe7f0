//! The verdict, the story in two sentences, thresholds and invariants.
//!
//! Not here: judging.

use super::{Paint, WIDTH, cut, hanging, heading, wrapped};
use crate::{
    facts::prices::NANO,
    measure::series::Point,
    report::{
        Report, format,
        judge::{Judgement, Measured, ThresholdResult, Unit, Verdict},
        views,
    },
    scenario::{Cause, Tags},
};

/// For example `FAILED  1 of 6 thresholds, 0 of 16 invariants`.
pub(super) fn line(report: &Report, paint: Paint) -> String {
    let Judgement { thresholds, broken, invariants_checked, verdict, reasons } = report.judgement;
    let failed = thresholds.iter().filter(|t| !t.passed).count();
    match verdict {
        Verdict::Passed => {
            let invariants = format::plural(*invariants_checked as u64, "invariant");
            let held = format!("{}, {invariants}", format::plural(thresholds.len() as u64, "threshold"));
            format!("{}  {held}\n", paint.good("PASSED"))
        }
        Verdict::Failed => {
            let thresholds = format::plural(thresholds.len() as u64, "threshold");
            let failed = format!("{failed} of {thresholds}, {} of {invariants_checked} invariants", broken.len());
            format!("{}  {failed}\n", paint.bad("FAILED"))
        }
        Verdict::Invalid => format!("{}  {}\n", paint.bad("NOT VALID"), reasons.join("; ")),
    }
}

pub(super) fn head(report: &Report, paint: Paint) -> String {
    line(report, paint) + &wrapped(&report.scenario.question, WIDTH)
}

/// What happened, in two sentences.
pub(super) fn story(report: &Report) -> String {
    let all = report.outcome.measure.select(&Tags::default());
    let (requests, failed) = (all.requests(), all.failures());
    let Some(availability) = views::availability(&all) else { return String::new() };
    let how = if report.live.is_some() { "real time" } else { "simulated" };
    let told = format!(
        "In {} {how}, {} from {}: {} admitted, {} refused, {} failed ({} available).",
        format::elapsed(report.scenario.duration_us),
        format::plural(requests, "request"),
        format::plural(report.outcome.subjects, "subject"),
        format::count(all.ok),
        format::count(requests - all.ok - failed),
        format::count(failed),
        format::percent(availability),
    );
    wrapped(&format!("{told} {}", worst_moment(report)), WIDTH)
}

/// The minute (or the bucket, if buckets are longer) in which the greatest share of requests failed.
fn worst_moment(report: &Report) -> String {
    let series = &report.outcome.measure.series;
    let per_minute = (60_000_000 / series.width_us()).max(1) as usize;
    let minute = |(index, points): (usize, &[Point])| {
        let regions = || points.iter().flat_map(|p| &p.regions);
        let failed: u64 = regions().map(|r| r.failed).sum();
        let requests: u64 = regions().map(|r| r.requests).sum();
        (index, failed, requests, main_cause(points))
    };
    let minutes = series.points().chunks(per_minute).enumerate().map(minute);
    // Shares are compared as fractions crosswise, in integers; the earlier minute wins a tie.
    let worse = |a: &(usize, u64, u64, _), b: &(usize, u64, u64, _)| {
        (u128::from(a.1) * u128::from(b.2.max(1))).cmp(&(u128::from(b.1) * u128::from(a.2.max(1)))).then(b.0.cmp(&a.0))
    };
    let Some((index, failed, requests, Some(cause))) = minutes.max_by(worse) else {
        return "No request failed.".to_owned();
    };
    let at = index as u64 * per_minute as u64 * series.width_us();
    let unit = if per_minute as u64 * series.width_us() == 60_000_000 { "minute" } else { "moment" };
    let share = format::percent(failed as f64 / requests as f64);
    format!("Worst {unit}, from {}: {share} of requests failed ({}).", format::elapsed(at), cause.name())
}

/// The failure that happened most.
fn main_cause(points: &[Point]) -> Option<Cause> {
    let failures = Cause::ALL.into_iter().filter(|c| c.is_failure());
    let counted = failures.map(|c| (points.iter().map(|p| p.causes[c as usize]).sum::<u64>(), c));
    counted.filter(|(n, _)| *n > 0).max_by_key(|(n, _)| *n).map(|(_, cause)| cause)
}

pub(super) fn thresholds(report: &Report, paint: Paint) -> String {
    let results = &report.judgement.thresholds;
    if results.is_empty() {
        return String::new();
    }
    let width = |text: fn(&ThresholdResult) -> &str| results.iter().map(|r| text(r).chars().count()).max().unwrap_or(0);
    let (selector, condition) = (width(|r| &r.selector).min(50), width(|r| &r.condition).min(24));
    let mut out = heading("THRESHOLDS", paint) + "\n";
    for result in results {
        let what = format!("{:<selector$}  {:<condition$}", cut(&result.selector, selector), result.condition);
        let measured = shown(result.measured, result.unit);
        out += &if result.passed {
            format!("  {} {what}  {measured}\n", paint.good("✓"))
        } else {
            format!("  {} {what}  {}\n", paint.bad("✗"), paint.bad(&measured))
        };
    }
    out
}

fn shown(measured: Measured, unit: Unit) -> String {
    match (measured, unit) {
        (Measured::NoData, _) => "no data".to_owned(),
        (Measured::Never, _) => "never".to_owned(),
        (Measured::Value(value), Unit::Microseconds) => format::duration(value.round() as u64),
        (Measured::Value(value), Unit::Fraction) => format::percent(value),
        (Measured::Value(value), Unit::Number) => format::signed(value as i64).trim_start_matches('+').to_owned(),
        (Measured::Value(value), Unit::Dollars) => format::dollars((value * NANO as f64).round() as u64),
        (Measured::Value(value), Unit::PerSecond) => format!("{}/s", format::significant(value)),
    }
}

pub(super) fn invariants(report: &Report, paint: Paint) -> String {
    let Judgement { broken, invariants_checked, .. } = report.judgement;
    let idle = report.outcome.findings.invariants.len() - invariants_checked;
    let held = format!("{} held, {} broken, {idle} not applicable", invariants_checked - broken.len(), broken.len());
    let mut out = format!("{}  {held}\n", heading("INVARIANTS", paint));
    for invariant in broken {
        let (checks, violations) = (format::count(invariant.checks), format::count(invariant.violations));
        out += &format!("  {} {}\n", paint.bad("✗"), paint.bad(&format!("{} {}", invariant.id, invariant.name)));
        out += &format!("    {}\n", hanging(invariant.claim, 4));
        let first = match &invariant.first {
            Some((at_us, seen)) => format!("; first at {}: {seen}", format::elapsed(*at_us)),
            None => String::new(),
        };
        out += &format!("    {}\n", hanging(&format!("broken in {violations} of {checks} checks{first}"), 4));
    }
    out
}
