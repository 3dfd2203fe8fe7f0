//! The backend file: which backend, and for AWS where its tables and streams are.
//!
//! Not here: credentials, which AWS's own conventions name.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use toml::Spanned;

use crate::toml_text::{TomlText, Wrong};

/// Where usage log lines go when an edge writes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logs {
    /// The log group.
    pub group: String,
    /// The role that lets the group's subscription write to the stream; needed only to make the subscription.
    pub role: Option<String>,
}

/// A region of AWS, and its endpoint if it is not the usual one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The region's name.
    pub region: String,
    /// URL of the endpoint.
    pub endpoint: Option<String>,
}

/// A table somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableAt {
    /// Where.
    pub place: Place,
    /// Its name.
    pub name: String,
}

/// Everything on AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aws {
    /// Make what is missing.
    pub create: bool,
    /// The central table; stream and log group are in the same place.
    pub central: TableAt,
    /// Name of the stream.
    pub stream: String,
    /// Lines go to this log group, whose subscription feeds the stream; without it they go to the stream itself.
    pub logs: Option<Logs>,
    /// The table of each region of the service.
    pub regions: BTreeMap<String, TableAt>,
}

/// Which backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Config {
    /// Files, in this directory if the file names one.
    Embedded(Option<PathBuf>),
    /// AWS.
    Aws(Aws),
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("{file}: can't be read: {source}; give a file that exists, or leave --backend out")]
    Unreadable {
        /// The file.
        file: String,
        /// What the system says.
        source: io::Error,
    },
    /// What it says is wrong.
    #[error(transparent)]
    Wrong(#[from] Wrong),
}

