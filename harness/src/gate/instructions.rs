//! The lane of instructions: how many a bench executes, as callgrind counts them. They barely depend on the machine's load, so a
//! small difference means something; they do depend on compiler and processor.
//!
//! Not here: benches, and running them.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value as Json, json};

use super::{
    GateError, Lane, Outcome, Status,
    baseline::{SCHEMA, check, open, sealed},
    percent, relative,
};
use crate::report::{format, read};

/// How many more instructions still pass. Repeated counts differ by less than a tenth of that; a new version of a dependency may not.
pub const TOLERANCE: f64 = 0.02;

/// The baseline's name in its folder, and of this lane's outcomes.
pub const NAME: &str = "instructions";

/// How deep callgrind's files may lie.
const DEPTH_MAX: usize = 8;

/// Instructions by bench, and what they were counted with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    /// Compiler, valgrind and processor.
    pub tools: String,
    /// By bench.
    pub counts: BTreeMap<String, u64>,
}

/// The counts of all benches whose `callgrind.*.out` lies in a folder.
///
/// # Errors
/// If there are none, or a file has no sum.
pub fn counts(folder: &Path) -> Result<Counts, GateError> {
    let mut files = Vec::new();
    collect(folder, DEPTH_MAX, &mut files)
        .map_err(|error| GateError::at(folder, format_args!("can't read it: {error}")))?;
    let mut counts = BTreeMap::new();
    for file in &files {
        counts.insert(bench(file), sum(file)?);
    }
    if counts.is_empty() {
        let what = "there is no callgrind.*.out in it, as valgrind and gungraun write them";
        return Err(GateError::at(folder, what));
    }
    Ok(Counts { tools: tools(), counts })
}

fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && depth > 0 {
            collect(&path, depth - 1, files)?;
        } else if name.starts_with("callgrind.") && name.ends_with(".out") {
            files.push(path);
        }
    }
    Ok(())
}

/// `callgrind.authorize.cold.out` is `authorize.cold`.
fn bench(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.trim_start_matches("callgrind.").trim_end_matches(".out").to_owned()
}

/// The first column of the line that sums up a profile. Source: Callgrind format specification (valgrind manual): `events:` names the
/// columns, `summary:` or `totals:` has their sums.
fn sum(file: &Path) -> Result<u64, GateError> {
    let wrong = |what: String| GateError::at(file, what);
    let text = read::text(file, "a profile of callgrind").map_err(wrong)?;
    let line = |key: &str| text.lines().rev().find_map(|line| line.strip_prefix(key)).map(str::trim);
    if line("events:").and_then(|events| events.split(' ').next()) != Some("Ir") {
        return Err(wrong(
            "its first event is not Ir, the count of instructions; it is no profile of callgrind".to_owned(),
        ));
    }
    let sums = [line("totals:"), line("summary:")].into_iter().flatten();
    let count = sums.filter_map(|sums| sums.split(' ').next()?.parse().ok()).max();
    count.ok_or_else(|| wrong("it has no totals; it was cut short, run the benches again".to_owned()))
}

/// What counts depend on besides the code, as far as these programs are there to say it.
fn tools() -> String {
    let version = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().ok().filter(|output| output.status.success());
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        text.unwrap_or_else(|| format!("{program} of an unknown version"))
    };
    let (rustc, valgrind) = (version("rustc", &["--version"]), version("valgrind", &["--version"]));
    format!("{rustc}, {valgrind}, {}{}", std::env::consts::ARCH, vectors())
}

/// Valgrind shows programs one of few processors, so that theirs matters only so far. Source: valgrind 3.19,
/// `VEX/priv/guest_amd64_helpers.c`: with AVX2 or with less.
fn vectors() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    if std::is_x86_feature_detected!("avx2") {
        return " with AVX2";
    }
    ""
}

impl Counts {
    /// As the baseline's file holds it.
    #[must_use]
    pub fn text(&self, reason: &str) -> String {
        sealed(&json!({
            "baseline": SCHEMA,
            "lane": NAME,
            "georush": env!("CARGO_PKG_VERSION"),
            "reason": reason,
            "tools": self.tools,
            "counts": self.counts,
        }))
    }
}

