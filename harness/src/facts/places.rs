//! Regions and the distances between them; countries and the distances to them.
//!
//! Not here: which of them a scenario uses.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    points::{self, Bounds, Points},
    provenance, region,
};

/// A region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// AWS name, for example `eu-central-1`.
    pub name: String,
}

/// A country that calls come from.
#[derive(Debug, Clone, PartialEq)]
pub struct Country {
    /// ISO 3166-1 alpha-2 code, upper case.
    pub code: String,
    /// Name in English.
    pub name: String,
    /// Index of the region of `article-10` that is nearest; an assumption.
    pub nearest: usize,
    /// Extra round trip to `nearest` instead of the closest data centre of any provider, microseconds; an assumption.
    pub detour_us: u64,
    /// Relative share of callers; an assumption.
    pub weight: f64,
    /// Round trips to the closest data centre of any provider: share of callers (they add up to 1), distribution.
    pub last_mile: Vec<(f64, Points)>,
}

pub(super) struct Regions {
    pub(super) regions: Vec<Region>,
    pub(super) sets: BTreeMap<String, Vec<String>>,
    pub(super) rtt_2018_us: Vec<Vec<u64>>,
    pub(super) rtt_now_us: Vec<Vec<u64>>,
}

impl Regions {
    pub(super) fn parse(text: &str) -> Self {
        let raw: RawRegions = provenance::parse(text);
        Self {
            regions: raw.names.into_iter().map(|name| Region { name }).collect(),
            sets: raw.region_sets,
            rtt_2018_us: matrix_us(&raw.rtt_ms.y2018),
            rtt_now_us: matrix_us(&raw.rtt_ms.now),
        }
    }
}

pub(super) struct Countries {
    pub(super) countries: Vec<Country>,
}

impl Countries {
    pub(super) fn parse(text: &str) -> Self {
        let raw: RawCountries = provenance::parse(text);
        let RawCountries { countries, mix, bounds } = raw;
        let country = |(code, raw): (String, RawCountry)| Country {
            code,
            nearest: region(&raw.nearest).expect("the nearest region is one of the regions"),
            detour_us: us(raw.detour_ms),
            weight: raw.weight,
            last_mile: last_mile(&raw, &mix, &bounds),
            name: raw.name,
        };
        Self { countries: countries.into_iter().map(country).collect() }
    }
}

fn last_mile(raw: &RawCountry, mix: &Mix, bounds: &RawBounds) -> Vec<(f64, Points)> {
    let parts: Vec<_> = [(mix.atlas, &raw.atlas), (mix.speedchecker, &raw.speedchecker)]
        .into_iter()
        .filter_map(|(share, fit)| fit.as_ref().map(|fit| (share, fit.points(bounds))))
        .collect();
    let total: f64 = parts.iter().map(|(share, _)| share).sum();
    parts.into_iter().map(|(share, points)| (share / total, points)).collect()
}

fn matrix_us(rows: &[Vec<f64>]) -> Vec<Vec<u64>> {
    rows.iter().map(|row| row.iter().copied().map(us).collect()).collect()
}

fn us(ms: f64) -> u64 {
    libm::round(ms * 1_000.0) as u64
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRegions {
    names: Vec<String>,
    rtt_ms: RawMatrices,
    region_sets: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMatrices {
    #[serde(rename = "2018")]
    y2018: Vec<Vec<f64>>,
    now: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCountries {
    mix: Mix,
    bounds: RawBounds,
    countries: BTreeMap<String, RawCountry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mix {
    atlas: f64,
    speedchecker: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBounds {
    points_ms: [f64; 3],
    miss_pp_max: f64,
    min_ms: f64,
    max_ms: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCountry {
    name: String,
    nearest: String,
    detour_ms: f64,
    weight: f64,
    atlas: Option<Fit>,
    speedchecker: Option<Fit>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fit {
    pct: [f64; 3],
    mu: f64,
    sigma: f64,
    miss_pp: f64,
}

impl Fit {
    fn points(&self, raw: &RawBounds) -> Points {
        let bounds = Bounds { min_ms: raw.min_ms, max_ms: raw.max_ms };
        if self.miss_pp <= raw.miss_pp_max {
            return points::lognormal(self.mu, self.sigma, bounds);
        }
        let published: Vec<_> = self.pct.iter().zip(raw.points_ms).map(|(pct, ms)| (pct / 100.0, ms)).collect();
        points::through(&published, self.sigma, bounds)
    }
}
