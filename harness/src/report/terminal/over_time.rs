//! The run over time in lines of eight heights, and when each cause happened.
//!
//! Not here: exact series, which are in the result.

use super::{Paint, heading};
use crate::{
    measure::series::Point,
    report::{Report, format},
    scenario::{Cause, Tags},
};

const COLUMNS: usize = 60;
const NAME_WIDTH: usize = 16;
const REGIONS_NAMED: usize = 2;

pub(super) fn block(report: &Report, paint: Paint) -> String {
    let series = &report.outcome.measure.series;
    if series.points().len() < 2 {
        return String::new();
    }
    let per_second = |n: u64| format!("{}/s", format::significant(n as f64 * 1e6 / series.width_us() as f64));
    let mut out = heading("OVER TIME", paint) + "\n";
    let mut row = |name: &str, value: fn(&Point) -> u64, shown: &dyn Fn(u64) -> String| {
        let values: Vec<u64> = series.points().iter().map(value).collect();
        let (least, greatest) = (values.iter().min().unwrap_or(&0), values.iter().max().unwrap_or(&0));
        let line = paint.drawn(&format!("{:<COLUMNS$}", spark(&values, COLUMNS)));
        out += &format!("{name:<NAME_WIDTH$}{line}  {} to {}\n", shown(*least), shown(*greatest));
    };
    row("requests", |p| p.regions.iter().map(|r| r.requests).sum(), &per_second);
    row("p99", |p| p.p99_us, &format::duration);
    row("failed", |p| p.regions.iter().map(|r| r.failed).sum(), &per_second);
    let end = format::elapsed(series.points().len() as u64 * series.width_us());
    let axis = format!("{:NAME_WIDTH$}0{end:>width$}", "", width = COLUMNS.min(series.points().len()) - 1);
    out + &paint.dim(&axis) + "\n"
}

/// At most `columns` heights, each the greatest of its buckets, from 0 to the greatest of all; 0 is blank.
fn spark(values: &[u64], columns: usize) -> String {
    const HEIGHTS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let greatest = values.iter().copied().max().unwrap_or(0).max(1);
    let columns = columns.min(values.len());
    let height = |column: usize| {
        let range = column * values.len() / columns..(column + 1) * values.len() / columns;
        let value = values[range].iter().copied().max().unwrap_or(0);
        HEIGHTS[(u128::from(value) * 8).div_ceil(u128::from(greatest)) as usize]
    };
    (0..columns).map(height).collect()
}

/// Every reason for an answer other than 2xx: how often, what clients saw, where and when.
pub(super) fn causes(report: &Report, paint: Paint) -> String {
    let all = report.outcome.measure.select(&Tags::default());
    let mut counted: Vec<_> =
        Cause::ALL.into_iter().map(|c| (all.causes[c as usize], c)).filter(|(n, _)| *n > 0).collect();
    counted.sort_by_key(|&(n, _)| std::cmp::Reverse(n));
    if counted.is_empty() {
        return String::new();
    }
    let mut out = heading("WHY NOT 2XX", paint) + "\n";
    for (n, cause) in counted {
        let status = match cause.status() {
            0 => "no answer".to_owned(),
            status => status.to_string(),
        };
        let name = format!("{:<20}", cause.name());
        let name = if cause.is_failure() { paint.bad(&name) } else { name };
        let n = format::count(n);
        out += format!("{n:>14}  {name}{status:<11}{}  {}", when(report, cause), paint.dim(&place(report, cause)))
            .trim_end();
        out.push('\n');
    }
    out
}

/// From the first bucket with the cause to the end of the last.
fn when(report: &Report, cause: Cause) -> String {
    let series = &report.outcome.measure.series;
    let seen = |point: &Point| point.causes[cause as usize] > 0;
    let first = series.points().iter().position(seen);
    let last = series.points().iter().rposition(seen);
    let at = |bucket: usize| format::elapsed(bucket as u64 * series.width_us());
    match (first, last) {
        (Some(0), Some(last)) if last + 1 == series.points().len() => format!("{:<20}", "all the time"),
        (Some(first), Some(last)) => format!("{:<20}", format!("{} to {}", at(first), at(last + 1))),
        _ => String::new(),
    }
}

/// The regions with the cause, most affected first.
fn place(report: &Report, cause: Cause) -> String {
    let names = &report.scenario.system.regions;
    let count = |region| {
        let cell = report.outcome.measure.select(&Tags { region: Some(region), ..Tags::default() });
        (cell.causes[cause as usize], region)
    };
    let mut counted: Vec<_> = (0..names.len()).map(count).filter(|(n, _)| *n > 0).collect();
    counted.sort_by_key(|&(n, _)| std::cmp::Reverse(n));
    let named: Vec<_> = counted.iter().take(REGIONS_NAMED).map(|&(_, region)| names[region].as_str()).collect();
    match counted.len() {
        n if n == names.len() && n > REGIONS_NAMED => "all regions".to_owned(),
        n if n > REGIONS_NAMED => format!("{} and {} more", named.join(", "), n - REGIONS_NAMED),
        _ => named.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spark_line_shows_every_peak() {
        assert_eq!(spark(&[0, 1, 4, 8], 60), " ▁▄█");
        let mut values = vec![1_000_000; 480];
        values[333] = 8_000_000;
        let line = spark(&values, 60);
        assert_eq!(line.chars().filter(|&c| c == '█').count(), 1);
        assert_eq!(line.chars().count(), 60);
        assert_eq!(spark(&[], 60), "");
        assert_eq!(spark(&[0, 0], 60), "  ");
    }
}
