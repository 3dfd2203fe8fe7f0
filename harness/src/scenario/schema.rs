//! The JSON Schema of the scenario file, for editors. Not here: what a schema cannot say, which the resolver checks.

use super::raw::RawScenario;

/// The schema as committed in `scenarios/schema.json`.
#[must_use]
pub fn schema() -> String {
    let schema = schemars::schema_for!(RawScenario);
    let mut text = serde_json::to_string_pretty(&schema).expect("a schema is JSON");
    text.push('\n');
    text
}
