//! Who may speak to the gateway, how, and as whom: head, host, origin, peer, key.

mod cors;
mod head;
mod host;
mod origin;

pub(crate) use cors::Cors;
pub(crate) use head::check_head;

use fastgate_core::failure::{Cause, Failure};
use fastgate_core::keys;
use fastgate_core::tables::Key;
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
    host::check(worker, snapshot, headers, uri, is_keyless)?;
    if is_keyless {
        origin::check(&snapshot.tables.access.allowed_origins, headers)?;
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
