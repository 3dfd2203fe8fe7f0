//! JSON members, written straight into bytes.
//!
//! Not here: what is worth writing.

use std::io::Write;

/// Appends members of an object, each followed by a comma.
pub(super) trait Text {
    /// A text, or null.
    fn text(&mut self, name: &str, value: Option<&str>) -> &mut Self;
    /// Replaces the comma after the last member.
    fn end(&mut self, with: &[u8]) -> &mut Self;
}

impl Text for Vec<u8> {
    fn text(&mut self, name: &str, value: Option<&str>) -> &mut Self {
        push_string(self, name);
        self.push(b':');
        match value {
            Some(value) => push_string(self, value),
            None => self.extend_from_slice(b"null"),
        }
        self.push(b',');
        self
    }

    fn end(&mut self, with: &[u8]) -> &mut Self {
        self.pop();
        self.extend_from_slice(with);
        self
    }
}

/// Appends a JSON string.
pub(super) fn push_string(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("writing text to memory can't fail");
}

/// Appends degrees, rounded to four places (about 10 m), without trailing zeros. Vendors store them as 32-bit floats, whose
/// decimals beyond that are noise.
pub(super) fn push_float(out: &mut Vec<u8>, value: Option<f64>) {
    match value.filter(|value| value.is_finite()) {
        None => out.extend_from_slice(b"null"),
        Some(value) => {
            let rounded = (value * 10_000.0).round() / 10_000.0;
            // Adding zero turns -0.0 into 0.0.
            write!(out, "{}", rounded + 0.0).expect("writing to memory can't fail");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn degrees_have_at_most_four_places() {
        for (value, wanted) in [
            (Some(f64::from(37.422_f32)), "37.422"),
            (Some(-0.000_01), "0"),
            (Some(-97.0), "-97"),
            (Some(f64::NAN), "null"),
            (None, "null"),
        ] {
            let mut out = Vec::new();
            push_float(&mut out, value);
            assert_eq!(String::from_utf8(out).as_deref(), Ok(wanted));
        }
    }
}
