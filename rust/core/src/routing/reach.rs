//! What a configuration's author should hear about: rows that no request can reach, and tenants that a model leaves
//! without a deployment they may use.
//!
//! Right rather than complete: what is reported is so whatever clients send, but several rows that only together take
//! everything from a later one are not seen.

use serde::Serialize;

use super::is_resident;
use super::when::capabilities;
use crate::tables::{Row, Tables, Tenant, When};

/// The load at which every request that may be under way is.
const FULL_LOAD_PERMILLE: u32 = 1_000;
const EVERY_HOUR: u32 = (1 << 24) - 1;

/// A row that can never match.
#[derive(Debug, Eq, PartialEq, Serialize)]
pub struct UnreachableRow {
    /// The model's name.
    pub model: String,
    /// The row's place in its table, from 0.
    pub row: usize,
    /// Why, as the end of a sentence that begins with the row.
    pub reason: String,
}

/// A tenant that a model has no deployment for.
#[derive(Debug, Eq, PartialEq, Serialize)]
pub struct TenantWithoutRoute {
    /// The tenant's id.
    pub tenant: String,
    /// The model's name.
    pub model: String,
}

/// Rows that can never match, by model and place.
#[must_use]
pub fn unreachable_rows(tables: &Tables) -> Vec<UnreachableRow> {
    let mut unreachable = Vec::new();
    for (model, route) in &tables.models {
        for (place, row) in route.rows.iter().enumerate() {
            let shadow = || {
                let earlier = route.rows[..place].iter().position(|earlier| includes(tables, &earlier.when, &row.when));
                earlier.map(|earlier| format!("comes behind row {earlier}, which takes all of its requests"))
            };
            if let Some(reason) = impossible(tables, &row.when).or_else(shadow) {
                unreachable.push(UnreachableRow { model: model.clone(), row: place, reason });
            }
        }
    }
    unreachable.sort_by(|one, other| (&one.model, one.row).cmp(&(&other.model, other.row)));
    unreachable
}

/// Tenants whose residency leaves a model without any deployment, by model and tenant.
#[must_use]
pub fn tenants_without_route(tables: &Tables) -> Vec<TenantWithoutRoute> {
    let mut without = Vec::new();
    for (model, route) in &tables.models {
        for (index, tenant) in tables.tenants.iter().enumerate() {
            if may_ask(tables, index, model) && !is_served(tables, &route.rows, index) {
                without.push(TenantWithoutRoute { tenant: tenant.id.clone(), model: model.clone() });
            }
        }
    }
    without.sort_by(|one, other| (&one.model, &one.tenant).cmp(&(&other.model, &other.tenant)));
    without
}

/// What in a row's conditions no request can have.
fn impossible(tables: &Tables, when: &When) -> Option<String> {
    let empty = [
        ("tenant", is_empty(when.tenant.as_deref())),
        ("tier", is_empty(when.tier.as_deref())),
        ("user", is_empty(when.user.as_deref())),
        ("feature", is_empty(when.feature.as_deref())),
        ("region", is_empty(when.region.as_deref())),
        ("latency", is_empty(when.latency.as_deref())),
        ("cost_class", is_empty(when.cost_class.as_deref())),
        ("capability", is_empty(when.capability.as_deref())),
        ("model", is_empty(when.model.as_deref())),
        ("hour", when.hours.is_some_and(|hours| hours & EVERY_HOUR == 0)),
    ];
    if let Some((condition, _)) = empty.into_iter().find(|(_, is_empty)| *is_empty) {
        return Some(format!("accepts no value of {condition}"));
    }
    if when.load_permille.is_some_and(|least| least > FULL_LOAD_PERMILLE) {
        return Some("asks for a load above the largest there is".into());
    }
    if when.model.as_ref().is_some_and(|names| !names.iter().any(|name| tables.models.contains_key(name))) {
        return Some("asks for a model name that does not exist".into());
    }
    if !tables.tenants.iter().enumerate().any(|(index, tenant)| admits(when, index, tenant)) {
        return Some("is for no tenant: none fits its tenant, tier and region at once".into());
    }
    None
}

fn is_empty<T>(values: Option<&[T]>) -> bool {
    values.is_some_and(<[T]>::is_empty)
}

