//! Single values of a scenario file before anyone has judged them, and what the JSON Schema says they should be. Not
//! here: the judging.

use std::{borrow::Cow, fmt, marker::PhantomData};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

/// A single value of any kind.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Leaf {
    /// The key is required and absent.
    Missing,
    Integer(i128),
    Float(f64),
    Boolean(bool),
    Text(String),
    /// A list or a table, where a single value should be.
    Compound,
}

impl<'de> Deserialize<'de> for Leaf {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_option(LeafVisitor)
    }
}

struct LeafVisitor;

impl<'de> de::Visitor<'de> for LeafVisitor {
    type Value = Leaf;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a single value")
    }

    fn visit_none<E>(self) -> Result<Leaf, E> {
        Ok(Leaf::Missing)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Leaf, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Leaf, E> {
        Ok(Leaf::Boolean(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Leaf, E> {
        Ok(Leaf::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Leaf, E> {
        Ok(Leaf::Integer(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Leaf, E> {
        Ok(Leaf::Integer(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Leaf, E> {
        Ok(Leaf::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Leaf, E> {
        Ok(Leaf::Text(value.to_owned()))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Leaf, A::Error> {
        while items.next_element::<de::IgnoredAny>()?.is_some() {}
        Ok(Leaf::Compound)
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut entries: A) -> Result<Leaf, A::Error> {
        while entries.next_entry::<de::IgnoredAny, de::IgnoredAny>()?.is_some() {}
        Ok(Leaf::Compound)
    }
}

static MISSING: Leaf = Leaf::Missing;

/// A key that holds a single value.
pub trait Field {
    /// The value, if the key is there.
    fn leaf(&self) -> Option<&Leaf>;

    /// The value of a key that must be there; [`Leaf::Missing`] if it is not.
    fn needed(&self) -> Option<&Leaf> {
        self.leaf().or(Some(&MISSING))
    }
}

impl<L: Field> Field for Option<L> {
    fn leaf(&self) -> Option<&Leaf> {
        self.as_ref().and_then(Field::leaf)
    }
}

/// A table `T`, or a single value `L` in its place.
#[derive(Debug, Clone, PartialEq, JsonSchema)]
#[schemars(untagged, inline)]
#[allow(missing_docs)]
pub enum OrTable<T, L> {
    Table(T),
    Single(L),
}

impl<'de, T: Deserialize<'de>, L: From<Leaf>> Deserialize<'de> for OrTable<T, L> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OrTableVisitor(PhantomData))
    }
}

struct OrTableVisitor<T, L>(PhantomData<(T, L)>);

macro_rules! single {
    ($($visit:ident: $type:ty),*) => {$(
        fn $visit<E: de::Error>(self, value: $type) -> Result<Self::Value, E> {
            LeafVisitor.$visit(value).map(|leaf| OrTable::Single(leaf.into()))
        }
    )*};
}

impl<'de, T: Deserialize<'de>, L: From<Leaf>> de::Visitor<'de> for OrTableVisitor<T, L> {
    type Value = OrTable<T, L>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a single value or a table")
    }

    single!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_i128: i128, visit_f64: f64, visit_str: &str);

    fn visit_seq<A: de::SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
        LeafVisitor.visit_seq(items).map(|leaf| OrTable::Single(leaf.into()))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, entries: A) -> Result<Self::Value, A::Error> {
        T::deserialize(de::value::MapAccessDeserializer::new(entries)).map(OrTable::Table)
    }
}

macro_rules! leaves {
    ($($(#[doc = $doc:literal])* $name:ident = $schema:tt;)*) => {$(
        $(#[doc = $doc])*
        #[derive(Debug, Clone, PartialEq, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Leaf);

        impl From<Leaf> for $name {
            fn from(leaf: Leaf) -> Self {
                Self(leaf)
            }
        }

        impl Field for $name {
            fn leaf(&self) -> Option<&Leaf> {
                Some(&self.0)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let mut schema = json_schema!($schema);
                schema.insert("description".into(), concat!($($doc),*).trim().into());
                schema
            }
        }
    )*};
}

leaves! {
    /// Text, not empty.
    Text = { "type": "string", "minLength": 1 };
    /// A whole number, 0 or more.
    Whole = { "type": "integer", "minimum": 0 };
    /// A number, 0 or more.
    Number = { "type": "number", "minimum": 0 };
    /// A length of time such as `250ms`, `1.5s` or `1h30m`; units us, ms, s, m, h, d.
    Span = { "type": "string", "pattern": "^([0-9]+(\\.[0-9]+)?(us|ms|s|m|h|d))+$" };
    /// A share of the whole: `12.5%`, or a number from 0 to 1.
    Fraction = { "anyOf": [{ "type": "number", "minimum": 0, "maximum": 1 }, { "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?%$" }] };
    /// A date, or a date and time in UTC: `2018-11-23`, `2018-11-23T06:00:00Z`. A string, not a TOML date.
    Instant = { "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)?$" };
    /// Which AWS the models follow.
    Stack = { "enum": ["serverless-2018", "serverless-now"] };
    /// How edges decide.
    Enforcement = { "enum": ["replicated", "replicated-plus-local"] };
    /// How events become counts.
    Aggregation = { "enum": ["cumulative", "add-then-checkpoint"] };
    /// What stands before the regional table.
    Cache = { "enum": ["none", "dax"] };
    /// Whether the usage pipeline is simulated stage by stage or replaced by a constant.
    PipelineModel = { "enum": ["stages", "fixed-lag"] };
    /// How a plan cuts time into quota windows.
    Window = { "enum": ["day-utc", "anchored-24h", "month-calendar"] };
    /// What identifies a caller.
    Identifier = { "enum": ["api-key", "ip", "referer"] };
    /// How the rate is given.
    Executor = { "enum": ["constant-arrival-rate", "ramping-arrival-rate", "diurnal", "trace"] };
    /// What goes wrong.
    Action = { "enum": ["region-outage", "reroute", "kill", "restart", "pause", "partition", "delay", "duplicate", "throttle", "replication-pause", "log-skip", "dns-stale", "cold-flush"] };
    /// The process that dies or stands still.
    NodeName = { "enum": ["edge", "aggregator", "replicator"] };
    /// The service whose capacity is cut.
    ServiceName = { "enum": ["gateway", "function", "table-reads", "table-writes", "stream"] };
    /// Whether a baseline's decisions must be met.
    DigestRule = { "enum": ["equal", "free"] };
    /// The horizontal axis.
    Axis = { "enum": ["time"] };
}
