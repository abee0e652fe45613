//! How the counts of limits stand, for operators: those of tenants and tiers, and those of others that are in use.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::time::SystemTime;

use fastgate_core::json_object::{JsonObject, write_list};
use fastgate_core::limits::Who;
use fastgate_core::tables::Tables;
use fastgate_core::tables::limits::Scope;
use foldhash::HashMap;
use parking_lot::RwLock;
use serde::Deserialize;

use super::customers::Customers;
use super::identity::{self, SCOPES};
use super::line::Line;
use crate::clock::unix_ms;
use crate::snapshot::Snapshot;

/// Identities that are remembered by name; at the bound all are forgotten, and those in use come back.
const REMEMBERED_MAX: usize = 20_000;
/// Standings told at once where the query does not say.
const TOLD: usize = 100;

/// Names of those whose counts are in use.
#[derive(Debug, Default)]
pub(super) struct Remembered(RwLock<HashMap<u128, Names>>);

/// Whose a count is; by name, since indices change with the configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Names {
    tenant: Option<String>,
    key: Option<String>,
    user: Option<String>,
    feature: Option<String>,
    session: Option<String>,
    model: Option<String>,
}

/// Which standings are asked for.
#[derive(Debug, Deserialize)]
struct Query {
    rule: Option<String>,
    tier: Option<String>,
    limit: Option<usize>,
    #[serde(flatten)]
    names: Names,
}

impl Remembered {
    /// Remembers whose meter it is.
    pub(super) fn note(&self, meter: u128, who: &Who<'_>, tables: &Tables) {
        if self.0.read().contains_key(&meter) {
            return;
        }
        let mut remembered = self.0.write();
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        let own = |name: Option<&str>| name.map(str::to_owned);
        let names = Names {
            tenant: Some(tables.tenants[who.tenant].id.clone()),
            key: own(who.key),
            user: own(who.user),
            feature: own(who.feature),
            session: own(who.session),
            model: own(who.model),
        };
        remembered.insert(meter, names);
    }
}

impl Names {
    fn who<'a>(&'a self, tables: &Tables) -> Option<Who<'a>> {
        let tenant = self.tenant.as_ref()?;
        let tenant = tables.tenants.iter().position(|known| known.id == *tenant)?;
        Some(Who {
            tenant,
            tier: tables.tenants[tenant].tier,
            key: self.key.as_deref(),
            user: self.user.as_deref(),
            feature: self.feature.as_deref(),
            session: self.session.as_deref(),
            model: self.model.as_deref(),
        })
    }
}

/// One count.
struct Found {
    line: Line,
    names: Names,
}

impl Customers {
    /// How counts stand, as a JSON list of `{rule, identity, amount, used, reserved, remaining, reset_after_s}`, those of
    /// which most is used first. `query` is JSON: `rule`, names by scope, `limit`.
    ///
    /// # Errors
    /// What is wrong with the query.
    pub(crate) fn standings(&self, snapshot: &Snapshot, query: &[u8]) -> Result<Vec<u8>, String> {
        let query: Query = serde_json::from_slice(query).map_err(|error| format!("query: {error}"))?;
        let tables = &snapshot.tables;
        let mut askers: Vec<Names> =
            tables.tenants.iter().map(|tenant| Names { tenant: Some(tenant.id.clone()), ..Names::default() }).collect();
        askers.extend(self.remembered.0.read().values().cloned());
        askers.push(query.names.clone());
        let mut seen = HashSet::new();
        let mut found: Vec<Found> = Vec::new();
        let now = self.present();
        for names in askers {
            let Some(who) = names.who(tables) else { continue };
            let mut all = snapshot.limit_rules.applied(&who);
            self.raises.apply(&mut all, &who, tables, || unix_ms(SystemTime::now()));
            for applied in all {
                let rule = &tables.limits[applied.rule];
                let has_all = rule.per.iter().all(|scope| identity::name(*scope, &who, tables).is_some());
                if has_all && query.fits(&rule.name, &rule.per, &who, tables) && seen.insert(applied.meter) {
                    let line = Line::of(self, snapshot, &applied, now);
                    found.push(Found { line, names: names.clone() });
                }
            }
        }
        found.sort_by_key(|found| Reverse(found.line.used_permille));
        found.truncate(query.limit.unwrap_or(TOLD));
        let mut list = Vec::new();
        write_list(&mut list, &found, |found, list| found.write(tables, list));
        Ok(list)
    }
}

impl Query {
    fn fits(&self, rule: &str, per: &[Scope], who: &Who<'_>, tables: &Tables) -> bool {
        let Names { tenant, key, user, feature, session, model } = &self.names;
        let wanted = [tenant, &self.tier, key, user, feature, session, model];
        self.rule.as_deref().is_none_or(|wanted| wanted == rule)
            && SCOPES.iter().zip(wanted).all(|((scope, _), wanted)| {
                let Some(wanted) = wanted else { return true };
                // The tenant narrows also what is not counted per tenant; the others only what is counted per them.
                let is_counted = *scope == Scope::Tenant || per.contains(scope);
                is_counted && identity::name(*scope, who, tables) == Some(wanted)
            })
    }
}

impl Found {
    fn write(&self, tables: &Tables, into: &mut Vec<u8>) {
        let Line { rule, amount, standing, .. } = self.line;
        let rule = &tables.limits[rule];
        let mut object = JsonObject::begin(into);
        object.text("rule", &rule.name);
        if let Some(who) = self.names.who(tables) {
            identity::write(&rule.per, &who, tables, &mut object);
        }
        object.number("amount", amount);
        object.number("used", standing.used);
        object.number("reserved", standing.reserved);
        object.number("remaining", standing.remaining);
        object.number("reset_after_s", standing.reset_after_s);
        object.end();
    }
}
