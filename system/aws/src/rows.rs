//! An item as DynamoDB's attributes, the same in the central table and in regional ones.
//!
//! Key: `pk` is the subject, `sk` is `row`. What a table holds beside subjects has `georush` or `dead-letters` as its `pk`.
//! Not here: reading and writing.

use std::{collections::HashMap, str::FromStr};

use aws_sdk_dynamodb::types::AttributeValue as Value;
use georush_core::{Identifier, Origin, Status, Timestamp, Version, WindowId, time::SECOND_US};
use georush_system::{
    item::{Account, Item, Usage},
    whitelist::{Entry, Whitelist},
};

/// What DynamoDB returns.
pub(crate) type Attributes = HashMap<String, Value>;

pub(crate) const PK: &str = "pk";
pub(crate) const SK: &str = "sk";
/// `sk` of subjects.
pub(crate) const ROW: &str = "row";
/// `pk` of what is about no subject.
pub(crate) const OWN: &str = "georush";
/// Second after which DynamoDB may delete the item.
pub(crate) const EXPIRES: &str = "expires";
/// Version of the plan group.
pub(crate) const ACCOUNT_VERSION: &str = "account_version";
/// Version of the usage group.
pub(crate) const USAGE_VERSION: &str = "usage_version";
/// The windows of the usage group.
pub(crate) const WINDOWS: &str = "windows";

/// Counts of subjects without an account are deleted this long after their last event.
const COUNTS_KEPT_US: u64 = 63 * 86_400 * SECOND_US;

pub(crate) fn text(value: impl Into<String>) -> Value {
    Value::S(value.into())
}

pub(crate) fn number(value: impl ToString) -> Value {
    Value::N(value.to_string())
}

pub(crate) fn key(pk: impl Into<String>, sk: impl Into<String>) -> Attributes {
    HashMap::from([(PK.to_owned(), text(pk)), (SK.to_owned(), text(sk))])
}

pub(crate) fn string<'a>(attributes: &'a Attributes, name: &str) -> Option<&'a str> {
    attributes.get(name).and_then(|value| value.as_s().ok()).map(String::as_str)
}

pub(crate) fn parsed<T: FromStr>(attributes: &Attributes, name: &str) -> Option<T> {
    attributes.get(name).and_then(|value| value.as_n().ok()).and_then(|text| text.parse().ok())
}

/// A version as text of one length, so that texts are in the order of versions.
pub(crate) fn version_text(version: Version) -> String {
    format!("{:010}-{:020}", version.generation, version.number)
}

/// The version that a text says; that of nothing is below all others.
pub(crate) fn version_of(attributes: &Attributes, name: &str) -> Version {
    let read = || {
        let (generation, number) = string(attributes, name)?.split_once('-')?;
        Some(Version { generation: generation.parse().ok()?, number: number.parse().ok()? })
    };
    read().unwrap_or_default()
}

/// The plan group as attributes, its version included.
pub(crate) fn of_account(account: &Account) -> Vec<(&'static str, Value)> {
    let entries = |list: &Whitelist| list.entries().iter().map(|entry| text(entry.to_string())).collect();
    vec![
        ("plan", text(&*account.plan)),
        ("created", number(account.created.0)),
        ("revoked", Value::Bool(account.status == Status::Revoked)),
        ("whitelist", account.whitelist.as_ref().map_or(Value::Null(true), |list| Value::L(entries(list)))),
        ("label", text(&*account.label)),
        (ACCOUNT_VERSION, text(version_text(account.version))),
    ]
}

/// The windows of a subject as one attribute.
pub(crate) fn of_windows<'a>(windows: impl IntoIterator<Item = &'a Usage>) -> Value {
    let window = |usage: &Usage| {
        let counts = usage.components.iter().map(|(origin, value)| {
            let name = format!("{}.{}", origin.region, origin.epoch);
            (name, number(value))
        });
        let window = HashMap::from([
            ("counted_at".to_owned(), number(usage.counted_at.0)),
            ("counts".to_owned(), Value::M(counts.collect())),
        ]);
        (usage.window.0.to_string(), Value::M(window))
    };
    Value::M(windows.into_iter().map(window).collect())
}

/// When the counts may be deleted; those of keys may not.
pub(crate) fn expiry(subject: &Identifier, counted_at: Timestamp) -> Option<Value> {
    let deleted = || number(counted_at.after(COUNTS_KEPT_US).0 / SECOND_US);
    (!matches!(subject, Identifier::ApiKey(_))).then(deleted)
}

/// All windows, the one with the newest event first.
pub(crate) fn windows(attributes: &Attributes) -> Option<Vec<Usage>> {
    let version = version_of(attributes, USAGE_VERSION);
    let Some(stored) = attributes.get(WINDOWS) else { return Some(Vec::new()) };
    let window = |(id, window): (&String, &Value)| {
        let window = window.as_m().ok()?;
        let count = |(origin, value): (&String, &Value)| {
            let (region, epoch) = origin.split_once('.')?;
            let origin = Origin { region: region.parse().ok()?, epoch: epoch.parse().ok()? };
            Some((origin, value.as_n().ok()?.parse().ok()?))
        };
        let mut components: Vec<_> = window.get("counts")?.as_m().ok()?.iter().map(count).collect::<Option<_>>()?;
        components.sort_unstable();
        let counted_at = Timestamp(parsed(window, "counted_at")?);
        Some(Usage { window: WindowId(id.parse().ok()?), components, version, counted_at })
    };
    let mut windows: Vec<_> = stored.as_m().ok()?.iter().map(window).collect::<Option<_>>()?;
    windows.sort_by_key(|usage| std::cmp::Reverse((usage.counted_at, usage.window)));
    Some(windows)
}

