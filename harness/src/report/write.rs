//! Result files: whole or not at all; devices, pipes and what else is no file are written through.
//!
//! Not here: what is in them.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// As many as Linux follows.
const LINKS_MAX: usize = 40;

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
            // What is no file is not opened before there is something to write: a pipe would wait for its reader.
            if let Destination::File(path) = Destination::of(&self.directory.join(name))? {
                let partial = partial(&path);
                File::create(&partial)?;
                fs::remove_file(&partial)?;
            }
        }
        Ok(())
    }

    /// Writes one file: first beside its name, then, when it is safely stored, under it. A link is followed, and what is there but
    /// is no file is written through.
    ///
    /// # Errors
    /// If it can't; an older file of that name is then untouched.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf, WriteError> {
        let path = self.directory.join(name);
        let written = Destination::of(&path).and_then(|destination| match destination {
            Destination::File(path) => replace(&path, bytes),
            Destination::Through => OpenOptions::new().append(true).open(&path)?.write_all(bytes),
        });
        match written {
            Ok(()) => Ok(path),
            Err(source) => Err(WriteError { path, source }),
        }
    }

    /// Takes back what [`Target::prepare`] created, as long as it is empty.
    pub fn discard(self) {
        for directory in self.created {
            if fs::remove_dir(directory).is_err() {
                break;
            }
        }
    }
}

/// Where bytes for a path go.
#[derive(Debug, PartialEq, Eq)]
enum Destination {
    /// A file, there or not, with all links followed.
    File(PathBuf),
    /// What the path leads to is no file of its own: a device, a pipe, something open already. It is never replaced.
    Through,
}

impl Destination {
    fn of(path: &Path) -> io::Result<Self> {
        let mut path = path.to_owned();
        for _ in 0..LINKS_MAX {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let parent = fs::canonicalize(parent)?;
            // Links in /proc/self/fd, where /dev/stdout leads, say what was opened, and it is that which is to be written.
            if parent.starts_with("/proc") {
                return Ok(Self::Through);
            }
            match fs::symlink_metadata(&path) {
                Ok(found) if found.is_symlink() => path = parent.join(fs::read_link(&path)?),
                Ok(found) if !found.is_file() => return Ok(Self::Through),
                Ok(_) => return Ok(Self::File(path)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::File(path)),
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other(format!("more than {LINKS_MAX} links, one after the other")))
    }
}

/// The folder and the name of a file that is to be written; `None` if the path names none.
#[must_use]
pub fn place(path: &Path) -> Option<(&Path, &str)> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Some((directory, path.file_name()?.to_str()?))
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let partial = partial(path);
    if let Err(error) = store(&partial, bytes).and_then(|()| fs::rename(&partial, path)) {
        // The first error is the one to tell.
        let _ = fs::remove_file(&partial);
        return Err(error);
    }
    // Not every file system can sync a directory; the file itself is stored.
    let _ = path.parent().map(File::open).map(|directory| directory.and_then(|directory| directory.sync_all()));
    Ok(())
}

fn partial(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.partial-{}", std::process::id()))
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

    #[cfg(unix)]
    #[test]
    fn a_link_stays_and_what_it_leads_to_is_replaced() {
        let root = scratch("link");
        fs::create_dir_all(root.join("elsewhere")).expect("new");
        let link = root.join("result.json");
        std::os::unix::fs::symlink("elsewhere/real.json", &link).expect("new");
        let target = Target::prepare(&root, &["result.json"]).expect("writable");
        for text in ["one", "two"] {
            target.write("result.json", text.as_bytes()).expect("writable");
            assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
            assert_eq!(fs::read_to_string(root.join("elsewhere/real.json")).expect("written"), text);
        }
        assert_eq!(names(&root.join("elsewhere")), ["real.json"]);
        fs::remove_file(&link).expect("ours");
        std::os::unix::fs::symlink("result.json", &link).expect("new");
        let error = Target::prepare(&root, &["result.json"]).expect_err("a circle").to_string();
        assert!(error.contains("more than 40 links"), "{error}");
        fs::remove_dir_all(root).expect("ours");
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_written_through_and_stays_a_pipe() {
        use std::os::unix::fs::FileTypeExt;
        let root = scratch("pipe");
        fs::create_dir_all(&root).expect("new");
        let pipe = root.join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo is there").success());
        let target = Target::prepare(&root, &["pipe"]).expect("writable");
        let reader = {
            let pipe = pipe.clone();
            std::thread::spawn(move || fs::read_to_string(pipe))
        };
        target.write("pipe", b"through").expect("writable");
        assert_eq!(reader.join().expect("reads").expect("readable"), "through");
        assert!(fs::symlink_metadata(&pipe).expect("there").file_type().is_fifo());
        assert_eq!(names(&root), ["pipe"]);
        fs::remove_dir_all(root).expect("ours");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_a_process_has_open_is_written_through_even_if_it_is_a_file() {
        use std::os::fd::AsRawFd;
        let root = scratch("open");
        fs::create_dir_all(&root).expect("new");
        let open = File::create(root.join("open")).expect("new");
        let number = open.as_raw_fd().to_string();
        let target = Target::prepare(Path::new("/proc/self/fd"), &[&number]).expect("writable");
        target.write(&number, b"seen").expect("writable");
        assert_eq!(open.metadata().expect("there").len(), 4);
        fs::remove_dir_all(root).expect("ours");
    }
}
