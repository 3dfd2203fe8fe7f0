//! `georush serve` and `georush edge`: the service, until it is told to stop.
//!
//! Not here: the service.

use std::{
    env,
    io::{self, IsTerminal},
    net::SocketAddr,
    num::NonZero,
    path::PathBuf,
    thread,
    time::Duration,
};

use clap::Args;
use georush_system::{
    address::{Trusted, block},
    api::Dialects,
    core::edge::{Enforcement, OnUnavailable},
    geo,
    http::Limits,
    pipeline,
    service::{Region, RowsFrom, Service, Settings, UsageLog, default_address},
    store::Directory,
};
use ipnet::IpNet;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};
use tracing_subscriber::EnvFilter;

use super::{Stop, backend::BackendArg};

pub(super) const SERVE_EXAMPLES: &str = "\
Examples:
  georush serve
  georush serve --listen 0.0.0.0:443 --tls-cert chain.pem --tls-key key.pem
  georush serve --region us-east-1 --region eu-west-1 --listen 127.0.0.1:8081 --listen 127.0.0.1:8082
  georush serve --data GeoLite2-City.mmdb --data GeoLite2-ASN.mmdb --threats threat.d
  georush serve --trust 10.0.0.0/8 --usage-log usage.jsonl
  georush serve --backend aws.toml --region us-east-1

Signals:
  SIGTERM, SIGINT  answer what is on its way, write all usage, end
  SIGHUP           load data and certificate anew";

pub(super) const EDGE_EXAMPLES: &str = "\
Examples:
  georush edge --region eu-west-1 --listen 127.0.0.1:8081 --state state

  georush edge --region eu-west-1 --no-replicator

An edge answers for one region, writes its usage to the stream, and copies counts back to its region. Somewhere a
`georush aggregator` or a `georush serve` with the same state directory must count.";

const LOG_VARIABLE: &str = "GEORUSH_LOG";
/// No wait of a server is longer.
const DAY_S: u64 = 86_400;
/// As long as Kinesis keeps records at most.
pub(super) const STREAM_KEPT_S_MAX: u64 = 365 * DAY_S;

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Region to serve; may be repeated.
    #[arg(long = "region", value_name = "NAME", default_value = "us-east-1")]
    regions: Vec<String>,
    /// How long counted records stay in the stream, seconds.
    #[arg(long, value_name = "S", default_value_t = 3_600, value_parser = clap::value_parser!(u64).range(..=STREAM_KEPT_S_MAX))]
    stream_kept: u64,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, Args)]
pub(super) struct EdgeArgs {
    /// Region to serve.
    #[arg(long, value_name = "NAME", default_value = "us-east-1")]
    region: String,
    /// Leave copying counts to this region to a `georush replicator`.
    #[arg(long)]
    no_replicator: bool,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, Args)]
