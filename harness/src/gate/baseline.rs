//! A baseline: the metrics and the digest of a scenario's simulated runs, small enough to be committed, with the reason for it.
//!
//! Not here: comparing.

use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use super::{
    GateError, Run,
    metric::{Value, Values},
};
use crate::report::{
    json::{SCHEMA as RESULT_SCHEMA, seal},
    read,
    write::{Target, place},
};

/// Version of the format; grows with every change that could break a reader.
pub const SCHEMA: u32 = 1;

/// A scenario's baseline.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline {
    /// Where it is.
    pub file: PathBuf,
    /// The scenario's name.
    pub scenario: String,
    /// The scenario's hash at that time.
    pub hash: String,
    /// The version of georush that made it.
    pub version: String,
    /// Why it is as it is.
    pub reason: String,
    /// The seed for which thresholds hold.
    pub seed: u64,
    /// One for each seed.
    pub runs: Vec<Reference>,
}

/// What a run with one seed came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    /// The seed.
    pub seed: u64,
    /// Over every decision.
    pub digest: String,
    /// Its metrics.
    pub values: Values,
}

impl Baseline {
    /// Of results of one scenario; the seed of the first is that for which thresholds must hold.
    ///
    /// # Errors
    /// If the first of them failed or can't be judged, one is not simulated, or two have the same seed.
    pub fn of(runs: &[&Run], reason: &str, file: &Path) -> Result<Self, GateError> {
        let first = runs.first().expect("there is a result for every baseline");
        for (index, run) in runs.iter().enumerate() {
            let wrong = |what: &str| Err(GateError::at(&run.file, what));
            if run.mode != "simulation" {
                return wrong(
                    "a live run is no baseline: it is never the same again; compare interleaved live runs, see docs/gates.md",
                );
            }
            if !run.valid {
                return wrong("nothing can be concluded from this run, so it is no baseline");
            }
            if runs[..index].iter().any(|earlier| earlier.seed == run.seed) {
                return wrong(&format!("there are two results of {} with seed {}", run.scenario, run.seed));
            }
        }
        if let Some([what, found, wanted]) = first.failures.first() {
            let what = format!("{what} failed ({found}, expected {wanted}), so it is no baseline");
            return Err(GateError::at(&first.file, what));
        }
        let reference =
            |run: &&Run| Reference { seed: run.seed, digest: run.digest.clone(), values: run.values.clone() };
        Ok(Self {
            file: file.to_owned(),
            scenario: first.scenario.clone(),
            hash: first.hash.clone(),
            version: first.version.clone(),
            reason: reason.to_owned(),
            seed: first.seed,
            runs: runs.iter().map(reference).collect(),
        })
    }

    /// Whether a folder of baselines holds the same already, for whatever reason.
    #[must_use]
    pub fn is_in(&self, folder: &Path) -> bool {
        let file = folder.join(&self.scenario).with_extension("json");
        let Ok(old) = find(&file, &self.scenario) else { return false };
        let same = Self { reason: old.reason, ..self.clone() };
        read::text(&old.file, "a baseline").is_ok_and(|text| text == same.text())
    }

    /// As the file holds it.
    #[must_use]
    pub fn text(&self) -> String {
        let run = |run: &Reference| {
            let metrics: Json = run.values.iter().map(|(name, value)| (name.clone(), value.to_json())).collect();
            json!({ "seed": run.seed, "digest": run.digest, "metrics": metrics })
        };
        sealed(&json!({
            "baseline": SCHEMA,
            "result_schema": RESULT_SCHEMA,
            "scenario": self.scenario,
            "scenario_hash": self.hash,
            "georush": self.version,
            "reason": self.reason,
            "seed": self.seed,
            "runs": self.runs.iter().map(run).collect::<Vec<_>>(),
        }))
    }
}

/// The baseline of a scenario, from its file, a folder of files, or a result in a baseline's place.
///
/// # Errors
/// If there is none, or it is damaged or of something else.
pub fn find(path: &Path, scenario: &str) -> Result<Baseline, GateError> {
    let file = if path.is_dir() { path.join(scenario).with_extension("json") } else { path.to_owned() };
    if !file.exists() {
        let write = "georush gate RESULT --baseline FOLDER --update --reason TEXT";
        return Err(GateError::at(&file, format_args!("there is no baseline of {scenario}; write one with {write}")));
    }
    let (text, json) = open(&file)?;
    let baseline = if json.get("baseline").is_some() {
        check(&file, &text, &json)?;
        parse(&file, &json)?
    } else {
        Baseline::of(&[&Run::read(&file)?], "a result", &file)?
    };
    if baseline.scenario != scenario {
        let what = format_args!("this is a baseline of {}, the result is of {scenario}", baseline.scenario);
        return Err(GateError::at(&file, what));
    }
    Ok(baseline)
}

