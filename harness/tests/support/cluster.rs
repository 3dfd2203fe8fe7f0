//! Roles as real processes over one state directory: started, asked, killed, and what came of it in the tables.
//!
//! Not here: what must come of it.

// Each test file uses its part.
#![allow(dead_code)]
// Real processes take real time.
#![allow(clippy::disallowed_methods)]

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use georush_system::{
    core::Identifier,
    item::{Item, Usage},
    key,
    store::Directory,
};

const SIGKILL: i32 = 9;
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A directory of the test's own, with a key; gone when the test ends.
pub(crate) struct Cluster {
    pub(crate) path: PathBuf,
    pub(crate) key: String,
    started: u32,
    /// Tables and stream are what its backend file says, not files.
    elsewhere: bool,
}

/// A process of it, killed when dropped.
pub(crate) struct Role {
    child: Child,
    log: PathBuf,
}

/// An edge with a connection.
pub(crate) struct Edge {
    pub(crate) role: Role,
    client: Client,
    pub(crate) region: String,
    /// The life that it counts under, if it is in files.
    pub(crate) epoch: u16,
    known: bool,
}

impl Cluster {
    pub(crate) fn new(name: &str) -> Self {
        Self::begin(name, None)
    }

    /// One whose tables and stream are where this backend file says.
    pub(crate) fn on(name: &str, backend: &str) -> Self {
        Self::begin(name, Some(backend))
    }

    fn begin(name: &str, backend: Option<&str>) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cluster").join(name);
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).expect("the target directory is writable");
        let elsewhere = backend.is_some();
        let cluster = Self { path, key: "a-key-of-the-tests".to_owned(), started: 0, elsewhere };
        if let Some(backend) = backend {
            fs::write(cluster.path.join("backend.toml"), backend).expect("writable");
        }
        fs::write(cluster.path.join("plans.toml"), "[plans.p]\nquota = 100000000\nwindow = \"month-calendar\"\n")
            .expect("writable");
        let made = cluster.run(&["keys", "create", "--plan", "p", "--plans", "plans.toml", "--key", &cluster.key]);
        assert!(made.0, "{}", made.1);
        cluster
    }

    /// A command to its end: whether it worked, and what it said.
    pub(crate) fn run(&self, arguments: &[&str]) -> (bool, String) {
        let output = self.command(arguments).output().expect("starts");
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_georush"));
        command.args(arguments).current_dir(&self.path).env("GEORUSH_STATE", "state");
        command.env_remove("GEORUSH_CRASH_AT").env_remove("GEORUSH_SLEEP_AT");
        if self.elsewhere {
            command.env("GEORUSH_BACKEND", "backend.toml");
        }
        command.stdin(Stdio::null());
        command
    }

    /// Starts a role; `crash_at` is a point of `georush_system::crash`, which holds while the file `now` exists.
    pub(crate) fn start(&mut self, arguments: &[&str], crash_at: Option<&str>) -> Role {
        self.spawn(arguments, crash_at.map(|point| ("GEORUSH_CRASH_AT", point)))
    }

    /// Starts a role that stops at a point, until it is sent SIGCONT.
    pub(crate) fn sleeper(&mut self, arguments: &[&str], point: &str) -> Role {
        self.spawn(arguments, Some(("GEORUSH_SLEEP_AT", point)))
    }

    fn spawn(&mut self, arguments: &[&str], at: Option<(&str, &str)>) -> Role {
        self.started += 1;
        let log = self.path.join(format!("{}-{}.log", arguments[0], self.started));
        let mut command = self.command(arguments);
        if let Some((variable, point)) = at {
            command.env(variable, format!("{point}@now"));
        }
        let told = File::create(&log).expect("writable");
        let child = command.stdout(Stdio::null()).stderr(told).spawn().expect("starts");
        Role { child, log }
    }

    pub(crate) fn aggregator(&mut self, crash_at: Option<&str>) -> Role {
        self.start(&["aggregator", "--poll", "5", "--lease", "300"], crash_at)
    }

    pub(crate) fn replicator(&mut self, regions: &[&str], crash_at: Option<&str>) -> Role {
        let mut arguments = vec!["replicator", "--poll", "5"];
        regions.iter().for_each(|region| arguments.extend(["--region", region]));
        self.start(&arguments, crash_at)
    }

    pub(crate) fn edge(&mut self, region: &str, crash_at: Option<&str>) -> Edge {
        let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../system/tests/fixtures/GeoLite2-City-Test.mmdb");
        let role = self.start(
            &[
                "edge",
                "--region",
                region,
                "--listen",
                "127.0.0.1:0",
                "--data",
                data,
                "--no-built-in",
                "--no-replicator",
                "--plans",
                "plans.toml",
            ],
            crash_at,
        );
        let client = Client::new(role.address());
        let epoch = if self.elsewhere { 0 } else { self.epoch(region) };
        Edge { role, client, region: region.to_owned(), epoch, known: false }
    }

    /// Lets the crash or sleep happen that a role was started with.
    pub(crate) fn arm(&self) {
        fs::write(self.path.join("now"), "").expect("writable");
    }

    pub(crate) fn disarm(&self) {
        let _ = fs::remove_file(self.path.join("now"));
    }

    pub(crate) fn directory(&self) -> Directory {
        Directory::open(&self.path.join("state")).expect("writable")
    }

    fn subject(&self) -> Identifier {
        key::identifier(&self.key)
    }

    fn epoch(&self, region: &str) -> u16 {
        let connection = rusqlite::Connection::open(self.path.join("state/central.db")).expect("opens");
        connection.busy_timeout(PATIENCE).expect("a time");
        connection
            .query_row("SELECT epoch FROM regions WHERE name = ?", [region], |row| row.get(0))
            .expect("the edge has joined")
    }

    /// What was counted of each region's lives.
    pub(crate) fn lives(&self) -> BTreeMap<(String, u16), u64> {
        let mut central = self.directory().central().expect("opens");
        let names: BTreeMap<_, _> = central.regions().expect("read").into_iter().collect();
        let item = central.item(&self.subject()).expect("read");
        let components = item.usage.into_iter().flat_map(|usage| usage.components);
        components.map(|(origin, value)| ((names[&origin.region].clone(), origin.epoch), value)).collect()
    }

    pub(crate) fn central(&self) -> u64 {
        count(&self.directory().central().expect("opens").item(&self.subject()).expect("read"))
    }

    pub(crate) fn regional(&self, region: &str) -> u64 {
        count(&self.directory().regional(region).expect("opens").item(&self.subject()).expect("read"))
    }

    /// Waits until the centre and all `regions` show exactly `wanted`, and still do after another look.
    pub(crate) fn settles(&self, regions: &[&str], wanted: u64, context: &str) {
        let seen = || {
            let mut seen = vec![self.central()];
            seen.extend(regions.iter().map(|region| self.regional(region)));
            seen
        };
        let until = Instant::now() + PATIENCE;
        while seen().iter().any(|count| *count != wanted) {
            assert!(Instant::now() < until, "{context}: expected {wanted} everywhere, found {:?}", seen());
            thread::sleep(Duration::from_millis(5));
        }
        thread::sleep(Duration::from_millis(20));
        assert!(seen().iter().all(|count| *count == wanted), "{context}: {wanted} did not last: {:?}", seen());
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if !thread::panicking() {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

fn count(item: &Item) -> u64 {
    item.usage.as_ref().map_or(0, Usage::total)
}

/// Waits until something holds.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "waited in vain for: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

impl Role {
    /// Where it listens, once it does.
    pub(crate) fn address(&self) -> String {
        let mut address = None;
        eventually("an address", || {
            let told = fs::read_to_string(&self.log).unwrap_or_default();
            let line = told.lines().find_map(|line| line.strip_prefix("listening on http://"));
            address = line.filter(|_| told.ends_with('\n')).and_then(|line| line.split(' ').next()).map(str::to_owned);
            address.is_some()
        });
        address.expect("found")
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("ours");
        self.child.wait().expect("ours");
    }

    /// Waits for it to end by itself; says whether it ended well.
    pub(crate) fn ends(&mut self) -> bool {
        let mut ended = None;
        eventually("the end of a process", || {
            ended = self.child.try_wait().expect("ours");
            ended.is_some()
        });
        let killed = ended.and_then(|status| std::os::unix::process::ExitStatusExt::signal(&status));
        assert!(killed.is_none_or(|signal| signal == SIGKILL), "ended by signal {killed:?}: {}", self.log());
        ended.is_some_and(|status| status.success())
    }

    /// Waits until it is stopped.
    pub(crate) fn sleeps(&self) {
        eventually("a process that sleeps", || {
            let state = Command::new("ps").args(["-o", "state=", "-p", &self.child.id().to_string()]).output();
            state.expect("ps exists").stdout.starts_with(b"T")
        });
    }

    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.expect("kill exists").success());
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        let _ = (self.child.kill(), self.child.wait());
    }
}

