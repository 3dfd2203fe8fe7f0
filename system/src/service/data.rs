//! Keeps the data fresh: looks for newer files, loads them aside, tries them, swaps them in. Requests notice nothing. Leads the
//! APIs' clocks on the way.
//!
//! Not here: what a file says.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    path::{Path, PathBuf},
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::{
    api::{Api, Data},
    geo::{Error, Geo, Settings},
    http::Tls,
};

/// Addresses that newer data is tried on.
const PROBES: u32 = 4_096;

/// The data of all regions, and where it came from.
#[derive(Debug)]
pub(super) struct Keeper {
    data: Arc<ArcSwap<Data>>,
    settings: Settings,
    every: Duration,
}

/// A watch being kept.
#[derive(Debug)]
pub(super) struct Watching {
    over: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

impl Keeper {
    pub(super) fn load(settings: Settings, every: Duration) -> Result<Self, Error> {
        let data = Arc::new(ArcSwap::from_pointee(Data::new(Geo::load(&settings)?)));
        Ok(Self { data, settings, every })
    }

    pub(super) fn data(&self) -> Arc<ArcSwap<Data>> {
        Arc::clone(&self.data)
    }

    /// Loads anew when a file has changed, and whenever something comes through `asked`; then the certificate, too.
    pub(super) fn watch(self, mut asked: watch::Receiver<u64>, tls: Option<Tls>, apis: Vec<Arc<Api>>) -> Watching {
        let (over, ended) = mpsc::channel();
        // Looking whether somebody asked is cheap, looking at files is not much dearer.
        const LOOK: Duration = Duration::from_millis(50);
        let work = move || {
            let mut seen = self.stamps();
            let mut waited = Duration::ZERO;
            while ended.recv_timeout(LOOK) == Err(mpsc::RecvTimeoutError::Timeout) {
                waited += LOOK;
                apis.iter().for_each(|api| api.follow_wall_time());
                let told = asked.has_changed().unwrap_or(false);
                if !told && waited < self.every {
                    continue;
                }
                waited = Duration::ZERO;
                let now = self.stamps();
                if told {
                    asked.mark_unchanged();
                    if let Some(Err(error)) = tls.as_ref().map(Tls::reload) {
                        tracing::warn!(%error, "the certificate was not loaded; the old one stays");
                    }
                }
                if told || now != seen {
                    let worked = self.reload();
                    apis.iter().for_each(|api| api.metrics.reloaded(worked));
                    seen = now;
                }
            }
        };
        let thread = thread::Builder::new().name("data".to_owned()).spawn(work);
        Watching { over, thread: thread.expect("the system has room for a thread") }
    }

    fn reload(&self) -> bool {
        let old = self.data.load_full();
        match Geo::load(&self.settings) {
            Ok(geo) if known(&geo) * 2 < known(&old.geo) => {
                let (new, old) = (known(&geo), known(&old.geo));
                tracing::warn!(new, old, of = PROBES, "newer data knows far fewer addresses; the old data stays");
                false
            }
            Ok(geo) => {
                self.data.store(Arc::new(Data::new(geo)));
                tracing::info!("data was loaded anew");
                true
            }
            Err(error) => {
                tracing::warn!(%error, "newer data was not loaded; the old data stays");
                false
            }
        }
    }

    /// What tells a file from its next version.
    fn stamps(&self) -> Vec<(PathBuf, Option<(u64, SystemTime)>)> {
        let mut paths = self.settings.files.clone();
        if let Some(directory) = &self.settings.threats {
            let entries = fs::read_dir(directory).into_iter().flatten().flatten();
            paths.extend(entries.map(|entry| entry.path()));
            paths.sort();
        }
        paths.into_iter().map(|path| (stamp(&path), path)).map(|(stamp, path)| (path, stamp)).collect()
    }
}

fn stamp(path: &Path) -> Option<(u64, SystemTime)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.len(), metadata.modified().ok()?))
}

/// How many of the probes have a place or a network.
fn known(geo: &Geo) -> usize {
    // A multiplier that scatters the probes over the whole space; they are the same each time.
    let probe = |number: u32| IpAddr::V4(Ipv4Addr::from_bits(number.wrapping_mul(2_654_435_761)));
    (0..PROBES).filter(|&number| geo.find(probe(number)).is_known()).count()
}

impl Watching {
    pub(super) fn stop(self) {
        drop(self.over);
        if self.thread.join().is_err() {
            tracing::error!("the watch over the data had panicked");
        }
    }
}
