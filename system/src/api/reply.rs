//! Answers: headers, JSONP, what is left of the quota.
//!
//! Not here: what stands in them.

use std::{
    collections::BTreeSet,
    io::Write,
    sync::{Mutex, PoisonError},
};

use georush_core::{Rate, WindowKind};
use hyper::{
    HeaderMap, Response, StatusCode,
    header::{
        ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName,
        HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
    },
};

use super::{error::Error, metrics::Cause};
use crate::{edge::Admission, http::Body, plans::PlanSpec};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const X_DATABASE_DATE: HeaderName = HeaderName::from_static("x-database-date");

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const ANYBODY: HeaderValue = HeaderValue::from_static("*");
const EXPOSED: HeaderValue = HeaderValue::from_static("RateLimit, RateLimit-Policy, Retry-After");
/// Every 401 must name a scheme (RFC 9110, 15.5.2); at this one no browser asks its user for a password.
const ASKS_FOR_KEY: HeaderValue = HeaderValue::from_static("ApiKey realm=\"georush\"");
/// Every answer counts, and says how many there were.
const UNCACHED: HeaderValue = HeaderValue::from_static("private, no-store");

/// An answer in the making.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) cause: Cause,
    pub(super) body: Vec<u8>,
    pub(super) kind: HeaderValue,
    /// Quota headers: of which plan, and what is left of it.
    pub(super) quota: Option<[HeaderValue; 2]>,
    pub(super) retry_after_s: Option<u32>,
    pub(super) more: Vec<(HeaderName, HeaderValue)>,
}

impl Reply {
    pub(super) fn new(status: StatusCode, cause: Cause, body: Vec<u8>) -> Self {
        Self { status, cause, body, kind: JSON, quota: None, retry_after_s: None, more: Vec::new() }
    }

    pub(super) fn ok(body: Vec<u8>) -> Self {
        Self::new(StatusCode::OK, Cause::Served, body)
    }

    /// Something that is no answer to a charged question.
    pub(super) fn service(kind: &'static str, body: Vec<u8>) -> Self {
        Self { kind: HeaderValue::from_static(kind), ..Self::new(StatusCode::OK, Cause::Service, body) }
    }

    pub(super) fn into_text(mut self) -> Self {
        self.kind = TEXT;
        self
    }

    /// With the headers that belong to an error.
    pub(super) fn explaining(mut self, error: &Error) -> Self {
        match error {
            Error::Method(allowed) => {
                let list = allowed.replace(" and ", ", ");
                self.more.push((ALLOW, HeaderValue::from_str(&list).expect("names of methods")));
            }
            Error::TooFast { rate, .. } => self.quota = Some(spent(*rate, error)),
            Error::NoValidKey => self.more.push((WWW_AUTHENTICATE, ASKS_FOR_KEY)),
            _ => {}
        }
        self.retry_after_s = error.retry_after_s();
        self
    }

    pub(super) fn is_json(&self) -> bool {
        self.kind == JSON
    }

    pub(super) fn set_quota(&mut self, plan: &HeaderValue, admission: &Admission) {
        self.quota = Some([plan.clone(), left(admission)]);
    }

