//! Numbers as people read them.
//!
//! Not here: colours and layout.

/// Thousands apart: `1,234,567`.
#[must_use]
pub fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things: `1 region`, `10,000 requests`.
#[must_use]
pub fn plural(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(n), if n == 1 { "" } else { "s" })
}

/// A number with its sign unless it is zero: `+12`, `-3`.
#[must_use]
pub fn signed(n: i64) -> String {
    let sign = match n {
        0 => "",
        1.. => "+",
        _ => "-",
    };
    format!("{sign}{}", count(n.unsigned_abs()))
}

/// Microseconds with three significant digits: `850 us`, `48.2 ms`, `1.43 s`, `12m30s`, `6h00m`.
#[must_use]
pub fn duration(us: u64) -> String {
    match us {
        0 => "0 s".to_owned(),
        1..1_000 => format!("{us} us"),
        1_000..1_000_000 => format!("{} ms", significant(us as f64 / 1e3)),
        1_000_000..120_000_000 => format!("{} s", significant(us as f64 / 1e6)),
        _ => elapsed(us),
    }
}

/// Time since the run's start, to the second: `45s`, `12m30s`, `6h00m`, `2d06h`.
#[must_use]
pub fn elapsed(us: u64) -> String {
    let seconds = us / 1_000_000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 if seconds.is_multiple_of(60) => format!("{minutes}m"),
        60..3_600 => format!("{minutes}m{:02}s", seconds % 60),
        3_600..86_400 if seconds.is_multiple_of(60) => format!("{hours}h{minutes:02}m"),
        3_600..86_400 => format!("{hours}h{minutes:02}m{:02}s", seconds % 60),
        _ => format!("{days}d{hours:02}h"),
    }
}

/// A fraction as a percentage, with enough digits to tell it from 0 % and 100 %: `99.95 %`, `0.0012 %`.
#[must_use]
pub fn percent(fraction: f64) -> String {
    let percent = fraction * 100.0;
    let distance = percent.abs().min((100.0 - percent).abs());
    let digits = match distance {
        0.0 => 0,
        d if d >= 10.0 => 1,
        d if d >= 0.01 => 2,
        d if d >= 0.0001 => 4,
        _ => 6,
    };
    format!("{percent:.digits$} %")
}

/// Nano-dollars as dollars and cents: `$1,234.56`; with more digits below a cent: `$0.0042`.
#[must_use]
pub fn dollars(nano_usd: u64) -> String {
    const CENT: u64 = 10_000_000;
    match nano_usd {
        0 => "$0".to_owned(),
        1..CENT => format!("${:.4}", nano_usd as f64 / 1e9),
        _ => {
            let cents = (nano_usd + CENT / 2) / CENT;
            format!("${}.{:02}", count(cents / 100), cents % 100)
        }
    }
}

/// `text` cut to `width` columns, with an ellipsis if anything is missing.
#[must_use]
pub fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// `text` with its control characters as Rust writes them, so that none reaches a terminal.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() {
            true => shown.extend(c.escape_debug()),
            false => shown.push(c),
        }
    }
    shown
}

/// Three significant digits, and never fewer than all before the point.
#[must_use]
pub fn significant(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        v if v >= 999.5 => signed(value.round() as i64).trim_start_matches('+').to_owned(),
        v if v >= 99.95 => format!("{value:.0}"),
        v if v >= 9.995 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_long_or_no_text_is_told_from_what_is() {
        assert_eq!(["eu-west-1", "eu-central-1"].map(|name| cut(name, 9)), ["eu-west-1", "eu-centr…"]);
        assert_eq!(printable("é\u{1b}[2J\n\u{9b}"), r"é\u{1b}[2J\n\u{9b}");
    }

    #[test]
    fn numbers_read_as_people_write_them() {
        assert_eq!([0, 999, 1_000, 25_003_112].map(count), ["0", "999", "1,000", "25,003,112"]);
        assert_eq!([1, 10_000].map(|n| plural(n, "request")), ["1 request", "10,000 requests"]);
        assert_eq!([-3, 0, 1_200].map(signed), ["-3", "0", "+1,200"]);
        let shown = [0, 850, 1_000, 48_230, 999_960, 1_430_000, 119_000_000, 750_000_000].map(duration);
        assert_eq!(shown, ["0 s", "850 us", "1.00 ms", "48.2 ms", "1,000 ms", "1.43 s", "119 s", "12m30s"]);
        assert_eq!([0.0, 0.25, 21.33, 3_017.6].map(significant), ["0", "0.25", "21.3", "3,018"]);
        let shown = [5, 60, 750, 21_600, 21_661, 200_000].map(|s: u64| elapsed(s * 1_000_000));
        assert_eq!(shown, ["5s", "1m", "12m30s", "6h00m", "6h01m01s", "2d07h"]);
        let shown = [0, 4_200_000, 10_000_000, 151_234_999_999, 1_234_567_890_000].map(dollars);
        assert_eq!(shown, ["$0", "$0.0042", "$0.01", "$151.23", "$1,234.57"]);
        let shown = [0.0, 1.0, 0.5, 0.9995, 0.999_995, 0.000_012].map(percent);
        assert_eq!(shown, ["0 %", "100 %", "50.0 %", "99.95 %", "99.9995 %", "0.0012 %"]);
    }
}