struct CommonArgs {
    /// Address to listen on: one for each region, or several for one [default: 127.0.0.1:8080 and on].
    #[arg(long = "listen", value_name = "ADDR:PORT")]
    listen: Vec<SocketAddr>,
    /// Directory of tables and stream.
    #[arg(long, value_name = "DIR", env = "GEORUSH_STATE", default_value = "state")]
    state: PathBuf,
    #[command(flatten)]
    backend: BackendArg,
    /// Where requests find their rows: in memory, or in the region's table, where each request reads its own.
    #[arg(long, value_enum, default_value_t = Rows::Memory)]
    rows: Rows,
    /// Plans file, instead of the built-in plans.
    #[arg(long, value_name = "FILE")]
    plans: Option<PathBuf>,
    /// MMDB file, the most trusted first; may be repeated. What none of them knows, the built-in data answers.
    #[arg(long, value_name = "FILE")]
    data: Vec<PathBuf>,
    /// Leave the built-in country and ASN data out.
    #[arg(long, requires = "data")]
    no_built_in: bool,
    /// Map the files and decode each answer: less memory, slower. Replace files by renaming only.
    #[arg(long)]
    small_memory: bool,
    /// Directory of threat lists.
    #[arg(long, value_name = "DIR")]
    threats: Option<PathBuf>,
    /// How often data files are looked at for changes, seconds.
    #[arg(long, value_name = "S", default_value_t = 5, value_parser = clap::value_parser!(u64).range(..=DAY_S))]
    reload_every: u64,
    /// Address of the folder of flags in answers.
    #[arg(long, value_name = "URL", default_value = "https://ipdata.co/flags/", value_parser = address_of_flags)]
    flags: String,
    /// Proxies whose X-Forwarded-For is believed, a block or an address; may be repeated.
    #[arg(long, value_name = "CIDR", value_parser = trusted)]
    trust: Vec<IpNet>,
    /// Dialects of other services to speak as well: maxmind, ipinfo, ip-api, echoip.
    #[arg(long, value_name = "LIST", default_value = "")]
    dialects: Dialects,
    /// Certificate chain, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Key of the certificate, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Usage lines go here, too: a file, - for standard output, or none.
    #[arg(long, value_name = "FILE", default_value = "none")]
    usage_log: String,
    /// What counts against a quota.
    #[arg(long, value_enum, default_value_t = Policy::ReplicatedPlusLocal)]
    enforcement: Policy,
    /// What happens to requests while the region's table can't be read: open, closed, or a number to admit per caller.
    #[arg(long, value_name = "POLICY", default_value = "open", value_parser = on_unavailable)]
    on_unavailable: OnUnavailable,
    /// Connections at once.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    connections: usize,
    /// Bytes of a request's head.
    #[arg(long, value_name = "N", default_value_t = 16_384, value_parser = clap::value_parser!(u32).range(8_192..=1_048_576))]
    header_bytes: u32,
    /// Time for a request's head, and for its body, seconds.
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(..=DAY_S))]
    request_time: u64,
    /// Time for a connection without a request, seconds.
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = clap::value_parser!(u64).range(..=DAY_S))]
    idle_time: u64,
    /// Time for answers that are on their way when the service is told to stop, seconds.
    #[arg(long, value_name = "S", default_value_t = 30, value_parser = clap::value_parser!(u64).range(..=DAY_S))]
    drain_time: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Policy {
    /// The replicated count.
    Replicated,
    /// The replicated count, and at once what this edge has admitted itself.
    ReplicatedPlusLocal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Rows {
    /// In memory, brought by the region's change feed.
    Memory,
    /// In the region's table.
    Table,
}

fn on_unavailable(text: &str) -> Result<OnUnavailable, String> {
    match text {
        "open" => Ok(OnUnavailable::Open),
        "closed" => Ok(OnUnavailable::Closed),
        number => number.parse().map(OnUnavailable::Safe).map_err(|_| "expected open, closed or a number".to_owned()),
    }
}

fn trusted(text: &str) -> Result<IpNet, String> {
    block(text).ok_or_else(|| "expected a block such as 10.0.0.0/8, or an address".to_owned())
}

/// What stands before a flag's name in answers, so that it must be an address and fit into JSON and HTML as it is.
fn address_of_flags(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
    let is_plain = rest.bytes().all(|byte| byte.is_ascii_graphic() && !br#""<>\^`{|}"#.contains(&byte));
    if is_plain && rest.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '[') {
        return Ok(text.to_owned());
    }
    Err("expected an address such as https://example.com/flags/".to_owned())
}

/// Serves several regions and counts.
pub(super) fn serve(args: &ServeArgs) -> Result<u8, Stop> {
    let settings = settings(&args.regions, &args.common, true)?;
    run(&Settings { stream_kept: Duration::from_secs(args.stream_kept), ..settings })
}

/// Serves one region and leaves the counting to others.
pub(super) fn edge(args: &EdgeArgs) -> Result<u8, Stop> {
    let settings = settings(std::slice::from_ref(&args.region), &args.common, false)?;
    run(&Settings { replicate: !args.no_replicator, ..settings })
}

fn settings(names: &[String], args: &CommonArgs, aggregate: bool) -> Result<Settings, Stop> {
    distinct(names)?;
    let addresses: Vec<Vec<SocketAddr>> = match (names.len(), args.listen.len()) {
        (_, 0) => (0..names.len()).map(|index| vec![default_address(index as u16)]).collect(),
        (1, _) => vec![args.listen.clone()],
        (regions, listen) if regions == listen => args.listen.iter().map(|address| vec![*address]).collect(),
        (regions, listen) => {
            let wanted = "one --listen for each --region, or none";
            return Err(Stop::could_not_run(format!("{regions} regions and {listen} addresses: give {wanted}")));
        }
    };
    let regions = names.iter().zip(addresses).map(|(name, addresses)| Region { name: name.clone(), addresses });
    let seconds = Duration::from_secs;
    Ok(Settings {
        regions: regions.collect(),
        backend: args.backend.open(&args.state, Directory::open)?,
        plans: args.plans.clone(),
        geo: geo::Settings {
            files: args.data.clone(),
            built_in: !args.no_built_in,
            small_memory: args.small_memory,
            flags: args.flags.clone(),
            threats: args.threats.clone(),
        },
        reload_every: seconds(args.reload_every.max(1)),
        trusted: Trusted::new(args.trust.clone()),
        dialects: args.dialects,
        tls: args.tls_cert.clone().zip(args.tls_key.clone()),
        usage_log: match args.usage_log.as_str() {
            "none" => UsageLog::None,
            "-" => UsageLog::Stdout,
            path => UsageLog::File(path.into()),
        },
        aggregate,
        stream_kept: pipeline::Settings::default().stream_kept,
        replicate: true,
        enforcement: match args.enforcement {
            Policy::Replicated => Enforcement::Replicated,
            Policy::ReplicatedPlusLocal => Enforcement::ReplicatedPlusLocal,
        },
        on_unavailable: args.on_unavailable,
        rows: match args.rows {
            Rows::Memory => RowsFrom::Memory,
            Rows::Table => RowsFrom::Table,
        },
        rows_kept: seconds(10),
        limits: Limits {
            connections: args.connections,
            header_bytes: args.header_bytes as usize,
            head_time: seconds(args.request_time.max(1)),
            body_time: seconds(args.request_time.max(1)),
            idle_time: seconds(args.idle_time.max(1)),
            drain_time: seconds(args.drain_time),
            ..Limits::default()
        },
    })
}

/// Refuses a region that is named twice: it has one table, and one series of each metric.
pub(super) fn distinct(regions: &[String]) -> Result<(), Stop> {
    match regions.iter().enumerate().find(|(index, name)| regions[..*index].contains(name)) {
        None => Ok(()),
        Some((_, name)) => Err(Stop::could_not_run(format!(
            "--region {name} is given twice, expected each region once; leave one out"
        ))),
    }
}

fn run(settings: &Settings) -> Result<u8, Stop> {
    log();
    let service = Service::open(settings).map_err(Stop::could_not_run)?;
    let scheme = if service.is_secure() { "https" } else { "http" };
    // A scheduler for several threads costs more for each request, in vain where there is one core; but reads of rows
    // that wait need one.
    let mut runtime = match (thread::available_parallelism(), settings.rows) {
        (Ok(NonZero::<usize>::MIN), RowsFrom::Memory) => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = runtime.enable_all().build().map_err(Stop::could_not_run)?;
    runtime.block_on(async {
        let (stopped, asked) = listen()?;
        for (region, addresses) in service.addresses() {
            for address in addresses {
                eprintln!("listening on {scheme}://{address} ({region})");
            }
        }
        let drained = service.run(stopped, asked).await.map_err(Stop::could_not_run)?;
        let (finished, cut_off) = drained.iter().fold((0, 0), |sum, one| (sum.0 + one.finished, sum.1 + one.cut_off));
        tracing::info!(finished, cut_off, "stopped");
        Ok(0)
    })
}

/// Logs go to standard error.
pub(super) fn log() {
    let told = env::var_os(LOG_VARIABLE);
    let filter = told.as_ref().and_then(|told| EnvFilter::try_new(told.to_str()?).ok()).unwrap_or_else(|| {
        if let Some(told) = &told {
            let wanted = "expected a level such as debug, or target=level; going on with info";
            eprintln!("warning: {LOG_VARIABLE} is {told:?}, {wanted}");
        }
        EnvFilter::new("info")
    });
    let colour = io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(colour).init();
}

/// Listens for signals: whether to stop, and how often everything was to be loaded anew.
pub(super) fn listen() -> Result<(watch::Receiver<bool>, watch::Receiver<u64>), Stop> {
    let (stop, stopped) = watch::channel(false);
    let (ask, asked) = watch::channel(0);
    let heard = |kind| signal(kind).map_err(Stop::could_not_run);
    let (mut terminate, mut interrupt) = (heard(SignalKind::terminate())?, heard(SignalKind::interrupt())?);
    let mut hang_up = heard(SignalKind::hangup())?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = hang_up.recv() => ask.send_modify(|times| *times += 1),
            }
        }
        tracing::info!("stopping: finishing what is on its way");
        let _ = stop.send(true);
    });
    Ok((stopped, asked))
}
