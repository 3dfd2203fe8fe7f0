//! Places and networks as the pieces of an answer that they contribute.
//!
//! Not here: putting the pieces together.

use std::borrow::Cow;

use super::{
    countries::{CountryId, push_centre},
    place::{Network, Place},
    text::{Text, push_string},
    threat::Threat,
    zones::ZoneId,
};

/// What a place contributes. Each piece is members of an object, each followed by a comma.
#[derive(Debug, Clone)]
pub(super) struct PlacePieces<'a> {
    /// The country, whose pieces stand between these.
    pub(super) country: CountryId,
    /// The zone.
    pub(super) zone: ZoneId,
    /// City and region.
    pub(super) head: Cow<'a, [u8]>,
    /// Latitude, longitude and postal code; without the first two if the country's centre is the best there is.
    pub(super) tail: Cow<'a, [u8]>,
    /// The names of country and continent, where they aren't the country table's.
    pub(super) names: Option<Vec<u8>>,
}

/// What a network contributes.
#[derive(Debug, Clone)]
pub(super) struct NetworkPieces<'a> {
    /// Up to the block of addresses.
    pub(super) head: Cow<'a, [u8]>,
    /// From there on.
    pub(super) tail: Cow<'a, [u8]>,
    /// Number of the autonomous system; the block is written only if there is one.
    pub(super) asn: Option<u32>,
}

/// What an unknown place contributes.
pub(super) const NO_PLACE_HEAD: &[u8] = br#""city":null,"region":null,"region_code":null,"region_type":null,"#;
/// And after the country's names.
pub(super) const NO_PLACE_TAIL: &[u8] = br#""postal":null,"#;
/// What an unknown network contributes.
pub(super) const NO_NETWORK: &[u8] = br#""asn":null,"company":null,"organisation":null,"#;

/// Appends a place's head to `out`.
pub(super) fn push_place_head(out: &mut Vec<u8>, place: &Place) {
    out.text("city", place.city.as_deref()).text("region", place.region.as_deref());
    out.text("region_code", place.region_code.as_deref()).text("region_type", place.region_type.as_deref());
}

/// Appends a place's tail to `out`.
pub(super) fn push_place_tail(out: &mut Vec<u8>, place: &Place) {
    if place.centre.is_some() {
        push_centre(out, place.centre);
    }
    out.text("postal", place.postal.as_deref());
}

/// Whether a tail has a centre of its own.
pub(super) fn has_centre(tail: &[u8]) -> bool {
    tail.starts_with(br#""latitude""#)
}

/// Appends a network's head to `out`; nothing if it has no number.
pub(super) fn push_network_head(out: &mut Vec<u8>, network: &Network) {
    let Some(asn) = network.asn else { return };
    out.extend_from_slice(br#""asn":{"#);
    out.text("asn", Some(&format!("AS{asn}"))).text("name", network.name.as_deref());
    out.text("domain", network.domain.as_deref());
    out.extend_from_slice(br#""route":"#);
}

/// Appends a network's tail to `out`.
pub(super) fn push_network_tail(out: &mut Vec<u8>, network: &Network) {
    if network.asn.is_some() {
        out.push(b',');
        out.text("type", network.kind.as_deref()).end(b"},");
    } else {
        out.text("asn", None);
    }
    out.text("company", None).text("organisation", network.name.as_deref());
    if let Some((name, mcc, mnc)) = &network.carrier {
        push_string(out, "carrier");
        out.extend_from_slice(b":{");
        out.text("name", Some(name)).text("mcc", Some(mcc)).text("mnc", Some(mnc)).end(b"},");
    }
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
pub(super) fn foreign_names(place: &Place, country: &super::countries::Country) -> Option<Vec<u8>> {
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
