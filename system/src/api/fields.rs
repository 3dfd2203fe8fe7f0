//! Fields of a record: picking some, and the shapes that certain clients need.
//!
//! A record is written once, whole, by `geo`; everything here works on its text. Not here: writing it.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{Map, Value, value::RawValue};

use super::error::Error;

/// Every field that a record may have.
pub(super) const OF_RECORD: [&str; 26] = [
    "ip",
    "is_eu",
    "city",
    "region",
    "region_code",
    "region_type",
    "country_name",
    "country_code",
    "continent_name",
    "continent_code",
    "latitude",
    "longitude",
    "postal",
    "calling_code",
    "flag",
    "emoji_flag",
    "emoji_unicode",
    "asn",
    "company",
    "organisation",
    "carrier",
    "languages",
    "currency",
    "time_zone",
    "threat",
    "count",
];

/// Every field of an autonomous system's record.
pub(super) const OF_SYSTEM: [&str; 11] = [
    "asn",
    "name",
    "domain",
    "type",
    "country",
    "registry",
    "allocated",
    "num_ips",
    "ipv4_prefixes",
    "ipv6_prefixes",
    "count",
];

/// The field of an address's record of this name.
pub(super) fn find(name: &str) -> Option<&'static str> {
    OF_RECORD.into_iter().find(|field| *field == name)
}

/// The fields, out of those `of` a kind of record, that a query asks for; `None` if it leaves the choice open. `status` is what some clients add to every
/// record, so that they ask for it, too.
pub(super) fn wanted(list: Option<&str>, of: &[&'static str]) -> Result<Option<Vec<&'static str>>, Error> {
    let Some(list) = list else { return Ok(None) };
    let mut fields = Vec::new();
    for name in list.split(',').map(str::trim).filter(|name| !name.is_empty() && *name != "status") {
        let field = *of.iter().find(|field| **field == name).ok_or_else(|| Error::NotAField(name.to_owned()))?;
        if !fields.contains(&field) {
            fields.push(field);
        }
    }
    Ok((!fields.is_empty()).then_some(fields))
}

/// The members of an object, as text.
struct Members<'a>(Vec<(&'a str, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct All<'a>(PhantomData<&'a ()>);
        impl<'de: 'a, 'a> Visitor<'de> for All<'a> {
            type Value = Members<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'a>, A::Error> {
                let mut members = Vec::with_capacity(OF_RECORD.len());
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        from.deserialize_map(All(PhantomData))
    }
}

fn members(record: &[u8]) -> Members<'_> {
    serde_json::from_slice(record).expect("records are written as valid objects")
}

/// The text of one field's value; `missing` if the record lacks it.
pub(super) fn pick<'a>(record: &'a [u8], field: &str, missing: &'a str) -> &'a str {
    members(record).0.into_iter().find(|(name, _)| *name == field).map_or(missing, |(_, value)| value.get())
}

/// An object of exactly these fields, in this order; those that the record lacks are `missing`.
pub(super) fn select(record: &[u8], fields: &[&str], missing: &str) -> Vec<u8> {
    let members = members(record).0;
    let mut out = b"{".to_vec();
    for (index, field) in fields.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let value = members.iter().find(|(name, _)| name == field).map_or(missing, |(_, value)| value.get());
        out.extend_from_slice(format!("\"{field}\":{value}").as_bytes());
    }
    out.push(b'}');
    out
}

/// A value as the Rust crate can read it: without null members.
pub(super) fn without_nulls(text: &[u8]) -> Vec<u8> {
    let mut value: Value = serde_json::from_slice(text).expect("records are written as valid objects");
    drop_nulls(&mut value);
    value.to_string().into_bytes()
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Whether a field is an object in every record that has it.
pub(super) fn is_object(field: &str) -> bool {
    matches!(field, "asn" | "company" | "carrier" | "currency" | "time_zone" | "threat")
}

/// The flat record of 2017: texts where later ones have objects, empty texts where later ones have null.
pub(super) fn v1(record: &[u8]) -> Vec<u8> {
    let value: Value = serde_json::from_slice(record).expect("records are written as valid objects");
    let mut flat = Map::new();
    for field in V1_FIELDS {
        let found = match field {
            "asn" => &value["asn"]["asn"],
            "currency" => &value["currency"]["code"],
            "currency_symbol" => &value["currency"]["symbol"],
            "time_zone" => &value["time_zone"]["name"],
            field => &value[field],
        };
        let text = || Value::String(String::new());
        flat.insert(field.to_owned(), if found.is_null() { text() } else { found.clone() });
    }
    Value::Object(flat).to_string().into_bytes()
}

const V1_FIELDS: [&str; 21] = [
    "ip",
    "is_eu",
    "city",
    "region",
    "region_code",
    "country_name",
    "country_code",
    "continent_name",
    "continent_code",
    "latitude",
    "longitude",
    "asn",
    "organisation",
    "postal",
    "calling_code",
    "flag",
    "emoji_flag",
    "emoji_unicode",
    "currency",
    "currency_symbol",
    "time_zone",
];

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &[u8] =
        br#"{"ip":"8.8.8.8","city":null,"asn":{"asn":"AS15169","domain":null},"currency":{"code":"USD","symbol":"$"},"count":"7"}"#;

    #[test]
    fn an_empty_choice_is_no_choice_and_status_is_nobodys_field() {
        for list in [None, Some(""), Some(" , "), Some("status")] {
            assert_eq!(wanted(list, &OF_RECORD), Ok(None));
        }
        assert_eq!(wanted(Some("ip, asn ,status,ip"), &OF_RECORD), Ok(Some(vec!["ip", "asn"])));
        assert_eq!(wanted(Some("ip,bleh"), &OF_RECORD), Err(Error::NotAField("bleh".to_owned())));
        assert_eq!(wanted(Some("name,ip"), &OF_SYSTEM), Err(Error::NotAField("ip".to_owned())));
    }

    #[test]
    fn exactly_the_chosen_fields_are_there_in_the_chosen_order() {
        let chosen = select(RECORD, &["count", "city", "carrier", "asn"], "null");
        let wanted = r#"{"count":"7","city":null,"carrier":null,"asn":{"asn":"AS15169","domain":null}}"#;
        assert_eq!(String::from_utf8(chosen).as_deref(), Ok(wanted));
        assert_eq!((pick(RECORD, "ip", "null"), pick(RECORD, "postal", "null")), (r#""8.8.8.8""#, "null"));
    }

    #[test]
    fn shapes_for_single_clients() {
        let lean = String::from_utf8(without_nulls(RECORD));
        let wanted = r#"{"asn":{"asn":"AS15169"},"count":"7","currency":{"code":"USD","symbol":"$"},"ip":"8.8.8.8"}"#;
        assert_eq!(lean.as_deref(), Ok(wanted));
        let flat: Value = serde_json::from_slice(&v1(RECORD)).expect("JSON");
        assert_eq!(
            (&flat["asn"], &flat["currency_symbol"], &flat["city"]),
            (&"AS15169".into(), &"$".into(), &"".into())
        );
    }
}
