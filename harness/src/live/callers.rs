//! A scenario's subjects as real callers: keys, addresses and pages, and the requests that they make.
//!
//! Each API key is derived from the seed and signed up before the run; a caller by address has one address of its own; a page
//! is a host in the `Referer`. Where a request comes from is said in `X-Forwarded-For`, which the edges believe because the
//! harness calls from a trusted loopback address. Not here: when they call.

use std::{fmt::Write as _, io::Write as _, net::Ipv4Addr, path::Path};

use georush_core::{Identifier, Status, Timestamp, Version, window::WindowKind};
use georush_system::{item::Account, key};
use sha2::{Digest, Sha256};

use super::addresses::Addresses;
use crate::{
    scenario::{IdentifierKind, NamedPlan, Scenario},
    simulate::{sample::Alias, seed::Seed},
    workload::{self, Arrival},
};
use rand::Rng;

/// One subject as a caller.
#[derive(Debug, Clone)]
enum Caller {
    Key(String),
    Address(Ipv4Addr),
    Page(String),
}

/// All callers, by number of their subject.
#[derive(Debug, Clone)]
pub struct Callers {
    callers: Vec<Caller>,
    addresses: Addresses,
}

impl Callers {
    /// Makes callers of a scenario's subjects. `keys` are used as they come instead of made ones.
    ///
    /// # Errors
    /// If there are not enough addresses or keys.
    pub fn new(scenario: &Scenario, keys: Option<Vec<String>>) -> Result<Self, String> {
        let countries: Vec<usize> = scenario.callers().into_iter().collect();
        let addresses = Addresses::find(&countries)?;
        let mut dealer = addresses.deal();
        let (mut callers, mut given) = (Vec::new(), keys.map(Vec::into_iter));
        for (index, population) in scenario.populations.iter().enumerate() {
            let mut home = Homes::new(scenario, index);
            for member in 0..population.size {
                callers.push(match population.kind {
                    IdentifierKind::ApiKey => Caller::Key(match &mut given {
                        None => made(scenario.seed, &population.name, member),
                        Some(keys) => keys.next().ok_or_else(|| too_few(scenario))?,
                    }),
                    IdentifierKind::Ip => {
                        let address = dealer.next(home.draw());
                        Caller::Address(
                            address.ok_or("the built-in data has fewer addresses than the scenario callers")?,
                        )
                    }
                    IdentifierKind::Referer => Caller::Page(format!("{}-{member}.example", host(&population.name))),
                });
            }
        }
        Ok(Self { callers, addresses })
    }

    /// What each subject is counted by.
    #[must_use]
    pub fn identifiers(&self) -> Vec<Identifier> {
        let identifier = |caller: &Caller| match caller {
            Caller::Key(text) => key::identifier(text),
            Caller::Address(address) => Identifier::Ipv4(*address),
            Caller::Page(host) => Identifier::Referer(host.as_str().into()),
        };
        self.callers.iter().map(identifier).collect()
    }

    /// The accounts of those with keys.
    #[must_use]
    pub fn accounts(&self, scenario: &Scenario, now: Timestamp) -> Vec<(Identifier, Account)> {
        let first = workload::subjects(scenario);
        let mut accounts = Vec::new();
        for (population, first) in scenario.populations.iter().zip(first) {
            let plan = &scenario.plans[population.plan].name;
            for member in 0..population.size {
                let Caller::Key(text) = &self.callers[(first + member) as usize] else { continue };
                let account = Account {
                    plan: plan.as_str().into(),
                    created: now,
                    status: Status::Active,
                    whitelist: None,
                    label: format!("{}#{member}", population.name).into(),
                    version: Version::default(),
                };
                accounts.push((key::identifier(text), account));
            }
        }
        accounts
    }

