//! Stand-in for the model data until the real one is merged. Not here: anything to rely on.
#![allow(missing_docs)]

use std::{collections::BTreeMap, sync::LazyLock};

use crate::scenario::Era;

#[derive(Debug)]
pub struct Region {
    pub name: String,
}
#[derive(Debug)]
pub struct Country {
    pub code: String,
    pub weight: f64,
}
#[derive(Debug)]
pub struct Model {
    pub dns: Dns,
    pub keep_alive_ppm: u32,
    pub gateway: Gateway,
    pub function: Function,
    pub table: Table,
    pub dax: Dax,
    pub stream: Stream,
}
#[derive(Debug)]
pub struct Dns {
    pub ttl_us: u64,
    pub stale_resolvers_ppm: u32,
    pub stale_ttl_us: u64,
    pub health_interval_us: u64,
    pub health_threshold: u32,
}
#[derive(Debug)]
pub struct Gateway {
    pub rate: u32,
    pub burst: u32,
}
#[derive(Debug)]
pub struct Function {
    pub runtime: String,
    pub memory_mb: u32,
    pub memory_mb_min: u32,
    pub memory_mb_max: u32,
    pub concurrency: u32,
    pub handler_cpu_us: u32,
    pub runtimes: BTreeMap<String, Runtime>,
}
#[derive(Debug)]
pub struct Runtime {
    pub handler_cpu_us: u32,
}
#[derive(Debug)]
pub struct Table {
    pub read_capacity: u32,
    pub write_capacity: u32,
}
#[derive(Debug)]
pub struct Dax {
    pub ttl_us: u64,
}
#[derive(Debug)]
pub struct Stream {
    pub shards: u16,
    pub poll_us: u64,
    pub checkpoint_every_us: u64,
}

const ARTICLE_10: [&str; 10] = [
    "us-east-1",
    "us-east-2",
    "us-west-2",
    "ca-central-1",
    "eu-west-1",
    "eu-west-2",
    "eu-central-1",
    "ap-southeast-2",
    "ap-northeast-2",
    "ap-south-1",
];

static SET: LazyLock<Vec<String>> = LazyLock::new(|| ARTICLE_10.iter().map(ToString::to_string).collect());
static REGIONS: LazyLock<Vec<Region>> =
    LazyLock::new(|| SET.iter().map(|name| Region { name: name.clone() }).collect());
static COUNTRIES: LazyLock<Vec<Country>> = LazyLock::new(|| {
    [("AU", 2.0), ("DE", 5.0), ("GB", 5.0), ("KR", 3.0), ("US", 20.0)]
        .map(|(code, weight)| Country { code: code.into(), weight })
        .into()
});
static MODELS: LazyLock<[Model; 2]> = LazyLock::new(|| [stand_in("python3.6", 3008), stand_in("python3.12", 10_240)]);

fn stand_in(runtime: &str, memory_mb_max: u32) -> Model {
    Model {
        dns: Dns {
            ttl_us: 60_000_000,
            stale_resolvers_ppm: 100_000,
            stale_ttl_us: 600_000_000,
            health_interval_us: 30_000_000,
            health_threshold: 3,
        },
        keep_alive_ppm: 500_000,
        gateway: Gateway { rate: 10_000, burst: 5_000 },
        function: Function {
            runtime: runtime.into(),
            memory_mb: 512,
            memory_mb_min: 128,
            memory_mb_max,
            concurrency: 1_000,
            handler_cpu_us: 2_000,
            runtimes: [runtime, "nodejs8.10"].map(|name| (name.to_owned(), Runtime { handler_cpu_us: 2_000 })).into(),
        },
        table: Table { read_capacity: 1_000, write_capacity: 1_000 },
        dax: Dax { ttl_us: 300_000_000 },
        stream: Stream { shards: 1, poll_us: 1_000_000, checkpoint_every_us: 10_000_000 },
    }
}

pub fn regions() -> &'static [Region] {
    &REGIONS
}
pub fn region(name: &str) -> Option<usize> {
    REGIONS.iter().position(|region| region.name == name)
}
pub fn region_set(name: &str) -> Option<&'static [String]> {
    (name == "article-10").then(|| SET.as_slice())
}
pub fn region_sets() -> Vec<&'static str> {
    vec!["article-10"]
}
pub fn countries() -> &'static [Country] {
    &COUNTRIES
}
pub fn country(code: &str) -> Option<usize> {
    COUNTRIES.iter().position(|country| country.code == code)
}
pub fn model(era: Era) -> &'static Model {
    &MODELS[usize::from(era == Era::Now)]
}
