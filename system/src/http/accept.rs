//! Takes connections in, up to the limit.
//!
//! A connection above the limit is answered with 503, not left waiting: its client learns at once that it should go
//! elsewhere, and the queue of the kernel stays free for when there is room again.
//!
//! Not here: serving them.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use hyper::{
    StatusCode,
    header::{HeaderValue, RETRY_AFTER},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    time::sleep,
};

use super::{Handler, Shared, connection, counters::Event, refusal};

/// Connections above the limit that are being told so; those above that are dropped without an answer.
const TURNED_AWAY_AT_ONCE: usize = 256;

/// When there is nothing to accept with, such as no file descriptor, trying at once would only burn the processor.
const PAUSE: Duration = Duration::from_millis(50);

/// Accepts until `stopped`, then takes what the kernel has accepted already and closes the socket.
pub(super) async fn accept<H: Handler>(
    listener: TcpListener,
    shared: Arc<Shared<H>>,
    mut stopped: watch::Receiver<()>,
) {
    let turned_away = Arc::new(Semaphore::new(TURNED_AWAY_AT_ONCE));
    let mut failing = false;
    loop {
        let accepted = tokio::select! {
            biased;
            _ = stopped.changed() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((tcp, peer)) => {
                failing = false;
                admit(tcp, peer, &shared, &turned_away);
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                shared.counters.count(Event::FailedAccept);
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(%error, "can't accept connections; is the limit of open files too low?");
                }
                sleep(PAUSE).await;
            }
        }
    }
    let Ok(listener) = listener.into_std() else { return };
    while let Ok((tcp, peer)) = listener.accept() {
        if tcp.set_nonblocking(true).is_ok()
            && let Ok(tcp) = TcpStream::from_std(tcp)
        {
            admit(tcp, peer, &shared, &turned_away);
        }
    }
}

fn admit<H: Handler>(tcp: TcpStream, peer: SocketAddr, shared: &Arc<Shared<H>>, turned_away: &Arc<Semaphore>) {
    shared.counters.accepted();
    if shared.counters.open() < shared.limits.connections as u64 {
        let ticket = shared.registry.enter();
        tokio::spawn(connection::serve(tcp, peer, Arc::clone(shared), ticket));
        return;
    }
    shared.counters.count(Event::TurnedAway);
    // A handshake would cost more than the answer is worth.
    if shared.tls.is_some() {
        return;
    }
    if let Ok(permit) = Arc::clone(turned_away).try_acquire_owned() {
        let shared = Arc::clone(shared);
        tokio::spawn(async move {
            turn_away(tcp, &shared).await;
            drop(permit);
        });
    }
}

async fn turn_away<H: Handler>(mut tcp: TcpStream, shared: &Shared<H>) {
    let limits = &shared.limits;
    shared.counters.refused(StatusCode::SERVICE_UNAVAILABLE);
    let answer: Bytes = {
        let why = "the server has as many connections as it may";
        let mut response = shared.handler.refuse(StatusCode::SERVICE_UNAVAILABLE, why);
        response.headers_mut().entry(RETRY_AFTER).or_insert(HeaderValue::from_static("1"));
        refusal::render(response)
    };
    refusal::close_with(&mut tcp, &answer, limits.write_time, limits.linger_time).await;
}

/// Errors that the peer made, of which the next connection knows nothing.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
