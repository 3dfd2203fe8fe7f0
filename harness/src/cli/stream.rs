//! `georush stream`: the shards of the embedded stream.
//!
//! Not here: what a split or a merge does; that is the store's.

use clap::{Args, Subcommand};
use georush::report::format;
use georush_system::{
    pipeline::now,
    store::{Directory, SHARDS_MAX, Shard},
};

use super::{
    Stop,
    keys::State,
    listing::{Format, Listing},
    print,
};

pub(super) const EXAMPLES: &str = "\
Examples:
  georush stream create --shards 8
  georush stream shards
  georush stream split 2
  georush stream split 2 --at 3000000000
  georush stream merge 4 5

Roles may run meanwhile. A shard that is split or merged is closed; those in its place are read once it is read to its end, so that
no line is counted before an earlier one. Without `create`, the first role makes a stream of four shards.";

#[derive(Debug, Args)]
pub(super) struct StreamArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make the stream, before any role does.
    Create {
        /// How many shards it begins with.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=i64::from(SHARDS_MAX)))]
        shards: u16,
        #[command(flatten)]
        state: State,
    },
    /// List all shards, closed ones too.
    Shards {
        /// How to print them.
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
        #[command(flatten)]
        state: State,
    },
    /// Close a shard and open two in its place.
    Split {
        /// The shard.
        #[arg(value_name = "SHARD")]
        shard: u16,
        /// The first hash key of the second one, instead of the middle.
        #[arg(long, value_name = "HASH")]
        at: Option<u32>,
        #[command(flatten)]
        state: State,
    },
    /// Close two neighbours and open one in their place.
    Merge {
        /// One shard.
        #[arg(value_name = "SHARD")]
        one: u16,
        /// The other.
        #[arg(value_name = "OTHER")]
        other: u16,
        #[command(flatten)]
        state: State,
    },
}

/// Does what the arguments say.
pub(super) fn stream(args: &StreamArgs) -> Result<u8, Stop> {
    match &args.action {
        Action::Create { shards, state } => create(*shards, state),
        Action::Shards { format, state } => list(*format, state),
        Action::Split { shard, at, state } => {
            let mut stream = existing(state)?.stream().map_err(Stop::could_not_run)?;
            let children = stream.split(now(), *shard, *at).map_err(Stop::could_not_run)?;
            print(&format!("shard {shard} is closed; {} and {} are open\n", children[0].number, children[1].number))
        }
        Action::Merge { one, other, state } => {
            let mut stream = existing(state)?.stream().map_err(Stop::could_not_run)?;
            let child = stream.merge(now(), [*one, *other]).map_err(Stop::could_not_run)?;
            print(&format!("shards {one} and {other} are closed; {} is open\n", child.number))
        }
    }
    .map(|()| 0)
}

fn existing(state: &State) -> Result<Directory, Stop> {
    Directory::existing(&state.files("stream")?).map_err(Stop::could_not_run)
}

fn create(shards: u16, state: &State) -> Result<(), Stop> {
    let directory = Directory::open(&state.files("stream")?).map_err(Stop::could_not_run)?;
    directory.create_stream(now(), shards).map_err(Stop::could_not_run)?;
    print(&format!("a stream of {}\n", format::plural(shards.into(), "shard")))
}

fn list(format: Format, state: &State) -> Result<(), Stop> {
    let directory = existing(state)?;
    let mut stream = directory.stream().map_err(Stop::could_not_run)?;
    let oldest = stream.oldest().map_err(Stop::could_not_run)?;
    let position = directory.central().and_then(|mut central| central.position(stream.id()));
    let checkpoints = position.map_err(Stop::could_not_run)?.checkpoints;
    let shards = stream.shards().map_err(Stop::could_not_run)?;
    let row = |shard: &Shard| {
        let index = usize::from(shard.number);
        let kept = (shard.newest + 1).saturating_sub(oldest[index]);
        let counted = checkpoints.get(index).copied().unwrap_or_default();
        let state = match (shard.closed, kept) {
            (false, _) => "open",
            (true, 1..) => "closed",
            (true, 0) => "expired",
        };
        let parents: Vec<String> = shard.parents.iter().map(u16::to_string).collect();
        vec![
            // As text, so that numbers of the key space stand without separators.
            shard.number.to_string().into(),
            state.into(),
            shard.hashes.0.to_string().into(),
            shard.hashes.1.to_string().into(),
            parents.join(" ").into(),
            shard.newest.into(),
            kept.into(),
            shard.newest.saturating_sub(counted).into(),
        ]
    };
    let columns = &["shard", "state", "first_hash", "last_hash", "parents", "newest", "kept", "not_counted"];
    Listing::new(columns, shards.iter().map(row).collect()).print(format)
}
