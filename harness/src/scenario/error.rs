//! What is wrong with a scenario file: all of it, one line each. Not here: finding it.

use std::fmt;

/// Where a problem is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A file as a whole, which could not be read.
    File(String),
    /// A line of a file, from 1.
    Line(String, usize),
    /// An override as written, `path=value`.
    Override(String),
}

impl Place {
    /// The line in the file; 0 for what has none.
    #[must_use]
    pub fn line(&self) -> usize {
        match self {
            Self::Line(_, line) => *line,
            Self::File(_) | Self::Override(_) => 0,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => f.write_str(file),
            Self::Line(file, line) => write!(f, "{file}:{line}"),
            Self::Override(text) => write!(f, "--set {text}"),
        }
    }
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct ScenarioError {
    /// Where.
    pub place: Place,
    /// What was found and what was wanted; one line.
    pub message: String,
}

impl ScenarioError {
    pub(super) fn new(place: Place, message: impl fmt::Display) -> Self {
        // A found value or a parser's message may hold line breaks; a problem is one line.
        let message = message.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        Self { place, message }
    }
}

/// All problems of a scenario file, in the order of their lines. Never empty when it is returned as an error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Errors(pub Vec<ScenarioError>);

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            let end = if i == 0 { "" } else { "\n" };
            write!(f, "{end}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Errors {}

impl From<ScenarioError> for Errors {
    fn from(error: ScenarioError) -> Self {
        Self(vec![error])
    }
}

/// `; did you mean "x"?` if one of the names is close to `found`, else the names themselves if they are few.
pub(super) fn suggestion<'a>(found: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    match nearest(found, &names) {
        Some(name) => format!("; did you mean \"{name}\"?"),
        None if names.is_empty() || names.len() > 20 => String::new(),
        None => format!("; known: {}", names.join(", ")),
    }
}

/// The name that takes the fewest edits to reach, if they are few for its length; the first of several.
fn nearest<'a>(found: &str, names: &[&'a str]) -> Option<&'a str> {
    let found = found.to_lowercase();
    let limit = (found.chars().count() / 3).max(1);
    let (edits, name) = names.iter().map(|name| (distance(&found, &name.to_lowercase()), *name)).min_by_key(|x| x.0)?;
    (edits <= limit && found.len() < 100).then_some(name)
}

/// Insertions, deletions, replacements and swaps of neighbours between two words.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(100).collect(), b.chars().take(100).collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        rows[i][0] = i;
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            rows[i][j] = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                rows[i][j] = rows[i][j].min(rows[i - 2][j - 2] + 1);
            }
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swap_of_neighbours_is_one_edit() {
        assert_eq!(distance("duratoin", "duration"), 1);
        assert_eq!(distance("ap-southeast2", "ap-southeast-2"), 1);
        assert_eq!(distance("", "abc"), 3);
    }

    #[test]
    fn a_far_name_is_not_suggested_but_a_short_list_is_shown() {
        assert_eq!(suggestion("quotaa", ["quota", "window"]), "; did you mean \"quota\"?");
        assert_eq!(suggestion("elephant", ["quota", "window"]), "; known: quota, window");
    }
}
