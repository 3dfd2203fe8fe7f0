//! The API: from a request to its answer. Knows no sockets; [`Handler`] is its way in.
//!
//! Every request goes the same way: who asks (`request`), what for (`route`), whether it fits the quota (the edge), the record
//! (`geo`), the answer (`reply`). Not here: decisions on quotas, which are the core's.

pub mod dialect;
mod error;
mod fields;
mod metrics;
mod record;
mod reply;
mod request;
mod route;

use std::{
    net::IpAddr,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use arc_swap::{ArcSwap, Guard};
use bytes::Bytes;
use georush_core::{Identifier, Timestamp, edge::Verdict};
use hyper::{Method, Response, StatusCode, header::HeaderValue, http::request::Parts};

pub use self::{
    dialect::Dialects,
    error::Error,
    metrics::{Cause, Metrics, Reading, text_of},
};
use self::{
    record::Scribe,
    reply::{Common, Reply, lasting, policy, preflight},
    request::{Profile, Query, caller, is_function_name, key, page, profile, subject},
    route::{Route, Target},
};
use crate::{
    address::{Kind, Trusted, kind},
    backend::Rows,
    edge::{Admission, Ask, Edge, Refusal, Want},
    geo::{Geo, source::Source},
    http::{Body, Handler},
};

/// Data with what is derived from it once.
#[derive(Debug)]
pub struct Data {
    /// The data.
    pub geo: Geo,
    /// What every answer over it has.
    headers: Common,
}

impl Data {
    /// Makes data ready to be served.
    #[must_use]
    pub fn new(geo: Geo) -> Self {
        let (year, month, day) = Timestamp(geo.built().saturating_mul(1_000_000)).date();
        let date = lasting(format!("{year:04}-{month:02}-{day:02}"));
        Self { geo, headers: Common::new(Some(date)) }
    }
}

/// Headers of answers that are not about data.
static UNDATED: LazyLock<Common> = LazyLock::new(|| Common::new(None));

/// Gives the readings of others for `/metrics`.
pub type Readings = Box<dyn Fn() -> Vec<Reading> + Send + Sync>;

/// One region's API.
pub struct Api {
    /// The data that answers are made of; may be swapped at any time.
    pub data: Arc<ArcSwap<Data>>,
    /// Who may ask, and how much they did.
    pub edge: Arc<Edge>,
    /// What was answered.
    pub metrics: Metrics,
    trusted: Trusted,
    policies: Box<[HeaderValue]>,
    readings: Readings,
    clock: Clock,
    dialects: Dialects,
    /// Where each request reads its row, if rows are not in memory.
    rows: Option<Box<dyn Rows>>,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").finish_non_exhaustive()
    }
}

/// Wall time that never goes back, so that no window is entered twice: a monotonic clock that is led after the system's.
#[derive(Debug)]
struct Clock {
    started: Instant,
    /// How far wall time is ahead of the monotonic clock, microseconds.
    ahead_us: AtomicU64,
    /// When it was last led, on the monotonic clock.
    led_us: AtomicU64,
}

impl Clock {
    fn new() -> Self {
        let clock = Self { started: Instant::now(), ahead_us: AtomicU64::new(0), led_us: AtomicU64::new(0) };
        clock.lead(Duration::ZERO, wall());
        clock
    }

    #[inline]
    fn at(&self, instant: Instant) -> Timestamp {
        let elapsed_us = instant.duration_since(self.started).as_micros() as u64;
        Timestamp(elapsed_us + self.ahead_us.load(Ordering::Relaxed))
    }

    /// Follows wall time: at once if it is ahead, at half speed if it was set back.
    fn lead(&self, elapsed: Duration, wall: Duration) {
        let (elapsed_us, wall_us) = (elapsed.as_micros() as u64, wall.as_micros() as u64);
        let since_us = elapsed_us - self.led_us.swap(elapsed_us, Ordering::Relaxed).min(elapsed_us);
        let slowest = self.ahead_us.load(Ordering::Relaxed).saturating_sub(since_us / 2);
        self.ahead_us.store(wall_us.saturating_sub(elapsed_us).max(slowest), Ordering::Relaxed);
    }
}

fn wall() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// What every part of a request's way needs to know of it.
struct Asked<'a> {
    parts: &'a Parts,
    /// What the path is, if that is an address and nothing else.
    address: Option<IpAddr>,
    query: Query<'a>,
    profile: Profile,
    caller: IpAddr,
    page: Option<Identifier>,
    now: Timestamp,
}

impl Asked<'_> {
    /// The JavaScript function that the answer will be the argument of.
    #[inline]
    fn callback(&self) -> Option<&str> {
        self.query.callback.as_deref().filter(|name| is_function_name(name))
    }
}

