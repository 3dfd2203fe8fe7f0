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
    report::{
        Report, command, json,
        judge::judge,
        progress::RealTime,
        terminal::{self, Around, Speed, paint::Paint},
        write::Target,
    },
    scenario::{self, Scenario},
};

use super::{
    RunArgs, Stop, interrupt, print,
    run::{RESULT, shown, wants_colour},
};

/// Runs, writes, prints; the exit code is the verdict's.
pub(super) fn run(args: &RunArgs) -> Result<u8, Stop> {
    let scenario = load(&args.file, &args.changes.set, args.changes.seed)?;
    let file = args.file.display().to_string();
    let addresses = if args.target.is_empty() { None } else { Some(targets(&scenario, &args.target)?) };
    live::check(&scenario, &file, addresses.is_some()).map_err(Stop::could_not_run)?;
    let directory = args.out.clone().unwrap_or_else(|| Path::new("out").join(&scenario.name));
    args.outputs.prepare()?;
    let target = Target::prepare(&directory, &[RESULT]).map_err(Stop::could_not_run)?;
    interrupt::listen()?;
    let paint = Paint { colour: wants_colour() };
    if !args.quiet {
        print(&format!("{}\n\n", paint.dim(&command::repeat(&scenario, &file, true))))?;
    }

    let scaled = at_live_scale(&scenario);
    let options = Options {
        directory: &directory.join("live"),
        target: addresses,
        keys: args.keys.clone(),
        record: args.record,
        stop: interrupt::flag(),
    };
    let length_us = scaled.live.warm_up_us + scaled.duration_us;
    let progress = RealTime::start(args.progress.audience(args.quiet), "run", length_us);
    let seen = live::run(&scaled, &options);
    progress.end(seen.is_ok());
    let (outcome, live) = match seen {
        Ok(seen) => seen,
        Err(Error::Interrupted) => {
            target.discard();
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
    let text = json::text(&report);
    let path = target.write(RESULT, text.as_bytes()).map_err(Stop::could_not_run)?;
    let result = shown(&path);
    let around = Around { file: &file, result: &result, speed: Speed { cpu_us: live.effort.cpu_us } };
    print(&if args.quiet { terminal::line(&report, paint) } else { terminal::summary(&report, &around, paint) })?;
    args.outputs.write_one(&result, &text)?;
    Ok(judgement.verdict.exit_code())
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
