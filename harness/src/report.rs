//! What a run has to say for itself: judged, written as JSON, told in a terminal.
//!
//! Not here: measuring, and any number that the outcome does not hold. Simulated and measured numbers never mix.

pub mod command;
pub mod csv;
#[cfg(test)]
pub(crate) mod fixture;
pub mod format;
pub mod github;
pub mod hlog;
pub mod json;
pub mod judge;
pub mod junit;
pub mod markdown;
pub mod openmetrics;
pub mod page;
pub mod progress;
pub mod read;
pub mod terminal;
pub mod views;
pub mod write;

use crate::{live::Live, outcome::Outcome, scenario::Scenario};
use judge::Judgement;

/// Everything there is to report about one run.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    /// What was asked.
    pub scenario: &'a Scenario,
    /// What happened.
    pub outcome: &'a Outcome,
    /// Whether it is good enough.
    pub judgement: &'a Judgement,
    /// What the models take for granted, a sentence each.
    pub assumptions: &'a [String],
    /// What only a live run has to say; `None` of a simulation.
    pub live: Option<&'a Live>,
}

impl Report<'_> {
    /// The mode's name in results.
    #[must_use]
    pub fn mode(&self) -> &'static str {
        if self.live.is_some() { "live" } else { "simulation" }
    }
}
