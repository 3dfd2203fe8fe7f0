//! `georush report`.
//!
//! Not here: the page and the other outputs, which the library writes.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use clap::Args;
use georush::report::{markdown, page, read, read::Stored, write::Target};

use super::{Stop, print};

pub(super) const EXAMPLES: &str = "\
Examples:
  georush report out/black-friday/result.json -o black-friday.html
  georush report out/a/result.json out/b/result.json -o compared.html
  georush report out/black-friday/result.json --markdown summary.md --junit junit.xml";

#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// Results of `georush run`; several are compared.
    #[arg(required = true, value_name = "RESULT")]
    results: Vec<PathBuf>,
    /// One HTML page that needs no network.
    #[arg(short, long = "output", value_name = "FILE")]
    output: Option<PathBuf>,
    /// A summary in Markdown.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// JUnit XML, a case for each threshold and invariant.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// The series of a single result as CSV.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
}

/// Writes what was asked for; a summary to standard output if nothing was.
pub(super) fn report(args: &ReportArgs) -> Result<u8, Stop> {
    let read = args.results.iter().map(|path| read::read(path)).collect::<Result<Vec<Stored>, _>>();
    let results = read.map_err(Stop::could_not_run)?;
    let mut files = Vec::new();
    let mut add = |path: &Option<PathBuf>, text: &dyn Fn() -> String| {
        if let Some(path) = path {
            files.push((path.clone(), text()));
        }
    };
    add(&args.output, &|| page::page(&results));
    add(&args.markdown, &|| markdown::summary(&results));
    add(&args.junit, &|| markdown::junit(&results));
    if args.csv.is_some() && results.len() > 1 {
        return Err(Stop::could_not_run("--csv takes one result, found several; write one file for each"));
    }
    add(&args.csv, &|| markdown::csv(&results[0]));
    if files.is_empty() {
        return print(&markdown::summary(&results)).map(|()| 0);
    }
    files.iter().try_for_each(|(path, text)| write(path, text))?;
    Ok(0)
}

/// Writes a file whole or not at all.
pub(super) fn write(path: &Path, text: &str) -> Result<(), Stop> {
    let name = path.file_name().and_then(OsStr::to_str);
    let name = name.ok_or_else(|| Stop::could_not_run(format!("{}: this names no file", path.display())))?;
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let target = Target::prepare(directory, &[name]).map_err(Stop::could_not_run)?;
    target.write(name, text.as_bytes()).map_err(Stop::could_not_run)?;
    Ok(())
}
