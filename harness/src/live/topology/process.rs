//! One process of the system: started, frozen, killed, ended, always by its own id.
//!
//! Not here: which processes there are.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::live::guard;

/// Looks at a process that was told to freeze, and at one that was told to end.
const LOOKS: u32 = 2_000;
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// Last lines of a log in an error.
const LINES_TOLD: usize = 3;

/// A process and how to start it.
#[derive(Debug)]
pub struct Process {
    /// For example `edge us-east-1`.
    pub name: String,
    program: PathBuf,
    arguments: Vec<String>,
    log: PathBuf,
    /// What it finds in its environment: directories of its orders and recordings.
    environment: Vec<(&'static str, PathBuf)>,
    child: Option<Child>,
    /// How many faults hold it frozen.
    frozen: u32,
    /// Ids of all its lives.
    pub ids: Vec<u32>,
}

impl Process {
    /// Not started yet.
    #[must_use]
    pub fn new(
        name: String,
        program: PathBuf,
        arguments: Vec<String>,
        log: PathBuf,
        environment: Vec<(&'static str, PathBuf)>,
    ) -> Self {
        Self { name, program, arguments, log, environment, child: None, frozen: 0, ids: Vec::new() }
    }

    /// Starts it; its output is appended to its log.
    ///
    /// # Errors
    /// If the log or the program can't be opened.
    pub fn start(&mut self) -> io::Result<()> {
        let log = OpenOptions::new().create(true).append(true).open(&self.log)?;
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        // A Ctrl-C on the terminal is for the harness, which ends its processes in order.
        command.process_group(0).env("NO_COLOR", "1");
        guard::bind(&mut command);
        command.envs(self.environment.iter().map(|(name, path)| (name, path)));
        let child = command.spawn()?;
        self.ids.push(child.id());
        self.child = Some(child);
        if self.frozen > 0 {
            self.stop();
        }
        Ok(())
    }

    /// Its id while it lives.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// How it ended, if it has ended by itself.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.as_mut().and_then(|child| child.try_wait().ok().flatten())
    }

    /// Kills it (SIGKILL) and waits for its end.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended already, which is what is wanted.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Asks it to end (SIGTERM), waits a little, then kills it.
    pub fn end(&mut self) {
        self.signal(Signal::CONT);
        self.signal(Signal::TERM);
        for _ in 0..LOOKS {
            if self.ended().is_some() {
                break;
            }
            thread::sleep(LOOK_EVERY);
        }
        self.kill();
    }

    /// Freezes it (SIGSTOP), and whatever is started in its place, until it was thawed as often.
    pub fn freeze(&mut self) {
        self.frozen += 1;
        self.stop();
    }

    /// Never inside a transaction on files that others share: a real network has no lock that a frozen machine could hold.
    fn stop(&self) {
        for _ in 0..LOOKS {
            self.signal(Signal::STOP);
            while self.state().is_some_and(|state| !matches!(state, 'T' | 't' | 'Z' | 'X')) {
                thread::yield_now();
            }
            if !self.holds_a_write_lock() {
                return;
            }
            self.signal(Signal::CONT);
            thread::sleep(LOOK_EVERY);
        }
    }

    /// Lets it go on (SIGCONT), unless another fault holds it.
    pub fn thaw(&mut self) {
        self.frozen = self.frozen.saturating_sub(1);
        if self.frozen == 0 {
            self.signal(Signal::CONT);
        }
    }

    /// The end of its log, for errors.
    #[must_use]
    pub fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(LINES_TOLD)..].join("; ")
    }

    /// Where its output is.
    #[must_use]
    pub fn log(&self) -> &std::path::Path {
        &self.log
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
            // A process that is gone needs no signal.
            let _ = kill_process(pid, signal);
        }
    }

    /// The letter of its state, from proc(5).
    fn state(&self) -> Option<char> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id()?)).ok()?;
        stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next())
    }

    fn holds_a_write_lock(&self) -> bool {
        let Some(id) = self.id() else { return false };
        let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
        // `1: POSIX  ADVISORY  WRITE 3568 fe:01:123 120 120`; lines of those that wait have an arrow.
        locks.lines().filter(|line| !line.contains("->")).any(|line| {
            let mut words = line.split_whitespace().skip(3);
            words.next() == Some("WRITE") && words.next().and_then(|word| word.parse().ok()) == Some(id)
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Makes an empty log.
pub(super) fn new_log(path: &std::path::Path) -> io::Result<()> {
    File::create(path).map(|_| ())
}
