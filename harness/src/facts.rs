//! What is known about AWS and about callers: the files in `data/`, embedded and typed.
//!
//! Not here: choices of a scenario, and sampling. Each value's source and confidence stay in the files; `docs/models.md`
//! sums them up.

use std::sync::LazyLock;

pub mod model;
pub mod normal;
mod places;
pub mod points;
pub mod prices;
mod provenance;

pub use model::Model;
pub use places::{Country, Region};
pub use points::Points;

use crate::scenario::Era;
use places::{Countries, Regions};
use prices::Book;

const REGIONS_TOML: &str = include_str!("../data/regions.toml");
const COUNTRIES_TOML: &str = include_str!("../data/countries.toml");
const MODELS_2018_TOML: &str = include_str!("../data/models-2018.toml");
const MODELS_NOW_TOML: &str = include_str!("../data/models-now.toml");
const PRICES_2018_TOML: &str = include_str!("../data/prices-2018.toml");
const PRICES_NOW_TOML: &str = include_str!("../data/prices-now.toml");

static REGIONS: LazyLock<Regions> = LazyLock::new(|| Regions::parse(REGIONS_TOML));
static COUNTRIES: LazyLock<Countries> = LazyLock::new(|| Countries::parse(COUNTRIES_TOML));
static MODEL_2018: LazyLock<Model> = LazyLock::new(|| Model::parse(MODELS_2018_TOML));
static MODEL_NOW: LazyLock<Model> = LazyLock::new(|| Model::parse(MODELS_NOW_TOML));
static PRICES_2018: LazyLock<Book> = LazyLock::new(|| Book::parse("prices-2018", PRICES_2018_TOML));
static PRICES_NOW: LazyLock<Book> = LazyLock::new(|| Book::parse("prices-now", PRICES_NOW_TOML));

/// All regions, in the order of the round-trip matrices.
#[must_use]
pub fn regions() -> &'static [Region] {
    &REGIONS.regions
}

/// Index of a region in [`regions`], by its AWS name.
#[must_use]
pub fn region(name: &str) -> Option<usize> {
    regions().iter().position(|region| region.name == name)
}

/// Names of the regions in a set, for example `article-10`.
#[must_use]
pub fn region_set(name: &str) -> Option<&'static [String]> {
    REGIONS.sets.get(name).map(Vec::as_slice)
}

/// Names of all region sets, sorted.
#[must_use]
pub fn region_sets() -> Vec<&'static str> {
    REGIONS.sets.keys().map(String::as_str).collect()
}

/// All countries, sorted by code.
#[must_use]
pub fn countries() -> &'static [Country] {
    &COUNTRIES.countries
}

/// Index of a country in [`countries`], by its ISO 3166-1 alpha-2 code in upper case.
#[must_use]
pub fn country(code: &str) -> Option<usize> {
    countries().binary_search_by(|country| country.code.as_str().cmp(code)).ok()
}

/// Round-trip time between two regions, microseconds; symmetric, and not 0 inside one region.
///
/// # Panics
///
/// If an index is not below the number of [`regions`].
#[must_use]
pub fn rtt_us(era: Era, a: usize, b: usize) -> u64 {
    match era {
        Era::Y2018 => REGIONS.rtt_2018_us[a][b],
        Era::Now => REGIONS.rtt_now_us[a][b],
    }
}

/// The parameters of every model.
#[must_use]
pub fn model(era: Era) -> &'static Model {
    match era {
        Era::Y2018 => &MODEL_2018,
        Era::Now => &MODEL_NOW,
    }
}

/// The price book of an era.
#[must_use]
pub fn prices(era: Era) -> &'static Book {
    match era {
        Era::Y2018 => &PRICES_2018,
        Era::Now => &PRICES_NOW,
    }
}

/// What a simulation of that era takes for granted without a source: names of values in the data files.
#[must_use]
pub fn assumptions(era: Era) -> Vec<String> {
    let (file, text) = match era {
        Era::Y2018 => ("models-2018", MODELS_2018_TOML),
        Era::Now => ("models-now", MODELS_NOW_TOML),
    };
    let files = [("regions", REGIONS_TOML), ("countries", COUNTRIES_TOML), (file, text)];
    let of = |(file, text): (&str, &str)| -> Vec<String> {
        provenance::assumptions(text).into_iter().map(|path| format!("{file}: {path}")).collect()
    };
    files.into_iter().flat_map(of).collect()
}

#[cfg(test)]
mod tests;
