//! Why a gate could not judge: one line, with the place and what to do.
//!
//! Not here: failures of what was judged.

use std::{fmt::Display, path::Path};

use crate::report::{read::ReadError, write::WriteError};

/// Why no judgement is possible.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct GateError(String);

impl GateError {
    pub(super) fn at(path: &Path, what: impl Display) -> Self {
        Self(format!("{}: {what}", path.display()))
    }

    pub(super) fn of(what: impl Display) -> Self {
        Self(what.to_string())
    }
}

impl From<ReadError> for GateError {
    fn from(error: ReadError) -> Self {
        Self(error.to_string())
    }
}

impl From<WriteError> for GateError {
    fn from(error: WriteError) -> Self {
        Self(error.to_string())
    }
}
