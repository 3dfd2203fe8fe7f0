//! Overrides from the command line: `path=value` applied to a document before it is decoded. Not here: whether the
//! result is a valid scenario.

use super::{
    document::{At, Node, Step, Value, parse_override},
    error::{Place, ScenarioError, suggestion},
};

/// Applies one override, which stands at `place`. Keys that do not exist are made, list entries are not.
///
/// # Errors
///
/// The text is not `path=value`, or the path leads into a single value or to no entry of a list.
pub(super) fn apply(root: &mut Node, text: &str, place: &Place) -> Result<(), ScenarioError> {
    let Some((path, value)) = split(text) else {
        let message = "expected path=value, for example clients[0].rate=5 or plans.free.quota=1000";
        return Err(ScenarioError::new(place.clone(), message));
    };
    let new = parse_override(value.trim(), place)?;
    let mut node = root;
    let mut at = At::default();
    for step in &path {
        node = enter(node, step, &at, place)?;
        at = match step {
            Step::Key(key) => at.key(key),
            Step::Index(index) => at.index(*index),
        };
    }
    *node = new;
    Ok(())
}

/// Whether an override changes something in the table `key` of the document, or that table.
pub(super) fn leads_into(text: &str, key: &str) -> bool {
    split(text).is_some_and(|(steps, _)| steps.first() == Some(&Step::Key(key.to_owned())))
}

/// Path and value; `None` unless there is a path, an equals sign, and a value.
fn split(text: &str) -> Option<(Vec<Step>, &str)> {
    let mut steps = Vec::new();
    let mut rest = text.trim_start();
    loop {
        let (key, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => rest.split_at(rest.find(['.', '[', '=', '"'])?),
        };
        let key = key.trim();
        if key.is_empty() {
            return None;
        }
        steps.push(Step::Key(key.to_owned()));
        rest = after.trim_start();
        while let Some(after) = rest.strip_prefix('[') {
            let (index, after) = after.split_once(']')?;
            steps.push(Step::Index(index.trim().parse().ok()?));
            rest = after.trim_start();
        }
        if let Some(value) = rest.strip_prefix('=') {
            return Some((steps, value));
        }
        rest = rest.strip_prefix('.')?.trim_start();
    }
}

fn enter<'a>(node: &'a mut Node, step: &Step, at: &At, place: &Place) -> Result<&'a mut Node, ScenarioError> {
    let found = node.value.to_string();
    let wrong = |message: String| ScenarioError::new(place.clone(), message);
    match (&mut node.value, step) {
        (Value::Table(entries), Step::Key(key)) => {
            let position = entries.iter().position(|entry| entry.0 == *key).unwrap_or(entries.len());
            if position == entries.len() {
                entries.push((key.clone(), Node { place: place.clone(), value: Value::Table(vec![]) }));
            }
            Ok(&mut entries[position].1)
        }
        (Value::List(items), Step::Key(name)) => {
            let names: Vec<String> = items.iter().filter_map(name_of).map(ToOwned::to_owned).collect();
            let named = items.iter_mut().find(|item| name_of(item) == Some(name));
            let suggestion = suggestion(name, names.iter().map(String::as_str));
            named.ok_or_else(|| wrong(format!("{at} has no entry named {name:?}{suggestion}")))
        }
        (Value::List(items), Step::Index(index)) => {
            let length = items.len();
            let item = items.get_mut(*index);
            item.ok_or_else(|| {
                wrong(format!("{at}[{index}] does not exist, {at} has entries 0 to {}", length.max(1) - 1))
            })
        }
        (Value::Table(_), Step::Index(_)) => Err(wrong(format!("{at} is a table, it has no numbered entries"))),
        _ => Err(wrong(format!("{at} is {found}, it has nothing inside"))),
    }
}

fn name_of(item: &Node) -> Option<&str> {
    match &item.get("name")?.value {
        Value::Text(name) => Some(name),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::document::parse;

    const FILE: &str = "duration = '5m'\n[plans.free]\nquota = 1\n[[clients]]\nname = 'a-b'\nrate = 1\n";

    fn after(text: &str) -> Result<Node, String> {
        let mut root = parse("x.toml", FILE).expect("a valid document");
        apply(&mut root, text, &Place::Override(text.to_owned())).map_err(|error| error.to_string())?;
        Ok(root)
    }

    fn shown(text: &str, at: &At) -> String {
        let root = after(text).expect("a valid override");
        let (node, exists) = root.walk(at);
        assert!(exists, "{at}");
        node.value.to_string()
    }

    #[test]
    fn entries_are_found_by_number_or_by_name() {
        let rate = At::default().key("clients").index(0).key("rate");
        assert_eq!(shown("clients[0].rate=5", &rate), "5");
        assert_eq!(shown("clients.a-b.rate = 2.5", &rate), "2.5");
    }

    #[test]
    fn a_value_that_is_not_toml_is_a_string() {
        let duration = At::default().key("duration");
        assert_eq!(shown("duration=10m", &duration), "\"10m\"");
        assert_eq!(shown("duration=\"10m\"", &duration), "\"10m\"");
        assert_eq!(shown("start=2018-11-23", &At::default().key("start")), "\"2018-11-23\"");
        assert_eq!(shown("question=", &At::default().key("question")), "\"\"");
    }

    #[test]
    fn missing_tables_are_made_and_quoted_keys_hold_anything() {
        assert_eq!(shown("system.dns.ttl=1s", &At::default().key("system").key("dns").key("ttl")), "\"1s\"");
        let threshold = At::default().key("thresholds").key("latency{region:x}").index(0);
        assert_eq!(shown("thresholds.\"latency{region:x}\"=['p(99)<5ms']", &threshold), "\"p(99)<5ms\"");
    }

    #[test]
    fn a_wrong_path_names_the_override() {
        for (text, error) in [
            ("duration", "--set duration: expected path=value, for example clients[0].rate=5 or plans.free.quota=1000"),
            ("clients[3].rate=5", "--set clients[3].rate=5: clients[3] does not exist, clients has entries 0 to 0"),
            (
                "clients.a-c.rate=5",
                "--set clients.a-c.rate=5: clients has no entry named \"a-c\"; did you mean \"a-b\"?",
            ),
            ("duration.x=5", "--set duration.x=5: duration is \"5m\", it has nothing inside"),
        ] {
            assert_eq!(after(text).expect_err(text), error);
        }
    }
}
