//! From a path to a scenario. Not here: any decision about its contents.

use std::{fmt::Write, fs, io, path::Path};

use sha2::{Digest, Sha256};

use super::{
    Scenario,
    decode::decode,
    document::{At, Node, parse},
    error::{Errors, Place, ScenarioError},
    raw::RawScenario,
    resolve::{self, Given},
    set,
};

/// Reads, overrides and checks a scenario file. `seed` goes before the file's.
///
/// # Errors
///
/// Everything that is wrong with it, as far as one problem does not hide another.
pub fn load(path: &Path, overrides: &[String], seed: Option<u64>) -> Result<Scenario, Errors> {
    let file = path.display().to_string();
    let text = read(path).map_err(|message| ScenarioError::new(Place::File(file.clone()), message))?;
    if text.trim().is_empty() {
        return Err(ScenarioError::new(Place::File(file), "the file is empty, expected a scenario").into());
    }
    let root = parse(&file, &text).map_err(sorted)?;
    let given = Given { path, overrides, seed, text: &text };
    let placed: Vec<_> = overrides.iter().map(|text| (text.as_str(), Place::Override(text.clone()))).collect();
    let mut plain = root.clone();
    let scenario = resolved(&mut plain, &placed, &given)?;
    if !scenario.live.set.is_empty() {
        // What holds in the live mode only is checked in both, where it stands.
        let list = At::default().key("live").key("set");
        let place = |index| plain.walk(&list.index(index)).0.place.clone();
        let own = scenario.live.set.iter().enumerate().map(|(index, text)| (text.as_str(), place(index)));
        let all: Vec<_> = own.chain(placed).collect();
        resolved(&mut root.clone(), &all, &given)?;
    }
    Ok(scenario)
}

/// The scenario that a document with these overrides gives, each with the place that its errors name.
fn resolved(root: &mut Node, overrides: &[(&str, Place)], given: &Given<'_>) -> Result<Scenario, Errors> {
    let applied = overrides.iter().map(|(text, place)| set::apply(root, text, place));
    let mut errors: Vec<ScenarioError> = applied.filter_map(Result::err).collect();
    let (raw, wrong) = decode::<RawScenario>(root);
    errors.extend(wrong);
    let Some(raw) = raw else { return Err(sorted(errors)) };
    let (scenario, wrong) = resolve::resolve(&raw, root, given);
    errors.extend(wrong);
    if errors.is_empty() { Ok(scenario) } else { Err(sorted(errors)) }
}

/// In the order of lines; overrides first.
fn sorted(mut errors: Vec<ScenarioError>) -> Errors {
    errors.sort_by_key(|error| error.place.line());
    errors.dedup();
    Errors(errors)
}

/// A file's text.
///
/// # Errors
///
/// Why not, in words.
pub(super) fn read(path: &Path) -> Result<String, String> {
    if path.is_dir() {
        return Err("this is a directory, expected a file".to_owned());
    }
    let bytes = fs::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        _ => format!("cannot read the file: {error}"),
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
        format!("the file is not UTF-8 text (line {})", line + 1)
    })
}

/// SHA-256 of what a scenario was made from, lower-case hex: file, overrides, seed, and the traces it reads.
pub(super) fn hash(text: &str, overrides: &[String], seed: Option<u64>, traces: &[String]) -> String {
    let mut sha = Sha256::new();
    sha.update(text);
    sha.update("\n");
    sha.update(overrides.join("\n"));
    if let Some(seed) = seed {
        sha.update(format!("\n{seed}"));
    }
    for trace in traces {
        sha.update("\n");
        sha.update(trace);
    }
    let mut hex = String::with_capacity(64);
    for byte in sha.finalize() {
        write!(hex, "{byte:02x}").expect("a String takes all that is written");
    }
    hex
}
