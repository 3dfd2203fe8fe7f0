//! The usage log line: one admitted request as one line of JSON.
//!
//! Not here: how lines travel. Subjects of usage events are numbers that only their holder understands; a line holds the
//! identifier itself.

use std::{fmt, str::FromStr};

use georush_core::{Identifier, Origin, SubjectId, Timestamp, UsageEvent, WindowId};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Visitor};

/// Format of the lines that are written.
const VERSION: u8 = 1;
/// No honest number of a line comes near; sums of those above would overflow.
const NUMBER_MAX: u64 = 1 << 53;

/// One line. Fields that a reader does not know are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Format, 1.
    pub v: u8,
    /// When the edge decided, microseconds since 1970.
    pub at: u64,
    /// Who is charged, as `key:<sha256>`, `ip:<address>` or `referer:<host>`.
    #[serde(serialize_with = "write_identifier", deserialize_with = "read_identifier")]
    pub subject: Identifier,
    /// Which window is charged.
    pub window: u32,
    /// Number of the edge's region.
    pub region: u16,
    /// The edge's life.
    pub epoch: u16,
    /// The log stream within it.
    pub lane: u16,
    /// Lines of this origin and lane so far, this one included.
    pub sequence: u64,
    /// Cost admitted by this origin for this subject in this window so far, this line included.
    pub cumulative: u64,
    /// Cost of this request.
    pub cost: u16,
}

/// Why a text is no usage log line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotALine(pub String);

impl Line {
    /// The line of an event whose subject is `identifier`.
    #[must_use]
    pub fn new(event: &UsageEvent, identifier: Identifier) -> Self {
        Self {
            v: VERSION,
            at: event.at.0,
            subject: identifier,
            window: event.window.0,
            region: event.origin.region,
            epoch: event.origin.epoch,
            lane: event.lane,
            sequence: event.sequence,
            cumulative: event.cumulative,
            cost: event.cost,
        }
    }

    /// The event of this line, for a holder who calls its identifier `subject`.
    #[must_use]
    pub fn event(&self, subject: SubjectId) -> UsageEvent {
        UsageEvent {
            at: Timestamp(self.at),
            sequence: self.sequence,
            cumulative: self.cumulative,
            subject,
            window: WindowId(self.window),
            origin: Origin { region: self.region, epoch: self.epoch },
            cost: self.cost,
            lane: self.lane,
        }
    }

    /// Which of so many parts of the stream it goes to: lines of one lane stay together, and in order.
    #[must_use]
    pub fn part(&self, parts: u16) -> u16 {
        self.region.wrapping_add(self.lane) % parts
    }

    /// Appends the line and a line break.
    pub fn write(&self, out: &mut Vec<u8>) {
        serde_json::to_writer(&mut *out, self).expect("a vector takes everything, and a line has nothing JSON lacks");
        out.push(b'\n');
    }

    fn check(&self) -> Result<(), NotALine> {
        let wrong = |field, found: u64, wanted| Err(NotALine(format!("field `{field}` is {found}, expected {wanted}")));
        if self.v != VERSION {
            return wrong("v", u64::from(self.v), "1, the format that this version reads");
        }
        if self.sequence == 0 || self.sequence > NUMBER_MAX {
            return wrong("sequence", self.sequence, "1 to 2^53");
        }
        if self.cumulative < u64::from(self.cost) || self.cumulative > NUMBER_MAX {
            return wrong("cumulative", self.cumulative, "the cost at least, 2^53 at most");
        }
        if self.cost == 0 {
            return wrong("cost", 0, "1 or more");
        }
        Ok(())
    }
}

impl FromStr for Line {
    type Err = NotALine;

    /// Reads one line, with or without its line break.
    fn from_str(text: &str) -> Result<Self, NotALine> {
        let line: Self = serde_json::from_str(text).map_err(|error| NotALine(error.to_string()))?;
        line.check().map(|()| line)
    }
}

fn write_identifier<S: Serializer>(identifier: &Identifier, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(identifier)
}

fn read_identifier<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Identifier, D::Error> {
    deserializer.deserialize_str(Subject)
}

/// Reads an identifier out of the text that it stands in.
struct Subject;

impl Visitor<'_> for Subject {
    type Value = Identifier;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("key:<sha256>, ip:<address> or referer:<host>")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Identifier, E> {
        let wanted = || E::custom(format!("subject {text:?}, expected key:<sha256>, ip:<address> or referer:<host>"));
        text.parse().map_err(|_| wanted())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"v":1,"at":1511481600000000,"subject":"ip:192.0.2.7","window":17494,"region":3,"epoch":2,"lane":1,"sequence":9,"cumulative":5,"cost":2}"#;

    #[test]
    fn a_line_is_its_event_and_the_identifier() {
        let line: Line = TEXT.parse().expect("a line");
        let event = line.event(SubjectId(7));
        assert_eq!((event.subject, event.origin), (SubjectId(7), Origin { region: 3, epoch: 2 }));
        let mut out = Vec::new();
        Line::new(&event, line.subject).write(&mut out);
        assert_eq!(String::from_utf8(out), Ok(format!("{TEXT}\n")));
    }

    #[test]
    fn fields_of_later_versions_are_ignored() {
        assert!(TEXT.replace("\"v\":1", "\"v\":1,\"trace\":[\"x\"]").parse::<Line>().is_ok());
    }

    #[test]
    fn what_is_no_line_is_told_apart() {
        let change = |from: &str, to: &str| TEXT.replace(from, to);
        for (text, told) in [
            (String::new(), "EOF"),
            ("GET / 200".to_owned(), "expected value"),
            (change("\"v\":1", "\"v\":2"), "field `v` is 2, expected 1"),
            (change("ip:192.0.2.7", "ip:192.0.2"), "subject \"ip:192.0.2\", expected key:<sha256>"),
            (change("\"sequence\":9", "\"sequence\":0"), "field `sequence` is 0"),
            (change("\"sequence\":9", "\"sequence\":18446744073709551615"), "field `sequence` is"),
            (change("\"cumulative\":5", "\"cumulative\":1"), "field `cumulative` is 1"),
            (change("\"cost\":2", "\"cost\":0"), "field `cost` is 0"),
            (change(",\"lane\":1", ""), "missing field `lane`"),
        ] {
            let error = text.parse::<Line>().expect_err(&text).to_string();
            assert!(error.starts_with(told), "{error}");
        }
    }
}
