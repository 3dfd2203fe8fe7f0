//! Other services' dialects, as their clients speak them.

use super::*;
use crate::api::dialect::Dialect;

fn spoken(list: &str) -> Api {
    api().with_dialects(list.parse().expect("dialects"))
}

fn all() -> Api {
    spoken("maxmind,ipinfo,ip-api,echoip")
}

/// `account:paid-key`
const PAID: (&str, &str) = ("authorization", "Basic YWNjb3VudDpwYWlkLWtleQ==");
/// `account:tiny-key`
const TINY: (&str, &str) = ("authorization", "Basic YWNjb3VudDp0aW55LWtleQ==");
const KEY: (&str, &str) = ("api-key", "paid-key");

fn told(response: &Response<Body>) -> (u16, Value) {
    (response.status().as_u16(), json_of(response))
}

#[test]
fn a_list_of_dialects_is_read_and_a_slip_is_understood() {
    assert_eq!("".parse(), Ok(Dialects::default()));
    let some: Dialects = " ipinfo, echoip,ipinfo".parse().expect("a list");
    assert_eq!(some, Dialects::default().with(Dialect::EchoIp).with(Dialect::IpInfo));
    assert_eq!(some.to_string(), "ipinfo,echoip");
    let wrong = |list: &str| list.parse::<Dialects>().expect_err("a wrong list").to_string();
    let known = "expected one of: maxmind, ipinfo, ip-api, echoip";
    assert_eq!(wrong("maxmind,ipinf"), format!("there is no dialect \"ipinf\", {known}; did you mean \"ipinfo\"?"));
    assert_eq!(wrong("freegeoip"), format!("there is no dialect \"freegeoip\", {known}"));
}

#[test]
fn nothing_is_understood_that_is_not_switched_on() {
    let api = spoken("echoip");
    for target in ["/geoip/v2.1/city/8.8.8.8", "/lite/8.8.8.8", "/json/8.8.8.8", "/ipinfo/8.8.8.8", "/8.8.8.8/json"] {
        let answer = ask(&api, target, &[KEY, ("host", "ipinfo.io")]);
        assert!(answer.status().is_client_error() && json_of(&answer)["message"].is_string(), "{target}");
    }
}

#[test]
fn the_contract_stands_whatever_is_switched_on() {
    let api = all();
    for (target, headers) in [("/ip", &[KEY][..]), ("/asn", &[KEY, ("accept", "*/*")]), ("/8.8.8.8/city", &[KEY])] {
        let plain = ask(&spoken(""), target, headers);
        assert_eq!(text_of(&ask(&api, target, headers)), text_of(&plain), "{target}");
    }
    assert_eq!(json_of(&ask(&api, "/8.8.8.8", &[KEY, ("host", "api.ipdata.co")]))["country_code"], "US");
}

#[test]
fn a_dialect_is_chosen_by_prefix_by_host_or_by_a_path_of_its_own() {
    let api = all();
    for (target, host) in [
        ("/ipinfo/8.8.8.8", "geo.example"),
        ("/8.8.8.8", "ipinfo.io"),
        ("/8.8.8.8", "IPinfo.geo.example:8080"),
        ("/8.8.8.8/json", "geo.example"),
        ("http://ipinfo.io/8.8.8.8", "elsewhere.example"),
    ] {
        let answer = json_of(&ask(&api, target, &[KEY, ("host", host)]));
        assert_eq!(
            (&answer["org"], &answer["country"]),
            (&json!("AS15169 Google LLC"), &json!("US")),
            "{target} {host}"
        );
    }
    for (target, host) in [("/ip-api/json/8.8.8.8", "geo.example"), ("/json/8.8.8.8", "ip-api.com")] {
        assert_eq!(json_of(&ask(&api, target, &[KEY, ("host", host)]))["countryCode"], "US", "{target}");
    }
    assert_eq!(text_of(&ask(&api, "/", &[KEY, ("host", "ifconfig.co")])), "203.0.114.7\n");
    assert_eq!(ask(&api, "/healthz", &[("host", "ipinfo.io")]).status(), 200);
}

