//! Durations, fractions and instants between text and integers. Not here: which of them a key allows.

use georush_core::{Timestamp, time::SECOND_US};

/// Units of duration, largest first, and their microseconds.
const UNITS: [(&str, u64); 6] = [
    ("d", 86_400 * SECOND_US),
    ("h", 3_600 * SECOND_US),
    ("m", 60 * SECOND_US),
    ("s", SECOND_US),
    ("ms", 1_000),
    ("us", 1),
];

/// No duration is longer: ten years. Sums of many stay far from overflow.
const DURATION_US_MAX: u64 = 3_650 * 86_400 * SECOND_US;

/// Microseconds of `250ms`, `1.5s`, `1h30m`; `None` for anything else, for fractions of a microsecond and for more than
/// 3650 days.
#[must_use]
pub fn parse_duration(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut total_us = 0u64;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, after) = rest.split_at(number_end);
        let unit_end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, next) = after.split_at(unit_end);
        let unit_us = UNITS.iter().find(|entry| entry.0 == unit)?.1;
        total_us = total_us.checked_add(parse_decimal(number, unit_us)?)?;
        rest = next;
    }
    (!text.is_empty() && total_us <= DURATION_US_MAX).then_some(total_us)
}

/// A decimal number such as `12.5` times `scale`; `None` unless that is a whole number.
#[must_use]
pub fn parse_decimal(text: &str, scale: u64) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 12 {
        return None;
    }
    let tens = 10u128.pow(u32::try_from(fraction.len()).ok()?);
    let part = fraction.parse::<u128>().ok()? * u128::from(scale);
    let whole = whole.parse::<u64>().ok()?.checked_mul(scale)?;
    part.is_multiple_of(tens).then(|| whole.checked_add(u64::try_from(part / tens).ok()?)).flatten()
}

/// A duration as [`parse_duration`] reads it, in the fewest terms: `1h30m`.
#[must_use]
pub fn show_duration(us: u64) -> String {
    if us == 0 {
        return "0s".to_owned();
    }
    let mut rest = us;
    let mut text = String::new();
    for (unit, unit_us) in UNITS {
        if rest >= unit_us {
            text.push_str(&format!("{}{unit}", rest / unit_us));
            rest %= unit_us;
        }
    }
    text
}

/// Millionths of `12.5%`; `None` for anything else, for more than 100% and for more than four decimals.
#[must_use]
pub fn parse_percent_ppm(text: &str) -> Option<u32> {
    let ppm = parse_decimal(text.strip_suffix('%')?.trim_end(), 10_000)?;
    u32::try_from(ppm).ok().filter(|ppm| *ppm <= 1_000_000)
}

/// Millionths of a fraction from 0 to 1, to the nearest; `None` outside.
#[must_use]
pub fn fraction_ppm(fraction: f64) -> Option<u32> {
    (0.0..=1.0).contains(&fraction).then(|| libm::round(fraction * 1_000_000.0) as u32)
}

/// Millionths as a percentage: `12.5%`.
#[must_use]
pub fn show_ppm(ppm: u32) -> String {
    format!("{}%", f64::from(ppm) / 10_000.0)
}

/// The instant of `2018-11-23` or `2018-11-23T06:00:00Z`; `None` for anything else and for dates that do not exist.
#[must_use]
pub fn parse_instant(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_once('T').unwrap_or((text, "00:00:00Z"));
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(time.strip_suffix('Z')?, ':', [2, 2, 2])?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = u64::from(hour * 3_600 + minute * 60 + second);
    Some(Timestamp::from_date(year, month, day)?.after(seconds * SECOND_US))
}

/// An instant as [`parse_instant`] reads it. Parts of a second are cut off.
#[must_use]
pub fn show_instant(at: Timestamp) -> String {
    let (year, month, day) = at.date();
    let second = at.0 / SECOND_US % 86_400;
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Three numbers of the given numbers of digits.
fn numbers(text: &str, separator: char, digits: [usize; 3]) -> Option<[u32; 3]> {
    let parts: Vec<&str> = text.split(separator).collect();
    let mut read = [0; 3];
    if parts.len() != 3 {
        return None;
    }
    for ((part, digits), read) in parts.iter().zip(digits).zip(&mut read) {
        if part.len() != digits || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        *read = part.parse().ok()?;
    }
    Some(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_sums_of_numbers_with_units() {
        let cases = [("150us", 150), ("250ms", 250_000), ("1h30m", 5_400_000_000), ("1.5s", 1_500_000), ("0s", 0)];
        for (text, us) in cases {
            assert_eq!(parse_duration(text), Some(us), "{text}");
        }
        assert_eq!(parse_duration("30d"), Some(30 * 86_400_000_000));
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in [
            "",
            "10",
            "s",
            "-5s",
            "10 s",
            "5sec",
            "1.s",
            "1..5s",
            "0.5us",
            "1h30",
            "99999999999999999999s",
            "4000d",
            "5m\u{301}",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    #[test]
    fn a_shown_duration_reads_back() {
        for us in [0, 1, 999, 1_000, 61_000_000, 5_400_000_000, 86_400_000_001] {
            assert_eq!(parse_duration(&show_duration(us)), Some(us));
        }
        assert_eq!(show_duration(5_400_000_000), "1h30m");
    }

    #[test]
    fn percentages_are_exact_to_a_millionth() {
        assert_eq!(parse_percent_ppm("12.5%"), Some(125_000));
        assert_eq!(parse_percent_ppm("99.9999%"), Some(999_999));
        assert_eq!(parse_percent_ppm("100%"), Some(1_000_000));
        for text in ["100.1%", "-1%", "5", "%", "0.00001%"] {
            assert_eq!(parse_percent_ppm(text), None, "{text}");
        }
        assert_eq!(fraction_ppm(0.1), Some(100_000));
        assert_eq!(fraction_ppm(f64::NAN), None);
    }

    #[test]
    fn instants_read_back_and_impossible_ones_are_refused() {
        for text in ["2018-11-23T06:00:00Z", "2024-02-29T23:59:59Z"] {
            assert_eq!(show_instant(parse_instant(text).expect("a real instant")), text);
        }
        assert_eq!(parse_instant("2018-11-23"), parse_instant("2018-11-23T00:00:00Z"));
        for text in
            ["2018-02-29", "2018-1-1", "2018-11-23T24:00:00Z", "2018-11-23T06:00:00", "today", "2018-11-23T06:00Z"]
        {
            assert_eq!(parse_instant(text), None, "{text}");
        }
    }
}
