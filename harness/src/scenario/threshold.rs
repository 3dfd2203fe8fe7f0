//! Thresholds in k6's words, `"metric{tag:value}" = ["aggregate op bound"]`, and the names of series to plot. Not here:
//! judging; that needs a run.

use super::{
    Aggregate, Cause, Metric, Op, Phase, Tags, Threshold,
    error::suggestion,
    units::{parse_decimal, parse_duration},
};

/// Names that tags may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names<'a> {
    pub(super) regions: &'a [String],
    pub(super) clients: &'a [String],
}

/// What bounds are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// A duration; judged in microseconds.
    Time,
    /// A percentage or a fraction, at most the whole.
    Share,
    /// A percentage or a fraction, which may be more than the whole.
    Percent,
    /// A number, 0 or more.
    Number,
    /// Any number.
    Signed,
    /// US dollars, with or without their sign.
    Dollars,
}

const SPREAD: &[&str] = &["avg", "min", "max", "med", "p"];

/// A metric as files name it.
struct Entry {
    name: &'static str,
    metric: Metric,
    tags: &'static [&'static str],
    /// Aggregates by the unit of their bound.
    aggregates: &'static [(&'static [&'static str], Unit)],
}

const fn entry(
    name: &'static str,
    metric: Metric,
    tags: &'static [&'static str],
    aggregates: &'static [(&'static [&'static str], Unit)],
) -> Entry {
    Entry { name, metric, tags, aggregates }
}

const WHERE: &[&str] = &["region", "clients", "phase"];
const COUNT: &[(&[&str], Unit)] = &[(&["count"], Unit::Number)];
const TIMES: &[(&[&str], Unit)] = &[(SPREAD, Unit::Time)];
const DOLLARS: &[(&[&str], Unit)] = &[(&["value"], Unit::Dollars)];

const METRICS: [Entry; 18] = [
    entry("latency", Metric::Latency, WHERE, TIMES),
    entry("availability", Metric::Availability, WHERE, &[(&["value", "rate"], Unit::Share)]),
    entry("requests", Metric::Requests, WHERE, &[(&["count", "rate"], Unit::Number)]),
    entry("errors", Metric::Errors, &["region", "clients", "phase", "cause"], &[(&["count", "rate"], Unit::Number)]),
    entry("cold_starts", Metric::ColdStarts, &["region"], COUNT),
    entry("quota.admitted", Metric::QuotaAdmitted, &[], COUNT),
    entry("quota.rejected", Metric::QuotaRejected, &[], COUNT),
    entry(
        "quota.over_admission",
        Metric::QuotaOverAdmission,
        &[],
        &[(&["count"], Unit::Number), (&["max"], Unit::Percent)],
    ),
    entry("quota.false_rejection", Metric::QuotaFalseRejection, &[], COUNT),
    entry("quota.count_error", Metric::QuotaCountError, &[], &[(&["count"], Unit::Number), (&["value"], Unit::Signed)]),
    entry("quota.duplicates", Metric::QuotaDuplicates, &[], COUNT),
    entry("quota.declared_loss", Metric::QuotaDeclaredLoss, &[], COUNT),
    entry("quota.silent_loss", Metric::QuotaSilentLoss, &[], COUNT),
    entry("quota.staleness", Metric::QuotaStaleness, &["region"], TIMES),
    entry("quota.crossing_lag", Metric::QuotaCrossingLag, &["region"], TIMES),
    entry("quota.convergence", Metric::QuotaConvergence, &["region"], TIMES),
    entry("cost.month", Metric::CostMonth, &[], DOLLARS),
    entry("cost.per_million", Metric::CostPerMillion, &[], DOLLARS),
];

/// Series by name, and the tag that each may have.
const SERIES: [(&str, Option<&str>); 10] = [
    ("requests", None),
    ("errors", Some("cause")),
    ("latency.p50", None),
    ("latency.p99", None),
    ("quota.admitted", None),
    ("quota.rejected", None),
    ("quota.visible", Some("region")),
    ("quota.staleness", Some("region")),
    ("queue.stream", None),
    ("replication.lag", Some("region")),
];

/// A metric and its tags, before any condition.
#[derive(Clone)]
pub(super) struct Target {
    entry: &'static Entry,
    selector: String,
    tags: Tags,
}

