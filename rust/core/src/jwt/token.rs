//! A token's compact form, read and not yet believed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use crate::tables::JwtAlgorithm;

/// A JSON object starts with `{"`, and that is how base64 writes it.
const OBJECT_START: &[u8] = b"eyJ";

#[derive(Debug)]
pub(super) struct Token<'a> {
    /// `None`: one that is never accepted.
    pub(super) algorithm: Option<JwtAlgorithm>,
    pub(super) key_id: Option<String>,
    pub(super) has_critical_extensions: bool,
    pub(super) claims: Map<String, Value>,
    /// Header and claims as they were signed.
    pub(super) signed: &'a [u8],
    /// As base64url.
    pub(super) signature: &'a [u8],
}

/// The header's fields that count. Keys and addresses that a token brings itself (`jwk`, `jku`, `x5u`) never do.
#[derive(Deserialize)]
struct Header {
    alg: Value,
    kid: Option<String>,
    #[serde(default, deserialize_with = "is_present")]
    crit: bool,
}

/// Whether a credential has a token's outline, which no key made by `fastgate keys` has.
pub(super) fn is_likely(presented: &[u8]) -> bool {
    presented.starts_with(OBJECT_START) && memchr::memchr_iter(b'.', presented).count() == 2
}

impl<'a> Token<'a> {
    /// `None` if the parts are not base64url of JSON objects.
    pub(super) fn read(presented: &'a [u8]) -> Option<Self> {
        let last_dot = presented.iter().rposition(|byte| *byte == b'.')?;
        let (signed, signature) = (&presented[..last_dot], &presented[last_dot + 1..]);
        let first_dot = signed.iter().position(|byte| *byte == b'.')?;
        let header: Header = decode(&signed[..first_dot])?;
        Some(Self {
            algorithm: JwtAlgorithm::deserialize(header.alg).ok(),
            key_id: header.kid,
            has_critical_extensions: header.crit,
            claims: decode(&signed[first_dot + 1..])?,
            signed,
            signature,
        })
    }

    pub(super) fn is_from(&self, issuer: &str) -> bool {
        self.claims.get("iss").and_then(Value::as_str) == Some(issuer)
    }
}

fn decode<T: serde::de::DeserializeOwned>(part: &[u8]) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

fn is_present<'de, D: serde::Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(value).map(|_| true)
}
