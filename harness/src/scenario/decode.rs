//! From a document to the raw types by serde, with the path in every error. Not here: the meaning of single values,
//! which decode as [`Leaf`](super::leaf::Leaf) whatever they are.

use std::{cell::RefCell, fmt};

use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, Visitor};

use super::{
    document::{At, Node, Step, Value},
    error::{ScenarioError, suggestion},
};

/// Decodes a document; gives what it could and all errors. Unknown keys are noted and passed over, so that one
/// misspelling does not hide the rest; a table or list in the place of the other ends it.
pub(super) fn decode<T: DeserializeOwned>(root: &Node) -> (Option<T>, Vec<ScenarioError>) {
    let unknown = RefCell::new(Vec::new());
    let decoded = T::deserialize(NodeDeserializer { node: root, at: At::default(), unknown: &unknown });
    let mut errors = unknown.into_inner();
    let decoded = match decoded {
        Ok(decoded) => Some(decoded),
        Err(mismatch) => {
            let Mismatch::Placed(error) = mismatch.at(root, &At::default()) else {
                unreachable!("a mismatch that was given a place has one")
            };
            errors.push(error);
            None
        }
    };
    (decoded, errors)
}

/// What serde found wrong, before and after its place is known.
#[derive(Debug)]
enum Mismatch {
    Expected(String),
    Missing(&'static str),
    Unknown(String, &'static [&'static str]),
    Placed(ScenarioError),
}

impl Mismatch {
    fn at(self, node: &Node, at: &At) -> Self {
        let placed = |message: String| Self::Placed(ScenarioError::new(node.place.clone(), message));
        match self {
            Self::Expected(expected) => placed(format!("{} is {}, expected {expected}", subject(at), node.value)),
            Self::Missing(key) => placed(format!("{} is missing, and it is required", at.key(key))),
            Self::Unknown(key, known) => placed(unknown_key(&key, at, known)),
            Self::Placed(_) => self,
        }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for Mismatch {}

impl de::Error for Mismatch {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Expected(message.to_string())
    }

    fn invalid_type(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::Expected(expected.to_string())
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::Unknown(field.to_owned(), expected)
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Missing(field)
    }
}

fn subject(at: &At) -> String {
    if at.0.is_empty() { "the top level".to_owned() } else { at.to_string() }
}

fn unknown_key(key: &str, at: &At, known: &[&str]) -> String {
    format!("unknown key {key:?} in {}{}", subject(at), suggestion(key, known.iter().copied()))
}

#[derive(Clone)]
struct NodeDeserializer<'a> {
    node: &'a Node,
    at: At,
    unknown: &'a RefCell<Vec<ScenarioError>>,
}

impl<'a> NodeDeserializer<'a> {
    fn inner(&self, node: &'a Node, at: At) -> Self {
        Self { node, at, unknown: self.unknown }
    }

    fn note_unknown(&self, key: &str, node: &Node, fields: &[&str]) {
        let message = unknown_key(key, &self.at, fields);
        self.unknown.borrow_mut().push(ScenarioError::new(node.place.clone(), message));
    }

    /// Visits this table, without the keys that are not among `fields` if there are any.
    fn table<'de, V: Visitor<'de>>(self, fields: &[&str], visitor: V) -> Result<V::Value, Mismatch> {
        let Value::Table(entries) = &self.node.value else {
            return Err(Mismatch::Expected("a table".to_owned()).at(self.node, &self.at));
        };
        let mut known = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            if fields.is_empty() || fields.contains(&key.as_str()) {
                known.push((key.as_str(), self.inner(value, self.at.key(key))));
            } else {
                self.note_unknown(key, value, fields);
            }
        }
        let entries = Entries { rest: known.into_iter(), value: None };
        visitor.visit_map(entries).map_err(|mismatch| mismatch.at(self.node, &self.at))
    }

    fn list<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        let Value::List(items) = &self.node.value else {
            let hint = self.unquoted().map(|name| format!("; quote a name with a dot: {name:?} = [...]"));
            return Err(Mismatch::Expected(format!("a list{}", hint.unwrap_or_default())).at(self.node, &self.at));
        };
        let items: Vec<_> = items.iter().enumerate().map(|(i, item)| self.inner(item, self.at.index(i))).collect();
        let items = de::value::SeqDeserializer::new(items.into_iter());
        visitor.visit_seq(items).map_err(|mismatch| mismatch.at(self.node, &self.at))
    }

    /// The whole name of a threshold that became tables because it was not quoted.
    fn unquoted(&self) -> Option<String> {
        let [Step::Key(table), Step::Key(name)] = self.at.0.as_slice() else { return None };
        let (inner, _) = self.node.entries().first().filter(|_| table == "thresholds")?;
        Some(format!("{name}.{inner}"))
    }

    fn scalar<'de, V: Visitor<'de>>(&self, visitor: V) -> Result<V::Value, Mismatch> {
        match &self.node.value {
            Value::Integer(n) => match (i64::try_from(*n), u64::try_from(*n)) {
                (Ok(n), _) => visitor.visit_i64(n),
                (_, Ok(n)) => visitor.visit_u64(n),
                (Err(_), Err(_)) => visitor.visit_i128(*n),
            },
            Value::Float(x) => visitor.visit_f64(*x),
            Value::Boolean(b) => visitor.visit_bool(*b),
            Value::Text(text) => visitor.visit_str(text),
            Value::List(_) | Value::Table(_) => visitor.visit_unit(),
        }
    }
}

impl<'de> de::Deserializer<'de> for NodeDeserializer<'_> {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match &self.node.value {
            Value::List(_) => self.list(visitor),
            Value::Table(_) => self.table(&[], visitor),
            _ => self.scalar(visitor).map_err(|mismatch| mismatch.at(self.node, &self.at)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        self.list(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        self.table(&[], visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        self.table(fields, visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct tuple
        tuple_struct enum identifier ignored_any
    }
}

impl IntoDeserializer<'_, Mismatch> for NodeDeserializer<'_> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// The entries of a table on their way to a visitor.
struct Entries<'a, I> {
    rest: I,
    value: Option<NodeDeserializer<'a>>,
}

impl<'de, 'a, I: Iterator<Item = (&'a str, NodeDeserializer<'a>)>> de::MapAccess<'de> for Entries<'a, I> {
    type Error = Mismatch;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Mismatch> {
        let Some((key, value)) = self.rest.next() else { return Ok(None) };
        self.value = Some(value);
        seed.deserialize(key.to_owned().into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Mismatch> {
        let value = self.value.take().expect("serde asks for a value after its key");
        seed.deserialize(value)
    }
}