#[test]
fn maxmind_clients_get_what_they_read() {
    let api = all();
    for endpoint in ["country", "city", "insights"] {
        let response = ask(&api, &format!("/geoip/v2.1/{endpoint}/8.8.8.8"), &[PAID]);
        let kind = format!("application/vnd.maxmind.com-{endpoint}+json; charset=UTF-8; version=2.1");
        assert_eq!((response.status().as_u16(), header(&response, "content-type")), (200, Some(&*kind)));
        let body = json_of(&response);
        assert_eq!(body["country"], json!({ "iso_code": "US", "names": { "en": "United States" } }));
        assert_eq!(body["continent"], json!({ "code": "NA", "names": { "en": "North America" } }));
        assert_eq!(
            (&body["traits"]["ip_address"], &body["traits"]["network"]),
            (&json!("8.8.8.8"), &json!("8.8.8.0/24"))
        );
        assert!(body["maxmind"]["queries_remaining"].as_u64().is_some_and(|left| left > 19_000), "{body}");
        assert!(body.get("registered_country").is_none() && !body.to_string().contains("null"), "{body}");
        let exact = endpoint != "country";
        assert_eq!(body["location"]["latitude"].is_number(), exact, "{body}");
        assert_eq!(body["traits"]["autonomous_system_number"] == 15169, exact, "{body}");
    }
    let germany = json_of(&ask(&api, "/geoip/v2.1/country/5.9.0.1", &[PAID]));
    assert_eq!(germany["country"]["is_in_european_union"], true);
    let me = json_of(&ask(&api, "/geoip/v2.1/city/me", &[PAID]));
    assert_eq!(me["traits"]["ip_address"], "203.0.114.7");
}

#[test]
fn maxmind_clients_know_errors_by_their_codes() {
    let api = all();
    for _ in 0..2 {
        assert_eq!(ask(&api, "/geoip/v2.1/city/8.8.8.8", &[TINY]).status(), 200);
    }
    for (target, login, status, code) in [
        ("/geoip/v2.1/city/bleh", PAID, 400, "IP_ADDRESS_INVALID"),
        ("/geoip/v2.1/city/10.0.0.1", PAID, 400, "IP_ADDRESS_RESERVED"),
        ("/geoip/v2.1/country/224.0.0.1", PAID, 400, "IP_ADDRESS_RESERVED"),
        ("/geoip/v2.1/nothing/8.8.8.8", PAID, 404, "PATH_NOT_FOUND"),
        ("/geoip/v2.1/city/8.8.8.8", ("authorization", "Basic bm86Ym9keQ=="), 401, "AUTHORIZATION_INVALID"),
        ("/geoip/v2.1/city/8.8.8.8", ("authorization", "Basic ???"), 401, "AUTHORIZATION_INVALID"),
        ("/geoip/v2.1/city/8.8.8.8", TINY, 402, "OUT_OF_QUERIES"),
        ("/geoip/v2.1/city/8.8.8.8", ("api-key", "shop-key"), 403, "PERMISSION_REQUIRED"),
    ] {
        let response = ask(&api, target, &[login]);
        let (told, body) = told(&response);
        assert_eq!((told, &body["code"], body["error"].is_string()), (status, &json!(code), true), "{target}");
        assert!(header(&response, "content-type").is_some_and(|kind| kind.contains("json")));
    }
    let posted = post(&api, "/geoip/v2.1/city/8.8.8.8", "", &[PAID]);
    assert_eq!((posted.status().as_u16(), header(&posted, "allow")), (405, Some("GET, HEAD, OPTIONS")));
}

#[test]
fn an_address_that_the_data_lacks_is_not_found_by_maxmind_clients() {
    let response = ask(&all(), "/geoip/v2.1/country/2c0f:ffff:ffff::1", &[PAID]);
    assert_eq!((response.status().as_u16(), &json_of(&response)["code"]), (404, &json!("IP_ADDRESS_NOT_FOUND")));
}

