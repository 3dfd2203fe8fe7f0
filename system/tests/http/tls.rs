//! TLS with certificates made for the test.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use georush_system::http::{Limits, Tls, tls};
use rcgen::{CertifiedKey, KeyPair};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::sleep};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName},
    },
};

use crate::{
    http2,
    support::{PATIENCE, Site, answer, rest, short, status},
};

const GET: &str = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Two files of a directory that goes with the test.
struct Files {
    directory: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

impl Files {
    fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("georush-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory");
        Self { certificate: directory.join("chain.pem"), key: directory.join("key.pem"), directory }
    }

    /// Makes a pair, writes it, and returns the certificate.
    fn renew(&self) -> CertificateDer<'static> {
        let made = made();
        fs::write(&self.certificate, made.cert.pem()).expect("written");
        fs::write(&self.key, made.signing_key.serialize_pem()).expect("written");
        made.cert.der().clone()
    }

    fn load(&self) -> Result<Tls, tls::Error> {
        Tls::load(&self.certificate, &self.key, Duration::from_millis(20))
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn made() -> CertifiedKey<KeyPair> {
    rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate")
}

async fn connect(site: &Site, trusted: &CertificateDer<'static>, alpn: &[u8]) -> Option<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).expect("a root");
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = if alpn.is_empty() { Vec::new() } else { vec![alpn.to_vec()] };
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, site.connect().await).await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_versions_are_served_and_chosen_in_the_handshake() {
    let files = Files::new("versions");
    let trusted = files.renew();
    let site = Site::start_with(Limits::default(), Some(files.load().expect("loaded")));
    for alpn in [b"http/1.1".as_slice(), b""] {
        let mut stream = connect(&site, &trusted, alpn).await.expect("connected");
        for _ in 0..3 {
            stream.write_all(GET.as_bytes()).await.expect("written");
            assert_eq!(status(&answer(&mut stream).await), 200);
        }
        stream.write_all(b"nonsense\r\n\r\n").await.expect("written");
        assert_eq!(status(&rest(&mut stream).await), 400);
    }
    let mut sender = http2::open(connect(&site, &trusted, b"h2").await.expect("connected")).await;
    let request = hyper::Request::get("https://localhost/x").body(http_body_util::Full::default()).expect("a request");
    assert_eq!(http2::ask(&mut sender, request).await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_is_refused_over_tls_without_a_reset() {
    let files = Files::new("large");
    let trusted = files.renew();
    let site = Site::start_with(Limits::default(), Some(files.load().expect("loaded")));
    let mut stream = connect(&site, &trusted, b"").await.expect("connected");
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n";
    stream.write_all(&[head.as_slice(), &[b'x'; 500_000]].concat()).await.expect("written");
    assert_eq!(status(&rest(&mut stream).await), 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_taken_and_a_broken_one_is_not() {
    let files = Files::new("renewed");
    let old = files.renew();
    let site = Site::start_with(Limits::default(), Some(files.load().expect("loaded")));
    let mut running = connect(&site, &old, b"").await.expect("connected");
    // Other length, so that a coarse clock of the file system does not hide it.
    fs::write(&files.key, "broken").expect("written");
    sleep(Duration::from_millis(100)).await;
    assert!(connect(&site, &old, b"").await.is_some(), "the old certificate is kept");
    let new = files.renew();
    let taken = tokio::time::timeout(PATIENCE, async {
        while connect(&site, &new, b"").await.is_none() {
            sleep(Duration::from_millis(10)).await;
        }
    });
    taken.await.expect("the new certificate in time");
    assert!(connect(&site, &old, b"").await.is_none());
    running.write_all(GET.as_bytes()).await.expect("written");
    assert_eq!(status(&answer(&mut running).await), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_does_not_end_is_given_up() {
    let files = Files::new("handshake");
    files.renew();
    let site = Site::start_with(short(), Some(files.load().expect("loaded")));
    assert_eq!(site.talk("").await, "");
    site.eventually("a slow handshake", |readings| readings.slow_handshakes == 1).await;
    let _ = site.talk("GET / HTTP/1.1\r\n\r\n").await;
    site.eventually("a failed handshake", |readings| readings.failed_handshakes == 1).await;
}

#[test]
fn files_that_will_not_do_are_named() {
    let files = Files::new("errors");
    let told = |wanted: &str| {
        let error = files.load().expect_err("an error").to_string();
        assert!(error.contains(wanted) && error.contains("georush-errors"), "{error}");
    };
    told("chain.pem: can't read it");
    files.renew();
    fs::write(&files.key, made().signing_key.serialize_pem()).expect("written");
    told("key.pem: the key does not belong to the first certificate of");
    fs::write(&files.key, made().cert.pem()).expect("written");
    told("key.pem: found no private key");
    fs::write(&files.key, "-----BEGIN PRIVATE KEY-----\nAAAA\n").expect("written");
    told("key.pem: a section ends without its line -----END PRIVATE KEY-----");
    fs::write(&files.certificate, "").expect("written");
    told("chain.pem: found no certificate");
}
