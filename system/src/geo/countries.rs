//! The country table: what is known of an address as soon as its country is.
//!
//! Not here: which country an address is in.

use std::collections::BTreeMap;

use serde::Deserialize;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

use super::{
    pieces::{NO_PLACE, push_values},
    text::{Text, push_float},
};

/// Row of the country table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CountryId(pub u16);

impl CountryId {
    /// No country is known; a row of its own, in which everything is null.
    pub const NONE: Self = Self(0);
}

/// One language as clients know it.
#[derive(Debug, Clone, Deserialize)]
struct Language {
    name: Box<str>,
    native: Box<str>,
    code: Box<str>,
}

#[derive(Debug, Clone, Deserialize)]
struct Currency {
    name: Box<str>,
    code: Box<str>,
    symbol: Box<str>,
    native: Box<str>,
    plural: Box<str>,
}

/// A row of `data/countries.json`.
#[derive(Debug, Clone, Deserialize)]
struct Raw {
    name: Box<str>,
    continent_code: Box<str>,
    continent_name: Box<str>,
    calling_code: Option<Box<str>>,
    is_eu: bool,
    latitude: Option<f64>,
    longitude: Option<f64>,
    languages: Vec<Language>,
    currency: Option<Currency>,
    time_zones: Vec<Box<str>>,
    /// Code without the country's: name and type.
    subdivisions: BTreeMap<Box<str>, (Box<str>, Box<str>)>,
    /// Other names, and the codes they stand for.
    subdivision_aliases: BTreeMap<Box<str>, Box<str>>,
}

/// One country. The pieces are members of a JSON object, each followed by a comma, as they stand in every answer.
#[derive(Debug, Clone)]
pub struct Country {
    /// ISO 3166-1 alpha-2, empty for [`CountryId::NONE`].
    pub code: Box<str>,
    /// English name.
    pub name: Box<str>,
    /// Two letters.
    pub continent_code: Box<str>,
    /// English name.
    pub continent_name: Box<str>,
    /// Whether it belongs to the European Union.
    pub is_eu: Option<bool>,
    /// `is_eu`.
    pub piece_eu: Box<[u8]>,
    /// Names and codes of country and continent.
    pub piece_names: Box<[u8]>,
    /// Calling code and flag.
    pub piece_flag: Box<[u8]>,
    /// Languages and currency.
    pub piece_tongue: Box<[u8]>,
    /// The members of its centre: latitude and longitude.
    pub piece_centre: Box<[u8]>,
    /// All members of a place of which nothing but the country is known.
    pub piece_bare: Box<[u8]>,
    /// Latitude and longitude of its centre, degrees.
    pub centre: Option<(f64, f64)>,
    /// Its time zones by their IANA names.
    pub time_zones: Vec<Box<str>>,
    subdivisions: BTreeMap<Box<str>, (Box<str>, Box<str>)>,
    by_name: BTreeMap<String, Box<str>>,
}

impl Country {
    /// The code of the subdivision of this name, and its type; case and accents don't matter.
    #[must_use]
    pub fn subdivision_by_name(&self, name: &str) -> Option<(&str, &str)> {
        let code = self.by_name.get(&folded(name))?;
        self.subdivision_by_code(code)
    }

    /// The same by code.
    #[must_use]
    pub fn subdivision_by_code(&self, code: &str) -> Option<(&str, &str)> {
        self.subdivisions.get_key_value(code).map(|(code, (_, kind))| (&**code, &**kind))
    }
}

/// The whole table.
#[derive(Debug)]
pub struct Countries {
    rows: Vec<Country>,
}

impl Countries {
    /// The table in the binary. `flags` is the address of a folder of flags, as in `https://ipdata.co/flags/`.
    ///
    /// # Panics
    ///
    /// Never: the table is compiled in, and a test reads it.
    #[must_use]
    pub fn new(flags: &str) -> Self {
        let raw: BTreeMap<Box<str>, Raw> =
            serde_json::from_str(include_str!("../../data/countries.json")).expect("the compiled-in table is valid");
        let countries = raw.into_iter().map(|(code, raw)| country(code, raw, flags));
        let mut rows: Vec<_> = std::iter::once(nowhere()).chain(countries).collect();
        for row in &mut rows {
            let mut bare = Vec::new();
            push_values(&mut bare, NO_PLACE, &row.piece_names, row);
            row.piece_bare = bare.into();
        }
        Self { rows }
    }