impl Config {
    /// Reads a backend file.
    ///
    /// # Errors
    /// If it can't be read, or the first thing that is wrong with it.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let file = path.display().to_string();
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, &file),
            Err(source) => Err(ConfigError::Unreadable { file, source }),
        }
    }

    /// Reads the text of a backend file; `file` is its name in errors.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(text: &str, file: &str) -> Result<Self, ConfigError> {
        let source = TomlText { file, text };
        let raw: Raw = source.read()?;
        let kind = raw.backend;
        let misfit = |message: &str| source.wrong(kind.span().start, message.to_owned()).into();
        match (kind.get_ref(), raw.embedded, raw.aws) {
            (Kind::Embedded, embedded, None) => Ok(Self::Embedded(embedded.and_then(|embedded| embedded.state))),
            (Kind::Aws, None, Some(aws)) => {
                aws.resolve().map(Self::Aws).map_err(|(at, message)| source.wrong(at, message).into())
            }
            (Kind::Aws, _, None) => Err(misfit("backend is \"aws\", expected a table [aws]")),
            (Kind::Embedded, _, Some(_)) => Err(misfit("backend is \"embedded\", expected no table [aws]")),
            (Kind::Aws, Some(_), Some(_)) => Err(misfit("backend is \"aws\", expected no table [embedded]")),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    backend: Spanned<Kind>,
    embedded: Option<RawEmbedded>,
    aws: Option<RawAws>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Embedded,
    Aws,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEmbedded {
    state: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAws {
    #[serde(default)]
    create: bool,
    endpoint: Option<Spanned<String>>,
    central: RawTable,
    stream: Spanned<String>,
    logs: Option<RawLogs>,
    regions: BTreeMap<Spanned<String>, RawTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTable {
    table: Option<Spanned<String>>,
    region: Option<Spanned<String>>,
    endpoint: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLogs {
    group: Spanned<String>,
    role: Option<String>,
}

/// What is wrong, behind where in the text.
type Complaint = (usize, String);

impl RawAws {
    fn resolve(self) -> Result<Aws, Complaint> {
        let everywhere = self.endpoint.map(endpoint).transpose()?;
        let Some(home) = &self.central.region else {
            return Err((
                0,
                "aws.central.region is missing, expected a region of AWS, such as \"us-east-1\"".to_owned(),
            ));
        };
        let home = home.get_ref().clone();
        let central = self.central.resolve("aws.central", &home, "georush-central", everywhere.as_ref())?;
        let mut regions = BTreeMap::new();
        for (name, table) in self.regions {
            let (at, name) = (name.span().start, name.into_inner());
            let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            if name.is_empty() || !name.bytes().all(fits) {
                let wanted = "expected lower-case letters, digits and hyphens, such as eu-west-1";
                return Err((at, format!("aws.regions.{name} is no name of a region, {wanted}")));
            }
            let usual = format!("georush-{name}");
            let table = table.resolve(&format!("aws.regions.{name}"), &name, &usual, everywhere.as_ref())?;
            if table == central || regions.values().any(|other| *other == table) {
                return Err((at, format!("aws.regions.{name} has the table of another, expected one of its own")));
            }
            regions.insert(name, table);
        }
        let logs = self.logs.map(|logs| {
            let group = named("aws.logs.group", logs.group, "-_/.#", 1, 512)?;
            Ok(Logs { group, role: logs.role })
        });
        let stream = named("aws.stream", self.stream, "-_.", 1, 128)?;
        Ok(Aws { create: self.create, central, stream, logs: logs.transpose()?, regions })
    }
}

impl RawTable {
    fn resolve(self, path: &str, region: &str, usual: &str, everywhere: Option<&String>) -> Result<TableAt, Complaint> {
        let own = self.endpoint.map(endpoint).transpose()?;
        let region = self.region.map_or_else(|| region.to_owned(), Spanned::into_inner);
        // Source: DynamoDB developer guide, "Naming rules": 3 to 255 letters, digits, hyphens, underscores and dots.
        let name = match self.table {
            Some(name) => named(&format!("{path}.table"), name, "-_.", 3, 255)?,
            None => usual.to_owned(),
        };
        Ok(TableAt { place: Place { region, endpoint: own.or_else(|| everywhere.cloned()) }, name })
    }
}

fn endpoint(url: Spanned<String>) -> Result<String, Complaint> {
    let (at, url) = (url.span().start, url.into_inner());
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    match rest {
        Some(rest) if !rest.is_empty() => Ok(url),
        _ => Err((at, format!("endpoint is {url:?}, expected http://host:port or https://host"))),
    }
}

fn named(path: &str, name: Spanned<String>, others: &str, least: usize, most: usize) -> Result<String, Complaint> {
    let (at, name) = (name.span().start, name.into_inner());
    let fits = name.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c));
    if fits && (least..=most).contains(&name.len()) {
        return Ok(name);
    }
    Err((at, format!("{path} is {name:?}, expected {least} to {most} letters, digits or any of {others}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"backend = "aws"
[aws]
create = true
endpoint = "http://127.0.0.1:5000"
stream = "usage"
[aws.central]
region = "us-east-1"
[aws.regions.us-east-1]
[aws.regions.eu-west-1]
table = "rows"
endpoint = "https://dynamodb.example"
"#;

    #[test]
    fn what_a_file_leaves_out_has_one_meaning() {
        let Config::Aws(settings) = Config::parse(FILE, "b.toml").expect("it is right") else { panic!("it is aws") };
        let at = |region: &str, endpoint: &str, name: &str| TableAt {
            place: Place { region: region.to_owned(), endpoint: Some(endpoint.to_owned()) },
            name: name.to_owned(),
        };
        assert_eq!(settings.central, at("us-east-1", "http://127.0.0.1:5000", "georush-central"));
        assert_eq!(settings.regions["us-east-1"], at("us-east-1", "http://127.0.0.1:5000", "georush-us-east-1"));
        assert_eq!(settings.regions["eu-west-1"], at("eu-west-1", "https://dynamodb.example", "rows"));
        assert!(settings.create && settings.logs.is_none());
        let embedded = Config::parse("backend = \"embedded\"\n[embedded]\nstate = \"x\"\n", "b.toml");
        assert_eq!(embedded.expect("it is right"), Config::Embedded(Some("x".into())));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line_and_what_was_expected() {
        for (from, to, told) in [
            ("\"aws\"", "\"azure\"", "b.toml:1: unknown variant `azure`, expected `embedded` or `aws`"),
            ("create", "creat", "b.toml:3: unknown field `creat`, expected one of"),
            ("\"http://127.0.0.1:5000\"", "\"127.0.0.1\"", "b.toml:4: endpoint is \"127.0.0.1\", expected http://"),
            ("\"usage\"", "\"us age\"", "b.toml:5: aws.stream is \"us age\", expected 1 to 128 letters"),
            ("region = \"us-east-1\"\n", "", "b.toml:1: aws.central.region is missing, expected"),
            ("regions.eu-west-1", "regions.EU", "b.toml:9: aws.regions.EU is no name of a region, expected lower-case"),
            ("\"rows\"", "\"ro\"", "b.toml:10: aws.regions.eu-west-1.table is \"ro\", expected 3 to 255"),
            (
                "backend = \"aws\"",
                "backend = \"embedded\"",
                "b.toml:1: backend is \"embedded\", expected no table [aws]",
            ),
        ] {
            let error = Config::parse(&FILE.replace(from, to), "b.toml").expect_err(told).to_string();
            assert!(error.starts_with(told), "{error}");
        }
        let error = Config::load(Path::new("/nowhere/b.toml")).expect_err("nothing there").to_string();
        assert!(error.starts_with("/nowhere/b.toml: can't be read: "), "{error}");
    }
}
