//! `georush replay`.
//!
//! Not here: recording, and the cores.

use std::path::PathBuf;

use clap::Args;
use georush::report::format;
use georush_system::record::replay::{Replayed, replay as through};

use super::{Stop, print};

pub(super) const EXAMPLES: &str = "\
Examples:
  georush run scenarios/sixty-thousand.toml --mode live --record
  georush replay out/sixty-thousand/live/recording

Every input that an edge, the aggregator or a replicator took in the run is given to a fresh core, in its order. Exit code 1 says
that an answer differs.";

const DIFFERENT: u8 = 1;

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// Directory of the recordings.
    directory: PathBuf,
}

/// Replays; 0 if every answer is the same.
pub(super) fn replay(args: &ReplayArgs) -> Result<u8, Stop> {
    let replayed = through(&args.directory).map_err(Stop::could_not_run)?;
    print(&format!("{}\n", told(&replayed)))?;
    Ok(if replayed.differences == 0 { 0 } else { DIFFERENT })
}

/// What a replay came to, in a line or two.
pub(super) fn told(replayed: &Replayed) -> String {
    let role = |name: &str, index: usize| {
        format!("{name} {} ({})", format::count(replayed.inputs[index]), format::plural(replayed.lives[index], "core"))
    };
    let roles = ["edges", "aggregator", "replicators"].iter().zip(0..).map(|(name, index)| role(name, index));
    let roles: Vec<String> = roles.collect();
    let cut = match replayed.cut {
        0 => String::new(),
        cut => format!("; {} of killed processes end within a line", format::plural(cut, "recording")),
    };
    let verdict = match &replayed.first {
        None => "SAME  every answer of the cores".to_owned(),
        Some(first) => format!("DIFFERS  {} answers; the first: {first}", format::count(replayed.differences)),
    };
    format!("{verdict}\n  inputs: {}{cut}", roles.join(", "))
}
