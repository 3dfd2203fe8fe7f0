//! Small packages, made here. No network.

use serde_json::{Value as Json, json};

use super::*;

const NO_LINES: &[u8] = b"";

fn countries(networks: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = Writer::builder("country ipvAll").description(&[("en", "made by a test")]).build();
    for (network, code) in networks {
        let network = network.parse::<IpNet>().expect("a network");
        writer.insert_value(network, Value::map([("country_code", *code)])).expect("not an alias");
    }
    writer.to_bytes().expect("small")
}

fn record(mmdb: &[u8], ip: &str) -> Option<Json> {
    let reader = Reader::from_source(mmdb).expect("verified");
    reader.lookup(ip.parse().expect("an address")).expect("IPv6 and IPv4").decode().expect("JSON has all types")
}

#[test]
fn a_record_has_what_either_source_knows() {
    let country = countries(&[("8.0.0.0/8", "US"), ("2001:db8::/32", "DE")]);
    let ipv4 = b"8.8.8.0,8.8.8.255,15169,Google LLC\n9.0.0.0,9.0.0.2,4200000000,\"With, comma\"\n";
    let ipv6 = b"2001:db8::,2001:db8:0:ffff:ffff:ffff:ffff:ffff,64500,Example\n";
    let built = merge(country, [ipv4, ipv6], 0).expect("good");
    assert_eq!((built.countries, built.ranges, built.skipped), (2, 3, 0));
    let google = json!({"country_code": "US", "asn": 15169, "as_name": "Google LLC"});
    assert_eq!(record(&built.mmdb, "8.8.8.8"), Some(google.clone()));
    assert_eq!(record(&built.mmdb, "::ffff:8.8.8.8"), Some(google));
    assert_eq!(record(&built.mmdb, "8.8.9.0"), Some(json!({"country_code": "US"})));
    assert_eq!(record(&built.mmdb, "9.0.0.2"), Some(json!({"asn": 4_200_000_000_u32, "as_name": "With, comma"})));
    assert_eq!(record(&built.mmdb, "9.0.0.3"), None);
    assert_eq!(
        record(&built.mmdb, "2001:db8::1"),
        Some(json!({"country_code": "DE", "asn": 64500, "as_name": "Example"}))
    );
}

#[test]
fn the_same_sources_give_the_same_bytes() {
    let build = || merge(countries(&[("8.0.0.0/8", "US")]), [b"8.8.8.0,8.8.8.255,15169,Google LLC\n", NO_LINES], 7);
    let (first, second) = (build().expect("good"), build().expect("good"));
    assert_eq!(first.mmdb, second.mmdb);
    let stored = compress(&first.mmdb).expect("memory");
    assert_eq!(zstd::decode_all(stored.as_slice()).expect("whole"), first.mmdb);
}

#[test]
fn networks_that_are_ipv4_in_disguise_are_left_out_and_counted() {
    let ipv6 = b"2002:808:808::,2002:808:808:ffff:ffff:ffff:ffff:ffff,1,A\n";
    let built = merge(countries(&[("8.0.0.0/8", "US")]), [NO_LINES, ipv6], 0).expect("good");
    assert_eq!((built.ranges, built.skipped), (1, 1));
}

#[test]
fn a_wrong_line_is_told_with_its_number() {
    let bad: [(&[u8], &str); 5] = [
        (b"8.8.8.0,8.8.8.255,1,A\n8.8.8.0,8.8.8,1,A\n", "asn-ipv4.csv:2: \"8.8.8\" is not an address"),
        (b"8.8.8.9,8.8.8.0,1,A\n", "asn-ipv4.csv:1: 8.8.8.9 to 8.8.8.0 is not a range"),
        (b"8.8.8.9,::,1,A\n", "asn-ipv4.csv:1: 8.8.8.9 to :: is not a range"),
        (b"8.8.8.0,8.8.8.9,AS1,A\n", "asn-ipv4.csv:1: \"AS1\" is not the number of an autonomous system"),
        (b"8.8.8.0,8.8.8.9\n", "asn-ipv4.csv:1: 2 columns"),
    ];
    for (ipv4, wanted) in bad {
        let error = merge(countries(&[]), [ipv4, NO_LINES], 0).expect_err("bad").to_string();
        assert_eq!(error, format!("{wanted}, expected first address, last address, number, name"));
    }
}

#[test]
fn a_country_that_is_no_code_is_told_with_its_network() {
    let error = merge(countries(&[("8.0.0.0/8", "Us")]), [NO_LINES, NO_LINES], 0).expect_err("bad").to_string();
    let wanted = "geo-whois-asn-country.mmdb: 8.0.0.0/8 has country_code \"Us\", expected two capital letters";
    assert_eq!(error, wanted);
    let error = merge(b"junk".to_vec(), [NO_LINES, NO_LINES], 0).expect_err("bad").to_string();
    assert!(error.starts_with("geo-whois-asn-country.mmdb: "), "{error}");
}

#[test]
fn the_date_of_the_data_is_that_of_the_version() {
    assert_eq!(epoch_of("2.3.2026061719"), Some(1_781_654_400));
    assert_eq!(epoch_of("2.3.2026139919"), None);
    assert_eq!(epoch_of("2.3.1"), None);
    assert_eq!(epoch_of(ASN.version), epoch_of(COUNTRY.version));
}
