//! One connection, from its acceptance to its end.
//!
//! hyper could time heads itself, but would allocate and arm a timer for each request. Here a connection has one
//! timer, and what it looks at are the signs that the stream and the service leave in the [`Pulse`].
//!
//! Not here: what a request is answered with.

use std::{
    future::{Future, poll_fn},
    net::{IpAddr, SocketAddr},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::{
    io::AsyncReadExt,
    net::TcpStream,
    time::{Instant, Sleep, sleep, timeout},
};

use super::{
    Body, Handler, Shared,
    counters::Event,
    drain::{Phase, Ticket},
    pulse::{Overdue, Pulse, Watch},
    refusal::{self, Refusal, Transport},
    service::Service,
    stream::Stream,
};

/// How an HTTP/2 connection begins. Source: RFC 9113, 3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Serves a connection until it ends.
pub(super) async fn serve<H: Handler>(tcp: TcpStream, peer: SocketAddr, shared: Arc<Shared<H>>, ticket: Ticket) {
    poll_fn(|cx| {
        ticket.attend(cx.waker());
        Poll::Ready(())
    })
    .await;
    // Without it answers wait for the acknowledgement of those before.
    let _ = tcp.set_nodelay(true);
    let peer = peer.ip().to_canonical();
    let Some(tls) = &shared.tls else {
        return unknown_version(tcp, peer, shared, ticket).await;
    };
    match within(&ticket, shared.limits.head_time, tls.acceptor().accept(tcp)).await {
        Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
            http2(stream, Bytes::new(), peer, shared, ticket).await;
        }
        Ok(Ok(stream)) => unknown_version(stream, peer, shared, ticket).await,
        Ok(Err(error)) => {
            tracing::debug!(%peer, %error, "TLS handshake failed");
            shared.counters.count(Event::FailedHandshake);
        }
        Err(Elapsed) => shared.counters.count(Event::SlowHandshake),
    }
}

/// Finds out the version of HTTP: what does not begin with the preface of HTTP/2 is HTTP/1.
async fn unknown_version<H: Handler, I: Transport>(mut io: I, peer: IpAddr, shared: Arc<Shared<H>>, ticket: Ticket) {
    let mut early = BytesMut::with_capacity(1024);
    let found = within(&ticket, shared.limits.idle_time, async {
        while early.len() < PREFACE.len() && PREFACE.starts_with(&early) {
            if !matches!(io.read_buf(&mut early).await, Ok(1..)) {
                return false;
            }
        }
        true
    });
    match found.await {
        Ok(true) if early.starts_with(PREFACE) => http2(io, early.freeze(), peer, shared, ticket).await,
        Ok(true) => http1(io, early.freeze(), peer, shared, ticket).await,
        Ok(false) => {}
        Err(Elapsed) => shared.counters.count(Event::Idle),
    }
}

