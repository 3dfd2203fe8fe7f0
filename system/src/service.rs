//! The service as a whole: regions with their edges and listeners, the data they share, the pipeline behind them.
//!
//! Not here: what any part does; this only ties them together and ends them in order.

mod courier;
mod data;
mod readings;
mod roles;

use std::{
    fs::OpenOptions,
    io::{self, Write},
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use georush_core::edge::{Enforcement, OnUnavailable};
use tokio::sync::watch;

use crate::{
    address::Trusted,
    api::{Api, Dialects},
    backend::Backend,
    edge::{self, Edge},
    geo,
    http::{self, Drained, Limits, Server, Tls, tls},
    pipeline::{self, Pipeline, join},
    plans::{Plans, PlansError},
    store,
};
pub use roles::{RoleSettings, Roles};

use courier::Courier;
use data::Keeper;

/// One region that this process serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// Its name.
    pub name: String,
    /// Where it listens.
    pub addresses: Vec<SocketAddr>,
}

/// Where usage log lines go, beside the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UsageLog {
    /// Nowhere else.
    None,
    /// Standard output.
    Stdout,
    /// A file, appended to.
    File(PathBuf),
}

/// Where requests find their rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowsFrom {
    /// In memory, where the region's change feed brings them.
    Memory,
    /// In the region's table: one read for each request, which waits for it.
    Table,
}

/// Everything that the service needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The regions of this process.
    pub regions: Vec<Region>,
    /// Where the tables and the stream are.
    pub backend: Arc<dyn Backend>,
    /// The plans file, if not the built-in plans.
    pub plans: Option<PathBuf>,
    /// The data.
    pub geo: geo::Settings,
    /// How often files are looked at for newer data.
    pub reload_every: Duration,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted: Trusted,
    /// Dialects of other services that are spoken, too.
    pub dialects: Dialects,
    /// Certificate chain and key, as PEM files.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Where usage log lines go, beside the stream.
    pub usage_log: UsageLog,
    /// Whether to count, too; one process of those that share a state directory must.
    pub aggregate: bool,
    /// If so, how long counted records stay in the stream.
    pub stream_kept: Duration,
    /// Whether to copy counts back to these regions, too; for each region, some process must.
    pub replicate: bool,
    /// How rows become verdicts.
    pub enforcement: Enforcement,
    /// What happens when the region's table can't be read.
    pub on_unavailable: OnUnavailable,
    /// Where requests find their rows.
    pub rows: RowsFrom,
    /// For how long rows are believed after the region's table was last read.
    pub rows_kept: Duration,
    /// What a peer may do.
    pub limits: Limits,
}

