//! What the claims of a token with a good signature say: whether it holds now and here, and for whom.
//!
//! A claim that the configuration names has to be there: a token without it would otherwise get the wider rights of
//! one that was never restricted.

use serde_json::{Map, Value};

use super::Refusal;
use crate::tables::JwtIssuer;

/// Names longer than this, in UTF-8, are refused.
const NAME_LIMIT_BYTES: usize = 255;
const MODELS_LIMIT: usize = 256;

/// Whom a token stands for.
#[derive(Debug, Eq, PartialEq)]
pub struct Identity {
    /// Index into the tables' tenants.
    pub tenant: usize,
    /// Who asked.
    pub user: String,
    /// The feature it fixes.
    pub feature: Option<String>,
    /// The model names it may ask for; `None` means all.
    pub models: Option<Vec<String>>,
    /// The claim `exp`.
    pub expires_unix_s: i64,
}

pub(super) fn check(claims: &Map<String, Value>, issuer: &JwtIssuer, now_unix_s: i64) -> Result<Identity, Refusal> {
    let expires_unix_s = claims.get("exp").and_then(numeric_date).ok_or_else(|| missing("exp"))?;
    if now_unix_s >= expires_unix_s.saturating_add(issuer.leeway_s) {
        return Err(Refusal::Expired);
    }
    if let Some(from) = claims.get("nbf") {
        let from_unix_s = numeric_date(from).ok_or_else(|| missing("nbf"))?;
        if now_unix_s.saturating_add(issuer.leeway_s) < from_unix_s {
            return Err(Refusal::NotYetValid);
        }
    }
    let is_meant =
        |audience: &Value| audience.as_str().is_some_and(|name| issuer.audiences.iter().any(|own| own == name));
    if !claims
        .get("aud")
        .is_some_and(|found| found.as_array().map_or_else(|| is_meant(found), |all| all.iter().any(is_meant)))
    {
        return Err(Refusal::Audience);
    }
    if let Some(name) = issuer.required.iter().find(|name| claims.get(*name).is_none_or(Value::is_null)) {
        return Err(missing(name));
    }
    Ok(Identity {
        tenant: tenant(claims, issuer)?,
        user: name(claims, &issuer.user_claim)?,
        feature: issuer.feature_claim.as_deref().map(|claim| name(claims, claim)).transpose()?,
        models: issuer.models_claim.as_deref().map(|claim| models(claims, claim)).transpose()?,
        expires_unix_s,
    })
}

/// Who pays. The default is for tokens without the claim: a value nobody is mapped from is never let through.
fn tenant(claims: &Map<String, Value>, issuer: &JwtIssuer) -> Result<usize, Refusal> {
    let claimed =
        issuer.tenant_claim.as_deref().filter(|claim| claims.contains_key(*claim) || issuer.default_tenant.is_none());
    match claimed {
        Some(claim) => {
            let value = name(claims, claim)?;
            issuer.tenants.get(&value).copied().ok_or_else(|| Refusal::Tenant(claim.to_owned()))
        }
        None => issuer.default_tenant.ok_or_else(|| missing("tenant")),
    }
}

/// A claim's text; some issuers write ids as numbers.
fn name(claims: &Map<String, Value>, claim: &str) -> Result<String, Refusal> {
    let text = match claims.get(claim) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) if !number.is_f64() => number.to_string(),
        _ => return Err(missing(claim)),
    };
    let is_usable = (1..=NAME_LIMIT_BYTES).contains(&text.len()) && !text.contains(char::is_control);
    if is_usable { Ok(text) } else { Err(missing(claim)) }
}

/// A list of names, or one text with blanks between them as `scope` has.
fn models(claims: &Map<String, Value>, claim: &str) -> Result<Vec<String>, Refusal> {
    let models: Option<Vec<String>> = match claims.get(claim) {
        Some(Value::String(text)) => Some(text.split_ascii_whitespace().map(str::to_owned).collect()),
        Some(Value::Array(names)) => names.iter().map(|name| name.as_str().map(str::to_owned)).collect(),
        _ => None,
    };
    models.filter(|names| names.len() <= MODELS_LIMIT).ok_or_else(|| missing(claim))
}

/// Whole seconds; RFC 7519 allows fractions.
fn numeric_date(value: &Value) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "a date beyond i64 saturates, which is as far away")]
    value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds.floor() as i64))
}

fn missing(claim: &str) -> Refusal {
    Refusal::Claim(claim.to_owned())
}
