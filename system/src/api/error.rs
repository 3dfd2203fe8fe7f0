//! What callers are told when they don't get what they asked for.
//!
//! Wording and status are the contract of ipdata's API, because published clients compare them. Not here: quotas' arithmetic.

use std::net::IpAddr;

use georush_core::{Rate, time::SECOND_US};
use hyper::StatusCode;

use super::metrics::Cause;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// An address of a private network.
    Private(IpAddr),
    /// A multicast address, or one that nobody has.
    Reserved(IpAddr),
    /// Neither an address nor anything else that has an answer.
    NotAnAddress(String),
    /// No field of a record.
    NotAField(String),
    /// No name of a JavaScript function.
    NotACallback,
    /// A bulk body that is no array of texts.
    NotAnArray,
    /// More than a hundred addresses.
    TooMany,
    /// No key, or one that nobody has.
    NoValidKey,
    /// The free quota is used up.
    FreeQuota,
    /// A paid quota is used up, after this many requests.
    PaidQuota(u64),
    /// The plan has no bulk requests.
    BulkNotInPlan,
    /// The plan has no autonomous systems.
    SystemsNotInPlan,
    /// The key is for other callers.
    NotInWhitelist,
    /// The data has no such autonomous system.
    UnknownSystem(String),
    /// There is nothing under this path.
    NotFound(String),
    /// Not with this method; those that are allowed.
    Method(&'static str),
    /// More callers without a key than can be remembered.
    Full,
    /// Faster than the plan's rate.
    TooFast {
        /// What the plan allows.
        rate: Rate,
        /// When the next request will be served, microseconds from now.
        after_us: u64,
    },
    /// The table can't be read, and the policy is to refuse then.
    Unavailable,
    /// What the HTTP server itself refused.
    Http(StatusCode, String),
}

impl Error {
    /// Status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Private(_)
            | Self::Reserved(_)
            | Self::NotAnAddress(_)
            | Self::NotAField(_)
            | Self::NotACallback
            | Self::NotAnArray
            | Self::TooMany => StatusCode::BAD_REQUEST,
            Self::NoValidKey => StatusCode::UNAUTHORIZED,
            Self::FreeQuota
            | Self::PaidQuota(_)
            | Self::BulkNotInPlan
            | Self::SystemsNotInPlan
            | Self::NotInWhitelist => StatusCode::FORBIDDEN,
            Self::UnknownSystem(_) | Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Full | Self::TooFast { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Http(status, _) => *status,
        }
    }

    /// The word for it in metrics.
    #[must_use]
    pub fn cause(&self) -> Cause {
        match self {
            Self::Private(_) | Self::Reserved(_) => Cause::SpecialAddress,
            Self::NotAnAddress(_) | Self::NotAField(_) | Self::NotACallback | Self::NotAnArray | Self::TooMany => {
                Cause::BadInput
            }
            Self::NoValidKey => Cause::NoValidKey,
            Self::FreeQuota | Self::PaidQuota(_) => Cause::OverQuota,
            Self::BulkNotInPlan | Self::SystemsNotInPlan => Cause::NotInPlan,
            Self::NotInWhitelist => Cause::NotInWhitelist,
            Self::UnknownSystem(_) | Self::NotFound(_) => Cause::NotFound,
            Self::Method(_) | Self::Http(..) => Cause::BadRequest,
            Self::TooFast { .. } => Cause::TooFast,
            Self::Full | Self::Unavailable => Cause::Unavailable,
        }
    }

    /// After how many seconds it is worth another try, if it is known.
    #[must_use]
    pub fn retry_after_s(&self) -> Option<u32> {
        match self {
            Self::TooFast { after_us, .. } => u32::try_from(after_us.div_ceil(SECOND_US)).ok(),
            Self::Unavailable => Some(5),
            _ => None,
        }
    }

    /// The sentence that callers are told.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::Private(ip) => format!("{ip} is a private IP address"),
            Self::Reserved(ip) => format!("{ip} is a reserved IP address."),
            Self::NotAnAddress(text) => format!("{} does not appear to be an IPv4 or IPv6 address", short(text)),
            Self::NotAField(text) => format!("{} is not a valid field.", short(text)),
            Self::NotACallback => "callback is not a valid name of a JavaScript function.".to_owned(),
            Self::NotAnArray => "You did not provide a valid JSON Array.".to_owned(),
            Self::TooMany => "Bulk requests should not contain more than 100 IP addresses.".to_owned(),
            Self::NoValidKey => "You have not provided a valid API Key.".to_owned(),
            Self::FreeQuota => {
                "You have exceeded your free quota. Upgrade to a paid plan to re-activate your account.".to_owned()
            }
            Self::PaidQuota(count) => format!(
                "You have made {} requests and have exceeded your daily quota. Upgrade to the next plan to re-activate \
                 your account.",
                thousands(*count)
            ),
            Self::BulkNotInPlan => "Upgrade to a paid plan to make bulk requests.".to_owned(),
            Self::SystemsNotInPlan => "Upgrade to a paid plan to access ASN data.".to_owned(),
            Self::NotInWhitelist => "IP or domain not in whitelist.".to_owned(),
            Self::UnknownSystem(text) => format!("{} was not found.", short(text)),
            Self::NotFound(path) => format!("{} was not found; /openapi.json describes what is here.", short(path)),
            Self::Method(allowed) => format!("Only {allowed} can be used here."),
            Self::Full => "Too many callers without an API key. Sign up for a key, or try again tomorrow.".to_owned(),
            Self::TooFast { rate, .. } => format!(
                "You are sending more than {} {} a second. Try again in a second.",
                thousands(u64::from(rate.per_second)),
                if rate.per_second == 1 { "request" } else { "requests" },
            ),
            Self::Unavailable => "Your quota can't be checked right now. Try again in a few seconds.".to_owned(),
            Self::Http(_, message) => message.clone(),
        }
    }
}

/// What callers sent is repeated to them, but not at any length.
fn short(text: &str) -> &str {
    const BYTES_MAX: usize = 100;
    let mut end = text.len().min(BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_those_that_clients_know() {
        let told = |error: Error| (error.status().as_u16(), error.message());
        assert_eq!(told(Error::Private([127, 0, 0, 1].into())), (400, "127.0.0.1 is a private IP address".to_owned()));
        assert_eq!(
            told(Error::PaidQuota(20_000)),
            (
                403,
                "You have made 20,000 requests and have exceeded your daily quota. Upgrade to the next plan to \
                 re-activate your account."
                    .to_owned()
            )
        );
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(thousands(999), "999");
    }

    #[test]
    fn what_callers_sent_is_not_repeated_at_any_length() {
        assert!(Error::NotAnAddress("é".repeat(1_000_000)).message().len() < 200);
    }
}
