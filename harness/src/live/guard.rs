//! Processes of the live mode end with the harness, whatever ends it.
//!
//! The harness names itself in the environment of each process that it starts; that process asks the kernel, first thing, to be
//! killed when its parent dies. This holds after SIGKILL and panics, too. Not here: the orderly end, which is the topology's.

use std::process::Command;

const PARENT: &str = "GEORUSH_PARENT";

/// Makes `command` end with this process.
pub fn bind(command: &mut Command) {
    command.env(PARENT, std::process::id().to_string());
}

/// If this process was started by a harness: makes it end with that one, or now if that one is gone.
#[cfg(target_os = "linux")]
pub fn obey() {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    use std::env;

    let Some(parent) = env::var_os(PARENT).and_then(|value| value.to_str().and_then(|text| text.parse::<i32>().ok()))
    else {
        return;
    };
    let bound = set_parent_process_death_signal(Some(Signal::KILL));
    // It may have died before the kernel was asked.
    let there = getppid().is_some_and(|pid| pid.as_raw_nonzero().get() == parent);
    if bound.is_err() || !there {
        std::process::exit(2);
    }
}
