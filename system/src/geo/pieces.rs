//! Places and networks as the pieces of an answer that they contribute.
//!
//! Not here: putting the pieces together.

use std::borrow::Cow;

use super::{
    countries::{Country, CountryId},
    place::{Network, Place},
    text::{Text, push_float, push_string},
    threat::Threat,
    zones::ZoneId,
};

/// What a place contributes.
#[derive(Debug, Clone)]
pub(super) struct PlacePieces<'a> {
    /// The country, whose pieces stand between these.
    pub(super) country: CountryId,
    /// The zone.
    pub(super) zone: ZoneId,
    /// Its own values, packed.
    pub(super) values: Cow<'a, [u8]>,
    /// The names of country and continent, where they aren't the country table's.
    pub(super) names: Option<Vec<u8>>,
}

/// What a network contributes.
#[derive(Debug, Clone)]
pub(super) struct NetworkPieces<'a> {
    /// Members up to the block of addresses, and those after it, packed.
    pub(super) values: Cow<'a, [u8]>,
    /// Number of the autonomous system; the block is written only if there is one.
    pub(super) asn: Option<u32>,
}

/// Appends values of at most 65,535 bytes, each behind its length. Packed, the records of a city file take half the room
/// that their members would.
pub(super) fn pack(out: &mut Vec<u8>, value: &[u8]) {
    let length = u16::try_from(value.len()).unwrap_or(0);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&value[..usize::from(length)]);
}

/// Takes the first value off.
#[inline]
pub(super) fn take<'a>(values: &mut &'a [u8]) -> &'a [u8] {
    let Some((length, rest)) = values.split_first_chunk() else { return b"" };
    let (value, rest) = rest.split_at(usize::from(u16::from_le_bytes(*length)));
    *values = rest;
    value
}

fn pack_text(out: &mut Vec<u8>, text: Option<&str>) {
    let mut value = Vec::new();
    match text {
        Some(text) => push_string(&mut value, text),
        None => value.extend_from_slice(b"null"),
    }
    pack(out, &value);
}

/// A packed place of which nothing is known.
pub(super) const NO_PLACE: &[u8] = b"\x04\0null\x04\0null\x04\0null\x04\0null\0\0\0\0\x04\0null";

/// Packs a place: city, region, its code and type, latitude, longitude, postal code. Without a centre of its own, the two of
/// it are empty, and the country's stands for them.
pub(super) fn pack_place(place: Option<&Place>) -> Vec<u8> {
    let mut out = Vec::new();
    let of = |read: fn(&Place) -> &Option<String>| place.and_then(|place| read(place).as_deref());
    pack_text(&mut out, of(|place| &place.city));
    pack_text(&mut out, of(|place| &place.region));
    pack_text(&mut out, of(|place| &place.region_code));
    pack_text(&mut out, of(|place| &place.region_type));
    let centre = place.and_then(|place| place.centre);
    for degrees in [centre.map(|centre| centre.0), centre.map(|centre| centre.1)] {
        let mut value = Vec::new();
        if degrees.is_some() {
            push_float(&mut value, degrees);
        }
        pack(&mut out, &value);
    }
    pack_text(&mut out, of(|place| &place.postal));
    out
}

/// Appends the members of a place, with those of its country between them.
#[inline]
pub(super) fn push_place(out: &mut Vec<u8>, place: &PlacePieces<'_>, country: &Country) {
    match &place.names {
        None if *place.values == *NO_PLACE => out.extend_from_slice(&country.piece_bare),
        names => push_values(out, &place.values, names.as_deref().unwrap_or(&country.piece_names), country),
    }
}

/// The same from packed values and the names of country and continent.
pub(super) fn push_values(out: &mut Vec<u8>, mut values: &[u8], names: &[u8], country: &Country) {
    out.extend_from_slice(&country.piece_eu);
    for name in [&b"\"city\":"[..], b",\"region\":", b",\"region_code\":", b",\"region_type\":"] {
        out.extend_from_slice(name);
        out.extend_from_slice(take(&mut values));
    }
    out.push(b',');
    out.extend_from_slice(names);
    let (latitude, longitude) = (take(&mut values), take(&mut values));
    if latitude.is_empty() {
        out.extend_from_slice(&country.piece_centre);
    } else {
        out.extend_from_slice(b"\"latitude\":");
        out.extend_from_slice(latitude);
        out.extend_from_slice(b",\"longitude\":");
        out.extend_from_slice(longitude);
        out.push(b',');
    }
    out.extend_from_slice(b"\"postal\":");
    out.extend_from_slice(take(&mut values));
    out.push(b',');
    out.extend_from_slice(&country.piece_flag);
}