/// The baseline in a folder, or in a file.
///
/// # Errors
/// If there is none, or it is damaged or of another lane.
pub fn find(path: &Path) -> Result<Counts, GateError> {
    let file = if path.is_dir() { path.join(NAME).with_extension("json") } else { path.to_owned() };
    if !file.exists() {
        let what = "there is no baseline of instructions; write one with georush gate --instructions FOLDER --baseline FOLDER --update --reason TEXT";
        return Err(GateError::at(&file, what));
    }
    let (text, json) = open(&file)?;
    check(&file, &text, &json)?;
    if json["lane"] != NAME {
        return Err(GateError::at(&file, "this is no baseline of instructions"));
    }
    let count = |(name, count): (&String, &Json)| Some((name.clone(), count.as_u64()?));
    let counts = json["counts"].as_object().and_then(|counts| counts.iter().map(count).collect::<Option<_>>());
    let counts = counts.ok_or_else(|| GateError::at(&file, "it has no counts; make it again with --update"))?;
    Ok(Counts { tools: json["tools"].as_str().unwrap_or_default().to_owned(), counts })
}

/// Compares counts with the baseline's. With other tools, nothing can be said.
#[must_use]
pub fn judge(base: &Counts, head: &Counts) -> Vec<Outcome> {
    let outcome = |status, bench: &str, base: String, head: String, note: String| Outcome {
        lane: Lane::Instructions,
        status,
        scenario: bench.to_owned(),
        metric: "instructions".to_owned(),
        base,
        head,
        tolerance: percent(TOLERANCE),
        note,
    };
    if base.tools != head.tools {
        let note = "counted with other tools, which count otherwise; see docs/gates.md".to_owned();
        return vec![outcome(Status::Inconclusive, "all benches", base.tools.clone(), head.tools.clone(), note)];
    }
    let names: std::collections::BTreeSet<_> = base.counts.keys().chain(head.counts.keys()).collect();
    let one = |name: &String| {
        let shown = |count: Option<&u64>| count.map_or("none".to_owned(), |n| format::count(*n));
        let (was, is) = (base.counts.get(name), head.counts.get(name));
        let (status, note) = match (was, is) {
            (Some(&was), Some(&is)) => {
                let more = is as f64 / was.max(1) as f64 - 1.0;
                // The product is rounded to the nearest number, a quotient less one is not.
                let beyond = is.saturating_sub(was) as f64 > was as f64 * TOLERANCE;
                let status = if beyond { Status::Failed } else { Status::Passed };
                (status, if was == is { String::new() } else { format!("{} instructions", relative(more)) })
            }
            (Some(_), None) => (Status::Failed, "this bench did not run".to_owned()),
            _ => (Status::Passed, "a new bench; --update keeps its count".to_owned()),
        };
        outcome(status, name, shown(was), shown(is), note)
    };
    names.into_iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(all: &[(&str, u64)]) -> Counts {
        Counts { tools: "these".to_owned(), counts: all.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect() }
    }

    #[test]
    fn more_instructions_than_tolerated_fail_and_fewer_never_do() {
        let judged = |n| judge(&counts(&[("authorize", 10_000)]), &counts(&[("authorize", n)])).remove(0);
        assert_eq!([judged(10_200).status, judged(10_201).status], [Status::Passed, Status::Failed]);
        assert_eq!(judged(1).status, Status::Passed);
        let message = "authorize: instructions: base 10,000, head 11,000, tolerance 2 %; +10 % instructions";
        assert_eq!(judged(11_000).message(), message);
    }

    #[test]
    fn a_bench_that_is_gone_fails_and_a_new_one_passes() {
        let outcomes = judge(&counts(&[("a", 1)]), &counts(&[("b", 1)]));
        assert_eq!(outcomes.iter().map(|o| o.status).collect::<Vec<_>>(), [Status::Failed, Status::Passed]);
    }

    #[test]
    fn counts_of_other_tools_leave_it_open() {
        let other = Counts { tools: "others".to_owned(), ..counts(&[("a", 9)]) };
        assert_eq!(judge(&counts(&[("a", 1)]), &other)[0].status, Status::Inconclusive);
    }
}
