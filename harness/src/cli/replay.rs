//! `georush replay`.
//!
//! Not here: recording, and the cores.

use std::path::PathBuf;

use clap::Args;
use georush::report::{format, judge::Verdict};
use georush_system::record::replay::{ROLES, Replayed, replay as through};

use super::{Stop, print};

pub(super) const EXAMPLES: &str = "\
Examples:
  georush run scenarios/sixty-thousand.toml --mode live --record
  georush replay out/sixty-thousand/live/recording

Every input that an edge, the aggregator or a replicator took in the run is given to a fresh core, in its order. Exit code 1 says
that an answer differs, 3 that recordings are missing.";

const DIFFERENT: u8 = 1;

#[derive(Debug, Args)]
pub(super) struct ReplayArgs {
    /// Directory of the recordings.
    directory: PathBuf,
}

/// Replays; 0 if every answer is the same, 3 if recordings are missing.
pub(super) fn replay(args: &ReplayArgs) -> Result<u8, Stop> {
    let replayed = through(&args.directory).map_err(Stop::could_not_run)?;
    print(&format!("{}\n", told(&replayed)))?;
    Ok(match (replayed.differences, replayed.missing().is_empty()) {
        (0, true) => 0,
        (0, false) => Verdict::Invalid.exit_code(),
        (1.., _) => DIFFERENT,
    })
}

/// What a replay came to, in a line or two.
pub(super) fn told(replayed: &Replayed) -> String {
    let role = |name: &str, index: usize| {
        format!("{name} {} ({})", format::count(replayed.inputs[index]), format::plural(replayed.lives[index], "core"))
    };
    let roles = ROLES.iter().zip(0..).map(|(name, index)| role(name, index));
    let roles: Vec<String> = roles.collect();
    let cut = match replayed.cut {
        0 => String::new(),
        1 => "; 1 recording ends within a line, as killed processes leave it".to_owned(),
        cut => format!("; {} recordings end within a line, as killed processes leave them", format::count(cut)),
    };
    let verdict = match (&replayed.first, replayed.missing()) {
        (None, missing) if missing.is_empty() => "SAME  every answer of the cores".to_owned(),
        (None, missing) => format!("NOT VALID  {}", missing.join("; ")),
        (Some(first), _) => {
            format!("DIFFERS  {}; the first: {first}", format::plural(replayed.differences, "answer"))
        }
    };
    format!("{verdict}\n  inputs: {}{cut}", roles.join(", "))
}
