//! The last key of a result: SHA-256 of everything before it, so that a cut or edited file is not taken for a result.
//!
//! Not here: secrecy. Who wants to deceive can compute it too.

use std::fmt::Write;

use sha2::{Digest, Sha256};

const KEY: &str = ",\n  \"seal\": \"";

/// `text`, an object that ends in `\n}\n`, with its seal as the last key.
#[must_use]
pub fn seal(text: &str) -> String {
    let body = text.strip_suffix("\n}\n").expect("the layout ends objects so");
    format!("{body}{KEY}{}\"\n}}\n", digest(body))
}

/// Whether the seal is there and is that of the text before it. Line ends of other systems do no harm.
#[must_use]
pub fn is_intact(text: &str) -> bool {
    let text = text.replace("\r\n", "\n");
    let Some((body, rest)) = text.rsplit_once(KEY) else { return false };
    rest.split_once('"').is_some_and(|(seal, end)| seal == digest(body) && end.trim() == "}")
}

fn digest(body: &str) -> String {
    Sha256::digest(body).iter().fold(String::with_capacity(64), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a String takes all that is written");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_changed_breaks_the_seal() {
        let sealed = seal("{\n  \"requests\": 12\n}\n");
        assert!(is_intact(&sealed));
        assert!(!is_intact(&sealed.replace("12", "13")));
        assert!(!is_intact(&sealed[..sealed.len() - 4]));
        assert!(!is_intact("{\n  \"requests\": 12\n}\n"));
    }
}
