//! Points at which a test may have the process kill itself with SIGKILL: nothing is finished, written or given back. Or stop
//! itself with SIGSTOP, until the test wakes it.
//!
//! `GEORUSH_CRASH_AT=point` ends it when it passes that point; `point@file` only while the file exists. `GEORUSH_SLEEP_AT` stops
//! it. A build without debug assertions (`--release`) has no such points. Not here: what must hold afterwards.

/// Ends or stops the process here, if a test asked for it.
#[inline]
pub fn point(name: &'static str) {
    #[cfg(debug_assertions)]
    asked::check(name);
    #[cfg(not(debug_assertions))]
    let _ = name;
}

#[cfg(debug_assertions)]
mod asked {
    use std::{env, path::PathBuf, process, sync::OnceLock};
    #[cfg(unix)]
    use std::{thread, time::Duration};

    #[cfg(unix)]
    use rustix::process::{Signal, getpid, kill_process};

    /// Name of a point, and the file that must exist.
    type Asked = OnceLock<Option<(String, Option<PathBuf>)>>;

    static CRASH: Asked = Asked::new();
    #[cfg(unix)]
    static SLEEP: Asked = Asked::new();

    pub(super) fn check(name: &str) {
        if is_asked(&CRASH, "GEORUSH_CRASH_AT", name) {
            end();
        }
        #[cfg(unix)]
        if is_asked(&SLEEP, "GEORUSH_SLEEP_AT", name) {
            let _ = kill_process(getpid(), Signal::STOP);
            // Another thread may be the one that takes the signal; until it has, this one goes no further.
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn is_asked(asked: &'static Asked, variable: &str, name: &str) -> bool {
        let asked = asked.get_or_init(|| {
            let asked = env::var(variable).ok()?;
            Some(match asked.split_once('@') {
                Some((point, file)) => (point.to_owned(), Some(file.into())),
                None => (asked, None),
            })
        });
        asked.as_ref().is_some_and(|(point, file)| point == name && file.as_ref().is_none_or(|file| file.exists()))
    }

    fn end() -> ! {
        #[cfg(unix)]
        let _ = kill_process(getpid(), Signal::KILL);
        // Where there is no such signal.
        process::abort()
    }
}
