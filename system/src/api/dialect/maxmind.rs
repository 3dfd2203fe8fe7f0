//! MaxMind's GeoIP2 web service: `GET /geoip/v2.1/{country|city|insights}/{ip|me}`.
//!
//! The password of HTTP Basic authentication is the key; the account's number may be any. Not here: `geoname_id`,
//! `registered_country`, confidence and names in other languages than English, because no loaded data has them in this shape:
//! what is not known is left out.

use std::{borrow::Cow, net::IpAddr};

use hyper::{
    StatusCode,
    header::{HeaderValue, WWW_AUTHENTICATE},
};
use serde_json::{Value, json};

use super::talk::{Talk, json, known};
use crate::{
    api::{error::Error, metrics::Cause, reply::Reply, route},
    edge::{Admission, Want},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
enum Endpoint {
    Country,
    City,
    Insights,
}

pub(super) fn answer(talk: &mut Talk<'_>) -> Reply {
    let question = read(talk);
    let key = talk.key(talk.basic().map(|(_, password)| Cow::Owned(password)));
    match talk.charge(key.as_deref(), Want::Record, 1, question) {
        Ok((endpoint, ip)) => body(talk, endpoint, ip),
        Err(error) => {
            let (status, code) = named(&error);
            let mut reply = refusal(status, error.cause(), code, &error.message()).explaining(&error);
            if error == Error::NoValidKey {
                reply.more.push((WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"georush\"")));
            }
            reply
        }
    }
}

fn read(talk: &Talk<'_>) -> Result<(Endpoint, IpAddr), Error> {
    talk.reads()?;
    let segments = talk.segments();
    let ["geoip", "v2.1", endpoint, target] = segments.iter().map(AsRef::as_ref).collect::<Vec<&str>>()[..] else {
        return Err(talk.nowhere());
    };
    let endpoint = match endpoint {
        "country" => Endpoint::Country,
        "city" => Endpoint::City,
        "insights" => Endpoint::Insights,
        _ => return Err(talk.nowhere()),
    };
    let ip = if target == "me" { talk.caller()? } else { route::address(target)? };
    Ok((endpoint, ip))
}

fn body(talk: &Talk<'_>, endpoint: Endpoint, ip: IpAddr) -> Reply {
    let record = talk.record(ip, "en");
    if record["country_code"].is_null() && record["asn"].is_null() && record["latitude"].is_null() {
        let message = format!("{ip} was not found.");
        return refusal(StatusCode::NOT_FOUND, Cause::NotFound, "IP_ADDRESS_NOT_FOUND", &message);
    }
    let mut country = known([("iso_code", record["country_code"].clone()), ("names", names(&record["country_name"]))]);
    if record["is_eu"] == true {
        country["is_in_european_union"] = true.into();
    }
    let continent = known([("code", record["continent_code"].clone()), ("names", names(&record["continent_name"]))]);
    let exact = |value: Value| if endpoint == Endpoint::Country { Value::Null } else { value };
    let answer = known([
        ("continent", continent),
        ("country", country),
        ("city", exact(known([("names", names(&record["city"]))]))),
        ("subdivisions", exact(subdivisions(&record))),
        ("location", exact(location(talk, ip, &record))),
        ("postal", exact(known([("code", record["postal"].clone())]))),
        ("traits", traits(talk, endpoint, ip, &record)),
        ("maxmind", json!({ "queries_remaining": talk.admission.as_ref().map_or(0, Admission::left) })),
    ]);
    let kind = match endpoint {
        Endpoint::Country => "application/vnd.maxmind.com-country+json; charset=UTF-8; version=2.1",
        Endpoint::City => "application/vnd.maxmind.com-city+json; charset=UTF-8; version=2.1",
        Endpoint::Insights => "application/vnd.maxmind.com-insights+json; charset=UTF-8; version=2.1",
    };
    Reply { kind: HeaderValue::from_static(kind), ..json(StatusCode::OK, Cause::Served, &answer) }
}