/// Reads `metric{tag:value,...}`.
///
/// # Errors
///
/// What is wrong with it, in words.
pub(super) fn parse_selector(selector: &str, names: &Names<'_>) -> Result<Target, String> {
    let (name, pairs) = split(selector)?;
    let Some(entry) = METRICS.iter().find(|entry| entry.name == name) else {
        return Err(format!("there is no metric {name:?}{}", suggestion(name, METRICS.iter().map(|entry| entry.name))));
    };
    let mut tags = Tags::default();
    for (tag, value) in pairs {
        if !entry.tags.contains(&tag) {
            return Err(match entry.tags {
                [] => format!("{name} has no tags, found {tag:?}"),
                tags => format!("{name} has no tag {tag:?}{}", suggestion(tag, tags.iter().copied())),
            });
        }
        let again = match tag {
            "region" => tags.region.replace(position("region", value, names.regions)?).is_some(),
            "clients" => tags.clients.replace(position("client group", value, names.clients)?).is_some(),
            "phase" => tags.phase.replace(named("phase", value, &Phase::ALL, Phase::name)?).is_some(),
            _ => tags.cause.replace(named("cause", value, &Cause::ALL, Cause::name)?).is_some(),
        };
        if again {
            return Err(format!("the tag {tag:?} is there twice"));
        }
    }
    Ok(Target { entry, selector: selector.to_owned(), tags })
}

/// Tags with their values, as written.
type Pairs<'a> = Vec<(&'a str, &'a str)>;

/// Name and tags.
fn split(selector: &str) -> Result<(&str, Pairs<'_>), String> {
    let Some((name, rest)) = selector.split_once('{') else { return Ok((selector.trim(), Vec::new())) };
    let malformed = || format!("{selector:?} is not of the form metric{{tag:value,tag:value}}");
    let inside = rest.trim_end().strip_suffix('}').ok_or_else(malformed)?;
    let pairs = inside.split(',').map(|pair| pair.split_once(':').map(|(tag, value)| (tag.trim(), value.trim())));
    Ok((name.trim(), pairs.collect::<Option<_>>().ok_or_else(malformed)?))
}

fn position(what: &str, value: &str, names: &[String]) -> Result<usize, String> {
    let position = names.iter().position(|name| name == value);
    position.ok_or_else(|| {
        format!("this scenario has no {what} {value:?}{}", suggestion(value, names.iter().map(String::as_str)))
    })
}

fn named<T: Copy>(what: &str, value: &str, all: &[T], name: impl Fn(T) -> &'static str) -> Result<T, String> {
    let found = all.iter().find(|one| name(**one) == value).copied();
    found.ok_or_else(|| format!("there is no {what} {value:?}{}", suggestion(value, all.iter().map(|one| name(*one)))))
}

/// Metrics that only results of live runs have, and only gates compare.
const GATED: [&str; 2] = ["response_time", "service_time"];

/// Checks the name of a metric that a gate compares: `metric{tag:value}`, or that and an aggregate.
///
/// # Errors
///
/// What is wrong with it, in words.
pub(super) fn check_gated(text: &str, names: &Names<'_>) -> Result<(), String> {
    let (selector, left) = match text.rfind([' ', '}']) {
        Some(end) if text[end..].starts_with(' ') => text.split_at(end),
        _ => (text, ""),
    };
    let left = left.trim();
    if GATED.contains(&selector) {
        return if left.is_empty() { Ok(()) } else { aggregate(left, "p").map(drop) };
    }
    let target = parse_selector(selector, names)?;
    let word = left.split('(').next().unwrap_or_default();
    let mut words = target.entry.aggregates.iter().flat_map(|(words, _)| words.iter());
    match left.is_empty() {
        true => Ok(()),
        false if words.any(|known| *known == word) => aggregate(left, word).map(drop),
        false => Err(format!("{} has no aggregate {left:?}", target.entry.name)),
    }
}

/// Operators; those that begin like others come first.
const OPS: [(&str, Op); 7] = [
    ("===", Op::Equal),
    ("==", Op::Equal),
    ("!=", Op::NotEqual),
    ("<=", Op::LessOrEqual),
    (">=", Op::GreaterOrEqual),
    ("<", Op::Less),
    (">", Op::Greater),
];

/// Reads `aggregate op bound`. The threshold's line is 0.
///
/// # Errors
///
/// What is wrong with it, in words; a bound that nothing can meet is wrong.
pub(super) fn parse_condition(target: &Target, condition: &str) -> Result<Threshold, String> {
    let name = target.entry.name;
    let start = condition
        .find(['<', '>', '=', '!'])
        .ok_or_else(|| format!("{condition:?} has no comparison, expected for example {:?}", example(target.entry)))?;
    let (left, right) = condition.split_at(start);
    let (left, right) = (left.trim(), right.trim());
    let (op_text, op) = OPS
        .iter()
        .find(|op| right.starts_with(op.0))
        .ok_or_else(|| format!("{condition:?} has an unknown comparison, expected <, <=, >, >=, == or !="))?;
    let word = left.split('(').next().unwrap_or("").trim();
    let Some((_, unit)) = target.entry.aggregates.iter().find(|(words, _)| words.contains(&word)) else {
        let words: Vec<&str> = target.entry.aggregates.iter().flat_map(|(words, _)| words.iter().copied()).collect();
        let list = words.join(", ").replace("med, p", "med, p(N)");
        return Err(format!("{name} has no aggregate {left:?}, expected one of {list}"));
    };
    let aggregate = aggregate(left, word)?;
    let bound_text = right[op_text.len()..].trim();
    let bound = bound(*unit, bound_text)?;
    possible(aggregate, *unit, *op, bound, condition)?;
    Ok(Threshold {
        selector: target.selector.clone(),
        metric: target.entry.metric,
        tags: target.tags.clone(),
        condition: condition.to_owned(),
        aggregate,
        op: *op,
        bound,
        line: 0,
    })
}

