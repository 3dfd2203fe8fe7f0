//! Quota windows: which window an instant falls into. A quota resets because the window's identity changes, never
//! because somebody writes a zero.

use crate::time::{DAY_US, Timestamp};

/// Identity of one window of one kind: a day number, or a month number (12 x year + month - 1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowId(pub u32);

/// How a plan cuts time into quota windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowKind {
    /// Midnight to midnight, UTC.
    DayUtc,
    /// 24 hours at a time, counted from the key's own anchor (its sign-up).
    Anchored24h,
    /// The calendar month, UTC.
    MonthCalendar,
}

impl WindowKind {
    /// The window that holds `at`. `anchor` matters to [`WindowKind::Anchored24h`] only; instants before it belong to
    /// window 0.
    #[must_use]
    pub fn id(self, at: Timestamp, anchor: Timestamp) -> WindowId {
        match self {
            Self::DayUtc => WindowId((at.0 / DAY_US) as u32),
            Self::Anchored24h => WindowId((at.since(anchor) / DAY_US) as u32),
            Self::MonthCalendar => {
                let (year, month, _) = at.date();
                WindowId(year * 12 + month - 1)
            }
        }
    }

    /// First instant of window `id`.
    #[must_use]
    pub fn starts_at(self, id: WindowId, anchor: Timestamp) -> Timestamp {
        match self {
            Self::DayUtc => Timestamp(u64::from(id.0) * DAY_US),
            Self::Anchored24h => anchor.after(u64::from(id.0) * DAY_US),
            Self::MonthCalendar => Timestamp::from_date(id.0 / 12, id.0 % 12 + 1, 1).unwrap_or_default(),
        }
    }

    /// First instant after window `id`.
    #[must_use]
    pub fn ends_at(self, id: WindowId, anchor: Timestamp) -> Timestamp {
        self.starts_at(WindowId(id.0 + 1), anchor)
    }
}

/// Remembers the calendar month it was asked about last: dates take long to work out, and requests come in order.
#[derive(Debug, Clone, Copy, Default)]
pub struct Calendar {
    month: WindowId,
    starts: Timestamp,
    ends: Timestamp,
}

impl Calendar {
    /// The same as [`WindowKind::id`].
    #[inline]
    pub fn id(&mut self, kind: WindowKind, at: Timestamp, anchor: Timestamp) -> WindowId {
        if kind != WindowKind::MonthCalendar {
            return kind.id(at, anchor);
        }
        if at < self.starts || at >= self.ends {
            self.month = kind.id(at, anchor);
            self.starts = kind.starts_at(self.month, anchor);
            self.ends = kind.ends_at(self.month, anchor);
        }
        self.month
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(y: u32, m: u32, d: u32) -> Timestamp {
        Timestamp::from_date(y, m, d).expect("a real date")
    }

    #[test]
    fn a_window_holds_its_first_instant_and_not_its_end() {
        let anchor = at(2018, 4, 3).after(7_000_000);
        for kind in [WindowKind::DayUtc, WindowKind::Anchored24h, WindowKind::MonthCalendar] {
            let id = kind.id(at(2018, 12, 31).after(5), anchor);
            let (start, end) = (kind.starts_at(id, anchor), kind.ends_at(id, anchor));
            assert_eq!(kind.id(start, anchor), id);
            assert_eq!(kind.id(Timestamp(end.0 - 1), anchor), id);
            assert_eq!(kind.id(end, anchor), WindowId(id.0 + 1));
        }
    }

    #[test]
    fn december_is_followed_by_january() {
        let december = WindowKind::MonthCalendar.id(at(2018, 12, 9), Timestamp(0));
        assert_eq!(WindowKind::MonthCalendar.ends_at(december, Timestamp(0)), at(2019, 1, 1));
    }

    #[test]
    fn a_calendar_agrees_with_the_date_in_any_order() {
        let mut calendar = Calendar::default();
        for days in [0, 400, 399, 31, 30, 31, 59, 58, 365, 364] {
            let at = at(2018, 1, 1).after(days * DAY_US);
            assert_eq!(calendar.id(WindowKind::MonthCalendar, at, at), WindowKind::MonthCalendar.id(at, at));
        }
    }
}
