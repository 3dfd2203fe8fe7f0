//! `georush usage`: what was counted, from the central table.
//!
//! Not here: counting.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use georush::scenario::units::show_instant;
use georush_system::{
    backend::{AnyCentral, Central},
    core::{Identifier, Timestamp, WindowId},
    item::{Account, Usage},
    pipeline::now,
    plans::{PlanSpec, Plans},
};
use serde_json::Value;

use super::{
    Stop,
    keys::{PlansFile, State, find},
    listing::{Format, Listing},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  georush usage top --limit 20
  georush usage by-plan --format csv
  georush usage key 1f3a9c
  georush usage export --format csv > usage.csv

Counts are those of the central table: behind by what the aggregator has not counted yet. Of each subject the two windows with the
newest events are kept. A window is the plan's: 24 hours from sign-up, a UTC day, or a month; callers without a key have UTC days.";

#[derive(Debug, Args)]
pub(super) struct UsageArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// The subjects that used most in their current window.
    Top {
        /// How many.
        #[arg(long, value_name = "N", default_value_t = 10)]
        limit: usize,
        #[command(flatten)]
        common: Common,
    },
    /// Sums of the current windows by plan.
    ByPlan {
        #[command(flatten)]
        common: Common,
    },
    /// One key's usage by window and region.
    Key {
        /// The key, or the beginning of its digest.
        #[arg(value_name = "DIGEST-PREFIX|KEY")]
        key: String,
        #[command(flatten)]
        common: Common,
    },
    /// Everything that is kept, by subject, window and region.
    Export {
        #[command(flatten)]
        common: Common,
    },
}

#[derive(Debug, Args)]
struct Common {
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    #[command(flatten)]
    state: State,
    #[command(flatten)]
    plans: PlansFile,
}

/// One subject in one window.
struct Counted {
    subject: Identifier,
    /// Name of its plan; empty if nobody knows.
    plan: String,
    label: String,
    /// First instant of the window and the one after it, if the plan is known.
    window: Option<(Timestamp, Timestamp)>,
    quota: Option<u64>,
    current: bool,
    usage: Usage,
}

impl Counted {
    fn new(now: Timestamp, plans: &Plans, (subject, account, usage): (Identifier, Option<Account>, Usage)) -> Self {
        let spec = match &account {
            Some(account) => plans.get(&account.plan),
            None => plans.anonymous(),
        };
        let anchor = account.as_ref().map(|account| account.created).unwrap_or_default();
        let window = |spec: &PlanSpec, id: WindowId| {
            (spec.plan.window.starts_at(id, anchor), spec.plan.window.ends_at(id, anchor))
        };
        Self {
            subject,
            plan: match &account {
                Some(account) => account.plan.to_string(),
                None => spec.map_or_else(String::new, |spec| format!("anonymous {}", spec.name)),
            },
            label: account.map(|account| account.label.to_string()).unwrap_or_default(),
            window: spec.map(|spec| window(spec, usage.window)),
            quota: spec.map(|spec| spec.plan.quota),
            current: spec.is_some_and(|spec| spec.plan.window.id(now, anchor) == usage.window),
            usage,
        }
    }

    fn by_region(&self) -> BTreeMap<u16, u64> {
        let mut regions = BTreeMap::new();
        for (origin, value) in &self.usage.components {
            *regions.entry(origin.region).or_default() += value;
        }
        regions
    }

    fn bounds(&self) -> [Value; 2] {
        let text = |at: Option<Timestamp>| at.map_or(Value::Null, |at| show_instant(at).into());
        [text(self.window.map(|window| window.0)), text(self.window.map(|window| window.1))]
    }
}

/// Does what the arguments say.
pub(super) fn usage(args: &UsageArgs) -> Result<u8, Stop> {
    match &args.action {
        Action::Top { limit, common } => top(*limit, common),
        Action::ByPlan { common } => by_plan(common),
        Action::Key { key, common } => by_region(Some(key), common),
        Action::Export { common } => by_region(None, common),
    }
    .map(|()| 0)
}

fn central(common: &Common) -> Result<AnyCentral, Stop> {
    common.state.existing()?.accounts().map_err(Stop::could_not_run)
}

fn counted(central: &mut dyn Central, common: &Common) -> Result<Vec<Counted>, Stop> {
    let (plans, now) = (common.plans.load()?, now());
    let all = central.all_usage().map_err(Stop::could_not_run)?;
    Ok(all.into_iter().map(|row| Counted::new(now, &plans, row)).collect())
}

fn top(limit: usize, common: &Common) -> Result<(), Stop> {
    let mut counted = counted(&mut *central(common)?, common)?;
    counted.retain(|row| row.current);
    // Equals in the order of their names.
    counted.sort_by_key(|row| std::cmp::Reverse(row.usage.total()));
    let row = |row: &Counted| {
        let [start, end] = row.bounds();
        let quota = row.quota.map_or(Value::Null, Value::from);
        let (subject, plan, label) =
            (row.subject.to_string().into(), row.plan.clone().into(), row.label.clone().into());
        vec![subject, plan, row.usage.total().into(), quota, start, end, label]
    };
    let rows = counted.iter().take(limit).map(row).collect();
    let columns = &["subject", "plan", "used", "quota", "window_start", "window_end", "label"];
    Listing::new(columns, rows).print(common.format)
}

fn by_plan(common: &Common) -> Result<(), Stop> {
    let mut sums = BTreeMap::<String, (u64, u64)>::new();
    for row in counted(&mut *central(common)?, common)?.iter().filter(|row| row.current) {
        let sum = sums.entry(row.plan.clone()).or_default();
        *sum = (sum.0 + 1, sum.1 + row.usage.total());
    }
    let rows = sums.into_iter().map(|(plan, (subjects, used))| vec![plan.into(), subjects.into(), used.into()]);
    Listing::new(&["plan", "subjects", "used"], rows.collect()).print(common.format)
}

fn by_region(key: Option<&String>, common: &Common) -> Result<(), Stop> {
    let mut central = central(common)?;
    let names: BTreeMap<u16, String> = central.regions().map_err(Stop::could_not_run)?.into_iter().collect();
    let wanted = key.map(|key| find(&mut *central, key)).transpose()?.map(|item| item.subject);
    let mut rows = Vec::new();
    for row in
        counted(&mut *central, common)?.iter().filter(|row| wanted.as_ref().is_none_or(|wanted| *wanted == row.subject))
    {
        for (region, used) in row.by_region() {
            let [start, end] = row.bounds();
            let region = names.get(&region).cloned().unwrap_or_else(|| region.to_string());
            let counted_at = show_instant(row.usage.counted_at).into();
            rows.push(vec![
                row.subject.to_string().into(),
                row.plan.clone().into(),
                start,
                end,
                region.into(),
                used.into(),
                counted_at,
            ]);
        }
    }
    let columns = &["subject", "plan", "window_start", "window_end", "region", "used", "newest_event"];
    Listing::new(columns, rows).print(common.format)
}
