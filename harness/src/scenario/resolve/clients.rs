//! Client groups: populations, executors, origins. Not here: drawing arrivals from them.

use std::path::Path;

use georush_core::{Timestamp, time::DAY_US};

use super::{
    super::{
        Arrival, Clients, IdentifierKind, Load, NamedPlan, Population, Segment, TraceArrival,
        check::Section,
        leaf::{Field, Leaf, OrTable},
        load::read,
        raw::{RawClients, RawFrom},
        trace,
        units::{parse_decimal, show_duration},
    },
    diurnal::Day,
};
use crate::facts;

/// No group calls more often than this.
const RATE_PER_SECOND_MAX: f64 = 10_000_000.0;
/// No population is larger.
const KEYS_MAX: u64 = 100_000_000;
/// No scenario has more; their numbers are 32 bits wide.
const IDENTIFIERS_MAX: u64 = 1_000_000_000;

/// What client groups refer to.
pub(super) struct Context<'a> {
    pub(super) path: &'a Path,
    pub(super) start: Timestamp,
    pub(super) duration_us: u64,
    pub(super) plans: &'a [NamedPlan],
}

/// All groups, their populations, and the text of the traces they read.
#[derive(Default)]
pub(super) struct Who {
    pub(super) clients: Vec<Clients>,
    pub(super) populations: Vec<Population>,
    pub(super) traces: Vec<String>,
}

/// Resolves `[[clients]]`.
pub(super) fn resolve(top: &Section<'_>, raw: &[RawClients], context: &Context<'_>) -> Who {
    let section = top.key("clients");
    if raw.is_empty() {
        section.wrong("at least one [[clients]] table");
    }
    let mut who = Who::default();
    let mut names: Vec<&str> = Vec::new();
    for (i, raw) in raw.iter().enumerate() {
        let at = section.index(i);
        let name = at.text("name", raw.name.leaf(), "a name").unwrap_or("");
        if !name.is_empty() && names.contains(&name) {
            at.key("name").wrong("a name that no other group has");
        }
        names.push(name);
        if raw.population.is_none() {
            who.populations.push(population(&at, raw, name, context.plans));
        }
    }
    if who.populations.iter().map(|population| u64::from(population.size)).sum::<u64>() > IDENTIFIERS_MAX {
        section.say("the groups have more than a billion keys together, expected fewer");
    }
    for (i, raw) in raw.iter().enumerate() {
        let at = section.index(i);
        let population = shared(&at, raw, names[i], &who.populations);
        let size = who.populations.get(population).map_or(u32::MAX, |population| population.size);
        let start_us = at.duration("start_time", raw.start_time.leaf()).unwrap_or(0);
        if start_us >= context.duration_us {
            at.key("start_time").wrong(format_args!(
                "a time before the end of the run, which is {}",
                show_duration(context.duration_us)
            ));
        }
        let span = Span { start_us, rest_us: context.duration_us.saturating_sub(start_us) };
        let load = load(&at, raw, context, span, size, &mut who.traces);
        who.clients.push(Clients {
            name: names[i].to_owned(),
            population,
            start_us,
            arrival: arrival(&at, raw),
            from: from(&at, raw, &load),
            load,
        });
    }
    who
}

fn population(section: &Section<'_>, raw: &RawClients, name: &str, plans: &[NamedPlan]) -> Population {
    let kinds = [("api-key", IdentifierKind::ApiKey), ("ip", IdentifierKind::Ip), ("referer", IdentifierKind::Referer)];
    let plan_names: Vec<String> = plans.iter().map(|plan| plan.name.clone()).collect();
    let size = section.whole("keys", raw.keys.leaf(), (1, KEYS_MAX), "a number of identifiers").unwrap_or(1);
    let zipf = section.number("zipf", raw.zipf.leaf(), "an exponent from 0 to 10", |x| (0.0..=10.0).contains(&x));
    Population {
        name: name.to_owned(),
        kind: section.choice("identifier", raw.identifier.needed(), &kinds, &[]).unwrap_or(IdentifierKind::ApiKey),
        plan: section.name("plan", raw.plan.needed(), "the name of a plan in this file", &plan_names).unwrap_or(0),
        size: u32::try_from(size).expect("KEYS_MAX fits"),
        zipf_milli: libm::round(zipf.unwrap_or(0.0) * 1_000.0) as u32,
    }
}

