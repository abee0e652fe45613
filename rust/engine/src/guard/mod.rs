//! Who may speak to the gateway, how, and as whom: head, host, origin, peer, key or token.

mod cors;
mod head;
mod host;
mod origin;

use std::rc::Rc;
use std::time::SystemTime;

pub(crate) use cors::Cors;
pub(crate) use head::check_head;

use fastgate_core::failure::{Cause, Failure};
use fastgate_core::jwt::{Identity, Refusal};
use fastgate_core::keys;
use fastgate_core::tables::Key;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};

use crate::clock::unix_s;
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
#[derive(Clone, Debug)]
pub(crate) struct Caller<'snapshot> {
    /// What the client showed.
    pub(crate) credential: Credential<'snapshot>,
    /// Index into the tables' tenants.
    pub(crate) tenant: usize,
}

/// What vouches for a client.
#[derive(Clone, Debug)]
pub(crate) enum Credential<'snapshot> {
    /// A gateway without keys asks for none.
    None,
    /// A virtual key.
    Key(&'snapshot Key),
    /// A token of a configured issuer.
    Token(Rc<Identity>),
}

impl Caller<'_> {
    /// Whether the client may ask for this model name.
    pub(crate) fn may_use(&self, model: &str) -> bool {
        self.models().is_none_or(|models| models.iter().any(|name| name == model))
    }

    /// The only model names that the client may ask for.
    pub(crate) fn models(&self) -> Option<&[String]> {
        match &self.credential {
            Credential::None => None,
            Credential::Key(key) => key.models.as_deref(),
            Credential::Token(identity) => identity.models.as_deref(),
        }
    }

    /// The only deployments that it may be served by.
    pub(crate) fn deployments(&self) -> Option<&[usize]> {
        self.key().and_then(|key| key.deployments.as_deref())
    }

    /// The virtual key it showed.
    pub(crate) fn key(&self) -> Option<&Key> {
        match self.credential {
            Credential::Key(key) => Some(key),
            Credential::None | Credential::Token(_) => None,
        }
    }

    /// The user that the credential fixes.
    pub(crate) fn user(&self) -> Option<&str> {
        match &self.credential {
            Credential::None => None,
            Credential::Key(key) => key.user.as_deref(),
            Credential::Token(identity) => Some(&identity.user),
        }
    }

    /// The feature that the credential fixes.
    pub(crate) fn feature(&self) -> Option<&str> {
        match &self.credential {
            Credential::None => None,
            Credential::Key(key) => key.feature.as_deref(),
            Credential::Token(identity) => identity.feature.as_deref(),
        }
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
    now: SystemTime,
) -> Result<Caller<'a>, Failure> {
    let is_keyless = snapshot.is_keyless();
    if is_keyless && (!peer.is_loopback || FORWARDING.iter().any(|name| headers.contains_key(name))) {
        let message =
            "without [[keys]] and [auth.jwt] only clients on this machine are served, and none through a proxy";
        return Err(Failure::new(Cause::LoopbackOnly, message));
    }
    host::check(worker, snapshot, headers, uri, is_keyless)?;
    if is_keyless {
        origin::check(&snapshot.tables.access.allowed_origins, headers)?;
        return Ok(Caller { credential: Credential::None, tenant: 0 });
    }
    let presented = presented_key(headers)
        .ok_or_else(|| Failure::new(Cause::InvalidKey, "no API key: send it as Authorization: Bearer or x-api-key"))?;
    let now_unix_s = unix_s(now);
    if let Some(identity) = token_identity(worker, snapshot, presented, now_unix_s)? {
        return Ok(Caller { tenant: identity.tenant, credential: Credential::Token(identity) });
    }
    let key = snapshot
        .keys
        .find(presented, now_unix_s)
        .ok_or_else(|| Failure::new(Cause::InvalidKey, "this API key is unknown, revoked or expired"))?;
    Ok(Caller { credential: Credential::Key(key), tenant: key.tenant })
}

/// The identity of a token; `None` if the credential is none, or of nobody that is configured.
fn token_identity(
    worker: &Worker,
    snapshot: &Snapshot,
    presented: &[u8],
    now_unix_s: i64,
) -> Result<Option<Rc<Identity>>, Failure> {
    if snapshot.jwt_issuers.is_empty() {
        return Ok(None);
    }
    let key_sets = worker.shared.key_sets.load();
    let mut tokens = worker.client_tokens.borrow_mut();
    tokens.authenticate(presented, &snapshot.jwt_issuers, &key_sets, now_unix_s).map_err(|refusal| {
        if matches!(refusal, Refusal::UnknownKey | Refusal::NoKeys) {
            worker.shared.note_unknown_token_key();
        }
        Failure::new(Cause::InvalidKey, refusal.message())
    })
}

fn presented_key(headers: &HeaderMap) -> Option<&[u8]> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| keys::bearer(value.as_bytes()));
    let key = bearer.or_else(|| KEY_HEADERS.iter().find_map(|name| headers.get(name)).map(HeaderValue::as_bytes));
    key.filter(|key| !key.is_empty())
}
