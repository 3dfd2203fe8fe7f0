//! The embedded tables and the embedded stream: SQLite files in one state directory, shared by processes of one machine.
//!
//! `central.db` is the central table, `stream.db` the stream, `<region>.db` a region's table. Not here: who reads and
//! writes them when; that is the pipeline.

mod backend;
mod central;
mod error;
mod file;
mod items;
mod regional;
mod stream;

pub use central::{Applied, Batch, Central, DeadLetter, Lease, Letter, Position, Reached, SubjectChanges};
pub use error::Error;
pub use regional::Regional;
pub use stream::{Record, SHARDS, SHARDS_MAX, Shard, Stream};

use std::{
    fs,
    path::{Path, PathBuf},
    process,
};

use georush_core::{Timestamp, Version};

const CENTRAL: &str = "central";
const STREAM: &str = "stream";

/// A state directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory(PathBuf);

impl Directory {
    /// The directory at `path`, made if there is none.
    ///
    /// # Errors
    /// If it can't be made or written.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let probe = path.join(format!(".writable-{}", process::id()));
        let told = |source| Error::Directory { directory: path.to_owned(), source };
        fs::create_dir_all(path).and_then(|()| fs::write(&probe, "")).map_err(told)?;
        // Another thread of this process may have removed it.
        let _ = fs::remove_file(&probe);
        Ok(Self(path.to_owned()))
    }

    /// The directory at `path`, which must hold state already: a central table, or a stream that was made before any role began.
    ///
    /// # Errors
    /// If it holds none.
    pub fn existing(path: &Path) -> Result<Self, Error> {
        let directory = Self(path.to_owned());
        if [CENTRAL, STREAM].iter().any(|name| directory.file(name).exists()) {
            return Ok(directory);
        }
        Err(Error::NoState { directory: path.to_owned() })
    }

    /// Opens the central table. If a region has seen more than it holds, it was restored from a backup, and begins a new
    /// generation. Everybody who writes to it comes through here, so that nothing is written before this is known; a backup
    /// may only be put in place while no process has the file open.
    ///
    /// # Errors
    /// If the file can't be opened or the directory can't be read.
    pub fn central(&self) -> Result<Central, Error> {
        let mut central = Central::open(self.file(CENTRAL))?;
        if central.supersede(self.newest_seen()?, || self.known_stream())? {
            tracing::warn!(state = %self.0.display(), "central.db is older than what regions hold: a new generation begins");
        }
        Ok(central)
    }

    /// The newest version that any region has seen. A region's file that can't be read is its replicator's to tell.
    fn newest_seen(&self) -> Result<Version, Error> {
        let told = |source| Error::Directory { directory: self.0.clone(), source };
        let mut newest = Version::default();
        for entry in fs::read_dir(&self.0).map_err(told)? {
            let path = entry.map_err(told)?.path();
            let is_table = path.extension().is_some_and(|extension| extension == "db");
            if is_table && path != self.file(CENTRAL) && path != self.file(STREAM) {
                let cursor = Regional::open(path).and_then(|mut regional| regional.cursor());
                newest = newest.max(cursor.unwrap_or_default());
            }
        }
        Ok(newest)
    }

    /// How far the stream goes; nothing if it can't be read, because then it can't be counted either.
    fn known_stream(&self) -> Option<Reached> {
        let mut stream = self.stream().ok()?;
        Some(Reached { stream: stream.id().to_owned(), sequences: stream.newest().ok()? })
    }

    /// Opens the stream; one that is new has [`SHARDS`] shards.
    ///
    /// # Errors
    /// If the file can't be opened.
    pub fn stream(&self) -> Result<Stream, Error> {
        Stream::open(self.file(STREAM))
    }

    /// Makes the stream with so many shards, 1 to [`SHARDS_MAX`].
    ///
    /// # Errors
    /// [`Error::StreamExists`] if there is one, or if the file can't be written.
    pub fn create_stream(&self, now: Timestamp, shards: u16) -> Result<Stream, Error> {
        let path = self.file(STREAM);
        if path.exists() {
            return Err(Error::StreamExists(path));
        }
        let mut stream = self.stream()?;
        stream.divide(now, shards.clamp(1, SHARDS_MAX))?;
        Ok(stream)
    }

    /// Opens a region's table; a new region is given the next number.
    ///
    /// # Errors
    /// If the name is none, a file can't be opened, or the region's file and the central table are of different states.
    pub fn regional(&self, region: &str) -> Result<Regional, Error> {
        let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if region.is_empty() || !region.bytes().all(letter) || [CENTRAL, STREAM].contains(&region) {
            return Err(Error::RegionName(region.to_owned()));
        }
        let mut regional = Regional::open(self.file(region))?;
        let number = self.central()?.register(region, regional.known_number()?)?;
        regional.adopt(region, number)?;
        Ok(regional)
    }

    /// One more connection to the table of a region that was opened before; nothing else is looked at.
    fn table(&self, region: &str) -> Result<Regional, Error> {
        Regional::open(self.file(region))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Whether the region has a table here.
    #[must_use]
    pub fn has_region(&self, region: &str) -> bool {
        self.file(region).exists()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.db"))
    }
}

#[cfg(test)]
pub(crate) mod tests;
