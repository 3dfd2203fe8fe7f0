//! Files that results are turned into, as `run` and `report` take them.
//!
//! Not here: what is in them; the library writes it.

use std::{
    env,
    fs::OpenOptions,
    io::Write,
    path::{Path, PathBuf},
};

use clap::Args;
use georush::report::{
    csv, github, hlog, junit, markdown, openmetrics,
    read::Stored,
    write::{self, Target},
};

use super::{Stop, print};

/// Where GitHub Actions wants a step's summary.
const STEP_SUMMARY: &str = "GITHUB_STEP_SUMMARY";

#[derive(Debug, Args)]
pub(super) struct Outputs {
    /// A summary in Markdown.
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// JUnit XML, a case for each threshold and invariant.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// The series of a single result as CSV.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Latency histograms of a single result, for HdrHistogram's tools.
    #[arg(long, value_name = "FILE")]
    hlog: Option<PathBuf>,
    /// OpenMetrics text.
    #[arg(long, value_name = "FILE")]
    openmetrics: Option<PathBuf>,
    /// Annotations of GitHub Actions, and the summary appended to the file that GITHUB_STEP_SUMMARY names.
    #[arg(long)]
    github: bool,
}

impl Outputs {
    /// Whether nothing was asked for.
    pub(super) fn is_empty(&self) -> bool {
        self.files().is_empty() && !self.github
    }

    fn files(&self) -> Vec<&Path> {
        let all = [&self.markdown, &self.junit, &self.csv, &self.hlog, &self.openmetrics];
        all.into_iter().filter_map(Option::as_deref).collect()
    }

    /// Proves that every file can be written, before a long run.
    pub(super) fn prepare(&self) -> Result<(), Stop> {
        self.files().into_iter().try_for_each(|path| place(path).map(|(target, _)| target.discard()))
    }

    /// Writes what was asked for of one result, given its file and its text.
    pub(super) fn write_one(&self, file: &str, text: &str) -> Result<(), Stop> {
        if self.is_empty() {
            return Ok(());
        }
        self.write(&[Stored::of(file, text).map_err(Stop::could_not_run)?])
    }

    /// Writes what was asked for.
    pub(super) fn write(&self, results: &[Stored]) -> Result<(), Stop> {
        let single = |flag: &str| match results {
            [result] => Ok(result),
            _ => Err(Stop::could_not_run(format!("{flag} takes one result, found several; write one file for each"))),
        };
        let mut texts: Vec<(&Path, String)> = Vec::new();
        if let Some(path) = &self.markdown {
            texts.push((path, markdown::summary(results)));
        }
        if let Some(path) = &self.junit {
            texts.push((path, junit::xml(results)));
        }
        if let Some(path) = &self.csv {
            texts.push((path, csv::series(single("--csv")?)));
        }
        if let Some(path) = &self.hlog {
            let result = single("--hlog")?;
            let log = hlog::log(result).map_err(|what| Stop::could_not_run(format!("{}: {what}", result.scenario)))?;
            texts.push((path, log));
        }
        if let Some(path) = &self.openmetrics {
            texts.push((path, openmetrics::text(results)));
        }
        texts.iter().try_for_each(|(path, text)| write(path, text))?;
        if self.github { tell_github(&github::annotations(results), &markdown::summary(results)) } else { Ok(()) }
    }
}

/// Annotations to standard output, the summary to the step's file; outside of GitHub Actions there is no such file.
pub(super) fn tell_github(annotations: &str, summary: &str) -> Result<(), Stop> {
    print(annotations)?;
    let Some(path) = env::var_os(STEP_SUMMARY).filter(|path| !path.is_empty()).map(PathBuf::from) else {
        return Ok(());
    };
    let opened = OpenOptions::new().append(true).create(true).open(&path);
    let written = opened.and_then(|mut file| file.write_all(summary.as_bytes()));
    written.map_err(|error| {
        Stop::could_not_run(format!(
            "{STEP_SUMMARY}: can't append to {}: {error}; unset it or name a file",
            path.display()
        ))
    })
}

/// Writes a file whole or not at all.
pub(super) fn write(path: &Path, text: &str) -> Result<(), Stop> {
    let (target, name) = place(path)?;
    target.write(name, text.as_bytes()).map_err(Stop::could_not_run)?;
    Ok(())
}

fn place(path: &Path) -> Result<(Target, &str), Stop> {
    let unnamed = || Stop::could_not_run(format!("{}: this names no file", path.display()));
    let (directory, name) = write::place(path).ok_or_else(unnamed)?;
    Ok((Target::prepare(directory, &[name]).map_err(Stop::could_not_run)?, name))
}
