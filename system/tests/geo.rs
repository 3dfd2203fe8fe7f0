//! Data of other vendors, and the promise that saving memory changes no answer.
//!
//! Not here: the built-in data, which `data.rs` looks at.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    path::{Path, PathBuf},
};

use georush_system::{
    core::Timestamp,
    geo::{Geo, Settings},
};
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp(1_591_969_036_595_612);

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(format!("{name}.mmdb"))
}

fn settings(names: &[&str]) -> Settings {
    Settings { files: names.iter().map(|name| fixture(name)).collect(), built_in: false, ..Settings::default() }
}

fn load(names: &[&str]) -> Geo {
    Geo::load(&settings(names)).expect("good data")
}

fn text(geo: &Geo, ip: IpAddr) -> String {
    let mut out = b"{".to_vec();
    geo.find(ip).write(&mut out, NOW);
    out.pop();
    out.push(b'}');
    String::from_utf8(out).expect("text")
}

fn record(geo: &Geo, ip: &str) -> Value {
    serde_json::from_str(&text(geo, ip.parse().expect("an address"))).expect("JSON")
}

#[test]
fn nested_records_of_city_asn_and_anonymous_ip_make_one_answer() {
    let geo = load(&["GeoLite2-City-Test", "GeoLite2-ASN-Test", "GeoIP2-Anonymous-IP-Test"]);
    let sweden = record(&geo, "89.160.20.112");
    assert_eq!(
        [
            &sweden["city"],
            &sweden["region_code"],
            &sweden["country_code"],
            &sweden["asn"]["asn"],
            &sweden["organisation"]
        ],
        ["Linköping", "E", "SE", "AS29518", "Bredband2 AB"]
    );
    assert_eq!((&sweden["latitude"], &sweden["is_eu"]), (&json!(58.4167), &json!(true)));
    assert_eq!(sweden["time_zone"]["current_time"], "2020-06-12T15:37:16.595612+02:00");
    let britain = record(&geo, "2.125.160.216");
    assert_eq!((&britain["postal"], &britain["city"]), (&json!("OX1"), &json!("Boxford")));
    let hidden = record(&geo, "81.2.69.160");
    for flag in ["is_tor", "is_vpn", "is_proxy", "is_datacenter", "is_anonymous"] {
        assert_eq!(hidden["threat"][flag], true, "{flag}");
    }
    assert_eq!(hidden["threat"]["is_threat"], false);
    let v6 = record(&geo, "2001:218::1");
    assert_eq!((&v6["country_code"], &v6["city"]), (&json!("JP"), &Value::Null));
    assert_eq!(record(&geo, "2600:6000::1")["asn"]["asn"], "AS237");
}

#[test]
fn a_carrier_is_there_if_the_data_has_one() {
    let geo = load(&["GeoIP2-ISP-Test"]);
    let phone = record(&geo, "149.101.100.0");
    assert_eq!(phone["carrier"], json!({"name": "Verizon Wireless", "mcc": "310", "mnc": "004"}));
    assert_eq!(record(&geo, "1.128.0.0").get("carrier"), None);
}

#[test]
fn names_are_in_the_language_asked_for_where_the_data_has_it() {
    let geo = load(&["GeoLite2-City-Test"]);
    let names = |language| {
        let place = geo.place("81.2.69.160".parse().expect("an address"), language).expect("a place");
        (place.city, place.country_name, place.continent_name)
    };
    let of = |texts: [&str; 3]| (Some(texts[0].into()), Some(texts[1].into()), Some(texts[2].into()));
    assert_eq!(names("fr-FR"), of(["Londres", "Royaume-Uni", "Europe"]));
    assert_eq!(names("de"), of(["London", "Vereinigtes Königreich", "Europa"]));
    assert_eq!(names("xx").0.as_deref(), Some("London"));
}

#[test]
fn the_first_file_that_knows_an_address_is_believed() {
    let both = [fixture("GeoLite2-City-Test"), fixture("GeoLite2-ASN-Test")];
    let geo = Geo::load(&Settings { files: both.to_vec(), ..Settings::default() }).expect("good data");
    // London is where the file says, although the built-in set has no cities; Google is where the built-in set says.
    assert_eq!(record(&geo, "81.2.69.160")["city"], "London");
    assert_eq!(record(&geo, "8.8.8.8")["asn"]["asn"], "AS15169");
}

#[test]
fn an_autonomous_system_has_its_blocks_joined() {
    let geo = Geo::load(&Settings::default()).expect("the built-in data is good");
    let (network, blocks) = geo.system(15_169).expect("it is known");
    assert_eq!(network.name.as_deref(), Some("Google LLC"));
    assert!(blocks.v4.contains(&"8.8.8.0/24".parse().expect("a block")));
    assert!(blocks.v6.iter().any(|block| block.contains(&"2001:4860:4860::8888".parse::<Ipv6Addr>().expect("one"))));
    assert!(blocks.v4.windows(2).all(|pair| pair[0].broadcast() < pair[1].network()), "sorted and apart");
    assert!(geo.system(4_294_967_294).is_none());
}

/// Addresses all over the space, the same each time.
fn addresses(count: u32) -> impl Iterator<Item = IpAddr> {
    (0..count).flat_map(|number| {
        let scattered = number.wrapping_mul(2_654_435_761);
        let upper = 0x2000_0000_0000_0000_u64 | (u64::from(scattered) << 29) | u64::from(number);
        [IpAddr::V4(Ipv4Addr::from_bits(scattered)), IpAddr::V6(Ipv6Addr::from_bits(u128::from(upper) << 64 | 1))]
    })
}

#[test]
fn saving_memory_changes_no_answer() {
    for names in [&[][..], &["GeoLite2-City-Test", "GeoIP2-ISP-Test"]] {
        let fast = Settings { built_in: true, ..settings(names) };
        let small = Settings { small_memory: true, ..fast.clone() };
        let (fast, small) = (Geo::load(&fast).expect("good data"), Geo::load(&small).expect("good data"));
        let near = ["81.2.69.160", "89.160.20.112", "2.125.160.216", "2001:218::1", "1.128.0.0", "149.101.100.0"];
        let near = near.iter().map(|ip| ip.parse().expect("an address"));
        for ip in near.chain(addresses(20_000)) {
            assert_eq!(text(&fast, ip), text(&small, ip), "{ip}");
        }
        assert!(small.index_size() < fast.index_size());
    }
}

#[test]
fn a_file_that_cannot_be_used_is_one_clear_error() {
    let error = |name: &str, path: PathBuf| {
        let told =
            Geo::load(&Settings { files: vec![path], ..Settings::default() }).map(|_| ()).expect_err(name).to_string();
        assert!(!told.contains('\n') && told.contains(name), "{told}");
        told
    };
    assert!(error("missing.mmdb", "missing.mmdb".into()).contains("can't be read"));
    assert!(
        error("Cargo.toml", Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).contains("no valid MMDB file")
    );
    for broken in ["GeoIP2-City-Test-Broken-Double-Format", "GeoIP2-City-Test-Invalid-Node-Count"] {
        assert!(error(broken, fixture(broken)).contains("no valid MMDB file"));
    }
    let foreign = error("GeoIP2-Connection-Type-Test", fixture("GeoIP2-Connection-Type-Test"));
    assert!(foreign.contains("neither a country"), "{foreign}");
}
