//! Which rules apply to whom, and which meter each of them counts on.

use foldhash::HashMap;
use smallvec::SmallVec;

use super::meter::{Allowance, MeterSpec};
use super::meter_id::{ScopeSet, identity_hash, rule_hashes};
use super::rule_index::RuleIndex;
use crate::tables::Tables;
use crate::tables::limits::{LimitRule, Scope, Window};

/// Whose request it is.
///
/// What a request lacks: without a session, rules per session do not apply to it. A feature, user, tier or model that it
/// lacks is one more of those there are, shared by all that lack it. All requests of a tenant without a key (with a
/// token) count as one more key of that tenant. Conditions on what it lacks are not met.
#[derive(Clone, Copy, Debug, Default)]
pub struct Who<'a> {
    /// Index into `tenants`.
    pub tenant: usize,
    /// Index into `tiers`: the tenant's.
    pub tier: Option<usize>,
    /// The key's id.
    pub key: Option<&'a str>,
    /// Who asked.
    pub user: Option<&'a str>,
    /// For which product surface.
    pub feature: Option<&'a str>,
    /// In which conversation or agent run.
    pub session: Option<&'a str>,
    /// The model, as the client named it.
    pub model: Option<&'a str>,
}

/// A rule that applies to a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Applied {
    /// Index into `limits` and [`Rules::specs`].
    pub rule: usize,
    /// The meter it counts on, by a hash that is the same in every version and after every restart.
    pub meter: u128,
    /// How much may be used: the rule's amount, or the key's own.
    pub allowance: Allowance,
}

/// Rules, prepared.
#[derive(Debug)]
pub struct Rules {
    rules: Vec<Rule>,
    specs: Vec<MeterSpec>,
    index: RuleIndex,
    /// By index: hashes of what is counted per tenant alone.
    tenant_hashes: Vec<u128>,
    tenants: Vec<String>,
    tiers: Vec<String>,
}

#[derive(Debug)]
struct Rule {
    hash: u128,
    per: ScopeSet,
    when: When,
    allowance: Allowance,
    /// Whether it is a rate.
    is_rate: bool,
    key_allowances: HashMap<String, Allowance>,
}

/// Conditions with what they take sorted; `None` does not matter.
#[derive(Debug)]
struct When {
    tenant: Option<Vec<usize>>,
    tier: Option<Vec<usize>>,
    key: Option<Vec<String>>,
    user: Option<Vec<String>>,
    feature: Option<Vec<String>>,
    model: Option<Vec<String>>,
}

impl Rules {
    /// Prepares the rules of a configuration.
    ///
    /// # Errors
    /// A message that names the rule and what is wrong with it.
    pub fn prepare(tables: &Tables) -> Result<Self, String> {
        let (mut rules, mut specs) = (Vec::new(), Vec::new());
        for (index, rule) in tables.limits.iter().enumerate() {
            let said = |problem: String| format!("limits.{}: {problem}", rule.name);
            if tables.limits[..index].iter().any(|other| other.name == rule.name) {
                return Err(said("the same name twice".into()));
            }
            check(rule, tables).map_err(said)?;
            let (hash, shared_meter) = rule_hashes(rule, tables);
            specs.push(MeterSpec::prepare(rule, shared_meter).map_err(said)?);
            rules.push(Rule::prepare(rule, hash));
        }
        let tenant_hash = |id: &String| identity_hash(ScopeSet::of(&[Scope::Tenant]), ScopeSet::EMPTY, |_| id);
        let tenants: Vec<_> = tables.tenants.iter().map(|tenant| tenant.id.clone()).collect();
        Ok(Self {
            rules,
            specs,
            index: RuleIndex::new(tables),
            tenant_hashes: tenants.iter().map(tenant_hash).collect(),
            tenants,
            tiers: tables.tiers.iter().map(|tier| tier.id.clone()).collect(),
        })
    }

    /// The rules that apply to a request, in their order. Where several count on one meter, only the one with the
    /// smallest amount is there, with the smallest burst: one charge, and the narrowest counts.
    ///
    /// A rate of which a key has an amount of its own, and which does not count per key, counts such a key apart: a
    /// bucket can't run at two speeds.
    #[must_use]
    pub fn applied(&self, who: &Who<'_>) -> SmallVec<[Applied; 8]> {
        let mut applied = SmallVec::<[Applied; 8]>::new();
        let mut hashes = SmallVec::<[(ScopeSet, u128); 8]>::new();
        for index in self.index.candidates(who) {
            let rule = &self.rules[index];
            if !rule.when.is_met(who) || (rule.per.has(Scope::Session) && who.session.is_none()) {
                continue;
            }
            let own = if rule.key_allowances.is_empty() {
                None
            } else {
                who.key.and_then(|key| rule.key_allowances.get(key))
            };
            let scopes = if own.is_some() && rule.is_rate { rule.per.with(Scope::Key) } else { rule.per };
            let known = hashes.iter().find(|(known, _)| *known == scopes).map(|(_, hash)| *hash);
            let identity = known.unwrap_or_else(|| {
                let hash = self.identity_hash(scopes, who);
                hashes.push((scopes, hash));
                hash
            });
            let allowance = own.copied().unwrap_or(rule.allowance);
            add(&mut applied, Applied { rule: index, meter: rule.hash.wrapping_add(identity), allowance });
        }
        applied.sort_unstable_by_key(|applied| applied.rule);
        applied
    }

