//! Results read back from their files: whole, sealed, of this schema, or one clear error.
//!
//! Not here: judging them again.

use std::{fs, path::Path};

use serde_json::Value;

use super::json::{SCHEMA, seal};

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
    let wrong = |what: String| ReadError { file: file.clone(), what };
    let text = fs::read_to_string(path).map_err(|error| wrong(format!("can't read it: {error}")))?;
    let json: Value = serde_json::from_str(&text)
        .map_err(|error| wrong(format!("it is cut short or no JSON ({error}); run the scenario again")))?;
    let schema = json["schema"].as_u64();
    if schema != Some(SCHEMA.into()) {
        let found = schema.map_or("none".to_owned(), |n| n.to_string());
        return Err(wrong(format!("schema {found}, expected {SCHEMA}; run the scenario again with this version")));
    }
    if !seal::is_intact(&text) {
        return Err(wrong(
            "its seal does not fit its contents: it was edited or comes from an older version; run the scenario again"
                .to_owned(),
        ));
    }
    let scenario = json["scenario"]["name"].as_str();
    let scenario = scenario.ok_or_else(|| wrong("it names no scenario; expected a result of georush run".into()))?;
    Ok(Stored { scenario: scenario.to_owned(), json })
}
