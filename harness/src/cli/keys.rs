//! `georush keys`.
//!
//! Not here: how keys reach the regions; every action writes the central table, and the replicators do the rest.

pub(super) mod view;

use std::{env, path::PathBuf, sync::Arc};

use clap::{Args, Subcommand};
use georush::report::format;
use georush_system::{
    backend::{Backend, Central},
    core::{Identifier, Status, Version},
    item::{Account, Item},
    key, pipeline,
    plans::Plans,
    store::Directory,
    whitelist::{Entry, Whitelist},
};

use super::{Stop, backend::BackendArg, listing::Format, print};
use view::View;

/// Where state is kept unless somebody says otherwise.
const STATE: &str = "state";
const STATE_VARIABLE: &str = "GEORUSH_STATE";
/// A given key can't be guessed in a few tries.
const KEY_CHARS_MIN: usize = 8;
/// A label is a line for people.
const LABEL_CHARS_MAX: usize = 200;
/// Shorter beginnings of a digest are probably a mistyped key.
const PREFIX_CHARS_MIN: usize = 4;

pub(super) const EXAMPLES: &str = "\
Examples:
  KEY=$(georush keys create --plan free --label shop)
  georush keys list
  georush keys show \"$KEY\"
  georush keys revoke 1f3a9c";

const CREATE_EXAMPLES: &str = "\
Examples:
  KEY=$(georush keys create --plan free --label shop)
  georush keys create --plan business --allow '*.shop.example' --allow 192.0.2.0/24
  georush keys create --plan free --key migrated-from-elsewhere --state /var/lib/georush";

const LIST_EXAMPLES: &str = "\
Examples:
  georush keys list
  georush keys list --json";

const SHOW_EXAMPLES: &str = "\
Examples:
  georush keys show 1f3a9c
  georush keys show \"$KEY\" --json";

const REVOKE_EXAMPLES: &str = "\
Examples:
  georush keys revoke 1f3a9c";

#[derive(Debug, Args)]
pub(super) struct KeysArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a key and print it, this once and nothing else.
    #[command(after_long_help = CREATE_EXAMPLES)]
    Create(CreateArgs),
    /// List all keys.
    #[command(after_long_help = LIST_EXAMPLES)]
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        state: State,
        #[command(flatten)]
        plans: PlansFile,
    },
    /// Show one key: plan, usage, and which regions hold it.
    #[command(after_long_help = SHOW_EXAMPLES)]
    Show {
        /// The key, or the beginning of its digest.
        #[arg(value_name = "DIGEST-PREFIX|KEY")]
        key: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        state: State,
        #[command(flatten)]
        plans: PlansFile,
    },
    /// Revoke a key in every region, for ever.
    #[command(after_long_help = REVOKE_EXAMPLES)]
    Revoke {
        /// The key, or the beginning of its digest.
        #[arg(value_name = "DIGEST-PREFIX|KEY")]
        key: String,
        #[command(flatten)]
        state: State,
    },
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// A plan of the plans file.
    #[arg(long, value_name = "NAME")]
    plan: String,
    /// What its owner calls it; up to 200 characters.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    label: String,
    /// Who may use it, if not everybody: host, *.host, address or CIDR block; may be repeated.
    #[arg(long, value_name = "ENTRY")]
    allow: Vec<Entry>,
    /// Use this key instead of a random one, for tests and migrations; 8 or more printable ASCII characters without spaces.
    #[arg(long, value_name = "TEXT")]
    key: Option<String>,
    #[command(flatten)]
    state: State,
    #[command(flatten)]
    plans: PlansFile,
}

#[derive(Debug, Args)]
pub(super) struct State {
    /// State directory [default: GEORUSH_STATE, or state].
    #[arg(id = "state", long = "state", value_name = "DIR")]
    path: Option<PathBuf>,
    #[command(flatten)]
    backend: BackendArg,
}

#[derive(Debug, Args)]
pub(super) struct PlansFile {
    /// Plans file [default: built in].
    #[arg(id = "plans", long = "plans", value_name = "FILE")]
    path: Option<PathBuf>,
}

impl PlansFile {
    pub(super) fn load(&self) -> Result<Plans, Stop> {
        self.path.as_deref().map_or_else(|| Ok(Plans::default()), Plans::load).map_err(Stop::could_not_run)
    }
}

