//! What is compared: names, where results keep them, which direction is worse, how much worse still passes.
//!
//! Not here: comparing.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::report::{format, judge::Unit};

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// Latency, loss, cost.
    Lower,
    /// Availability.
    Higher,
    /// What a run was given: any difference means that the runs can't be compared.
    Neither,
}

/// A metric that gates compare.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Selector and aggregate, as thresholds name them.
    pub name: &'static str,
    /// Where a result has it, as a JSON Pointer (RFC 6901); in `traffic.by_region.<region>` if the name has a tag.
    at: &'static str,
    /// The better direction.
    pub better: Better,
    /// The unit of its values.
    pub unit: Unit,
    /// Its tolerance if it does not follow the scenario's: 0 for counts that must never grow.
    own: Option<f64>,
}

const fn metric(name: &'static str, at: &'static str, unit: Unit) -> Metric {
    Metric { name, at, better: Better::Lower, unit, own: None }
}

const fn exact(name: &'static str, at: &'static str) -> Metric {
    Metric { own: Some(0.0), ..metric(name, at, Unit::Number) }
}

/// Of a simulated run.
pub const SIMULATED: [Metric; 20] = [
    Metric { better: Better::Neither, ..metric("requests count", "/traffic/all/requests", Unit::Number) },
    // A share close to 1, of which a tolerance of some percent would be any outage.
    Metric {
        better: Better::Higher,
        own: Some(0.0001),
        ..metric("availability value", "/traffic/all/availability", Unit::Fraction)
    },
    metric("errors count", "/traffic/all/failed", Unit::Number),
    metric("cold_starts count", "/traffic/all/cold_starts", Unit::Number),
    metric("latency p(50)", "/traffic/all/latency/p50_us", Unit::Microseconds),
    metric("latency p(99)", "/traffic/all/latency/p99_us", Unit::Microseconds),
    metric("latency p(99.9)", "/traffic/all/latency/p99.9_us", Unit::Microseconds),
    metric("quota.over_admission count", "/quota/over_admission/total", Unit::Number),
    metric("quota.over_admission max", "/quota/over_admission/max_fraction", Unit::Fraction),
    exact("quota.false_rejection count", "/quota/false_rejections/total"),
    exact("quota.count_error count", "/quota/count_error_absolute"),
    exact("quota.duplicates count", "/quota/duplicates"),
    exact("quota.declared_loss count", "/quota/declared_loss"),
    exact("quota.silent_loss count", "/quota/silent_loss"),
    metric("quota.staleness p(50)", "/quota/staleness/p50_us", Unit::Microseconds),
    metric("quota.staleness p(99)", "/quota/staleness/p99_us", Unit::Microseconds),
    metric("quota.crossing_lag p(99)", "/quota/crossing_lag/p99_us", Unit::Microseconds),
    metric(CONVERGENCE, "/quota/regions", Unit::Microseconds),
    metric("cost.month value", "/cost/month_nano_usd", Unit::Dollars),
    metric("cost.per_million value", "/cost/per_million_nano_usd", Unit::Dollars),
];

/// Of every region of a simulated run.
const BY_REGION: [Metric; 2] = [
    metric("latency p(50)", "/latency/p50_us", Unit::Microseconds),
    metric("latency p(99)", "/latency/p99_us", Unit::Microseconds),
];

/// Of a live run: what was measured, without a model in it.
pub const MEASURED: [Metric; 6] = [
    metric("response_time p(50)", "/live/response_time/p50_us", Unit::Microseconds),
    metric("response_time p(99)", "/live/response_time/p99_us", Unit::Microseconds),
    metric("service_time p(50)", "/live/service_time/p50_us", Unit::Microseconds),
    metric("service_time p(99)", "/live/service_time/p99_us", Unit::Microseconds),
    metric("quota.staleness p(50)", "/quota/staleness/p50_us", Unit::Microseconds),
    metric("quota.staleness p(99)", "/quota/staleness/p99_us", Unit::Microseconds),
];

