//! Rows of values as a table, as CSV or as JSON.
//!
//! Not here: what the rows say.

use clap::ValueEnum;
use georush::report::format;
use serde_json::{Map, Value};

use super::{Stop, print};

/// Columns of a cell at most; CSV and JSON hold it whole.
const CELL_WIDTH: usize = 60;

/// How rows are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Table,
    /// Comma-separated values with a heading, RFC 4180.
    Csv,
    /// An array of objects.
    Json,
}

/// Rows under named columns.
#[derive(Debug)]
pub(super) struct Listing {
    columns: &'static [&'static str],
    rows: Vec<Vec<Value>>,
}

impl Listing {
    pub(super) fn new(columns: &'static [&'static str], rows: Vec<Vec<Value>>) -> Self {
        Self { columns, rows }
    }

    pub(super) fn print(&self, format: Format) -> Result<(), Stop> {
        match format {
            Format::Table => print(&self.table()),
            Format::Csv => print(&self.csv()?),
            Format::Json => print(&self.json()),
        }
    }

    fn table(&self) -> String {
        let heading = self.columns.iter().map(|name| name.to_uppercase().replace('_', " ")).collect::<Vec<_>>();
        let cell = |value: &Value| value.as_u64().map_or_else(|| shown(value), format::count);
        let rows = self.rows.iter().map(|row| row.iter().map(cell).collect());
        let rows: Vec<Vec<String>> = std::iter::once(heading).chain(rows).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let is_number: Vec<bool> = (0..self.columns.len())
            .map(|column| self.rows.first().is_some_and(|row| row[column].is_number()))
            .collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).zip(&is_number).map(|((cell, &width), number)| match number {
                true => format!("{cell:>width$}"),
                false => format!("{cell:width$}"),
            });
            format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
        };
        rows.iter().map(line).collect()
    }

    fn csv(&self) -> Result<String, Stop> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(self.columns).map_err(Stop::could_not_run)?;
        for row in &self.rows {
            writer.write_record(row.iter().map(plain)).map_err(Stop::could_not_run)?;
        }
        let bytes = writer.into_inner().map_err(Stop::could_not_run)?;
        String::from_utf8(bytes).map_err(Stop::could_not_run)
    }

    fn json(&self) -> String {
        let row = |row: &Vec<Value>| {
            self.columns.iter().map(|name| (*name).to_owned()).zip(row.iter().cloned()).collect::<Map<_, _>>()
        };
        let rows: Vec<_> = self.rows.iter().map(row).collect();
        format!("{}\n", serde_json::to_string_pretty(&rows).expect("texts and numbers are JSON"))
    }
}

fn shown(value: &Value) -> String {
    format::cut(&format::printable(&plain(value)), CELL_WIDTH)
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_cuts_what_is_too_long_and_escapes_what_is_no_text() {
        let labels = ["x".repeat(70_000), "bell\u{7}".to_owned()];
        let listing = Listing::new(&["label"], labels.iter().map(|label| vec![label.as_str().into()]).collect());
        assert_eq!(listing.table(), format!("LABEL\n{}…\nbell\\u{{7}}\n", "x".repeat(59)));
        for whole in [listing.csv().expect("texts"), listing.json()] {
            assert!(whole.contains(&labels[0]));
        }
    }
}
