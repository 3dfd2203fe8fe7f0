//! The contract, row by row.

mod description;
mod dialect;

use std::sync::LazyLock;

use georush_core::{Origin, Status, Version, edge::OnUnavailable};
use hyper::{Request, header::USER_AGENT};
use serde_json::{Value, json};

use super::*;
use crate::{
    edge::Settings,
    geo,
    item::{Account, Item},
    plans::Plans,
    whitelist::Whitelist,
};

static DATA: LazyLock<Arc<ArcSwap<Data>>> = LazyLock::new(|| {
    let geo = Geo::load(&geo::Settings::default()).expect("the built-in data is good");
    Arc::new(ArcSwap::from_pointee(Data::new(geo)))
});

const PLANS: &str = r#"
[plans.free]
quota = 3
bulk = false
asn = false
[plans.business]
quota = 20_000
paid = true
[plans.tiny]
quota = 2
paid = true
[plans.slow]
quota = 1_000
rate = 1
burst = 2
"#;

fn api_with(plans: &str) -> Api {
    api_with_policy(plans, OnUnavailable::Open)
}

fn api_with_policy(plans: &str, on_unavailable: OnUnavailable) -> Api {
    let plans = Plans::parse(plans, "plans.toml").expect("good plans");
    let edge = Edge::new(Settings { on_unavailable, ..Settings::new(Origin::default()) }, &plans);
    let api = Api::new(
        Arc::clone(&DATA),
        Arc::new(edge),
        Trusted::new(vec!["10.0.0.0/8".parse().expect("a block")]),
        Box::new(Vec::new),
    );
    for (key, plan, whitelist) in [
        ("free-key", "free", None),
        ("paid-key", "business", None),
        ("tiny-key", "tiny", None),
        ("slow-key", "slow", None),
        ("shop-key", "business", Some("shop.example")),
    ] {
        let whitelist = whitelist.and_then(|host: &str| Whitelist::new(vec![host.parse().expect("a host")]));
        let version = Version { generation: 0, number: 1 };
        let account = Account {
            plan: plan.into(),
            created: api.now(),
            status: Status::Active,
            whitelist,
            label: "".into(),
            version,
        };
        api.edge.apply(api.now(), &Item { subject: crate::key::identifier(key), account: Some(account), usage: None });
    }
    api
}

fn api() -> Api {
    api_with(PLANS)
}

fn open_api() -> Api {
    api_with(&format!("{PLANS}\n[anonymous]\nplan = \"free\""))
}

const STRANGER: [u8; 4] = [203, 0, 114, 7];

fn ask(api: &Api, target: &str, headers: &[(&str, &str)]) -> Response<Body> {
    let mut request = Request::builder().uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let parts = request.body(()).expect("a request").into_parts().0;
    api.answer(&parts, IpAddr::from(STRANGER))
}

fn post(api: &Api, target: &str, body: &str, headers: &[(&str, &str)]) -> Response<Body> {
    let mut request = Request::builder().method(Method::POST).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let parts = request.body(()).expect("a request").into_parts().0;
    api.answer_body(&parts, Bytes::copy_from_slice(body.as_bytes()), IpAddr::from(STRANGER))
}

fn json_of(response: &Response<Body>) -> Value {
    serde_json::from_slice(response.body()).expect("JSON")
}

fn text_of(response: &Response<Body>) -> &str {
    std::str::from_utf8(response.body()).expect("text")
}

fn header<'a>(response: &'a Response<Body>, name: &str) -> Option<&'a str> {
    response.headers().get(name).map(|value| value.to_str().expect("text"))
}

#[test]
fn a_record_has_every_field_with_its_type() {
    let response = ask(&api(), "/8.8.8.8?api-key=paid-key", &[]);
    assert_eq!(response.status(), 200);
    let record = json_of(&response);
    let fields: Vec<&str> = record.as_object().expect("an object").keys().map(String::as_str).collect();
    let mut wanted = fields::OF_RECORD.to_vec();
    wanted.retain(|field| *field != "carrier");
    wanted.sort_unstable();
    assert_eq!(fields, wanted);
    assert_eq!(
        [
            &record["ip"],
            &record["country_code"],
            &record["continent_code"],
            &record["asn"]["asn"],
            &record["currency"]["code"]
        ],
        ["8.8.8.8", "US", "NA", "AS15169", "USD"]
    );
    assert_eq!((&record["is_eu"], &record["city"], &record["count"]), (&json!(false), &Value::Null, &json!("1")));
    assert_eq!(record["asn"]["route"], "8.8.8.0/24");
    let threat = record["threat"].as_object().expect("threat is always an object");
    assert!(threat["is_tor"].is_boolean() && threat["blocklists"].is_array());
    for field in ["latitude", "longitude"] {
        assert!(record[field].is_number());
    }
}

