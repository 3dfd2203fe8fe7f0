//! `georush run`.
//!
//! Not here: simulating, judging, drawing; this only puts them in order.

use std::{
    env,
    io::{self, IsTerminal},
    path::{Path, PathBuf},
};

use cpu_time::ThreadTime;
use georush::{
    facts,
    report::{
        Report, command, json,
        judge::judge,
        progress::Progress,
        terminal::{self, Around, Speed, paint::Paint},
        write::Target,
    },
    scenario::{self, Scenario},
    simulate::{self, Observer},
};

use super::{Mode, RunArgs, Stop, interrupt, live, print};

const RESULT: &str = "result.json";

/// Runs, writes, prints; the exit code is the verdict's.
pub(super) fn run(args: &RunArgs) -> Result<u8, Stop> {
    if args.mode == Mode::Live {
        return live::run(args);
    }
    if !args.target.is_empty() || args.keys.is_some() {
        return Err(Stop::could_not_run("--target and --keys are for --mode live"));
    }
    let scenario = scenario::load(&args.file, &args.changes.set, args.changes.seed).map_err(Stop::could_not_run)?;
    let frame = Frame::open(args, &scenario, None)?;

    let mut watched =
        Watched { progress: Progress::new(args.progress.audience(args.quiet), "run", scenario.duration_us) };
    let started = ThreadTime::now();
    let outcome = simulate::run(&scenario, &mut watched);
    let speed = Speed { cpu_us: started.elapsed().as_micros() as u64 };
    let Some(outcome) = outcome.filter(|_| !interrupt::requested()) else {
        watched.progress.clear();
        frame.discard();
        return Err(interrupt::stop());
    };

    watched.progress.finish(Some(outcome.requests));

    let judgement = judge(&scenario, &outcome);
    let assumptions = facts::assumptions(scenario.system.era);
    let report =
        Report { scenario: &scenario, outcome: &outcome, judgement: &judgement, assumptions: &assumptions, live: None };
    frame.close(&report, speed)
}

/// What both modes do before and after a run.
pub(super) struct Frame<'a> {
    args: &'a RunArgs,
    /// Where the result goes.
    pub(super) directory: PathBuf,
    target: Target,
    file: String,
    paint: Paint,
}

impl<'a> Frame<'a> {
    /// Proves that everything can be written, listens for Ctrl-C, and says how to repeat the run.
    pub(super) fn open(args: &'a RunArgs, scenario: &Scenario, live: Option<&[String]>) -> Result<Self, Stop> {
        let directory = args.out.clone().unwrap_or_else(|| Path::new("out").join(&scenario.name));
        args.outputs.prepare()?;
        let target = Target::prepare(&directory, &[RESULT]).map_err(Stop::could_not_run)?;
        interrupt::listen()?;
        let (file, paint) = (args.file.display().to_string(), Paint { colour: wants_colour() });
        if !args.quiet {
            print(&format!("{}\n\n", paint.dim(&command::repeat(scenario, &file, live))))?;
        }
        Ok(Self { args, directory, target, file, paint })
    }

    /// Takes back what was created.
    pub(super) fn discard(self) {
        self.target.discard();
    }

    /// Writes the result and tells it; the exit code is the verdict's.
    pub(super) fn close(self, report: &Report, speed: Speed) -> Result<u8, Stop> {
        let Self { args, target, file, paint, .. } = self;
        let text = json::text(report);
        let path = target.write(RESULT, text.as_bytes()).map_err(Stop::could_not_run)?;
        let result = shown(&path);
        let around = Around { file: &file, result: &result, speed };
        print(&if args.quiet { terminal::line(report, paint) } else { terminal::summary(report, &around, paint) })?;
        args.outputs.write_one(&result, &text)?;
        Ok(report.judgement.verdict.exit_code())
    }
}

struct Watched {
    progress: Progress,
}

impl Observer for Watched {
    fn progress(&mut self, simulated_us: u64, requests: u64) -> bool {
        self.progress.at(simulated_us, Some(requests));
        !interrupt::requested()
    }
}

pub(super) fn shown(path: &Path) -> String {
    path.components().collect::<PathBuf>().display().to_string()
}

pub(super) fn wants_colour() -> bool {
    let set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    io::stdout().is_terminal() && !set("NO_COLOR") && env::var_os("TERM").is_none_or(|term| term != "dumb")
}
