//! The API as requests find it, and requests.
//!
//! Not here: what is measured with them.

use std::{env, net::IpAddr, path::PathBuf, sync::Arc};

use arc_swap::ArcSwap;
use georush_system::{
    address::Trusted,
    api::{Api, Data},
    core::{Origin, Status, Version},
    edge::{Edge, Settings},
    geo::{self, Geo},
    item::{Account, Item},
    key,
    plans::Plans,
};
use hyper::{Request, http::request::Parts};

/// Whose requests come.
pub(crate) const KEYS: usize = 10_000;
/// From where.
pub(crate) const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 114, 7));

/// An API with as many keys, whose quota nobody reaches.
pub(crate) fn api() -> (Api, Vec<String>) {
    let plans = "[plans.all]\nquota = 1_000_000_000_000\npaid = true";
    let plans = Plans::parse(plans, "plans.toml").expect("good plans");
    let files = env::var_os("GEORUSH_CITY").map(PathBuf::from).into_iter().collect();
    let geo = Geo::load(&geo::Settings { files, ..geo::Settings::default() }).expect("good data");
    let data = Arc::new(ArcSwap::from_pointee(Data::new(geo)));
    let edge = Arc::new(Edge::new(Settings::new(Origin::default()), &plans));
    let api = Api::new(data, edge, Trusted::default(), Box::new(Vec::new));
    let keys: Vec<String> = (0..KEYS).map(|number| format!("{number:054x}")).collect();
    let now = api.now();
    for key in &keys {
        let account = Account {
            plan: "all".into(),
            created: now,
            status: Status::Active,
            whitelist: None,
            label: "".into(),
            version: Version { generation: 0, number: 1 },
        };
        api.edge.apply(now, &Item { subject: key::identifier(key), account: Some(account), usage: None });
    }
    (api, keys)
}

/// What the published client sends.
pub(crate) fn request(ip: IpAddr, key: &str) -> Parts {
    let request = Request::builder()
        .uri(format!("/{ip}?api-key={key}"))
        .header("host", "127.0.0.1:8080")
        .header("user-agent", "ipdata-python")
        .header("accept", "*/*");
    request.body(()).expect("a request").into_parts().0
}

/// Usage is written by a thread of its own in the service; here it is thrown away between batches.
pub(crate) fn forget(api: &Api) {
    let mut lines = Vec::new();
    api.edge.drain(api.now(), &mut lines);
}
