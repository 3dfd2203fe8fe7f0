//! Result files: whole or not at all.
//!
//! Not here: what is in them.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// Why results can't be written.
#[derive(Debug, thiserror::Error)]
#[error("can't write results to {}: {source}; give a place that you may write to", path.display())]
pub struct WriteError {
    /// What could not be written.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// A directory that took a file a moment ago.
#[derive(Debug)]
pub struct Target {
    directory: PathBuf,
    created: Vec<PathBuf>,
}

impl Target {
    /// Creates the directory if need be and proves that a file can be written there and named `names`.
    ///
    /// # Errors
    /// If it can't; then nothing is left behind.
    pub fn prepare(directory: &Path, names: &[&str]) -> Result<Self, WriteError> {
        let missing = directory.ancestors().take_while(|a| !a.as_os_str().is_empty() && !a.exists());
        let target = Self { directory: directory.to_owned(), created: missing.map(Path::to_owned).collect() };
        match target.probe(names) {
            Ok(()) => Ok(target),
            Err(source) => {
                target.discard();
                Err(WriteError { path: directory.to_owned(), source })
            }
        }
    }

    fn probe(&self, names: &[&str]) -> io::Result<()> {
        fs::create_dir_all(&self.directory)?;
        for name in names {
            if self.directory.join(name).is_dir() {
                return Err(io::Error::new(io::ErrorKind::IsADirectory, format!("{name} is a directory")));
            }
            let partial = self.partial(name);
            File::create(&partial)?;
            fs::remove_file(&partial)?;
        }
        Ok(())
    }

    /// Writes one file: first beside its name, then, when it is safely stored, under it.
    ///
    /// # Errors
    /// If it can't; an older file of that name is then untouched.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, WriteError> {
        let (partial, path) = (self.partial(name), self.directory.join(name));
        let stored = store(&partial, bytes).and_then(|()| fs::rename(&partial, &path));
        if let Err(source) = stored {
            // The first error is the one to tell.
            let _ = fs::remove_file(&partial);
            return Err(WriteError { path, source });
        }
        // Not every file system can sync a directory; the file itself is stored.
        let _ = File::open(&self.directory).and_then(|directory| directory.sync_all());
        Ok(path)
    }

    /// Takes back what [`Target::prepare`] created, as long as it is empty.
    pub fn discard(self) {
        for directory in self.created {
            if fs::remove_dir(directory).is_err() {
                break;
            }
        }
    }

    fn partial(&self, name: &str) -> PathBuf {
        self.directory.join(format!(".{name}.partial-{}", std::process::id()))
    }
}

/// The folder and the name of a file that is to be written; `None` if the path names none.
#[must_use]
pub fn place(path: &Path) -> Option<(&Path, &str)> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Some((directory, path.file_name()?.to_str()?))
}

fn store(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("georush-write-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        path
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).expect("the directory exists");
        entries.map(|e| e.expect("readable").file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_result_is_there_whole_and_nothing_else_is() {
        let root = scratch("whole");
        let target = Target::prepare(&root.join("a/b"), &["result.json"]).expect("writable");
        assert_eq!(names(&root.join("a/b")), Vec::<String>::new());
        target.write("result.json", b"one").expect("writable");
        let path = target.write("result.json", b"two").expect("writable");
        assert_eq!(fs::read(path).expect("written"), b"two");
        assert_eq!(names(&root.join("a/b")), ["result.json"]);
        fs::remove_dir_all(root).expect("ours");
    }

    #[test]
    fn a_target_that_is_discarded_leaves_no_trace() {
        let root = scratch("discarded");
        fs::create_dir(&root).expect("new");
        Target::prepare(&root.join("a/b/c"), &["result.json"]).expect("writable").discard();
        assert_eq!(names(&root), Vec::<String>::new());
        fs::remove_dir(root).expect("ours");
    }

    #[test]
    fn a_file_in_the_way_is_one_clear_error() {
        let root = scratch("blocked");
        fs::create_dir_all(root.join("taken/result.json")).expect("new");
        fs::write(root.join("file"), "").expect("writable");
        let told = |path: &Path| Target::prepare(path, &["result.json"]).expect_err("blocked").to_string();
        assert!(told(&root.join("file")).starts_with("can't write results to "));
        assert!(told(&root.join("file/below")).ends_with("give a place that you may write to"));
        assert!(told(&root.join("taken")).contains("result.json is a directory"));
        assert_eq!(names(&root.join("taken")), ["result.json"]);
        fs::remove_dir_all(root).expect("ours");
    }
}
