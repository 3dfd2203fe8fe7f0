//! Results as one HTML page that needs nothing else: no network, no files beside it.
//!
//! Not here: drawing, which `assets/report.js` does in the browser. The verdict stands in the HTML itself.

use serde_json::Value;

use super::read::{Stored, broken_invariants, checked_invariants, list, reasons, word};

const TEMPLATE: &str = include_str!("../../assets/report.html");
const ASSETS: [(&str, &str); 5] = [
    ("css", include_str!("../../assets/report.css")),
    ("js", include_str!("../../assets/report.js")),
    ("uplot_css", include_str!("../../assets/uPlot.min.css")),
    ("uplot_js", include_str!("../../assets/uPlot.iife.min.js")),
    ("world", include_str!("../../assets/world.json")),
];

/// The page for one result, or for several side by side.
#[must_use]
pub fn page(results: &[Stored]) -> String {
    let names: Vec<&str> = results.iter().map(|r| r.scenario.as_str()).collect();
    let values = Value::Array(results.iter().map(|r| without_histograms(r.json.clone())).collect());
    // In a script element only an end tag has a meaning; `<` is the same character in JSON.
    let embedded = values.to_string().replace('<', "\\u003c");
    let own = [
        ("title", escaped(&format!("{} - georush", names.join(", ")))),
        ("heads", results.iter().enumerate().map(|(index, result)| head(index, result)).collect()),
        ("results", embedded),
    ];
    let mut out = String::new();
    let mut rest = TEMPLATE;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").expect("the template closes what it opens");
        out.push_str(before);
        let asset = ASSETS.iter().find(|(n, _)| *n == name).map(|(_, text)| *text);
        let text = own.iter().find(|(n, _)| *n == name).map(|(_, text)| text.as_str());
        out.push_str(asset.or(text).expect("the template names only what there is"));
        rest = after;
    }
    out + rest
}

/// Verdict and question, readable without a script.
fn head(index: usize, result: &Stored) -> String {
    let json = &result.json;
    let text = |key: &str| escaped(word(json, key));
    let thresholds = list(json, "thresholds");
    let failed = thresholds.iter().filter(|t| t["passed"] == false).count();
    let (checked, broken) = (checked_invariants(json).count(), broken_invariants(json).count());
    let verdict = text("verdict");
    let why = match reasons(json) {
        none if none.is_empty() => none,
        why => format!("<p class=\"invalid\">{}</p>\n", escaped(&why)),
    };
    format!(
        "<section id=\"result-{index}\"><div class=\"head\"><p class=\"verdict {verdict}\">{}</p>\n{why}\
         <p class=\"dim\">{failed} of {} thresholds failed, {broken} of {checked} invariants broken</p>\n\
         <h1>{}</h1>\n<p class=\"dim\">{}, {}, seed {}</p></div></section>\n",
        verdict.to_uppercase(),
        thresholds.len(),
        text("question"),
        escaped(&result.scenario),
        if json["mode"] == "simulation" {
            "simulated, not measured"
        } else {
            "live: measured, but for the ways to the regions"
        },
        json["seed"],
    )
}

fn without_histograms(mut value: Value) -> Value {
    match &mut value {
        Value::Object(map) => {
            map.remove("histogram");
            map.values_mut().for_each(|v| *v = without_histograms(v.take()));
        }
        Value::Array(list) if list.iter().any(Value::is_object) => {
            list.iter_mut().for_each(|v| *v = without_histograms(v.take()));
        }
        _ => {}
    }
    value
}

/// Text for HTML and XML, between tags and in quoted attributes.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_result_can_end_the_script_or_open_a_tag() {
        let json = serde_json::json!({
            "question": "<script>alert(1)</script>", "verdict": "passed", "seed": 1, "mode": "simulation",
            "traffic": { "latency": { "histogram": "long" } },
        });
        let page = page(&[Stored { scenario: "a<b".into(), json }]);
        assert!(!page.contains("<script>alert") && !page.contains("a<b"));
        assert!(page.contains("&lt;script&gt;alert(1)"));
        assert!(!page.contains("\"long\""));
        assert!(!page.contains("{{"), "every placeholder is filled");
    }

    #[test]
    fn an_invariant_that_does_not_apply_is_not_counted() {
        let invariants = ["held", "broken", "not-applicable"].map(|status| serde_json::json!({ "status": status }));
        let json = serde_json::json!({ "verdict": "failed", "invariants": invariants });
        let page = page(&[Stored { scenario: "a".into(), json }]);
        assert!(page.contains("0 of 0 thresholds failed, 1 of 2 invariants broken"));
    }

    #[test]
    fn a_page_loads_nothing_from_elsewhere() {
        let page = page(&[]);
        assert!(page.contains("default-src 'none'"));
        assert!(!page.contains(" src=") && !page.contains("@import"));
    }
}
