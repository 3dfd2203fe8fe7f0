//! echoip, as on ifconfig.co: `GET /ip`, `/country`, `/country-iso`, `/city`, `/asn` and `/asn-org` as plain text, `/json`
//! with all of it; of the caller, or of `?ip=`.
//!
//! Not here: its web page, the check of ports, host names.

use std::net::IpAddr;

use hyper::StatusCode;
use serde_json::{Value, json};

use super::talk::{Talk, json, known, line, text};
use crate::{
    api::{error::Error, metrics::Cause, reply::Reply, route},
    edge::Want,
};

/// Paths that are answered with plain text.
pub(super) const TEXTS: [&str; 6] = ["ip", "country", "country-iso", "city", "asn", "asn-org"];

pub(super) fn answer(talk: &mut Talk<'_>) -> Reply {
    let segments = talk.segments();
    let path = match segments.iter().map(AsRef::as_ref).collect::<Vec<&str>>()[..] {
        [] => "ip",
        [path] if path == "json" || TEXTS.contains(&path) => path,
        _ => "",
    };
    let question = read(talk, path);
    let key = talk.key(None);
    match talk.charge(key.as_deref(), Want::Record, 1, question) {
        Ok(ip) if path == "ip" => line(StatusCode::OK, Cause::Served, &ip.to_string()),
        Ok(ip) if path == "json" => whole(ip, &talk.record(ip, "en")),
        Ok(ip) => line(StatusCode::OK, Cause::Served, one(path, &talk.record(ip, "en"))),
        Err(error) => refusal(path, &error).explaining(&error),
    }
}

fn read(talk: &Talk<'_>, path: &str) -> Result<IpAddr, Error> {
    talk.reads()?;
    match talk.parameter("ip").filter(|ip| !ip.is_empty()) {
        _ if path.is_empty() => Err(talk.nowhere()),
        Some(ip) => route::address(&ip),
        // Callers in private networks have no place, but an address.
        None if path == "ip" => Ok(talk.asked.caller),
        None => talk.caller(),
    }
}

fn one<'a>(path: &str, record: &'a Value) -> &'a str {
    text(match path {
        "country" => &record["country_name"],
        "country-iso" => &record["country_code"],
        "city" => &record["city"],
        "asn" => &record["asn"]["asn"],
        _ => &record["asn"]["name"],
    })
}

fn whole(ip: IpAddr, record: &Value) -> Reply {
    let answer = known([
        ("ip", record["ip"].clone()),
        ("country", record["country_name"].clone()),
        ("country_iso", record["country_code"].clone()),
        ("country_eu", record["is_eu"].clone()),
        ("region_name", record["region"].clone()),
        ("region_code", record["region_code"].clone()),
        ("zip_code", record["postal"].clone()),
        ("city", record["city"].clone()),
        ("latitude", record["latitude"].clone()),
        ("longitude", record["longitude"].clone()),
        ("time_zone", record["time_zone"]["name"].clone()),
        ("asn", record["asn"]["asn"].clone()),
        ("asn_org", record["asn"]["name"].clone()),
    ]);
    let number = match ip {
        IpAddr::V4(ip) => u128::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.to_bits(),
    };
    // The number of an IPv6 address is larger than any that a JSON value can hold here.
    let text = format!("{{\"ip_decimal\":{number},{}", &answer.to_string()[1..]);
    Reply::new(StatusCode::OK, Cause::Served, text.into_bytes())
}

fn refusal(path: &str, error: &Error) -> Reply {
    let status = match error {
        Error::FreeQuota | Error::PaidQuota(_) => StatusCode::TOO_MANY_REQUESTS,
        error => error.status(),
    };
    match path {
        "json" => json(status, error.cause(), &json!({ "status": status.as_u16(), "error": error.message() })),
        _ => line(status, error.cause(), &error.message()),
    }
}
