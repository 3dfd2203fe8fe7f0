//! The text of a TOML file that a user wrote: read strictly, and what is wrong with it told with its line.
//!
//! Not here: what such files say, and reading them from the disk.

use serde::de::DeserializeOwned;

/// What is wrong with a file, and where.
#[derive(Debug, thiserror::Error)]
#[error("{file}:{line}: {message}")]
pub struct Wrong {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What was found and what was wanted.
    pub message: String,
}

/// The text of a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TomlText<'a> {
    /// The file's name in errors.
    pub(crate) file: &'a str,
    /// What is in it.
    pub(crate) text: &'a str,
}

impl TomlText<'_> {
    /// Reads the whole of it.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, Wrong> {
        toml::from_str(self.text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            self.wrong(at, error.message().replace('\n', ", "))
        })
    }

    /// Says what is wrong at this byte of it.
    pub(crate) fn wrong(&self, at: usize, message: String) -> Wrong {
        Wrong { file: self.file.to_owned(), line: self.text[..at].matches('\n').count() + 1, message }
    }
}
