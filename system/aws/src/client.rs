//! Calls of AWS services: clients by AWS's own conventions, waiting for an answer, and what went wrong in words.
//!
//! Not here: what is asked.

use std::{
    env,
    fmt::Debug,
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_smithy_http_client::{Builder, tls};
use aws_smithy_runtime_api::client::{orchestrator::HttpResponse, result::SdkError};
use aws_smithy_types::{error::metadata::ProvideErrorMetadata, retry::RetryConfig, timeout::TimeoutConfig};
use aws_types::origin::Origin;
use georush_system::backend::config::Place;
use georush_system::store::Error;
use tokio::runtime::{Handle, Runtime};

/// How long one try of one call may take, and a call with all its tries.
const TRY: Duration = Duration::from_secs(2);
const CALL: Duration = Duration::from_secs(5);
const TRIES: u32 = 3;

/// What all calls of a process share: threads that they run on, credentials, connections. Whoever calls waits.
#[derive(Debug, Clone)]
pub(crate) struct Calls {
    runtime: Arc<Runtime>,
    config: SdkConfig,
}

impl Calls {
    /// `region` is where credentials are asked for, if they have to be.
    pub(crate) fn new(region: &str) -> Result<Self, Error> {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        runtime.worker_threads(2).thread_name("aws").enable_all();
        let runtime = runtime.build().map_err(|source| Error::Threads("AWS", source))?;
        // A machine without certificates may still call what speaks HTTP, but the client panics in development if it is to look
        // for certificates where there are none.
        let has_certificates = !rustls_native_certs::load_native_certs().certs.is_empty();
        let trusted = tls::TrustStore::default().with_native_roots(has_certificates);
        let trusted = tls::TlsContext::builder().with_trust_store(trusted).build().expect("no names, so no wrong ones");
        let ring = tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring);
        let timeouts =
            TimeoutConfig::builder().connect_timeout(TRY).operation_attempt_timeout(TRY).operation_timeout(CALL);
        // Exponential, with full jitter.
        let retries = RetryConfig::standard()
            .with_max_attempts(TRIES)
            .with_initial_backoff(Duration::from_millis(100))
            .with_max_backoff(Duration::from_secs(1));
        let loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(Builder::new().tls_provider(ring).tls_context(trusted).build_https())
            .region(Region::new(region.to_owned()))
            .timeout_config(timeouts.build())
            .retry_config(retries);
        let config = runtime.block_on(loader.load());
        Ok(Self { runtime: Arc::new(runtime), config })
    }

    /// Waits for `call`.
    pub(crate) fn wait<F: Future>(&self, call: F) -> F::Output {
        match Handle::try_current() {
            // A thread of the server, with a request that reads its row: its other tasks move to another thread meanwhile.
            Ok(_) => tokio::task::block_in_place(|| self.runtime.block_on(call)),
            Err(_) => self.runtime.block_on(call),
        }
    }

    /// How clients reach `place`; what it leaves open is AWS's convention.
    pub(crate) fn at(&self, place: &Place) -> SdkConfig {
        let mut config = self.config.to_builder().region(Region::new(place.region.clone()));
        if let Some(endpoint) = &place.endpoint {
            config.set_endpoint_url(Some(endpoint.clone()));
            // Wins over variables that name the endpoint of one service.
            config.insert_origin("endpoint_url", Origin::shared_config());
        }
        config.build()
    }
}

/// One service in one place, as errors name it.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    calls: Calls,
    endpoint: Arc<str>,
}

impl Service {
    /// `variable` is the end of the name of the variable that may give the service's endpoint.
    pub(crate) fn new(calls: &Calls, name: &str, variable: &str, place: &Place, config: &SdkConfig) -> Self {
        let variable = env::var(format!("AWS_ENDPOINT_URL_{variable}")).ok();
        let url = place.endpoint.clone().or(variable).or_else(|| config.endpoint_url().map(str::to_owned));
        let region = &place.region;
        let endpoint = match url {
            Some(url) => format!("{name} of {region} at {url}"),
            None => format!("{name} of {region}"),
        };
        Self { calls: calls.clone(), endpoint: endpoint.into() }
    }

    /// Waits for a call of `operation` on `resource`.
    pub(crate) fn call<T, E>(
        &self,
        operation: &'static str,
        resource: &str,
        call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, Failure>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        self.calls.wait(call).map_err(|error| self.failure(operation, resource, &error))
    }

    /// Waits for a call that tells its failure itself.
    pub(crate) fn calls_wait<T>(&self, call: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        self.calls.wait(call)
    }

    /// Waits for several calls at once.
    pub(crate) fn all<T>(&self, calls: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
        self.calls.wait(futures_util::future::join_all(calls))
    }

    /// Waits a moment, longer with each of `tries`, and by chance.
    pub(crate) fn back_off(&self, tries: u32) {
        self.calls.wait(tokio::time::sleep(jitter(backoff(tries))));
    }

