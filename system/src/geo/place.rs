//! What a data set says of an address: a place and a network, whatever the vendor calls the fields.
//!
//! One tolerant shape reads them all: nested records in the manner of GeoIP2 and GeoLite2 (City, Country, ASN, ISP,
//! Anonymous IP) and flat ones in the manner of ip-location-db, IPinfo and this project's own set. Not here: lookups.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor},
};

use super::countries::{Countries, CountryId};

/// A place, as exactly as the data knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// The country, if any.
    pub country: CountryId,
    /// Its name in the language asked for, if the data has it.
    pub country_name: Option<String>,
    /// The continent's name in the language asked for, if the data has it.
    pub continent_name: Option<String>,
    /// City.
    pub city: Option<String>,
    /// First subdivision of the country.
    pub region: Option<String>,
    /// Its ISO 3166-2 code, without the country's.
    pub region_code: Option<String>,
    /// What it is called there, for example `state`.
    pub region_type: Option<String>,
    /// Postal code.
    pub postal: Option<String>,
    /// Latitude and longitude, degrees.
    pub centre: Option<(f64, f64)>,
    /// IANA time zone.
    pub time_zone: Option<String>,
    /// Radius of the circle that holds the caller in two of three cases, km.
    pub accuracy_radius_km: Option<u16>,
}

/// Who announces or operates the network of an address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// Number of the autonomous system.
    pub asn: Option<u32>,
    /// Its name.
    pub name: Option<String>,
    /// Its domain.
    pub domain: Option<String>,
    /// `isp`, `business`, `education`, `hosting`, `inactive`.
    pub kind: Option<String>,
    /// Mobile country and network code, with the carrier's name.
    pub carrier: Option<(String, String, String)>,
}

/// Flags of anonymisers, as far as the record has them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Anonymous {
    /// An exit of Tor.
    pub tor: bool,
    /// A virtual private network.
    pub vpn: bool,
    /// An open proxy.
    pub proxy: bool,
    /// A hosting provider.
    pub hosting: bool,
}

/// A record as it stands in a file.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Record<'a> {
    #[serde(borrow)]
    country: Named<'a>,
    #[serde(borrow)]
    registered_country: Named<'a>,
    country_code: Option<&'a str>,
    #[serde(borrow)]
    continent: Named<'a>,
    #[serde(borrow)]
    city: Named<'a>,
    #[serde(borrow)]
    region: Named<'a>,
    state1: Option<&'a str>,
    #[serde(borrow)]
    subdivisions: Vec<Named<'a>>,
    latitude: Number,
    longitude: Number,
    #[serde(borrow)]
    location: Location<'a>,
    postcode: Option<&'a str>,
    postal_code: Option<&'a str>,
    #[serde(borrow)]
    postal: Named<'a>,
    timezone: Option<&'a str>,
    autonomous_system_number: Number,
    autonomous_system_organization: Option<&'a str>,
    #[serde(borrow)]
    asn: Asn<'a>,
    as_name: Option<&'a str>,
    as_domain: Option<&'a str>,
    isp: Option<&'a str>,
    organization: Option<&'a str>,
    mobile_country_code: Option<&'a str>,
    mobile_network_code: Option<&'a str>,
    is_anonymous_vpn: bool,
    is_tor_exit_node: bool,
    is_public_proxy: bool,
    is_residential_proxy: bool,
    is_hosting_provider: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Location<'a> {
    latitude: Number,
    longitude: Number,
    time_zone: Option<&'a str>,
    accuracy_radius: Number,
}

/// A name: plain text, or an object with a code and names by language.
#[derive(Debug, Default)]
struct Named<'a> {
    text: Option<&'a str>,
    code: Option<&'a str>,
    names: BTreeMap<&'a str, &'a str>,
}

impl<'a> Named<'a> {
    /// The name in this language, in any variety of it, or else in English. Case means nothing in tags (RFC 5646, 2.1.1).
    fn name(&self, language: &str) -> Option<&'a str> {
        let short = |tag: &'a str| tag.split('-').next().unwrap_or(tag);
        let wanted = language.split('-').next().unwrap_or(language);
        let find = |fits: &dyn Fn(&'a str) -> bool| self.names.iter().find(|(tag, _)| fits(tag)).map(|(_, name)| *name);
        find(&|tag| tag.eq_ignore_ascii_case(language))
            .or_else(|| find(&|tag| tag.eq_ignore_ascii_case(wanted)))
            .or_else(|| find(&|tag| short(tag).eq_ignore_ascii_case(wanted)))
            .or_else(|| self.names.get("en").copied())
            .or(self.text)
            .filter(|name| !name.is_empty())
    }
}

/// A number of any width: vendors store degrees as 32-bit floats, which the reader refuses to widen by itself.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Number(Option<f64>);

/// `15169`, `"15169"` or `"AS15169"`.
#[derive(Debug, Default)]
struct Asn<'a>(Option<u32>, Option<&'a str>);

struct AnyNumber;
struct AnyName;
struct AnyAsn;

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(AnyNumber)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Named<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(AnyName)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Asn<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(AnyAsn)
    }
}