    /// What the rules' meters are, in the order of the rules.
    #[must_use]
    pub fn specs(&self) -> &[MeterSpec] {
        &self.specs
    }

    fn identity_hash(&self, scopes: ScopeSet, who: &Who<'_>) -> u128 {
        if scopes == ScopeSet::of(&[Scope::Tenant]) {
            if let Some(hash) = self.tenant_hashes.get(who.tenant) {
                return *hash;
            }
        }
        let tenant = self.tenants.get(who.tenant).map_or("", String::as_str);
        let tier = who.tier.and_then(|tier| self.tiers.get(tier));
        let mut absent = ScopeSet::EMPTY;
        if who.key.is_none() && scopes.has(Scope::Key) {
            absent = absent.with(Scope::Key);
        }
        if tier.is_none() && scopes.has(Scope::Tier) {
            absent = absent.with(Scope::Tier);
        }
        identity_hash(scopes, absent, |scope| match scope {
            Scope::Tenant => tenant,
            Scope::Tier => tier.map_or("", String::as_str),
            Scope::Key => who.key.unwrap_or(tenant),
            Scope::User => who.user.unwrap_or_default(),
            Scope::Feature => who.feature.unwrap_or_default(),
            Scope::Session => who.session.unwrap_or_default(),
            Scope::Model => who.model.unwrap_or_default(),
        })
    }
}

fn add(applied: &mut SmallVec<[Applied; 8]>, new: Applied) {
    let Some(same) = applied.iter_mut().find(|applied| applied.meter == new.meter) else {
        applied.push(new);
        return;
    };
    let burst = same.allowance.burst.min(new.allowance.burst);
    if new.allowance.amount < same.allowance.amount {
        *same = new;
    }
    same.allowance.burst = burst;
}

fn check(rule: &LimitRule, tables: &Tables) -> Result<(), String> {
    if rule.per.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err("`per` must be sorted and name no scope twice".into());
    }
    let is_of_tenant = |scope: &Scope| matches!(scope, Scope::User | Scope::Feature | Scope::Session);
    if rule.per.iter().any(is_of_tenant) && !rule.per.contains(&Scope::Tenant) {
        return Err("a user, feature or session is one of a tenant: `per` lacks `tenant`".into());
    }
    let highest = |indices: &Option<Vec<usize>>| indices.iter().flatten().max().copied();
    if highest(&rule.when.tenant).is_some_and(|index| index >= tables.tenants.len()) {
        return Err("a tenant is out of range".into());
    }
    if highest(&rule.when.tier).is_some_and(|index| index >= tables.tiers.len()) {
        return Err("a tier is out of range".into());
    }
    Ok(())
}

impl Rule {
    fn prepare(rule: &LimitRule, hash: u128) -> Self {
        let burst = match rule.window {
            Window::Rate { burst, .. } => burst,
            _ => 0,
        };
        let when = &rule.when;
        Self {
            hash,
            per: ScopeSet::of(&rule.per),
            when: When {
                tenant: sorted(&when.tenant),
                tier: sorted(&when.tier),
                key: sorted(&when.key),
                user: sorted(&when.user),
                feature: sorted(&when.feature),
                model: sorted(&when.model),
            },
            allowance: Allowance { amount: rule.amount, burst },
            is_rate: matches!(rule.window, Window::Rate { .. }),
            key_allowances: rule
                .key_amounts
                .iter()
                .map(|(key, amount)| (key.clone(), own(rule, *amount, burst)))
                .collect(),
        }
    }
}

/// A key's own amount, with a burst in proportion.
fn own(rule: &LimitRule, amount: u64, burst: u64) -> Allowance {
    let scaled = u128::from(burst) * u128::from(amount) / u128::from(rule.amount.max(1));
    let burst = u64::try_from(scaled).unwrap_or(u64::MAX).max(u64::from(burst > 0));
    Allowance { amount, burst }
}

fn sorted<T: Clone + Ord>(values: &Option<Vec<T>>) -> Option<Vec<T>> {
    let mut values = values.clone()?;
    values.sort_unstable();
    Some(values)
}

impl When {
    fn is_met(&self, who: &Who<'_>) -> bool {
        is_among_indices(self.tenant.as_deref(), Some(who.tenant))
            && is_among_indices(self.tier.as_deref(), who.tier)
            && is_among(self.key.as_deref(), who.key)
            && is_among(self.user.as_deref(), who.user)
            && is_among(self.feature.as_deref(), who.feature)
            && is_among(self.model.as_deref(), who.model)
    }
}

fn is_among_indices(indices: Option<&[usize]>, index: Option<usize>) -> bool {
    indices.is_none_or(|indices| index.is_some_and(|index| indices.binary_search(&index).is_ok()))
}

fn is_among(names: Option<&[String]>, name: Option<&str>) -> bool {
    let among = |names: &[String], name: &str| names.binary_search_by(|known| known.as_str().cmp(name)).is_ok();
    names.is_none_or(|names| name.is_some_and(|name| among(names, name)))
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