#[test]
fn known_addresses_are_where_clients_tests_expect_them() {
    let api = api();
    for (ip, field, wanted) in [
        ("41.128.21.123", "country_code", "EG"),
        ("5.9.0.1", "country_code", "DE"),
        ("8.8.4.4", "country_code", "US"),
        ("2001:4860:4860::8888", "country_code", "US"),
    ] {
        assert_eq!(text_of(&ask(&api, &format!("/{ip}/{field}?api-key=paid-key"), &[])), wanted, "{ip}");
    }
    let v6 = json_of(&ask(&api, "/2001:4860:4860::8888?api-key=paid-key", &[]));
    assert_eq!((&v6["asn"]["asn"], &v6["ip"]), (&json!("AS15169"), &json!("2001:4860:4860::8888")));
    let germany = json_of(&ask(&api, "/5.9.0.1?api-key=paid-key", &[]));
    assert_eq!((&germany["is_eu"], &germany["time_zone"]["name"]), (&json!(true), &json!("Europe/Berlin")));
}

#[test]
fn every_row_of_the_error_table() {
    let api = api();
    for _ in 0..3 {
        assert_eq!(ask(&api, "/8.8.8.8?api-key=free-key", &[]).status(), 200);
    }
    for _ in 0..2 {
        assert_eq!(ask(&api, "/8.8.8.8?api-key=tiny-key", &[]).status(), 200);
    }
    let rows = [
        ("/127.0.0.1?api-key=paid-key", 400, "127.0.0.1 is a private IP address"),
        ("/192.168.1.1?api-key=paid-key", 400, "192.168.1.1 is a private IP address"),
        ("/fe80::1?api-key=paid-key", 400, "fe80::1 is a private IP address"),
        ("/224.244.244.244?api-key=paid-key", 400, "224.244.244.244 is a reserved IP address."),
        ("/100.64.0.1?api-key=paid-key", 400, "100.64.0.1 is a reserved IP address."),
        ("/bleh?api-key=paid-key", 400, "bleh does not appear to be an IPv4 or IPv6 address"),
        ("/8.8.8.8?fields=bleh&api-key=paid-key", 400, "bleh is not a valid field."),
        ("/8.8.8.8?callback=1x&api-key=paid-key", 400, "callback is not a valid name of a JavaScript function."),
        ("/8.8.8.8", 401, "You have not provided a valid API Key."),
        ("/8.8.8.8?api-key=", 401, "You have not provided a valid API Key."),
        ("/8.8.8.8?api-key=nobodys", 401, "You have not provided a valid API Key."),
        ("/bleh?api-key=nobodys", 401, "You have not provided a valid API Key."),
        (
            "/8.8.8.8?api-key=free-key",
            403,
            "You have exceeded your free quota. Upgrade to a paid plan to re-activate your account.",
        ),
        (
            "/8.8.8.8?api-key=tiny-key",
            403,
            "You have made 2 requests and have exceeded your daily quota. Upgrade to the next plan to re-activate your account.",
        ),
        ("/AS15169?api-key=free-key", 403, "Upgrade to a paid plan to access ASN data."),
        ("/8.8.8.8?api-key=shop-key", 403, "IP or domain not in whitelist."),
        ("/ASBlah?api-key=paid-key", 404, "ASBlah was not found."),
        ("/AS4294967294?api-key=paid-key", 404, "AS4294967294 was not found."),
        ("/a/b/c?api-key=paid-key", 404, "/a/b/c was not found; /openapi.json describes what is here."),
        ("/bulk?api-key=paid-key", 405, "Only POST and OPTIONS can be used here."),
    ];
    for (target, status, message) in rows {
        let response = ask(&api, target, &[]);
        let told = json_of(&response)["message"].clone();
        assert_eq!((response.status().as_u16(), told), (status, json!(message)), "{target}");
        assert_eq!(header(&response, "content-type"), Some("application/json"), "{target}");
        assert_eq!(header(&response, "access-control-allow-origin"), Some("*"), "{target}");
    }
    let many = format!("[{}]", vec!["\"8.8.8.8\""; 101].join(","));
    for (key, body, status, message) in [
        ("paid-key", "{\"a\":1}", 400, "You did not provide a valid JSON Array."),
        ("paid-key", "[1,2]", 400, "You did not provide a valid JSON Array."),
        ("paid-key", "[\"8.8.8.8\"", 400, "You did not provide a valid JSON Array."),
        ("paid-key", "", 400, "You did not provide a valid JSON Array."),
        ("paid-key", &many, 400, "Bulk requests should not contain more than 100 IP addresses."),
        ("free-key", "[\"8.8.8.8\"]", 403, "Upgrade to a paid plan to make bulk requests."),
    ] {
        let response = post(&api, &format!("/bulk?api-key={key}"), body, &[]);
        assert_eq!(
            (response.status().as_u16(), json_of(&response)["message"].clone()),
            (status, json!(message)),
            "{body}"
        );
    }
}

