//! One core's answer to tokens: the check is paid for once, and again when issuers or keys have changed.

use std::rc::Rc;
use std::sync::Arc;

use fastgate_core::jwt::{Identity, KeySets, Refusal, VerifiedTokens};
use fastgate_core::tables::JwtIssuer;

/// Verified tokens, with the issuers and keys that they were verified against.
#[derive(Debug)]
pub(crate) struct ClientTokens {
    issuers: Arc<[JwtIssuer]>,
    key_sets: Arc<KeySets>,
    verified: VerifiedTokens,
}

impl Default for ClientTokens {
    fn default() -> Self {
        Self { issuers: Arc::new([]), key_sets: Arc::default(), verified: VerifiedTokens::default() }
    }
}

impl ClientTokens {
    /// Who a presented credential stands for; `None` if it is no token of a configured issuer.
    ///
    /// # Errors
    /// Why a token of a configured issuer is refused.
    pub(crate) fn authenticate(
        &mut self,
        presented: &[u8],
        issuers: &Arc<[JwtIssuer]>,
        key_sets: &Arc<KeySets>,
        now_unix_s: i64,
    ) -> Result<Option<Rc<Identity>>, Refusal> {
        // A key that was taken back ends every token it signed, and a tenant's index holds for its tables only.
        if !Arc::ptr_eq(&self.issuers, issuers) || !Arc::ptr_eq(&self.key_sets, key_sets) {
            *self = Self {
                issuers: Arc::clone(issuers),
                key_sets: Arc::clone(key_sets),
                verified: VerifiedTokens::default(),
            };
        }
        self.verified.authenticate(presented, issuers, key_sets, now_unix_s)
    }
}
