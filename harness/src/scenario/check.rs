//! Reads single values out of a table and notes what is wrong with them. Not here: which values a scenario has.

use std::{cell::RefCell, fmt};

use super::{
    document::{At, Node, Step},
    error::{ScenarioError, suggestion},
    leaf::Leaf,
    units::{fraction_ppm, parse_duration, parse_instant, parse_percent_ppm},
};

use georush_core::Timestamp;

/// What a duration looks like, for errors.
pub(super) const DURATION: &str = "a duration such as \"250ms\", \"10s\" or \"1h30m\"";

/// The document and the problems found in it so far.
pub(super) struct Check<'a> {
    root: &'a Node,
    errors: RefCell<Vec<ScenarioError>>,
}

impl<'a> Check<'a> {
    pub(super) fn new(root: &'a Node) -> Self {
        Self { root, errors: RefCell::default() }
    }

    pub(super) fn into_errors(self) -> Vec<ScenarioError> {
        self.errors.into_inner()
    }

    pub(super) fn top(&self) -> Section<'_> {
        Section { check: self, at: At::default() }
    }
}

/// One table of the document. Every reading method gives `None` for what is absent or wrong; the latter is noted.
#[derive(Clone)]
pub(super) struct Section<'a> {
    check: &'a Check<'a>,
    pub(super) at: At,
}

impl<'a> Section<'a> {
    pub(super) fn key(&self, key: &str) -> Self {
        Self { check: self.check, at: self.at.key(key) }
    }

    pub(super) fn index(&self, index: usize) -> Self {
        Self { check: self.check, at: self.at.index(index) }
    }

