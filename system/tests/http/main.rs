//! The HTTP server on real sockets, with short limits.

mod http2;
mod lives;
mod refusals;
mod support;
mod times;
mod tls;
