//! One SQLite file that several processes share: opening it, and short transactions.
//!
//! Not here: what is in it.

use std::{
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use super::error::{Error, Halt};

/// How long a statement waits for another process's transaction.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pages that a file's journal holds before they are copied into the file: each copy takes two waits for the disk, whatever its size.
const CHECKPOINT_PAGES: i64 = 4_000;

/// KiB of a file that a connection keeps in memory at most. A transaction that changes more writes pages more than once, and reads them
/// again.
const CACHE_KIB: i64 = 4 << 10;

/// What survives a loss of power. Every setting survives the end of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// Every transaction.
    Each,
    /// A prefix of the transactions.
    Prefix,
}

/// An open file.
#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    connection: Connection,
}

impl File {
    /// Opens `path`, which is made if it does not exist. A layout is the steps from an empty file to its tables; a file that an
    /// earlier version wrote takes those that it lacks.
    pub(super) fn open(path: PathBuf, layout: &[&str], durability: Durability) -> Result<Self, Error> {
        let open = |path: &Path| -> Result<Connection, Halt> {
            let connection = Connection::open_with_flags(path, OpenFlags::default())?;
            connection.busy_timeout(PATIENCE)?;
            connection.set_prepared_statement_cache_capacity(64);
            let file = || path.to_owned();
            lay_out(&connection, layout, file)?;
            write_ahead(&connection)?;
            connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
            connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
            synchronise(&connection, durability)?;
            Ok(connection)
        };
        match open(&path) {
            Ok(connection) => Ok(Self { path, connection }),
            Err(halt) => Err(told(&path, "opening it", halt)),
        }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps up to so many KiB of the file in memory, and as much in its journal, for those who change rows all over it.
    pub(super) fn set_cache(&self, kib: i64) -> Result<(), Error> {
        let set = |name, value| self.connection.pragma_update(None, name, value);
        let pages = (kib / 4).max(CHECKPOINT_PAGES);
        set("cache_size", -kib)
            .and_then(|()| set("wal_autocheckpoint", pages))
            .map_err(|e| Error::sqlite(&self.path, "setting the size of its cache", e))
    }

    /// Changes what survives a loss of power from here on.
    pub(super) fn set_durability(&mut self, durability: Durability) -> Result<(), Error> {
        synchronise(&self.connection, durability).map_err(|e| Error::sqlite(&self.path, "setting its durability", e))
    }

    /// A number that changes whenever another connection, of whichever process, has written. Much cheaper than any look at what it
    /// wrote.
    pub(super) fn version(&self) -> Result<u64, Error> {
        let version = self.connection.prepare_cached("PRAGMA data_version");
        version
            .and_then(|mut version| version.query_row([], |row| row.get(0)))
            .map_err(|error| Error::sqlite(&self.path, "looking for changes", error))
    }

    /// Reads one consistent state.
    pub(super) fn read<T>(
        &mut self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Halt>,
    ) -> Result<T, Error> {
        self.transact("BEGIN", doing, work)
    }

    /// Does all of `work`, or nothing of it.
    pub(super) fn write<T>(
        &mut self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Halt>,
    ) -> Result<T, Error> {
        self.transact("BEGIN IMMEDIATE", doing, work)
    }

    /// rusqlite's own transactions compile their statements anew each time.
    fn transact<T>(
        &mut self,
        begin: &str,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Halt>,
    ) -> Result<T, Error> {
        let db = &self.connection;
        let run = |statement: &str| -> Result<(), Halt> { Ok(db.prepare_cached(statement)?.execute([]).map(|_| ())?) };
        let done = run(begin).and_then(|()| {
            let done = work(db).and_then(|value| run("COMMIT").map(|()| value));
            if done.is_err() && !db.is_autocommit() {
                // If this fails, SQLite has rolled back already, or will when the file is closed.
                let _ = run("ROLLBACK");
            }
            done
        });
        done.map_err(|halt| told(&self.path, doing, halt))
    }
}

fn told(path: &Path, doing: &'static str, halt: Halt) -> Error {
    match halt {
        Halt::Told(error) => error,
        Halt::Sqlite(error) => Error::sqlite(path, doing, error),
    }
}

/// Takes the steps that a file lacks; refuses a file with others.
fn lay_out(connection: &Connection, layout: &[&str], file: impl Fn() -> PathBuf) -> Result<(), Halt> {
    let wanted = layout.len() as i32;
    let found = || connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i32>(0));
    if found()? == wanted {
        return Ok(());
    }
    let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
    let (found, tables) =
        (found()?, transaction.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get::<_, u64>(0))?);
    if !(0..=wanted).contains(&found) || (found == 0 && tables > 0) {
        return Err(Error::Layout { file: file(), found, wanted }.into());
    }
    for step in &layout[found as usize..] {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", wanted)?;
    Ok(transaction.commit()?)
}

/// Lets readers and one writer work side by side. SQLite does not wait for others here, whatever its patience.
fn write_ahead(connection: &Connection) -> rusqlite::Result<()> {
    let until = Instant::now() + PATIENCE;
    loop {
        match connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())) {
            Err(rusqlite::Error::SqliteFailure(error, _))
                if error.code == ErrorCode::DatabaseBusy && Instant::now() < until =>
            {
                thread::sleep(Duration::from_millis(5));
            }
            done => return done,
        }
    }
}

fn synchronise(connection: &Connection, durability: Durability) -> rusqlite::Result<()> {
    let level = match durability {
        Durability::Each => "FULL",
        Durability::Prefix => "NORMAL",
    };
    connection.pragma_update(None, "synchronous", level)
}
