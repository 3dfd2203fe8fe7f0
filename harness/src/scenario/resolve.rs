//! From the raw form to the scenario that runs: names become indices, defaults are filled in, everything is checked.
//! Not here: reading files, except traces.

mod clients;
mod diurnal;
mod faults;
mod system;

use std::{collections::BTreeMap, path::Path};

use georush_core::{Plan, WindowKind};

use super::{
    Gate, Live, NamedPlan, Plot, Scenario, Threshold,
    check::Check,
    check::Section,
    document::Node,
    error::ScenarioError,
    leaf::{Field, Fraction, Leaf},
    load::hash,
    raw::{RawPlan, RawScenario},
    set,
    threshold::{self, Names},
    units::parse_instant,
};

/// The longest run.
const DURATION_US_MAX: u64 = 366 * georush_core::time::DAY_US;

/// What a scenario is made from.
pub(super) struct Given<'a> {
    pub(super) path: &'a Path,
    pub(super) overrides: &'a [String],
    pub(super) seed: Option<u64>,
    pub(super) text: &'a str,
}

/// Resolves a scenario. What is wrong in it is in the list; the scenario is of use only if that is empty.
pub(super) fn resolve(raw: &RawScenario, root: &Node, given: &Given<'_>) -> (Scenario, Vec<ScenarioError>) {
    let check = Check::new(root);
    let top = check.top();
    top.whole("schema", raw.schema.leaf(), (1, 1), "the version of the format");
    // It goes into headings: several lines become one.
    let question = raw.question.leaf().map(|leaf| match leaf {
        Leaf::Text(text) if text.contains(['\n', '\r']) => {
            Leaf::Text(text.split_whitespace().collect::<Vec<_>>().join(" "))
        }
        other => other.clone(),
    });
    let question = top.text("question", question.as_ref(), "the question that the scenario answers").unwrap_or("");
    let seed = top.whole("seed", raw.seed.leaf(), (0, u64::MAX), "a seed");
    let default_start = parse_instant("2018-11-23").expect("a real date");
    let start = top.instant("start", raw.start.leaf()).unwrap_or(default_start);
    let duration = top.length("duration", raw.duration.leaf());
    if duration.is_some_and(|us| us > DURATION_US_MAX) {
        top.key("duration").wrong("at most 366d");
    }
    // Without a duration of its own, a run that lasts as long as any puts nothing beyond its end.
    let duration_us = duration.unwrap_or(DURATION_US_MAX).min(DURATION_US_MAX);

    let system = system::resolve(&top, raw);
    let plans = plans(&top.key("plans"), &raw.plans);
    let context = clients::Context { path: given.path, start, duration_us, plans: &plans };
    let who = clients::resolve(&top, &raw.clients, &context);
    let faults = faults::resolve(&top.key("faults"), &raw.faults, &system, duration_us);
    let client_names: Vec<String> = who.clients.iter().map(|group| group.name.clone()).collect();
    let names = Names { regions: &system.regions, clients: &client_names };
    let thresholds = thresholds(&top.key("thresholds"), raw, &names);
    let plots = plots(&top.key("report"), raw, &names);
    let live = live(&top, raw);
    let gate = gate(&top.key("gate"), raw, &names);

    let scenario = Scenario {
        name: given.path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default(),
        question: question.to_owned(),
        seed: given.seed.or(seed).unwrap_or(1),
        start,
        duration_us,
        plans,
        populations: who.populations,
        clients: who.clients,
        faults,
        thresholds,
        plots,
        live,
        gate,
        hash: hash(given.text, given.overrides, given.seed, &who.traces),
        overrides: given.overrides.to_vec(),
        system,
    };
    (scenario, check.into_errors())
}

fn plans(section: &Section<'_>, raw: &BTreeMap<String, RawPlan>) -> Vec<NamedPlan> {
    let windows = [
        ("day-utc", WindowKind::DayUtc),
        ("anchored-24h", WindowKind::Anchored24h),
        ("month-calendar", WindowKind::MonthCalendar),
    ];
    let plan = |(name, raw): (&String, &RawPlan)| {
        let section = section.key(name);
        section.named();
        let quota = section.whole("quota", raw.quota.leaf(), (1, u64::MAX / 4), "a quota").unwrap_or(1);
        let window = section.choice("window", raw.window.leaf(), &windows, &[]).unwrap_or(WindowKind::DayUtc);
        NamedPlan { name: name.clone(), plan: Plan { quota, window } }
    };
    raw.iter().map(plan).collect()
}

