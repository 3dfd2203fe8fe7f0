//! What can go wrong with a package, one clear line each.
//!
//! Not here: what is done about it.

use std::{io, path::PathBuf};

/// Why a package could not be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no `npm` to run.
    #[error(
        "npm: not found, needed to download {0}; install Node.js, or run `npm pack {0}` elsewhere and name the folder with --packages"
    )]
    NpmMissing(String),
    /// npm ran and did not deliver.
    #[error("npm pack {package}: {found}; expected an archive; check the network and npm's configuration")]
    NpmFailed {
        /// Name and version.
        package: String,
        /// npm's own words.
        found: String,
    },
    /// The package, or this version of it, is gone.
    #[error(
        "npm pack {0}: npm has no such package; expected one to exist; if you have it, name its folder with --packages"
    )]
    NotFound(String),
    /// No archive where one should be.
    #[error("{path}: {found}, expected the archive that `npm pack {package}` makes")]
    Unreadable {
        /// The file.
        path: String,
        /// The system's own words.
        found: io::Error,
        /// Name and version.
        package: String,
    },
    /// The content is not what this version of georush was made with.
    #[error("{file}: sha512-{found}, expected sha512-{expected}; remove it and download it again")]
    Digest {
        /// The archive.
        file: String,
        /// Its digest.
        found: String,
        /// The pinned one.
        expected: &'static str,
    },
    /// Not a gzipped tar, or a broken one.
    #[error("{file}: {found}, expected a gzipped tar archive")]
    Broken {
        /// The archive.
        file: String,
        /// What the decoder says.
        found: io::Error,
    },
    /// An entry would be written outside of the archive's own folder.
    #[error("{file}: entry {found:?}, expected paths below package/; do not use this archive")]
    Unsafe {
        /// The archive.
        file: String,
        /// The entry.
        found: PathBuf,
    },
    /// The archive lacks a file.
    #[error("{file}: no file package/{wanted}, expected one; is it the right package?")]
    FileMissing {
        /// The archive.
        file: String,
        /// The file.
        wanted: String,
    },
    /// Nowhere to put a download or what is unpacked.
    #[error("{path}: can't be written: {found}")]
    Unwritable {
        /// The file or directory.
        path: String,
        /// The system's own words.
        found: io::Error,
    },
}