fn example(entry: &Entry) -> &'static str {
    match entry.aggregates[0].1 {
        Unit::Time => "p(99)<60ms",
        Unit::Share => "value>99.9%",
        Unit::Percent => "max<2%",
        Unit::Number | Unit::Signed => "count==0",
        Unit::Dollars => "value<$150",
    }
}

fn aggregate(text: &str, word: &str) -> Result<Aggregate, String> {
    let argument = text.strip_prefix(word).unwrap_or("").trim();
    if word == "p" {
        let inside = argument.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).map(str::trim);
        let percent = inside.and_then(|text| parse_decimal(text, 1_000_000_000));
        return match percent.filter(|percent| *percent <= 100_000_000_000) {
            Some(percent) => Ok(Aggregate::P(percent as f64 / 1e9)),
            None => Err(format!("{text:?} is no percentile, expected p(0) to p(100)")),
        };
    }
    if !argument.is_empty() {
        return Err(format!("{text:?} takes no argument, expected {word:?}"));
    }
    Ok(match word {
        "avg" => Aggregate::Avg,
        "min" => Aggregate::Min,
        "max" => Aggregate::Max,
        "med" => Aggregate::Med,
        "count" => Aggregate::Count,
        "rate" => Aggregate::Rate,
        _ => Aggregate::Value,
    })
}

fn bound(unit: Unit, text: &str) -> Result<f64, String> {
    // As everywhere in TOML, underscores may stand between digits.
    let plain = |text: &str| text.split('_').all(|part| !part.is_empty()).then(|| text.replace('_', ""));
    let number = |text: &str| plain(text)?.parse::<f64>().ok().filter(|x| x.is_finite());
    let (bound, expected) = match unit {
        Unit::Time => (parse_duration(text).map(|us| us as f64), "a duration such as 60ms"),
        Unit::Share => (
            percentage(text).or_else(|| number(text)).filter(|x| (0.0..=1.0).contains(x)),
            "0% to 100%, or a fraction from 0 to 1",
        ),
        Unit::Percent => {
            // A bare 2 would be 200%, which hardly anybody means.
            let fraction = || number(text).filter(|x| (0.0..1.0).contains(x));
            (percentage(text).or_else(fraction), "a percentage such as 2%, or a fraction below 1")
        }
        Unit::Number => (number(text).filter(|x| *x >= 0.0), "a number of 0 or more"),
        Unit::Signed => (number(text), "a number"),
        Unit::Dollars => (number(text.strip_prefix('$').unwrap_or(text)).filter(|x| *x >= 0.0), "dollars such as $150"),
    };
    bound.ok_or_else(|| format!("the bound is {text:?}, expected {expected}"))
}

fn percentage(text: &str) -> Option<f64> {
    let ppm = parse_decimal(text.strip_suffix('%')?.trim_end(), 1_000_000)?;
    Some(ppm as f64 / 100_000_000.0)
}

fn possible(aggregate: Aggregate, unit: Unit, op: Op, bound: f64, condition: &str) -> Result<(), String> {
    if unit != Unit::Signed && op == Op::Less && bound == 0.0 {
        return Err(format!("nothing can meet {condition:?}, it is never below 0"));
    }
    if aggregate == Aggregate::Count && op == Op::Equal && bound.fract() != 0.0 {
        return Err(format!("nothing can meet {condition:?}, a count is a whole number"));
    }
    if unit == Unit::Share && op == Op::Greater && bound == 1.0 {
        return Err(format!("nothing can meet {condition:?}, it is never above 100%"));
    }
    Ok(())
}