impl Edge {
    /// Asks once; whether it was served. Nobody knows of a request whose answer did not come.
    pub(crate) fn ask(&mut self, key: &str) -> bool {
        let target = format!("/8.8.8.8?api-key={key}");
        self.client.get(&target).is_some_and(|status| status == 200)
    }

    /// Is served so many times.
    pub(crate) fn serve(&mut self, key: &str, times: u64) -> u64 {
        // The first time, a replicator may still have to bring the key.
        let known = self.known;
        if !known && times > 0 {
            eventually("the key in the region", || self.ask(key));
            self.known = true;
        }
        for _ in u64::from(!known).min(times)..times {
            assert!(self.ask(key), "{} does not serve: {}", self.region, self.role.log());
        }
        times
    }
}

/// One kept-alive connection.
pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    pub(crate) fn new(address: String) -> Self {
        let stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time");
        stream.set_nodelay(true).expect("an option");
        Self(BufReader::new(stream))
    }

    /// The status of the answer, if there was one.
    pub(crate) fn get(&mut self, target: &str) -> Option<u16> {
        let head = format!("GET {target} HTTP/1.1\r\nHost: api\r\n\r\n");
        self.0.get_mut().write_all(head.as_bytes()).ok()?;
        let (mut line, mut status, mut length) = (String::new(), None, 0);
        loop {
            line.clear();
            if self.0.read_line(&mut line).ok()? <= 2 {
                break;
            }
            let text = line.trim_end().to_ascii_lowercase();
            if let Some(rest) = text.strip_prefix("http/1.1 ") {
                status = rest.get(..3)?.parse().ok();
            } else if let Some(value) = text.strip_prefix("content-length: ") {
                length = value.parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).ok()?;
        status
    }
}