    /// What became of a call, in words.
    pub(crate) fn failure<E>(&self, operation: &str, resource: &str, error: &SdkError<E, HttpResponse>) -> Failure
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let code = error.as_service_error().and_then(|error| error.meta().code()).unwrap_or_default().to_owned();
        let (found, remedy) = self.words(&code, operation, resource, error);
        Failure { error: Box::new(self.error(operation, found, remedy)), code }
    }

    /// An error of this service.
    pub(crate) fn error(&self, operation: &str, found: String, remedy: String) -> Error {
        Error::Service { endpoint: self.endpoint.to_string(), operation: operation.to_owned(), found, remedy }
    }

    fn words<E>(
        &self,
        code: &str,
        operation: &str,
        resource: &str,
        error: &SdkError<E, HttpResponse>,
    ) -> (String, String)
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let causes = || {
            let first: Option<&dyn std::error::Error> = Some(error);
            std::iter::successors(first, |cause| cause.source()).map(ToString::to_string).collect::<Vec<_>>()
        };
        let deepest = || causes().pop().unwrap_or_default();
        match error {
            SdkError::TimeoutError(_) => {
                ("no answer in time".to_owned(), "it is slow or out of reach, and will be asked again".to_owned())
            }
            SdkError::DispatchFailure(failure) if failure.is_timeout() => {
                ("no answer in time".to_owned(), "it is slow or out of reach, and will be asked again".to_owned())
            }
            SdkError::DispatchFailure(_) => {
                let found = deepest();
                let remedy = if found.contains("UnknownIssuer") {
                    "install the CA certificates of your system, or name a file with its issuer in SSL_CERT_FILE"
                } else if causes().iter().any(|cause| cause.contains("credential") || cause.contains("IMDS")) {
                    "give credentials as AWS's tools take them: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or a \
                     role"
                } else {
                    "start it, or correct its endpoint"
                };
                (found, remedy.to_owned())
            }
            SdkError::ServiceError(service) => {
                let message = service.err().meta().message().unwrap_or("no message");
                let status = service.raw().status().as_u16();
                match code {
                    "" => (format!("status {status} without an error code"), not_aws()),
                    _ => (format!("{code}: {message}"), remedy(code, operation, resource)),
                }
            }
            SdkError::ResponseError(_) => ("the answer can't be understood".to_owned(), not_aws()),
            _ => (deepest(), "correct what it names".to_owned()),
        }
    }
}

fn not_aws() -> String {
    "is this the service's endpoint? Correct it, or look what stands there in its place".to_owned()
}

fn remedy(code: &str, operation: &str, resource: &str) -> String {
    match code {
        "ResourceNotFoundException" => format!("make {resource}, or set `create = true`"),
        "ProvisionedThroughputExceededException"
        | "ThrottlingException"
        | "RequestLimitExceeded"
        | "LimitExceededException" => format!("it will be asked again; if this lasts, give {resource} more capacity"),
        "AccessDeniedException" => format!("allow {operation} on {resource} to these credentials"),
        "UnrecognizedClientException"
        | "InvalidSignatureException"
        | "ExpiredTokenException"
        | "MissingAuthenticationTokenException" => "give credentials that are valid here".to_owned(),
        _ => "it will be asked again".to_owned(),
    }
}

/// A call that failed: the service's own code, empty if it gave none, and the error.
#[derive(Debug)]
pub(crate) struct Failure {
    code: String,
    error: Box<Error>,
}

impl Failure {
    pub(crate) fn is(&self, code: &str) -> bool {
        self.code == code
    }

    /// A condition of the write does not hold.
    pub(crate) fn is_condition(&self) -> bool {
        self.is("ConditionalCheckFailedException")
    }

    /// Positions or iterators mean nothing any more.
    pub(crate) fn is_stale(&self) -> bool {
        self.is("ExpiredIteratorException") || self.is("TrimmedDataAccessException")
    }
}

/// Positions or iterators of a change feed mean nothing any more, or the feed is another one.
pub(crate) fn is_stale(error: &Error) -> bool {
    matches!(error, Error::Service { found, .. }
        if found.starts_with("TrimmedDataAccessException") || found.starts_with("ExpiredIteratorException")
            || found.starts_with("ResourceNotFoundException"))
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        *failure.error
    }
}

const BACKOFF: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

fn backoff(tries: u32) -> Duration {
    (BACKOFF * (1 << tries.min(10))).min(BACKOFF_MAX)
}

/// Between half of it and all of it.
fn jitter(longest: Duration) -> Duration {
    let mut byte = [0];
    // Without chance, everybody waits as long as can be.
    let share = getrandom::fill(&mut byte).map_or(255, |()| u32::from(byte[0]));
    longest / 2 + longest * share / 512
}

/// Keeps calls away from a service that failed, longer with each failure in a row.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    failures: u32,
    shut: Option<(Instant, Error)>,
}

impl Gate {
    /// Makes a call unless the last one failed a moment ago: then the answer is that failure.
    pub(crate) fn pass<T>(&mut self, call: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        self.check()?;
        self.note(call())
    }

    /// The last failure, if it was a moment ago.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match &self.shut {
            Some((until, Error::Service { endpoint, operation, found, remedy })) if Instant::now() < *until => {
                let (endpoint, operation) = (endpoint.clone(), operation.clone());
                Err(Error::Service { endpoint, operation, found: found.clone(), remedy: remedy.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Takes in what became of a call.
    pub(crate) fn note<T>(&mut self, done: Result<T, Error>) -> Result<T, Error> {
        match &done {
            Ok(_) => *self = Self::default(),
            Err(Error::Service { endpoint, operation, found, remedy }) => {
                let (endpoint, operation) = (endpoint.clone(), operation.clone());
                let error = Error::Service { endpoint, operation, found: found.clone(), remedy: remedy.clone() };
                self.shut = Some((Instant::now() + jitter(backoff(self.failures + 2)), error));
                self.failures += 1;
            }
            Err(_) => {}
        }
        done
    }
}
