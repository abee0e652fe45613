//! Which rules may apply to a request, without looking at all of them.
//!
//! A rule is filed under the condition that few requests meet: a key, else a user, a feature, a model, else its tenants. So
//! thousands of keys with limits of their own cost a request one look-up.

use foldhash::HashMap;

use super::conditions::FiledUnder;
use super::rules::Who;
use crate::tables::Tables;
use crate::tables::limits::{LimitRule, LimitWhen};

/// Rules by what they ask for; each list ascends.
#[derive(Debug, Default)]
pub(super) struct RuleIndex {
    keys: HashMap<String, Vec<usize>>,
    users: HashMap<String, Vec<usize>>,
    features: HashMap<String, Vec<usize>>,
    models: HashMap<String, Vec<usize>>,
    tenants: Vec<Vec<usize>>,
}

impl RuleIndex {
    pub(super) fn new(tables: &Tables) -> Self {
        let mut index = Self { tenants: vec![Vec::new(); tables.tenants.len()], ..Self::default() };
        for (rule, LimitRule { when, .. }) in tables.limits.iter().enumerate() {
            let (by_name, names) = match FiledUnder::of(when) {
                FiledUnder::Key(keys) => (&mut index.keys, keys),
                FiledUnder::User(users) => (&mut index.users, users),
                FiledUnder::Feature(features) => (&mut index.features, features),
                FiledUnder::Model(models) => (&mut index.models, models),
                FiledUnder::Tenants => {
                    index.file_by_tenant(tables, when, rule);
                    continue;
                }
            };
            for name in names {
                file(by_name.entry(name.clone()).or_default(), rule);
            }
        }
        index
    }

    fn file_by_tenant(&mut self, tables: &Tables, when: &LimitWhen, rule: usize) {
        for (tenant, rules) in self.tenants.iter_mut().enumerate() {
            let is_meant = when.tenant.as_ref().is_none_or(|tenants| tenants.contains(&tenant));
            let tier = tables.tenants[tenant].tier;
            let is_in_tier = when.tier.as_ref().is_none_or(|tiers| tier.is_some_and(|tier| tiers.contains(&tier)));
            if is_meant && is_in_tier {
                file(rules, rule);
            }
        }
    }

    /// Rules of which one condition at least is met, in lists that ascend; none twice.
    pub(super) fn candidates(&self, who: &Who<'_>) -> [&[usize]; 5] {
        [
            self.tenants.get(who.tenant).map_or(&[], Vec::as_slice),
            find(&self.keys, who.key),
            find(&self.users, who.user),
            find(&self.features, who.feature),
            find(&self.models, who.model),
        ]
    }
}

/// A name given twice is one condition.
fn file(rules: &mut Vec<usize>, rule: usize) {
    if rules.last() != Some(&rule) {
        rules.push(rule);
    }
}

fn find<'a>(by_name: &'a HashMap<String, Vec<usize>>, name: Option<&str>) -> &'a [usize] {
    let Some(name) = name.filter(|_| !by_name.is_empty()) else { return &[] };
    by_name.get(name).map_or(&[], Vec::as_slice)
}
