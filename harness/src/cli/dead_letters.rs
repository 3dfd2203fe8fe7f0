//! `georush dead-letters`: lines that were no usage, and what becomes of them.
//!
//! Not here: putting them aside, which the aggregator does.

use std::sync::Arc;

use clap::{Args, Subcommand};
use georush_system::{backend::Backend, pipeline::resend, store::Letter};

use super::{
    Stop,
    keys::State,
    listing::{Format, Listing},
    print,
};

pub(super) const EXAMPLES: &str = "\
Examples:
  georush dead-letters list
  georush dead-letters list --format json
  georush dead-letters replay 0/17/3
  georush dead-letters replay 0/17/3 --text \"$(cat repaired.json)\"
  georush dead-letters replay --all
  georush dead-letters discard 0/17/3

A letter's id is the shard, sequence number and line that it was found at. One that is replayed goes through the stream
and the aggregator again and counts once, however often it is tried; one that still can't be accepted stays.";

#[derive(Debug, Args)]
pub(super) struct DeadLettersArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the letters that wait, the oldest first.
    List {
        /// How to print them.
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
        #[command(flatten)]
        state: State,
    },
    /// Send letters through the stream again.
    Replay {
        #[command(flatten)]
        which: Which,
        /// The repaired line, instead of what was found.
        #[arg(long, value_name = "LINE", conflicts_with = "all")]
        text: Option<String>,
        #[command(flatten)]
        state: State,
    },
    /// Take letters off the list for ever.
    Discard {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        state: State,
    },
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// Letters, as listed.
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// All of them.
    #[arg(long)]
    all: bool,
}

/// Does what the arguments say.
pub(super) fn dead_letters(args: &DeadLettersArgs) -> Result<u8, Stop> {
    match &args.action {
        Action::List { format, state } => list(*format, state),
        Action::Replay { which, text, state } => replay(which, text.as_deref(), state),
        Action::Discard { which, state } => discard(which, state),
    }
}

fn open(state: &State) -> Result<(Arc<dyn Backend>, Vec<Letter>), Stop> {
    let backend = state.existing()?;
    let (mut letters, _) =
        backend.accounts().and_then(|mut central| central.dead_letters(u32::MAX)).map_err(Stop::could_not_run)?;
    letters.reverse();
    Ok((backend, letters))
}

fn list(format: Format, state: &State) -> Result<u8, Stop> {
    let (_, letters) = open(state)?;
    let row = |letter: Letter| vec![letter.id.into(), letter.reason.into(), letter.text.into()];
    Listing::new(&["id", "reason", "text"], letters.into_iter().map(row).collect()).print(format).map(|()| 0)
}

fn replay(which: &Which, text: Option<&str>, state: &State) -> Result<u8, Stop> {
    let (backend, letters) = open(state)?;
    let chosen = which.choose(&letters)?;
    if text.is_some() && chosen.len() != 1 {
        return Err(Stop::could_not_run("--text repairs one letter, give one ID"));
    }
    let mut refused = Vec::new();
    for letter in &chosen {
        if let Err(why) = resend(&*backend, letter, text).map_err(Stop::could_not_run)? {
            refused.push(format!("{}: {why}; repair it with --text, or discard it", letter.id));
        }
    }
    print(&format!("{} replayed, {} refused\n", chosen.len() - refused.len(), refused.len()))?;
    if refused.is_empty() { Ok(0) } else { Err(Stop::could_not_run(refused.join("\n"))) }
}

fn discard(which: &Which, state: &State) -> Result<u8, Stop> {
    let (backend, letters) = open(state)?;
    let chosen = which.choose(&letters)?;
    let mut central = backend.accounts().map_err(Stop::could_not_run)?;
    for letter in &chosen {
        central.settle(letter, "discarded").map_err(Stop::could_not_run)?;
    }
    print(&format!("{} discarded\n", chosen.len())).map(|()| 0)
}

impl Which {
    fn choose<'a>(&self, letters: &'a [Letter]) -> Result<Vec<&'a Letter>, Stop> {
        if self.all {
            return Ok(letters.iter().collect());
        }
        let find = |wanted: &String| {
            let none = || format!("there is no dead letter {wanted}; georush dead-letters list tells all");
            letters.iter().find(|letter| letter.id == *wanted).ok_or_else(|| Stop::could_not_run(none()))
        };
        self.ids.iter().map(find).collect()
    }
}
