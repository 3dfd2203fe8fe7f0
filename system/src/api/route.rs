//! Paths: what each of them asks for.
//!
//! Not here: asking it.

use std::net::IpAddr;

use percent_encoding::percent_decode_str;

use super::{error::Error, fields};
use crate::address::{self, Kind};

/// Whose record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// The caller's.
    Caller,
    /// This address's.
    Address(IpAddr),
}

impl Target {
    /// Its address, if this one calls.
    #[inline]
    pub(super) fn of(self, caller: IpAddr) -> IpAddr {
        match self {
            Self::Caller => caller,
            Self::Address(ip) => ip,
        }
    }
}

/// What a path asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Route {
    /// A record.
    Record(Target),
    /// A record with names in another language.
    Translated(Target, String),
    /// One field of a record.
    Field(Target, &'static str),
    /// An autonomous system by its number, and how it was written.
    System(Option<u32>, String),
    /// Many records.
    Bulk,
}

impl Route {
    /// Reads a path.
    #[inline]
    pub(super) fn read(path: &str) -> Result<Self, Error> {
        let path = inner(path);
        if path.is_empty() {
            return Ok(Self::Record(Target::Caller));
        }
        let mut segments = path.split('/').map(|segment| percent_decode_str(segment).decode_utf8_lossy());
        let first = segments.next().unwrap_or_default();
        let (second, third) = (segments.next(), segments.next());
        if third.is_some() {
            return Err(Error::NotFound(format!("/{path}")));
        }
        match second {
            None => Self::one(&first),
            Some(second) if first == "asn" => Self::of_system(&second),
            Some(second) => Self::two(&first, &second),
        }
    }

    fn one(segment: &str) -> Result<Self, Error> {
        if segment == "bulk" {
            return Ok(Self::Bulk);
        }
        if let Some(field) = fields::find(segment) {
            return Ok(Self::Field(Target::Caller, field));
        }
        if let Some(system) = system(segment) {
            return Ok(system);
        }
        if is_language(segment) {
            return Ok(Self::Translated(Target::Caller, segment.to_owned()));
        }
        Ok(Self::Record(Target::Address(address(segment)?)))
    }

    fn of_system(segment: &str) -> Result<Self, Error> {
        match system(segment) {
            Some(system) => Ok(system),
            None => Ok(Self::Field(Target::Address(address(segment)?), "asn")),
        }
    }

    fn two(first: &str, second: &str) -> Result<Self, Error> {
        let target = Target::Address(address(first)?);
        if let Some(field) = fields::find(second) {
            return Ok(Self::Field(target, field));
        }
        if is_language(second) {
            return Ok(Self::Translated(target, second.to_owned()));
        }
        Err(Error::NotAField(second.to_owned()))
    }
}

/// The address that a path is, as almost every one is an address and nothing else; whether it can have a place is another question.
#[inline]
pub(super) fn plain(path: &str) -> Option<IpAddr> {
    inner(path).parse().ok()
}

/// A path without the slash before it and one behind it.
#[inline]
pub(super) fn inner(path: &str) -> &str {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.strip_suffix('/').unwrap_or(path)
}

/// `AS15169`, in any case.
pub(super) fn system(text: &str) -> Option<Route> {
    let (prefix, number) = text.split_at_checked(2)?;
    prefix.eq_ignore_ascii_case("as").then(|| {
        let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        Route::System(digits.then(|| number.parse().ok()).flatten(), text.to_owned())
    })
}

/// A tag such as `en`, `fr-FR`, `es-419` or `zh-Hans-CN`: a language, perhaps a script, perhaps a region. A language of three letters needs
/// one of these, since by itself it is rather a field with a mistake.
fn is_language(text: &str) -> bool {
    let parts: Vec<&str> = text.split(['-', '_']).collect();
    let letters = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphabetic());
    let language = |part: &str| letters(part) && (part.len() == 2 || part.len() == 3 && parts.len() > 1);
    let script = |part: &str| part.len() == 4 && letters(part);
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let region = |part: &str| part.len() == 2 && letters(part) || part.len() == 3 && digits(part);
    match parts[..] {
        [first] => language(first),
        [first, second] => language(first) && (script(second) || region(second)),
        [first, second, third] => language(first) && script(second) && region(third),
        _ => false,
    }
}

