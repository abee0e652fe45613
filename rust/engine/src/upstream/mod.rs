//! Connections to providers: where they lead, how they are made, kept and driven.
//!
//! The rest of the engine sees [`Connection`] and [`Pool`] only; whether a connection speaks HTTP/1.1 or HTTP/2, over
//! TLS or through a proxy, stays in here.

mod connect;
mod connection;
mod counts;
mod origin;
mod pool;
mod reason;
mod tls;
mod tunnel;

pub(crate) use connect::connect;
pub(crate) use connection::Connection;
pub(crate) use counts::CountsByOrigin;
pub(crate) use origin::{Origin, ProxyMatcher};
pub(crate) use pool::Pool;
pub(crate) use tls::TlsRoots;
