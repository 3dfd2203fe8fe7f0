//! A result as gates see it.
//!
//! Not here: whether the file can be trusted; reading results checks that.

use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::{
    GateError,
    metric::{Tolerances, Values, values},
};
use crate::report::read::{self, Stored};

/// One result.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The file it came from.
    pub file: PathBuf,
    /// The scenario's name.
    pub scenario: String,
    /// The scenario's hash.
    pub hash: String,
    /// `simulation` or `live`.
    pub mode: String,
    /// The seed of every random stream.
    pub seed: u64,
    /// The version of georush.
    pub version: String,
    /// Over every decision.
    pub digest: String,
    /// Whether anything can be concluded from it.
    pub valid: bool,
    /// Thresholds and invariants that failed: what, what was found, what was wanted.
    pub failures: Vec<[String; 3]>,
    /// Its metrics.
    pub values: Values,
    /// What its scenario tolerates.
    pub tolerances: Tolerances,
    /// Of a live run, when it started and on what.
    pub taken: Option<(String, String)>,
}

impl Run {
    /// Reads a result.
    ///
    /// # Errors
    /// If it is none, is cut, was edited, or is of another schema.
    pub fn read(path: &Path) -> Result<Self, GateError> {
        let Stored { scenario, json } = read::read(path)?;
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        let live = &json["live"];
        Ok(Self {
            file: path.to_owned(),
            scenario,
            hash: text(&json["scenario"]["hash"]),
            mode: text(&json["mode"]),
            seed: json["seed"].as_u64().ok_or_else(|| GateError::at(path, "it has no seed; run the scenario again"))?,
            version: text(&json["georush"]),
            digest: text(&json["digest"]),
            valid: json["verdict"] != "invalid",
            failures: failures(&json),
            values: values(&json),
            tolerances: Tolerances::of(&json),
            taken: live.is_object().then(|| (text(&live["started"]), text(&live["machine"]))),
        })
    }
}

fn failures(json: &Json) -> Vec<[String; 3]> {
    let list = |key: &str| json[key].as_array().into_iter().flatten();
    let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    let thresholds = list("thresholds").filter(|threshold| threshold["passed"] != true).map(|threshold| {
        let metric = format!("threshold {}", text(&threshold["metric"]));
        [metric, read::found(threshold), text(&threshold["condition"])]
    });
    let invariants = list("invariants").filter(|invariant| invariant["status"] == "broken").map(|invariant| {
        let seen = text(&invariant["first_violation"]["seen"]);
        [format!("invariant {}", text(&invariant["id"])), seen, text(&invariant["claim"])]
    });
    thresholds.chain(invariants).collect()
}
