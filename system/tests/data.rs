//! The data sets of the repository: whole, of one piece with each other, and right where clients' own tests look.
//!
//! Not here: how they are built.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use georush_system::geo::{build::DATABASE_TYPE, check};
use maxminddb::Reader;
use serde_json::{Value, json};

fn countries() -> BTreeMap<String, Value> {
    serde_json::from_str(include_str!("../data/countries.json")).expect("an object by code")
}

fn default_set() -> Reader<Vec<u8>> {
    let stored: &[u8] = include_bytes!("../data/geo-default.mmdb.zst");
    Reader::from_source(zstd::decode_all(stored).expect("whole")).expect("an MMDB file")
}

#[test]
fn the_default_data_set_is_whole_and_all_of_its_countries_but_a_dissolved_one_are_in_the_table() {
    let (reader, countries) = (default_set(), countries());
    assert_eq!(reader.metadata().database_type, DATABASE_TYPE);
    assert_eq!(check::verify(&reader).expect("whole"), 1_660_500);
    let mut found = BTreeSet::new();
    for network in reader.networks(Default::default()).expect("a tree") {
        let path = [maxminddb::PathElement::Key("country_code")];
        found.extend(network.expect("whole").decode_path::<&str>(&path).expect("text"));
    }
    assert!(found.len() > 200);
    let unknown: Vec<_> = found.into_iter().filter(|code| !countries.contains_key(*code)).collect();
    // The Netherlands Antilles, dissolved in 2010; one network is still registered there.
    assert_eq!(unknown, ["AN"]);
}

#[test]
fn addresses_that_published_clients_ask_for_are_where_they_expect_them() {
    let reader = default_set();
    let expected = [
        ("8.8.8.8", "country_code", json!("US")),
        ("8.8.8.8", "asn", json!(15_169)),
        ("2001:4860:4860::8888", "asn", json!(15_169)),
        ("41.128.21.123", "country_code", json!("EG")),
        ("5.9.0.1", "country_code", json!("DE")),
    ];
    for (ip, key, value) in expected {
        let ip: IpAddr = ip.parse().expect("an address");
        let record: Value = reader.lookup(ip).expect("whole").decode().expect("JSON has all types").expect("known");
        assert_eq!(record[key], value, "{ip} {key}");
    }
}

#[test]
fn the_table_has_every_country_and_the_eu_as_its_law_has_it() {
    let countries = countries();
    assert_eq!(countries.len(), 252);
    let eu: Vec<_> = countries.iter().filter(|(_, row)| row["is_eu"] == true).map(|(code, _)| code.as_str()).collect();
    let expected =
        "AT AX BE BG CY CZ DE DK EE ES FI FR GF GP GR HR HU IE IT LT LU LV MF MQ MT NL PL PT RE RO SE SI SK YT";
    assert_eq!(eu.join(" "), expected);
    assert_eq!(countries["BG"]["currency"]["code"], "EUR");
    assert_eq!(countries["EG"]["currency"]["native"], "ج.م.\u{200f}");
    assert_eq!(countries["AE"]["subdivisions"]["AZ"], json!(["Abū Z\u{327}aby", "emirate"]));
    assert_eq!(countries["DE"]["subdivision_aliases"]["Bavaria"], "BY");
}

#[test]
fn no_name_has_leftovers_and_every_alias_leads_to_a_subdivision() {
    for (code, row) in countries() {
        let subdivisions = row["subdivisions"].as_object().expect("an object");
        for (subdivision, pair) in subdivisions {
            let name = pair[0].as_str().expect("text");
            let clean = !name.contains(['\\', '[', ']', '*']) && name.trim() == name && !name.is_empty();
            assert!(clean, "{code}-{subdivision} {name:?}");
        }
        for (alias, subdivision) in row["subdivision_aliases"].as_object().expect("an object") {
            assert!(subdivisions.contains_key(subdivision.as_str().expect("text")), "{code} {alias}");
        }
    }
}

#[test]
fn the_table_is_one_row_a_line_in_order() {
    let text = include_str!("../data/countries.json");
    let codes: Vec<_> = text.lines().filter_map(|line| line.strip_prefix('"')?.get(..2)).collect();
    assert!(codes.len() == 252 && codes.is_sorted());
}

#[test]
fn the_licences_that_must_come_along_do() {
    let attribution = include_str!("../data/ATTRIBUTION.md");
    for name in ["countries-list-MIT", "cldr-Unicode-3.0", "keshvar-BSD-3-Clause", "countries-MIT"] {
        let path = format!("{}/data/licences/{name}.txt", env!("CARGO_MANIFEST_DIR"));
        let licence = std::fs::read_to_string(path).expect("committed");
        assert!(licence.contains("Copyright") && attribution.contains(&format!("licences/{name}.txt")), "{name}");
    }
}