fn names(name: &Value) -> Value {
    known([("en", name.clone())])
}

fn subdivisions(record: &Value) -> Value {
    let first = known([("iso_code", record["region_code"].clone()), ("names", names(&record["region"]))]);
    if first == json!({}) { Value::Null } else { json!([first]) }
}

fn location(talk: &Talk<'_>, ip: IpAddr, record: &Value) -> Value {
    let radius = talk.geo.place(ip, "en").and_then(|place| place.accuracy_radius_km);
    known([
        ("latitude", record["latitude"].clone()),
        ("longitude", record["longitude"].clone()),
        ("accuracy_radius", json!(radius)),
        ("time_zone", record["time_zone"]["name"].clone()),
    ])
}

/// The web service leaves out flags that aren't set.
fn traits(talk: &Talk<'_>, endpoint: Endpoint, ip: IpAddr, record: &Value) -> Value {
    let flag = |name: &str| if record["threat"][name] == true { json!(true) } else { Value::Null };
    let from = |first: Endpoint, value: Value| if endpoint >= first { value } else { Value::Null };
    let number = record["asn"]["asn"].as_str().and_then(|asn| asn.strip_prefix("AS")?.parse::<u32>().ok());
    known([
        ("ip_address", json!(ip)),
        ("network", json!(talk.geo.block(ip))),
        ("autonomous_system_number", from(Endpoint::City, json!(number))),
        ("autonomous_system_organization", from(Endpoint::City, record["asn"]["name"].clone())),
        ("domain", from(Endpoint::City, record["asn"]["domain"].clone())),
        ("isp", from(Endpoint::City, record["carrier"]["name"].clone())),
        ("organization", from(Endpoint::City, record["organisation"].clone())),
        ("mobile_country_code", from(Endpoint::City, record["carrier"]["mcc"].clone())),
        ("mobile_network_code", from(Endpoint::City, record["carrier"]["mnc"].clone())),
        ("is_anonymous", from(Endpoint::Insights, flag("is_anonymous"))),
        ("is_anonymous_vpn", from(Endpoint::Insights, flag("is_vpn"))),
        ("is_public_proxy", from(Endpoint::Insights, flag("is_proxy"))),
        ("is_tor_exit_node", from(Endpoint::Insights, flag("is_tor"))),
        ("is_hosting_provider", from(Endpoint::Insights, flag("is_datacenter"))),
    ])
}

/// Status and code of an error. Clients know the error by its code.
fn named(error: &Error) -> (StatusCode, &'static str) {
    let code = match error {
        Error::Private(_) | Error::Reserved(_) => "IP_ADDRESS_RESERVED",
        Error::NotAnAddress(_) | Error::NotAField(_) | Error::NotACallback | Error::NotAnArray | Error::TooMany => {
            "IP_ADDRESS_INVALID"
        }
        Error::NoValidKey => "AUTHORIZATION_INVALID",
        Error::FreeQuota | Error::PaidQuota(_) => return (StatusCode::PAYMENT_REQUIRED, "OUT_OF_QUERIES"),
        Error::BulkNotInPlan | Error::SystemsNotInPlan | Error::NotInWhitelist => "PERMISSION_REQUIRED",
        Error::UnknownSystem(_) | Error::NotFound(_) => "PATH_NOT_FOUND",
        Error::Method(_) | Error::Http(..) => "METHOD_NOT_ALLOWED",
        Error::Full => "TOO_MANY_CALLERS",
        Error::TooFast { .. } => "TOO_MANY_REQUESTS",
        Error::Unavailable => "SERVER_ERROR",
    };
    (error.status(), code)
}

fn refusal(status: StatusCode, cause: Cause, code: &str, message: &str) -> Reply {
    let kind = HeaderValue::from_static("application/vnd.maxmind.com-error+json; charset=UTF-8; version=2.0");
    Reply { kind, ..json(status, cause, &json!({ "code": code, "error": message })) }
}
