//! Quotas against the truth, in a few lines.
//!
//! Not here: the invariants.

use super::{Paint, hanging, heading};
use crate::report::{Report, format, views};
use hdrhistogram::Histogram;

pub(super) fn block(report: &Report, paint: Paint) -> String {
    let findings = &report.outcome.findings;
    let row = |name: &str, text: String| format!("  {} {}\n", paint.dim(&format!("{name:<17}")), hanging(&text, 20));
    let mut out = heading("QUOTA", paint) + "\n";
    out += &row("over-admission", over_admission(report));
    out += &row("false rejections", false_rejections(report));
    let error = match findings.count_error_absolute {
        0 => "count is exact".to_owned(),
        absolute => {
            format!(
                "count is off by {} ({} without sign)",
                format::signed(findings.count_error),
                format::count(absolute)
            )
        }
    };
    let losses = [
        ("duplicates", findings.duplicates),
        ("declared loss", findings.declared_loss),
        ("silent loss", findings.silent_loss),
    ];
    let losses = losses.map(|(name, n)| format!("{name} {}", format::count(n)));
    out += &row("central count", format!("{error}; {}", losses.join(", ")));
    out += &row("staleness", spread(&views::staleness(findings, None), "of a decision's view"));
    if findings.crossings > 0 {
        let lag = views::crossing_lag(findings, None);
        out += &row("crossing lag", spread(&lag, "until a region sees a crossed quota"));
    }
    out += &row("convergence", convergence(report));
    out
}

fn over_admission(report: &Report) -> String {
    let findings = &report.outcome.findings;
    if findings.over_admission == 0 {
        return format!("0 beyond quota; {} crossed", format::plural(findings.crossings, "quota"));
    }
    let worst = findings.overruns.first().map_or(String::new(), |worst| {
        let (over, quota) = (format::count(worst.over), format::count(worst.quota));
        format!("; worst {} by {over} of {quota} ({})", worst.subject, format::percent(findings.over_admission_max))
    });
    format!("{} beyond quota{worst}", format::count(findings.over_admission))
}

fn false_rejections(report: &Report) -> String {
    let refused = report.outcome.findings.false_rejections;
    if refused.total() == 0 {
        return format!("0 of {}", format::plural(report.outcome.findings.rejected, "refusal"));
    }
    let reasons = [
        ("counted twice", refused.duplicate_count),
        ("row unreadable", refused.fail_closed),
        ("UNEXPLAINED", refused.unexplained),
    ];
    let told = reasons.iter().filter(|(_, n)| *n > 0).map(|(name, n)| format!("{name} {}", format::count(*n)));
    format!("{}: {}", format::count(refused.total()), told.collect::<Vec<_>>().join(", "))
}

fn spread(histogram: &Histogram<u64>, of: &str) -> String {
    if histogram.is_empty() {
        return "no data".to_owned();
    }
    let at = |q| format::duration(histogram.value_at_quantile(q));
    format!("p50 {}, p99 {}, max {} {of}", at(0.5), at(0.99), format::duration(histogram.max()))
}

fn convergence(report: &Report) -> String {
    if report.outcome.findings.admitted == 0 {
        return "nothing was admitted".to_owned();
    }
    let regions = &report.outcome.findings.regions;
    let never: Vec<_> =
        report.scenario.system.regions.iter().zip(regions).filter(|(_, v)| v.convergence_us.is_none()).collect();
    match (never.as_slice(), regions.iter().filter_map(|view| view.convergence_us).max()) {
        ([], None) => "no data".to_owned(),
        ([], Some(us)) => {
            format!("every region had the central counts {} after the last admission", format::duration(us))
        }
        ([(name, _)], _) => format!("{name} never held every count"),
        ([(name, _), rest @ ..], _) => format!("{name} and {} more never held every count", rest.len()),
    }
}
