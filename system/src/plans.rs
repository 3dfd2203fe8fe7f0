//! The plans file: what subjects can buy, and which plan callers without a key are on.
//!
//! Not here: who has which plan; that is in the tables.

use std::{collections::BTreeMap, fs, io, path::Path};

use georush_core::{Plan, Rate, WindowKind};
use serde::Deserialize;
use toml::Spanned;

use crate::{
    nearest::nearest,
    toml_text::{TomlText, Wrong},
};

/// The plans in this binary.
const EMBEDDED: &str = include_str!("../data/plans.toml");

/// One plan, resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanSpec {
    /// Its name in the file.
    pub name: Box<str>,
    /// What is enforced: the quota with its padding.
    pub plan: Plan,
    /// The quota without padding, as customers are told.
    pub advertised: u64,
    /// May ask for many addresses at once.
    pub bulk: bool,
    /// May ask for autonomous systems.
    pub asn: bool,
    /// Somebody pays for it.
    pub paid: bool,
    /// How fast each edge lets a subject ask; `None` for as fast as it can.
    pub rate: Option<Rate>,
}

/// All plans of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plans {
    specs: BTreeMap<Box<str>, PlanSpec>,
    anonymous: Option<PlanSpec>,
}

/// Why there are no plans, or not this one.
#[derive(Debug, thiserror::Error)]
pub enum PlansError {
    /// The file can't be read.
    #[error("{file}: can't be read: {source}")]
    Unreadable {
        /// The file.
        file: String,
        /// What the system says.
        source: io::Error,
    },
    /// Something in it is wrong.
    #[error(transparent)]
    Wrong(#[from] Wrong),
    /// There is no plan of this name.
    #[error("{0}")]
    Unknown(String),
}

impl Plans {
    /// Reads a plans file.
    ///
    /// # Errors
    /// If it can't be read, or the first thing that is wrong with it.
    pub fn load(path: &Path) -> Result<Self, PlansError> {
        let file = path.display().to_string();
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, &file),
            Err(source) => Err(PlansError::Unreadable { file, source }),
        }
    }

    /// Reads the text of a plans file; `file` is its name in errors.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(text: &str, file: &str) -> Result<Self, PlansError> {
        let source = TomlText { file, text };
        let raw: RawFile = source.read()?;
        let mut specs = BTreeMap::new();
        for (name, raw) in raw.plans {
            let spec = raw.resolve(&name).map_err(|(at, message)| source.wrong(at, message))?;
            specs.insert(spec.name.clone(), spec);
        }
        let mut plans = Self { specs, anonymous: None };
        if let Some(RawAnonymous { plan }) = raw.anonymous {
            let spec =
                plans.require(plan.get_ref()).map_err(|error| source.wrong(plan.span().start, error.to_string()))?;
            // Nobody signed up, so there is no anchor that every region agrees on.
            let window = WindowKind::DayUtc;
            plans.anonymous = Some(PlanSpec { plan: Plan { window, ..spec.plan }, ..spec.clone() });
        }
        Ok(plans)
    }

    /// The plan of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&PlanSpec> {
        self.specs.get(name)
    }

    /// The plan of this name.
    ///
    /// # Errors
    /// If there is none; names the nearest one.
    pub fn require(&self, name: &str) -> Result<&PlanSpec, PlansError> {
        self.get(name).ok_or_else(|| {
            let known = || self.specs.keys().map(|name| &**name);
            let hint = nearest(name, known()).map_or(String::new(), |near| format!("; did you mean {near:?}?"));
            let known = known().collect::<Vec<_>>().join(", ");
            PlansError::Unknown(format!("there is no plan {name:?}, expected one of: {known}{hint}"))
        })
    }

    /// What callers without a key may use, in windows of a UTC day; `None` if they are refused.
    #[must_use]
    pub fn anonymous(&self) -> Option<&PlanSpec> {
        self.anonymous.as_ref()
    }

    /// All plans, by name.
    pub fn iter(&self) -> impl Iterator<Item = &PlanSpec> {
        self.specs.values()
    }
}

