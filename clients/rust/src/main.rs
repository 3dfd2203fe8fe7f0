//! The client that ipdata publishes for Rust.

use std::{env, fmt::Debug, process::ExitCode};

use ipdata::{Error, IpData};

const V6: &str = "2001:4860:4860::8888";

struct Checks(u32);

impl Checks {
    fn equal<T: Debug + PartialEq>(&mut self, what: &str, found: T, wanted: T) {
        if found == wanted {
            println!("ok   crate ipdata 0.1.1: {what}");
        } else {
            self.0 += 1;
            println!("FAIL crate ipdata 0.1.1: {what}: found {found:?}, wanted {wanted:?}");
        }
    }
}

/// Status and message of an answer that is none, or what else went wrong.
fn told<T: Debug>(answer: ipdata::Result<T>) -> (u16, String) {
    match answer {
        Err(Error::Api { status, message }) => (status, message),
        other => (0, format!("{other:?}")),
    }
}

fn or_error<T>(answer: ipdata::Result<T>) -> Result<T, String> {
    answer.map_err(|error| format!("{error:?}"))
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let of = |name: &str| env::var(name).expect("clients/run sets it");
    let (url, key) = (of("GEORUSH_URL"), of("GEORUSH_KEY"));
    let paid = IpData::with_base_url(&key, &url);
    let stranger = IpData::with_base_url("nobodys", &url);
    let tiny = IpData::with_base_url("tiny-rust", &url);
    let mut checks = Checks(0);

    let eight = or_error(paid.lookup("8.8.8.8").await);
    let seen = eight.clone().map(|one| (one.ip, one.country_code, one.asn.map(|asn| asn.asn)));
    checks.equal("8.8.8.8", seen, Ok(("8.8.8.8".to_owned(), some("US"), some("AS15169"))));
    let digits = eight.map(|one| one.count.is_some_and(|count| count.bytes().all(|byte| byte.is_ascii_digit())));
    checks.equal("the count is digits", digits, Ok(true));
    for (ip, country) in [("41.128.21.123", "EG"), ("5.9.0.1", "DE"), ("1.1.1.1", "AU")] {
        checks.equal(ip, or_error(paid.lookup(ip).await).map(|one| one.country_code), Ok(some(country)));
    }
    checks.equal("is_eu", or_error(paid.lookup("5.9.0.1").await).map(|one| one.is_eu), Ok(true));
    checks.equal("an IPv6 address", or_error(paid.lookup(V6).await).map(|one| one.ip), Ok(V6.to_owned()));
    // Nothing is known of this one: every null is a trap for this client.
    checks.equal(
        "an unknown address",
        or_error(paid.lookup("2a13::1").await).map(|one| one.ip),
        Ok("2a13::1".to_owned()),
    );
    let private = || (400, "127.0.0.1 is a private IP address".to_owned());
    checks.equal("own address, a private one", told(paid.lookup_self().await), private());
    let chosen = or_error(paid.lookup_fields("8.8.8.8", &["ip", "country_name"]).await);
    checks.equal(
        "chosen fields",
        chosen.map(|one| (one.country_name, one.asn.is_some())),
        Ok((some("United States"), false)),
    );
    for field in ["country_name", "is_eu", "city", "latitude", "languages", "threat", "carrier"] {
        let value = or_error(paid.lookup_field("8.8.8.8", field).await);
        checks.equal(&format!("the field {field}"), value.map(|_| ()), Ok(()));
    }
    checks.equal("asn", or_error(paid.asn("8.8.8.8").await).map(|one| one.asn), Ok("AS15169".to_owned()));
    checks.equal("carrier", or_error(paid.carrier("8.8.8.8").await).map(|_| ()), Ok(()));
    checks.equal("currency", or_error(paid.currency("8.8.8.8").await).map(|one| one.code), Ok("USD".to_owned()));
    let zone = or_error(paid.time_zone("5.9.0.1").await).map(|one| one.name);
    checks.equal("time zone", zone, Ok("Europe/Berlin".to_owned()));
    checks.equal("threat", or_error(paid.threat("8.8.8.8").await).map(|one| one.is_bogon), Ok(false));
    let three = or_error(paid.bulk(&["8.8.8.8", "41.128.21.123", V6]).await);
    let order = three.map(|all| all.into_iter().map(|one| one.ip).collect::<Vec<_>>());
    checks.equal("bulk of 3, in order", order, Ok(["8.8.8.8", "41.128.21.123", V6].map(str::to_owned).to_vec()));
    let many: Vec<String> = (0..101).map(|number| format!("8.8.{number}.8")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    checks.equal("bulk of 100", or_error(paid.bulk(&many[..100]).await).map(|all| all.len()), Ok(100));
    let beyond = matches!(paid.bulk(&many).await, Err(Error::BulkLimitExceeded));
    checks.equal("bulk of 101 is refused by the client", beyond, true);
    let places = or_error(paid.bulk(&["8.8.8.8", "10.0.0.1"]).await);
    let message = places.map(|all| all[1].message.clone());
    checks.equal("bulk with an error in its place", message, Ok(some("10.0.0.1 is a private IP address")));
    let wrong = (401, "You have not provided a valid API Key.".to_owned());
    checks.equal("a wrong key", told(stranger.lookup("8.8.8.8").await), wrong);
    let reserved = (400, "224.0.0.5 is a reserved IP address.".to_owned());
    checks.equal("a reserved address", told(paid.lookup("224.0.0.5").await), reserved);
    for _ in 0..2 {
        checks.equal("within the quota", or_error(tiny.lookup("8.8.8.8").await).map(|_| ()), Ok(()));
    }
    let quota = told(tiny.lookup("8.8.8.8").await);
    let begins = quota.1.starts_with("You have made 2 requests and have exceeded your daily quota.");
    checks.equal("beyond the quota", (quota.0, begins), (403, true));
    if checks.0 == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
