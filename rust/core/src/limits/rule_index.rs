//! Which rules may apply to a request, without looking at all of them.
//!
//! A rule is filed once, under the condition that few requests meet: a key, else a user, a feature, a model, else the
//! tenants. So thousands of keys with limits of their own cost a request one look-up.

use foldhash::HashMap;

use super::rules::Who;
use crate::tables::Tables;
use crate::tables::limits::LimitRule;

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
            let narrow = [
                (&mut index.keys, &when.key),
                (&mut index.users, &when.user),
                (&mut index.features, &when.feature),
                (&mut index.models, &when.model),
            ];
            let narrowest = narrow.into_iter().find_map(|(by_name, names)| Some((by_name, names.as_ref()?)));
            if let Some((by_name, names)) = narrowest {
                for name in names {
                    file(by_name.entry(name.clone()).or_default(), rule);
                }
                continue;
            }
            for (tenant, rules) in index.tenants.iter_mut().enumerate() {
                let is_meant = when.tenant.as_ref().is_none_or(|tenants| tenants.contains(&tenant));
                let tier = tables.tenants[tenant].tier;
                let is_in_tier = when.tier.as_ref().is_none_or(|tiers| tier.is_some_and(|tier| tiers.contains(&tier)));
                if is_meant && is_in_tier {
                    file(rules, rule);
                }
            }
        }
        index
    }

    /// Rules of which one condition at least is met; none twice.
    pub(super) fn candidates(&self, who: &Who<'_>) -> impl Iterator<Item = usize> {
        let lists = [
            self.tenants.get(who.tenant),
            find(&self.keys, who.key),
            find(&self.users, who.user),
            find(&self.features, who.feature),
            find(&self.models, who.model),
        ];
        lists.into_iter().flatten().flatten().copied()
    }
}

/// A name given twice is one condition.
fn file(rules: &mut Vec<usize>, rule: usize) {
    if rules.last() != Some(&rule) {
        rules.push(rule);
    }
}

fn find<'a>(by_name: &'a HashMap<String, Vec<usize>>, name: Option<&str>) -> Option<&'a Vec<usize>> {
    if by_name.is_empty() { None } else { by_name.get(name?) }
}
