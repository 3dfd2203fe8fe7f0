//! One MMDB file: opened, verified, asked.
//!
//! Not here: which of several files is believed, and anything faster than the file's own search tree.

use std::{
    fmt,
    net::IpAddr,
    path::{Path, PathBuf},
};

use maxminddb::{MaxMindDbError, Reader, WithinOptions};

use super::{check, countries::Countries, place::Record};

/// A file that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It can't be read.
    #[error("{path}: can't be read: {cause}; give the path of an MMDB file")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system says.
        cause: std::io::Error,
    },
    /// It is no MMDB file, or a damaged one.
    #[error("{path}: is no valid MMDB file: {cause}; fetch it again, or restore it from where it came")]
    Invalid {
        /// The file.
        path: String,
        /// What is wrong.
        cause: String,
    },
    /// It is one, but says nothing of places or networks.
    #[error(
        "{path}: its records ({kind}) have neither a country, a place nor an autonomous system; wanted a City, Country, \
         ASN, ISP or Anonymous-IP file, or one with flat fields such as country_code or asn"
    )]
    Foreign {
        /// The file.
        path: String,
        /// What it calls itself.
        kind: String,
    },
}

enum Bytes {
    Owned(Vec<u8>),
    Mapped(memmap2::Mmap),
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Owned(bytes) => bytes,
            Self::Mapped(map) => map,
        }
    }
}

/// How a file is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holding {
    /// Read into memory: nothing that happens to the file matters afterwards.
    Memory,
    /// Mapped: its pages are shared with whoever else maps it, and can be given back. The file must be replaced by renaming
    /// another over it, never written in place.
    Mapped,
}

/// One file, open.
pub struct Source {
    reader: Reader<Bytes>,
    name: String,
    size: usize,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Source").field(&self.name).finish()
    }
}

/// The data set in the binary, compressed.
const DEFAULT: &[u8] = include_bytes!("../../data/geo-default.mmdb.zst");
/// Its name where a file's would stand.
pub const DEFAULT_NAME: &str = "built-in";

impl Source {
    /// The data set in the binary.
    ///
    /// # Errors
    ///
    /// None in practice: it was checked when it was built.
    pub fn built_in() -> Result<Self, Error> {
        let invalid = |cause: String| Error::Invalid { path: DEFAULT_NAME.to_owned(), cause };
        let bytes = zstd::decode_all(DEFAULT).map_err(|cause| invalid(cause.to_string()))?;
        let size = bytes.len();
        let reader = Reader::from_source(Bytes::Owned(bytes)).map_err(|cause| invalid(cause.to_string()))?;
        Ok(Self { reader, name: DEFAULT_NAME.to_owned(), size })
    }

    /// Opens and verifies a file; one that ends in `.zst` is unpacked into memory.
    ///
    /// # Errors
    ///
    /// What is wrong with the file.
    pub fn open(path: &Path, holding: Holding) -> Result<Self, Error> {
        let name = path.display().to_string();
        let unreadable = |cause| Error::Unreadable { path: name.clone(), cause };
        let bytes = match holding {
            _ if path.extension().is_some_and(|extension| extension == "zst") => {
                let packed = std::fs::File::open(path).map_err(unreadable)?;
                Bytes::Owned(zstd::decode_all(packed).map_err(unreadable)?)
            }
            Holding::Memory => Bytes::Owned(std::fs::read(path).map_err(unreadable)?),
            Holding::Mapped => Bytes::Mapped(map(path).map_err(unreadable)?),
        };
        let invalid = |cause: MaxMindDbError| Error::Invalid { path: name.clone(), cause: cause.to_string() };
        let size = bytes.as_ref().len();
        let reader = Reader::from_source(bytes).map_err(invalid)?;
        check::verify(&reader).map_err(invalid)?;
        let source = Self { reader, name: name.clone(), size };
        if !source.is_ours()? {
            let kind = source.reader.metadata().database_type.clone();
            return Err(Error::Foreign { path: source.name, kind });
        }
        Ok(source)
    }

