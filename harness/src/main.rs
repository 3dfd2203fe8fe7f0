//! The command `georush`.
//!
//! Not here: anything but the way in; `cli` reads arguments, the library does the work.

#![forbid(unsafe_code)]

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
