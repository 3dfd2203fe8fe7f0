//! Files made here, of each shape and of none.

use mmdb_writer::{Value as Field, Writer};
use serde_json::json;

use super::*;

fn mmdb(database_type: &str, network: &str, record: Field) -> Vec<u8> {
    let mut writer = Writer::builder(database_type)
        .description(&[("en", "made by a test")])
        .build_epoch(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_781_654_400))
        .build();
    writer.insert_value(network.parse::<ipnet::IpNet>().expect("a network"), record).expect("a record");
    writer.to_bytes().expect("small")
}

#[test]
fn a_file_tells_its_type_date_size_shape_and_one_record() {
    let record = Field::map([("country_code", Field::from("US")), ("longitude", Field::from(-122.084_f32))]);
    let found = look(mmdb("test", "8.8.8.0/24", record)).expect("good");
    assert_eq!((found.database_type.as_str(), found.built.as_str()), ("test", "2026-06-17 00:00 UTC"));
    assert_eq!((found.networks, found.shape), (1, Some(Shape::FlatCountry)));
    assert_eq!(found.sample.as_deref(), Some(r#"{"country_code":"US","longitude":-122.084}"#));
}

#[test]
fn a_file_without_a_description_is_good() {
    let mut writer = Writer::new("country ipvAll");
    let network = "8.8.8.0/24".parse::<ipnet::IpNet>().expect("a network");
    writer.insert_value(network, Field::map([("country_code", "US")])).expect("a record");
    assert_eq!(look(writer.to_bytes().expect("small")).expect("good").networks, 1);
}

#[test]
fn an_address_that_a_file_lacks_has_no_record() {
    let record = Field::map([("asn", 15_169_u32)]);
    let found = look(mmdb("test", "2001:db8::/32", record)).expect("good");
    assert_eq!((found.sample, found.shape), (None, None));
}

#[test]
fn every_shape_is_recognised() {
    let shapes = [
        ("GeoLite2-City", json!({"city": {"names": {}}, "country": {"iso_code": "US"}}), Some(Shape::City)),
        ("GeoLite2-City", json!({"country": {"iso_code": "US"}}), Some(Shape::City)),
        ("GeoLite2-Country", json!({"country": {"iso_code": "US"}}), Some(Shape::Country)),
        ("GeoLite2-ASN", json!({"autonomous_system_number": 1}), Some(Shape::Asn)),
        ("GeoIP2-ISP", json!({"autonomous_system_number": 1}), Some(Shape::Isp)),
        ("any", json!({"isp": "a", "organization": "b"}), Some(Shape::Isp)),
        ("GeoIP2-Anonymous-IP", json!({"is_anonymous": true}), Some(Shape::AnonymousIp)),
        ("city ipv4", json!({"country_code": "US", "state1": "", "city": ""}), Some(Shape::FlatCity)),
        ("country ipvAll", json!({"country_code": "US"}), Some(Shape::FlatCountry)),
        ("georush-country-asn", json!({"country_code": "US"}), Some(Shape::CountryAsn)),
        ("any", json!({"as_name": "a", "asn": 1}), Some(Shape::CountryAsn)),
        ("any", json!({"domain": "example.com"}), None),
        ("any", json!("text"), None),
    ];
    for (database_type, record, shape) in shapes {
        assert_eq!(shape_of(database_type, &record), shape, "{database_type} {record}");
    }
}

#[test]
fn names_are_shown_in_english_only() {
    let mut record =
        json!({"city": {"names": {"de": "Köln", "en": "Cologne"}}, "subdivisions": [{"names": {"fr": "x"}}]});
    shorten(&mut record);
    assert_eq!(record, json!({"city": {"names": {"en": "Cologne"}}, "subdivisions": [{"names": {}}]}));
}

#[test]
fn what_is_no_mmdb_is_an_error_and_so_is_a_cut_one() {
    assert!(look(b"not an mmdb".to_vec()).is_err());
    let mut bytes = mmdb("test", "8.8.8.0/24", Field::map([("country_code", "US")]));
    // The tree shrinks and its metadata stays.
    bytes.drain(..40);
    assert!(look(bytes).is_err());
}
