//! Where a request would go, and why not elsewhere: for people, on the command line and the admin listener. Nothing is sent.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::SystemTime;

use fastgate_core::routing;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::choice::{Facts, asking, forbidden};
use crate::clock::{milliseconds, unix_s};
use crate::gateway::Shared;
use crate::guard::{Caller, Credential};
use crate::identity::Identity;
use crate::wishes::Wishes;

/// What is asked about.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    /// The body of a request, as a client would send it.
    request: Box<RawValue>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// Whose request; `None`: the key's tenant, or the first.
    tenant: Option<String>,
    /// The digest of the key it comes with, in hex.
    key: Option<String>,
    user: Option<String>,
    feature: Option<String>,
    session: Option<String>,
    region: Option<String>,
    latency: Option<String>,
    cost_class: Option<String>,
}

#[derive(Deserialize)]
struct Named {
    model: String,
    #[serde(default)]
    user: Option<String>,
}

/// Explains the route of a request under the configuration in force and with the health of now.
///
/// # Errors
/// What is wrong with the question.
pub(crate) fn explain(shared: &Shared, question: &[u8]) -> Result<Vec<u8>, String> {
    let snapshot = shared.snapshot.load();
    let question: Question = serde_json::from_slice(question).map_err(|error| format!("the question: {error}"))?;
    let body = question.request.get().as_bytes();
    let named: Named = serde_json::from_slice(body).map_err(|error| format!("the request: {error}"))?;
    let key = question
        .key
        .as_deref()
        .map(|digest| snapshot.keys.by_digest(digest).ok_or_else(|| format!("no key has the digest {digest}")));
    let key = key.transpose()?;
    let tenant = match &question.tenant {
        None => key.map_or(0, |key| key.tenant),
        Some(id) => {
            let position = snapshot.tables.tenants.iter().position(|tenant| tenant.id == *id);
            position.ok_or_else(|| format!("no tenant is called {id}"))?
        }
    };
    let caller = Caller { credential: key.map_or(Credential::None, Credential::Key), tenant };
    let headers = headers(&question)?;
    let told = |failure: fastgate_core::failure::Failure| failure.message;
    let wishes = Wishes::read(&headers).map_err(told)?;
    let mut identity = Identity::read(&caller, &headers).map_err(told)?;
    identity.complete(key.map(fastgate_core::tables::Key::id), named.user);
    wishes.preferences.check(&snapshot.policy)?;
    let now_unix_s = unix_s(SystemTime::now());
    let asking = asking(shared, &snapshot, &caller, (&identity, &wishes), (&named.model, Some(body)), now_unix_s);
    // The same draws each time, so that the same question has the same answer.
    let drawn = Cell::new(0_u64);
    let draw = || {
        drawn.set(drawn.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
        drawn.get()
    };
    let facts = Facts { snapshot: &snapshot, now_ns: shared.registry.ns(Instant::now()), now_unix_s, draw };
    let mut explanation = serde_json::to_value(routing::explain(&snapshot.tables, &snapshot.policy, &asking, &facts))
        .map_err(|error| error.to_string())?;
    if !caller.may_use(&named.model) {
        let failure = forbidden(&named.model);
        explanation["error"] =
            serde_json::json!({"code": failure.code(), "is_temporary": false, "message": failure.message});
    }
    if let Some(budget) = wishes.budget {
        let own = explanation["budget_ms"].as_u64().unwrap_or(u64::MAX);
        explanation["budget_ms"] = own.min(milliseconds(budget)).into();
    }
    Ok(explanation.to_string().into_bytes())
}

/// The headers that the request is taken to have.
fn headers(question: &Question) -> Result<HeaderMap, String> {
    let said = [
        ("x-fastgate-user", &question.user),
        ("x-fastgate-feature", &question.feature),
        ("x-fastgate-session", &question.session),
        ("x-fastgate-region", &question.region),
        ("x-fastgate-latency", &question.latency),
        ("x-fastgate-cost-class", &question.cost_class),
    ];
    let given = question.headers.iter().map(|(name, value)| (name.as_str(), value));
    let said = said.iter().filter_map(|(name, value)| Some((*name, value.as_ref()?)));
    given
        .chain(said)
        .map(|(name, value)| {
            let header = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_str(value).ok());
            header.ok_or_else(|| format!("the header {name} can't be sent so"))
        })
        .collect()
}
