//! Other services' dialects: the same data and the same quotas, asked for and answered as clients of MaxMind, IPinfo, ip-api
//! and echoip do it.
//!
//! All are off unless switched on. A request is in a dialect if its path begins with the dialect's name (`/ipinfo/8.8.8.8`),
//! if its host is one that the service's clients have built in or begins with the name (`ipinfo.geo.example`), or else if its
//! path is one that nobody but this dialect has. Not here: what is known of an address, and who may ask.

mod echoip;
mod ip_api;
mod ipinfo;
mod maxmind;
mod talk;

use std::{fmt, str::FromStr};

use bytes::Bytes;
use hyper::{header::ACCEPT, http::request::Parts};

use self::talk::Talk;
use super::{
    Api, Asked,
    reply::Reply,
    request::{header, host},
};
use crate::{geo::Geo, nearest::nearest};

/// Another service whose clients are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Dialect {
    /// MaxMind's GeoIP2 web service.
    MaxMind,
    /// IPinfo: Lite, and the older answers by city.
    IpInfo,
    /// ip-api.com.
    IpApi,
    /// echoip, as on ifconfig.co.
    EchoIp,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::MaxMind, Self::IpInfo, Self::IpApi, Self::EchoIp];

    /// Its name in settings and paths.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::MaxMind => "maxmind",
            Self::IpInfo => "ipinfo",
            Self::IpApi => "ip-api",
            Self::EchoIp => "echoip",
        }
    }

    /// Hosts that its clients have built in.
    fn hosts(self) -> &'static [&'static str] {
        match self {
            Self::MaxMind => &["geoip.maxmind.com", "geolite.info", "sandbox.maxmind.com"],
            Self::IpInfo => &["ipinfo.io", "api.ipinfo.io"],
            Self::IpApi => &["ip-api.com", "pro.ip-api.com"],
            Self::EchoIp => &["ifconfig.co"],
        }
    }

    fn is_at(self, host: &str) -> bool {
        let first = host.split_once('.').map(|(first, _)| first);
        let known = self.hosts().iter().any(|known| host.eq_ignore_ascii_case(known));
        known || first.is_some_and(|first| first.eq_ignore_ascii_case(self.name()))
    }

    /// Whether no other dialect has this path. Some of echoip's are ipdata's, too: who asks for plain text means echoip.
    fn has(self, path: &str, parts: &Parts) -> bool {
        let path = path.trim_start_matches('/').trim_end_matches('/');
        match self {
            Self::MaxMind => path.starts_with("geoip/v2.1/"),
            Self::IpInfo => {
                path == "lite" || path.starts_with("lite/") || path.ends_with("/json") && !path.starts_with("json/")
            }
            Self::IpApi => path == "json" || path.starts_with("json/") || path == "batch",
            Self::EchoIp => {
                let plain = header(&parts.headers, &ACCEPT).is_some_and(|kinds| kinds.starts_with("text/plain"));
                plain && echoip::TEXTS.contains(&path)
            }
        }
    }
}

/// A set of dialects.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dialects(u8);

/// A list names what is no dialect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct UnknownDialect {
    /// What stands there.
    pub found: String,
    /// What was probably meant.
    pub nearest: Option<&'static str>,
}

impl fmt::Display for UnknownDialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = Dialect::ALL.map(Dialect::name).join(", ");
        write!(f, "there is no dialect {:?}, expected one of: {known}", self.found)?;
        self.nearest.map_or(Ok(()), |near| write!(f, "; did you mean {near:?}?"))
    }
}

impl FromStr for Dialects {
    type Err = UnknownDialect;

    /// Reads names with commas between them, as in `maxmind,ipinfo`; nothing is the empty set.
    fn from_str(list: &str) -> Result<Self, UnknownDialect> {
        let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
        names.into_iter().try_fold(Self::default(), |set, name| {
            let found = Dialect::ALL.into_iter().find(|dialect| dialect.name() == name);
            found.map(|dialect| set.with(dialect)).ok_or_else(|| UnknownDialect {
                found: name.to_owned(),
                nearest: nearest(name, Dialect::ALL.into_iter().map(Dialect::name)),
            })
        })
    }
}

impl fmt::Display for Dialects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iter().map(Dialect::name).collect::<Vec<_>>().join(","))
    }
}

impl Dialects {
    /// The set with one more.
    #[must_use]
    pub fn with(self, dialect: Dialect) -> Self {
        Self(self.0 | 1 << dialect as u8)
    }

    /// Whether none is switched on.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those that are switched on.
    pub fn iter(self) -> impl Iterator<Item = Dialect> {
        Dialect::ALL.into_iter().filter(move |dialect| self.0 & 1 << *dialect as u8 != 0)
    }

    /// The dialect of a request, and its path within that; `None` for ipdata's.
    #[inline]
    pub(super) fn spoken(self, parts: &Parts) -> Option<(Dialect, &str)> {
        if self.is_empty() { None } else { self.find(parts) }
    }

    fn find(self, parts: &Parts) -> Option<(Dialect, &str)> {
        let path = parts.uri.path();
        let below = |dialect: Dialect| {
            let rest = path.strip_prefix('/')?.strip_prefix(dialect.name())?;
            (rest.is_empty() || rest.starts_with('/')).then_some((dialect, rest))
        };
        let host = host(parts);
        let here = |dialect: &Dialect| host.is_some_and(|host| dialect.is_at(host));
        let own = |dialect: &Dialect| dialect.has(path, parts);
        let whole = |dialect| (dialect, path);
        (self.iter().find_map(below))
            .or_else(|| self.iter().find(here).map(whole))
            .or_else(|| self.iter().find(own).map(whole))
    }
}

/// Answers a request in a dialect.
pub(super) fn answer(
    api: &Api,
    (dialect, path): (Dialect, &str),
    asked: &Asked<'_>,
    body: Option<&Bytes>,
    geo: &Geo,
) -> Reply {
    let mut talk = Talk { api, asked, geo, body, path, admission: None };
    let mut reply = match dialect {
        Dialect::MaxMind => maxmind::answer(&mut talk),
        Dialect::IpInfo => ipinfo::answer(&mut talk),
        Dialect::IpApi => ip_api::answer(&mut talk),
        Dialect::EchoIp => echoip::answer(&mut talk),
    };
    if let Some(admission) = &talk.admission {
        reply.set_quota(&api.policies[admission.plan], admission);
    }
    reply
}
