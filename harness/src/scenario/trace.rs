//! Traces: arrivals one by one from a CSV file with the header `at,member,country`. Not here: quoting, which such a file
//! never needs.

use super::{
    TraceArrival,
    error::{Place, ScenarioError},
    units::{parse_decimal, parse_duration, show_duration},
};
use crate::facts;

/// Errors beyond this many are not shown.
const ERRORS_MAX: usize = 10;

/// What arrivals must stay within.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Length of the group's part of the run, microseconds.
    pub(super) rest_us: u64,
    /// Members of its population.
    pub(super) size: u32,
}

/// Reads a trace. `member` and `country` may be empty, or absent from the header.
///
/// # Errors
///
/// Up to ten wrong lines.
pub(super) fn parse(file: &str, text: &str, limits: Limits) -> Result<Vec<TraceArrival>, Vec<ScenarioError>> {
    // Spreadsheets begin UTF-8 with a byte order mark.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let error = |line: usize, message: String| ScenarioError::new(Place::Line(file.to_owned(), line + 1), message);
    let columns = lines.next().map(|(_, line)| fields(line)).unwrap_or_default();
    if columns.is_empty() || !["at", "member", "country"].starts_with(&columns) {
        return Err(vec![error(0, format!("the header is \"{}\", expected \"at,member,country\"", columns.join(",")))]);
    }
    let mut arrivals: Vec<TraceArrival> = Vec::new();
    let mut errors = Vec::new();
    for (number, line) in lines {
        let last_us = arrivals.last().map_or(0, |arrival| arrival.at_us);
        match arrival(&fields(line), columns.len(), limits, last_us) {
            Ok(arrival) => arrivals.push(arrival),
            Err(message) => errors.push(error(number, message)),
        }
        if errors.len() == ERRORS_MAX {
            break;
        }
    }
    if errors.is_empty() { Ok(arrivals) } else { Err(errors) }
}

fn fields(line: &str) -> Vec<&str> {
    line.split(',').map(str::trim).collect()
}

fn arrival(fields: &[&str], columns: usize, limits: Limits, last_us: u64) -> Result<TraceArrival, String> {
    if fields.len() != columns {
        return Err(format!("the line has {} fields, expected {columns} as in the header", fields.len()));
    }
    let filled = |i: usize| fields.get(i).copied().filter(|field| !field.is_empty());
    let at = fields[0];
    let at_us = seconds_us(at)
        .or_else(|| parse_duration(at))
        .ok_or_else(|| format!("at is {at:?}, expected seconds such as 1.5 or a duration such as 250ms"))?;
    if at_us < last_us {
        return Err(format!("at is {at:?}, expected no less than in the line before"));
    }
    if at_us >= limits.rest_us {
        return Err(format!("at is {at:?}, expected less than {}, when the run ends", show_duration(limits.rest_us)));
    }
    let member = match filled(1) {
        Some(member) => {
            let index = member.parse().ok().filter(|index: &u32| *index < limits.size);
            let most = limits.size.saturating_sub(1);
            Some(index.ok_or_else(|| format!("member is {member:?}, expected a whole number from 0 to {most}"))?)
        }
        None => None,
    };
    let country = match filled(2) {
        Some(code) => {
            let country = facts::country(code);
            Some(
                country
                    .ok_or_else(|| format!("country is {code:?}, expected the two-letter code of a known country"))?,
            )
        }
        None => None,
    };
    Ok(TraceArrival { at_us, member, country })
}

/// Microseconds of seconds; what is below a microsecond is cut off.
fn seconds_us(text: &str) -> Option<u64> {
    let kept = match text.split_once('.') {
        Some((whole, fraction)) if fraction.len() > 6 && fraction.bytes().all(|byte| byte.is_ascii_digit()) => {
            &text[..whole.len() + 7]
        }
        _ => text,
    };
    parse_decimal(kept, 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { rest_us: 10_000_000, size: 3 };

    fn wrong(text: &str) -> Vec<String> {
        parse("t.csv", text, LIMITS).expect_err(text).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn seconds_and_durations_and_empty_fields_are_read() {
        let arrivals = parse("t.csv", "at,member,country\n0.25,2,AU\n1s,,\n1,0,\n", LIMITS).expect("a valid trace");
        let times: Vec<_> = arrivals.iter().map(|a| (a.at_us, a.member, a.country.is_some())).collect();
        assert_eq!(times, [(250_000, Some(2), true), (1_000_000, None, false), (1_000_000, Some(0), false)]);
        assert_eq!(parse("t.csv", "at\n1\n", LIMITS).expect("a valid trace").len(), 1);
    }

    #[test]
    fn a_byte_order_mark_and_digits_below_a_microsecond_are_passed_over() {
        let arrivals = parse("t.csv", "\u{feff}at\n0.25\n9.9999999999999999\n", LIMITS).expect("a valid trace");
        assert_eq!(arrivals.iter().map(|a| a.at_us).collect::<Vec<_>>(), [250_000, 9_999_999]);
        assert_eq!(wrong("at\n1.0000000x\n").len(), 1);
    }

    #[test]
    fn each_wrong_line_is_named() {
        assert_eq!(wrong("time\n1\n"), ["t.csv:1: the header is \"time\", expected \"at,member,country\""]);
        assert_eq!(
            wrong("at,member\nx,0\n2,3\n1\n2,0\n1,0\n11,0\n"),
            [
                "t.csv:2: at is \"x\", expected seconds such as 1.5 or a duration such as 250ms",
                "t.csv:3: member is \"3\", expected a whole number from 0 to 2",
                "t.csv:4: the line has 1 fields, expected 2 as in the header",
                "t.csv:6: at is \"1\", expected no less than in the line before",
                "t.csv:7: at is \"11\", expected less than 10s, when the run ends",
            ]
        );
    }
}
