//! A history: metrics of earlier results, one JSON object a line, oldest first.
//!
//! Not here: what can be seen in it.

use std::path::Path;

use serde_json::{Value as Json, json};

use super::{GateError, Run, instructions::Counts, metric::Value, metric::Values};
use crate::report::{
    read,
    write::{Target, place},
};

/// What one result, or the benches, came to at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Which state of the code, for example a commit.
    pub label: String,
    /// `simulation`, `live` or `instructions`.
    pub lane: String,
    /// The scenario; empty for benches.
    pub scenario: String,
    /// The seed; 0 for benches.
    pub seed: u64,
    /// Values by metric, or by bench.
    pub values: Values,
}

impl Entry {
    /// Of a result.
    #[must_use]
    pub fn of(label: &str, run: &Run) -> Self {
        Self {
            label: label.to_owned(),
            lane: run.mode.clone(),
            scenario: run.scenario.clone(),
            seed: run.seed,
            values: run.values.clone(),
        }
    }

    /// Of counts of instructions.
    #[must_use]
    pub fn of_counts(label: &str, counts: &Counts) -> Self {
        let values = counts.counts.iter().map(|(name, n)| (name.clone(), Value::Number(*n as f64))).collect();
        let lane = super::instructions::NAME.to_owned();
        Self { label: label.to_owned(), lane, scenario: String::new(), seed: 0, values }
    }

    /// Whether both are about the same thing, at whatever time.
    #[must_use]
    pub fn is_of(&self, other: &Self) -> bool {
        (&self.lane, &self.scenario, self.seed) == (&other.lane, &other.scenario, other.seed)
    }

    fn line(&self) -> String {
        let Self { label, lane, scenario, seed, values } = self;
        let metrics: Json = values.iter().map(|(name, value)| (name.clone(), value.to_json())).collect();
        json!({ "label": label, "lane": lane, "scenario": scenario, "seed": seed, "metrics": metrics }).to_string()
    }

    fn parse(line: &str) -> Option<Self> {
        let json: Json = serde_json::from_str(line).ok()?;
        let text = |key: &str| json[key].as_str().map(ToOwned::to_owned);
        let metrics = json["metrics"].as_object()?;
        Some(Self {
            label: text("label")?,
            lane: text("lane")?,
            scenario: text("scenario")?,
            seed: json["seed"].as_u64()?,
            values: metrics.iter().map(|(name, value)| (name.clone(), Value::from_json(value))).collect(),
        })
    }
}

/// Reads a history; one that is not there yet is empty.
///
/// # Errors
/// If it can't be read, or a line is no entry.
pub fn read(path: &Path) -> Result<Vec<Entry>, GateError> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = read::text(path, "a history of JSON lines").map_err(|what| GateError::at(path, what))?;
    let entry = |(index, line): (usize, &str)| {
        let what =
            format_args!("line {} is no entry of a history; delete it, or start another file", index + 1).to_string();
        Entry::parse(line).ok_or_else(|| GateError::at(path, what))
    };
    text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(entry).collect()
}

/// Appends entries; an earlier one with the same label about the same thing gives way, so that a repeated run is no second point.
pub fn add(history: &mut Vec<Entry>, entries: Vec<Entry>) {
    for entry in entries {
        history.retain(|earlier| !(earlier.label == entry.label && earlier.is_of(&entry)));
        history.push(entry);
    }
}

/// Writes a history whole.
///
/// # Errors
/// If it can't be written.
pub fn write(path: &Path, history: &[Entry]) -> Result<(), GateError> {
    let (folder, name) = place(path).ok_or_else(|| GateError::at(path, "this names no file"))?;
    let text: String = history.iter().map(|entry| entry.line() + "\n").collect();
    Target::prepare(folder, &[name])?.write(name, text.as_bytes())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_survives_its_line_and_a_repeated_label_replaces_it() {
        let entry = |label: &str, value| Entry {
            label: label.to_owned(),
            lane: "simulation".to_owned(),
            scenario: "quiet".to_owned(),
            seed: 1,
            values: [("latency p(99)".to_owned(), value)].into(),
        };
        let (a, b) = (entry("a", Value::Number(1.5)), entry("b", Value::Never));
        assert_eq!([Entry::parse(&a.line()), Entry::parse(&b.line())], [Some(a.clone()), Some(b.clone())]);
        assert_eq!(Entry::parse("{\"label\":\"a\""), None);
        let mut history = vec![a.clone(), b.clone()];
        add(&mut history, vec![entry("a", Value::Absent)]);
        assert_eq!(history, [b, entry("a", Value::Absent)]);
    }
}
