//! The real system on this machine: one edge process for each region, an aggregator, a replicator for each region.
//!
//! Every process has a loopback address of its own, one port for all of them, and a log file. Not here: a system that runs
//! elsewhere, which is only a table of addresses.

mod process;

use std::{
    fs,
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use georush_core::{
    Timestamp,
    edge::{Enforcement, OnUnavailable},
};
use georush_system::{record, store::Directory};

use super::{
    callers::{self, Callers},
    clock::Clock,
    faults::Done,
    link::{self, Orders},
};
use crate::{
    report::write::WriteError,
    scenario::{Node, Scenario},
};
pub use process::Process;

/// Where recordings of cores are, below a run's directory.
pub const RECORDINGS: &str = "recording";
/// How long the processes may take to become ready.
const READY_WITHIN_US: u64 = 60_000_000;
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Who may say where a request comes from: the harness, which calls from a loopback address.
const TRUSTED: &str = "127.0.0.0/8";

/// Why the system can't be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody listens there.
    #[error(
        "{address} is in use, wanted for the {name}: end what listens there, or give another port with --set live.port=N"
    )]
    InUse {
        /// The address.
        address: SocketAddr,
        /// For whom.
        name: String,
    },
    /// A process did not become ready.
    #[error("the {name} {what}; its log {log} ends: {words}")]
    NotReady {
        /// Which.
        name: String,
        /// What it did instead.
        what: String,
        /// Where its log is.
        log: String,
        /// The end of the log.
        words: String,
    },
    /// Files or processes can't be made.
    #[error("can't start the system in {directory}: {cause}")]
    Failed {
        /// The directory of the run.
        directory: String,
        /// What the system says.
        cause: String,
    },
    /// What the processes are to know can't be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Somebody pressed Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

/// The running system.
#[derive(Debug)]
pub struct Topology {
    /// Where each region's edge listens, by region index.
    pub addresses: Vec<SocketAddr>,
    /// The state directory that the processes share.
    pub state: PathBuf,
    /// What the processes know of the way to the centre.
    orders: Orders,
    link: PathBuf,
    processes: Vec<(Node, Process)>,
}

impl Topology {
    /// Signs the keys up as of `created`, starts everything in `directory` (which is emptied) and waits until every edge is ready. If
    /// asked for, every process records its cores in [`RECORDINGS`].
    ///
    /// # Errors
    /// The first thing that is wrong. Nothing runs then.
    pub fn start(
        scenario: &Scenario,
        callers: &Callers,
        created: Timestamp,
        directory: &Path,
        record: bool,
        stop: &AtomicBool,
    ) -> Result<Self, Error> {
        let failed = |cause: String| Error::Failed { directory: directory.display().to_string(), cause };
        let port = scenario.live.port;
        let regions = &scenario.system.regions;
        let addresses: Vec<_> = (0..regions.len()).map(|region| address(region, port)).collect();
        for (address, region) in addresses.iter().zip(regions) {
            if TcpListener::bind(address).is_err() {
                return Err(Error::InUse { address: *address, name: format!("edge of {region}") });
            }
        }
        let told = |error: std::io::Error| failed(error.to_string());
        if directory.exists() {
            fs::remove_dir_all(directory).map_err(told)?;
        }
        let (state, logs, link) = (directory.join("state"), directory.join("logs"), directory.join("link"));
        fs::create_dir_all(&logs).map_err(told)?;
        let plans_file = directory.join("plans.toml");
        let plans = callers::plans(scenario).map_err(&failed)?;
        fs::write(&plans_file, plans).map_err(told)?;
        prepare(scenario, callers, created, &state).map_err(|error| failed(error.to_string()))?;
        let orders = Orders::new(scenario);
        orders.write(&link)?;
        let mut environment = vec![(link::ORDERS, link.clone())];
        if record {
            // Processes may be started from elsewhere.
            let recordings = std::path::absolute(directory.join(RECORDINGS)).map_err(told)?;
            fs::create_dir_all(&recordings).map_err(told)?;
            environment.push((record::DIRECTORY, recordings));
        }

        let program = std::env::current_exe().map_err(told)?;
        let text = |path: &Path| path.display().to_string();
        let mut processes = Vec::new();
        let mut add = |node: Node, name: String, arguments: Vec<String>| -> Result<(), Error> {
            let log = logs.join(format!("{}.log", name.replace(' ', "-")));
            process::new_log(&log).map_err(told)?;
            processes.push((node, Process::new(name, program.clone(), arguments, log, environment.clone())));
            Ok(())
        };
        add(Node::Aggregator, "aggregator".to_owned(), words(&["aggregator", "--state", &text(&state)]))?;
        for (index, region) in regions.iter().enumerate() {
            let arguments = words(&["replicator", "--region", region, "--state", &text(&state)]);
            add(Node::Replicator(index), format!("replicator {region}"), arguments)?;
            let (address, files) = (addresses[index].to_string(), (text(&state), text(&plans_file)));
            let mut arguments =
                words(&["edge", "--no-replicator", "--region", region, "--listen", &address, "--state", &files.0]);
            arguments.extend(words(&[
                "--plans",
                &files.1,
                "--trust",
                TRUSTED,
                "--small-memory",
                "--idle-time",
                "3600",
            ]));
            arguments.extend(words(&["--enforcement", enforcement(scenario.system.enforcement)]));
            arguments.extend(words(&["--on-unavailable", &on_unavailable(scenario.system.on_unavailable)]));
            add(Node::Edge(index), format!("edge {region}"), arguments)?;
        }
        let mut topology = Self { addresses, state, orders, link, processes };
        for (_, process) in &mut topology.processes {
            process.start().map_err(|error| failed(error.to_string()))?;
        }
        topology.wait_ready(stop)?;
        Ok(topology)
    }