    /// Whether any of its first records says something that answers are made of.
    fn is_ours(&self) -> Result<bool, Error> {
        let countries = Countries::new("");
        let networks = self.reader.networks(WithinOptions::default()).map_err(|cause| self.invalid(&cause))?;
        for network in networks.take(1_000) {
            let record = network.and_then(|network| network.decode::<Record<'_>>());
            if let Some(record) = record.map_err(|cause| self.invalid(&cause))?
                && (record.place(&countries, "en").is_some()
                    || record.network().is_some()
                    || record.anonymous().is_some())
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn invalid(&self, cause: &MaxMindDbError) -> Error {
        Error::Invalid { path: self.name.clone(), cause: cause.to_string() }
    }

    /// What it is called: its path, or [`DEFAULT_NAME`].
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The last part of its path.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or_default()
    }

    /// What it calls itself.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.reader.metadata().database_type
    }

    /// When it was built, seconds since 1970.
    #[must_use]
    pub fn built(&self) -> u64 {
        self.reader.metadata().build_epoch
    }

    /// The bytes it takes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// Where the record of `ip` is, and how long the prefix of its network; `None` if there is no record.
    #[must_use]
    pub(super) fn find(&self, ip: IpAddr) -> Option<(u32, u8)> {
        let found = self.reader.lookup(ip).ok()?;
        let offset = found.offset()?;
        Some((offset as u32, found.network().map_or(0, |network| network.prefix())))
    }

    /// What the record of `ip` says, with names in `language`.
    pub(super) fn decode<T>(&self, ip: IpAddr, read: impl FnOnce(&Record<'_>) -> Option<T>) -> Option<(T, u8)> {
        let found = self.reader.lookup(ip).ok()?;
        let value = read(&found.decode::<Record<'_>>().ok()??)?;
        Some((value, found.network().map_or(0, |network| network.prefix())))
    }

    /// Calls `each` with every network of one family that has a record, in ascending order: first address, length of
    /// its prefix, where its record is, and a way to read it.
    pub(super) fn networks(
        &self,
        family: Family,
        mut each: impl FnMut(IpAddr, u8, u32, &dyn Fn(&mut dyn FnMut(&Record<'_>))),
    ) -> Result<(), Error> {
        if family == Family::V6 && self.reader.metadata().ip_version == 4 {
            return Ok(());
        }
        let all = if family == Family::V4 { "0.0.0.0/0" } else { "::/0" };
        let all = all.parse().expect("a network");
        let networks = self.reader.within(all, WithinOptions::default()).map_err(|cause| self.invalid(&cause))?;
        for network in networks {
            let network = network.map_err(|cause| self.invalid(&cause))?;
            let block = network.network().map_err(|cause| self.invalid(&cause))?;
            let fits = matches!((family, block.ip()), (Family::V4, IpAddr::V4(_)) | (Family::V6, IpAddr::V6(_)));
            let (Some(offset), true) = (network.offset(), fits) else { continue };
            each(block.ip(), block.prefix(), offset as u32, &|read| {
                if let Ok(Some(record)) = network.decode::<Record<'_>>() {
                    read(&record);
                }
            });
        }
        Ok(())
    }
}

/// Family of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

#[allow(unsafe_code)]
fn map(path: &Path) -> std::io::Result<memmap2::Mmap> {
    let file = std::fs::File::open(path)?;
    // SAFETY: the mapping is only read. That the file does not change under it is the operator's promise, asked for where
    // the mode is chosen: files are replaced by renaming, which leaves the mapped one as it is.
    unsafe { memmap2::Mmap::map(&file) }
}

/// Opens the files, and the built-in set behind them if it is wanted.
///
/// # Errors
///
/// What is wrong with the first bad file.
pub fn open_all(paths: &[PathBuf], built_in: bool, holding: Holding) -> Result<Vec<Source>, Error> {
    let given = paths.iter().map(|path| Source::open(path, holding));
    given.chain(built_in.then(Source::built_in)).collect()
}