#[test]
fn quota_headers_are_on_answers_and_on_refusals() {
    let api = api();
    let seen: Vec<_> = (0..4)
        .map(|_| {
            let response = ask(&api, "/8.8.8.8?api-key=free-key", &[]);
            let left = header(&response, "ratelimit").expect("a header").split(";t=").next().map(str::to_owned);
            assert_eq!(header(&response, "ratelimit-policy"), Some("\"day\";q=3;w=86400"));
            (response.status().as_u16(), left.expect("a text"))
        })
        .collect();
    let wanted = [(200, "r=2"), (200, "r=1"), (200, "r=0"), (403, "r=0")].map(|(s, r)| (s, format!("\"day\";{r}")));
    assert_eq!(seen, wanted);
}

#[test]
fn bulk_answers_in_order_with_errors_in_their_places_and_costs_its_length() {
    let api = api();
    let body = r#"["8.8.8.8","bleh","127.0.0.1","AS15169","2001:4860:4860::8888"]"#;
    let response = post(&api, "/bulk/?api-key=paid-key&fields=", body, &[("content-type", "text/plain")]);
    let answers = json_of(&response);
    assert_eq!(answers.as_array().map(Vec::len), Some(5));
    assert_eq!((&answers[0]["ip"], &answers[4]["ip"]), (&json!("8.8.8.8"), &json!("2001:4860:4860::8888")));
    assert_eq!(answers[1]["message"], "bleh does not appear to be an IPv4 or IPv6 address");
    assert_eq!(answers[2]["message"], "127.0.0.1 is a private IP address");
    assert!(
        answers[3]["ipv4_prefixes"].as_array().is_some_and(|list| list.contains(&json!("8.8.8.0/24"))),
        "{}",
        answers[3]["asn"]
    );
    assert_eq!((&answers[0]["count"], &answers[4]["count"]), (&json!("5"), &json!("5")));
    assert_eq!(json_of(&post(&api, "/bulk?api-key=paid-key", "[]", &[])), json!([]));
    let two = json_of(&post(&api, "/bulk?api-key=paid-key&fields=ip,count", r#"["8.8.8.8","8.8.4.4"]"#, &[]));
    assert_eq!(two, json!([{"ip": "8.8.8.8", "count": "7"}, {"ip": "8.8.4.4", "count": "7"}]));
}

#[test]
fn a_bulk_request_that_does_not_fit_whole_is_refused() {
    let api = api();
    let body = r#"["8.8.8.8","8.8.8.8","8.8.8.8"]"#;
    assert_eq!(post(&api, "/bulk?api-key=tiny-key", body, &[]).status(), 403);
    assert_eq!(text_of(&ask(&api, "/8.8.8.8/count?api-key=tiny-key", &[])), "1");
}

#[test]
fn single_fields_are_bare_for_some_and_json_for_others() {
    let api = api();
    let get = |target: &str, agent: &str| {
        text_of(&ask(&api, &format!("{target}?api-key=paid-key"), &[("user-agent", agent)])).to_owned()
    };
    assert_eq!(get("/8.8.8.8/country_name/", "x"), "United States");
    assert_eq!(get("/8.8.8.8/country_name", "node"), "\"United States\"");
    assert_eq!(get("/8.8.8.8/country_name", "ipdata-rust/0.1.1"), "\"United States\"");
    assert_eq!(get("/8.8.8.8/is_eu", "x"), "false");
    assert_eq!(get("/8.8.8.8/city", "x"), "null");
    assert_eq!(get("/8.8.8.8/carrier", "ipdata-rust/0.1.1"), "{}");
    assert!(get("/asn/8.8.8.8", "x").starts_with("{\"asn\":\"AS15169\""));
    assert_eq!(text_of(&ask(&api, "/8.8.8.8/country_name?format=json&api-key=paid-key", &[])), "\"United States\"");
}

#[test]
fn the_rust_client_gets_no_nulls_and_its_own_bulk() {
    let api = api();
    let rust = [("user-agent", "ipdata-rust/0.1.1")];
    let record = json_of(&ask(&api, "/8.8.8.8?api-key=paid-key", &rust));
    assert!(!record.to_string().contains("null"), "{record}");
    let bulk = json_of(&post(&api, "/bulk?api-key=paid-key", r#"["8.8.8.8"]"#, &rust));
    assert_eq!(bulk["responses"][0]["ip"], "8.8.8.8");
}

#[test]
fn clients_of_2017_get_the_flat_record_and_429() {
    let api = api();
    let old = [("user-agent", "ipdata-pypi/0.0.1"), ("api-key", "tiny-key")];
    for _ in 0..2 {
        let record = json_of(&ask(&api, "/8.8.8.8/en", &old));
        assert_eq!(
            (&record["asn"], &record["currency"], &record["city"]),
            (&json!("AS15169"), &json!("USD"), &json!(""))
        );
    }
    let refused = ask(&api, "/8.8.8.8/en", &old);
    assert_eq!((refused.status().as_u16(), header(&refused, "content-type")), (429, Some("text/plain; charset=utf-8")));
    assert!(text_of(&refused).starts_with("You have made 2 requests"));
}

/// The first answer to somebody who is faster than his plan, of however many it takes on a slow machine.
fn too_fast(api: &Api, target: &str, headers: &[(&str, &str)]) -> Response<Body> {
    let throttled = |response: &Response<Body>| response.status() == StatusCode::TOO_MANY_REQUESTS;
    let mut answers = (0..100).map(|_| ask(api, target, headers));
    answers.find(throttled).expect("some of a hundred requests are too fast for one a second")
}

#[test]
fn a_rate_is_kept_with_429_and_costs_nothing() {
    let api = api();
    let key = [("api-key", "slow-key")];
    assert_eq!(
        (ask(&api, "/8.8.8.8", &key).status(), ask(&api, "/8.8.8.8", &key).status()),
        (StatusCode::OK, StatusCode::OK)
    );
    let refused = too_fast(&api, "/8.8.8.8", &key);
    let told = json!({ "message": "You are sending more than 1 request a second. Try again in a second." });
    assert_eq!(json_of(&refused), told);
    assert_eq!(header(&refused, "retry-after"), Some("1"));
    assert_eq!(header(&refused, "ratelimit-policy"), Some("\"burst\";q=2;w=2"));
    assert_eq!(header(&refused, "ratelimit"), Some("\"burst\";r=0;t=1"));
    assert_eq!(header(&refused, "access-control-allow-origin"), Some("*"));
    let metrics = text_of(&ask(&api, "/metrics", &[])).to_owned();
    let served = metrics.lines().find(|line| line.contains(r#"cause="served""#)).expect("a count");
    let used: u64 = served.rsplit(' ').next().and_then(|count| count.parse::<f64>().ok()).expect("a number") as u64;
    let who = crate::key::identifier("slow-key");
    let next = Ask { subject: &who, cost: 1, want: Want::Record, address: STRANGER.into(), host: None };
    let later = api.now().after(60_000_000);
    assert_eq!(api.edge.admit(later, &next).map(|admission| admission.count), Ok(used + 1), "refusals are not counted");
    let old = [("user-agent", "ipdata-pypi/0.0.1"), ("api-key", "slow-key")];
    assert!(text_of(&too_fast(&api, "/8.8.8.8/en", &old)).starts_with("You are sending"), "as text");
}

#[test]
fn a_callback_makes_a_script() {
    let api = api();
    let response = ask(&api, "/8.8.8.8?callback=geo.ip&fields=ip&api-key=paid-key", &[]);
    assert_eq!(text_of(&response), r#"/**/geo.ip({"ip":"8.8.8.8"});"#);
    assert_eq!(header(&response, "content-type"), Some("application/javascript"));
    assert_eq!(header(&response, "x-content-type-options"), Some("nosniff"));
    assert_eq!(text_of(&ask(&api, "/8.8.8.8?callback=&fields=ip&api-key=paid-key", &[])), r#"{"ip":"8.8.8.8"}"#);
    assert!(text_of(&ask(&api, "/bleh?callback=cb&api-key=paid-key", &[])).starts_with("/**/cb({\"message\""));
}

#[test]
fn strangers_are_counted_by_their_page_or_else_by_their_address() {
    let api = open_api();
    let count = |headers: &[(&str, &str)]| json_of(&ask(&api, "/8.8.8.8", headers))["count"].clone();
    assert_eq!((count(&[]), count(&[])), (json!("1"), json!("2")));
    let page = [("referer", "https://Shop.example/cart")];
    assert_eq!((count(&page), count(&[("origin", "https://shop.example")])), (json!("1"), json!("2")));
    assert_eq!(count(&[]), "3");
    assert_eq!(ask(&api, "/8.8.8.8", &[]).status(), 403);
    assert_eq!(ask(&api, "/8.8.8.8?api-key=nobodys", &[]).status(), 401);
}

#[test]
fn a_whitelisted_page_may_use_its_key() {
    let api = api();
    for page in [("referer", "https://shop.example/x"), ("origin", "https://SHOP.example")] {
        assert_eq!(ask(&api, "/8.8.8.8?api-key=shop-key", &[page]).status(), 200);
    }
    assert_eq!(ask(&api, "/8.8.8.8?api-key=shop-key", &[("referer", "https://other.example")]).status(), 403);
}

#[test]
fn the_caller_is_the_last_that_no_trusted_proxy_is() {
    let api = api();
    let through = |peer: [u8; 4], forwarded: &str| {
        let request = Request::builder().uri("/ip?api-key=paid-key").header("x-forwarded-for", forwarded);
        let parts = request.body(()).expect("a request").into_parts().0;
        text_of(&api.answer(&parts, peer.into())).to_owned()
    };
    assert_eq!(through([10, 0, 0, 1], "6.6.6.6, 8.8.8.8, 10.0.0.2"), "8.8.8.8");
    assert_eq!(through([9, 9, 9, 9], "8.8.8.8"), "9.9.9.9");
    assert_eq!(text_of(&ask(&api, "/ip?api-key=paid-key", &[])), "203.0.114.7");
}

#[test]
fn languages_change_names_only_where_the_data_has_them() {
    let api = api();
    for path in ["/8.8.8.8/fr-FR", "/8.8.8.8/en"] {
        let record = json_of(&ask(&api, &format!("{path}?api-key=paid-key"), &[]));
        assert_eq!(record["country_name"], "United States");
    }
}

#[test]
fn service_paths_cost_nothing_and_need_no_key() {
    let api = api();
    for (path, kind) in [
        ("/healthz", "application/json"),
        ("/readyz", "application/json"),
        ("/openapi.json", "application/json"),
        ("/metrics", "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        ("/attribution", "text/markdown; charset=utf-8"),
    ] {
        let response = ask(&api, path, &[]);
        assert_eq!((response.status().as_u16(), header(&response, "content-type")), (200, Some(kind)), "{path}");
    }
    api.edge.set_readable(false);
    assert_eq!(ask(&api, "/readyz", &[]).status(), 503);
}

#[test]
fn browsers_may_ask_before_they_ask() {
    let request = Request::builder().method(Method::OPTIONS).uri("/8.8.8.8").body(()).expect("a request");
    let response = api().answer(&request.into_parts().0, STRANGER.into());
    assert_eq!((response.status().as_u16(), header(&response, "access-control-max-age")), (204, Some("86400")));
    let request =
        Request::builder().method(Method::DELETE).uri("/8.8.8.8?api-key=paid-key").body(()).expect("a request");
    let response = api().answer(&request.into_parts().0, STRANGER.into());
    assert_eq!((response.status().as_u16(), header(&response, "allow")), (405, Some("GET, HEAD, OPTIONS")));
    assert!(
        !api()
            .answer(&Request::builder().header(USER_AGENT, "x").body(()).expect("one").into_parts().0, STRANGER.into())
            .body()
            .is_empty()
    );
}

#[test]
fn the_clock_follows_wall_time_and_never_goes_back() {
    let clock = Clock { started: Instant::now(), ahead_us: AtomicU64::new(0), led_us: AtomicU64::new(0) };
    let ms = Duration::from_millis;
    let shown = |elapsed: Duration| clock.at(clock.started + elapsed).0;
    clock.lead(ms(1_000), ms(100_000));
    let before = shown(ms(1_000));
    assert_eq!(before, 100_000_000);
    // Set back by ten seconds: half speed until they are made up for.
    let mut last = before;
    for tenth in 1..=300_u64 {
        clock.lead(ms(1_000 + tenth * 100), ms(90_000 + tenth * 100));
        let now = shown(ms(1_000 + tenth * 100));
        assert!(now >= last);
        last = now;
    }
    assert_eq!(last, 120_000_000);
}

#[test]
fn what_a_plan_lacks_is_not_to_be_had_in_bulk_either() {
    let api = api_with(&PLANS.replace("bulk = false\n", ""));
    let answer = json_of(&post(&api, "/bulk?api-key=free-key", r#"["AS15169","8.8.8.8"]"#, &[]));
    assert_eq!(answer[0]["message"], "Upgrade to a paid plan to access ASN data.");
    assert_eq!(answer[1]["ip"], "8.8.8.8");
}

#[test]
fn a_script_gets_a_text_as_a_text() {
    let api = api();
    let called = |target: &str| text_of(&ask(&api, target, &[("api-key", "paid-key")])).to_owned();
    assert_eq!(called("/8.8.8.8/country_code?callback=cb"), "/**/cb(\"US\");");
    assert_eq!(called("/8.8.8.8/country_code?callback=cb&v=1"), "/**/cb(\"US\");");
    assert_eq!(called("/8.8.8.8/country_code"), "US");
}

#[test]
fn fields_are_those_of_the_record_that_is_asked_for() {
    let api = api();
    let get = |target: &str| ask(&api, target, &[("api-key", "paid-key")]);
    let system = json_of(&get("/AS15169?fields=name,asn"));
    assert_eq!((system.as_object().expect("an object").len(), &system["asn"]), (2, &json!("AS15169")));
    assert_eq!(get("/AS15169?fields=city").status(), 400);
    assert_eq!(get("/8.8.8.8?fields=name").status(), 400);
    let flat = json_of(&get("/8.8.8.8?v=1&fields=asn,city,threat"));
    assert_eq!(flat, json!({ "asn": "AS15169", "city": "", "threat": "" }));
    assert_eq!(text_of(&get("/8.8.8.8/threat?v=1")), "");
}

#[test]
fn an_empty_key_in_the_query_hides_none_in_the_header() {
    let response = ask(&api(), "/8.8.8.8?api-key=", &[("api-key", "paid-key")]);
    assert_eq!(response.status(), 200);
}

#[test]
fn whoever_lacks_a_key_is_told_the_scheme() {
    assert_eq!(header(&ask(&api(), "/8.8.8.8", &[]), "www-authenticate"), Some("ApiKey realm=\"georush\""));
}

#[test]
fn paths_of_the_service_may_end_in_a_slash_and_can_only_be_read() {
    let api = api();
    assert_eq!(ask(&api, "/healthz/", &[]).status(), 200);
    let refused = post(&api, "/metrics", "", &[]);
    assert_eq!((refused.status().as_u16(), header(&refused, "allow")), (405, Some("GET, HEAD, OPTIONS")));
}

#[test]
fn what_has_not_been_has_no_age() {
    let api = api();
    let metrics = |api: &Api| text_of(&ask(api, "/metrics", &[])).to_owned();
    assert!(!metrics(&api).contains("\ngeorush_counted_age_seconds "));
    api.edge.tally.counted_at.store(api.now().0, Ordering::Relaxed);
    assert!(metrics(&api).contains("\ngeorush_counted_age_seconds "));
}

#[test]
fn every_status_of_a_refusal_is_counted_as_what_it_is() {
    let api = api();
    for status in [400, 405, 408, 413, 414, 431] {
        api.refuse(StatusCode::from_u16(status).expect("a status"), "no");
        assert!(text_of(&ask(&api, "/metrics", &[])).contains(&format!("status=\"{status}\",cause=\"bad-request\"")));
    }
}