fn parse(file: &Path, json: &Json) -> Result<Baseline, GateError> {
    let text = |key: &str| {
        let text = json[key].as_str().map(ToOwned::to_owned);
        text.ok_or_else(|| GateError::at(file, format_args!("it has no {key}; make it again with --update")))
    };
    let schema = &json["result_schema"];
    if schema.as_u64() != Some(RESULT_SCHEMA.into()) {
        let what =
            format_args!("made from results of schema {schema}, expected {RESULT_SCHEMA}; make it again with --update");
        return Err(GateError::at(file, what));
    }
    let runs = json["runs"].as_array().map(Vec::as_slice).unwrap_or_default();
    let run = |run: &Json| {
        let metrics = run["metrics"].as_object()?;
        Some(Reference {
            seed: run["seed"].as_u64()?,
            digest: run["digest"].as_str()?.to_owned(),
            values: metrics.iter().map(|(name, value)| (name.clone(), Value::from_json(value))).collect(),
        })
    };
    let runs = runs.iter().map(run).collect::<Option<Vec<_>>>();
    let runs =
        runs.ok_or_else(|| GateError::at(file, "a run without seed, digest or metrics; make it again with --update"))?;
    let seed = json["seed"].as_u64();
    Ok(Baseline {
        file: file.to_owned(),
        scenario: text("scenario")?,
        hash: text("scenario_hash")?,
        version: text("georush")?,
        reason: text("reason")?,
        seed: seed.ok_or_else(|| GateError::at(file, "it has no seed; make it again with --update"))?,
        runs,
    })
}

/// Text and JSON of a file that this program wrote. Its seal is not looked at, because results have their own reader.
pub(super) fn open(file: &Path) -> Result<(String, Json), GateError> {
    let text = read::text(file, "a baseline").map_err(|what| GateError::at(file, what))?;
    let json = serde_json::from_str(&text).map_err(|error| {
        let what = format_args!("it is cut short or no JSON ({error}); restore it, or make it again with --update");
        GateError::at(file, what)
    })?;
    Ok((text, json))
}

/// Schema and seal of a baseline.
pub(super) fn check(file: &Path, text: &str, json: &Json) -> Result<(), GateError> {
    let schema = &json["baseline"];
    if schema.as_u64() != Some(SCHEMA.into()) {
        let what = format_args!("a baseline of schema {schema}, expected {SCHEMA}; make it again with --update");
        return Err(GateError::at(file, what));
    }
    if !seal::is_intact(text) {
        let what = "its seal does not fit its contents: it was cut or edited by hand; restore it, or make it again with --update";
        return Err(GateError::at(file, what));
    }
    Ok(())
}

/// A baseline's text: one key a line, and a seal.
pub(super) fn sealed(json: &Json) -> String {
    let text = serde_json::to_string_pretty(json).expect("all keys are strings");
    seal::seal(&(text + "\n"))
}

/// Writes texts at `path`, which is a folder or, for a single text, may be a file. All places are proved first; each file is written whole.
///
/// # Errors
/// If one can't be written.
pub fn write(path: &Path, texts: &[(String, String)]) -> Result<Vec<PathBuf>, GateError> {
    let is_file = path.extension().is_some_and(|extension| extension == "json");
    let (folder, names) = match (is_file, texts) {
        (true, [_]) => {
            let (folder, name) = place(path).ok_or_else(|| GateError::at(path, "this names no file"))?;
            (folder, vec![name.to_owned()])
        }
        (true, _) => return Err(GateError::at(path, "a single file for several baselines; give a folder")),
        (false, _) => (path, texts.iter().map(|(name, _)| format!("{name}.json")).collect()),
    };
    let target = Target::prepare(folder, &names.iter().map(String::as_str).collect::<Vec<_>>())?;
    let written = names.iter().zip(texts).map(|(name, (_, text))| target.write(name, text.as_bytes()));
    Ok(written.collect::<Result<_, _>>()?)
}
