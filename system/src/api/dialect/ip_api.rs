//! ip-api: `GET /json/{query}?fields=&lang=&callback=`, and `POST /batch` for up to a hundred at once.
//!
//! What is wrong with a query is told with status 200, as ip-api does. `key` is the key, as on its paid host. Not here: CSV,
//! XML, PHP and line answers, domain names (they are no valid query) and host names (`reverse` is empty).

use std::net::IpAddr;

use hyper::{
    Method, StatusCode,
    header::{ACCESS_CONTROL_EXPOSE_HEADERS, HeaderName, HeaderValue},
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::talk::{Talk, json, text};
use crate::{
    api::{error::Error, metrics::Cause, reply::Reply, route},
    edge::Want,
};

/// Each field and its bit in numeric choices. Source: ip-api.com documentation, JSON endpoint, generator of field masks.
const FIELDS: [(&str, u32); 25] = [
    ("country", 1),
    ("countryCode", 1 << 1),
    ("region", 1 << 2),
    ("regionName", 1 << 3),
    ("city", 1 << 4),
    ("zip", 1 << 5),
    ("lat", 1 << 6),
    ("lon", 1 << 7),
    ("timezone", 1 << 8),
    ("isp", 1 << 9),
    ("org", 1 << 10),
    ("as", 1 << 11),
    ("reverse", 1 << 12),
    ("query", 1 << 13),
    ("status", 1 << 14),
    ("message", 1 << 15),
    ("mobile", 1 << 16),
    ("proxy", 1 << 17),
    ("district", 1 << 19),
    ("continent", 1 << 20),
    ("continentCode", 1 << 21),
    ("asname", 1 << 22),
    ("currency", 1 << 23),
    ("hosting", 1 << 24),
    ("offset", 1 << 25),
];
/// What is answered if nothing is chosen.
const FIELDS_DEFAULT: u32 = 61_439;
const QUERIES_MAX: usize = 100;
const X_RL: HeaderName = HeaderName::from_static("x-rl");
const X_TTL: HeaderName = HeaderName::from_static("x-ttl");

/// One thing to look up.
struct Query {
    target: Result<IpAddr, Error>,
    text: String,
    fields: u32,
    language: String,
}

/// An item of a batch: a query alone, or one with its own choices.
#[derive(Deserialize)]
#[serde(untagged)]
enum Item {
    Plain(String),
    Chosen { query: String, fields: Option<String>, lang: Option<String> },
}

pub(super) fn answer(talk: &mut Talk<'_>) -> Reply {
    let key = talk.key(talk.parameter("key"));
    let segments = talk.segments();
    let reply = match segments.iter().map(AsRef::as_ref).collect::<Vec<&str>>()[..] {
        ["batch"] => batch(talk, key.as_deref()),
        ["json"] => single(talk, key.as_deref(), None),
        ["json", query] => single(talk, key.as_deref(), Some(query)),
        _ => talk.charge(key.as_deref(), Want::Record, 0, Err(talk.nowhere())),
    };
    let mut reply = reply.unwrap_or_else(|error| refusal(&error).explaining(&error));
    if let Some(admission) = &talk.admission {
        reply.more.push((X_RL, HeaderValue::from(admission.left())));
        reply.more.push((X_TTL, HeaderValue::from(admission.resets_s)));
        reply.more.push((ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("X-Rl, X-Ttl")));
    }
    reply
}

fn single(talk: &mut Talk<'_>, key: Option<&str>, query: Option<&str>) -> Result<Reply, Error> {
    let target = talk.reads().and_then(|()| query.map_or_else(|| talk.caller(), route::address));
    let text = query.map_or_else(|| talk.asked.caller.to_string(), str::to_owned);
    let (fields, language) = choices(talk);
    let query = match talk.charge(key, Want::Record, 1, target) {
        Ok(ip) => Query { target: Ok(ip), text, fields, language },
        Err(error) if reason(&error).is_some() => Query { target: Err(error), text, fields, language },
        Err(error) => return Err(error),
    };
    let cause = query.target.as_ref().map_or_else(Error::cause, |_| Cause::Served);
    Ok(json(StatusCode::OK, cause, &looked_up(talk, &query)))
}

/// Every item is charged, as in bulk requests of ipdata's clients.
fn batch(talk: &mut Talk<'_>, key: Option<&str>) -> Result<Reply, Error> {
    let queries =
        if talk.asked.parts.method == Method::POST { queries(talk) } else { Err(Error::Method("POST and OPTIONS")) };
    let cost = queries.as_ref().map_or(0, Vec::len) as u16;
    let queries = talk.charge(key, Want::Bulk, cost, queries)?;
    let answers: Vec<_> = queries.iter().map(|query| looked_up(talk, query)).collect();
    Ok(json(StatusCode::OK, Cause::Served, &answers.into()))
}

fn queries(talk: &Talk<'_>) -> Result<Vec<Query>, Error> {
    let body = talk.body.map_or(&[][..], |body| body);
    let items: Vec<Item> = serde_json::from_slice(body).map_err(|_| Error::NotAnArray)?;
    if items.len() > QUERIES_MAX {
        return Err(Error::TooMany);
    }
    let (fields, language) = choices(talk);
    let query = |item| {
        let (text, own_fields, own_language) = match item {
            Item::Plain(query) => (query, None, None),
            Item::Chosen { query, fields, lang } => (query, fields, lang),
        };
        Query {
            target: route::address(&text),
            text,
            fields: own_fields.map_or(fields, |list| mask(&list)),
            language: own_language.unwrap_or_else(|| language.clone()),
        }
    };
    Ok(items.into_iter().map(query).collect())
}

/// Fields and language of the query string.
fn choices(talk: &Talk<'_>) -> (u32, String) {
    let fields = talk.parameter("fields").map_or(FIELDS_DEFAULT, |list| mask(&list));
    (fields, talk.parameter("lang").unwrap_or_default().into_owned())
}

/// A choice of fields: names with commas between them, or the sum of their bits. Unknown names choose nothing.
fn mask(list: &str) -> u32 {
    if list.trim().is_empty() {
        return FIELDS_DEFAULT;
    }
    let bit = |name: &str| FIELDS.iter().find(|(known, _)| *known == name).map_or(0, |(_, bit)| *bit);
    list.trim().parse().unwrap_or_else(|_| list.split(',').map(str::trim).fold(0, |mask, name| mask | bit(name)))
}

fn looked_up(talk: &Talk<'_>, query: &Query) -> Value {
    let record = match &query.target {
        Ok(ip) => {
            let language = if query.language.is_empty() { "en" } else { &query.language };
            Ok(talk.record(*ip, language))
        }
        Err(error) => Err(reason(error).unwrap_or("invalid query")),
    };
    let mut answer = Map::new();
    for (name, bit) in FIELDS {
        if query.fields & bit != 0
            && let Some(value) = value(name, &record, &query.text)
        {
            answer.insert(name.to_owned(), value);
        }
    }
    Value::Object(answer)
}

/// A field's value. Texts that are not known are empty, numbers left out.
fn value(name: &str, record: &Result<Value, &'static str>, query: &str) -> Option<Value> {
    let record = match (name, record) {
        ("query", _) => return Some(query.into()),
        ("status", record) => return Some(if record.is_ok() { "success" } else { "fail" }.into()),
        ("message", record) => return record.as_ref().err().map(|reason| (*reason).into()),
        (_, record) => record.as_ref().ok()?,
    };
    let number = |value: &Value| value.is_number().then(|| value.clone());
    let threat = |names: &[&str]| Some(names.iter().any(|name| record["threat"][name] == true).into());
    let (asn, zone) = (&record["asn"], &record["time_zone"]);
    let found = match name {
        "lat" => return number(&record["latitude"]),
        "lon" => return number(&record["longitude"]),
        "offset" => return offset_s(text(&zone["offset"])).map(Value::from),
        "mobile" => return Some(record["carrier"].is_object().into()),
        "proxy" => return threat(&["is_anonymous"]),
        "hosting" => return threat(&["is_datacenter"]),
        "as" => return Some(format!("{} {}", text(&asn["asn"]), text(&asn["name"])).trim().into()),
        "asname" => &asn["name"],
        "country" => &record["country_name"],
        "countryCode" => &record["country_code"],
        "continent" => &record["continent_name"],
        "continentCode" => &record["continent_code"],
        "region" => &record["region_code"],
        "regionName" => &record["region"],
        "city" => &record["city"],
        "zip" => &record["postal"],
        "timezone" => &zone["name"],
        "currency" => &record["currency"]["code"],
        "isp" | "org" => &record["organisation"],
        _ => &Value::Null,
    };
    Some(text(found).into())
}

/// Seconds of an offset such as `-0700`.
fn offset_s(offset: &str) -> Option<i32> {
    let (hours, minutes) = offset.split_at_checked(3)?;
    let (hours, minutes) = (hours.parse::<i32>().ok()?, minutes.parse::<i32>().ok()?);
    Some(hours * 3600 + if offset.starts_with('-') { -minutes } else { minutes } * 60)
}

/// What ip-api calls what is wrong with a query: private is what RFC 1918 and RFC 4193 call so, reserved the rest.
fn reason(error: &Error) -> Option<&'static str> {
    match error {
        Error::Private(IpAddr::V4(ip)) if ip.is_private() => Some("private range"),
        Error::Private(IpAddr::V6(ip)) if ip.is_unique_local() => Some("private range"),
        Error::Private(_) | Error::Reserved(_) => Some("reserved range"),
        Error::NotAnAddress(_) => Some("invalid query"),
        _ => None,
    }
}

fn refusal(error: &Error) -> Reply {
    let status = match error {
        Error::TooMany => StatusCode::UNPROCESSABLE_ENTITY,
        Error::FreeQuota | Error::PaidQuota(_) => StatusCode::TOO_MANY_REQUESTS,
        error => error.status(),
    };
    json(status, error.cause(), &json!({ "status": "fail", "message": error.message() }))
}
