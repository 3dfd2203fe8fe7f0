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

/// A value without what describes it.
pub(super) fn bare(value: Value) -> Value {
    match value {
        Value::Table(mut table) => match table.remove("value") {
            Some(value) => value,
            None => Value::Table(table.into_iter().map(|(key, value)| (key, bare(value))).collect()),
        },
        other => other,
    }
}

/// The values of a data file that nobody measured or documented, as `table.key`, in the file's own order of names.
pub(super) fn assumptions(text: &str) -> Vec<String> {
    let file: Table = text.parse().expect("embedded data files are TOML");
    let mut found = Vec::new();
    collect("", &file, &mut found);
    found
}

fn collect(path: &str, table: &Table, found: &mut Vec<String>) {
    if table.get("assumption").and_then(Value::as_bool) == Some(true) {
        found.push(path.to_owned());
    }
    for (key, value) in table {
        if let Value::Table(inner) = value {
            let separator = if path.is_empty() { "" } else { "." };
            collect(&format!("{path}{separator}{key}"), inner, found);
        }
    }
}
