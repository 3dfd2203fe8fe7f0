//! `georush aggregator` and `georush replicator`: the other two roles, each as a process of its own.
//!
//! Not here: what they do.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use clap::Args;
use georush_system::{
    backend::Backend,
    pipeline::{self, From},
    service::{RoleSettings, Roles},
    store::Directory,
};

use super::{
    Stop,
    backend::BackendArg,
    serve::{STREAM_KEPT_S_MAX, distinct, listen, log},
};

pub(super) const AGGREGATOR_EXAMPLES: &str = "\
Examples:
  georush aggregator --state /var/lib/georush --metrics 127.0.0.1:9101
  georush aggregator --from 2026-11-27T09:00:00Z
  georush aggregator --from trim-horizon
  georush aggregator --rebuild

Of several on one state directory, one works and the others stand by. Counting again changes no count: each line
says what its origin has admitted so far, and the highest value is kept.

Signals:
  SIGTERM, SIGINT  finish the transaction that runs, give the lease back, end";

pub(super) const REPLICATOR_EXAMPLES: &str = "\
Examples:
  georush replicator --region eu-west-1 --region us-east-1 --metrics 127.0.0.1:9102

Each region has a thread and a cursor of its own; one that refuses writes holds up no other.

Signals:
  SIGTERM, SIGINT  finish the transactions that run, end";

#[derive(Debug, Args)]
pub(super) struct AggregatorArgs {
    #[command(flatten)]
    common: CommonArgs,
    /// Count again from here: a sequence number, a time, or trim-horizon for all that is kept.
    #[arg(long, value_name = "WHERE", conflicts_with = "rebuild")]
    from: Option<From>,
    /// Forget all counts and count anew from the beginning of the stream; regions keep theirs until that is done.
    #[arg(long)]
    rebuild: bool,
    /// How long counted records stay in the stream, seconds.
    #[arg(long, value_name = "S", default_value_t = 3_600, value_parser = clap::value_parser!(u64).range(..=STREAM_KEPT_S_MAX))]
    stream_kept: u64,
    /// How long an aggregator may be silent before another takes over, milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 3_000, value_parser = clap::value_parser!(u64).range(100..=86_400_000))]
    lease: u64,
}

#[derive(Debug, Args)]
pub(super) struct ReplicatorArgs {
    /// Region to copy counts to; may be repeated.
    #[arg(long = "region", value_name = "NAME", required = true)]
    regions: Vec<String>,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, Args)]
struct CommonArgs {
    /// Directory of tables and stream.
    #[arg(long, value_name = "DIR", env = "GEORUSH_STATE", default_value = "state")]
    state: PathBuf,
    #[command(flatten)]
    backend: BackendArg,
    /// Answer /metrics and /healthz here.
    #[arg(long, value_name = "ADDR:PORT")]
    metrics: Vec<SocketAddr>,
    /// Wait between two looks at what is new, milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=86_400_000))]
    poll: u64,
}

/// Counts.
pub(super) fn aggregator(args: &AggregatorArgs) -> Result<u8, Stop> {
    log();
    let settings = pipeline::Settings {
        lease: Duration::from_millis(args.lease),
        stream_kept: Duration::from_secs(args.stream_kept),
        ..pace(&args.common, true)
    };
    let common = &args.common;
    let backend = common.backend.open(&common.state, Directory::open)?;
    if let Some(from) = args.from {
        backend.count_again(settings, from).map_err(Stop::could_not_run)?;
    }
    if args.rebuild {
        backend.rebuild(settings).map_err(Stop::could_not_run)?;
    }
    run(backend, common, Vec::new(), settings)
}

/// Copies counts.
pub(super) fn replicator(args: &ReplicatorArgs) -> Result<u8, Stop> {
    distinct(&args.regions)?;
    log();
    run(
        args.common.backend.open(&args.common.state, Directory::open)?,
        &args.common,
        args.regions.clone(),
        pace(&args.common, false),
    )
}

fn pace(args: &CommonArgs, aggregate: bool) -> pipeline::Settings {
    pipeline::Settings { aggregate, poll: Duration::from_millis(args.poll), ..pipeline::Settings::default() }
}

fn run(
    backend: Arc<dyn Backend>,
    args: &CommonArgs,
    regions: Vec<String>,
    pipeline: pipeline::Settings,
) -> Result<u8, Stop> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.map_err(Stop::could_not_run)?.block_on(async {
        let (stopped, _) = listen()?;
        let settings = RoleSettings { backend, regions, pipeline, metrics: args.metrics.clone() };
        let roles = Roles::start(&settings).map_err(Stop::could_not_run)?;
        for address in roles.addresses() {
            eprintln!("listening on http://{address} (metrics)");
        }
        roles.run(stopped).await.map_err(Stop::could_not_run)?;
        tracing::info!("stopped");
        Ok(0)
    })
}
