//! IPinfo: `GET /lite/{ip|me}`, and the older `GET /{ip}` and `GET /{ip}/json`; each with a field's name behind it for that
//! field alone; and by the host or prefix `POST /batch` for up to a hundred of these paths at once.
//!
//! The token stands in `?token=`, behind `Bearer`, or as the user name of HTTP Basic authentication. Not here: host names, and
//! whatever the loaded data doesn't know; it is left out, as IPinfo does.

use std::{borrow::Cow, net::IpAddr};

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::talk::{Talk, json, known, line, text};
use crate::{
    api::{error::Error, metrics::Cause, record, reply::Reply, route},
    edge::Want,
};

const LITE: [&str; 8] = ["ip", "asn", "as_name", "as_domain", "country_code", "country", "continent_code", "continent"];
const LEGACY: [&str; 8] = ["ip", "city", "region", "country", "loc", "org", "postal", "timezone"];

struct Question {
    lite: bool,
    ip: IpAddr,
    field: Option<String>,
}

pub(super) fn answer(talk: &mut Talk<'_>) -> Reply {
    let own = (talk.parameter("token"))
        .or_else(|| talk.authorization("bearer").map(Cow::Borrowed))
        .or_else(|| talk.basic().map(|(user, _)| Cow::Owned(user)));
    let key = talk.key(own);
    let segments = talk.segments();
    let path: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
    if path == ["batch"] {
        return batch(talk, key.as_deref()).unwrap_or_else(|error| refusal(&error).explaining(&error));
    }
    let question = talk.reads().and_then(|()| read(talk, &path));
    match talk.charge(key.as_deref(), Want::Record, 1, question) {
        Ok(question) => match found(talk, &question) {
            Value::String(text) => line(StatusCode::OK, Cause::Served, &text),
            answer => json(StatusCode::OK, Cause::Served, &answer),
        },
        Err(error) => match bogon(&error) {
            Some(answer) => json(StatusCode::OK, error.cause(), &answer),
            None => refusal(&error).explaining(&error),
        },
    }
}

/// An answer for each path, under the path itself.
fn batch(talk: &mut Talk<'_>, key: Option<&str>) -> Result<Reply, Error> {
    let items = match talk.asked.parts.method {
        Method::POST => record::items(talk.body.map_or(&[][..], |body| body)),
        _ => Err(Error::Method("POST and OPTIONS")),
    };
    let cost = items.as_ref().map_or(0, Vec::len) as u16;
    let items = talk.charge(key, Want::Bulk, cost, items)?;
    let answer = items.into_iter().map(|item| {
        let path: Vec<&str> = item.trim_start_matches('/').split('/').collect();
        let answer = read(talk, &path).map(|question| found(talk, &question));
        let answer = answer.unwrap_or_else(|error| bogon(&error).unwrap_or_else(|| told(&error).1));
        (item.into_owned(), answer)
    });
    Ok(json(StatusCode::OK, Cause::Served, &Value::Object(answer.collect())))
}

fn bogon(error: &Error) -> Option<Value> {
    match error {
        Error::Private(ip) | Error::Reserved(ip) => Some(json!({ "ip": ip, "bogon": true })),
        _ => None,
    }
}

fn read(talk: &Talk<'_>, path: &[&str]) -> Result<Question, Error> {
    let (lite, rest) = match path {
        ["lite", rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    let fields = if lite { LITE } else { LEGACY };
    let whole = |name: &str| !lite && name == "json";
    let is_field = |name: &str| fields.contains(&name);
    let (target, field) = match *rest {
        [] => ("me", None),
        [only] if whole(only) => ("me", None),
        [only] if is_field(only) => ("me", Some(only)),
        [target] => (target, None),
        [target, name] if whole(name) => (target, None),
        [target, name] if is_field(name) => (target, Some(name)),
        _ => return Err(talk.nowhere()),
    };
    let ip = if target == "me" { talk.caller()? } else { route::address(target)? };
    Ok(Question { lite, ip, field: field.map(str::to_owned) })
}

/// An object, or the text of one field.
fn found(talk: &Talk<'_>, question: &Question) -> Value {
    let record = talk.record(question.ip, "en");
    let answer = if question.lite { lite(&record) } else { legacy(&record) };
    match &question.field {
        Some(field) => text(&answer[field]).into(),
        None => answer,
    }
}

fn lite(record: &Value) -> Value {
    known([
        ("ip", record["ip"].clone()),
        ("asn", record["asn"]["asn"].clone()),
        ("as_name", record["asn"]["name"].clone()),
        ("as_domain", record["asn"]["domain"].clone()),
        ("country_code", record["country_code"].clone()),
        ("country", record["country_name"].clone()),
        ("continent_code", record["continent_code"].clone()),
        ("continent", record["continent_name"].clone()),
    ])
}

fn legacy(record: &Value) -> Value {
    let centre = record["latitude"].as_f64().zip(record["longitude"].as_f64());
    let asn = &record["asn"];
    let org = asn["asn"].as_str().map(|number| format!("{number} {}", text(&asn["name"])).trim_end().to_owned());
    known([
        ("ip", record["ip"].clone()),
        ("city", record["city"].clone()),
        ("region", record["region"].clone()),
        ("country", record["country_code"].clone()),
        ("loc", json!(centre.map(|(latitude, longitude)| format!("{latitude:.4},{longitude:.4}")))),
        ("org", json!(org)),
        ("postal", record["postal"].clone()),
        ("timezone", record["time_zone"]["name"].clone()),
    ])
}

fn refusal(error: &Error) -> Reply {
    let (status, answer) = told(error);
    json(status, error.cause(), &answer)
}

fn told(error: &Error) -> (StatusCode, Value) {
    let (status, title) = match error {
        Error::FreeQuota | Error::PaidQuota(_) | Error::TooFast { .. } => {
            (StatusCode::TOO_MANY_REQUESTS, "Rate limit exceeded")
        }
        Error::NoValidKey => (error.status(), "Unknown token"),
        Error::NotAnAddress(_) => (StatusCode::NOT_FOUND, "Wrong ip"),
        Error::NotFound(_) => (error.status(), "Page not found"),
        _ => (error.status(), "Not possible"),
    };
    (status, json!({ "status": status.as_u16(), "error": { "title": title, "message": error.message() } }))
}
