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

    /// Changes what survives a loss of power from here on.
    pub(super) fn set_durability(&mut self, durability: Durability) -> Result<(), Error> {
        synchronise(&self.connection, durability).map_err(|e| Error::sqlite(&self.path, "setting its durability", e))
    }

    /// Reads one consistent state.
    pub(super) fn read<T>(
        &mut self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Halt>,
    ) -> Result<T, Error> {
        self.transact(TransactionBehavior::Deferred, doing, |transaction| work(transaction))
    }

    /// Does all of `work`, or nothing of it.
    pub(super) fn write<T>(
        &mut self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, Halt>,
    ) -> Result<T, Error> {
        self.transact(TransactionBehavior::Immediate, doing, |transaction| work(transaction))
    }

    fn transact<T>(
        &mut self,
        behaviour: TransactionBehavior,
        doing: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> Result<T, Halt>,
    ) -> Result<T, Error> {
        let done = self.connection.transaction_with_behavior(behaviour).map_err(Halt::from).and_then(|transaction| {
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
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
