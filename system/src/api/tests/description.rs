//! The published description against the API that runs: neither may say what the other doesn't.
//!
//! Not here: whether the answers are right; only that they are described.

use jsonschema::Draft;

use super::*;

/// `data/openapi.json`, read.
struct Description(Value);

impl Description {
    fn read() -> Self {
        Self(serde_json::from_slice(OPENAPI).expect("the description is JSON"))
    }

    /// What a reference points to, or the value itself.
    fn resolve<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(reference) => self.resolve(self.0.pointer(&reference[1..]).expect(reference)),
            None => value,
        }
    }

    /// What is wrong with `value` by a schema.
    fn wrong(&self, schema: &Value, value: &Value) -> Vec<String> {
        let whole = json!({ "allOf": [schema], "components": self.0["components"] });
        let options = jsonschema::options().with_draft(Draft::Draft202012).should_validate_formats(true);
        let validator = options.build(&whole).expect("a valid schema");
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
    }

    fn operations(&self) -> impl Iterator<Item = (&String, &String, &Value)> {
        let paths = self.0["paths"].as_object().expect("paths");
        paths.iter().flat_map(|(path, item)| {
            let operations = item.as_object().expect("operations").iter().filter(|(name, _)| *name != "parameters");
            operations.map(move |(method, operation)| (path, method, operation))
        })
    }

    /// An answer must have the status, the type, the headers and the body that the description gives for its path.
    fn covers(&self, method: &str, path: &str, response: &Response<Body>, about: &str) {
        let status = response.status().as_str().to_owned();
        let responses = &self.0["paths"][path][method]["responses"];
        let described = responses.get(&status).unwrap_or(&responses["default"]);
        let described = self.resolve(described);
        assert!(described.is_object(), "{about}: {method} {path} has no {status}");
        self.covers_headers(described, response, about);
        let Some(contents) = described.get("content") else {
            assert!(response.body().is_empty(), "{about}: a body where none is described");
            return;
        };
        let kind = header(response, "content-type").expect("a type");
        let schema = &contents[kind]["schema"];
        assert!(schema.is_object(), "{about}: {status} as {kind} is not described");
        let text = || Value::String(text_of(response).to_owned());
        let body = match kind {
            // Bare texts are no JSON; the description says so.
            "application/json" => serde_json::from_slice(response.body()).unwrap_or_else(|_| text()),
            _ => text(),
        };
        assert_eq!(self.wrong(schema, &body), [""; 0], "{about}: {body}");
    }

    fn covers_headers(&self, described: &Value, response: &Response<Body>, about: &str) {
        let described = described["headers"].as_object().expect("headers");
        let lower: Vec<String> = described.keys().map(|name| name.to_lowercase()).collect();
        for name in response.headers().keys().filter(|name| *name != "content-type") {
            assert!(lower.iter().any(|known| known == name.as_str()), "{about}: header {name} is not described");
        }
        for (name, declared) in described {
            let declared = self.resolve(declared);
            match header(response, &name.to_lowercase()) {
                Some(value) => assert_eq!(self.wrong(&declared["schema"], &json!(value)), [""; 0], "{about}: {name}"),
                None => assert_ne!(declared["required"], true, "{about}: header {name} is missing"),
            }
        }
    }
}

fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_component_is_used() {
    let description = Description::read();
    let mut found = Vec::new();
    references(&description.0, &mut found);
    for reference in &found {
        assert!(description.0.pointer(&reference[1..]).is_some(), "{reference}");
    }
    for kind in ["schemas", "parameters", "headers", "responses"] {
        for name in description.0["components"][kind].as_object().expect("components").keys() {
            // The whole record is stricter than what a path may answer; the tests below hold answers against it.
            let used = found.contains(&format!("#/components/{kind}/{name}").as_str());
            assert!(used || ["Record", "RecordWithoutNulls"].contains(&name.as_str()), "{kind}/{name} is not used");
        }
    }
}

#[test]
fn every_operation_has_a_name_its_parameters_and_answers_and_every_schema_is_one() {
    let description = Description::read();
    assert_eq!(description.0["openapi"], "3.1.0");
    let mut names = Vec::new();
    for (path, method, operation) in description.operations() {
        names.push(operation["operationId"].as_str().expect("a name"));
        let responses = operation["responses"].as_object().expect("answers");
        assert!(!responses.is_empty(), "{method} {path}");
        for (status, response) in responses {
            assert!(status == "default" || status.parse::<u16>().is_ok(), "{method} {path}: {status}");
            assert!(description.resolve(response)["description"].is_string(), "{method} {path}: {status}");
        }
        let declared = description.0["paths"][path]["parameters"].as_array();
        let declared: Vec<_> = declared.into_iter().flatten().map(|parameter| &parameter["name"]).collect();
        let wanted: Vec<_> = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
        assert_eq!(declared, wanted, "{path}");
    }
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    for (name, schema) in description.0["components"]["schemas"].as_object().expect("schemas") {
        assert!(jsonschema::draft202012::meta::is_valid(schema), "{name}");
    }
}

