//! One request in a dialect, and what all dialects need to answer it.
//!
//! Not here: any dialect.

use std::{borrow::Cow, net::IpAddr};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use hyper::{Method, StatusCode, header::AUTHORIZATION};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value};

use crate::{
    api::{
        Api, Asked,
        error::Error,
        metrics::Cause,
        reply::Reply,
        request::{decode, header, key, pairs, subject},
        route,
    },
    edge::{Admission, Want},
    geo::Geo,
};

/// One request in a dialect.
pub(super) struct Talk<'a> {
    pub(super) api: &'a Api,
    pub(super) asked: &'a Asked<'a>,
    pub(super) geo: &'a Geo,
    pub(super) body: Option<&'a Bytes>,
    pub(super) path: &'a str,
    pub(super) admission: Option<Admission>,
}

impl<'a> Talk<'a> {
    /// The parts of the path, decoded, without empty ones at the end.
    pub(super) fn segments(&self) -> Vec<Cow<'a, str>> {
        let path = route::inner(self.path);
        let parts = path.split('/').filter(|_| !path.is_empty());
        parts.map(|part| percent_decode_str(part).decode_utf8_lossy()).collect()
    }

    /// A parameter of the query.
    pub(super) fn parameter(&self, name: &str) -> Option<Cow<'a, str>> {
        pairs(self.asked.parts.uri.query()).find(|(known, _)| *known == name).map(|(_, value)| decode(value))
    }

    /// The key: where the dialect has it, or else where ipdata's clients have it.
    pub(super) fn key(&self, own: Option<Cow<'a, str>>) -> Option<Cow<'a, str>> {
        let own = own.filter(|key| !key.is_empty());
        own.or_else(|| key(self.asked.parts, &self.asked.query).map(Cow::Borrowed))
    }

    /// User name and password of HTTP Basic authentication.
    pub(super) fn basic(&self) -> Option<(String, String)> {
        let text = STANDARD.decode(self.authorization("basic")?).ok()?;
        let (user, password) = std::str::from_utf8(&text).ok()?.split_once(':')?;
        Some((user.to_owned(), password.to_owned()))
    }

    /// What follows the name of a scheme in `Authorization`.
    pub(super) fn authorization(&self, scheme: &str) -> Option<&'a str> {
        let (named, rest) = header(&self.asked.parts.headers, &AUTHORIZATION)?.split_once(' ')?;
        named.eq_ignore_ascii_case(scheme).then(|| rest.trim())
    }

    /// The caller's address, if it can have a place.
    pub(super) fn caller(&self) -> Result<IpAddr, Error> {
        route::global(self.asked.caller)
    }

    /// Charges for a question. One that can't be answered costs nothing, but takes a key as well.
    pub(super) fn charge<T>(
        &mut self,
        key: Option<&str>,
        want: Want,
        cost: u16,
        question: Result<T, Error>,
    ) -> Result<T, Error> {
        let cost = if question.is_ok() { cost } else { 0 };
        let subject = subject(key, self.asked.page.as_ref(), self.asked.caller);
        self.api.admit(self.asked, &subject, want, cost, &mut self.admission)?;
        question
    }

    /// An error unless the request only reads.
    pub(super) fn reads(&self) -> Result<(), Error> {
        let reads = matches!(self.asked.parts.method, Method::GET | Method::HEAD);
        if reads { Ok(()) } else { Err(Error::Method("GET, HEAD and OPTIONS")) }
    }

    pub(super) fn nowhere(&self) -> Error {
        Error::NotFound(self.asked.parts.uri.path().to_owned())
    }

    /// The record of an address, as ipdata's clients get it, with names in `language` where the data has them.
    pub(super) fn record(&self, ip: IpAddr, language: &str) -> Value {
        let found = if language == "en" { self.geo.find(ip) } else { self.geo.find_in(ip, language) };
        let mut text = b"{".to_vec();
        found.write(&mut text, self.asked.now);
        text.pop();
        text.push(b'}');
        serde_json::from_slice(&text).expect("records are written as valid objects")
    }
}

/// An object of those members that are known.
pub(super) fn known<const N: usize>(members: [(&str, Value); N]) -> Value {
    let is_known = |value: &Value| !value.is_null() && value.as_object().is_none_or(|object| !object.is_empty());
    let members = members.into_iter().filter(|(_, value)| is_known(value));
    Value::Object(members.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
}

pub(super) fn json(status: StatusCode, cause: Cause, value: &Value) -> Reply {
    Reply::new(status, cause, value.to_string().into_bytes())
}

/// Plain text, as it is read on a terminal.
pub(super) fn line(status: StatusCode, cause: Cause, text: &str) -> Reply {
    Reply::new(status, cause, format!("{text}\n").into_bytes()).into_text()
}

/// A text, or nothing.
pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
