//! How far a long run is, on standard error: a bar on a terminal, or JSON lines for programs.
//!
//! Not here: anything that decides. Its clock is the wall's. There are no colours, so there is nothing for `NO_COLOR` to turn off.

use std::{
    cell::Cell,
    io::{self, Write},
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::format;

/// Between two JSON lines, and between two looks at a run in real time.
const EVERY: Duration = Duration::from_millis(500);

/// Who is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// People: a bar if standard error is a terminal, nothing otherwise.
    People,
    /// Programs: a JSON object a line.
    Programs,
    /// Nobody.
    Nobody,
}

/// The progress of one run.
#[derive(Debug)]
pub struct Progress {
    audience: Audience,
    what: &'static str,
    /// Length of the run, microseconds.
    of_us: u64,
    bar: ProgressBar,
    told: Cell<Duration>,
}

/// One JSON line.
#[derive(Debug, Serialize)]
struct Line {
    what: &'static str,
    at_us: u64,
    of_us: u64,
    requests: Option<u64>,
    elapsed_ms: u64,
    left_ms: Option<u64>,
    finished: bool,
}

impl Progress {
    /// Of a run of `of_us` microseconds, simulated or real.
    #[must_use]
    pub fn new(audience: Audience, what: &'static str, of_us: u64) -> Self {
        let bar = if audience == Audience::People { ProgressBar::new(of_us) } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{prefix} {bar:24} {percent:>3} %  {msg}");
        bar.set_style(style.expect("the template is constant").progress_chars("█▌ "));
        bar.set_prefix(what);
        Self { audience, what, of_us, bar, told: Cell::new(Duration::ZERO) }
    }

    /// Tells where the run is; `requests` if they are counted.
    pub fn at(&self, at_us: u64, requests: Option<u64>) {
        let elapsed = self.bar.elapsed();
        match self.audience {
            Audience::Programs if elapsed >= self.told.get() + EVERY => {
                self.told.set(elapsed);
                say(&self.line(at_us, requests, elapsed, false));
            }
            Audience::People if !self.bar.is_hidden() => {
                self.bar.set_position(at_us.min(self.of_us));
                let left =
                    left(at_us, self.of_us, elapsed).map_or(String::new(), |left| format!("  {} left", spell(left)));
                self.bar.set_message(format!("{}{left}", so_far(at_us, requests, elapsed)));
            }
            _ => {}
        }
    }

    /// The run is over; its last line stays.
    pub fn finish(&self, requests: Option<u64>) {
        let elapsed = self.bar.elapsed();
        if self.audience == Audience::Programs {
            say(&self.line(self.of_us, requests, elapsed, true));
        }
        if self.bar.is_hidden() {
            return;
        }
        self.bar.finish_with_message(format!("{} in {}", so_far(self.of_us, requests, elapsed), spell(elapsed)));
        // The bar leaves the cursor behind itself.
        say("");
    }

    /// The run was given up; a bar vanishes.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }

    fn line(&self, at_us: u64, requests: Option<u64>, elapsed: Duration, finished: bool) -> String {
        let left_ms = left(at_us, self.of_us, elapsed).map(|left| left.as_millis() as u64);
        let (what, of_us, elapsed_ms) = (self.what, self.of_us, elapsed.as_millis() as u64);
        let line = Line { what, at_us, of_us, requests, elapsed_ms, left_ms, finished };
        serde_json::to_string(&line).expect("memory takes it, and all keys are strings")
    }
}

/// A line on standard error. That nobody reads it any more is no reason to stop a run.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// For example `6h00m, 1,900,000 requests/s`.
fn so_far(at_us: u64, requests: Option<u64>, elapsed: Duration) -> String {
    let at = format::elapsed(at_us);
    let seconds = elapsed.max(Duration::from_millis(1)).as_secs_f64();
    requests.map_or(at.clone(), |n| format!("{at}, {} requests/s", format::count((n as f64 / seconds) as u64)))
}

/// What is left at the pace so far; `None` before anything is done.
fn left(at_us: u64, of_us: u64, elapsed: Duration) -> Option<Duration> {
    let ahead_us = u128::from(of_us.saturating_sub(at_us));
    let left_us = (elapsed.as_micros() * ahead_us).checked_div(u128::from(at_us))?;
    Some(Duration::from_micros(u64::try_from(left_us).unwrap_or(u64::MAX)))
}

fn spell(time: Duration) -> String {
    format::elapsed(time.as_micros() as u64)
}

/// The progress of a run in real time, told by a thread that sleeps between two looks, so that the run is not disturbed.
#[derive(Debug)]
pub struct RealTime {
    end: Option<Sender<bool>>,
    thread: Option<JoinHandle<()>>,
}

impl RealTime {
    /// Begins to tell, if anybody is to be told.
    #[must_use]
    pub fn start(audience: Audience, what: &'static str, of_us: u64) -> Self {
        if audience == Audience::Nobody {
            return Self { end: None, thread: None };
        }
        let (end, ended) = mpsc::channel();
        let tell = move || {
            let progress = Progress::new(audience, what, of_us);
            loop {
                match ended.recv_timeout(EVERY) {
                    Err(RecvTimeoutError::Timeout) => {
                        progress.at((progress.bar.elapsed().as_micros() as u64).min(of_us), None);
                    }
                    Ok(true) => return progress.finish(None),
                    Ok(false) | Err(RecvTimeoutError::Disconnected) => return progress.clear(),
                }
            }
        };
        Self { end: Some(end), thread: Some(thread::spawn(tell)) }
    }

    /// The run is over, `done` or given up.
    pub fn end(self, done: bool) {
        if let Some(end) = &self.end {
            // The thread has ended only if it could not write; nobody misses its last line then.
            let _ = end.send(done);
        }
        if let Some(thread) = self.thread {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_for_programs_says_how_far_and_how_long() {
        let progress = Progress::new(Audience::Programs, "run", 1_000_000);
        let line = progress.line(250_000, Some(77), Duration::from_secs(2), false);
        let expected = r#"{"what":"run","at_us":250000,"of_us":1000000,"requests":77,"elapsed_ms":2000,"left_ms":6000,"finished":false}"#;
        assert_eq!(line, expected);
        assert!(
            progress.line(0, None, Duration::ZERO, false).contains(r#""requests":null,"elapsed_ms":0,"left_ms":null"#)
        );
    }

    #[test]
    fn people_read_time_and_rate() {
        assert_eq!(so_far(21_600_000_000, Some(3_000_000), Duration::from_secs(2)), "6h00m, 1,500,000 requests/s");
        assert_eq!(so_far(12_000_000, None, Duration::from_secs(12)), "12s");
    }

    #[test]
    fn a_run_in_real_time_can_be_over_before_the_first_look() {
        RealTime::start(Audience::People, "run", 1_000_000).end(true);
        RealTime::start(Audience::Nobody, "run", 1_000_000).end(false);
    }
}
