//! Which web pages may call a gateway that asks for no key: a browser on this machine would let any.

use fastgate_core::failure::{Cause, Failure};
use http::{HeaderMap, header};

use super::cors;
use super::host::{is_loopback_name, without_port};

pub(super) fn check(allowed: &[String], headers: &HeaderMap) -> Result<(), Failure> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let text = origin.to_str().unwrap_or_default();
    let host = text.split_once("://").map_or("", |(_, rest)| without_port(rest));
    if is_loopback_name(host) || cors::lists(allowed, origin) {
        return Ok(());
    }
    Err(refused())
}

pub(super) fn refused() -> Failure {
    let message = "pages of this Origin may not call the gateway; server.allowed_origins lists those that may";
    Failure::new(Cause::OriginRefused, message)
}