impl Api {
    /// An API over data and an edge. `trusted` are the proxies whose word is taken for the caller's address.
    #[must_use]
    pub fn new(data: Arc<ArcSwap<Data>>, edge: Arc<Edge>, trusted: Trusted, readings: Readings) -> Self {
        let policies = edge.plans().iter().map(policy).collect();
        let (metrics, dialects) = (Metrics::default(), Dialects::default());
        Self { data, edge, metrics, trusted, policies, readings, clock: Clock::new(), dialects, rows: None }
    }

    /// The API with other services' dialects switched on, and no others.
    #[must_use]
    pub fn with_dialects(self, dialects: Dialects) -> Self {
        Self { dialects, ..self }
    }

    /// The API with rows that each request reads for itself; `None` for rows in memory.
    #[must_use]
    pub fn with_rows(self, rows: Option<Box<dyn Rows>>) -> Self {
        Self { rows, ..self }
    }

    /// Leads this API's clock after the system's; to be called now and then.
    pub fn follow_wall_time(&self) {
        self.clock.lead(self.clock.started.elapsed(), wall());
    }

    /// The present, by this API's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.at(Instant::now())
    }

    #[inline]
    fn handle(&self, parts: &Parts, body: Option<&Bytes>, peer: IpAddr) -> Response<Body> {
        let started = Instant::now();
        if parts.method == Method::OPTIONS {
            self.metrics.count(StatusCode::NO_CONTENT, Cause::Service, started.elapsed());
            return preflight();
        }
        let data = self.data.load();
        let address = route::plain(parts.uri.path());
        address.inspect(|ip| data.geo.announce(*ip));
        let query = Query::read(parts.uri.query());
        let asked = Asked {
            parts,
            address,
            profile: profile(&parts.headers, &query),
            query,
            caller: caller(&self.trusted, peer, &parts.headers),
            page: page(&parts.headers),
            now: self.clock.at(started),
        };
        let reply = match self.service(&asked, &data) {
            Some(reply) => reply,
            None => match self.dialects.spoken(parts) {
                None => self.answer_or_refuse(&asked, body, &data),
                Some(dialect) => dialect::answer(self, dialect, &asked, body, &data.geo),
            },
        };
        let reply = match asked.callback() {
            Some(callback) if reply.cause != Cause::Service && reply.is_json() => reply.call(callback),
            _ => reply,
        };
        let (status, cause) = (reply.status, reply.cause);
        let response = reply.finish(&data.headers);
        self.metrics.count(status, cause, started.elapsed());
        response
    }

    fn answer_or_refuse(&self, asked: &Asked<'_>, body: Option<&Bytes>, data: &Guard<Arc<Data>>) -> Reply {
        let mut admission = None;
        let answered = self.answer_to(asked, body, data, &mut admission);
        let mut reply = answered.unwrap_or_else(|error| self.refusal(asked, &error));
        if let Some(admission) = &admission {
            reply.set_quota(&self.policies[admission.plan], admission);
        }
        reply
    }

    fn answer_to(
        &self,
        asked: &Asked<'_>,
        body: Option<&Bytes>,
        data: &Guard<Arc<Data>>,
        admission: &mut Option<Admission>,
    ) -> Result<Reply, Error> {
        let read = self.read(asked, body);
        let (want, cost) = match &read {
            Ok(Question { want, cost, .. }) => (*want, *cost),
            Err(_) => (Want::Record, 0),
        };
        let target = match &read {
            Ok(Question { route: Route::Record(target) | Route::Field(target, _), .. }) => {
                Some(target.of(asked.caller))
            }
            _ => None,
        };
        // Memory sends what it is asked for while the key is hashed, and then while its row is looked up.
        target.inspect(|ip| data.geo.approach(*ip));
        let subject = subject(key(asked.parts, &asked.query), asked.page.as_ref(), asked.caller);
        let located = target.map(|ip| data.geo.locate(ip));
        let count = self.admit(asked, &subject, want, cost, admission)?;
        let question = read?;
        let systems = admission.as_ref().is_none_or(|admission| self.edge.plan(admission.plan).asn);
        let scribe = Scribe { geo: &data.geo, asked, count, systems };
        scribe.write(&question, located)
    }

    /// Charges a request, whatever its dialect: what was used in the window. If it costs nothing, only whether its subject
    /// may ask at all is looked at.
    #[inline]
    fn admit(
        &self,
        asked: &Asked<'_>,
        subject: &Identifier,
        want: Want,
        cost: u16,
        admission: &mut Option<Admission>,
    ) -> Result<u64, Error> {
        let host = match &asked.page {
            Some(Identifier::Referer(host)) => Some(&**host),
            _ => None,
        };
        let ask = Ask { subject, cost, want, address: asked.caller, host };
        if let Some(rows) = &self.rows {
            self.read_row(&**rows, asked.now, subject);
        }
        if cost == 0 {
            self.edge.check(&ask).map_err(|refusal| self.refused(refusal))?;
            return Ok(0);
        }
        let admitted = self.edge.admit(asked.now, &ask).map_err(|refusal| self.refused(refusal))?;
        *admission = Some(admitted);
        match admitted.decision.verdict {
            Verdict::Admitted => Ok(admitted.count),
            Verdict::OverQuota if self.edge.plan(admitted.plan).paid => Err(Error::PaidQuota(admitted.decision.view)),
            Verdict::OverQuota => Err(Error::FreeQuota),
            Verdict::Revoked => Err(Error::NoValidKey),
            Verdict::Unavailable => Err(Error::Unavailable),
        }
    }

    /// A key whose row can't be read is not known to be unknown.
    #[cold]
    fn refused(&self, refusal: Refusal) -> Error {
        match refusal {
            Refusal::UnknownKey if self.rows.is_some() && !self.edge.is_readable() => Error::Unavailable,
            _ => refused(refusal),
        }
    }

    /// Brings the subject's row from its table. If that fails, the request is decided by the policy for unreadable rows.
    #[cold]
    fn read_row(&self, rows: &dyn Rows, now: Timestamp, subject: &Identifier) {
        let row = rows.row(subject);
        let was_readable = self.edge.is_readable();
        match &row {
            Ok(item) => {
                self.edge.apply(now, item);
                self.edge.tally.fed_at.store(now.0, Ordering::Relaxed);
            }
            Err(error) if was_readable => tracing::error!(%error, "rows can't be read"),
            Err(_) => {}
        }
        if !was_readable && row.is_ok() {
            tracing::info!("rows can be read again");
        }
        self.edge.set_readable(row.is_ok());
    }

    /// What is asked, if it can be answered at all.
    #[inline]
    fn read<'b>(&self, asked: &Asked<'_>, body: Option<&'b Bytes>) -> Result<Question<'b>, Error> {
        if asked.query.callback.as_deref().is_some_and(|name| !name.is_empty() && !is_function_name(name)) {
            return Err(Error::NotACallback);
        }
        let route = match asked.address {
            Some(ip) => route::global(ip).map(|ip| Route::Record(Target::Address(ip))),
            None => Route::read(asked.parts.uri.path()),
        };
        let of = if let Ok(Route::System(..)) = route { &fields::OF_SYSTEM[..] } else { &fields::OF_RECORD[..] };
        let fields = fields::wanted(asked.query.fields.as_deref(), of)?;
        let route = route?;
        let posted = asked.parts.method == Method::POST;
        match (&route, posted) {
            (Route::Bulk, true) => {
                let items = record::items(body.map_or(&[][..], |body| body))?;
                Ok(Question { want: Want::Bulk, cost: items.len() as u16, route, fields, items })
            }
            (Route::Bulk, false) => Err(Error::Method("POST and OPTIONS")),
            (_, true) => Err(Error::Method("GET, HEAD and OPTIONS")),
            (_, false) => {
                if !matches!(asked.parts.method, Method::GET | Method::HEAD) {
                    return Err(Error::Method("GET, HEAD and OPTIONS"));
                }
                if let Route::Record(Target::Caller)
                | Route::Translated(Target::Caller, _)
                | Route::Field(Target::Caller, _) = route
                {
                    match kind(asked.caller) {
                        Kind::Global => {}
                        Kind::Private => return Err(Error::Private(asked.caller)),
                        Kind::Reserved => return Err(Error::Reserved(asked.caller)),
                    }
                }
                let want = if matches!(route, Route::System(..)) { Want::System } else { Want::Record };
                Ok(Question { want, cost: 1, route, fields, items: Vec::new() })
            }
        }
    }

    fn refusal(&self, asked: &Asked<'_>, error: &Error) -> Reply {
        let reply = match asked.profile {
            Profile::V1 => {
                let over = matches!(error, Error::FreeQuota | Error::PaidQuota(_));
                let status = if over { StatusCode::TOO_MANY_REQUESTS } else { error.status() };
                Reply::new(status, error.cause(), error.message().into_bytes()).into_text()
            }
            Profile::Standard | Profile::Json | Profile::Rust => {
                Reply::new(error.status(), error.cause(), record::message(error))
            }
        };
        reply.explaining(error)
    }

    /// Paths that are about the service, not about addresses.
    #[inline]
    fn service(&self, asked: &Asked<'_>, data: &Guard<Arc<Data>>) -> Option<Reply> {
        let path = asked.parts.uri.path();
        // None of these begins like an address does.
        if path.as_bytes().get(1).is_none_or(|first| !b"hrmoa".contains(first)) {
            return None;
        }
        let reply = match route::inner(path) {
            "healthz" => Reply::service("application/json", br#"{"status":"ok"}"#.to_vec()),
            "readyz" => self.readiness(),
            "metrics" => {
                let mut readings = (self.readings)();
                readings.extend(self.own_readings(asked.now, data));
                let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                Reply::service(kind, self.metrics.text(readings).into_bytes())
            }
            "openapi.json" => Reply::service("application/json", OPENAPI.to_vec()),
            "attribution" => Reply::service("text/markdown; charset=utf-8", attribution(&data.geo)),
            _ => return None,
        };
        match asked.parts.method {
            Method::GET | Method::HEAD => Some(reply),
            _ => Some(self.refusal(asked, &Error::Method("GET, HEAD and OPTIONS"))),
        }
    }

    fn readiness(&self) -> Reply {
        let ready = self.edge.is_readable();
        let text = format!(r#"{{"ready":{ready},"rows_readable":{ready}}}"#);
        let mut reply = Reply::service("application/json", text.into_bytes());
        if !ready {
            reply.status = StatusCode::SERVICE_UNAVAILABLE;
        }
        reply
    }

    fn own_readings(&self, now: Timestamp, data: &Guard<Arc<Data>>) -> Vec<Reading> {
        let load = |value: &AtomicU64| value.load(Ordering::Relaxed);
        let age = |at: u64| Duration::from_micros(now.0.saturating_sub(at)).as_secs_f64();
        // Of what has not been yet there is no age.
        let since = |name, help, at: u64| Reading {
            values: (at > 0).then(|| (Vec::new(), age(at))).into_iter().collect(),
            ..Reading::gauge(name, help, 0.0)
        };
        let (keys, strangers) = self.edge.subjects();
        let tally = &self.edge.tally;
        let of_file = |source: &Source| {
            (vec![("file", source.file_name().to_owned())], age(source.built().saturating_mul(1_000_000)))
        };
        vec![
            Reading {
                name: "data_age_seconds",
                help: "Age of each data file, since it was built.",
                counter: false,
                values: data.geo.sources().iter().map(of_file).collect(),
            },
            Reading::gauge("data_index_bytes", "Memory of the index.", data.geo.index_size() as f64),
            Reading::gauge("keys", "Keys that this edge knows.", keys as f64),
            Reading::gauge("strangers", "Callers without a key that this edge remembers.", strangers as f64),
            since(
                "rows_age_seconds",
                "Time since the region's table was last read: no row in use is older than the table by more.",
                load(&tally.fed_at),
            ),
            since(
                "counted_age_seconds",
                "Time since the newest usage event that the rows in use have counted.",
                load(&tally.counted_at),
            ),
            Reading::counter("usage_dropped", "Usage events that found no room: declared loss.", load(&tally.dropped)),
            Reading::counter(
                "admitted_blind",
                "Requests admitted on rows that could not be believed.",
                load(&tally.admitted_blind),
            ),
        ]
    }
}

/// What is asked, once it is known that it can be answered.
struct Question<'b> {
    want: Want,
    cost: u16,
    route: Route,
    fields: Option<Vec<&'static str>>,
    items: Vec<std::borrow::Cow<'b, str>>,
}

