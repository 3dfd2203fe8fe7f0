//! The grammar of the data files: every value stands in a table beside its source and its confidence.
//!
//! Not here: what the values mean.

use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// Reads a data file as if its values stood alone, without the tables that describe them.
pub(super) fn parse<T: DeserializeOwned>(text: &str) -> T {
    let mut file: Table = text.parse().expect("embedded data files are TOML");
    for description in ["sources", "columns"] {
        file.remove(description);
    }
    bare(Value::Table(file)).try_into().expect("embedded data files have the fields of their types")
}

fn bare(value: Value) -> Value {
    match value {
        Value::Table(mut table) => match table.remove("value") {
            Some(value) => value,
            None => Value::Table(table.into_iter().map(|(key, value)| (key, bare(value))).collect()),
        },
        other => other,
    }
}
