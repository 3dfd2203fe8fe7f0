//! The summary that a person understands in ten seconds: verdict first, then what, why, and how to see it again.
//!
//! Not here: deciding whether there is a terminal; `paint` is told.

mod cost;
mod latency;
mod live;
mod over_time;
pub mod paint;
mod quota;
mod verdict;

use super::{
    Report, command,
    format::{self, cut},
};
use paint::Paint;

/// Columns of the summary at most.
pub const WIDTH: usize = 100;

/// How fast a run was; it goes to the terminal only, never into a result.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Speed {
    /// CPU time of the simulating thread, microseconds.
    pub cpu_us: u64,
}

/// What the summary says beside the report itself.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// The scenario file as it was given.
    pub file: &'a str,
    /// Where the result is.
    pub result: &'a str,
    /// How fast it went.
    pub speed: Speed,
}

/// The summary, ending in a newline.
#[must_use]
pub fn summary(report: &Report, around: &Around, paint: Paint) -> String {
    let mut out = String::new();
    let blocks = [
        verdict::head(report, paint),
        verdict::story(report),
        latency::by_region(report, paint),
        latency::breakdown(report, paint),
        live::block(report, paint),
        over_time::block(report, paint),
        over_time::causes(report, paint),
        quota::block(report, paint),
        cost::block(report, paint),
        verdict::thresholds(report, paint),
        verdict::invariants(report, paint),
        foot(report, around, paint),
    ];
    for block in blocks.iter().filter(|b| !b.is_empty()) {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(block);
    }
    out
}

/// The verdict alone, in a line.
#[must_use]
pub fn line(report: &Report, paint: Paint) -> String {
    verdict::line(report, paint)
}

fn foot(report: &Report, around: &Around, paint: Paint) -> String {
    let assumptions = report.assumptions.len() as u64;
    let assumed = if assumptions > 0 {
        format!("; rests on {}", format::plural(assumptions, "assumption"))
    } else {
        String::new()
    };
    let (requests, cpu_us) = (report.outcome.requests, around.speed.cpu_us);
    let per_second = (requests as f64 * 1e6 / cpu_us.max(1) as f64) as u64;
    let row = |name: &str, text: &str| format!("{} {text}\n", paint.dim(&format!("{name:<8}")));
    let mut out = match report.live {
        None => row("model", &format!("simulated, not measured{assumed}: see docs/models.md and the result")),
        Some(_) => row("model", &format!("only dns, network and tls{assumed}: see docs/live.md and the result")),
    };
    if report.live.is_none() {
        let spent = format::duration(cpu_us);
        out += &row("speed", &format!("{} requests per CPU-second ({spent} of CPU time)", format::count(per_second)));
    }
    out += &row("result", around.result);
    let arguments = report.live.map(|live| &live.arguments[..]);
    out += &row("repeat", &command::repeat(report.scenario, around.file, arguments));
    out
}

/// A block's heading.
fn heading(text: &str, paint: Paint) -> String {
    paint.bold(text)
}

/// `text` in lines of at most `width` columns, broken at spaces.
fn wrapped(text: &str, width: usize) -> String {
    let mut out = String::new();
    let mut column = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > width {
            out.push('\n');
            column = 0;
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out.push('\n');
    out
}

/// `text` from column `indent` on, in as many lines as it takes; the first begins where the caller is.
fn hanging(text: &str, indent: usize) -> String {
    wrapped(text, WIDTH - indent).trim_end().replace('\n', &format!("\n{:indent$}", ""))
}

#[cfg(test)]
mod tests;
