//! What a key looks like, for people and as JSON.
//!
//! Not here: finding it.

use georush::{report::format, scenario::units::show_instant};
use georush_system::{
    core::{Identifier, Status, Timestamp, Version, WindowKind},
    item::{Item, Usage},
    pipeline,
    plans::Plans,
};
use serde::Serialize;

use crate::cli::listing::Listing;

/// Characters of a digest that tell keys apart.
const SHORT: usize = 12;

/// One key.
#[derive(Debug, Serialize)]
pub(super) struct View {
    digest: String,
    plan: String,
    label: String,
    created: String,
    status: &'static str,
    /// Empty: everybody may use it.
    allow: Vec<String>,
    /// Absent if the plans file does not know the plan.
    window: Option<Window>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    regions: Vec<Region>,
}

#[derive(Debug, Serialize)]
struct Window {
    #[serde(skip)]
    kind: &'static str,
    used: u64,
    advertised: u64,
    quota: u64,
    ends: String,
}

/// A region, and what it holds of the key; versions are generation and number.
#[derive(Debug, Serialize)]
struct Region {
    region: String,
    plan_version: Option<String>,
    usage_version: Option<String>,
    current: bool,
}

impl View {
    pub(super) fn new(item: &Item, plans: &Plans) -> Self {
        let (mut plan, mut label, mut created) = (String::new(), String::new(), Timestamp::default());
        let (mut status, mut allow) = ("active", Vec::new());
        if let Some(account) = &item.account {
            (plan, label, created) = (account.plan.to_string(), account.label.to_string(), account.created);
            status = if account.status == Status::Revoked { "revoked" } else { "active" };
            allow = account.whitelist.iter().flat_map(|list| list.entries()).map(ToString::to_string).collect();
        }
        let window = plans.get(&plan).map(|spec| {
            let id = spec.plan.window.id(pipeline::now(), created);
            let counted = item.usage.iter().filter(|usage| usage.window == id);
            Window {
                kind: match spec.plan.window {
                    WindowKind::Anchored24h => "in 24 hours",
                    WindowKind::DayUtc => "a UTC day",
                    WindowKind::MonthCalendar => "a month",
                },
                used: counted.map(Usage::total).sum(),
                advertised: spec.advertised,
                quota: spec.plan.quota,
                ends: show_instant(spec.plan.window.ends_at(id, created)),
            }
        });
        let (digest, created) = (digest(&item.subject), show_instant(created));
        Self { digest, plan, label, created, status, allow, window, regions: Vec::new() }
    }

    /// Adds what a region holds of the key whose newest item is `newest`.
    pub(super) fn add_region(&mut self, region: String, newest: &Item, held: &Item) {
        let plan = |item: &Item| item.account.as_ref().map(|account| account.version);
        let usage = |item: &Item| item.usage.as_ref().map(|usage| usage.version);
        self.regions.push(Region {
            region,
            plan_version: plan(held).map(version),
            usage_version: usage(held).map(version),
            current: plan(held) >= plan(newest) && usage(held) >= usage(newest),
        });
    }

    pub(super) fn short(&self) -> &str {
        &self.digest[..SHORT]
    }

    /// The plan with its quota: `free (1,500 in 24 hours)`.
    pub(super) fn plan_told(&self) -> String {
        match &self.window {
            Some(window) => format!("{} ({} {})", self.plan, format::count(window.advertised), window.kind),
            None => format!("{} (not in the plans file)", self.plan),
        }
    }

    fn used(&self) -> String {
        self.window.as_ref().map_or_else(
            || "?".to_owned(),
            |window| format!("{} of {}", format::count(window.used), format::count(window.quota)),
        )
    }

    /// A row for each key.
    pub(super) fn listing(views: &[Self]) -> Listing {
        let row = |view: &Self| {
            let cells = [view.short(), &view.plan, view.status, &view.created, &view.used(), &view.label];
            cells.map(Into::into).to_vec()
        };
        Listing::new(&["digest", "plan", "status", "created", "used", "label"], views.iter().map(row).collect())
    }

    pub(super) fn text(&self) -> String {
        let allow = if self.allow.is_empty() { "everybody".to_owned() } else { self.allow.join(", ") };
        let window = self.window.as_ref().map_or(String::new(), |window| format!(" until {}", window.ends));
        let mut lines = vec![
            ("digest", self.digest.clone()),
            ("plan", self.plan_told()),
            ("label", format::printable(&self.label)),
            ("status", self.status.to_owned()),
            ("created", self.created.clone()),
            ("allows", allow),
            ("used", format!("{}{window}", self.used())),
        ];
        let mut name = "regions";
        for region in &self.regions {
            lines.push((std::mem::take(&mut name), region.text()));
        }
        let line = |(name, value): &(&str, String)| format!("{}\n", format!("{name:9}{value}").trim_end());
        lines.iter().map(line).collect()
    }
}

impl Region {
    fn text(&self) -> String {
        let held = |version: &Option<String>| version.clone().unwrap_or_else(|| "none".to_owned());
        let current = if self.current { "current" } else { "behind" };
        format!("{}: {current}, plan {}, usage {}", self.region, held(&self.plan_version), held(&self.usage_version))
    }
}

/// Views as JSON.
pub(super) fn json(views: &(impl Serialize + ?Sized)) -> String {
    format!("{}\n", serde_json::to_string_pretty(views).expect("texts and numbers are JSON"))
}

/// The digest of a key, in hex.
pub(super) fn digest(subject: &Identifier) -> String {
    let text = subject.to_string();
    text.strip_prefix("key:").map(str::to_owned).unwrap_or(text)
}

fn version(version: Version) -> String {
    format!("{}.{}", version.generation, version.number)
}
