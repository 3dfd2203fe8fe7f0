//! What can be wrong with tables and streams: the files of a state directory, or the services of another backend.
//!
//! Not here: what to do about it; commands say it and end, drivers log it, wait and try again.

use std::{io, path::PathBuf};

use georush_core::Identifier;

/// Why a backend did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The directory is no place for files.
    #[error("{}: can't hold state: {source}; choose a directory that this user may write", directory.display())]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The directory holds no state.
    #[error(
        "{}: there is no state in it; give the directory that a server uses, or begin one here with `georush serve` or \
         `georush keys create`",
        directory.display()
    )]
    NoState {
        /// The directory.
        directory: PathBuf,
    },
    /// Another version wrote the file.
    #[error(
        "{}: its layout is {found}, expected {wanted}: another version of georush wrote it; use that version, or move \
         the file away",
        file.display()
    )]
    Layout {
        /// The file.
        file: PathBuf,
        /// Number of its layout.
        found: i32,
        /// Number of the layout that this version reads.
        wanted: i32,
    },
    /// The file holds nothing that can be understood.
    #[error("{}: damaged, or not a file of georush ({found}); restore it from a backup, or move it away", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What was found.
        found: String,
    },
    /// SQLite could not do it: locked for too long, disk full and the like.
    #[error("{}: {doing} failed: {source}", file.display())]
    Sqlite {
        /// The file.
        file: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// What SQLite says.
        source: rusqlite::Error,
    },
    /// A region's file and the central table were not made for each other.
    #[error(
        "{}: region {region} has number {found}, but {wanted} in central.db: the files do not belong together; restore \
         both from the same backup",
        file.display()
    )]
    Foreign {
        /// The region's file.
        file: PathBuf,
        /// The region.
        region: String,
        /// Its number in its own file.
        found: u16,
        /// Its number in the central table.
        wanted: u16,
    },
    /// A region can't be called so.
    #[error("{0:?} is no name of a region, expected lower-case letters, digits and hyphens, such as eu-west-1")]
    RegionName(String),
    /// The backend has no table for a region.
    #[error("there is no region {0:?}, expected one of: {1}; name its table in the backend file")]
    UnknownRegion(String, String),
    /// No number is left for a region or a life of its edge.
    #[error("{0}: all 65,535 {1} are used up; start with a new state directory")]
    UsedUp(String, &'static str),
    /// The key exists.
    #[error("{0} exists already; a key is made once")]
    Exists(Identifier),
    /// Somebody else holds the lease and goes on holding it.
    #[error("another aggregator works on this backend; stop it first (a `serve` counts, too)")]
    Held,
    /// The stream can't be made.
    #[error("{}: there is a stream already; `georush stream split` and `merge` change its shards", .0.display())]
    StreamExists(PathBuf),
    /// A shard can't be split or merged so.
    #[error("shard {0} {1}")]
    Shard(u16, String),
    /// The beginning of the stream is gone.
    #[error(
        "stream.db: records before sequence number {oldest} are trimmed, so that counts of then can't be rebuilt; restore \
         central.db from a backup, and keep the stream for longer than a window (--stream-kept)"
    )]
    Trimmed {
        /// The oldest record of the shard that lacks most.
        oldest: u64,
    },
    /// The backend can't count again from there.
    #[error(
        "on AWS, counting again begins at the oldest record: expected --from trim-horizon, which changes no count either; what Kinesis \
         keeps says neither what time nor how many records a checkpoint is"
    )]
    OnlyFromTrimHorizon,
    /// The central table is being made whole.
    #[error("counts are being made whole; nothing is published until the aggregator has come to where the stream was")]
    HeldBack,
    /// The threads that wait for a service can't be had.
    #[error("threads for calls of {0} can't be started: {1}; allow this user more processes (`ulimit -u`)")]
    Threads(&'static str, io::Error),
    /// A service of another backend did not do it.
    #[error("{endpoint}: {operation} failed: {found}; {remedy}")]
    Service {
        /// Which service, where.
        endpoint: String,
        /// Its operation.
        operation: String,
        /// What it said, or what became of the call.
        found: String,
        /// What may help.
        remedy: String,
    },
    /// Another aggregator has taken over; this one's writes are refused.
    #[error("another aggregator has taken over; the batch was not written")]
    Fenced,
}

impl Error {
    /// `source`, which happened to `file`; tells damage from what may pass.
    pub(super) fn sqlite(file: &std::path::Path, doing: &'static str, source: rusqlite::Error) -> Self {
        use rusqlite::{Error as Sql, ErrorCode};
        let file = file.to_owned();
        match source {
            Sql::SqliteFailure(code, _)
                if matches!(code.code, ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) =>
            {
                Self::Damaged { file, found: source.to_string() }
            }
            Sql::FromSqlConversionFailure(..) | Sql::InvalidColumnType(..) | Sql::IntegralValueOutOfRange(..) => {
                Self::Damaged { file, found: source.to_string() }
            }
            _ => Self::Sqlite { file, doing, source },
        }
    }
}

/// What ends a transaction without effect.
#[derive(Debug)]
pub(super) enum Halt {
    /// SQLite.
    Sqlite(rusqlite::Error),
    /// A condition of ours.
    Told(Error),
}

impl From<rusqlite::Error> for Halt {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Self::Told(error)
    }
}
