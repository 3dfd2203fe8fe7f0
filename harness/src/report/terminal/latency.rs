//! Latency by region, and which component it is made of.
//!
//! Not here: latency over time.

use super::{Paint, cut, heading};
use crate::{
    measure::{Cell, Component},
    report::{Report, format},
    scenario::{Cause, Tags},
};

const NAME_WIDTH: usize = 16;
const BAR_WIDTH: usize = 24;

pub(super) fn by_region(report: &Report, paint: Paint) -> String {
    let columns = format!("{:>10}{:>10}{:>10}{:>14}{:>12}", "p50", "p99", "p99.9", "requests", "failed");
    let mut out = format!("{}{}\n", heading(&format!("{:<NAME_WIDTH$}", "LATENCY"), paint), paint.dim(&columns));
    let mut idle = 0;
    for (index, name) in report.scenario.system.regions.iter().enumerate() {
        let cell = report.outcome.measure.select(&Tags { region: Some(index), ..Tags::default() });
        match cell.requests() {
            0 => idle += 1,
            _ => out += &row(name, &cell, paint),
        }
    }
    if idle > 0 {
        out += &format!("{}\n", paint.dim(&format!("({} had no requests)", format::plural(idle, "region"))));
    }
    out + &row("all", &report.outcome.measure.select(&Tags::default()), paint)
}

fn row(name: &str, cell: &Cell, paint: Paint) -> String {
    let quantile = |q| match cell.latency.is_empty() {
        true => "-".to_owned(),
        false => format::duration(cell.latency.value_at_quantile(q)),
    };
    let failed = format!("{:>12}", format::count(cell.failures()));
    let failures = Cause::ALL.into_iter().filter(|c| c.is_failure());
    let counted = failures.map(|c| (cell.causes[c as usize], c)).filter(|(n, _)| *n > 0);
    let cause = counted.max_by_key(|(n, _)| *n).map_or("", |(_, cause)| cause.name());
    format!(
        "{:<NAME_WIDTH$}{:>10}{:>10}{:>10}{:>14}{}{}{}\n",
        cut(name, NAME_WIDTH),
        quantile(0.5),
        quantile(0.99),
        quantile(0.999),
        format::count(cell.requests()),
        if cell.failures() > 0 { paint.bad(&failed) } else { failed },
        if cause.is_empty() { "" } else { "  " },
        paint.dim(cause),
    )
}

/// A row for each component that matters, with its share of the median and of the 99th percentile.
pub(super) fn breakdown(report: &Report, paint: Paint) -> String {
    let breakdown = &report.outcome.measure.breakdown;
    let (Some(median), Some(tail)) = (breakdown.at(0.5), breakdown.at(0.99)) else { return String::new() };
    let (all_median, all_tail) = (median.iter().sum::<f64>(), tail.iter().sum::<f64>());
    let columns = format!("{:>10} {:<BAR_WIDTH$} {:>10}", "at p50", "", "at p99");
    let title = heading(&format!("{:<NAME_WIDTH$}", "TIME GOES TO"), paint);
    let mut out = format!("{title}{}\n", paint.dim(&columns));
    for component in Component::ALL {
        let (median, tail) = (median[component as usize], tail[component as usize]);
        if median < all_median / 200.0 && tail < all_tail / 200.0 {
            continue;
        }
        let cell = |us: f64, all: f64| {
            let bar = format!("{:<BAR_WIDTH$}", bar(us, all));
            let time = if us > 0.0 { format::duration(us.round() as u64) } else { "-".to_owned() };
            format!("{time:>10} {}", paint.drawn(&bar))
        };
        let row = format!("{:<NAME_WIDTH$}{} {}", component.name(), cell(median, all_median), cell(tail, all_tail));
        out += row.trim_end();
        out.push('\n');
    }
    out
}

/// A bar in eighths of a column; whatever is there shows.
fn bar(part: f64, whole: f64) -> String {
    const EIGHTHS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];
    if part <= 0.0 || whole <= 0.0 {
        return String::new();
    }
    let eighths = ((part / whole * (BAR_WIDTH * 8) as f64).round() as usize).clamp(1, BAR_WIDTH * 8);
    let rest = eighths % 8;
    let last = (rest > 0).then(|| EIGHTHS[rest - 1]);
    std::iter::repeat_n('█', eighths / 8).chain(last).collect()
}
