//! The keys an issuer publishes (JWKS), and the check of a signature with the right one.
//!
//! A key is for one kind of signature, whatever a token's header says: a symmetric key in the set is left out, and an
//! RSA key never serves as the secret of an HMAC.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaParameters,
    RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde::Deserialize;
use serde_json::Value;

use super::Refusal;
use crate::tables::JwtAlgorithm;

/// Larger documents are refused.
const DOCUMENT_LIMIT_BYTES: usize = 256 * 1024;
/// Sets of more keys are refused.
const KEYS_LIMIT: usize = 100;
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

/// Keys by issuer; replaced whole when one of them changes.
#[derive(Clone, Debug, Default)]
pub struct KeySets(HashMap<String, Arc<KeySet>>);

impl KeySets {
    /// The keys of an issuer, once they are known.
    #[must_use]
    pub fn of(&self, issuer: &str) -> Option<&KeySet> {
        self.0.get(issuer).map(Arc::as_ref)
    }

    /// These sets with one replaced, and without those of issuers that `is_configured` does not know.
    #[must_use]
    pub fn with(&self, issuer: &str, keys: &Arc<KeySet>, is_configured: impl Fn(&str) -> bool) -> Self {
        let kept = self.0.iter().filter(|(name, _)| is_configured(name));
        let mut sets: HashMap<_, _> = kept.map(|(name, keys)| (name.clone(), Arc::clone(keys))).collect();
        sets.insert(issuer.to_owned(), Arc::clone(keys));
        Self(sets)
    }
}

/// The public keys of one issuer that can check a signature.
#[derive(Debug)]
pub struct KeySet(Vec<VerificationKey>);

#[derive(Debug)]
struct VerificationKey {
    id: Option<String>,
    /// The one algorithm it is for, where the issuer says so.
    algorithm: Option<JwtAlgorithm>,
    key: PublicKey,
}

#[derive(Debug)]
enum PublicKey {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// An uncompressed point.
    P256([u8; 65]),
    Ed25519([u8; 32]),
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

/// RFC 7517, 7518 and 8037: the members that public keys have.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<Value>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// Reads a JWKS document. Keys that serve no algorithm of ours (encryption, symmetric, other curves) are left out.
    ///
    /// # Errors
    /// It is too large, no JWKS, or has no key that could be used.
    pub fn read(document: &[u8]) -> Result<Self, String> {
        if document.len() > DOCUMENT_LIMIT_BYTES {
            return Err(format!("larger than {DOCUMENT_LIMIT_BYTES} bytes"));
        }
        let document: Document =
            serde_json::from_slice(document).map_err(|_| "not a JWKS document: no JSON object with a list `keys`")?;
        if document.keys.len() > KEYS_LIMIT {
            return Err(format!("more than {KEYS_LIMIT} keys"));
        }
        let keys: Vec<_> = document
            .keys
            .into_iter()
            .filter_map(|key| VerificationKey::from_jwk(Jwk::deserialize(key).ok()?))
            .collect();
        if keys.is_empty() {
            return Err("no key that can check a signature (RSA of 2048 to 8192 bits, P-256 or Ed25519)".into());
        }
        Ok(Self(keys))
    }

    /// How many keys can be used.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a set is never empty")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Checks the base64url `signature` of `signed` with the key that the token names, or the only one that fits.
    pub(super) fn verify(
        &self,
        algorithm: JwtAlgorithm,
        key_id: Option<&str>,
        signed: &[u8],
        signature: &[u8],
    ) -> Result<(), Refusal> {
        let mut fitting = self.0.iter().filter(|key| key.serves(algorithm));
        let key = match key_id {
            Some(id) => fitting.find(|key| key.id.as_deref() == Some(id)).ok_or(Refusal::UnknownKey)?,
            None => match (fitting.next(), fitting.next()) {
                (Some(only), None) => only,
                (None, _) => return Err(Refusal::UnknownKey),
                _ => return Err(Refusal::NoKeyNamed),
            },
        };
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Refusal::Signature)?;
        key.key.verify(algorithm, signed, &signature).ok_or(Refusal::Signature)
    }
}

impl VerificationKey {
    fn from_jwk(jwk: Jwk) -> Option<Self> {
        let signs = jwk.usage.as_deref().is_none_or(|usage| usage == "sig")
            && jwk.key_ops.as_ref().is_none_or(|uses| uses.iter().any(|name| name == "verify"));
        if !signs {
            return None;
        }
        let algorithm = jwk.alg.as_ref().map(JwtAlgorithm::deserialize).transpose().ok()?;
        let key = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", _) => {
                let (modulus, exponent) = (number(jwk.n.as_deref()?)?, number(jwk.e.as_deref()?)?);
                RSA_BYTES.contains(&modulus.len()).then_some(PublicKey::Rsa { modulus, exponent })?
            }
            ("EC", Some("P-256")) => {
                let mut point = [4; 65];
                point[1..33].copy_from_slice(&coordinate(jwk.x.as_deref()?)?);
                point[33..].copy_from_slice(&coordinate(jwk.y.as_deref()?)?);
                PublicKey::P256(point)
            }
            ("OKP", Some("Ed25519")) => PublicKey::Ed25519(coordinate(jwk.x.as_deref()?)?),
            _ => return None,
        };
        Some(Self { id: jwk.kid, algorithm, key })
    }

    fn serves(&self, algorithm: JwtAlgorithm) -> bool {
        let fits = match self.key {
            PublicKey::Rsa { .. } => matches!(algorithm, JwtAlgorithm::Rs256 | JwtAlgorithm::Ps256),
            PublicKey::P256(_) => algorithm == JwtAlgorithm::Es256,
            PublicKey::Ed25519(_) => algorithm == JwtAlgorithm::EdDsa,
        };
        fits && self.algorithm.is_none_or(|own| own == algorithm)
    }
}

impl PublicKey {
    /// `None` unless the signature holds.
    fn verify(&self, algorithm: JwtAlgorithm, signed: &[u8], signature: &[u8]) -> Option<()> {
        let result = match self {
            Self::Rsa { modulus, exponent } => {
                let padding: &RsaParameters = match algorithm {
                    JwtAlgorithm::Ps256 => &RSA_PSS_2048_8192_SHA256,
                    _ => &RSA_PKCS1_2048_8192_SHA256,
                };
                RsaPublicKeyComponents { n: modulus, e: exponent }.verify(padding, signed, signature)
            }
            Self::P256(point) => UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed, signature),
            Self::Ed25519(point) => UnparsedPublicKey::new(&ED25519, point).verify(signed, signature),
        };
        result.ok()
    }
}

/// A big-endian number without leading zeros, which some issuers write and ring refuses.
fn number(text: &str) -> Option<Vec<u8>> {
    let mut bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    bytes.drain(..bytes.iter().take_while(|byte| **byte == 0).count());
    Some(bytes)
}

fn coordinate(text: &str) -> Option<[u8; 32]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}