    /// The table itself, or the innermost thing on the way to it.
    pub(super) fn node(&self) -> &'a Node {
        self.check.root.walk(&self.at).0
    }

    /// The keys of this table, in file order.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'a str> {
        let (node, exists) = self.check.root.walk(&self.at);
        let entries = if exists { node.entries() } else { &[] };
        entries.iter().map(|entry| entry.0.as_str())
    }

    /// Notes it if this table's key has control characters: it is a name that goes to terminals and into tables.
    pub(super) fn named(&self) {
        if matches!(self.at.0.last(), Some(Step::Key(name)) if name.contains(char::is_control)) {
            self.say(format_args!("{}: the name holds control characters, expected none", self.at));
        }
    }

    /// Notes a problem in words, at this place.
    pub(super) fn say(&self, message: impl fmt::Display) {
        self.note(ScenarioError::new(self.node().place.clone(), message));
    }

    pub(super) fn note(&self, error: ScenarioError) {
        self.check.errors.borrow_mut().push(error);
    }

    /// Notes that this value is not what was expected.
    pub(super) fn wrong(&self, expected: impl fmt::Display) {
        let (node, exists) = self.check.root.walk(&self.at);
        if exists {
            self.say(format_args!("{} is {}, expected {expected}", self.at, node.value));
        } else {
            self.say(format_args!("{} is missing, expected {expected}", self.at));
        }
    }

    fn read<'l, T>(
        &self,
        key: &str,
        leaf: Option<&'l Leaf>,
        expected: impl fmt::Display,
        read: impl FnOnce(&'l Leaf) -> Option<T>,
    ) -> Option<T> {
        let value = read(leaf?);
        if value.is_none() {
            self.key(key).wrong(expected);
        }
        value
    }

    /// Text that is not empty, in one line and without other control characters: it goes to terminals and into tables.
    pub(super) fn text<'l>(&self, key: &str, leaf: Option<&'l Leaf>, what: &str) -> Option<&'l str> {
        let controls = matches!(leaf, Some(Leaf::Text(text)) if text.contains(char::is_control));
        let line = if controls { ", in one line without control characters" } else { "" };
        self.read(key, leaf, format_args!("{what}{line}"), |leaf| match leaf {
            Leaf::Text(text) if !text.trim().is_empty() && !controls => Some(text.as_str()),
            _ => None,
        })
    }

    /// A whole number within bounds.
    pub(super) fn whole(&self, key: &str, leaf: Option<&Leaf>, range: (u64, u64), what: &str) -> Option<u64> {
        let (least, most) = range;
        let expected = match most {
            _ if least == most => format!("{least}, {what}"),
            // Hardly anybody meets such a limit; showing it to others would only distract.
            1_000_000_000_000.. if !matches!(leaf, Some(Leaf::Integer(n)) if *n > i128::from(most)) => {
                format!("{what}, a whole number of {least} or more")
            }
            _ => format!("{what}, a whole number from {least} to {most}"),
        };
        self.read(key, leaf, expected, |leaf| match leaf {
            Leaf::Integer(n) => u64::try_from(*n).ok().filter(|n| (least..=most).contains(n)),
            _ => None,
        })
    }

    /// A whole number from `least` to the largest `u32`.
    pub(super) fn whole_u32(&self, key: &str, leaf: Option<&Leaf>, least: u32, what: &str) -> Option<u32> {
        self.whole(key, leaf, (least.into(), u32::MAX.into()), what).and_then(|n| u32::try_from(n).ok())
    }

    /// A number that `accept` accepts.
    pub(super) fn number(
        &self,
        key: &str,
        leaf: Option<&Leaf>,
        expected: impl fmt::Display,
        accept: impl FnOnce(f64) -> bool,
    ) -> Option<f64> {
        self.read(key, leaf, expected, |leaf| {
            let number = match leaf {
                Leaf::Integer(n) => *n as f64,
                Leaf::Float(x) => *x,
                Leaf::Missing | Leaf::Boolean(_) | Leaf::Text(_) | Leaf::Compound => return None,
            };
            (number.is_finite() && accept(number)).then_some(number)
        })
    }

    /// A duration in microseconds, 0 allowed.
    pub(super) fn duration(&self, key: &str, leaf: Option<&Leaf>) -> Option<u64> {
        self.read(key, leaf, DURATION, |leaf| match leaf {
            Leaf::Text(text) => parse_duration(text),
            _ => None,
        })
    }

    /// A duration in microseconds, above 0.
    pub(super) fn length(&self, key: &str, leaf: Option<&Leaf>) -> Option<u64> {
        let length = self.duration(key, leaf);
        if length == Some(0) {
            self.key(key).wrong("a duration above 0");
        }
        length.filter(|us| *us > 0)
    }

    /// A fraction in millionths.
    pub(super) fn fraction(&self, key: &str, leaf: Option<&Leaf>) -> Option<u32> {
        self.read(key, leaf, "a fraction such as \"12.5%\", or a number from 0 to 1", |leaf| match leaf {
            Leaf::Text(text) => parse_percent_ppm(text),
            Leaf::Integer(n @ 0..=1) => fraction_ppm(*n as f64),
            Leaf::Float(x) => fraction_ppm(*x),
            _ => None,
        })
    }

    /// An instant.
    pub(super) fn instant(&self, key: &str, leaf: Option<&Leaf>) -> Option<Timestamp> {
        self.read(key, leaf, "a date such as \"2018-11-23\" or \"2018-11-23T06:00:00Z\"", |leaf| match leaf {
            Leaf::Text(text) => parse_instant(text),
            _ => None,
        })
    }

    /// One of some words. `not_yet` are words that the vocabulary has and this version does not.
    pub(super) fn choice<T: Copy>(
        &self,
        key: &str,
        leaf: Option<&Leaf>,
        words: &[(&str, T)],
        not_yet: &[&str],
    ) -> Option<T> {
        let found = match leaf? {
            Leaf::Text(text) => text.as_str(),
            _ => "",
        };
        if let Some((_, value)) = words.iter().find(|word| word.0 == found) {
            return Some(*value);
        }
        let names = words.iter().map(|word| word.0);
        let list = names.clone().collect::<Vec<_>>().join(", ");
        let one_of = if words.len() == 1 { format!("\"{list}\"") } else { format!("one of {list}") };
        let section = self.key(key);
        if not_yet.contains(&found) {
            section.say(format_args!("{} is {found:?}, which is not available yet; expected {one_of}", section.at));
        } else {
            let near = Some(suggestion(found, names)).filter(|near| near.ends_with('?')).unwrap_or_default();
            section.wrong(format_args!("{one_of}{near}"));
        }
        None
    }

    /// The index of a name in a list of names.
    pub(super) fn name(&self, key: &str, leaf: Option<&Leaf>, what: &str, names: &[String]) -> Option<usize> {
        let found = match leaf? {
            Leaf::Text(text) => text.as_str(),
            _ => "",
        };
        let position = names.iter().position(|name| name == found);
        if position.is_none() {
            let suggestion = suggestion(found, names.iter().map(String::as_str));
            self.key(key).wrong(format_args!("{what}{suggestion}"));
        }
        position
    }

    /// Notes every key of this table that is not among `allowed`, as not belonging to `owner`.
    pub(super) fn only(&self, allowed: &[&str], owner: &str) {
        for key in self.keys().filter(|key| !allowed.contains(key)) {
            let section = self.key(key);
            let takes = allowed.join(", ");
            section.say(format_args!("{} does not belong to {owner}, which takes {takes}", section.at));
        }
    }
}
