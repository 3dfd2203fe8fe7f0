//! A server on a free port, and clients that speak in bytes.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use georush_system::http::{Body, Counters, Drained, Handler, Limits, Readings, Server, Tls};
use hyper::{Response, StatusCode, http::request::Parts};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    task::JoinHandle,
    time::{sleep, timeout},
};

/// No test waits longer for anything, however loaded the machine is.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Says what it was asked for. `/large` has four megabytes.
pub(crate) struct Echo;

impl Handler for Echo {
    fn answer(&self, request: &Parts, peer: IpAddr) -> Response<Body> {
        if request.uri.path() == "/large" {
            return Response::new(Body::from(vec![b'x'; 4 << 20]));
        }
        Response::new(Body::from(format!("{} {} from {peer}", request.method, request.uri)))
    }

    fn answer_body(&self, request: &Parts, body: Bytes, _: IpAddr) -> Response<Body> {
        Response::new(Body::from(format!("{} {} with {} bytes", request.method, request.uri, body.len())))
    }

    fn refuse(&self, status: StatusCode, message: &str) -> Response<Body> {
        let mut response = Response::new(Body::from(format!("{{\"message\":\"{message}\"}}")));
        *response.status_mut() = status;
        response.headers_mut().insert("access-control-allow-origin", hyper::header::HeaderValue::from_static("*"));
        response
    }
}

/// A running server.
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    counters: Arc<Counters>,
    stop: oneshot::Sender<()>,
    run: JoinHandle<Drained>,
}

impl Site {
    pub(crate) fn start(limits: Limits) -> Self {
        Self::start_with(limits, None)
    }

    pub(crate) fn start_with(limits: Limits, tls: Option<Tls>) -> Self {
        let server = Server::bind(&[SocketAddr::from(([127, 0, 0, 1], 0))], tls, limits).expect("a free port");
        let address = server.local_addresses()[0];
        let counters = server.counters();
        let (stop, stopped) = oneshot::channel::<()>();
        let run = tokio::spawn(async move {
            let stopped = async {
                let _ = stopped.await;
            };
            server.run(Arc::new(Echo), stopped).await.expect("a server that runs")
        });
        Self { address, counters, stop, run }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("a connection")
    }

    /// Everything that the server sends until it closes.
    pub(crate) async fn talk(&self, request: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_ref()).await.expect("a server that reads");
        rest(&mut stream).await
    }

    pub(crate) fn readings(&self) -> Readings {
        self.counters.read()
    }

    pub(crate) async fn eventually(&self, what: &str, holds: impl Fn(&Readings) -> bool) {
        let waited = timeout(PATIENCE, async {
            while !holds(&self.readings()) {
                sleep(Duration::from_millis(5)).await;
            }
        });
        assert!(waited.await.is_ok(), "not seen: {what}; {:?}", self.readings());
    }

    /// Begins the shutdown.
    pub(crate) fn stop(self) -> JoinHandle<Drained> {
        let _ = self.stop.send(());
        self.run
    }
}

/// Limits with short times.
pub(crate) fn short() -> Limits {
    let time = Duration::from_millis(200);
    Limits {
        head_time: time,
        body_time: time,
        idle_time: 2 * time,
        write_time: time,
        linger_time: 10 * time,
        drain_time: 50 * time,
        drain_idle_time: time,
        ..Limits::default()
    }
}

/// What comes until the peer closes.
pub(crate) async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut all = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut all)).await.expect("a close in time").expect("no reset");
    String::from_utf8_lossy(&all).into_owned()
}

/// One answer with its body, of a connection that stays open.
pub(crate) async fn answer(stream: &mut (impl AsyncRead + Unpin)) -> String {
    timeout(PATIENCE, try_answer(stream)).await.expect("an answer in time").expect("a whole answer")
}

/// As [`answer`]; what was read if the peer closed before its end.
pub(crate) async fn try_answer(stream: &mut (impl AsyncRead + Unpin)) -> Result<String, Vec<u8>> {
    let mut all = Vec::new();
    loop {
        let mut byte = [0];
        match stream.read(&mut byte).await {
            Ok(1..) => all.extend(byte),
            Ok(0) | Err(_) => return Err(all),
        }
        if all.ends_with(b"\r\n\r\n") {
            break;
        }
    }
    let head = String::from_utf8_lossy(&all).into_owned();
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
    let length: usize = length.and_then(|length| length.parse().ok()).expect("a length");
    let mut body = vec![0; length];
    match stream.read_exact(&mut body).await {
        Ok(_) => Ok(head + &String::from_utf8_lossy(&body)),
        Err(_) => Err(all),
    }
}

/// The status of an answer, 0 if it has none.
pub(crate) fn status(answer: &str) -> u16 {
    answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok()).unwrap_or(0)
}