/// Whether some request of this tenant can pass the conditions on tenant, tier and region.
fn admits(when: &When, index: usize, tenant: &Tenant) -> bool {
    let is_resident = match (&when.region, &tenant.region) {
        (Some(regions), Some(residency)) => regions.contains(residency),
        // Without residency a header may name any region.
        (Some(regions), None) => !regions.is_empty(),
        (None, _) => true,
    };
    is_resident
        && when.tenant.as_ref().is_none_or(|tenants| tenants.contains(&index))
        && when.tier.as_ref().is_none_or(|tiers| tenant.tier.is_some_and(|tier| tiers.contains(&tier)))
}

/// Whether every request that fits `inner` fits `outer`.
fn includes(tables: &Tables, outer: &When, inner: &When) -> bool {
    let tenants_pass = tables.tenants.iter().enumerate().filter(|(index, tenant)| admits(inner, *index, tenant)).all(
        |(index, tenant)| {
            admits(outer, index, tenant)
                && (tenant.region.is_some() || is_within(inner.region.as_deref(), outer.region.as_deref()))
        },
    );
    tenants_pass
        && is_within(inner.user.as_deref(), outer.user.as_deref())
        && is_within(inner.feature.as_deref(), outer.feature.as_deref())
        && is_within(inner.latency.as_deref(), outer.latency.as_deref())
        && is_within(inner.cost_class.as_deref(), outer.cost_class.as_deref())
        && is_within(inner.model.as_deref(), outer.model.as_deref())
        && capabilities(outer)
            .is_none_or(|any| capabilities(inner).is_some_and(|inner| inner.first_missing_in(any).is_none()))
        && outer.context_over.is_none_or(|limit| inner.context_over.is_some_and(|own| own >= limit))
        && inner.hours.unwrap_or(EVERY_HOUR) & EVERY_HOUR & !outer.hours.unwrap_or(EVERY_HOUR) == 0
        && inner.load_permille.unwrap_or(0) >= outer.load_permille.unwrap_or(0)
}

fn is_within<T: PartialEq>(inner: Option<&[T]>, outer: Option<&[T]>) -> bool {
    let Some(outer) = outer else { return true };
    inner.is_some_and(|inner| inner.iter().all(|value| outer.contains(value)))
}

/// Whether a client of this tenant may ask for the model at all.
fn may_ask(tables: &Tables, tenant: usize, model: &str) -> bool {
    let mut keys = tables.keys.iter().filter(|key| key.tenant == tenant).peekable();
    let has_keys = keys.peek().is_some();
    let may_some_key = keys.any(|key| key.models.as_ref().is_none_or(|models| models.iter().any(|one| one == model)));
    // Tokens of an issuer name their own models.
    let has_tokens = tables
        .jwt_issuers
        .iter()
        .any(|issuer| issuer.default_tenant == Some(tenant) || issuer.tenants.values().any(|other| *other == tenant));
    !has_keys || may_some_key || has_tokens
}

/// Whether some row can leave this tenant a deployment where it may be.
fn is_served(tables: &Tables, rows: &[Row], index: usize) -> bool {
    let tenant = &tables.tenants[index];
    let residency = tenant.region.as_deref();
    for row in rows.iter().filter(|row| admits(&row.when, index, tenant)) {
        let mut members = row.chain.iter().flat_map(|step| &step.members);
        if members.any(|member| is_resident(residency, tables.deployments[member.deployment].region.as_deref())) {
            return true;
        }
        if takes_all(&row.when, tenant) {
            return false;
        }
    }
    false
}

/// Whether a row that admits a tenant takes all of its requests, so that later ones get none.
fn takes_all(when: &When, tenant: &Tenant) -> bool {
    (when.region.is_none() || tenant.region.is_some())
        && when.user.is_none()
        && when.feature.is_none()
        && when.latency.is_none()
        && when.cost_class.is_none()
        && when.capability.is_none()
        && when.model.is_none()
        && when.context_over.is_none()
        && when.hours.is_none()
        && when.load_permille.is_none()
}

#[cfg(test)]
#[path = "reach_tests.rs"]
mod tests;
