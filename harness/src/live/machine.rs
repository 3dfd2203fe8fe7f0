//! The machine while a run goes on: who had its CPUs, and how long our own processes waited for one.
//!
//! Not here: what follows from that for the run's validity.

use std::fs;

use rustix::param::clock_ticks_per_second;

/// Readings at one instant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// CPU time of everybody, ticks.
    busy: u64,
    /// The same and idle time, ticks.
    all: u64,
    /// CPU time that the host took, ticks.
    stolen: u64,
    /// CPU time of the harness, its processes and those that have ended, ticks.
    ours: u64,
    /// Time that threads of ours were ready and had no CPU, nanoseconds.
    waited_ns: u64,
    /// CPU time of the threads that `waited_ns` is about, nanoseconds.
    ran_ns: u64,
}

/// Who had the machine between two snapshots. Shares of all CPUs' time.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Usage {
    /// CPUs.
    pub cpus: usize,
    /// Of the harness and the system under test.
    pub ours: f64,
    /// Of everybody else on the machine.
    pub others: f64,
    /// Taken by the host.
    pub stolen: f64,
    /// Of the time that our threads wanted a CPU: how much they waited for one.
    pub waited: f64,
    /// That wait, summed over all threads, microseconds.
    pub waited_us: u64,
}

/// Reads proc(5) about the machine, this process and the processes of these ids.
#[must_use]
pub fn snapshot(ids: &[u32]) -> Snapshot {
    let mut snapshot = Snapshot::default();
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = stat.lines().next().unwrap_or_default();
    let ticks: Vec<u64> = line.split_whitespace().skip(1).take(8).filter_map(|word| word.parse().ok()).collect();
    if let [user, nice, system, idle, waiting, irq, soft_irq, stolen] = ticks[..] {
        snapshot.busy = user + nice + system + irq + soft_irq;
        snapshot.all = snapshot.busy + idle + waiting + stolen;
        snapshot.stolen = stolen;
    }
    // This process's children that were waited for are part of its own account.
    snapshot.ours = cpu_ticks("self", 4);
    for id in ids.iter().map(u32::to_string).chain(["self".to_owned()]) {
        if id != "self" {
            snapshot.ours += cpu_ticks(&id, 2);
        }
        let (ran_ns, waited_ns) = scheduled(&id);
        snapshot.ran_ns += ran_ns;
        snapshot.waited_ns += waited_ns;
    }
    snapshot
}

impl Snapshot {
    /// What has happened since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Usage {
        let share = |part: u64, of: u64| if of == 0 { 0.0 } else { part as f64 / of as f64 };
        let all = self.all.saturating_sub(earlier.all);
        let busy = self.busy.saturating_sub(earlier.busy);
        // A process's time is exact, the machine's is sampled at each tick: within few ticks a part can exceed the whole.
        let ours = self.ours.saturating_sub(earlier.ours).min(busy);
        let others = busy - ours;
        // Threads that have ended took their times with them.
        let (ran, waited) =
            (self.ran_ns.saturating_sub(earlier.ran_ns), self.waited_ns.saturating_sub(earlier.waited_ns));
        Usage {
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            ours: share(ours, all),
            others: share(others, all),
            stolen: share(self.stolen.saturating_sub(earlier.stolen), all),
            waited: share(waited, ran + waited),
            waited_us: waited / 1_000,
        }
    }
}

/// The first `fields` of utime, stime, cutime and cstime, summed.
fn cpu_ticks(id: &str, fields: usize) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let Some((_, rest)) = stat.rsplit_once(") ") else { return 0 };
    // utime is the 14th field, the state the third and the first after the name.
    rest.split(' ').skip(11).take(fields).filter_map(|word| word.parse::<u64>().ok()).sum()
}

/// Nanoseconds that the process's threads ran, and waited for a CPU.
fn scheduled(id: &str) -> (u64, u64) {
    let Ok(tasks) = fs::read_dir(format!("/proc/{id}/task")) else { return (0, 0) };
    let mut sum = (0, 0);
    for task in tasks.flatten() {
        let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        let mut words = text.split_whitespace().filter_map(|word| word.parse::<u64>().ok());
        if let (Some(ran), Some(waited)) = (words.next(), words.next()) {
            sum = (sum.0 + ran, sum.1 + waited);
        }
    }
    sum
}

/// What is known of the machine, for results that are compared later.
#[must_use]
pub fn name() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("", |rest| rest.trim_start_matches([' ', '\t', ':']));
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{cpus} x {}, Linux {} ({} ticks a second)", model.trim(), kernel.trim(), clock_ticks_per_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_of_ours_is_told_from_work_of_others() {
        let before = snapshot(&[]);
        let began = cpu_time::ProcessTime::now();
        let mut sum = 0_u64;
        while began.elapsed().as_millis() < 300 {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        let usage = snapshot(&[]).since(&before);
        assert!(usage.ours > 0.0 && usage.ours + usage.others + usage.stolen <= 1.0 + 1e-9, "{usage:?}");
        assert!((0.0..=1.0).contains(&usage.waited), "{usage:?}");
    }

    #[test]
    fn shares_add_up_to_the_whole() {
        let later = Snapshot { busy: 60, all: 100, stolen: 10, ours: 45, waited_ns: 1_000, ran_ns: 3_000 };
        let usage = later.since(&Snapshot::default());
        assert_eq!((usage.ours, usage.others, usage.stolen), (0.45, 0.15, 0.10), "idle is the rest");
        assert_eq!((usage.waited, usage.waited_us), (0.25, 1));
    }

    #[test]
    fn our_share_is_at_most_what_the_machine_was_busy() {
        let later = Snapshot { busy: 29, all: 30, ours: 31, ..Snapshot::default() };
        let usage = later.since(&Snapshot::default());
        assert_eq!((usage.ours, usage.others), (29.0 / 30.0, 0.0));
    }
}