    /// The row of a code; [`CountryId::NONE`] for codes that are no country's, such as `ZZ` and `EU`.
    #[must_use]
    pub fn id(&self, code: &str) -> CountryId {
        let code = code.to_ascii_uppercase();
        let found = self.rows.binary_search_by(|row| (*row.code).cmp(&code));
        found.map_or(CountryId::NONE, |row| CountryId(row as u16))
    }

    /// The row of an id.
    #[must_use]
    pub fn get(&self, id: CountryId) -> &Country {
        &self.rows[usize::from(id.0)]
    }

    /// All rows, [`CountryId::NONE`] first.
    pub fn iter(&self) -> impl Iterator<Item = &Country> {
        self.rows.iter()
    }
}

fn nowhere() -> Country {
    let piece = |text: &str| text.as_bytes().into();
    Country {
        code: "".into(),
        name: "".into(),
        continent_code: "".into(),
        continent_name: "".into(),
        is_eu: None,
        piece_eu: piece(r#""is_eu":null,"#),
        piece_names: piece(r#""country_name":null,"country_code":null,"continent_name":null,"continent_code":null,"#),
        piece_flag: piece(r#""calling_code":null,"flag":null,"emoji_flag":null,"emoji_unicode":null,"#),
        piece_tongue: piece(
            r#""languages":null,"currency":{"name":null,"code":null,"symbol":null,"native":null,"plural":null},"#,
        ),
        piece_centre: piece(r#""latitude":null,"longitude":null,"#),
        piece_bare: Box::default(),
        centre: None,
        time_zones: Vec::new(),
        subdivisions: BTreeMap::new(),
        by_name: BTreeMap::new(),
    }
}

fn country(code: Box<str>, raw: Raw, flags: &str) -> Country {
    let mut piece_names = Vec::new();
    piece_names.text("country_name", Some(&raw.name)).text("country_code", Some(&code));
    piece_names.text("continent_name", Some(&raw.continent_name)).text("continent_code", Some(&raw.continent_code));
    let mut flag = Vec::new();
    flag.text("calling_code", raw.calling_code.as_deref());
    flag.text("flag", Some(&format!("{flags}{}.png", code.to_lowercase())));
    let letters: Vec<u32> = code.bytes().map(|letter| REGIONAL_INDICATOR_A + u32::from(letter - b'A')).collect();
    let emoji: String = letters.iter().copied().filter_map(char::from_u32).collect();
    let unicode = letters.iter().map(|letter| format!("U+{letter:X}")).collect::<Vec<_>>().join(" ");
    flag.text("emoji_flag", Some(&emoji)).text("emoji_unicode", Some(&unicode));
    let centre = raw.latitude.zip(raw.longitude);
    let mut piece_centre = Vec::new();
    push_centre(&mut piece_centre, centre);
    let aliases = raw.subdivision_aliases.iter().map(|(name, code)| (folded(name), code.clone()));
    let names = raw.subdivisions.iter().map(|(code, (name, _))| (folded(name), code.clone()));
    let by_name = aliases.chain(names).collect();
    Country {
        piece_eu: format!(r#""is_eu":{},"#, raw.is_eu).into_bytes().into(),
        piece_names: piece_names.into(),
        piece_flag: flag.into(),
        piece_tongue: tongue(&raw).into(),
        piece_centre: piece_centre.into(),
        piece_bare: Box::default(),
        centre,
        code,
        name: raw.name,
        continent_code: raw.continent_code,
        continent_name: raw.continent_name,
        is_eu: Some(raw.is_eu),
        time_zones: raw.time_zones,
        subdivisions: raw.subdivisions,
        by_name,
    }
}

/// A name as it is compared: without case and accents.
fn folded(name: &str) -> String {
    name.nfd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).collect()
}

/// The regional indicator symbol of the letter A; two of them are a flag. Source: Unicode Standard Annex 51.
const REGIONAL_INDICATOR_A: u32 = 0x1F1E6;

fn tongue(raw: &Raw) -> Vec<u8> {
    let mut piece = br#""languages":["#.to_vec();
    for (index, language) in raw.languages.iter().enumerate() {
        piece.extend_from_slice(if index > 0 { b",{" } else { b"{" });
        piece.text("name", Some(&language.name)).text("native", Some(&language.native));
        piece.text("code", Some(&language.code)).end(b"},");
        piece.pop();
    }
    piece.extend_from_slice(br#"],"currency":{"#);
    let currency = raw.currency.as_ref();
    piece.text("name", currency.map(|c| &*c.name)).text("code", currency.map(|c| &*c.code));
    piece.text("symbol", currency.map(|c| &*c.symbol)).text("native", currency.map(|c| &*c.native));
    piece.text("plural", currency.map(|c| &*c.plural)).end(b"},");
    piece
}

/// Appends latitude and longitude, degrees to four places.
fn push_centre(out: &mut Vec<u8>, centre: Option<(f64, f64)>) {
    for (name, value) in [("latitude", centre.map(|c| c.0)), ("longitude", centre.map(|c| c.1))] {
        out.extend_from_slice(format!("\"{name}\":").as_bytes());
        push_float(out, value);
        out.push(b',');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geo::pieces::pack_place;

    #[test]
    fn a_country_has_what_clients_read() {
        let countries = Countries::new("https://flags.example/");
        let egypt = countries.get(countries.id("eg"));
        assert_eq!((&*egypt.code, &*egypt.name, &*egypt.continent_code), ("EG", "Egypt", "AF"));
        let flag = String::from_utf8(egypt.piece_flag.to_vec()).expect("text");
        assert_eq!(
            flag,
            r#""calling_code":"20","flag":"https://flags.example/eg.png","emoji_flag":"🇪🇬","emoji_unicode":"U+1F1EA U+1F1EC","#
        );
        let tongue = String::from_utf8(egypt.piece_tongue.to_vec()).expect("text");
        assert!(tongue.contains(r#""plural":"Egyptian pounds""#), "{tongue}");
        assert_eq!(countries.id("ZZ"), CountryId::NONE);
    }

    #[test]
    fn every_piece_is_members_of_an_object() {
        for country in Countries::new("f/").iter() {
            let pieces = [
                &country.piece_eu,
                &country.piece_names,
                &country.piece_centre,
                &country.piece_flag,
                &country.piece_tongue,
            ];
            let text = format!("{{{}\"end\":0}}", String::from_utf8_lossy(&pieces.map(|p| &**p).concat()));
            let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            assert_eq!(value.as_object().map(serde_json::Map::len), Some(14), "{text}");
        }
    }

    #[test]
    fn a_bare_place_is_what_its_members_would_be() {
        assert_eq!(pack_place(None), NO_PLACE);
        let countries = Countries::new("f/");
        let egypt = countries.get(countries.id("EG"));
        let text = format!("{{{}\"end\":0}}", String::from_utf8_lossy(&egypt.piece_bare));
        let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!((&value["city"], &value["postal"]), (&serde_json::Value::Null, &serde_json::Value::Null));
        assert_eq!((&value["country_name"], &value["calling_code"]), (&"Egypt".into(), &"20".into()));
        assert_eq!(value["latitude"].as_f64(), egypt.centre.map(|centre| centre.0));
    }

    #[test]
    fn a_subdivision_is_found_by_its_name() {
        let countries = Countries::new("");
        let us = countries.get(countries.id("US"));
        assert_eq!(us.subdivision_by_name("california"), Some(("CA", "state")));
        assert_eq!(us.subdivision_by_code("CA"), Some(("CA", "state")));
        assert_eq!(us.subdivision_by_name("Atlantis"), None);
        let brazil = countries.get(countries.id("BR"));
        assert_eq!(brazil.subdivision_by_name("Sao Paulo"), Some(("SP", "state")));
    }
}
