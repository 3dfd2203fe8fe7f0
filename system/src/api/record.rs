//! Records, as each client wants them.
//!
//! Not here: what is known of an address.

use std::borrow::Cow;

use super::{
    Asked, Error, Question, Reply,
    fields::{is_object, pick, select, v1, without_nulls},
    request::Profile,
    route::{self, Route, Target},
};
use crate::{
    geo::{Found, Geo, Located},
    http::Body,
};

/// A typical record in English takes about 1,100 bytes.
const RECORD_BYTES: usize = 1_408;
/// Items of a bulk request.
const ITEMS_MAX: usize = 100;

/// Writes the answers to one request.
pub(super) struct Scribe<'a> {
    pub(super) geo: &'a Geo,
    pub(super) asked: &'a Asked<'a>,
    pub(super) count: u64,
    /// Whether the plan has autonomous systems.
    pub(super) systems: bool,
}

impl Scribe<'_> {
    /// `located` is where the record stands, if that was looked up ahead.
    #[inline]
    pub(super) fn write(&self, question: &Question<'_>, located: Option<Located>) -> Result<Reply, Error> {
        let fields = question.fields.as_deref();
        let ip = |target: &Target| target.of(self.asked.caller);
        let find = |target| self.geo.read(located.unwrap_or_else(|| self.geo.locate(ip(target))));
        match &question.route {
            Route::Record(target) => Ok(Reply::ok(self.record(&find(target), fields))),
            Route::Translated(target, language) => {
                let language = language.replace('_', "-");
                Ok(Reply::ok(self.record(&self.geo.find_in(ip(target), &language), fields)))
            }
            Route::Field(target, field) => Ok(Reply::ok(self.field(&find(target), field))),
            Route::System(number, text) => self.system(*number, text, fields).map(Reply::ok),
            Route::Bulk => Ok(Reply::ok(self.bulk(&question.items, fields))),
        }
    }

    /// The whole record.
    #[inline]
    fn whole(&self, found: &Found<'_>) -> Vec<u8> {
        let mut out = Body::blank();
        out.push(b'{');
        found.write(&mut out, self.asked.now);
        out.extend_from_slice(br#""count":""#);
        out.extend_from_slice(itoa::Buffer::new().format(self.count).as_bytes());
        out.extend_from_slice(br#""}"#);
        out
    }

    /// The record with the members that the client knows.
    #[inline]
    fn shaped(&self, found: &Found<'_>) -> Vec<u8> {
        let record = self.whole(found);
        if self.asked.profile == Profile::V1 { v1(&record) } else { record }
    }

    #[inline]
    fn record(&self, found: &Found<'_>, fields: Option<&[&'static str]>) -> Vec<u8> {
        let record = self.shaped(found);
        let record = match fields {
            Some(fields) => select(&record, fields, self.missing()),
            None => record,
        };
        if self.asked.profile == Profile::Rust { without_nulls(&record) } else { record }
    }

    /// The value of a field that there is not.
    fn missing(&self) -> &'static str {
        if self.asked.profile == Profile::V1 { "\"\"" } else { "null" }
    }

    /// One field: a text bare for those who expect it, everything else as JSON, as scripts need it.
    fn field(&self, found: &Found<'_>, field: &str) -> Vec<u8> {
        let record = self.shaped(found);
        let value = pick(&record, field, self.missing());
        match self.asked.profile {
            Profile::Standard | Profile::V1 if self.asked.callback().is_some() => value.as_bytes().to_vec(),
            Profile::Json => value.as_bytes().to_vec(),
            Profile::Rust if value == "null" && is_object(field) => b"{}".to_vec(),
            Profile::Rust => without_nulls(value.as_bytes()),
            Profile::Standard | Profile::V1 => match serde_json::from_str::<String>(value) {
                Ok(text) => text.into_bytes(),
                Err(_) => value.as_bytes().to_vec(),
            },
        }
    }

    fn system(&self, number: Option<u32>, text: &str, fields: Option<&[&'static str]>) -> Result<Vec<u8>, Error> {
        if !self.systems {
            return Err(Error::SystemsNotInPlan);
        }
        let unknown = || Error::UnknownSystem(text.to_owned());
        let (network, blocks) = number.and_then(|number| self.geo.system(number)).ok_or_else(unknown)?;
        let addresses: u64 = blocks.v4.iter().map(|block| 1_u64 << (32 - block.prefix_len())).sum();
        let record = serde_json::json!({
            "asn": format!("AS{}", network.asn.unwrap_or_default()),
            "name": network.name,
            "domain": network.domain,
            "type": network.kind,
            "country": null,
            "registry": null,
            "allocated": null,
            "num_ips": addresses,
            "ipv4_prefixes": blocks.v4,
            "ipv6_prefixes": blocks.v6,
            "count": self.count.to_string(),
        });
        let record = record.to_string().into_bytes();
        Ok(match fields {
            Some(fields) => select(&record, fields, "null"),
            None => record,
        })
    }

    /// An answer for each item, in their order; the errors of single items stand in their places.
    fn bulk(&self, items: &[Cow<'_, str>], fields: Option<&[&'static str]>) -> Vec<u8> {
        let wrapped = self.asked.profile == Profile::Rust;
        let mut out = Vec::with_capacity(items.len() * RECORD_BYTES);
        out.extend_from_slice(if wrapped { br#"{"responses":["# } else { b"[" });
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            let answer = match route::system(item) {
                Some(Route::System(number, text)) => self.system(number, &text, None),
                _ => route::address(item).map(|ip| self.record(&self.geo.find(ip), fields)),
            };
            out.append(&mut answer.unwrap_or_else(|error| message(&error)));
        }
        out.extend_from_slice(if wrapped { b"]}" } else { b"]" });
        out
    }
}

/// The items of a bulk body: a JSON array of texts, whatever its declared type.
pub(super) fn items(body: &[u8]) -> Result<Vec<Cow<'_, str>>, Error> {
    #[derive(serde::Deserialize)]
    struct Item<'a>(#[serde(borrow)] Cow<'a, str>);
    let items: Vec<Item<'_>> = serde_json::from_slice(body).map_err(|_| Error::NotAnArray)?;
    if items.len() > ITEMS_MAX {
        return Err(Error::TooMany);
    }
    Ok(items.into_iter().map(|item| item.0).collect())
}

/// `{"message": …}`
pub(super) fn message(error: &Error) -> Vec<u8> {
    serde_json::json!({ "message": error.message() }).to_string().into_bytes()
}