fn thresholds(section: &Section<'_>, raw: &RawScenario, names: &Names<'_>) -> Vec<Threshold> {
    let mut thresholds = Vec::new();
    for selector in section.keys() {
        let section = section.key(selector);
        let Some(conditions) = raw.thresholds.get(selector) else { continue };
        if conditions.is_empty() {
            section.wrong("at least one condition");
        }
        let target = threshold::parse_selector(selector, names);
        for (i, condition) in conditions.iter().enumerate() {
            let at = section.index(i);
            if condition.0 == Leaf::Compound {
                at.wrong(
                    "a condition such as \"p(99)<60ms\"; k6's abortOnFail objects are not taken, a run goes to its end",
                );
                continue;
            }
            let Leaf::Text(condition) = &condition.0 else {
                at.wrong("a condition in a string, such as \"p(99)<60ms\"");
                continue;
            };
            let parsed = target.as_ref().map_err(Clone::clone);
            match parsed.and_then(|target| threshold::parse_condition(target, condition)) {
                Ok(parsed) => thresholds.push(Threshold { line: at.node().place.line(), ..parsed }),
                Err(message) => at.say(format_args!("{}: {message}", at.at)),
            }
        }
    }
    thresholds
}

fn plots(section: &Section<'_>, raw: &RawScenario, names: &Names<'_>) -> Vec<Plot> {
    let plot = |(name, raw): (&String, &super::raw::RawPlot)| {
        let section = section.key(name);
        section.named();
        let x = section.choice("x", raw.x.leaf(), &[("time", "time")], &[]).unwrap_or("time");
        let y = section.key("y");
        if raw.y.is_empty() {
            y.wrong("at least one series");
        }
        let mut series = Vec::new();
        for (i, text) in raw.y.iter().enumerate() {
            let at = y.index(i);
            match &text.0 {
                Leaf::Text(text) => match threshold::check_series(text, names) {
                    Ok(()) => series.push(text.clone()),
                    Err(message) => at.say(format_args!("{}: {message}", at.at)),
                },
                _ => at.wrong("the name of a series in a string, such as \"requests\""),
            }
        }
        Plot { name: name.clone(), x: x.to_owned(), y: series }
    };
    raw.report.iter().map(plot).collect()
}

fn live(top: &Section<'_>, raw: &RawScenario) -> Live {
    let (mut live, section) = (Live::default(), top.key("live"));
    let Some(raw) = &raw.live else { return live };
    let factor = |key, leaf| section.number(key, leaf, "a factor above 0", |x| x > 0.0).unwrap_or(1.0);
    live.time_compression = factor("time_compression", raw.time_compression.leaf());
    live.rate_scale = factor("rate_scale", raw.rate_scale.leaf());
    for (i, text) in raw.set.iter().flatten().enumerate() {
        match &text.0 {
            Leaf::Text(text) if set::leads_into(text, "live") => {
                let at = section.key("set").index(i);
                at.say(format_args!(
                    "{} is {text:?}, but no override there can change [live]; change [live] itself",
                    at.at
                ));
            }
            Leaf::Text(text) => live.set.push(text.clone()),
            _ => section.key("set").index(i).wrong("an override in a string, such as \"plans.free.quota=15\""),
        }
    }
    let port = section.whole("port", raw.port.leaf(), (1, u64::from(u16::MAX)), "a port");
    live.port = port.and_then(|port| u16::try_from(port).ok()).unwrap_or(live.port);
    let most = section.whole_u32("max_in_flight", raw.max_in_flight.leaf(), 1, "a number of requests");
    live.max_in_flight = most.unwrap_or(live.max_in_flight);
    live.timeout_us = section.length("timeout", raw.timeout.leaf()).unwrap_or(live.timeout_us);
    live.warm_up_us = section.duration("warm_up", raw.warm_up.leaf()).unwrap_or(live.warm_up_us);
    live
}

fn gate(section: &Section<'_>, raw: &RawScenario, names: &Names<'_>) -> Gate {
    let usual = Gate::default();
    let Some(raw) = &raw.gate else { return usual };
    let digest_free = section.choice("digest", raw.digest.leaf(), &[("equal", false), ("free", true)], &[]);
    let by_metric = section.key("tolerances");
    let tolerance = |(metric, raw): (&String, &Fraction)| {
        if let Err(message) = threshold::check_gated(metric, names) {
            let at = by_metric.key(metric);
            at.say(format_args!("{}: {message}", at.at));
        }
        Some((metric.clone(), by_metric.fraction(metric, raw.leaf())?))
    };
    Gate {
        digest_free: digest_free.unwrap_or(usual.digest_free),
        tolerance_ppm: section.fraction("tolerance", raw.tolerance.leaf()).unwrap_or(usual.tolerance_ppm),
        tolerances_ppm: raw.tolerances.iter().filter_map(tolerance).collect(),
    }
}
