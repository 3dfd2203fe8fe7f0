//! TLS: a certificate and its key from PEM files, checked at the start, replaced while running when the files change.
//!
//! Not here: who renews the files.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use tokio::{task::spawn_blocking, time::sleep};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, ServerConfig,
        crypto::{CryptoProvider, ring},
        pki_types::{
            CertificateDer, PrivateKeyDer,
            pem::{self, PemObject},
        },
        server::{ClientHello, ResolvesServerCert},
        sign::CertifiedKey,
    },
};

/// Why there is no certificate to serve.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file is missing or may not be read.
    #[error("{file}: can't read it: {source}; expected a PEM file that this process may read")]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file is not PEM.
    #[error("{file}: {found}; expected PEM: sections between -----BEGIN and -----END lines")]
    NotPem {
        /// Which.
        file: PathBuf,
        /// What is wrong with it.
        found: String,
    },
    /// The first file has no certificate.
    #[error("{file}: found no certificate, expected the server's own, then those of its issuers (fullchain.pem)")]
    NoCertificate {
        /// Which.
        file: PathBuf,
    },
    /// The second file has no key.
    #[error("{file}: found no private key, expected one in PKCS#8, SEC1 or PKCS#1, without a passphrase")]
    NoKey {
        /// Which.
        file: PathBuf,
    },
    /// The two files are not of one pair.
    #[error("{key}: the key does not belong to the first certificate of {certificate}; give the two of one issue")]
    NotAPair {
        /// The first file.
        certificate: PathBuf,
        /// The second file.
        key: PathBuf,
    },
    /// rustls can't use them.
    #[error("{key}: rustls can't use it with {certificate}: {source}; expected an RSA, ECDSA or Ed25519 pair")]
    Unusable {
        /// The first file.
        certificate: PathBuf,
        /// The second file.
        key: PathBuf,
        /// What rustls said.
        source: rustls::Error,
    },
    /// rustls can't be set up.
    #[error("can't set up TLS: {0}")]
    Setup(rustls::Error),
}

/// A certificate to serve. Clones share it, and see it replaced.
#[derive(Debug, Clone)]
pub struct Tls(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    certificate: PathBuf,
    key: PathBuf,
    poll: Duration,
    provider: Arc<CryptoProvider>,
    current: Arc<Current>,
    config: Arc<ServerConfig>,
    /// Of the files when they were last tried, well or not.
    tried: Mutex<Option<Stamp>>,
}

/// What handshakes are made with.
#[derive(Debug)]
struct Current(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// When files were written and how long they are.
type Stamp = [(SystemTime, u64); 2];

impl Tls {
    /// Reads and checks a certificate chain and its key; while they are served, looks for changes of the files every `poll`.
    ///
    /// # Errors
    /// If a file can't be read, lacks what is looked for, or the key is another certificate's.
    pub fn load(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>, poll: Duration) -> Result<Self, Error> {
        let (certificate, key) = (certificate.into(), key.into());
        let provider = Arc::new(ring::default_provider());
        // Before the files are read: a change in between is seen at the first look.
        let stamp = stamp(&certificate, &key);
        let current = Arc::new(Current(ArcSwap::from_pointee(read(&certificate, &key, &provider)?)));
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(Error::Setup)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::<Current>::clone(&current));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.ticketer = ring::Ticketer::new().map_err(Error::Setup)?;
        let config = Arc::new(config);
        Ok(Self(Arc::new(Inner { certificate, key, poll, provider, current, config, tried: Mutex::new(stamp) })))
    }

    /// Reads the files again. New connections get the new certificate, running ones keep theirs.
    ///
    /// # Errors
    /// As for [`load`](Self::load); the certificate stays as it was.
    pub fn reload(&self) -> Result<(), Error> {
        let inner = &*self.0;
        let stamp = stamp(&inner.certificate, &inner.key);
        *inner.tried.lock().unwrap_or_else(PoisonError::into_inner) = stamp;
        inner.current.0.store(Arc::new(read(&inner.certificate, &inner.key, &inner.provider)?));
        Ok(())
    }

    /// Looks for changes of the files, for ever.
    pub(super) async fn keep_fresh(self) {
        loop {
            sleep(self.0.poll).await;
            let tls = self.clone();
            // Only a panic or the end of the runtime fails here; either has been told elsewhere.
            let _ = spawn_blocking(move || tls.reload_if_changed()).await;
        }
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.0.config))
    }

    fn reload_if_changed(&self) {
        let inner = &*self.0;
        if stamp(&inner.certificate, &inner.key) == *inner.tried.lock().unwrap_or_else(PoisonError::into_inner) {
            return;
        }
        match self.reload() {
            Ok(()) => tracing::info!(certificate = %inner.certificate.display(), "took the new certificate"),
            Err(error) => tracing::warn!(%error, "kept the old certificate"),
        }
    }
}

fn stamp(certificate: &Path, key: &Path) -> Option<Stamp> {
    let of = |file| fs::metadata(file).and_then(|found| Ok((found.modified()?, found.len()))).ok();
    Some([of(certificate)?, of(key)?])
}

fn read(certificate: &Path, key: &Path, provider: &CryptoProvider) -> Result<CertifiedKey, Error> {
    let pem = bytes_of(certificate)?;
    let chain = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let chain = chain.map_err(|error| not_pem(certificate, &error))?;
    if chain.is_empty() {
        return Err(Error::NoCertificate { file: certificate.to_owned() });
    }
    let secret = PrivateKeyDer::from_pem_slice(&bytes_of(key)?).map_err(|error| match error {
        pem::Error::NoItemsFound => Error::NoKey { file: key.to_owned() },
        other => not_pem(key, &other),
    })?;
    CertifiedKey::from_der(chain, secret, provider).map_err(|source| {
        let (certificate, key) = (certificate.to_owned(), key.to_owned());
        match source {
            rustls::Error::InconsistentKeys(_) => Error::NotAPair { certificate, key },
            source => Error::Unusable { certificate, key, source },
        }
    })
}

fn bytes_of(file: &Path) -> Result<Vec<u8>, Error> {
    fs::read(file).map_err(|source| Error::Unreadable { file: file.to_owned(), source })
}

fn not_pem(file: &Path, error: &pem::Error) -> Error {
    let found = match error {
        pem::Error::MissingSectionEnd { end_marker } => {
            format!("a section ends without its line -----END {}-----", String::from_utf8_lossy(end_marker))
        }
        pem::Error::IllegalSectionStart { line } => {
            format!("a line that begins no section: {:?}", String::from_utf8_lossy(line))
        }
        other => other.to_string(),
    };
    Error::NotPem { file: file.to_owned(), found }
}