/// Of a bench.
pub const INSTRUCTIONS: Metric = metric("instructions", "", Unit::Number);

const CONVERGENCE: &str = "quota.convergence max";

impl Metric {
    /// The metric of that name, with or without a tag.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let plain = untagged(name);
        SIMULATED.into_iter().chain(MEASURED).find(|metric| metric.name == plain)
    }

    /// A value as people read it.
    #[must_use]
    pub fn show(&self, value: Value) -> String {
        match value {
            Value::Never => "never".to_owned(),
            Value::Absent => "none".to_owned(),
            Value::Number(n) => match self.unit {
                Unit::Microseconds => format::duration(n.max(0.0) as u64),
                Unit::Fraction => format!("{} %", rounded(n * 100.0)),
                // As results hold it, in billionths.
                Unit::Dollars => format::dollars(n.max(0.0) as u64),
                Unit::Number | Unit::PerSecond => format::count(n.max(0.0) as u64),
            },
        }
    }

    /// How much worse `head` is than `base`, as a fraction of `base`: below 0 if it is better, infinite if there was nothing bad before.
    #[must_use]
    pub fn worse(&self, base: f64, head: f64) -> f64 {
        let change = match self.better {
            Better::Lower => head - base,
            Better::Higher => base - head,
            Better::Neither => (head - base).abs(),
        };
        // Two that are equal, both being infinite perhaps.
        if base == head {
            0.0
        } else if base == 0.0 {
            change.signum() * f64::INFINITY
        } else {
            change / base
        }
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

/// What a metric came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// In the metric's unit.
    Number(f64),
    /// Later than any time.
    Never,
    /// Nothing was there to measure.
    Absent,
}

impl Value {
    /// The number, if it is one.
    #[must_use]
    pub fn number(self) -> Option<f64> {
        match self {
            Self::Number(n) => Some(n),
            Self::Never | Self::Absent => None,
        }
    }

    /// As baselines and histories keep it: a number, `"never"` or `null`.
    #[must_use]
    pub fn to_json(self) -> Json {
        match self {
            // Whole numbers without a point, so that files are short.
            Self::Number(n) if n.fract() == 0.0 && n.abs() < 9e15 => json!(n as i64),
            Self::Number(n) => json!(n),
            Self::Never => json!("never"),
            Self::Absent => Json::Null,
        }
    }

    /// From that form; what is none of it is absent.
    #[must_use]
    pub fn from_json(json: &Json) -> Self {
        match json {
            Json::String(word) if word == "never" => Self::Never,
            _ => json.as_f64().map_or(Self::Absent, Self::Number),
        }
    }
}

/// Values by name.
pub type Values = BTreeMap<String, Value>;

/// The metrics of a result, as its mode has them.
#[must_use]
pub fn values(result: &Json) -> Values {
    let get = |json: &Json, metric: &Metric| json.pointer(metric.at).map_or(Value::Absent, Value::from_json);
    if result["mode"] == "live" {
        return MEASURED.iter().map(|metric| (metric.name.to_owned(), get(result, metric))).collect();
    }
    let mut values: Values = SIMULATED.iter().map(|metric| (metric.name.to_owned(), get(result, metric))).collect();
    values.insert(CONVERGENCE.to_owned(), convergence(&result["quota"]["regions"]));
    for (region, slice) in result["traffic"]["by_region"].as_object().into_iter().flatten() {
        for metric in &BY_REGION {
            values.insert(tagged(metric.name, region), get(slice, metric));
        }
    }
    values
}

/// The slowest region's; a region that never converged is the slowest of all.
fn convergence(regions: &Json) -> Value {
    let times = regions.as_object().into_iter().flatten().map(|(_, region)| region["convergence_us"].as_f64());
    let slowest = times.map(|us| us.unwrap_or(f64::INFINITY)).max_by(f64::total_cmp);
    slowest.map_or(Value::Absent, |us| if us.is_finite() { Value::Number(us) } else { Value::Never })
}