fn refused(refusal: Refusal) -> Error {
    match refusal {
        Refusal::UnknownKey | Refusal::NoKey => Error::NoValidKey,
        Refusal::NotInWhitelist => Error::NotInWhitelist,
        Refusal::PlanLacksBulk => Error::BulkNotInPlan,
        Refusal::PlanLacksSystems => Error::SystemsNotInPlan,
        Refusal::Full => Error::Full,
        Refusal::TooFast { rate, after_us } => Error::TooFast { rate, after_us },
    }
}

const OPENAPI: &[u8] = include_bytes!("../data/openapi.json");
const ATTRIBUTION: &str = include_str!("../data/ATTRIBUTION.md");

/// Whom the data is owed to; data that somebody brought along is theirs to attribute.
fn attribution(geo: &Geo) -> Vec<u8> {
    let mut text = ATTRIBUTION.to_owned();
    text.push_str("\n## Files in use\n\n");
    for source in geo.sources() {
        text.push_str(&format!("* {} ({})\n", source.kind(), source.file_name()));
    }
    text.into_bytes()
}

impl Handler for Api {
    fn answer(&self, request: &Parts, peer: IpAddr) -> Response<Body> {
        self.handle(request, None, peer)
    }

    fn answer_body(&self, request: &Parts, body: Bytes, peer: IpAddr) -> Response<Body> {
        self.handle(request, Some(&body), peer)
    }

    fn refuse(&self, status: StatusCode, message: &str) -> Response<Body> {
        let error = Error::Http(status, message.to_owned());
        self.metrics.count(status, error.cause(), Duration::ZERO);
        Reply::new(status, error.cause(), record::message(&error)).finish(&UNDATED)
    }
}

#[cfg(test)]
mod tests;
