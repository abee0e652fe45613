//! Who may speak to the gateway, and as whom: host, origin, peer, key.

use fastgate_core::failure::{Cause, Failure};
use fastgate_core::keys;
use fastgate_core::tables::Key;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};

use crate::snapshot::Snapshot;
use crate::worker::Worker;

/// What a door knows of the client's address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Peer {
    /// The connection comes from this machine.
    pub is_loopback: bool,
}

/// Headers by which proxies tell whom they speak for.
const FORWARDING: [HeaderName; 5] = [
    header::FORWARDED,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("cf-connecting-ip"),
];

/// Headers a key may come in, beside `Authorization: Bearer`.
const KEY_HEADERS: [HeaderName; 3] = [
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-goog-api-key"),
];

/// Who a request belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller<'snapshot> {
    /// The key presented; `None` on a gateway without keys.
    pub(crate) key: Option<&'snapshot Key>,
    /// Index into the tables' tenants.
    pub(crate) tenant: usize,
}

impl Caller<'_> {
    /// Whether the key may ask for this model name.
    pub(crate) fn may_use(&self, model: &str) -> bool {
        let allowed = self.key.and_then(|key| key.models.as_ref());
        allowed.is_none_or(|models| models.iter().any(|name| name == model))
    }
}

/// Decides whether a request is let in at all, and who it belongs to.
///
/// # Errors
/// A [`Failure`] naming the rule, never the key.
pub(crate) fn admit<'a>(
    worker: &Worker,
    snapshot: &'a Snapshot,
    headers: &HeaderMap,
    uri: &Uri,
    peer: Peer,
) -> Result<Caller<'a>, Failure> {
    let is_keyless = snapshot.keys.is_empty();
    if is_keyless && (!peer.is_loopback || FORWARDING.iter().any(|name| headers.contains_key(name))) {
        let message = "without [[keys]] only clients on this machine are served, and none through a proxy";
        return Err(Failure::new(Cause::LoopbackOnly, message));
    }
    check_host(worker, snapshot, headers, uri, is_keyless)?;
    if is_keyless {
        check_origin(snapshot, headers)?;
        return Ok(Caller { key: None, tenant: 0 });
    }
    let key = presented_key(headers)
        .ok_or_else(|| Failure::new(Cause::InvalidKey, "no API key: send it as Authorization: Bearer or x-api-key"))?;
    let now_unix_s = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
    let key = snapshot
        .keys
        .find(key, now_unix_s)
        .ok_or_else(|| Failure::new(Cause::InvalidKey, "this API key is unknown, revoked or expired"))?;
    Ok(Caller { key: Some(key), tenant: key.tenant })
}

fn presented_key(headers: &HeaderMap) -> Option<&[u8]> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| keys::bearer(value.as_bytes()));
    let key = bearer.or_else(|| KEY_HEADERS.iter().find_map(|name| headers.get(name)).map(HeaderValue::as_bytes));
    key.filter(|key| !key.is_empty())
}

fn check_host(
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

fn check_origin(snapshot: &Snapshot, headers: &HeaderMap) -> Result<(), Failure> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().unwrap_or_default();
    let host = origin.split_once("://").map_or("", |(_, rest)| without_port(rest));
    let allowed = &snapshot.tables.access.allowed_origins;
    if is_loopback_name(host) || allowed.iter().any(|name| name.eq_ignore_ascii_case(origin)) {
        return Ok(());
    }
    let message = "pages of this Origin may not call the gateway; server.allowed_origins lists those that may";
    Err(Failure::new(Cause::OriginRefused, message))
}

fn is_loopback_name(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The host of `host`, `host:port`, `[v6]` or `[v6]:port`; brackets removed.
fn without_port(authority: &str) -> &str {
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