    /// Wraps the body into a call of a JavaScript function.
    pub(super) fn call(mut self, function: &str) -> Self {
        // The comment keeps the body from being read as anything but a script.
        let mut body = format!("/**/{function}(").into_bytes();
        body.append(&mut self.body);
        body.extend_from_slice(b");");
        self.more.push((X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")));
        Self { body, kind: HeaderValue::from_static("application/javascript"), ..self }
    }

    /// The answer, with the headers of all answers over this data.
    #[inline]
    pub(super) fn finish(self, common: &Common) -> Response<Body> {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        match self.quota {
            Some(quota) => {
                *headers = common.charged.clone();
                // They stand first, where no name needs to be looked up.
                for (place, value) in headers.values_mut().zip(quota) {
                    *place = value;
                }
            }
            None => *headers = common.all.clone(),
        }
        if self.kind != JSON {
            headers.insert(CONTENT_TYPE, self.kind);
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        headers.extend(self.more);
        response
    }
}

/// Headers to begin with. Copying a map is cheaper than filling one, and one that has every header need not grow.
#[derive(Debug)]
pub(super) struct Common {
    all: HeaderMap,
    /// The same behind places for the two of quotas.
    charged: HeaderMap,
}

impl Common {
    /// The headers of all answers over data of this date.
    pub(super) fn new(database_date: Option<HeaderValue>) -> Self {
        let mut all = HeaderMap::new();
        all.insert(CONTENT_TYPE, JSON);
        open_to_anybody(&mut all);
        all.insert(CACHE_CONTROL, UNCACHED);
        if let Some(date) = database_date {
            all.insert(X_DATABASE_DATE, date);
        }
        let mut charged = HeaderMap::with_capacity(all.len() + 2);
        charged.insert(RATE_LIMIT_POLICY, HeaderValue::from_static(""));
        charged.insert(RATE_LIMIT, HeaderValue::from_static(""));
        charged.extend(all.clone());
        Self { all, charged }
    }
}

/// Pages of any origin may read the answer; on errors above all, or they can't tell what went wrong.
pub(super) fn open_to_anybody(headers: &mut HeaderMap) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANYBODY);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
}

/// `"day";q=1500;w=86400`: quota and length of the window. Source: draft-ietf-httpapi-ratelimit-headers-08.
pub(super) fn policy(plan: &PlanSpec) -> HeaderValue {
    let text = match plan.plan.window {
        WindowKind::DayUtc | WindowKind::Anchored24h => format!("\"day\";q={};w=86400", plan.plan.quota),
        // Months differ in length, so none is claimed.
        WindowKind::MonthCalendar => format!("\"month\";q={}", plan.plan.quota),
    };
    lasting(text)
}

/// A header's value that many answers have. It is never freed, and the same text is kept once: plans and dates are few. What has
/// no owner can be copied into each answer without counting its owners.
pub(super) fn lasting(text: String) -> HeaderValue {
    static KEPT: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let text = match kept.get(&*text) {
        Some(text) => text,
        None => {
            let text: &'static str = text.leak();
            kept.insert(text);
            text
        }
    };
    HeaderValue::from_static(text)
}

/// More than two numbers of 20 digits need.
const LEFT_BYTES: usize = 64;

/// `"day";r=1499;t=86012`: what is left, and for how many seconds.
#[inline]
fn left(admission: &Admission) -> HeaderValue {
    let (mut left, mut resets_s) = (itoa::Buffer::new(), itoa::Buffer::new());
    let window = if admission.monthly { "\"month\";r=" } else { "\"day\";r=" };
    let pieces = [window, left.format(admission.left()), ";t=", resets_s.format(admission.resets_s)];
    let mut text = [0; LEFT_BYTES];
    let mut rest = &mut text[..];
    for piece in pieces {
        rest.write_all(piece.as_bytes()).expect("there is room");
    }
    let length = LEFT_BYTES - rest.len();
    HeaderValue::from_bytes(&text[..length]).expect("digits and letters")
}

/// The same two of a rate that was exceeded: `"burst";q=100;w=2` and `"burst";r=0;t=1`.
fn spent(rate: Rate, error: &Error) -> [HeaderValue; 2] {
    let policy = format!("\"burst\";q={};w={}", rate.burst, rate.window_s());
    let left = format!("\"burst\";r=0;t={}", error.retry_after_s().unwrap_or(1));
    [policy, left].map(|text| HeaderValue::from_str(&text).expect("digits and letters"))
}

/// The answer to a browser that asks what it may ask: anything, for a day.
pub(super) fn preflight() -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    open_to_anybody(headers);
    for (name, value) in [
        ("access-control-allow-methods", "GET, HEAD, POST, OPTIONS"),
        ("access-control-allow-headers", "api-key, authorization, content-type, accept"),
        ("access-control-max-age", "86400"),
        ("allow", "GET, HEAD, POST, OPTIONS"),
    ] {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}
