//! Points at which a test may have the process kill itself with SIGKILL: nothing is finished, written or given back.
//!
//! `GEORUSH_CRASH_AT=point` ends it when it passes that point; `point@file` only once the file exists. A build without debug
//! assertions (`--release`) has no such points. Not here: what must hold afterwards.

/// Ends the process here, if a test asked for it.
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
    use rustix::process::{Signal, getpid, kill_process};

    /// Name of the point, and the file that must exist.
    static ASKED: OnceLock<Option<(String, Option<PathBuf>)>> = OnceLock::new();

    pub(super) fn check(name: &str) {
        let asked = ASKED.get_or_init(|| {
            let asked = env::var("GEORUSH_CRASH_AT").ok()?;
            Some(match asked.split_once('@') {
                Some((point, file)) => (point.to_owned(), Some(file.into())),
                None => (asked, None),
            })
        });
        if let Some((point, file)) = asked
            && point == name
            && file.as_ref().is_none_or(|file| file.exists())
        {
            end();
        }
    }

    fn end() -> ! {
        #[cfg(unix)]
        let _ = kill_process(getpid(), Signal::KILL);
        // Where there is no such signal.
        process::abort()
    }
}
