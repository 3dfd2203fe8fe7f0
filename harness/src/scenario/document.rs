//! A TOML document as a tree in which every value knows where it was written. Not here: what the values mean.

use std::fmt;

use toml::de::{DeTable, DeValue};

use super::error::{Place, ScenarioError};

/// A value and where it was written.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// A TOML value; dates are refused while reading.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Integer(i128),
    Float(f64),
    Boolean(bool),
    Text(String),
    List(Vec<Node>),
    /// In file order.
    Table(Vec<(String, Node)>),
}

impl Node {
    /// The value of a key, if this is a table that has it.
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.entries().iter().find(|entry| entry.0 == key).map(|entry| &entry.1)
    }

    /// Keys and values; none unless this is a table.
    pub(super) fn entries(&self) -> &[(String, Self)] {
        match &self.value {
            Value::Table(entries) => entries,
            _ => &[],
        }
    }

    /// The value at a path, or the innermost one on the way that exists, and whether it is the former.
    pub(super) fn walk(&self, at: &At) -> (&Self, bool) {
        let mut node = self;
        for step in &at.0 {
            let next = match (step, &node.value) {
                (Step::Key(key), _) => node.get(key),
                (Step::Index(i), Value::List(items)) => items.get(*i),
                (Step::Index(_), _) => None,
            };
            match next {
                Some(next) => node = next,
                None => return (node, false),
            }
        }
        (node, true)
    }
}

/// The value as an error shows it: short, on one line.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer(n) => write!(f, "{n}"),
            Self::Float(x) => write!(f, "{x:?}"),
            Self::Boolean(b) => write!(f, "{b}"),
            Self::Text(text) if text.chars().count() > 60 => {
                write!(f, "{:?}...", text.chars().take(60).collect::<String>())
            }
            Self::Text(text) => write!(f, "{text:?}"),
            Self::List(items) => write!(f, "a list of {}", items.len()),
            Self::Table(_) => f.write_str("a table"),
        }
    }
}

/// The path of a value in a document: `clients[0].stages[1].target`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct At(pub(super) Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

impl At {
    pub(super) fn key(&self, key: &str) -> Self {
        self.then(Step::Key(key.to_owned()))
    }

    pub(super) fn index(&self, index: usize) -> Self {
        self.then(Step::Index(index))
    }

    fn then(&self, step: Step) -> Self {
        Self(self.0.iter().cloned().chain([step]).collect())
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            let dot = if i == 0 { "" } else { "." };
            match step {
                Step::Key(key) if is_bare(key) => write!(f, "{dot}{key}")?,
                Step::Key(key) => write!(f, "{dot}{key:?}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

fn is_bare(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

/// Reads a TOML document.
///
/// # Errors
///
/// All syntax errors that the parser finds, and all dates.
pub(super) fn parse(file: &str, text: &str) -> Result<Node, Vec<ScenarioError>> {
    let (table, syntax) = DeTable::parse_recoverable(text);
    let mut reader = Reader { place_of: &|offset| Place::Line(file.to_owned(), line_of(text, offset)), errors: vec![] };
    for error in syntax {
        let place = (reader.place_of)(error.span().map_or(text.len(), |span| span.start));
        // The parser goes on after an error; what it then stumbles over on the same line is the same mistake.
        if reader.errors.last().is_none_or(|last| last.place != place) {
            reader.errors.push(ScenarioError::new(place, format_args!("not valid TOML: {}", error.message())));
        }
    }
    if !reader.errors.is_empty() {
        return Err(reader.errors);
    }
    let value = reader.table(table.get_ref(), &At::default());
    if reader.errors.is_empty() {
        Ok(Node { place: Place::Line(file.to_owned(), 1), value })
    } else {
        Err(reader.errors)
    }
}

/// Reads the value of an override: TOML if it is that, else a string as it stands.
pub(super) fn parse_override(text: &str, place: &Place) -> Result<Node, ScenarioError> {
    let value = match DeValue::parse(text) {
        Ok(parsed) if !matches!(parsed.get_ref(), DeValue::Datetime(_)) => {
            let mut reader = Reader { place_of: &|_| place.clone(), errors: vec![] };
            let value = reader.value(parsed.get_ref(), place, &At::default());
            match reader.errors.into_iter().next() {
                Some(error) => return Err(error),
                None => value,
            }
        }
        _ => Value::Text(text.to_owned()),
    };
    Ok(Node { place: place.clone(), value })
}

/// Line of a byte offset, from 1.
fn line_of(text: &str, offset: usize) -> usize {
    let before = &text.as_bytes()[..offset.min(text.len())];
    let ends = before.iter().filter(|byte| **byte == b'\n').count();
    // What is missing at the end of a file is missing on its last line.
    let at_end = offset >= text.len() && text.ends_with('\n');
    (ends + 1 - usize::from(at_end)).max(1)
}

struct Reader<'a> {
    place_of: &'a dyn Fn(usize) -> Place,
    errors: Vec<ScenarioError>,
}

impl Reader<'_> {
    fn table(&mut self, table: &DeTable<'_>, at: &At) -> Value {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let mut read = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let at = at.key(key.get_ref());
            let place = (self.place_of)(key.span().start);
            let value = self.node(value.get_ref(), place, &at);
            read.push((key.get_ref().to_string(), value));
        }
        Value::Table(read)
    }

    fn node(&mut self, value: &DeValue<'_>, place: Place, at: &At) -> Node {
        let value = self.value(value, &place, at);
        Node { place, value }
    }

    fn value(&mut self, value: &DeValue<'_>, place: &Place, at: &At) -> Value {
        match value {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(n) => match i128::from_str_radix(n.as_str(), n.radix()) {
                Ok(n) => Value::Integer(n),
                Err(_) => self.refuse(place, at, n, "a number that fits 64 bits"),
            },
            DeValue::Float(x) => match x.as_str().parse() {
                Ok(x) => Value::Float(x),
                Err(_) => self.refuse(place, at, x, "a number"),
            },
            DeValue::Boolean(b) => Value::Boolean(*b),
            DeValue::Datetime(date) => {
                self.refuse(place, at, format_args!("the TOML date {date}"), "a string; write it in quotes")
            }
            DeValue::Array(items) => Value::List(
                (items.iter().enumerate())
                    .map(|(i, item)| {
                        let place = (self.place_of)(item.span().start);
                        self.node(item.get_ref(), place, &at.index(i))
                    })
                    .collect(),
            ),
            DeValue::Table(table) => self.table(table, at),
        }
    }

    fn refuse(&mut self, place: &Place, at: &At, found: impl fmt::Display, expected: &str) -> Value {
        let subject = if at.0.is_empty() { "the value".to_owned() } else { at.to_string() };
        let message = format_args!("{subject} is {found}, expected {expected}");
        self.errors.push(ScenarioError::new(place.clone(), message));
        Value::Boolean(false)
    }
}
