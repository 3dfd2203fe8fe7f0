//! Stand-in for the scenario front end: its signatures, and one scenario whatever the file says.
//!
//! Not here: the front end.

use std::path::Path;

use super::*;

/// Everything wrong with a file, one line each.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Errors(String);

/// Reads a scenario file.
pub fn load(path: &Path, overrides: &[String], seed: Option<u64>) -> Result<Scenario, Errors> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|e| Errors(format!("{shown}: {e}")))?;
    if !text.contains("schema = 1") {
        return Err(Errors(format!("{shown}:1: schema is missing\n{shown}:1: question is missing")));
    }
    let regions = vec!["us-east-1".to_owned(), "eu-west-1".to_owned()];
    Ok(Scenario {
        name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        question: "Does the stand-in stand?".into(),
        seed: seed.unwrap_or(1),
        start: Timestamp(0),
        duration_us: 60_000_000,
        system: System {
            stack: "serverless-2018".into(),
            era: Era::Y2018,
            regions,
            central: 0,
            enforcement: Enforcement::Replicated,
            aggregation: Aggregation::Cumulative,
            on_unavailable: OnUnavailable::Closed,
            dns: Dns { ttl_us: 1, stale_resolvers_ppm: 0, stale_ttl_us: 1, health_interval_us: 1, health_threshold: 1 },
            keep_alive_ppm: 0,
            gateway: Gateway { rate: 1, burst: 1 },
            function: Function { runtime: "python3.6".into(), memory_mb: 1, concurrency: 1, handler_cpu_us: 1 },
            table: Table { read_capacity: 1, write_capacity: 1, dax_ttl_us: None },
            pipeline: Pipeline::FixedLag { lag_us: vec![0, 0] },
        },
        plans: Vec::new(),
        populations: Vec::new(),
        clients: Vec::new(),
        faults: Vec::new(),
        thresholds: Vec::new(),
        plots: Vec::new(),
        hash: "0".repeat(64),
        overrides: overrides.to_vec(),
    })
}

/// The resolved scenario as text.
#[must_use]
pub fn print(scenario: &Scenario) -> String {
    format!("question = {:?}\n", scenario.question)
}

/// The JSON Schema of scenario files.
#[must_use]
pub fn schema() -> String {
    "{}\n".to_owned()
}