    /// Writes the request of an arrival.
    pub fn write(&self, arrival: &Arrival, out: &mut Vec<u8>) {
        let caller = &self.callers[arrival.subject.index()];
        let from = match caller {
            Caller::Address(address) => *address,
            Caller::Key(_) | Caller::Page(_) => self.addresses.any(usize::from(arrival.country), arrival.bits),
        };
        let wrote = match caller {
            Caller::Key(key) => {
                write!(out, "GET /?api-key={key} HTTP/1.1\r\nhost: georush\r\nx-forwarded-for: {from}\r\n\r\n")
            }
            Caller::Address(_) => write!(out, "GET / HTTP/1.1\r\nhost: georush\r\nx-forwarded-for: {from}\r\n\r\n"),
            Caller::Page(host) => write!(
                out,
                "GET / HTTP/1.1\r\nhost: georush\r\nreferer: https://{host}/\r\nx-forwarded-for: {from}\r\n\r\n"
            ),
        };
        wrote.expect("a vector takes everything");
    }
}

/// The plans file of a scenario.
///
/// # Errors
/// If callers without a key are on several plans, or on one whose windows are not days: the system has one such plan.
pub fn plans(scenario: &Scenario) -> Result<String, String> {
    let mut text = String::new();
    for NamedPlan { name, plan } in &scenario.plans {
        let window = match plan.window {
            WindowKind::DayUtc => "day-utc",
            WindowKind::Anchored24h => "anchored-24h",
            WindowKind::MonthCalendar => "month-calendar",
        };
        writeln!(text, "[plans.{name:?}]\nquota = {}\nwindow = \"{window}\"", plan.quota).expect("a String takes it");
    }
    let strangers = scenario.populations.iter().filter(|population| population.kind != IdentifierKind::ApiKey);
    let mut plans: Vec<usize> = strangers.map(|population| population.plan).collect();
    plans.sort_unstable();
    plans.dedup();
    match plans[..] {
        [] => Ok(text),
        [plan] if scenario.plans[plan].plan.window == WindowKind::DayUtc => {
            writeln!(text, "[anonymous]\nplan = {:?}", scenario.plans[plan].name).expect("a String takes it");
            Ok(text)
        }
        [plan] => Err(format!(
            "plans.{}.window: the system counts callers without a key by the UTC day; give them a plan with \"day-utc\"",
            scenario.plans[plan].name
        )),
        _ => Err("callers by ip and by referer are on several plans, expected one: the system has one plan for all \
                  callers without a key"
            .to_owned()),
    }
}

/// Keys from a file, one a line.
///
/// # Errors
/// If it can't be read.
pub fn read_keys(path: &Path) -> Result<Vec<String>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: can't be read: {error}", path.display()))?;
    Ok(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect())
}

fn too_few(scenario: &Scenario) -> String {
    let keyed = scenario.populations.iter().filter(|population| population.kind == IdentifierKind::ApiKey);
    let wanted: u64 = keyed.map(|population| u64::from(population.size)).sum();
    format!("--keys has fewer keys than the scenario callers with one, expected {wanted}, one a line")
}

/// A key that nobody guesses from another, and that a run with the same seed makes again.
fn made(seed: u64, population: &str, member: u32) -> String {
    let digest = Sha256::digest(format!("{seed}/{population}/{member}"));
    digest.iter().take(20).fold(String::with_capacity(40), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes it");
        text
    })
}

/// A population's name as part of a host.
fn host(name: &str) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    name.chars().map(letter).collect()
}

/// Where the members of a population live: drawn from the countries of its first client group.
struct Homes {
    countries: Vec<usize>,
    places: Alias,
    bits: rand::rngs::Xoshiro256PlusPlus,
}

impl Homes {
    fn new(scenario: &Scenario, population: usize) -> Self {
        let group = scenario.clients.iter().find(|clients| clients.population == population);
        let from = group.map_or(&[][..], |clients| &clients.from[..]);
        let weights: Vec<f64> = from.iter().map(|&(_, ppm)| f64::from(ppm)).collect();
        let name = format!("live/homes/{}", scenario.populations[population].name);
        Self {
            countries: from.iter().map(|&(country, _)| country).collect(),
            places: Alias::weights(if weights.is_empty() { &[1.0] } else { &weights }),
            bits: Seed(scenario.seed).stream(&name),
        }
    }

    fn draw(&mut self) -> usize {
        let place = self.places.draw(self.bits.next_u64()) as usize;
        self.countries.get(place).copied().unwrap_or_default()
    }
}
