//! Results read back from their files: whole, sealed, of this schema, or one clear error.
//!
//! Not here: judging them again.

use std::{fs, io, path::Path};

use serde_json::Value;

use super::{
    format,
    json::{SCHEMA, seal},
    judge::NO_REQUEST,
};
use crate::facts::prices::NANO;

/// A result that came from a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// The scenario's name.
    pub scenario: String,
    /// The whole of it, as `docs/results-format.md` describes it.
    pub json: Value,
}

/// Why a file is not a result that can be used.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {what}")]
pub struct ReadError {
    file: String,
    what: String,
}

/// Reads one result.
///
/// # Errors
/// If the file can't be read, is cut, was edited, or is of another schema.
pub fn read(path: &Path) -> Result<Stored, ReadError> {
    let file = path.display().to_string();
    match text(path, "the result.json of a run") {
        Ok(text) => Stored::of(&file, &text),
        Err(what) => Err(ReadError { file, what }),
    }
}

/// The text of a file that must be `wanted`, or why there is none.
pub(crate) fn text(path: &Path, wanted: &str) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => format!("it is no text, expected {wanted}"),
        io::ErrorKind::IsADirectory => format!("it is a folder, expected {wanted}"),
        _ => format!("can't read it: {error}"),
    })
}

impl Stored {
    /// The result in a text that is in `file`, or will be.
    ///
    /// # Errors
    /// If the text is cut, was edited, or is of another schema.
    pub fn of(file: &str, text: &str) -> Result<Self, ReadError> {
        let wrong = |what: String| ReadError { file: file.to_owned(), what };
        let json: Value = serde_json::from_str(text)
            .map_err(|error| wrong(format!("it is cut short or no JSON ({error}); run the scenario again")))?;
        match json["schema"].as_u64() {
            Some(schema) if schema == u64::from(SCHEMA) => {}
            Some(schema) => {
                return Err(wrong(format!(
                    "schema {schema}, expected {SCHEMA}; run the scenario again with this version"
                )));
            }
            None => {
                let found = if json["baseline"].is_null() { "it has no schema" } else { "this is a baseline" };
                return Err(wrong(format!("{found}, expected the result.json of a run")));
            }
        }
        if !seal::is_intact(text) {
            return Err(wrong(
                "its seal does not fit its contents: it was edited or comes from an older version; run the scenario again"
                    .to_owned(),
            ));
        }
        let scenario = json["scenario"]["name"].as_str();
        let scenario =
            scenario.ok_or_else(|| wrong("it names no scenario; expected a result of georush run".into()))?.to_owned();
        Ok(Self { scenario, json })
    }
}

/// The elements under a key; none if it holds no array.
pub(super) fn list<'a>(json: &'a Value, key: &str) -> &'a [Value] {
    json[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The invariants that apply.
pub(super) fn checked_invariants(json: &Value) -> impl Iterator<Item = &Value> {
    list(json, "invariants").iter().filter(|invariant| invariant["status"] != "not-applicable")
}

/// The invariants that did not hold.
pub(super) fn broken_invariants(json: &Value) -> impl Iterator<Item = &Value> {
    list(json, "invariants").iter().filter(|invariant| invariant["status"] == "broken")
}

/// Why a result is not valid, as its terminal said; empty if it is.
pub(super) fn reasons(json: &Value) -> String {
    let live: Vec<&str> = list(&json["live"], "reasons").iter().filter_map(Value::as_str).collect();
    match (word(json, "verdict"), live.as_slice()) {
        ("invalid", [_, ..]) => live.join("; "),
        ("invalid", []) if json["totals"]["requests"] == 0 => NO_REQUEST.to_owned(),
        ("invalid", []) => "nothing can be concluded from this run".to_owned(),
        _ => String::new(),
    }
}

/// The text under a key.
pub(super) fn word<'a>(json: &'a Value, key: &str) -> &'a str {
    json[key].as_str().unwrap_or_default()
}

/// What a threshold found, with its unit.
pub(crate) fn found(threshold: &Value) -> String {
    match (threshold["value"].as_f64(), word(threshold, "unit")) {
        (None, _) => word(threshold, "note").to_owned(),
        (Some(us), "us") => format::duration(us as u64),
        (Some(fraction), "fraction") => format::percent(fraction),
        (Some(dollars), "usd") => format::dollars((dollars * NANO as f64).round() as u64),
        (Some(number), _) => number.to_string(),
    }
}

#[cfg(test)]
mod tests;