async fn http1<H: Handler, I: Transport>(io: I, early: Bytes, peer: IpAddr, shared: Arc<Shared<H>>, ticket: Ticket) {
    let limits = &shared.limits;
    let pulse = Arc::new(Pulse::default());
    let service = Service::new(Arc::clone(&shared), Arc::clone(&pulse), peer);
    let stream = Stream::http1(io, early, Arc::clone(&pulse));
    let mut connection = shared.http1.serve_connection(TokioIo::new(stream), service);
    let mut told = false;
    let overdue = {
        let mut ticker = pin!(Ticker::new(limits, &pulse));
        poll_fn(|cx| {
            loop {
                if Pin::new(&mut connection).poll(cx).is_ready() {
                    return Poll::Ready(None);
                }
                let phase = ticket.phase();
                if phase == Phase::Cut {
                    return Poll::Ready(None);
                }
                // A head that has begun is waited for.
                if phase < Phase::Close || told || pulse.unfinished_head() != 0 {
                    return ticker.as_mut().poll(cx).map(Some);
                }
                told = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
        })
        .await
    };
    let (verdict, ended, mut io) = connection.into_parts().io.into_inner().into_parts();
    let refusal = match overdue {
        None => verdict,
        Some(Overdue::Head) => {
            shared.counters.count(Event::SlowHead);
            Some(Refusal::new(StatusCode::REQUEST_TIMEOUT, "the request did not arrive in time"))
        }
        Some(Overdue::Read) => {
            shared.counters.count(Event::SlowReader);
            return refusal::abort(&io);
        }
        Some(Overdue::Request) => {
            shared.counters.count(Event::Idle);
            None
        }
    };
    let close = async {
        match refusal {
            Some(refusal) => {
                let answer = refusal::render(refuse(&shared, refusal));
                refusal::close_with(&mut io, &answer, limits.write_time, limits.linger_time).await;
            }
            None if ended => {}
            None if pulse.refused() => refusal::linger(&mut io, limits.linger_time).await,
            None => refusal::close(&mut io, limits.linger_time).await,
        }
    };
    until_cut(&ticket, close).await;
}

async fn http2<H: Handler, I: Transport>(io: I, early: Bytes, peer: IpAddr, shared: Arc<Shared<H>>, ticket: Ticket) {
    let pulse = Arc::new(Pulse::default());
    let service = Service::new(Arc::clone(&shared), Arc::clone(&pulse), peer);
    let stream = Stream::http2(io, early, Arc::clone(&pulse));
    let mut connection = pin!(shared.http2.serve_connection(TokioIo::new(stream), service));
    let mut ticker = pin!(Ticker::new(&shared.limits, &pulse));
    let mut told = false;
    poll_fn(|cx| {
        loop {
            if connection.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            let phase = ticket.phase();
            if phase == Phase::Cut {
                return Poll::Ready(());
            }
            let overdue = ticker.as_mut().poll(cx);
            match overdue {
                Poll::Ready(Overdue::Read) => {
                    shared.counters.count(Event::SlowReader);
                    return Poll::Ready(());
                }
                // It was told to end the last time, and did not.
                Poll::Ready(_) if told => return Poll::Ready(()),
                Poll::Ready(_) => shared.counters.count(Event::Idle),
                Poll::Pending if phase == Phase::Serving || told => return Poll::Pending,
                Poll::Pending => {}
            }
            told = true;
            connection.as_mut().graceful_shutdown();
        }
    })
    .await;
}

fn refuse<H: Handler>(shared: &Shared<H>, refusal: Refusal) -> Response<Body> {
    shared.counters.refused(refusal.status);
    shared.handler.refuse(refusal.status, refusal.why)
}

/// The timer of a connection. Polled with every poll of its connection, which costs one load unless it has fired.
struct Ticker<'pulse> {
    sleep: Pin<Box<Sleep>>,
    tick: Duration,
    armed: bool,
    watch: Watch,
    pulse: &'pulse Pulse,
}

impl<'pulse> Ticker<'pulse> {
    fn new(limits: &super::Limits, pulse: &'pulse Pulse) -> Self {
        let tick = Watch::tick(limits);
        Self { sleep: Box::pin(sleep(tick)), tick, armed: false, watch: Watch::new(limits), pulse }
    }
}

impl Future for Ticker<'_> {
    type Output = Overdue;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Overdue> {
        let this = self.get_mut();
        if this.armed && !this.sleep.is_elapsed() {
            return Poll::Pending;
        }
        while this.sleep.as_mut().poll(cx).is_ready() {
            this.sleep.as_mut().reset(Instant::now() + this.tick);
            if let Some(overdue) = this.watch.look(this.pulse) {
                this.armed = false;
                return Poll::Ready(overdue);
            }
        }
        this.armed = true;
        Poll::Pending
    }
}

/// A time has passed, or the server is closing.
struct Elapsed;

/// What comes before the first request and is given up when connections without one close.
async fn within<F: Future>(ticket: &Ticket, time: Duration, future: F) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    let unless_closing = poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Pending if ticket.phase() >= Phase::Close => Poll::Ready(Err(Elapsed)),
        other => other.map(Ok),
    });
    timeout(time, unless_closing).await.unwrap_or(Err(Elapsed))
}

/// What comes after the last answer and is given up when connections are cut off.
async fn until_cut(ticket: &Ticket, future: impl Future<Output = ()>) {
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Pending if ticket.phase() == Phase::Cut => Poll::Ready(()),
        other => other,
    })
    .await;
}
