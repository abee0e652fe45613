//! Virtual keys: a digest decides who a request belongs to. The key itself is never stored.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use sha2::{Digest, Sha256};

use crate::tables::Key;

/// SHA-256 of a whole key string.
pub type KeyDigest = [u8; 32];

/// Finds keys by digest.
///
/// Lookup needs no constant time: an attacker who can choose digests would have to invert SHA-256 to use what
/// timing tells about them.
#[derive(Debug, Default)]
pub struct KeyRing {
    by_digest: HashMap<KeyDigest, Key, BuildHasherDefault<DigestHasher>>,
}

impl KeyRing {
    /// Takes in the keys of a configuration, whose digests were checked by `Tables`.
    #[must_use]
    pub fn new(keys: Vec<Key>) -> Self {
        let by_digest = keys.into_iter().filter_map(|key| Some((parse_hex(&key.digest)?, key))).collect();
        Self { by_digest }
    }

    /// Whether no key is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_digest.is_empty()
    }

    /// The key a client presented, unless unknown or expired.
    #[must_use]
    pub fn find(&self, presented: &[u8], now_unix_s: i64) -> Option<&Key> {
        let digest: KeyDigest = Sha256::digest(presented).into();
        self.by_digest.get(&digest).filter(|key| key.expires_unix_s.is_none_or(|expiry| now_unix_s < expiry))
    }

    /// The key with this digest in hex, also if it has expired.
    #[must_use]
    pub fn by_digest(&self, digest: &str) -> Option<&Key> {
        self.by_digest.get(&parse_hex(digest)?)
    }
}

/// The key within the value of an `Authorization` header.
#[must_use]
pub fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| rest.trim_ascii())
}

fn parse_hex(text: &str) -> Option<KeyDigest> {
    let mut digest = [0; 32];
    let pairs = text.as_bytes().as_chunks::<2>().0;
    for (byte, pair) in digest.iter_mut().zip(pairs) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    (pairs.len() == 32).then_some(digest)
}

/// A digest is already uniform: its first eight bytes are the hash.
#[derive(Debug, Default)]
pub(crate) struct DigestHasher(u64);

impl Hasher for DigestHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk::<8>() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    fn write_usize(&mut self, _length: usize) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(secret: &str, expires_unix_s: Option<i64>) -> Key {
        let digest = Sha256::digest(secret).iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        Key { digest, tenant: 0, user: None, feature: None, models: None, deployments: None, expires_unix_s }
    }

    #[test]
    fn finds_a_key_by_its_whole_string_until_it_expires() {
        let ring = KeyRing::new(vec![key("any string", None), key("old", Some(100))]);
        assert!(ring.find(b"any string", 0).is_some());
        assert!(ring.find(b"any strin", 0).is_none());
        assert!(ring.find(b"old", 99).is_some());
        assert!(ring.find(b"old", 100).is_none());
    }

    #[test]
    fn reads_bearer_in_any_case() {
        assert_eq!(bearer(b"Bearer abc"), Some(&b"abc"[..]));
        assert_eq!(bearer(b"bearer  abc "), Some(&b"abc"[..]));
        assert_eq!(bearer(b"Basic abc"), None);
        assert_eq!(bearer(b"Bear"), None);
    }
}
