//! Arguments, exit codes, standard output and standard error.
//!
//! Not here: what a command does with them; see the modules below.

mod backend;
mod check;
mod data;
mod dead_letters;
mod gate;
mod interrupt;
mod keys;
mod listing;
mod live;
mod outputs;
mod replay;
mod report;
mod roles;
mod run;
mod serve;
mod stream;
mod twin;
mod usage;
mod verify;

use std::{
    fmt::Display,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand, ValueEnum, error::ErrorKind};
#[cfg(target_os = "linux")]
use georush::live::guard;
use georush::report::progress::Audience;

/// Could not run: bad arguments, scenario or environment.
const COULD_NOT_RUN: u8 = 2;
/// Stopped by Ctrl-C, as shells say it.
const INTERRUPTED: u8 = 130;

const EXIT_CODES: &str = "\
Exit codes:
  0    everything held
  1    a threshold, an invariant or a gate failed, or two runs differed
  2    could not run: bad arguments, scenario or environment
  3    the run is not valid: nothing can be concluded from it
  130  interrupted; no result was written";

const EXAMPLES: &str = "\
Examples:
  georush run scenarios/black-friday.toml
  georush report out/black-friday/result.json -o black-friday.html
  georush check scenarios/*.toml
  georush verify-determinism scenarios/black-friday.toml --seed 7
  georush serve --listen 127.0.0.1:8080
  georush keys create --plan free --label shop";

const RUN_EXAMPLES: &str = "\
Examples:
  georush run scenarios/black-friday.toml
  georush run scenarios/black-friday.toml --seed 7 --out out/seed-7
  georush run scenarios/black-friday.toml --set duration=10m --set plans.free.quota=1500
  georush run scenarios/black-friday.toml --set clients.shops.rate=500 --quiet
  georush run scenarios/black-friday.toml --junit junit.xml --github
  georush run scenarios/sixty-thousand.toml --mode live";

const CHECK_EXAMPLES: &str = "\
Examples:
  georush check scenarios/black-friday.toml
  georush check --quiet scenarios/*.toml";

const VERIFY_EXAMPLES: &str = "\
Examples:
  georush verify-determinism scenarios/black-friday.toml
  georush verify-determinism scenarios/black-friday.toml --seed 7 --set duration=1h";

/// Drives a metered, multi-region API through its worst day and says what happened and why.
#[derive(Debug, Parser)]
#[command(name = "georush", version, max_term_width = 100)]
#[command(after_help = EXIT_CODES, after_long_help = format!("{EXAMPLES}\n\n{EXIT_CODES}"))]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a scenario, judge it, write its result and print a summary.
    #[command(after_long_help = format!("{RUN_EXAMPLES}\n\n{EXIT_CODES}"))]
    Run(RunArgs),
    /// Check scenario files and print what they resolve to.
    #[command(after_long_help = CHECK_EXAMPLES)]
    Check(CheckArgs),
    /// Run a scenario twice and compare every decision.
    #[command(after_long_help = VERIFY_EXAMPLES)]
    VerifyDeterminism(VerifyArgs),
    /// Run a scenario live and simulated, and compare the two modes.
    #[command(after_long_help = twin::EXAMPLES)]
    Twin(twin::TwinArgs),
    /// Replay what a live run recorded, and compare every answer of the cores.
    #[command(after_long_help = replay::EXAMPLES)]
    Replay(replay::ReplayArgs),
    /// Turn results into a page, a summary, JUnit XML and other files.
    #[command(after_long_help = report::EXAMPLES)]
    Report(report::ReportArgs),
    /// Compare results with baselines; fails if something got worse.
    #[command(after_long_help = gate::EXAMPLES)]
    Gate(gate::GateArgs),
    /// Print the JSON Schema of scenario files, for editors.
    Schema,
    /// Serve the geolocation API for one or more regions, and count usage.
    #[command(after_long_help = serve::SERVE_EXAMPLES)]
    Serve(Box<serve::ServeArgs>),
    /// Serve one region and leave the counting to others with the same state directory.
    #[command(after_long_help = serve::EDGE_EXAMPLES)]
    Edge(Box<serve::EdgeArgs>),
    /// Count usage: from the stream to the central table.
    #[command(after_long_help = roles::AGGREGATOR_EXAMPLES)]
    Aggregator(roles::AggregatorArgs),
    /// Copy counts and keys from the central table to regions.
    #[command(after_long_help = roles::REPLICATOR_EXAMPLES)]
    Replicator(roles::ReplicatorArgs),
    /// Make, list, show and revoke API keys; servers may run meanwhile.
    #[command(after_long_help = keys::EXAMPLES)]
    Keys(keys::KeysArgs),
    /// What was counted: by subject, plan, window and region.
    #[command(after_long_help = usage::EXAMPLES)]
    Usage(usage::UsageArgs),
    /// Lines that were no usage: list, replay, discard.
    #[command(after_long_help = dead_letters::EXAMPLES)]
    DeadLetters(dead_letters::DeadLettersArgs),
    /// The shards of the stream: create, list, split, merge; servers may run meanwhile.
    #[command(after_long_help = stream::EXAMPLES)]
    Stream(stream::StreamArgs),
    /// Build, fetch and check data sets of addresses.
    #[command(after_long_help = data::EXAMPLES)]
    Data(data::DataArgs),
}

#[derive(Debug, Args)]
struct RunArgs {
    /// Scenario file.
    file: PathBuf,
    /// Simulated time, or real processes and sockets.
    #[arg(long, value_enum, default_value_t = Mode::Sim)]
    mode: Mode,
    #[command(flatten)]
    changes: Changes,
    /// Directory for the result [default: out/<scenario>].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Live: load a system that runs already, as the region's http address; one for each region.
    #[arg(long, value_name = "REGION=URL")]
    target: Vec<String>,
    /// Live: call with these API keys, one a line, instead of keys made for the run.
    #[arg(long, value_name = "FILE", requires = "target")]
    keys: Option<PathBuf>,
    #[command(flatten)]
    outputs: outputs::Outputs,
    /// Live: record what the cores take and give, for `georush replay`.
    #[arg(long, conflicts_with = "target")]
    record: bool,
    /// Print the verdict only.
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    progress: ProgressArgs,
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// Scenario files.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print errors only.
    #[arg(long, short)]
    quiet: bool,
    #[command(flatten)]
    changes: Changes,
}

#[derive(Debug, Args)]
struct VerifyArgs {
    /// Scenario file.
    file: PathBuf,
    #[command(flatten)]
    changes: Changes,
    #[command(flatten)]
    progress: ProgressArgs,
}

#[derive(Debug, Args)]
struct ProgressArgs {
    /// How to tell progress, on standard error.
    #[arg(long, value_enum, default_value_t = Telling::Auto, value_name = "HOW")]
    progress: Telling,
}

impl ProgressArgs {
    /// Who is told; people who want it quiet are not.
    fn audience(&self, quiet: bool) -> Audience {
        match self.progress {
            Telling::Json => Audience::Programs,
            Telling::Auto if !quiet => Audience::People,
            Telling::Auto | Telling::None => Audience::Nobody,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Telling {
    /// A bar with rate and time left if standard error is a terminal.
    Auto,
    /// A JSON object a line.
    Json,
    /// Nothing.
    None,
}

#[derive(Debug, Args)]
struct Changes {
    /// Seed of every random stream, instead of the file's.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Change one value of the file; may be repeated.
    #[arg(long, value_name = "PATH=VALUE")]
    set: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// Simulated time.
    Sim,
    /// Real processes and sockets, as the scenario's [live] table says.
    Live,
}

/// Why a command ends without an outcome: every line of the text is an error of its own.
#[derive(Debug)]
struct Stop {
    code: u8,
    text: String,
}

impl Stop {
    fn could_not_run(text: impl Display) -> Self {
        let lines = text.to_string().lines().map(|line| format!("error: {line}\n")).collect();
        Self { code: COULD_NOT_RUN, text: lines }
    }
}

/// Runs the command that the arguments name.
pub(crate) fn main() -> ExitCode {
    #[cfg(target_os = "linux")]
    guard::obey();
    let done = match Cli::try_parse() {
        Ok(cli) => match &cli.command {
            Command::Run(args) => run::run(args),
            Command::Check(args) => check::check(args),
            Command::Twin(args) => twin::twin(args),
            Command::VerifyDeterminism(args) => verify::verify(args),
            Command::Keys(args) => keys::keys(args),
            Command::Replay(args) => replay::replay(args),
            Command::Report(args) => report::report(args),
            Command::Gate(args) => gate::gate(args),
            Command::Schema => print(&georush::scenario::schema()).map(|()| 0),
            Command::Serve(args) => serve::serve(args),
            Command::Edge(args) => serve::edge(args),
            Command::Aggregator(args) => roles::aggregator(args),
            Command::Replicator(args) => roles::replicator(args),
            Command::Usage(args) => usage::usage(args),
            Command::DeadLetters(args) => dead_letters::dead_letters(args),
            Command::Stream(args) => stream::stream(args),
            Command::Data(args) => data::data(args),
        },
        Err(error) => asked_for_help_or_wrong(&error),
    };
    ExitCode::from(done.unwrap_or_else(|stop| {
        // Nobody is left to tell if standard error is gone.
        let _ = io::stderr().write_all(stop.text.as_bytes());
        stop.code
    }))
}

fn asked_for_help_or_wrong(error: &clap::Error) -> Result<u8, Stop> {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => print(&error.to_string()).map(|()| 0),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            Err(Stop { code: COULD_NOT_RUN, text: error.to_string() })
        }
        _ => {
            let text = error.to_string();
            let told = text.lines().take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
            let line = told.map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
            let line = line.strip_prefix("error: ").unwrap_or(&line);
            Err(Stop::could_not_run(format!("{line} (georush --help tells more)")))
        }
    }
}

/// Prints to standard output. That its reader has gone away is no error.
fn print(text: &str) -> Result<(), Stop> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Stop::could_not_run(format!("can't write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}