#[test]
fn the_fields_described_are_the_fields_there_are() {
    let description = Description::read();
    let part = &description.0["components"]["schemas"]["RecordPart"];
    let described: Vec<&str> = part["properties"].as_object().expect("properties").keys().map(String::as_str).collect();
    let mut wanted = fields::OF_RECORD.to_vec();
    wanted.sort_unstable();
    assert_eq!((described, &part["additionalProperties"]), (wanted, &json!(false)));
    let parameter = &description.0["components"]["parameters"]["fields"]["schema"]["items"]["enum"];
    for field in fields::OF_RECORD.iter().chain(&fields::OF_SYSTEM) {
        assert!(parameter.as_array().expect("names").contains(&json!(field)), "{field}");
    }
}

#[test]
fn records_are_described_to_the_last_member() {
    let (description, api) = (Description::read(), api());
    let schema = json!({ "$ref": "#/components/schemas/Record" });
    for ip in [
        "8.8.8.8",
        "5.9.0.1",
        "41.128.21.123",
        "1.1.1.1",
        "2001:4860:4860::8888",
        "2a00:1450:4001::1",
        "::ffff:9.9.9.9",
    ] {
        let response = ask(&api, &format!("/{ip}?api-key=paid-key"), &[]);
        description.covers("get", "/{target}", &response, ip);
        assert_eq!(description.wrong(&schema, &json_of(&response)), [""; 0], "{ip}");
    }
    let good = json_of(&ask(&api, "/8.8.8.8?api-key=paid-key", &[]));
    for (pointer, bad) in
        [("/city", json!(7)), ("/asn/route", Value::Null), ("/count", json!(1)), ("/asn/new", json!(1))]
    {
        let mut record = good.clone();
        let (parent, member) = pointer.rsplit_once('/').expect("a pointer");
        record.pointer_mut(parent).expect("there")[member] = bad;
        assert_ne!(description.wrong(&schema, &record), [""; 0], "{pointer}");
    }
    let mut record = good;
    record.as_object_mut().expect("an object").remove("postal");
    assert_ne!(description.wrong(&schema, &record), [""; 0], "a record without a postal code");
}

