//! Endpoints that are dead, slow, throttling or something else altogether: what is told, and how soon.
//!
//! Not here: a service that goes on while its endpoint is away; see `emulated`.

use std::{
    env,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::Command,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use georush_aws::Aws;
use georush_system::{
    backend::{Backend, config::Config},
    key,
};

/// A server on this machine that answers every request in the same way, for as long as the test runs.
fn server(answer: impl Fn(&mut TcpStream) + Clone + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let answer = answer.clone();
            thread::spawn(move || answer(&mut stream));
        }
    });
    format!("http://{address}")
}

fn says(status: &'static str, kind: &'static str, body: &'static str) -> String {
    server(move |stream| {
        let mut request = [0; 65_536];
        while matches!(stream.read(&mut request), Ok(1..)) {
            let length = body.len();
            let head = format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n");
            if stream.write_all(format!("{head}{body}").as_bytes()).is_err() {
                break;
            }
        }
    })
}

const ENDPOINT: &str = "GEORUSH_TEST_ENDPOINT";

/// Not a test by itself: the process that has credentials, which [`told`] starts.
#[test]
fn asks_for_a_key() {
    let Ok(endpoint) = env::var(ENDPOINT) else { return };
    let text = format!(
        "backend = \"aws\"\n[aws]\nendpoint = {endpoint:?}\nstream = \"usage\"\n[aws.central]\nregion = \"us-east-1\"\n\
         [aws.regions.us-east-1]\n"
    );
    let Config::Aws(settings) = Config::parse(&text, "b.toml").expect("it is right") else { panic!("it is aws") };
    let backend = Aws::open(settings).expect("nothing is asked yet");
    let began = Instant::now();
    let asked = backend.accounts().and_then(|mut central| central.item(&key::identifier("a key")));
    assert!(began.elapsed() < Duration::from_secs(8), "whoever waits is told within seconds");
    println!("told: {}", asked.expect_err("nobody is there"));
}

/// What is told when the backend at `endpoint` is asked for a key.
fn told(endpoint: &str) -> String {
    told_with(endpoint, &[])
}

/// The same with other variables.
fn told_with(endpoint: &str, variables: &[(&str, &str)]) -> String {
    let mut asks = Command::new(env::current_exe().expect("it runs"));
    asks.args(["--exact", "asks_for_a_key", "--nocapture"]).env(ENDPOINT, endpoint);
    asks.env("AWS_ACCESS_KEY_ID", "a").env("AWS_SECRET_ACCESS_KEY", "b").env_remove("AWS_PROFILE");
    asks.envs(variables.iter().copied());
    let output = String::from_utf8(asks.output().expect("it starts").stdout).expect("it is text");
    let line = output.lines().find_map(|line| line.split_once("told: "));
    line.unwrap_or_else(|| panic!("{output}")).1.to_owned()
}

#[test]
fn an_endpoint_where_nobody_listens_is_named_with_what_to_do() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let address = listener.local_addr().expect("it is bound");
    drop(listener);
    let told = told(&format!("http://{address}"));
    assert!(told.starts_with(&format!("DynamoDB of us-east-1 at http://{address}: DescribeTable failed: ")), "{told}");
    assert!(told.ends_with("start it, or correct its endpoint"), "{told}");
}

/// Of a machine without certificates of authorities, such as a small container.
const NO_CERTIFICATES: [(&str, &str); 2] = [("SSL_CERT_FILE", "/nonexistent"), ("SSL_CERT_DIR", "/nonexistent")];

#[test]
fn a_machine_without_certificates_reaches_what_has_no_tls() {
    let told = told_with(&says("502 Bad Gateway", "text/html", "bad gateway"), &NO_CERTIFICATES);
    assert!(told.contains("status 502"), "{told}");
}

#[test]
fn an_endpoint_whose_issuer_is_unknown_is_told_with_what_to_do() {
    let rcgen::CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let key = rustls::pki_types::PrivateKeyDer::try_from(signing_key.serialize_der()).expect("a key");
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(ring).with_safe_default_protocol_versions();
    let config = config.expect("ring has them all").with_no_client_auth();
    let config = Arc::new(config.with_single_cert(vec![cert.der().clone()], key).expect("they belong together"));
    let endpoint = server(move |stream| {
        let mut connection = rustls::ServerConnection::new(Arc::clone(&config)).expect("a good configuration");
        while connection.complete_io(stream).is_ok_and(|done| done != (0, 0)) {}
    });
    for variables in [&[][..], &NO_CERTIFICATES] {
        let told = told_with(&endpoint.replace("http:", "https:"), variables);
        assert!(told.contains("UnknownIssuer") && told.ends_with("in SSL_CERT_FILE"), "{told}");
    }
}

#[test]
fn an_endpoint_that_does_not_answer_is_told_as_slow() {
    let told = told(&server(|stream| {
        let mut request = [0; 65_536];
        while matches!(stream.read(&mut request), Ok(1..)) {}
    }));
    assert!(told.contains("DescribeTable failed: no answer in time; it is slow or out of reach"), "{told}");
}

#[test]
fn an_endpoint_that_throttles_is_asked_again_and_then_told_with_what_to_do() {
    let body =
        r#"{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"slow down"}"#;
    let told = told(&says("400 Bad Request", "application/x-amz-json-1.0", body));
    assert!(told.contains("failed: ProvisionedThroughputExceededException: slow down"), "{told}");
    assert!(told.ends_with("give the table georush-central more capacity"), "{told}");
}

#[test]
fn an_endpoint_that_answers_something_else_is_told_so() {
    for (status, body) in [("200 OK", "<html>hello</html>"), ("502 Bad Gateway", "bad gateway")] {
        let told = told(&says(status, "text/html", body));
        assert!(told.contains("DescribeTable failed: ") && told.contains("is this the service's endpoint?"), "{told}");
    }
}

#[test]
fn a_missing_table_is_told_with_what_to_do() {
    let body = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ResourceNotFoundException","message":"no such table"}"#;
    let told = told(&says("400 Bad Request", "application/x-amz-json-1.0", body));
    assert!(told.ends_with("make the table georush-central, or set `create = true`"), "{told}");
}
