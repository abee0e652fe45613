//! Connections to providers: where they lead, how they are made, kept and driven.
//!
//! The rest of the engine sees [`Connection`], [`Pool`] and [`RequestHead`] only; whether a connection speaks HTTP/1.1 or HTTP/2, over
//! TLS or through a proxy, stays in here.

mod connect;
mod connection;
mod counts;
mod http1;
mod origin;
mod pool;
mod reason;
mod request_head;
mod tls;
mod tunnel;
mod upload;

pub(crate) use connect::connect;
pub(crate) use connection::{Answer, AnswerBody, Connection};
pub(crate) use counts::CountsByOrigin;
pub(crate) use origin::{Origin, ProxyMatcher};
pub(crate) use pool::Pool;
pub(crate) use request_head::{Address, CredentialHead, RequestHead};
pub(crate) use tls::TlsRoots;
