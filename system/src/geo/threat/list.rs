//! One list: a file's name, and its lines.
//!
//! Not here: what several lists say together.

use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
};

use ipnet::IpNet;

use super::{Error, Flags, KINDS};

/// The addresses of one file, as ranges (first and last, both within), in no order and perhaps overlapping.
#[derive(Debug)]
pub(super) struct List {
    pub(super) flags: Flags,
    /// Set for named lists of attackers and abusers.
    pub(super) blocklist: Option<String>,
    pub(super) ipv4: Vec<(u32, u32)>,
    pub(super) ipv6: Vec<(u128, u128)>,
}

/// Every list of a directory, in order of file names.
pub(super) fn load_all(directory: &Path) -> Result<Vec<List>, Error> {
    let unreadable =
        |found| Error::Unreadable { path: directory.to_owned(), found, wanted: "a directory of lists of addresses" };
    let entries = fs::read_dir(directory).map_err(unreadable)?;
    let mut paths =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt" || extension == "csv"));
    paths.sort();
    paths.iter().map(|path| load(path)).collect()
}

fn load(path: &Path) -> Result<List, Error> {
    let wanted = "a text file of addresses";
    let content =
        fs::read_to_string(path).map_err(|found| Error::Unreadable { path: path.to_owned(), found, wanted })?;
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    List::parse(path, &stem, &content)
}

impl List {
    pub(super) fn empty(flags: Flags) -> Self {
        Self { flags, blocklist: None, ipv4: Vec::new(), ipv6: Vec::new() }
    }

    /// A list from its file's name (without the extension) and content; `path` is for errors.
    pub(super) fn parse(path: &Path, stem: &str, content: &str) -> Result<Self, Error> {
        let (kind, name) = stem.split_once('.').map_or((stem, None), |(kind, name)| (kind, Some(name)));
        let Some((_, flags)) = KINDS.into_iter().find(|(known, _)| *known == kind) else {
            return Err(Error::Kind { path: path.to_owned(), found: kind.to_owned() });
        };
        let blocklist = name.filter(|name| flags.is_threat() && !name.is_empty()).map(str::to_owned);
        let mut list = Self { blocklist, ..Self::empty(flags) };
        let content = content.strip_prefix('\u{feff}').unwrap_or(content);
        for (index, line) in content.lines().enumerate() {
            let line = line.split(['#', ';']).next().unwrap_or_default().trim();
            let Some(field) = line.split(|c: char| c == ',' || c.is_whitespace()).next().filter(|f| !f.is_empty())
            else {
                continue;
            };
            let network = network(field.trim_matches('"'));
            list.add(network.ok_or_else(|| wrong(path.to_owned(), index + 1, field))?);
        }
        Ok(list)
    }

    pub(super) fn add(&mut self, network: IpNet) {
        match network {
            IpNet::V4(network) => self.ipv4.push((network.network().to_bits(), network.broadcast().to_bits())),
            IpNet::V6(network) => self.ipv6.push((network.network().to_bits(), network.broadcast().to_bits())),
        }
    }
}

fn network(field: &str) -> Option<IpNet> {
    field.parse::<IpNet>().ok().or_else(|| field.parse::<IpAddr>().ok().map(IpNet::from))
}

fn wrong(path: PathBuf, line: usize, field: &str) -> Error {
    // A page of HTML on one line helps nobody.
    Error::Line { path, line, found: field.chars().take(60).collect() }
}
