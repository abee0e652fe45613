//! Tokens whose check has been paid for, by the digest of their whole text.
//!
//! Two generations: a full younger one becomes the older, and the older is dropped. That bounds the memory without a
//! list in the order of use, and a token in use moves over. Only good tokens get in, so nobody can flush it by guessing.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::rc::Rc;

use sha2::{Digest, Sha256};

use super::{Identity, KeySets, Refusal, TOKEN_LIMIT_BYTES, token, verify};
use crate::keys::{DigestHasher, KeyDigest};
use crate::tables::JwtIssuer;

/// Tokens of one generation: at some 300 bytes each, 1.2 MB a core at most.
const GENERATION_LIMIT: usize = 2048;
/// After this a token is checked again, whatever else keeps it alive.
const KEPT_S: i64 = 60;

type Generation = HashMap<KeyDigest, Entry, BuildHasherDefault<DigestHasher>>;

#[derive(Clone, Debug)]
struct Entry {
    identity: Rc<Identity>,
    until_unix_s: i64,
}

/// One core's verified tokens. Valid for one set of issuers and keys: make a new one when either changes.
#[derive(Debug, Default)]
pub struct VerifiedTokens {
    young: Generation,
    old: Generation,
}

impl VerifiedTokens {
    /// The identity that a presented credential proves; `None` if it is no token of a configured issuer.
    ///
    /// A token seen before costs its digest and a look-up, another one a signature check (20 to 100 µs).
    ///
    /// # Errors
    /// Why a token of a configured issuer is refused.
    pub fn authenticate(
        &mut self,
        presented: &[u8],
        issuers: &[JwtIssuer],
        key_sets: &KeySets,
        now_unix_s: i64,
    ) -> Result<Option<Rc<Identity>>, Refusal> {
        if !token::is_likely(presented) {
            return Ok(None);
        }
        if presented.len() > TOKEN_LIMIT_BYTES {
            return Err(Refusal::TooLarge);
        }
        let digest: KeyDigest = Sha256::digest(presented).into();
        if let Some(entry) = self.young.get(&digest).filter(|entry| now_unix_s < entry.until_unix_s) {
            return Ok(Some(Rc::clone(&entry.identity)));
        }
        if let Some(entry) = self.old.remove(&digest).filter(|entry| now_unix_s < entry.until_unix_s) {
            let identity = Rc::clone(&entry.identity);
            self.keep(digest, entry);
            return Ok(Some(identity));
        }
        let Some(identity) = verify(presented, issuers, key_sets, now_unix_s)?.map(Rc::new) else { return Ok(None) };
        let until_unix_s = identity.expires_unix_s.min(now_unix_s + KEPT_S);
        self.keep(digest, Entry { identity: Rc::clone(&identity), until_unix_s });
        Ok(Some(identity))
    }

    fn keep(&mut self, digest: KeyDigest, entry: Entry) {
        if self.young.len() >= GENERATION_LIMIT {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(digest, entry);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}
