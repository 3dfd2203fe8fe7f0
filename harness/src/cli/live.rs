//! `georush run --mode live`.
//!
//! Not here: the run; this reads the arguments, puts the parts in order and tells the outcome.

use std::{
    net::{SocketAddr, ToSocketAddrs},
    path::Path,
};

use georush::{
    facts,
    live::{self, Error, Options, scale::at_live_scale},
    report::{Report, judge::judge, progress::RealTime, terminal::Speed},
    scenario::{self, Scenario},
};

use super::{RunArgs, Stop, interrupt, run::Frame};

/// Runs, writes, prints; the exit code is the verdict's.
pub(super) fn run(args: &RunArgs) -> Result<u8, Stop> {
    let scenario = load(&args.file, &args.changes.set, args.changes.seed)?;
    let file = args.file.display().to_string();
    let addresses = if args.target.is_empty() { None } else { Some(targets(&scenario, &args.target)?) };
    live::check(&scenario, &file, addresses.is_some()).map_err(Stop::could_not_run)?;
    let arguments = arguments(args);
    let frame = Frame::open(args, &scenario, Some(&arguments))?;

    let scaled = at_live_scale(&scenario);
    let options = Options {
        directory: &frame.directory.join("live"),
        target: addresses,
        keys: args.keys.clone(),
        record: args.record,
        arguments,
        stop: interrupt::flag(),
    };
    let length_us = scaled.live.warm_up_us + scaled.duration_us;
    let progress = RealTime::start(args.progress.audience(args.quiet), "run", length_us);
    let seen = live::run(&scaled, &options);
    progress.end(seen.is_ok());
    let (outcome, live) = match seen {
        Ok(seen) => seen,
        Err(Error::Interrupted) => {
            frame.discard();
            return Err(interrupt::stop_live(options.directory));
        }
        Err(error) => return Err(Stop::could_not_run(error)),
    };

    let judgement = judge(&scaled, &outcome).unless(live.reasons());
    let assumptions = facts::assumptions(scenario.system.era);
    let report = Report {
        scenario: &scaled,
        outcome: &outcome,
        judgement: &judgement,
        assumptions: &assumptions,
        live: Some(&live),
    };
    frame.close(&report, Speed { cpu_us: live.effort.cpu_us })
}

/// The arguments that only a live run has, again as arguments.
fn arguments(args: &RunArgs) -> Vec<String> {
    let mut all: Vec<String> = args.target.iter().flat_map(|target| ["--target".to_owned(), target.clone()]).collect();
    if let Some(keys) = &args.keys {
        all.extend(["--keys".to_owned(), keys.display().to_string()]);
    }
    if args.record {
        all.push("--record".to_owned());
    }
    all
}

/// The scenario with the overrides of its `[live]` table, and those of the command line after them.
pub(super) fn load(file: &Path, set: &[String], seed: Option<u64>) -> Result<Scenario, Stop> {
    let plain = scenario::load(file, set, seed).map_err(Stop::could_not_run)?;
    let overrides: Vec<String> = plain.live.set.iter().chain(set).cloned().collect();
    scenario::load(file, &overrides, seed).map_err(Stop::could_not_run)
}

/// The address of each region, in the scenario's order.
fn targets(scenario: &Scenario, given: &[String]) -> Result<Vec<SocketAddr>, Stop> {
    let wrong = |text: &str, what: &str| Stop::could_not_run(format!("--target {text}: {what}"));
    let mut addresses = vec![None; scenario.system.regions.len()];
    for text in given {
        let (region, url) = text.split_once('=').ok_or_else(|| wrong(text, "expected REGION=URL"))?;
        let index = scenario.system.regions.iter().position(|name| name == region);
        let index = index.ok_or_else(|| wrong(text, &format!("{region:?} is no region of the scenario")))?;
        let host =
            url.strip_prefix("http://").ok_or_else(|| wrong(text, "expected an address that begins with http://"))?;
        let host = host.trim_end_matches('/');
        let host = if host.rsplit(']').next().is_some_and(|end| end.contains(':')) {
            host.to_owned()
        } else {
            format!("{host}:80")
        };
        let found = host.to_socket_addrs().map_err(|error| wrong(text, &format!("can't be resolved: {error}")))?.next();
        addresses[index] = Some(found.ok_or_else(|| wrong(text, "has no address"))?);
    }
    let missing = addresses.iter().position(Option::is_none);
    match missing {
        None => Ok(addresses.into_iter().flatten().collect()),
        Some(index) => {
            let region = &scenario.system.regions[index];
            Err(Stop::could_not_run(format!("no --target for {region}, expected one for each region of the scenario")))
        }
    }
}