#[test]
fn ipinfo_lite_has_country_and_network() {
    let api = all();
    let wanted = json!({
        "ip": "8.8.8.8", "asn": "AS15169", "as_name": "Google LLC", "country_code": "US", "country": "United States",
        "continent_code": "NA", "continent": "North America",
    });
    for (target, login) in [
        ("/lite/8.8.8.8?token=paid-key", ("accept", "application/json")),
        ("/lite/8.8.8.8", ("authorization", "Bearer paid-key")),
        ("/lite/8.8.8.8/", ("authorization", "Basic cGFpZC1rZXk6")),
        ("/lite/%38.8.8.8", KEY),
    ] {
        assert_eq!(told(&ask(&api, target, &[login])), (200, wanted.clone()), "{target}");
    }
    assert_eq!(json_of(&ask(&api, "/lite/me", &[KEY]))["ip"], "203.0.114.7");
    assert_eq!(text_of(&ask(&api, "/lite/8.8.8.8/country_code", &[KEY])), "US\n");
    assert_eq!(ask(&api, "/lite/8.8.8.8/nothing", &[KEY]).status(), 404);
    assert_eq!(text_of(&ask(&api, "/lite/8.8.8.8?callback=cb&token=paid-key", &[]))[..9], *"/**/cb({\"");
}

#[test]
fn ipinfo_of_old_has_a_place() {
    let api = all();
    let wanted = json!({
        "ip": "5.9.0.1", "country": "DE", "loc": "51.0000,9.0000", "org": "AS24940 Hetzner Online GmbH",
        "timezone": "Europe/Berlin",
    });
    let mut answer = json_of(&ask(&api, "/5.9.0.1/json", &[KEY]));
    let loc = answer["loc"].as_str().and_then(|loc| loc.split_once(',')).expect("two numbers");
    assert!(loc.0.parse::<f64>().is_ok() && loc.1.parse::<f64>().is_ok(), "{answer}");
    answer["loc"] = wanted["loc"].clone();
    assert_eq!(answer, wanted);
    let at_home = |target: &str| text_of(&ask(&api, target, &[KEY, ("host", "ipinfo.io")])).to_owned();
    assert_eq!(
        (at_home("/country"), at_home("/8.8.8.8/country")),
        (at_home("/203.0.114.7/country"), "US\n".to_owned())
    );
    assert!(at_home("/json").contains("203.0.114.7") && at_home("/").contains("203.0.114.7"));
}

#[test]
fn ipinfo_clients_are_told_bogons_and_errors_in_their_shape() {
    let api = all();
    for target in ["/lite/10.0.0.1?token=paid-key", "/10.0.0.1/json?token=paid-key"] {
        assert_eq!(told(&ask(&api, target, &[])), (200, json!({ "ip": "10.0.0.1", "bogon": true })));
    }
    assert_eq!(ask(&api, "/lite/10.0.0.1", &[]).status(), 401);
    for _ in 0..2 {
        assert_eq!(ask(&api, "/lite/8.8.8.8?token=tiny-key", &[]).status(), 200);
    }
    for (target, status, title) in [
        ("/lite/8.8.8.8?token=tiny-key", 429, "Rate limit exceeded"),
        ("/lite/8.8.8.8?token=nobodys", 401, "Unknown token"),
        ("/lite/bleh?token=paid-key", 404, "Wrong ip"),
        ("/lite/8.8.8.8/a/b?token=paid-key", 404, "Page not found"),
    ] {
        let (told, body) = told(&ask(&api, target, &[]));
        assert_eq!(
            (told, &body["status"], &body["error"]["title"]),
            (status, &json!(status), &json!(title)),
            "{target}"
        );
    }
}

#[test]
fn an_ipinfo_batch_has_an_answer_under_each_path() {
    let api = all();
    let body = r#"["8.8.8.8", "5.9.0.1/country", "10.0.0.1", "bleh", "lite/8.8.8.8/asn"]"#;
    let answer = json_of(&post(&api, "/ipinfo/batch?token=paid-key", body, &[]));
    assert_eq!((&answer["8.8.8.8"]["org"], &answer["5.9.0.1/country"]), (&json!("AS15169 Google LLC"), &json!("DE")));
    assert_eq!((&answer["10.0.0.1"]["bogon"], &answer["bleh"]["status"]), (&json!(true), &json!(404)));
    assert_eq!(answer["lite/8.8.8.8/asn"], "AS15169");
    assert_eq!(text_of(&ask(&api, "/8.8.8.8/count", &[KEY])), "6");
    assert_eq!(post(&api, "/ipinfo/batch?token=free-key", body, &[]).status(), 403);
    assert_eq!(post(&api, "/ipinfo/batch?token=paid-key", "{}", &[]).status(), 400);
    assert_eq!(ask(&api, "/ipinfo/batch?token=paid-key", &[]).status(), 405);
}