impl Default for Plans {
    fn default() -> Self {
        Self::parse(EMBEDDED, "plans.toml").expect("a test reads the embedded file")
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    plans: BTreeMap<String, RawPlan>,
    anonymous: Option<RawAnonymous>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPlan {
    quota: Spanned<u64>,
    #[serde(default)]
    window: RawWindow,
    padding: Option<Spanned<String>>,
    #[serde(default = "yes")]
    bulk: bool,
    #[serde(default = "yes")]
    asn: bool,
    #[serde(default)]
    paid: bool,
    rate: Option<Spanned<u64>>,
    burst: Option<Spanned<u64>>,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum RawWindow {
    #[default]
    #[serde(rename = "anchored-24h")]
    Anchored24h,
    DayUtc,
    MonthCalendar,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAnonymous {
    plan: Spanned<String>,
}

/// Counts stay far from overflow with quotas up to here.
const QUOTA_MAX: u64 = 1 << 48;

impl RawPlan {
    fn resolve(self, name: &str) -> Result<PlanSpec, (usize, String)> {
        let advertised = *self.quota.get_ref();
        if advertised > QUOTA_MAX {
            let message = format!("plans.{name}.quota is {advertised}, expected {QUOTA_MAX} at most");
            return Err((self.quota.span().start, message));
        }
        let percent = match &self.padding {
            None => 0,
            Some(padding) => percent(padding.get_ref()).ok_or_else(|| {
                let found = padding.get_ref();
                (padding.span().start, format!("plans.{name}.padding is {found:?}, expected \"0%\" to \"100%\""))
            })?,
        };
        let window = match self.window {
            RawWindow::Anchored24h => WindowKind::Anchored24h,
            RawWindow::DayUtc => WindowKind::DayUtc,
            RawWindow::MonthCalendar => WindowKind::MonthCalendar,
        };
        let plan = Plan { quota: advertised + advertised * percent / 100, window };
        let rate = rate(name, self.rate.as_ref(), self.burst.as_ref())?;
        Ok(PlanSpec { name: name.into(), plan, advertised, bulk: self.bulk, asn: self.asn, paid: self.paid, rate })
    }
}

/// A rate limit; without a burst of its own, that of one second.
fn rate(
    name: &str,
    rate: Option<&Spanned<u64>>,
    burst: Option<&Spanned<u64>>,
) -> Result<Option<Rate>, (usize, String)> {
    let within = |field: &str, found: &Spanned<u64>| {
        let number = u32::try_from(*found.get_ref()).ok().filter(|number| (1..=Rate::MAX).contains(number));
        number.ok_or_else(|| {
            let message = format!("plans.{name}.{field} is {}, expected 1 to {} requests", found.get_ref(), Rate::MAX);
            (found.span().start, message)
        })
    };
    match (rate, burst) {
        (None, None) => Ok(None),
        (None, Some(burst)) => {
            let message = format!("plans.{name} has a burst, but no rate; add `rate`, in requests a second");
            Err((burst.span().start, message))
        }
        (Some(rate), burst) => {
            let per_second = within("rate", rate)?;
            Ok(Some(Rate { per_second, burst: burst.map_or(Ok(per_second), |burst| within("burst", burst))? }))
        }
    }
}

fn percent(text: &str) -> Option<u64> {
    text.strip_suffix('%')?.parse().ok().filter(|&percent| percent <= 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Plans::parse(text, "plans.toml").expect_err("something is wrong").to_string()
    }

    #[test]
    fn the_embedded_plans_pad_what_is_paid_for_and_count_strangers_by_the_utc_day() {
        let plans = Plans::default();
        let quotas = |name| plans.get(name).map(|spec| (spec.advertised, spec.plan.quota, spec.paid));
        assert_eq!(quotas("free"), Some((1_500, 1_500, false)));
        assert_eq!(quotas("business"), Some((40_000, 44_000, true)));
        assert_eq!(plans.get("free").map(|spec| spec.plan.window), Some(WindowKind::Anchored24h));
        let anonymous = plans.anonymous().expect("there is an anonymous tier");
        assert_eq!((anonymous.plan.quota, anonymous.plan.window), (1_500, WindowKind::DayUtc));
    }

    #[test]
    fn a_rate_without_a_burst_allows_that_of_a_second() {
        let plans = Plans::parse("[plans.a]\nquota = 1\nrate = 5\n[plans.b]\nquota = 1\nrate = 5\nburst = 9", "x");
        let plans = plans.expect("a good file");
        let burst = |name| plans.get(name).and_then(|spec| spec.rate).map(|rate| (rate.per_second, rate.burst));
        assert_eq!((burst("a"), burst("b")), (Some((5, 5)), Some((5, 9))));
    }

    #[test]
    fn without_its_table_there_is_no_anonymous_tier() {
        let plans = Plans::parse("[plans.a]\nquota = 1", "x").expect("a good file");
        assert_eq!(plans.anonymous(), None);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, told) in [
            ("[plans.a]\nquota = 1\npadding = \"ten\"", "plans.toml:3: plans.a.padding is \"ten\", expected \"0%\" to"),
            ("[plans.a]\nquota = -1", "plans.toml:2: "),
            ("[plans.a]\nquota = 1\nwindow = \"day\"", "plans.toml:3: unknown variant `day`, expected one of"),
            ("[plans.a]\n\nquotas = 1", "plans.toml:3: unknown field `quotas`, expected"),
            (
                "[plans.free]\nquota = 1\n[anonymous]\nplan = \"fre\"",
                "plans.toml:4: there is no plan \"fre\", expected",
            ),
            ("[plans.a]\nquota = 1\nrate = 0", "plans.toml:3: plans.a.rate is 0, expected 1 to 1000000 requests"),
            ("[plans.a]\nquota = 1\nburst = 5", "plans.toml:3: plans.a has a burst, but no rate; add `rate`"),
            ("[plans", "plans.toml:1: "),
        ] {
            assert!(error(text).starts_with(told), "{}", error(text));
        }
        assert!(error("[plans.free]\nquota = 1\n[anonymous]\nplan = \"fre\"").ends_with("did you mean \"free\"?"));
    }
}
