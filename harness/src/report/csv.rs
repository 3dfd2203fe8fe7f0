//! The series of a result as CSV.
//!
//! Not here: the CSV of single charts, which the page makes.

use serde_json::Value;

use super::read::Stored;

/// The series, a line for each bucket; times are its start, microseconds.
#[must_use]
pub fn series(result: &Stored) -> String {
    let series = &result.json["series"];
    let mut columns: Vec<(String, &[Value])> = Vec::new();
    flatten(series, "", &mut columns);
    let width_us = series["width_us"].as_u64().unwrap_or(1);
    let buckets = columns.first().map_or(0, |(_, values)| values.len());
    let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let mut out = format!("at_us,{}\n", names.join(","));
    for bucket in 0..buckets {
        let values: Vec<String> = columns.iter().map(|(_, values)| values[bucket].to_string()).collect();
        out += &format!("{},{}\n", bucket as u64 * width_us, values.join(","));
    }
    out
}

fn flatten<'a>(value: &'a Value, name: &str, columns: &mut Vec<(String, &'a [Value])>) {
    match value {
        Value::Array(values) => columns.push((name.to_owned(), values)),
        Value::Object(map) => {
            for (key, value) in map {
                flatten(value, &if name.is_empty() { key.clone() } else { format!("{name}.{key}") }, columns);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture;

    #[test]
    fn a_line_for_each_bucket_and_a_column_for_each_series() {
        let stored = fixture::stored();
        let text = series(&stored);
        let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let head = lines.next().expect("a head");
        assert_eq!(head[0], "at_us");
        assert!(head.contains(&"requests") && head.contains(&"regions.eu-central-1.visible"), "{head:?}");
        let rows: Vec<_> = lines.collect();
        assert_eq!(Value::from(rows.len()), stored.json["series"]["buckets"]);
        assert!(rows.iter().all(|row| row.len() == head.len()));
        let column = head.iter().position(|name| *name == "requests").expect("a column");
        let sum: u64 = rows.iter().map(|row| row[column].parse::<u64>().expect("a number")).sum();
        assert_eq!(sum, 116_700);
        assert_eq!(rows[1][0], stored.json["series"]["width_us"].to_string());
    }
}