/// Packs a network: its members up to the block of addresses, which is empty if it has no number, and those after it.
pub(super) fn pack_network(network: Option<&Network>) -> Vec<u8> {
    let none = Network::default();
    let network = network.unwrap_or(&none);
    let (mut head, mut tail) = (Vec::new(), Vec::new());
    if let Some(asn) = network.asn {
        head.extend_from_slice(br#""asn":{"#);
        head.text("asn", Some(&format!("AS{asn}"))).text("name", network.name.as_deref());
        head.text("domain", network.domain.as_deref());
        head.extend_from_slice(br#""route":"#);
        tail.push(b',');
        tail.text("type", network.kind.as_deref()).end(b"},");
    } else {
        tail.text("asn", None);
    }
    tail.text("company", None).text("organisation", network.name.as_deref());
    if let Some((name, mcc, mnc)) = &network.carrier {
        push_string(&mut tail, "carrier");
        tail.extend_from_slice(b":{");
        tail.text("name", Some(name)).text("mcc", Some(mcc)).text("mnc", Some(mnc)).end(b"},");
    }
    let mut out = Vec::new();
    pack(&mut out, &head);
    pack(&mut out, &tail);
    out
}

/// The threat member of an address on no list. Scores have no free source, so they are null.
const NO_THREAT: &[u8] = br#""threat":{"is_tor":false,"is_vpn":false,"is_icloud_relay":false,"is_proxy":false,"is_datacenter":false,"is_anonymous":false,"is_known_attacker":false,"is_known_abuser":false,"is_threat":false,"is_bogon":false,"blocklists":[],"scores":{"vpn_score":null,"proxy_score":null,"threat_score":null,"trust_score":null}},"#;

/// Appends the threat member. An address with a place is no bogon.
pub(super) fn push_threat(out: &mut Vec<u8>, threat: &Threat<'_>) {
    if *threat == Threat::default() {
        out.extend_from_slice(NO_THREAT);
        return;
    }
    let flags = threat.flags;
    let blocklist = |name: &String| {
        let kind = if flags.is_known_attacker() { "attacker" } else { "abuser" };
        serde_json::json!({ "name": name, "site": null, "type": kind })
    };
    let member = serde_json::json!({
        "is_tor": flags.is_tor(),
        "is_vpn": flags.is_vpn(),
        "is_icloud_relay": flags.is_icloud_relay(),
        "is_proxy": flags.is_proxy(),
        "is_datacenter": flags.is_datacenter(),
        "is_anonymous": flags.is_anonymous(),
        "is_known_attacker": flags.is_known_attacker(),
        "is_known_abuser": flags.is_known_abuser(),
        "is_threat": flags.is_threat(),
        "is_bogon": false,
        "blocklists": threat.blocklists.iter().map(blocklist).collect::<Vec<_>>(),
        "scores": { "vpn_score": null, "proxy_score": null, "threat_score": null, "trust_score": null },
    });
    out.extend_from_slice(br#""threat":"#);
    out.extend_from_slice(member.to_string().as_bytes());
    out.push(b',');
}

/// The names of country and continent in another language.
pub(super) fn foreign_names(place: &Place, country: &Country) -> Option<Vec<u8>> {
    if place.country_name.is_none() && place.continent_name.is_none() {
        return None;
    }
    let mut names = Vec::new();
    names.text("country_name", Some(place.country_name.as_deref().unwrap_or(&country.name)));
    names.text("country_code", Some(&country.code));
    names.text("continent_name", Some(place.continent_name.as_deref().unwrap_or(&country.continent_name)));
    names.text("continent_code", Some(&country.continent_code));
    Some(names)
}
