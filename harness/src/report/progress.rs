//! Progress of a run on standard error, on a terminal only.
//!
//! Not here: anything that decides. Its clock is the wall's.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::format;

/// A line that shows how far a run is.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    duration_us: u64,
}

impl Progress {
    /// A line for a run of this length; invisible unless `shown` and standard error is a terminal.
    #[must_use]
    pub fn new(duration_us: u64, shown: bool) -> Self {
        let bar = if shown { ProgressBar::new(duration_us) } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{bar:24} {percent:>3} %  {msg}  {eta} left");
        bar.set_style(style.expect("the template is constant").progress_chars("█▌ "));
        Self { bar, duration_us }
    }

    /// Shows where the run is.
    pub fn at(&self, simulated_us: u64, requests: u64) {
        if self.bar.is_hidden() {
            return;
        }
        self.bar.set_position(simulated_us.min(self.duration_us));
        let seconds = self.bar.elapsed().max(Duration::from_millis(1)).as_secs_f64();
        let rate = format::count((requests as f64 / seconds) as u64);
        self.bar.set_message(format!("{} simulated, {rate} requests/s", format::elapsed(simulated_us)));
    }

    /// Removes the line.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