    /// Tells the processes when the run begins.
    ///
    /// # Errors
    /// If the run's directory can't be written to.
    pub fn tell_start(&mut self, at: Timestamp) -> Result<(), Error> {
        self.orders = self.orders.clone().starting(at);
        Ok(self.orders.write(&self.link)?)
    }

    /// What the processes felt of the orders.
    #[must_use]
    pub fn felt(&self) -> Vec<Done> {
        self.orders.felt(&self.link)
    }

    /// The process of a node.
    ///
    /// # Panics
    /// For a region that the scenario does not have.
    pub fn process(&mut self, node: Node) -> &mut Process {
        let found = self.processes.iter_mut().find(|(of, _)| *of == node);
        &mut found.expect("every region of the scenario has its processes").1
    }

    /// Ids of all processes, dead ones too.
    #[must_use]
    pub fn ids(&self) -> Vec<u32> {
        self.processes.iter().flat_map(|(_, process)| process.ids.iter().copied()).collect()
    }

    /// Processes that have ended although nobody asked them to, and their last words.
    pub fn casualties(&mut self) -> Vec<String> {
        let gone = |(_, process): &mut (Node, Process)| {
            process.ended().map(|status| format!("{} ended with {status}: {}", process.name, process.last_words()))
        };
        self.processes.iter_mut().filter_map(gone).collect()
    }

    /// Asks all processes to end, edges first, and waits.
    pub fn end(mut self) {
        self.processes.sort_by_key(|(node, _)| !matches!(node, Node::Edge(_)));
        for (_, process) in &mut self.processes {
            process.end();
        }
    }

    fn wait_ready(&mut self, stop: &AtomicBool) -> Result<(), Error> {
        let clock = Clock::starting(Duration::ZERO);
        for index in 0..self.processes.len() {
            let Node::Edge(region) = self.processes[index].0 else { continue };
            let address = self.addresses[region];
            while !is_ready(address) {
                if stop.load(Ordering::Relaxed) {
                    return Err(Error::Interrupted);
                }
                let late = clock.now_us() > READY_WITHIN_US;
                let gone = self.processes.iter_mut().find_map(|(_, p)| p.ended().map(|status| (p, status)));
                let (process, what) = match gone {
                    Some((process, status)) => (&*process, format!("ended with {status}")),
                    None if late => {
                        (&self.processes[index].1, format!("was not ready after {} s", READY_WITHIN_US / 1_000_000))
                    }
                    None => {
                        thread::sleep(LOOK_EVERY);
                        continue;
                    }
                };
                let (name, log, words) =
                    (process.name.clone(), process.log().display().to_string(), process.last_words());
                return Err(Error::NotReady { name, what, log, words });
            }
        }
        Ok(())
    }
}

/// The address of a region's edge: the first region's is 127.0.71.1.
fn address(region: usize, port: u16) -> SocketAddr {
    let [high, low] = ((region + 1) as u16).to_be_bytes();
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 71 + high, low)), port)
}

/// Registers the regions in the scenario's order, so that their numbers are its indices, and signs the keys up.
fn prepare(
    scenario: &Scenario,
    callers: &Callers,
    created: Timestamp,
    state: &Path,
) -> Result<(), georush_system::store::Error> {
    let directory = Directory::open(state)?;
    for region in &scenario.system.regions {
        directory.regional(region)?;
    }
    directory.central()?.sign_up_all(&callers.accounts(scenario, created))
}

/// Whether the edge at `address` says that its rows can be believed.
fn is_ready(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut socket = TcpStream::connect_timeout(&address, Duration::from_millis(500))?;
        socket.set_read_timeout(Some(Duration::from_secs(1)))?;
        socket.write_all(b"GET /readyz HTTP/1.1\r\nhost: georush\r\nconnection: close\r\n\r\n")?;
        let mut status = [0; 12];
        socket.read_exact(&mut status)?;
        Ok(status.ends_with(b" 200"))
    };
    ask().unwrap_or(false)
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

fn enforcement(enforcement: Enforcement) -> &'static str {
    match enforcement {
        Enforcement::Replicated => "replicated",
        Enforcement::ReplicatedPlusLocal => "replicated-plus-local",
    }
}

fn on_unavailable(policy: OnUnavailable) -> String {
    match policy {
        OnUnavailable::Open => "open".to_owned(),
        OnUnavailable::Closed => "closed".to_owned(),
        OnUnavailable::Safe(n) => n.to_string(),
    }
}
