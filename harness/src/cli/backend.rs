//! Which backend a command works on: the state directory, or what a backend file names.
//!
//! Not here: what a command does with it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use georush::live::link;
use georush_system::{
    backend::{Backend, config::Config},
    store::Directory,
};

use super::Stop;

#[derive(Debug, Args)]
pub(super) struct BackendArg {
    /// Backend file: which tables and which stream, if not files in the state directory.
    #[arg(long = "backend", value_name = "FILE", env = "GEORUSH_BACKEND")]
    file: Option<PathBuf>,
}

impl BackendArg {
    /// The backend that the file names, or files in the directory `state`, opened by `open`. In a process that a live run started, as
    /// far away as the run wants it.
    pub(super) fn open(
        &self,
        state: &Path,
        open: impl Fn(&Path) -> Result<Directory, georush_system::store::Error>,
    ) -> Result<Arc<dyn Backend>, Stop> {
        let told = |error| Stop::could_not_run(format!("the orders of the live run can't be read: {error}"));
        link::keep(self.near(state, open)?).map_err(told)
    }

    fn near(
        &self,
        state: &Path,
        open: impl Fn(&Path) -> Result<Directory, georush_system::store::Error>,
    ) -> Result<Arc<dyn Backend>, Stop> {
        let embedded = |state: &Path| -> Result<Arc<dyn Backend>, Stop> {
            Ok(Arc::new(open(state).map_err(Stop::could_not_run)?))
        };
        let Some(file) = &self.file else { return embedded(state) };
        match Config::load(file).map_err(Stop::could_not_run)? {
            Config::Embedded(named) => embedded(named.as_deref().unwrap_or(state)),
            #[cfg(feature = "aws")]
            Config::Aws(settings) => Ok(Arc::new(georush_aws::Aws::open(settings).map_err(Stop::could_not_run)?)),
            #[cfg(not(feature = "aws"))]
            Config::Aws(_) => {
                let file = file.display();
                let wanted = "build it with `cargo build --release --features aws`";
                Err(Stop::could_not_run(format!(
                    "{file}: the backend is \"aws\", which this georush was built without; {wanted}"
                )))
            }
        }
    }

    /// The state directory, for what only files can do.
    pub(super) fn files(&self, state: &Path, doing: &str) -> Result<PathBuf, Stop> {
        let named = match &self.file {
            None => None,
            Some(file) => match Config::load(file).map_err(Stop::could_not_run)? {
                Config::Embedded(named) => named,
                Config::Aws(_) => {
                    let file = file.display();
                    let wanted = "expected a backend of files; docs/operations.md says what there is on AWS";
                    return Err(Stop::could_not_run(format!(
                        "{file}: the backend is \"aws\", and {doing} needs another: {wanted}"
                    )));
                }
            },
        };
        Ok(named.unwrap_or_else(|| state.to_owned()))
    }
}