#[test]
fn ip_api_answers_with_its_fields_and_what_is_left() {
    let api = all();
    let response = ask(&api, "/json/8.8.8.8?key=tiny-key", &[]);
    let body = json_of(&response);
    assert_eq!(
        (&body["status"], &body["countryCode"], &body["query"]),
        (&json!("success"), &json!("US"), &json!("8.8.8.8"))
    );
    assert_eq!((&body["as"], &body["city"]), (&json!("AS15169 Google LLC"), &json!("")));
    assert!(body["lat"].is_number() && body.get("continent").is_none() && body.get("message").is_none(), "{body}");
    assert_eq!(header(&response, "x-rl"), Some("1"));
    assert!(header(&response, "x-ttl").and_then(|left| left.parse::<u32>().ok()).is_some_and(|left| left <= 86_400));
    let some = |query: &str| json_of(&ask(&api, &format!("/json/5.9.0.1?key=paid-key&{query}"), &[]));
    let wanted = json!({ "status": "success", "timezone": "Europe/Berlin", "proxy": false });
    assert_eq!(some("fields=status,timezone,proxy,message,nothing"), wanted);
    assert_eq!(some(&format!("fields={}", 16_384 + 256 + 131_072)), wanted);
    assert!(matches!(some("fields=offset")["offset"].as_i64(), Some(3600 | 7200)));
    assert_eq!(some("lang=fr")["country"], "Germany");
    assert_eq!(json_of(&ask(&api, "/json?key=paid-key", &[]))["query"], "203.0.114.7");
    assert_eq!(
        text_of(&ask(&api, "/json/8.8.8.8?key=paid-key&fields=status&callback=cb", &[])),
        r#"/**/cb({"status":"success"});"#
    );
}

#[test]
fn ip_api_tells_what_is_wrong_with_status_200() {
    let api = all();
    for (query, message) in [
        ("192.168.1.1", "private range"),
        ("fd00::1", "private range"),
        ("127.0.0.1", "reserved range"),
        ("224.0.0.1", "reserved range"),
        ("example.com", "invalid query"),
    ] {
        let answer = told(&ask(&api, &format!("/json/{query}"), &[KEY]));
        assert_eq!(answer, (200, json!({ "status": "fail", "message": message, "query": query })));
    }
    for _ in 0..2 {
        assert_eq!(ask(&api, "/json/8.8.8.8?key=tiny-key", &[]).status(), 200);
    }
    let over = ask(&api, "/json/8.8.8.8?key=tiny-key", &[]);
    assert_eq!((over.status().as_u16(), header(&over, "x-rl")), (429, Some("0")));
    assert_eq!(ask(&api, "/json/8.8.8.8", &[]).status(), 401);
    assert_eq!(post(&api, "/json/8.8.8.8", "", &[KEY]).status(), 405);
    assert_eq!(ask(&api, "/batch", &[KEY]).status(), 405);
}

#[test]
fn an_ip_api_batch_costs_its_length() {
    let api = all();
    let body = r#"["8.8.8.8", {"query": "5.9.0.1", "fields": "country"}, "bleh"]"#;
    let response = post(&api, "/batch?fields=query,countryCode&key=paid-key", body, &[]);
    let wanted = json!([{ "query": "8.8.8.8", "countryCode": "US" }, { "country": "Germany" }, { "query": "bleh" }]);
    assert_eq!((told(&response), header(&response, "x-rl")), ((200, wanted), Some("19997")));
    let many = format!("[{}]", vec!["\"8.8.8.8\""; 101].join(","));
    assert_eq!(post(&api, "/batch", &many, &[KEY]).status(), 422);
    assert_eq!(post(&api, "/batch", "{}", &[KEY]).status(), 400);
    assert_eq!(post(&api, "/batch", body, &[("api-key", "free-key")]).status(), 403);
    assert_eq!(post(&api, "/batch", body, &[("api-key", "tiny-key")]).status(), 429);
}

