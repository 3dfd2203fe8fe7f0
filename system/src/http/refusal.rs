//! Refusals that are written without hyper, and the end of a connection whose peer may still be sending.
//!
//! Not here: when a request is refused.

use std::{
    future::Future,
    io,
    time::{Duration, SystemTime},
};

use bytes::{Bytes, BytesMut};
use hyper::{
    Response, StatusCode,
    header::{CONNECTION, CONTENT_LENGTH, DATE, HeaderValue},
};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::server::TlsStream;

use super::Body;

/// What a refused peer may go on sending before it is cut off.
const LINGER_BYTES: usize = 16 * 1024 * 1024;

/// What connections run over.
pub(super) trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// The socket below.
    fn tcp(&self) -> &TcpStream;
}

impl Transport for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Transport for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// A request that the server itself refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) why: &'static str,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, why: &'static str) -> Self {
        Self { status, why }
    }

    /// The refusal that hyper is about to write, from the start of its status line.
    pub(super) fn of_hyper(line: &[u8], in_request_line: bool) -> Option<Self> {
        let digits = line.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
        let status = StatusCode::from_bytes(digits).ok().filter(StatusCode::is_client_error)?;
        Some(match status {
            // hyper counts the request line among the headers.
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE if in_request_line => Self::uri_too_long(),
            StatusCode::URI_TOO_LONG => Self::uri_too_long(),
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
                Self::new(status, "the headers are too large, or there are more than 100")
            }
            _ => Self::new(StatusCode::BAD_REQUEST, "the request is not as HTTP/1.1 has it"),
        })
    }

    fn uri_too_long() -> Self {
        Self::new(StatusCode::URI_TOO_LONG, "the URL is too long")
    }
}

/// An answer in the form of HTTP/1.1, which is the last one of its connection.
pub(super) fn render(response: Response<Body>) -> Bytes {
    let (mut head, body) = response.into_parts();
    head.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    head.headers.insert(CONNECTION, HeaderValue::from_static("close"));
    if let Ok(date) = HeaderValue::try_from(httpdate::fmt_http_date(SystemTime::now())) {
        head.headers.insert(DATE, date);
    }
    let reason = head.status.canonical_reason().unwrap_or_default();
    let mut text = BytesMut::from(format!("HTTP/1.1 {} {reason}\r\n", head.status.as_str()).as_bytes());
    for (name, value) in &head.headers {
        for part in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            text.extend_from_slice(part);
        }
    }
    text.extend_from_slice(b"\r\n");
    text.extend_from_slice(&body);
    text.freeze()
}

/// Writes the last answer of a connection and sees to it that it arrives.
pub(super) async fn close_with(io: &mut impl Transport, answer: &[u8], write_time: Duration, linger_time: Duration) {
    match timeout(write_time, io.write_all(answer)).await {
        Ok(Ok(())) => linger(io, linger_time).await,
        _ => abort(io),
    }
}

/// Closes our side, then reads and forgets what the peer sends until it closes its own. To close with unread bytes
/// makes TCP reset the connection, which takes the answer away from a peer that has not read it yet.
pub(super) async fn linger(io: &mut impl Transport, time: Duration) {
    let ended = timeout(time, async {
        io.shutdown().await?;
        discard(io).await
    });
    let _: Result<io::Result<()>, _> = ended.await;
}

/// Closes a connection whose last answer was an ordinary one: waits for the peer only if it is sending already.
pub(super) async fn close(io: &mut impl Transport, time: Duration) {
    let mut first = [0; 1];
    let mut read = std::pin::pin!(io.read(&mut first));
    let sending = std::future::poll_fn(|cx| {
        std::task::Poll::Ready(matches!(read.as_mut().poll(cx), std::task::Poll::Ready(Ok(1..))))
    });
    if sending.await {
        linger(io, time).await;
    } else {
        let _ = timeout(time, io.shutdown()).await;
    }
}

/// Ends a connection at once, and with it what the kernel still holds for a peer that does not read.
pub(super) fn abort(io: &impl Transport) {
    // If this fails, the kernel gives up on the bytes in its own time.
    let _ = SockRef::from(io.tcp()).set_linger(Some(Duration::ZERO));
}

async fn discard(io: &mut impl Transport) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    let mut left = LINGER_BYTES;
    while left > 0 {
        match io.read(&mut buffer).await? {
            0 => break,
            read => left = left.saturating_sub(read),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rendered_answer_has_its_length_and_closes() {
        let text = render(Response::new(Body::from(b"{}".to_vec())));
        let text = String::from_utf8_lossy(&text);
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("\r\n\r\n{}"), "{text}");
        assert!(text.contains("content-length: 2\r\n") && text.contains("connection: close\r\n"), "{text}");
    }

    #[test]
    fn an_overlong_head_is_a_long_url_before_the_first_line_has_ended() {
        let line = b"HTTP/1.1 431 Request Header Fields Too Large\r\n";
        let status = |in_line| Refusal::of_hyper(line, in_line).map(|refusal| refusal.status.as_u16());
        assert_eq!((status(true), status(false)), (Some(414), Some(431)));
    }
}