fn tagged(name: &str, region: &str) -> String {
    let (selector, aggregate) = name.split_once(' ').expect("every metric has an aggregate");
    format!("{selector}{{region:{region}}} {aggregate}")
}

fn untagged(name: &str) -> String {
    match (name.split_once('{'), name.split_once('}')) {
        (Some((before, _)), Some((_, after))) => format!("{before}{after}"),
        _ => name.to_owned(),
    }
}

/// The tolerances that a result carries from its scenario's `[gate]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Tolerances {
    /// Whether decisions may differ.
    pub digest_free: bool,
    usual: f64,
    by_metric: BTreeMap<String, f64>,
}

impl Tolerances {
    /// Of a result.
    #[must_use]
    pub fn of(result: &Json) -> Self {
        let gate = &result["gate"];
        let by_metric = gate["tolerances"].as_object().into_iter().flatten();
        Self {
            digest_free: gate["digest"] == "free",
            usual: gate["tolerance"].as_f64().unwrap_or(0.05),
            by_metric: by_metric.filter_map(|(name, tolerance)| Some((name.clone(), tolerance.as_f64()?))).collect(),
        }
    }

    /// Of one metric: the most particular that the scenario names, else the metric's own, else the usual one.
    #[must_use]
    pub fn for_metric(&self, name: &str) -> f64 {
        let plain = untagged(name);
        let selector = |name: &str| name.rsplit_once(' ').map_or(name, |(selector, _)| selector).to_owned();
        let names = [name.to_owned(), selector(name), plain.clone(), selector(&plain)];
        let named = names.iter().find_map(|name| self.by_metric.get(name)).copied();
        named.or_else(|| Metric::named(&plain)?.own).unwrap_or(self.usual)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worse_follows_the_direction_of_the_metric() {
        let worse = |name, base, head| Metric::named(name).expect("known").worse(base, head);
        assert_eq!(worse("latency p(99)", 100.0, 110.0), 0.1);
        assert_eq!(worse("latency{region:eu-west-1} p(99)", 100.0, 90.0), -0.1);
        assert_eq!(worse("availability value", 1.0, 0.5), 0.5);
        assert_eq!(worse("requests count", 100.0, 90.0), 0.1);
        assert_eq!(worse("quota.silent_loss count", 0.0, 1.0), f64::INFINITY);
        assert_eq!(worse("quota.silent_loss count", 0.0, 0.0), 0.0);
    }

    #[test]
    fn the_most_particular_tolerance_holds() {
        let gate = json!({ "gate": { "tolerance": 0.03, "tolerances": {
            "latency": 0.02, "latency p(99)": 0.1, "latency{region:a} p(99)": 0.2, "quota.staleness": 0.5 } } });
        let tolerances = Tolerances::of(&gate);
        let of = |name| tolerances.for_metric(name);
        assert_eq!([of("latency p(50)"), of("latency p(99)")], [0.02, 0.1]);
        assert_eq!([of("latency{region:a} p(99)"), of("latency{region:b} p(99)")], [0.2, 0.1]);
        assert_eq!([of("latency{region:b} p(50)"), of("quota.staleness p(99)")], [0.02, 0.5]);
        assert_eq!([of("quota.silent_loss count"), of("cold_starts count")], [0.0, 0.03]);
    }

    #[test]
    fn a_region_that_never_converged_is_never_and_survives_a_file() {
        let regions = json!({ "a": { "convergence_us": 5 }, "b": { "convergence_us": null } });
        assert_eq!(convergence(&regions), Value::Never);
        assert_eq!(convergence(&json!({ "a": { "convergence_us": 5 } })), Value::Number(5.0));
        for value in [Value::Never, Value::Absent, Value::Number(0.25), Value::Number(7.0)] {
            assert_eq!(Value::from_json(&value.to_json()), value);
        }
    }
}
