//! JSON Web Tokens as client credentials: whose token it is, whether it holds, and whom it stands for.
//!
//! Decides with the configured issuers, the keys they publish and the time, all of them arguments; never fetches a key.
//! A string that is no token, or one of an unknown issuer, is not refused here: any string may be a virtual key.
//! Sources: RFC 7515 (signature), 7517 (keys), 7519 (claims), 8725 (best current practice).

mod claims;
mod key_set;
mod token;
mod verified;

#[cfg(test)]
mod tests;

pub use claims::Identity;
pub use key_set::{KeySet, KeySets};
pub use verified::VerifiedTokens;

use crate::tables::JwtIssuer;
use token::Token;

/// Longer tokens are not read.
pub const TOKEN_LIMIT_BYTES: usize = 8192;

/// Why a token of a known issuer is refused. Holds names from the configuration, nothing of the token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// More than [`TOKEN_LIMIT_BYTES`].
    TooLarge,
    /// Its header asks for an extension (`crit`) that is not understood.
    CriticalHeader,
    /// Signed with something that the issuer's `algorithms` do not list.
    Algorithm,
    /// None of the issuer's keys is known yet.
    NoKeys,
    /// Names a key that the issuer does not publish, as far as is known.
    UnknownKey,
    /// Names no key, and more than one would fit.
    NoKeyNamed,
    /// Altered, or signed by somebody else.
    Signature,
    /// Past its `exp`.
    Expired,
    /// Before its `nbf`.
    NotYetValid,
    /// Meant for somebody else.
    Audience,
    /// This claim is missing or has a value that can't be used.
    Claim(String),
    /// The tenant's claim has a value that no tenant is mapped from.
    Tenant(String),
}

impl Refusal {
    /// What the client is told.
    #[must_use]
    pub fn message(&self) -> String {
        match self {
            Self::TooLarge => format!("this token is longer than {TOKEN_LIMIT_BYTES} bytes"),
            Self::CriticalHeader => "this token's header has critical extensions, and none is understood here".into(),
            Self::Algorithm => "this token is signed with an algorithm that is not accepted from its issuer".into(),
            Self::NoKeys => "the keys of this token's issuer are not available at the moment".into(),
            Self::UnknownKey => "this token is signed with a key that its issuer does not publish".into(),
            Self::NoKeyNamed => "this token names no key (kid), and its issuer publishes several".into(),
            Self::Signature => "this token's signature does not hold".into(),
            Self::Expired => "this token has expired: get a new one from its issuer".into(),
            Self::NotYetValid => "this token is not valid yet: compare the clocks here and at its issuer".into(),
            Self::Audience => "this token is meant for another audience".into(),
            Self::Claim(name) => format!("this token's claim `{name}` is missing or can't be used"),
            Self::Tenant(name) => format!("this token's claim `{name}` names no tenant of this gateway"),
        }
    }
}

/// The identity that a token proves; `None` if it is none, or not from one of these issuers.
fn verify(
    presented: &[u8],
    issuers: &[JwtIssuer],
    key_sets: &KeySets,
    now_unix_s: i64,
) -> Result<Option<Identity>, Refusal> {
    let Some(token) = Token::read(presented) else { return Ok(None) };
    let Some(issuer) = issuers.iter().find(|issuer| token.is_from(&issuer.issuer)) else { return Ok(None) };
    let algorithm = token.algorithm.filter(|found| issuer.algorithms.contains(found)).ok_or(Refusal::Algorithm)?;
    if token.has_critical_extensions {
        return Err(Refusal::CriticalHeader);
    }
    let keys = key_sets.of(&issuer.issuer).ok_or(Refusal::NoKeys)?;
    keys.verify(algorithm, token.key_id.as_deref(), token.signed, token.signature)?;
    claims::check(&token.claims, issuer, now_unix_s).map(Some)
}