impl<'de> Visitor<'de> for AnyNumber {
    type Value = Number;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_f32<E: de::Error>(self, value: f32) -> Result<Number, E> {
        Ok(Number(Some(f64::from(value))))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Number, E> {
        Ok(Number(Some(value)))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Number, E> {
        Ok(Number(Some(value as f64)))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Number, E> {
        Ok(Number(Some(value as f64)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Number, E> {
        Ok(Number(text.parse().ok()))
    }
}

impl<'de> Visitor<'de> for AnyName {
    type Value = Named<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, or an object with names")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Named<'de>, E> {
        Ok(Named { text: Some(text), ..Named::default() })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Named<'de>, A::Error> {
        let mut named = Named::default();
        while let Some(key) = map.next_key::<&str>()? {
            match key {
                "names" => named.names = map.next_value()?,
                "iso_code" | "code" => named.code = Some(map.next_value()?),
                _ => {
                    map.next_value::<de::IgnoredAny>()?;
                }
            }
        }
        Ok(named)
    }
}

impl<'de> Visitor<'de> for AnyAsn {
    type Value = Asn<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the number of an autonomous system")
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Asn<'de>, E> {
        Ok(Asn(u32::try_from(value).ok(), None))
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Asn<'de>, E> {
        Ok(Asn(text.trim_start_matches(['A', 'S', 'a', 's']).parse().ok(), None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Asn<'de>, A::Error> {
        let mut asn = Asn::default();
        while let Some(key) = map.next_key::<&str>()? {
            match key {
                "asn" | "number" => asn.0 = map.next_value::<Asn<'_>>()?.0,
                "name" | "organization" => asn.1 = Some(map.next_value()?),
                _ => {
                    map.next_value::<de::IgnoredAny>()?;
                }
            }
        }
        Ok(asn)
    }
}

fn owned(text: Option<&str>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(str::to_owned)
}

/// Whether somebody can have the number. Source: IANA Special-Purpose Autonomous System Numbers.
fn is_public(asn: u32) -> bool {
    !matches!(asn, 0 | 23_456 | 64_496..=65_551 | 4_200_000_000..)
}

impl Record<'_> {
    /// The place of the record, if it holds one, with names in `language` where the data has them.
    pub(super) fn place(&self, countries: &Countries, language: &str) -> Option<Place> {
        let code = self.country.code.or(self.country_code).or(self.country.text).or(self.registered_country.code);
        let country = code.map_or(CountryId::NONE, |code| countries.id(code));
        let degrees = |at: Number, flat: Number| at.0.or(flat.0);
        let centre = degrees(self.location.latitude, self.latitude)
            .zip(degrees(self.location.longitude, self.longitude))
            .filter(|(latitude, longitude)| latitude.abs() <= 90.0 && longitude.abs() <= 180.0);
        let city = owned(self.city.name(language));
        if country == CountryId::NONE && centre.is_none() && city.is_none() {
            return None;
        }
        let subdivision = self.subdivisions.first();
        let region = owned(subdivision.and_then(|s| s.name(language)).or(self.state1).or(self.region.name(language)));
        let row = countries.get(country);
        let by_name = || row.subdivision_by_name(subdivision.and_then(|s| s.name("en")).or(region.as_deref())?);
        let known = subdivision.and_then(|s| s.code).and_then(|code| row.subdivision_by_code(code)).or_else(by_name);
        let foreign = language != "en";
        Some(Place {
            country,
            country_name: foreign.then(|| owned(self.country.name(language))).flatten(),
            continent_name: foreign.then(|| owned(self.continent.name(language))).flatten(),
            city,
            region_code: owned(subdivision.and_then(|s| s.code).or(known.map(|(code, _)| code))),
            region_type: owned(known.map(|(_, kind)| kind)),
            region,
            postal: owned(self.postal.code.or(self.postcode).or(self.postal_code)),
            centre,
            time_zone: owned(self.location.time_zone.or(self.timezone)),
            accuracy_radius_km: self.location.accuracy_radius.0.map(|km| km as u16),
        })
    }

    /// The network of the record, if it holds one.
    pub(super) fn network(&self) -> Option<Network> {
        let asn =
            self.asn.0.or(self.autonomous_system_number.0.map(|number| number as u32)).filter(|&asn| is_public(asn));
        let name = self.as_name.or(self.asn.1).or(self.autonomous_system_organization).or(self.organization);
        let name = owned(name.or(self.isp));
        let carrier = self.mobile_country_code.zip(self.mobile_network_code).zip(self.isp);
        if asn.is_none() && name.is_none() {
            return None;
        }
        Some(Network {
            asn,
            name,
            domain: owned(self.as_domain),
            kind: None,
            carrier: carrier.map(|((mcc, mnc), name)| (name.to_owned(), mcc.to_owned(), mnc.to_owned())),
        })
    }

    /// The flags of the record, if any is set.
    pub(super) fn anonymous(&self) -> Option<Anonymous> {
        let flags = Anonymous {
            tor: self.is_tor_exit_node,
            vpn: self.is_anonymous_vpn,
            proxy: self.is_public_proxy || self.is_residential_proxy,
            hosting: self.is_hosting_provider,
        };
        (flags != Anonymous::default()).then_some(flags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_variety_of_a_language_stands_for_another_and_english_for_the_rest() {
        let names = BTreeMap::from([("de", "Deutschland"), ("en", "Germany"), ("pt-BR", "Alemanha")]);
        let named = Named { names, ..Named::default() };
        for (tag, wanted) in [
            ("de-AT", "Deutschland"),
            ("DE", "Deutschland"),
            ("pt", "Alemanha"),
            ("pt-PT", "Alemanha"),
            ("fr", "Germany"),
        ] {
            assert_eq!(named.name(tag), Some(wanted), "{tag}");
        }
    }
}
