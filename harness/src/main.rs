//! The command `georush`.
//!
//! Not here: anything but the way in; `cli` reads arguments, the library does the work.

#![forbid(unsafe_code)]

mod cli;

/// A server allocates for every connection and every answer.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