/// An address that can have a place.
pub(super) fn address(text: &str) -> Result<IpAddr, Error> {
    text.trim().parse().map_err(|_| Error::NotAnAddress(text.to_owned())).and_then(global)
}

/// The address, unwrapped, if it can have a place.
pub(super) fn global(ip: IpAddr) -> Result<IpAddr, Error> {
    let ip = ip.to_canonical();
    match address::kind(ip) {
        Kind::Global => Ok(ip),
        Kind::Private => Err(Error::Private(ip)),
        Kind::Reserved => Err(Error::Reserved(ip)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Target {
        Target::Address(text.parse().expect("an address"))
    }

    #[test]
    fn every_path_of_the_contract_is_understood() {
        let eight = ip("8.8.8.8");
        let system = |text: &str| Route::System(Some(15169), text.to_owned());
        for (path, wanted) in [
            ("/", Route::Record(Target::Caller)),
            ("", Route::Record(Target::Caller)),
            ("/8.8.8.8", Route::Record(eight)),
            ("/8.8.8.8/", Route::Record(eight)),
            ("/::ffff:8.8.8.8", Route::Record(eight)),
            ("/2001%3A4860%3A4860%3A%3A8888", Route::Record(ip("2001:4860:4860::8888"))),
            ("/8.8.8.8/country_name/", Route::Field(eight, "country_name")),
            ("/threat", Route::Field(Target::Caller, "threat")),
            ("/ip", Route::Field(Target::Caller, "ip")),
            ("/asn/", Route::Field(Target::Caller, "asn")),
            ("/en", Route::Translated(Target::Caller, "en".to_owned())),
            ("/8.8.8.8/fr-FR", Route::Translated(eight, "fr-FR".to_owned())),
            ("/8.8.8.8/zh_Hans_CN", Route::Translated(eight, "zh_Hans_CN".to_owned())),
            ("/8.8.8.8/es-419", Route::Translated(eight, "es-419".to_owned())),
            ("/8.8.8.8/fil-PH", Route::Translated(eight, "fil-PH".to_owned())),
            ("/AS15169/", system("AS15169")),
            ("/as15169", system("as15169")),
            ("/asn/AS15169", system("AS15169")),
            ("/ASBlah", Route::System(None, "ASBlah".to_owned())),
            ("/AS99999999999", Route::System(None, "AS99999999999".to_owned())),
            ("/asn/8.8.8.8", Route::Field(eight, "asn")),
            ("/bulk/", Route::Bulk),
        ] {
            assert_eq!(Route::read(path), Ok(wanted), "{path}");
        }
    }

    #[test]
    fn what_means_nothing_is_told_apart() {
        let bad = |text: &str| Error::NotAnAddress(text.to_owned());
        for (path, wanted) in [
            ("/bleh", bad("bleh")),
            ("/8.8.8", bad("8.8.8")),
            ("/08.8.8.8", bad("08.8.8.8")),
            ("/fe80::1%25eth0", bad("fe80::1%eth0")),
            ("/%zz", bad("%zz")),
            ("/%ff", bad("\u{fffd}")),
            ("//8.8.8.8", bad("")),
            ("/8.8.8.8/nonsense", Error::NotAField("nonsense".to_owned())),
            ("/8.8.8.8/foo", Error::NotAField("foo".to_owned())),
            ("/8.8.8.8/fr-FR-Latn", Error::NotAField("fr-FR-Latn".to_owned())),
            ("/8.8.8.8/a/b", Error::NotFound("/8.8.8.8/a/b".to_owned())),
            ("/10.0.0.1", Error::Private([10, 0, 0, 1].into())),
            ("/224.244.244.244/asn", Error::Reserved([224, 244, 244, 244].into())),
        ] {
            assert_eq!(Route::read(path), Err(wanted), "{path}");
        }
    }
}