#[test]
fn echoip_answers_terminals_in_lines() {
    let api = all();
    let get =
        |target: &str, headers: &[(&str, &str)]| text_of(&ask(&api, target, &[&[KEY], headers].concat())).to_owned();
    for (path, line) in [
        ("ip", "8.8.8.8\n"),
        ("country", "United States\n"),
        ("country-iso", "US\n"),
        ("city", "\n"),
        ("asn", "AS15169\n"),
        ("asn-org", "Google LLC\n"),
    ] {
        assert_eq!(get(&format!("/echoip/{path}?ip=8.8.8.8"), &[]), line);
        assert_eq!(get(&format!("/{path}?ip=8.8.8.8"), &[("accept", "text/plain")]), line);
        assert_eq!(get(&format!("/{path}?ip=8.8.8.8"), &[("host", "ifconfig.co")]), line);
    }
    assert_eq!((get("/echoip", &[]), get("/echoip/ip", &[])), ("203.0.114.7\n".to_owned(), "203.0.114.7\n".to_owned()));
    let whole = json_of(&ask(&api, "/echoip/json?ip=8.8.8.8", &[KEY]));
    assert_eq!((&whole["ip_decimal"], &whole["country_eu"]), (&json!(134_744_072), &json!(false)));
    assert!(
        get("/echoip/json?ip=2001:4860:4860::8888", &[])
            .contains(r#""ip_decimal":42541956123769884636017138956568135816,"#)
    );
    let refused = ask(&api, "/echoip/country?ip=10.0.0.1", &[KEY]);
    assert_eq!((refused.status().as_u16(), text_of(&refused)), (400, "10.0.0.1 is a private IP address\n"));
    assert_eq!(told(&ask(&api, "/echoip/json?ip=bleh", &[KEY])).1["status"], 400);
    assert_eq!(
        (ask(&api, "/echoip/x", &[KEY]).status().as_u16(), ask(&api, "/echoip", &[]).status().as_u16()),
        (404, 401)
    );
}

#[test]
fn callers_in_private_networks_have_an_address_but_no_place() {
    let api = all();
    let from = |target: &str| {
        let request = Request::builder().uri(target).header("api-key", "paid-key").body(()).expect("a request");
        api.answer(&request.into_parts().0, IpAddr::from([192, 168, 0, 9]))
    };
    assert_eq!(text_of(&from("/echoip/ip")), "192.168.0.9\n");
    assert_eq!(from("/echoip/country").status(), 400);
    assert_eq!(json_of(&from("/lite/me")), json!({ "ip": "192.168.0.9", "bogon": true }));
    assert_eq!(json_of(&from("/json"))["message"], "private range");
    assert_eq!(json_of(&from("/geoip/v2.1/city/me"))["code"], "IP_ADDRESS_RESERVED");
}

#[test]
fn every_dialect_tells_who_is_too_fast_when_to_come_again() {
    let api = all();
    for target in [
        "/lite/8.8.8.8?token=slow-key",
        "/json/8.8.8.8?key=slow-key",
        "/echoip/ip?api-key=slow-key",
        "/geoip/v2.1/city/8.8.8.8?api-key=slow-key",
    ] {
        let refused = too_fast(&api, target, &[]);
        assert_eq!(header(&refused, "retry-after"), Some("1"), "{target}");
        assert_eq!(header(&refused, "ratelimit-policy"), Some("\"burst\";q=2;w=2"), "{target}");
    }
}

#[test]
fn every_dialect_counts_on_the_same_row() {
    let api = open_api().with_dialects(all().dialects);
    for target in ["/8.8.8.8", "/lite/8.8.8.8", "/json/8.8.8.8"] {
        assert_eq!(ask(&api, target, &[]).status(), 200);
    }
    for (target, status) in [
        ("/8.8.8.8", 403),
        ("/lite/8.8.8.8", 429),
        ("/json/8.8.8.8", 429),
        ("/geoip/v2.1/city/me", 402),
        ("/echoip", 429),
    ] {
        let response = ask(&api, target, &[]);
        assert_eq!(response.status(), status, "{target}");
        assert!(header(&response, "ratelimit").is_some_and(|left| left.starts_with("\"day\";r=0")), "{target}");
    }
    let metrics = text_of(&ask(&api, "/metrics", &[])).to_owned();
    assert!(metrics.contains(r#"status="402",cause="over-quota"} 1"#), "{metrics}");
}