/// Checks the name of a series, such as `quota.visible{region:*}`.
///
/// # Errors
///
/// What is wrong with it, in words.
pub(super) fn check_series(series: &str, names: &Names<'_>) -> Result<(), String> {
    let (name, pairs) = split(series)?;
    let Some((_, tag)) = SERIES.iter().find(|entry| entry.0 == name) else {
        return Err(format!("there is no series {name:?}{}", suggestion(name, SERIES.iter().map(|entry| entry.0))));
    };
    match (pairs.as_slice(), tag) {
        ([], None | Some("cause")) => Ok(()),
        ([], Some(tag)) => {
            Err(format!("{name} is one series per {tag}, expected {name}{{{tag}:NAME}} or {name}{{{tag}:*}}"))
        }
        ([(found, "*")], Some("region")) if *found == "region" => Ok(()),
        ([(found, value)], Some("region")) if *found == "region" => {
            position("region", value, names.regions).map(|_| ())
        }
        ([(found, value)], Some("cause")) if *found == "cause" => {
            named("cause", value, &Cause::ALL, Cause::name).map(|_| ())
        }
        (_, Some(tag)) => Err(format!("{name} has the tag {tag:?} once and no other")),
        (_, None) => Err(format!("{name} has no tags")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(selector: &str, condition: &str) -> Result<Threshold, String> {
        let (regions, clients) = (["eu-west-1".to_owned(), "us-east-1".to_owned()], ["a".to_owned()]);
        let names = Names { regions: &regions, clients: &clients };
        parse_selector(selector, &names).and_then(|target| parse_condition(&target, condition))
    }

    #[test]
    fn bounds_are_in_base_units() {
        let threshold = parse("latency{region:us-east-1, phase:during}", " p(99.9) <= 60ms ").expect("valid");
        assert_eq!(threshold.tags, Tags { region: Some(1), phase: Some(Phase::During), ..Tags::default() });
        assert_eq!((threshold.aggregate, threshold.op), (Aggregate::P(99.9), Op::LessOrEqual));
        assert_eq!(threshold.bound, 60_000.0);
        assert_eq!(parse("availability", "value>99.9%").expect("valid").bound, 0.999);
        assert_eq!(parse("availability", "rate>=0.5").expect("valid").bound, 0.5);
        assert_eq!(parse("quota.over_admission", "max<150%").expect("valid").bound, 1.5);
        assert_eq!(parse("quota.count_error", "value>-3").expect("valid").bound, -3.0);
        assert_eq!(parse("cost.month", "value<$150").expect("valid").bound, 150.0);
        assert_eq!(parse("cost.per_million", "value<=6.50").expect("valid").bound, 6.5);
    }

    #[test]
    fn three_equals_signs_are_two() {
        for condition in ["count==0", "count === 0"] {
            assert_eq!(parse("errors{cause:timeout}", condition).expect("valid").op, Op::Equal);
        }
        assert_eq!(parse("errors", "count!=0").expect("valid").op, Op::NotEqual);
    }

    #[test]
    fn what_nothing_can_meet_is_refused() {
        for (selector, condition) in [
            ("latency", "p(101)<60ms"),
            ("latency", "p(-1)<60ms"),
            ("latency", "max<0ms"),
            ("latency", "max<-5ms"),
            ("availability", "value>100%"),
            ("availability", "value>=101%"),
            ("availability", "value<1.5"),
            ("requests", "count<0"),
            ("requests", "count>-1"),
            ("requests", "count==1.5"),
            ("quota.over_admission", "max<2"),
            ("cost.month", "value<$0"),
            ("cost.month", "value<€5"),
        ] {
            parse(selector, condition).expect_err(condition);
        }
    }

    #[test]
    fn malformed_conditions_and_selectors_are_refused() {
        for (selector, condition) in [
            ("latency", "p(99)<60"),
            ("latency", "p99<60ms"),
            ("latency", "count<60ms"),
            ("latency", "avg(5)<60ms"),
            ("latency", "p(99)=60ms"),
            ("latency", "p(99)!60ms"),
            ("latency", "p(99)"),
            ("latency", ""),
            ("latency{region:eu-west-1", "avg<1s"),
            ("latency{region}", "avg<1s"),
            ("latency{}", "avg<1s"),
            ("latency{region:eu-west-1,region:us-east-1}", "avg<1s"),
            ("latency{cause:timeout}", "avg<1s"),
            ("quota.admitted{region:eu-west-1}", "count>1"),
            ("quota.admitted", "count>inf"),
        ] {
            parse(selector, condition).expect_err(selector);
        }
    }

    #[test]
    fn series_need_the_tags_that_they_have() {
        let regions = ["eu-west-1".to_owned()];
        let names = Names { regions: &regions, clients: &[] };
        for series in ["requests", "errors", "errors{cause:timeout}", "quota.visible{region:*}"] {
            check_series(series, &names).expect(series);
        }
        for series in
            ["visible", "requests{region:*}", "quota.visible", "replication.lag{region:mars}", "errors{region:*}"]
        {
            check_series(series, &names).expect_err(series);
        }
    }
}
