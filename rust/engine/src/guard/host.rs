//! Which hosts requests may name: an answer to DNS rebinding, where a page's own name leads to this machine.

use fastgate_core::failure::{Cause, Failure};
use http::uri::Authority;
use http::{HeaderMap, Uri, header};

use crate::snapshot::Snapshot;
use crate::worker::Worker;

pub(super) fn check(
    worker: &Worker,
    snapshot: &Snapshot,
    headers: &HeaderMap,
    uri: &Uri,
    is_keyless: bool,
) -> Result<(), Failure> {
    let allowed = snapshot.tables.access.allowed_hosts.as_deref();
    if allowed.is_none() && !is_keyless {
        return Ok(());
    }
    let named = headers
        .get(header::HOST)
        .and_then(|value| value.to_str().ok())
        .or_else(|| uri.authority().map(Authority::as_str));
    let host = named.map(without_port).unwrap_or_default();
    let is_allowed = match allowed {
        Some(allowed) => allowed.iter().any(|name| name.eq_ignore_ascii_case(host)),
        None => is_loopback_name(host) || worker.shared.listen.lock().is_some_and(|at| at.ip().to_string() == host),
    };
    if is_allowed {
        return Ok(());
    }
    let message = "this Host is not served here; server.allowed_hosts lists those that are";
    Err(Failure::new(Cause::HostRefused, message))
}

pub(super) fn is_loopback_name(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The host of `host`, `host:port`, `[v6]` or `[v6]:port`; brackets removed.
pub(super) fn without_port(authority: &str) -> &str {
    if let Some(rest) = authority.strip_prefix('[') {
        return rest.split_once(']').map_or(rest, |(host, _)| host);
    }
    match authority.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') && port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_hosts() {
        for (authority, host) in [
            ("localhost", "localhost"),
            ("localhost:8080", "localhost"),
            ("[::1]:8080", "::1"),
            ("::1", "::1"),
            ("127.0.0.1:1", "127.0.0.1"),
            ("evil.example:x", "evil.example:x"),
        ] {
            assert_eq!(without_port(authority), host, "{authority}");
        }
        assert!(is_loopback_name("127.8.9.1") && is_loopback_name("LocalHost") && !is_loopback_name("localhost.evil"));
    }
}