/// The plan group.
pub(crate) fn account(attributes: &Attributes) -> Option<Option<Account>> {
    let Some(plan) = string(attributes, "plan") else { return Some(None) };
    let whitelist = match attributes.get("whitelist") {
        Some(Value::L(entries)) => {
            let entry = |value: &Value| value.as_s().ok()?.parse::<Entry>().ok();
            Whitelist::new(entries.iter().map(entry).collect::<Option<_>>()?)
        }
        _ => None,
    };
    let revoked = *attributes.get("revoked")?.as_bool().ok()?;
    Some(Some(Account {
        plan: plan.into(),
        created: Timestamp(parsed(attributes, "created")?),
        status: if revoked { Status::Revoked } else { Status::Active },
        whitelist,
        label: string(attributes, "label")?.into(),
        version: version_of(attributes, ACCOUNT_VERSION),
    }))
}

/// A subject's item; `None` if the attributes are not one's.
pub(crate) fn item(attributes: &Attributes) -> Option<Item> {
    let subject = Identifier::from_str(string(attributes, PK)?).ok()?;
    Some(Item { subject, account: account(attributes)?, usage: windows(attributes)?.into_iter().next() })
}

/// Versions of the plan group and of the usage group.
pub(crate) fn versions(item: &Item) -> [Option<Version>; 2] {
    [item.account.as_ref().map(|account| account.version), item.usage.as_ref().map(|usage| usage.version)]
}

/// The same of what a region has `there`, as far as it is not what the centre has, or had before: the same version of something
/// else, or a version that was never given.
pub(crate) fn strange(centre: &Item, there: &Item) -> [Option<Version>; 2] {
    let (ours, [account, usage]) = (versions(centre), versions(there));
    [
        account.filter(|_| there.account != centre.account && account >= ours[0]),
        usage.filter(|_| there.usage != centre.usage && usage >= ours[1]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(window: u32, counted_at: u64) -> Usage {
        let components = vec![(Origin { region: 3, epoch: 2 }, 7), (Origin { region: 4, epoch: 1 }, 1 << 52)];
        let version = Version { generation: 1, number: 1 << 51 };
        Usage { window: WindowId(window), components, version, counted_at: Timestamp(counted_at) }
    }

    #[test]
    fn an_item_is_read_as_it_was_written() {
        let subject = Identifier::ApiKey([7; 32]);
        let account = Account {
            plan: "free".into(),
            created: Timestamp(5),
            status: Status::Revoked,
            whitelist: Whitelist::new(vec!["*.shop.example".parse().expect("an entry")]),
            label: "".into(),
            version: Version { generation: 1, number: 9 },
        };
        let mut attributes = key(subject.to_string(), ROW);
        assert_eq!(item(&attributes), Some(Item { subject: subject.clone(), account: None, usage: None }));
        attributes.extend(of_account(&account).into_iter().map(|(name, value)| (name.to_owned(), value)));
        attributes.insert(WINDOWS.to_owned(), of_windows(&[usage(4, 10), usage(5, 12)]));
        attributes.insert(USAGE_VERSION.to_owned(), text(version_text(usage(5, 12).version)));
        let wanted = Item { subject, account: Some(account), usage: Some(usage(5, 12)) };
        assert_eq!(item(&attributes), Some(wanted));
        assert_eq!(windows(&attributes).map(|windows| windows.len()), Some(2));
    }

    #[test]
    fn only_what_the_centre_never_had_is_strange() {
        let number = |number| Version { generation: 1, number };
        let item = |version, value| {
            let usage =
                Usage { components: vec![(Origin::default(), value)], version: number(version), ..usage(4, 10) };
            Item { subject: Identifier::ApiKey([7; 32]), account: None, usage: Some(usage) }
        };
        let strange = |centre: &Item, there: &Item| strange(centre, there)[1];
        assert_eq!(strange(&item(5, 7), &item(5, 7)), None);
        assert_eq!(strange(&item(5, 7), &item(4, 6)), None, "an older one is on its way");
        assert_eq!(strange(&item(5, 7), &item(5, 6)), Some(number(5)));
        assert_eq!(strange(&item(5, 7), &item(6, 7)), Some(number(6)));
        assert_eq!(strange(&Item { usage: None, ..item(5, 7) }, &item(1, 1)), Some(number(1)));
    }

    #[test]
    fn texts_of_versions_are_in_the_order_of_versions() {
        let version = |generation, number| version_text(Version { generation, number });
        assert!(version(0, u64::MAX) < version(1, 0));
        assert!(version(0, 9) < version(0, 10));
    }

    #[test]
    fn what_is_no_item_is_none() {
        let mut attributes = key("host:x", ROW);
        assert_eq!(item(&attributes), None);
        attributes = key("ip:192.0.2.7", ROW);
        attributes.insert(WINDOWS.to_owned(), text("x"));
        assert_eq!(item(&attributes), None);
    }
}
