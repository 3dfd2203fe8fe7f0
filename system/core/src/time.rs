//! Instants as integers. Not a clock: nothing here knows what time it is.

/// Microseconds in a second.
pub const SECOND_US: u64 = 1_000_000;
/// Microseconds in a day.
pub const DAY_US: u64 = 86_400 * SECOND_US;

/// An instant: microseconds since 1970-01-01T00:00:00Z, without leap seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The instant `us` microseconds later; stays at the end of time instead of wrapping.
    #[must_use]
    pub const fn after(self, us: u64) -> Self {
        Self(self.0.saturating_add(us))
    }

    /// Microseconds from `earlier` to here, 0 if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Midnight UTC at the start of a proleptic Gregorian date; `None` for a date that does not exist or is before 1970.
    #[must_use]
    pub fn from_date(year: u32, month: u32, day: u32) -> Option<Self> {
        if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) {
            return None;
        }
        Some(Self(days_from_civil(year, month, day) * DAY_US))
    }

    /// Year, month (1-12) and day (1-31) in UTC.
    #[must_use]
    pub fn date(self) -> (u32, u32, u32) {
        civil_from_days(self.0 / DAY_US)
    }
}

fn days_in_month(year: u32, month: u32) -> u32 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01, counted in years that begin in March so that the leap day comes last.
fn days_from_civil(year: u32, month: u32, day: u32) -> u64 {
    let year = u64::from(year) - u64::from(month <= 2);
    let month_from_march = u64::from((month + 9) % 12);
    let day_of_year = (153 * month_from_march + 2) / 5 + u64::from(day) - 1;
    365 * year + year / 4 - year / 100 + year / 400 + day_of_year - DAYS_0000_03_01_TO_1970
}

const DAYS_0000_03_01_TO_1970: u64 = 719_468;

fn civil_from_days(days: u64) -> (u32, u32, u32) {
    let days = days + DAYS_0000_03_01_TO_1970;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year as u32, month as u32, day as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_four_centuries_survives_the_round_trip() {
        for day in 0..146_097 {
            let at = Timestamp(day * DAY_US);
            let (y, m, d) = at.date();
            assert_eq!(Timestamp::from_date(y, m, d), Some(at));
        }
    }

    #[test]
    fn known_dates() {
        assert_eq!(Timestamp(0).date(), (1970, 1, 1));
        assert_eq!(Timestamp::from_date(2017, 11, 24), Some(Timestamp(1_511_481_600 * SECOND_US)));
        assert_eq!(Timestamp::from_date(2023, 2, 29), None);
        assert_eq!(Timestamp::from_date(2018, 13, 1), None);
    }
}