#[test]
fn a_threat_is_described_to_the_last_member() {
    let directory = std::env::temp_dir().join(format!("georush-description-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("writable");
    for name in ["tor.txt", "known_attacker.demo.txt"] {
        std::fs::write(directory.join(name), "8.8.8.0/24\n").expect("writable");
    }
    let loaded = Geo::load(&geo::Settings { threats: Some(directory.clone()), ..geo::Settings::default() });
    std::fs::remove_dir_all(&directory).expect("removable");
    let (description, api) = (Description::read(), api());
    let api = Api { data: Arc::new(ArcSwap::from_pointee(Data::new(loaded.expect("good data")))), ..api };
    let record = json_of(&ask(&api, "/8.8.8.8?api-key=paid-key", &[]));
    assert_eq!(
        (&record["threat"]["is_tor"], &record["threat"]["blocklists"][0]["name"]),
        (&json!(true), &json!("demo"))
    );
    assert_eq!(description.wrong(&json!({ "$ref": "#/components/schemas/Record" }), &record), [""; 0]);
    let api = api.with_dialects("maxmind".parse().expect("a dialect"));
    let traits = &json_of(&ask(&api, "/geoip/v2.1/insights/8.8.8.8", &[("api-key", "paid-key")]))["traits"];
    assert_eq!((&traits["is_tor_exit_node"], traits.get("is_anonymous_vpn")), (&json!(true), None));
}

#[test]
fn answers_of_every_path_are_described() {
    let (description, api) = (Description::read(), api());
    for (path, target) in [
        ("/", "/"),
        ("/{target}", "/AS15169"),
        ("/{target}", "/as13335/"),
        ("/{target}", "/AS15169?fields=name,num_ips"),
        ("/{target}", "/fr-FR"),
        ("/{ip}/{selector}", "/8.8.8.8/zh-Hans"),
        ("/asn/{of}", "/asn/AS15169"),
        ("/asn/{of}", "/asn/8.8.8.8"),
        ("/{target}", "/8.8.8.8?fields=ip,carrier,count"),
        ("/{target}", "/8.8.8.8?v=1"),
        ("/{target}", "/8.8.8.8?callback=cb"),
        ("/{target}", "/bleh?callback=cb"),
        ("/healthz", "/healthz"),
        ("/readyz", "/readyz"),
        ("/metrics", "/metrics"),
        ("/openapi.json", "/openapi.json"),
        ("/attribution", "/attribution"),
    ] {
        let response = ask(&api, target, &[("api-key", "paid-key")]);
        description.covers("get", path, &response, target);
    }
    for field in fields::OF_RECORD {
        for (of, path) in [("", "/{target}"), ("/5.9.0.1", "/{ip}/{selector}")] {
            for query in ["?format=json", ""] {
                let target = format!("{of}/{field}{query}");
                description.covers("get", path, &ask(&api, &target, &[("api-key", "paid-key")]), &target);
            }
        }
    }
    let body = r#"["8.8.8.8","bleh","10.0.0.1","AS15169","ASx","2001:4860:4860::8888"]"#;
    for target in ["/bulk?api-key=paid-key", "/bulk/?api-key=paid-key&fields=ip,asn", "/bulk?api-key=paid-key&v=1"] {
        description.covers("post", "/bulk", &post(&api, target, body, &[]), target);
    }
    api.edge.set_readable(false);
    description.covers("get", "/readyz", &ask(&api, "/readyz", &[]), "not ready");
}

#[test]
fn answers_to_single_clients_are_described() {
    let (description, api) = (Description::read(), api());
    let rust = [("user-agent", "ipdata-rust/0.1.1"), ("api-key", "paid-key")];
    let lean = json!({ "$ref": "#/components/schemas/RecordWithoutNulls" });
    assert_eq!(description.wrong(&lean, &json_of(&ask(&api, "/8.8.8.8", &rust))), [""; 0]);
    for field in fields::OF_RECORD {
        let target = format!("/8.8.8.8/{field}");
        description.covers("get", "/{ip}/{selector}", &ask(&api, &target, &rust), &target);
    }
    description.covers("post", "/bulk", &post(&api, "/bulk", r#"["8.8.8.8","bleh"]"#, &rust), "wrapped");
    let old = [("user-agent", "ipdata-pypi/0.0.1"), ("api-key", "tiny-key")];
    for _ in 0..3 {
        description.covers("get", "/{ip}/{selector}", &ask(&api, "/8.8.8.8/en", &old), "the flat record");
    }
}

#[test]
fn every_error_is_described() {
    let description = Description::read();
    let (api, open) = (api(), open_api());
    for _ in 0..4 {
        description.covers("get", "/{target}", &ask(&api, "/8.8.8.8?api-key=free-key", &[]), "free");
        description.covers("get", "/{target}", &ask(&open, "/8.8.8.8", &[]), "no key");
    }
    for target in ["/127.0.0.1", "/224.0.0.1", "/bleh", "/8.8.8.8?fields=bleh", "/8.8.8.8?callback=1", "/ASBlah"] {
        description.covers("get", "/{target}", &ask(&api, target, &[("api-key", "paid-key")]), target);
        description.covers("get", "/{target}", &ask(&api, target, &[]), target);
    }
    for (key, path, target) in [
        ("paid-key", "/{ip}/{selector}", "/8.8.8.8/nonsense"),
        ("shop-key", "/{ip}/{selector}", "/8.8.8.8/asn"),
        ("free-key", "/asn/{of}", "/asn/AS15169"),
        ("paid-key", "/asn/{of}", "/asn/ASx"),
        ("paid-key", "/bulk", "/bulk"),
    ] {
        description.covers("get", path, &ask(&api, target, &[("api-key", key)]), target);
    }
    for (key, body) in [("paid-key", "{}"), ("free-key", "[\"8.8.8.8\"]"), ("nobodys", "[]")] {
        description.covers("post", "/bulk", &post(&api, "/bulk", body, &[("api-key", key)]), body);
    }
    description.covers("get", "/{target}", &post(&api, "/8.8.8.8?api-key=paid-key", "", &[]), "POST");
    for status in [StatusCode::REQUEST_TIMEOUT, StatusCode::PAYLOAD_TOO_LARGE] {
        description.covers("post", "/bulk", &api.refuse(status, "no"), "refused");
    }
    description.covers("get", "/{target}", &too_fast(&api, "/8.8.8.8", &[("api-key", "slow-key")]), "too fast");
    let closed = api_with_policy(PLANS, OnUnavailable::Closed);
    closed.edge.set_readable(false);
    let refused = ask(&closed, "/8.8.8.8?api-key=paid-key", &[]);
    assert_eq!(refused.status(), 503);
    description.covers("get", "/{target}", &refused, "closed");
}

#[test]
fn browsers_are_told_what_is_described() {
    let request = Request::builder().method(Method::OPTIONS).uri("/8.8.8.8").body(()).expect("a request");
    let response = api().answer(&request.into_parts().0, STRANGER.into());
    Description::read().covers("options", "/{target}", &response, "preflight");
}
