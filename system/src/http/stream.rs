//! What hyper reads from and writes to: passes bytes through, keeps the [`Pulse`], lets the [`Scanner`] look at heads,
//! and stops hyper's own refusals, which have no body, so that ours are sent in their place.
//!
//! Not here: sending them; when the stream has a verdict it fails, hyper gives up, and the connection takes over.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use hyper::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{
    head::{Fault, Scanner},
    pulse::Pulse,
    refusal::Refusal,
};

/// See the module.
#[derive(Debug)]
pub(super) struct Stream<I> {
    io: I,
    /// Read already, when the version of HTTP was found out.
    early: Bytes,
    /// Only for HTTP/1.
    scanner: Option<Scanner>,
    pulse: Arc<Pulse>,
    /// Answers of the handler whose writing has begun.
    answers: u32,
    /// Within an answer, of which a part was written.
    partial: bool,
    ended: bool,
    verdict: Option<Refusal>,
}

impl<I> Stream<I> {
    /// For HTTP/1.
    pub(super) fn http1(io: I, early: Bytes, pulse: Arc<Pulse>) -> Self {
        Self { scanner: Some(Scanner::new()), ..Self::http2(io, early, pulse) }
    }

    /// For HTTP/2, which needs no scanner and answers errors itself.
    pub(super) fn http2(io: I, early: Bytes, pulse: Arc<Pulse>) -> Self {
        Self { io, early, scanner: None, pulse, answers: 0, partial: false, ended: false, verdict: None }
    }

    /// Why the stream failed, if it was because of a request; whether the peer has closed its side; what is below.
    pub(super) fn into_parts(self) -> (Option<Refusal>, bool, I) {
        (self.verdict, self.ended, self.io)
    }

    /// Looks at bytes that were read: how many of them hyper may see.
    fn inspect(&mut self, bytes: &[u8]) -> usize {
        let Some(scanner) = &mut self.scanner else { return bytes.len() };
        let scanned = scanner.scan(bytes);
        self.pulse.set_unfinished_head(scanner.unfinished());
        match scanned {
            Ok(()) => bytes.len(),
            Err(Fault { keep, why }) => {
                self.verdict = Some(Refusal::new(StatusCode::BAD_REQUEST, why));
                keep
            }
        }
    }

    /// Whether the bytes to be written may be: they are the handler's, or no refusal.
    fn admit(&mut self, start: &[u8]) -> io::Result<()> {
        if self.partial {
            return Ok(());
        }
        let Some(scanner) = &self.scanner else { return Ok(()) };
        let answers = self.pulse.answers();
        if answers == self.answers
            && let Some(refusal) = Refusal::of_hyper(start, scanner.in_request_line())
        {
            self.verdict = Some(refusal);
            return Err(given_up());
        }
        self.answers = answers;
        Ok(())
    }

    fn wrote(&mut self, total: usize, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Ready(Ok(count)) => {
                self.partial = *count < total;
                self.pulse.wrote();
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                self.partial = true;
                self.pulse.write_waits();
            }
        }
        written
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Stream<I> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.verdict.is_some() {
            return Poll::Ready(Err(given_up()));
        }
        let before = buf.filled().len();
        if this.early.is_empty() {
            ready!(Pin::new(&mut this.io).poll_read(cx, buf))?;
        } else {
            let count = this.early.len().min(buf.remaining());
            buf.put_slice(&this.early[..count]);
            this.early.advance(count);
        }
        let bytes = &buf.filled()[before..];
        if bytes.is_empty() {
            this.ended = true;
            return Poll::Ready(Ok(()));
        }
        let count = bytes.len();
        let keep = this.inspect(bytes);
        if keep < count {
            buf.set_filled(before + keep);
        }
        // No bytes would mean that the peer has closed.
        Poll::Ready(if keep == 0 { Err(given_up()) } else { Ok(()) })
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Stream<I> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.admit(buf)?;
        let written = Pin::new(&mut this.io).poll_write(cx, buf);
        this.wrote(buf.len(), written)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.admit(bufs.first().map_or(&[], |buf| buf))?;
        let written = Pin::new(&mut this.io).poll_write_vectored(cx, bufs);
        this.wrote(bufs.iter().map(|buf| buf.len()).sum(), written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    /// HTTP/1 connections close when hyper is through, because there may be more to say.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match this.scanner {
            Some(_) => Pin::new(&mut this.io).poll_flush(cx),
            None => Pin::new(&mut this.io).poll_shutdown(cx),
        }
    }
}

fn given_up() -> io::Error {
    io::Error::from(io::ErrorKind::InvalidData)
}