impl State {
    fn path(&self) -> PathBuf {
        let named = || env::var_os(STATE_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
        self.path.clone().or_else(named).unwrap_or_else(|| STATE.into())
    }

    /// The directory, for what only files can do.
    pub(super) fn files(&self, doing: &str) -> Result<PathBuf, Stop> {
        self.backend.files(&self.path(), doing)
    }

    /// A directory that must be there: nobody looks for keys where none were made.
    pub(super) fn existing(&self) -> Result<Arc<dyn Backend>, Stop> {
        self.backend.open(&self.path(), Directory::existing)
    }

    /// A directory that is made if it is not there.
    fn any(&self) -> Result<Arc<dyn Backend>, Stop> {
        self.backend.open(&self.path(), Directory::open)
    }
}

/// Does what the arguments say.
pub(super) fn keys(args: &KeysArgs) -> Result<u8, Stop> {
    match &args.action {
        Action::Create(args) => create(args),
        Action::List { json, state, plans } => list(*json, state, plans),
        Action::Show { key, json, state, plans } => show(key, *json, state, plans),
        Action::Revoke { key, state } => revoke(key, state),
    }
    .map(|()| 0)
}

fn create(args: &CreateArgs) -> Result<(), Stop> {
    let plans = args.plans.load()?;
    let spec = plans.require(&args.plan).map_err(Stop::could_not_run)?;
    let key = match &args.key {
        None => key::make().map_err(Stop::could_not_run)?,
        Some(key) if key.chars().count() >= KEY_CHARS_MIN && key.chars().all(|c| c.is_ascii_graphic()) => key.clone(),
        Some(_) => {
            let wanted =
                format!("--key is not fit for a key, expected {KEY_CHARS_MIN} or more printable ASCII characters");
            return Err(Stop::could_not_run(format!("{wanted} without spaces")));
        }
    };
    check_label(&args.label)?;
    let account = Account {
        plan: spec.name.clone(),
        created: pipeline::now(),
        status: Status::Active,
        whitelist: Whitelist::new(args.allow.clone()),
        label: args.label.as_str().into(),
        version: Version::default(),
    };
    let mut central = args.state.any()?.accounts().map_err(Stop::could_not_run)?;
    let subject = key::identifier(&key);
    central.sign_up(&subject, &account).map_err(Stop::could_not_run)?;
    let view = View::new(&Item { subject, account: Some(account), usage: None }, &plans);
    eprintln!("made key {} on {}; it is printed this once", view.short(), view.plan_told());
    print(&format!("{key}\n"))
}

fn check_label(label: &str) -> Result<(), Stop> {
    let wrong = |found: String| {
        Err(Stop::could_not_run(format!(
            "--label {found}, expected up to {LABEL_CHARS_MAX} characters of one line; give a shorter name"
        )))
    };
    match (label.chars().find(|c| c.is_control()), label.chars().count()) {
        (Some(control), _) => wrong(format!("holds the control character {control:?}")),
        (None, count) if count > LABEL_CHARS_MAX => wrong(format!("has {} characters", format::count(count as u64))),
        (None, _) => Ok(()),
    }
}

fn list(json: bool, state: &State, plans: &PlansFile) -> Result<(), Stop> {
    let plans = plans.load()?;
    let mut central = state.existing()?.accounts().map_err(Stop::could_not_run)?;
    let items = central.signed_up("key:").map_err(Stop::could_not_run)?;
    let views: Vec<_> = items.iter().map(|item| View::new(item, &plans)).collect();
    if json {
        return print(&view::json(&views));
    }
    View::listing(&views).print(Format::Table)
}

fn show(key: &str, json: bool, state: &State, plans: &PlansFile) -> Result<(), Stop> {
    let (plans, backend) = (plans.load()?, state.existing()?);
    let mut central = backend.accounts().map_err(Stop::could_not_run)?;
    let item = find(&mut *central, key)?;
    let mut view = View::new(&item, &plans);
    for (_, region) in central.regions().map_err(Stop::could_not_run)? {
        let held = backend.held(&region, &item.subject).map_err(Stop::could_not_run)?;
        let held = held.unwrap_or_else(|| Item { subject: item.subject.clone(), account: None, usage: None });
        view.add_region(region, &item, &held);
    }
    print(&if json { view::json(&view) } else { view.text() })
}

fn revoke(key: &str, state: &State) -> Result<(), Stop> {
    let mut central = state.existing()?.accounts().map_err(Stop::could_not_run)?;
    let item = find(&mut *central, key)?;
    let digest = view::digest(&item.subject);
    if item.account.as_ref().is_some_and(|account| account.status == Status::Revoked) {
        return print(&format!("{digest} was revoked already\n"));
    }
    let revoke = |account: &mut Account| account.status = Status::Revoked;
    central.change_account(&item.subject, &revoke).map_err(Stop::could_not_run)?;
    print(&format!("revoked {digest}\n"))
}

/// The one item that `text` names, as its key or as the beginning of its digest.
pub(super) fn find(central: &mut dyn Central, text: &str) -> Result<Item, Stop> {
    let item = central.item(&key::identifier(text)).map_err(Stop::could_not_run)?;
    if item.account.is_some() {
        return Ok(item);
    }
    let prefix = text.strip_prefix("key:").unwrap_or(text).to_ascii_lowercase();
    let is_prefix = prefix.len() >= PREFIX_CHARS_MIN && prefix.bytes().all(|byte| byte.is_ascii_hexdigit());
    let mut found = match is_prefix {
        true => central.signed_up(&format!("key:{prefix}")).map_err(Stop::could_not_run)?,
        false => Vec::new(),
    };
    match (found.pop(), found.len()) {
        (Some(item), 0) => Ok(item),
        (None, _) => Err(Stop::could_not_run(format!(
            "there is no key {text:?}, expected a key or {PREFIX_CHARS_MIN} or more characters of its digest; georush keys \
             list tells all"
        ))),
        (Some(item), others) => {
            let (one, other): (&Identifier, _) = (&item.subject, &found[0].subject);
            let (one, other) = (view::digest(one), view::digest(other));
            Err(Stop::could_not_run(format!(
                "{} keys begin with {prefix}, such as {other} and {one}; give more of the digest",
                others + 1
            )))
        }
    }
}