/// The index of the population that a group draws from: its own or another's.
fn shared(section: &Section<'_>, raw: &RawClients, name: &str, populations: &[Population]) -> usize {
    let names: Vec<String> = populations.iter().map(|population| population.name.clone()).collect();
    if raw.population.is_none() {
        return names.iter().position(|other| other == name).unwrap_or(0);
    }
    for key in ["identifier", "plan", "keys", "zipf"] {
        if section.keys().any(|other| other == key) {
            let at = section.key(key);
            at.say(format_args!("{} does not go with population, which brings the other group's", at.at));
        }
    }
    section
        .name("population", raw.population.leaf(), "the name of a group with identifiers of its own", &names)
        .unwrap_or(0)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Executor {
    Constant,
    Ramping,
    Diurnal,
    Trace,
}

/// Name, and keys beside those of every group.
const EXECUTORS: [(&str, Executor, &[&str]); 4] = [
    ("constant-arrival-rate", Executor::Constant, &["rate", "time_unit", "duration", "arrival"]),
    ("ramping-arrival-rate", Executor::Ramping, &["start_rate", "stages", "time_unit", "arrival"]),
    ("diurnal", Executor::Diurnal, &["rate", "time_unit", "peak_to_mean", "peak_at", "duration", "arrival"]),
    ("trace", Executor::Trace, &["file"]),
];
/// Keys of executors; all others belong to every group.
const EXECUTOR_KEYS: [&str; 10] =
    ["rate", "time_unit", "duration", "arrival", "start_rate", "stages", "peak_to_mean", "peak_at", "file", "executor"];

/// When a group may call.
#[derive(Debug, Clone, Copy)]
struct Span {
    start_us: u64,
    rest_us: u64,
}

fn load(
    section: &Section<'_>,
    raw: &RawClients,
    context: &Context<'_>,
    span: Span,
    size: u32,
    traces: &mut Vec<String>,
) -> Load {
    let words = EXECUTORS.map(|(name, executor, _)| (name, executor));
    let Some(executor) = section.choice("executor", raw.executor.leaf(), &words, &[]) else {
        return Load::Segments(Vec::new());
    };
    belongs(section, executor);
    if executor == Executor::Trace {
        return Load::Trace(trace_arrivals(section, raw, context.path, span, size, traces));
    }
    let unit_us = section.length("time_unit", raw.time_unit.leaf()).unwrap_or(1_000_000);
    let rate = |section: &Section<'_>, key: &str, leaf: Option<&Leaf>| rate(section, key, leaf, unit_us);
    if executor == Executor::Ramping {
        return Load::Segments(ramp(section, raw, span, unit_us));
    }
    let duration_us = section.length("duration", raw.duration.leaf()).unwrap_or(span.rest_us);
    if duration_us > span.rest_us {
        let most = show_duration(span.rest_us);
        section.key("duration").wrong(format_args!("at most {most}, when the run ends"));
        return Load::Segments(Vec::new());
    }
    let mean = rate(section, "rate", raw.rate.needed()).unwrap_or(0.0);
    if executor == Executor::Constant {
        let constant = Segment { duration_us, from: mean, to: mean, unit_us };
        return Load::Segments(if duration_us > 0 { vec![constant] } else { Vec::new() });
    }
    let peak =
        section.number("peak_to_mean", raw.peak_to_mean.leaf(), "a ratio from 1 to 2", |x| (1.0..=2.0).contains(&x));
    let peak_at_us = section.duration("peak_at", raw.peak_at.leaf()).unwrap_or(DAY_US / 24 * 18);
    if peak_at_us >= DAY_US {
        section.key("peak_at").wrong("a time of day below 24h");
    }
    let day = Day { mean, peak_to_mean: peak.unwrap_or(1.75), peak_at_us, unit_us };
    Load::Segments(day.segments(context.start.after(span.start_us).0 % DAY_US, duration_us))
}

/// Notes the keys that belong to other executors only.
fn belongs(section: &Section<'_>, executor: Executor) {
    let Some((name, _, own)) = EXECUTORS.iter().find(|entry| entry.1 == executor) else { return };
    for key in section.keys() {
        if EXECUTOR_KEYS.contains(&key) && key != "executor" && !own.contains(&key) {
            let (at, own) = (section.key(key), own.join(", "));
            at.say(format_args!("{} does not belong to executor {name:?}, which takes {own}", at.at));
        }
    }
}

fn rate(section: &Section<'_>, key: &str, leaf: Option<&Leaf>, unit_us: u64) -> Option<f64> {
    let per = if unit_us == 1_000_000 { "second".to_owned() } else { show_duration(unit_us) };
    let rate = section.number(key, leaf, format_args!("a rate of 0 or more per {per}"), |x| x >= 0.0)?;
    if rate * 1_000_000.0 / unit_us as f64 > RATE_PER_SECOND_MAX {
        section.key(key).wrong("at most 10 million per second and group");
        return None;
    }
    Some(rate)
}

fn ramp(section: &Section<'_>, raw: &RawClients, span: Span, unit_us: u64) -> Vec<Segment> {
    let list = section.key("stages");
    let mut from = rate(section, "start_rate", raw.start_rate.leaf(), unit_us).unwrap_or(0.0);
    let mut rest_us = span.rest_us;
    let mut segments = Vec::new();
    let stages = raw.stages.as_deref().unwrap_or_default();
    if stages.is_empty() {
        list.wrong("a list with at least one { duration, target }");
    }
    for (i, stage) in stages.iter().enumerate() {
        let at = list.index(i);
        let duration_us = at.duration("duration", stage.duration.leaf()).unwrap_or(0);
        let to = rate(&at, "target", stage.target.leaf(), unit_us).unwrap_or(0.0);
        let Some(left_us) = rest_us.checked_sub(duration_us) else {
            let most = show_duration(rest_us);
            at.key("duration").wrong(format_args!("at most {most}, when the run ends"));
            break;
        };
        rest_us = left_us;
        if duration_us > 0 {
            segments.push(Segment { duration_us, from, to, unit_us });
        }
        from = to;
    }
    segments
}

fn trace_arrivals(
    section: &Section<'_>,
    raw: &RawClients,
    scenario: &Path,
    span: Span,
    size: u32,
    traces: &mut Vec<String>,
) -> Vec<TraceArrival> {
    let Some(file) = section.text("file", raw.file.needed(), "the name of a CSV file beside the scenario") else {
        return Vec::new();
    };
    let path = scenario.parent().unwrap_or(Path::new("")).join(file);
    match read(&path) {
        Ok(text) => {
            let limits = trace::Limits { rest_us: span.rest_us, size };
            let arrivals = trace::parse(&path.display().to_string(), &text, limits);
            traces.push(text);
            arrivals.unwrap_or_else(|errors| {
                errors.into_iter().for_each(|error| section.note(error));
                Vec::new()
            })
        }
        Err(message) => {
            let at = section.key("file");
            at.say(format_args!("{} is {file:?}: {message}", at.at));
            Vec::new()
        }
    }
}

fn arrival(section: &Section<'_>, raw: &RawClients) -> Arrival {
    let at = section.key("arrival");
    let gamma = |cv: f64| Arrival::Gamma { cv_milli: libm::round(cv * 1_000.0) as u32 };
    let parsed = match &raw.arrival {
        None => Some(Arrival::Poisson),
        Some(OrTable::Table(table)) => {
            let accept = |cv: f64| (0.001..=100.0).contains(&cv);
            let cv = at.number("gamma", table.gamma.leaf(), "a coefficient of variation from 0.001 to 100", accept);
            return cv.map_or(Arrival::Poisson, gamma);
        }
        Some(OrTable::Single(text)) => match &text.0 {
            Leaf::Text(text) if text == "constant" => Some(Arrival::Constant),
            Leaf::Text(text) if text == "poisson" => Some(Arrival::Poisson),
            Leaf::Text(text) => (text.strip_prefix("gamma(").and_then(|rest| rest.strip_suffix(')')))
                .and_then(|cv| parse_decimal(cv.trim(), 1_000))
                .and_then(|cv| u32::try_from(cv).ok())
                .filter(|cv| (1..=100_000).contains(cv))
                .map(|cv_milli| Arrival::Gamma { cv_milli }),
            _ => None,
        },
    };
    if parsed.is_none() {
        at.wrong(
            "\"constant\", \"poisson\" or \"gamma(2.0)\", whose number is a coefficient of variation from 0.001 to 100",
        );
    }
    parsed.unwrap_or(Arrival::Poisson)
}

/// Countries and their weights in millionths.
fn from(section: &Section<'_>, raw: &RawClients, load: &Load) -> Vec<(usize, u32)> {
    let at = section.key("from");
    let world = || facts::countries().iter().enumerate().map(|(i, country)| (i, country.weight)).collect();
    let weights: Vec<(usize, f64)> = match &raw.from {
        Some(RawFrom::Table(table)) => {
            let mut weights = Vec::with_capacity(table.len());
            for (code, weight) in table {
                let weight =
                    at.number(code, weight.leaf(), "a weight above 0 and up to 1e12", |x| x > 0.0 && x <= 1e12);
                match facts::country(code) {
                    Some(country) => weights.push((country, weight.unwrap_or(1.0))),
                    None => unknown_country(&at.key(code), code),
                }
            }
            if table.is_empty() {
                at.wrong("at least one country");
            }
            weights
        }
        Some(RawFrom::Single(word)) if word.0 == Leaf::Text("world".to_owned()) => world(),
        // A trace that names the country of every call needs no weights.
        None if matches!(load, Load::Trace(arrivals) if arrivals.iter().all(|a| a.country.is_some())) => world(),
        Some(RawFrom::Single(_)) | None => {
            at.wrong("\"world\", or weights by country such as { AU = 1.0 }");
            Vec::new()
        }
    };
    millionths(weights)
}

fn unknown_country(section: &Section<'_>, code: &str) {
    let upper = code.to_ascii_uppercase();
    let near = if facts::country(&upper).is_some() { format!("; did you mean {upper:?}?") } else { String::new() };
    section.say(format_args!("{} is for no country that the model data knows{near}", section.at));
}

/// Weights as millionths that add up to one million: rounded down, and what is left given one by one to the largest
/// remainders, the first of equal ones. Weights that become 0 are left out.
fn millionths(mut weights: Vec<(usize, f64)>) -> Vec<(usize, u32)> {
    weights.sort_by_key(|entry| entry.0);
    weights.retain(|entry| entry.1 > 0.0);
    let total: f64 = weights.iter().map(|entry| entry.1).sum();
    let exact: Vec<f64> = weights.iter().map(|entry| entry.1 / total * 1_000_000.0).collect();
    let mut ppm: Vec<u32> = exact.iter().map(|x| *x as u32).collect();
    let mut order: Vec<usize> = (0..exact.len()).collect();
    order.sort_by(|&a, &b| (exact[b] - f64::from(ppm[b])).total_cmp(&(exact[a] - f64::from(ppm[a]))).then(a.cmp(&b)));
    let left = 1_000_000u32.saturating_sub(ppm.iter().sum());
    for &i in order.iter().cycle().take(left as usize) {
        ppm[i] += 1;
    }
    weights.iter().map(|entry| entry.0).zip(ppm).filter(|entry| entry.1 > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_add_up_to_one_million_and_remainders_go_to_the_first_of_equals() {
        assert_eq!(millionths(vec![(5, 1.0), (2, 1.0), (9, 1.0)]), [(2, 333_334), (5, 333_333), (9, 333_333)]);
        assert_eq!(millionths(vec![(1, 0.3)]), [(1, 1_000_000)]);
        let many = millionths((0..997).map(|i| (i, 1.0 + i as f64)).collect());
        assert_eq!(many.iter().map(|entry| entry.1).sum::<u32>(), 1_000_000);
    }

    #[test]
    fn a_weight_below_one_millionth_is_left_out() {
        assert_eq!(millionths(vec![(0, 1e9), (1, 1e-9)]), [(0, 1_000_000)]);
    }
}
