//! Ctrl-C: the first asks the run to stop, the second ends the process.
//!
//! Not here: cleaning up, which is whose files they are.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use super::{INTERRUPTED, Stop};

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Takes over Ctrl-C.
pub(super) fn listen() -> Result<(), Stop> {
    let handler = || {
        if REQUESTED.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(INTERRUPTED));
        }
    };
    ctrlc::set_handler(handler).map_err(|error| Stop::could_not_run(format!("can't listen for Ctrl-C: {error}")))
}

/// Is set once somebody pressed it.
pub(super) fn flag() -> &'static AtomicBool {
    &REQUESTED
}

/// Whether somebody pressed it.
pub(super) fn requested() -> bool {
    REQUESTED.load(Ordering::Relaxed)
}

/// What the command then says.
pub(super) fn stop() -> Stop {
    Stop { code: INTERRUPTED, text: "interrupted: nothing was written\n".to_owned() }
}

/// What a command says whose live run was stopped.
pub(super) fn stop_live(directory: &Path) -> Stop {
    let kept = if directory.exists() {
        format!("; logs and tables of the run are in {}", directory.display())
    } else {
        String::new()
    };
    Stop { code: INTERRUPTED, text: format!("interrupted: no result was written{kept}\n") }
}
