//! The plots that a scenario asks for, as JSON pointers to the columns of `series`.
//!
//! Not here: drawing.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::scenario::Scenario;

#[derive(Debug, Serialize)]
pub(super) struct Resolved<'a> {
    x: &'a str,
    y: Vec<Curve>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Curve {
    name: String,
    column: String,
}

pub(super) fn plots(scenario: &Scenario) -> BTreeMap<&str, Resolved<'_>> {
    let resolved = |y: &[String]| y.iter().flat_map(|selector| curves(selector, &scenario.system.regions)).collect();
    scenario.plots.iter().map(|plot| (plot.name.as_str(), Resolved { x: &plot.x, y: resolved(&plot.y) })).collect()
}

/// One curve, or one for each region if the tag is `*` or absent where a region is needed.
fn curves(selector: &str, regions: &[String]) -> Vec<Curve> {
    let (metric, tag) = selector.trim_end_matches('}').split_once('{').unwrap_or((selector, ""));
    let tag = tag.split_once(':').map_or("*", |(_, value)| value.trim());
    let curve = |name: &str, column: String| Curve { name: name.into(), column };
    let by_region = |column: &str| {
        let chosen = regions.iter().filter(|name| tag == "*" || tag == name.as_str());
        let named =
            |name: &String| curve(&format!("{metric}{{region:{name}}}"), format!("/series/regions/{name}/{column}"));
        chosen.map(named).collect()
    };
    match metric {
        "requests" => vec![curve(selector, "/series/requests".into())],
        "errors" if tag == "*" => vec![curve(selector, "/series/failed".into())],
        "errors" => vec![curve(selector, format!("/series/causes/{tag}"))],
        "latency.p50" => vec![curve(selector, "/series/latency_p50_us".into())],
        "latency.p99" => vec![curve(selector, "/series/latency_p99_us".into())],
        "quota.admitted" => vec![curve(selector, "/series/admitted".into())],
        "quota.rejected" => vec![curve(selector, "/series/causes/over-quota".into())],
        "queue.stream" => vec![curve(selector, "/series/stream_backlog".into())],
        "quota.visible" => by_region("visible"),
        "quota.staleness" => by_region("staleness_max_us"),
        "replication.lag" => by_region("replication_lag"),
        _ => Vec::new(),
    }
}
