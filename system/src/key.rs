//! API keys: making one, and what is kept of it.
//!
//! Not here: storing it. A key is seen by its owner only; everybody else sees its SHA-256.

use georush_core::Identifier;
use sha2::{Digest, Sha256};

/// Characters of a key: 216 bits of chance. Two less than ipdata's, so that a key fits into one block of SHA-256.
const LENGTH: usize = 54;

/// The operating system has no random numbers to give.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gives no random numbers, so no key can be made: {0}")]
pub struct NoRandomness(getrandom::Error);

/// Makes a key: 54 characters of lower-case hex.
///
/// # Errors
/// If the operating system has no random numbers to give.
pub fn make() -> Result<String, NoRandomness> {
    let mut bytes = [0; LENGTH / 2];
    getrandom::fill(&mut bytes).map_err(NoRandomness)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What is kept of a key.
#[must_use]
pub fn digest(key: &str) -> [u8; 32] {
    Sha256::digest(key).into()
}

/// The identifier that a key's calls are counted by.
#[must_use]
pub fn identifier(key: &str) -> Identifier {
    Identifier::ApiKey(digest(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_printable_of_one_length_and_never_the_same() {
        let (a, b) = (make().expect("randomness"), make().expect("randomness"));
        assert_ne!(a, b);
        for key in [a, b] {
            assert!(key.len() == LENGTH && key.bytes().all(|byte| byte.is_ascii_hexdigit()), "{key}");
        }
    }

    #[test]
    fn an_identifier_is_the_sha_256_of_the_key() {
        let abc = "key:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(identifier("abc").to_string(), abc);
    }
}
