//! A request, read: who asks, in which dialect, for which part of an answer.
//!
//! Not here: whether it is granted.

use std::{borrow::Cow, iter, net::IpAddr};

use georush_core::Identifier;
use hyper::{
    HeaderMap,
    header::{HOST, HeaderName, ORIGIN, REFERER, USER_AGENT},
    http::request::Parts,
};
use memchr::{memchr, memchr2};
use percent_encoding::percent_decode_str;

use crate::{address::Trusted, key};

/// Which client is asking, as far as it needs an answer of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Profile {
    /// Single texts bare, everything else JSON.
    Standard,
    /// Everything JSON: the Node client parses every answer, and `format=json` asks for it.
    Json,
    /// The Rust crate: no nulls, everything JSON, bulk answers in an object.
    Rust,
    /// The flat record of 2017, for the clients of that time.
    V1,
}

/// The parts of a query that mean something.
#[derive(Debug, Default)]
pub(super) struct Query<'a> {
    pub(super) key: Option<Cow<'a, str>>,
    pub(super) fields: Option<Cow<'a, str>>,
    pub(super) callback: Option<Cow<'a, str>>,
    pub(super) v1: bool,
    pub(super) json: bool,
}

impl<'a> Query<'a> {
    #[inline]
    pub(super) fn read(query: Option<&'a str>) -> Self {
        let mut read = Self::default();
        for (name, value) in pairs(query) {
            match name {
                "api-key" => read.key = Some(decode(value)),
                "fields" => read.fields = Some(decode(value)),
                "callback" => read.callback = Some(decode(value)),
                "v" => read.v1 = value == "1",
                "format" => read.json = value == "json",
                _ => {}
            }
        }
        read
    }
}

/// Names and values of a query, not decoded.
pub(super) fn pairs(query: Option<&str>) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = Some(query.unwrap_or(""));
    iter::from_fn(move || {
        let (pair, more) = cut(rest?, b'&');
        rest = more;
        let (name, value) = cut(pair, b'=');
        Some((name, value.unwrap_or("")))
    })
}

/// What is before the first `at`, an ASCII character, and what is behind it.
#[inline]
fn cut(text: &str, at: u8) -> (&str, Option<&str>) {
    match memchr(at, text.as_bytes()) {
        Some(end) => (&text[..end], Some(&text[end + 1..])),
        None => (text, None),
    }
}

/// A value with its percent signs and pluses resolved. What is no text is replaced by marks that nothing is named after.
#[inline]
pub(super) fn decode(value: &str) -> Cow<'_, str> {
    if memchr2(b'%', b'+', value.as_bytes()).is_none() {
        return Cow::Borrowed(value);
    }
    let spaced = value.replace('+', " ");
    Cow::Owned(percent_decode_str(&spaced).decode_utf8_lossy().into_owned())
}

/// The header that carries a key.
pub(super) const API_KEY: HeaderName = HeaderName::from_static("api-key");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// A header as text.
pub(super) fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The key of a request: in the query, or in the header `api-key` as before 2018. An empty one is none.
#[inline]
pub(super) fn key<'a>(parts: &'a Parts, query: &'a Query<'_>) -> Option<&'a str> {
    let given = |key: &&str| !key.is_empty();
    query.key.as_deref().filter(given).or_else(|| header(&parts.headers, &API_KEY).filter(given))
}

/// The address of who calls.
#[inline]
pub(super) fn caller(trusted: &Trusted, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
    if trusted.is_empty() {
        return peer.to_canonical();
    }
    trusted.caller(peer, headers.get_all(X_FORWARDED_FOR).iter().map(|value| value.as_bytes()))
}

/// The host of the page that calls: `Referer`, or else `Origin`.
#[inline]
pub(super) fn page(headers: &HeaderMap) -> Option<Identifier> {
    let of = |name| Identifier::from_referer(header(headers, name)?);
    of(&REFERER).or_else(|| of(&ORIGIN))
}

/// Whom a request is charged to: its key, or else the page's host, or else the address.
#[inline]
pub(super) fn subject(key: Option<&str>, page: Option<&Identifier>, caller: IpAddr) -> Identifier {
    match (key, page) {
        (Some(key), _) => key::identifier(key),
        (None, Some(page)) => page.clone(),
        (None, None) => Identifier::from_ip(caller),
    }
}

/// The host that a request is for, without its port.
pub(super) fn host(parts: &Parts) -> Option<&str> {
    let host = parts.uri.host().or_else(|| header(&parts.headers, &HOST))?;
    Some(host.rsplit_once(':').map_or(host, |(host, _)| host))
}

#[inline]
pub(super) fn profile(headers: &HeaderMap, query: &Query<'_>) -> Profile {
    let agent = headers.get(USER_AGENT).map_or(&b""[..], |agent| agent.as_bytes());
    let is = |prefix: &str| agent.starts_with(prefix.as_bytes());
    // Source: ipdata 1.5 to 2.6 on PyPI, 2017-10 to 2017-12, say 0.0.1 or 2.4; later ones say no version.
    if query.v1 || is("ipdata-pypi/") || is_early_go(agent) {
        Profile::V1
    } else if is("ipdata-rust/") {
        Profile::Rust
    } else if query.json || agent == b"node" {
        Profile::Json
    } else {
        Profile::Standard
    }
}

/// `go-ipdata/0.0.` to `go-ipdata/0.4.`
fn is_early_go(agent: &[u8]) -> bool {
    matches!(agent.strip_prefix(b"go-ipdata/0."), Some([b'0'..=b'4', b'.', ..]))
}

/// Whether a callback is the name of a JavaScript function, with dots between its parts.
pub(super) fn is_function_name(name: &str) -> bool {
    const LENGTH_MAX: usize = 128;
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_' || c == '$';
    let part = |part: &str| part.starts_with(letter) && part.chars().all(|c| letter(c) || c.is_ascii_digit());
    name.len() <= LENGTH_MAX && name.split('.').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;

    #[test]
    fn a_query_is_read_by_its_names() {
        let query = Query::read(Some("api-key=k%2Bk&fields=ip%2Casn,+city&callback=&v=2&junk&=x"));
        assert_eq!(query.key.as_deref(), Some("k+k"));
        assert_eq!(query.fields.as_deref(), Some("ip,asn, city"));
        assert_eq!(query.callback.as_deref(), Some(""));
        assert!(!query.v1 && !query.json);
        assert!(Query::read(None).key.is_none());
    }

    #[test]
    fn clients_are_known_by_their_names() {
        let of = |agent: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(USER_AGENT, HeaderValue::from_static(agent));
            profile(&headers, &Query::default())
        };
        for agent in ["ipdata-pypi/0.0.1", "ipdata-pypi/2.4", "go-ipdata/0.4.1 (https://ipdata.co)"] {
            assert_eq!(of(agent), Profile::V1, "{agent}");
        }
        for agent in ["ipdata-pypi", "go-ipdata/0.5.0", "node-fetch", "", "ipdata-python"] {
            assert_eq!(of(agent), Profile::Standard, "{agent}");
        }
        assert_eq!((of("node"), of("ipdata-rust/0.1.1")), (Profile::Json, Profile::Rust));
    }

    #[test]
    fn a_callback_is_a_function_and_nothing_else() {
        for name in ["cb", "$", "_a.b$.C9", "jQuery1_2"] {
            assert!(is_function_name(name), "{name}");
        }
        for name in ["", ".", "a.", "9a", "a b", "a(b)", "alert(1)//", "é", &"a".repeat(129)] {
            assert!(!is_function_name(name), "{name}");
        }
    }
}
