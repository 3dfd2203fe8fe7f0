//! The valid name that somebody probably meant.
//!
//! Not here: saying so; that is the error's.

/// The name with the fewest edits from `found`, if a third of its letters or fewer differ.
pub(crate) fn nearest<'a>(found: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = names.map(|name| (distance(found, name), name)).min()?;
    (near.0 <= found.len().max(3) / 3).then_some(near.1)
}

/// Levenshtein's distance, in bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let change = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_is_understood_and_another_word_is_not() {
        let names = ["free", "business", "startup"];
        for (found, meant) in [("fre", Some("free")), ("bussines", Some("business")), ("gold", None), ("", None)] {
            assert_eq!(nearest(found, names.into_iter()), meant, "{found}");
        }
    }
}