/// Why the service can't start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data.
    #[error(transparent)]
    Geo(#[from] geo::Error),
    /// The plans.
    #[error(transparent)]
    Plans(#[from] PlansError),
    /// The tables or the stream.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A listener.
    #[error(transparent)]
    Http(#[from] http::Error),
    /// The certificate.
    #[error(transparent)]
    Tls(#[from] tls::Error),
    /// The usage log.
    #[error("{path}: can't be appended to: {cause}; give a file in a directory that exists, or `none`")]
    UsageLog {
        /// The file.
        path: String,
        /// What the system says.
        cause: io::Error,
    },
}

/// A service that is ready: everything is open, nothing is served yet.
#[derive(Debug)]
pub struct Service {
    keeper: Keeper,
    pipeline: Pipeline,
    parts: Vec<Part>,
    tls: Option<Tls>,
}

#[derive(Debug)]
struct Part {
    region: String,
    api: Arc<Api>,
    server: Server,
    courier: Courier,
}

impl Service {
    /// Opens everything. Listeners are bound last, so that whoever can connect will be answered.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub fn open(settings: &Settings) -> Result<Self, Error> {
        let plans = settings.plans.as_deref().map_or_else(|| Ok(Plans::default()), Plans::load)?;
        let tls = settings.tls.as_ref().map(|(chain, key)| Tls::load(chain, key, settings.reload_every)).transpose()?;
        let mut logs = Vec::new();
        for _ in &settings.regions {
            logs.push(open_log(&settings.usage_log)?);
        }
        let keeper = Keeper::load(settings.geo.clone(), settings.reload_every)?;
        let names: Vec<&str> = settings.regions.iter().map(|region| region.name.as_str()).collect();
        let (aggregate, stream_kept) = (settings.aggregate, settings.stream_kept);
        let pace = pipeline::Settings { aggregate, stream_kept, ..pipeline::Settings::default() };
        let copied: &[&str] = if settings.replicate { &names } else { &[] };
        let pipeline = Pipeline::start(&settings.backend, copied, pace)?;
        let mut parts = Vec::new();
        for (region, log) in settings.regions.iter().zip(logs) {
            let joined = join(&*settings.backend, &region.name)?;
            let edge = edge::Settings {
                enforcement: settings.enforcement,
                on_unavailable: settings.on_unavailable,
                ..edge::Settings::new(joined.origin)
            };
            let edge = Arc::new(Edge::new(edge, &plans));
            let mut courier = Courier::new(Arc::clone(&edge), joined, log, settings.rows_kept);
            let rows = match settings.rows {
                RowsFrom::Memory => {
                    courier.fetch_all()?;
                    None
                }
                RowsFrom::Table => {
                    courier.leave_rows();
                    Some(settings.backend.rows(&region.name)?)
                }
            };
            let server = Server::bind(&region.addresses, tls.clone(), settings.limits.clone())?;
            let readings = readings::of_region(&region.name, &server, &pipeline);
            let api = Api::new(keeper.data(), edge, settings.trusted.clone(), readings);
            let api = Arc::new(api.with_dialects(settings.dialects).with_rows(rows));
            parts.push(Part { region: region.name.clone(), api, server, courier });
        }
        Ok(Self { keeper, pipeline, parts, tls })
    }

    /// Each region and the addresses it listens on.
    pub fn addresses(&self) -> impl Iterator<Item = (&str, &[SocketAddr])> {
        self.parts.iter().map(|part| (part.region.as_str(), part.server.local_addresses()))
    }

    /// Whether it speaks TLS.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.tls.is_some()
    }

    /// Loads data and certificate anew, at the next chance, whenever something comes through `asked`. Serves until
    /// `shutdown` changes or its sender is gone; then answers what is on its way, and writes all usage.
    ///
    /// # Errors
    ///
    /// If a socket can't be handed to the runtime.
    pub async fn run(
        self,
        shutdown: watch::Receiver<bool>,
        asked: watch::Receiver<u64>,
    ) -> Result<Vec<Drained>, Error> {
        let reloading =
            self.keeper.watch(asked, self.tls, self.parts.iter().map(|part| Arc::clone(&part.api)).collect());
        let mut serving = Vec::new();
        let mut couriers = Vec::new();
        for part in self.parts {
            couriers.push(part.courier.start());
            let mut shutdown = shutdown.clone();
            let over = async move {
                let _ = shutdown.wait_for(|over| *over).await;
            };
            serving.push(tokio::spawn(part.server.run(part.api, over)));
        }
        let mut drained = Vec::new();
        for server in serving {
            drained.push(server.await.expect("serving does not panic")?);
        }
        reloading.stop();
        // Everything that was admitted is in the edges by now.
        for courier in couriers {
            courier.stop();
        }
        self.pipeline.stop();
        Ok(drained)
    }
}

/// Usage lines, somewhere.
type Log = Option<Box<dyn Write + Send>>;

fn open_log(log: &UsageLog) -> Result<Log, Error> {
    Ok(match log {
        UsageLog::None => None,
        UsageLog::Stdout => Some(Box::new(io::stdout())),
        UsageLog::File(path) => {
            let file = OpenOptions::new().create(true).append(true).open(path);
            let wrong = |cause| Error::UsageLog { path: path.display().to_string(), cause };
            Some(Box::new(file.map_err(wrong)?))
        }
    })
}

/// Where a region listens if nobody says: on this machine only, one port after the other.
#[must_use]
pub fn default_address(index: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::from([127, 0, 0, 1]), 8080 + index)
}
