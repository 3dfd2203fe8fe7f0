//! `georush report`.
//!
//! Not here: the page and the other outputs, which the library writes.

use std::path::PathBuf;

use clap::Args;
use georush::report::{markdown, page, read, read::Stored};

use super::{
    Stop,
    outputs::{Outputs, write},
    print,
};

pub(super) const EXAMPLES: &str = "\
Examples:
  georush report out/black-friday/result.json -o black-friday.html
  georush report out/a/result.json out/b/result.json -o compared.html
  georush report out/black-friday/result.json --markdown summary.md --junit junit.xml
  georush report out/black-friday/result.json --hlog black-friday.hlog --openmetrics metrics.txt
  georush report out/*/result.json --github";

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// Results of `georush run`; several are compared.
    #[arg(required = true, value_name = "RESULT")]
    results: Vec<PathBuf>,
    /// One HTML page that needs no network.
    #[arg(short, long = "output", value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    outputs: Outputs,
}

/// Writes what was asked for; a summary to standard output if nothing was.
pub(super) fn report(args: &ReportArgs) -> Result<u8, Stop> {
    let read = args.results.iter().map(|path| read::read(path)).collect::<Result<Vec<Stored>, _>>();
    let results = read.map_err(Stop::could_not_run)?;
    if args.output.is_none() && args.outputs.is_empty() {
        return print(&markdown::summary(&results)).map(|()| 0);
    }
    args.outputs.write(&results)?;
    if let Some(path) = &args.output {
        write(path, &page::page(&results))?;
    }
    Ok(0)
}
