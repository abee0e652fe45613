//! Which rules apply to whom, and which meter each of them counts on.

use foldhash::HashMap;
use smallvec::SmallVec;

use super::conditions::Conditions;
use super::meter::{Allowance, MeterSpec};
use super::meter_id::{ScopeSet, identity_hash, rule_hashes};
use super::rule_index::RuleIndex;
use crate::tables::limits::{LimitRule, LimitWhen, Scope, Window};
use crate::tables::{Key, Tables};

const TENANT_ALONE: ScopeSet = ScopeSet::EMPTY.with(Scope::Tenant);
const KEY_ALONE: ScopeSet = ScopeSet::EMPTY.with(Scope::Key);

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
#[derive(Debug, Default)]
pub struct Rules {
    /// In their order.
    list: Vec<Rule>,
    specs: Vec<MeterSpec>,
    index: RuleIndex,
    /// Hashes of what is counted per tenant alone, by index, and per key alone: a look-up is a tenth of a hash.
    tenant_hashes: Vec<u128>,
    key_hashes: HashMap<String, u128>,
    tenants: Vec<String>,
    tiers: Vec<String>,
    /// What some rule counts per, or asks something of.
    named: ScopeSet,
}

/// What every candidate is looked at for; the rest is behind pointers that most rules lack.
#[derive(Debug)]
struct Rule {
    hash: u128,
    allowance: Allowance,
    per: ScopeSet,
    is_rate: bool,
    /// What the index leaves open.
    conditions: Option<Box<Conditions>>,
    key_allowances: Option<Box<HashMap<String, Allowance>>>,
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
        let tenant_hash = |id: &String| identity_hash(TENANT_ALONE, ScopeSet::EMPTY, |_| id);
        let key_hash = |key: &Key| (key.id().to_owned(), identity_hash(KEY_ALONE, ScopeSet::EMPTY, |_| key.id()));
        let is_per_key = rules.iter().any(|rule: &Rule| rule.per == KEY_ALONE);
        let keys = if is_per_key { &tables.keys[..] } else { &[] };
        let tenants: Vec<_> = tables.tenants.iter().map(|tenant| tenant.id.clone()).collect();
        Ok(Self {
            list: rules,
            specs,
            index: RuleIndex::new(tables),
            tenant_hashes: tenants.iter().map(tenant_hash).collect(),
            key_hashes: keys.iter().map(key_hash).collect(),
            tenants,
            tiers: tables.tiers.iter().map(|tier| tier.id.clone()).collect(),
            named: tables.limits.iter().fold(ScopeSet::EMPTY, named),
        })
    }

    /// The rules that apply to a request, in their order. Where several count on one meter, only the one with the
    /// smallest amount is there, with the smallest burst: one charge, and the narrowest counts.
    ///
    /// A rate of which a key has an amount of its own, and which does not count per key, counts such a key apart: a
    /// bucket can't run at two speeds.
    #[must_use]
    pub fn applied(&self, who: &Who<'_>) -> Vec<Applied> {
        // Room for most configurations at once: growing costs more than what is looked up here.
        let mut applied = Vec::with_capacity(8);
        let mut hashes = SmallVec::<[(ScopeSet, u128); 8]>::new();
        for index in self.index.candidates(who).into_iter().flatten() {
            let rule = &self.list[*index];
            let lacks_session = rule.per.has(Scope::Session) && who.session.is_none();
            if lacks_session || rule.conditions.as_ref().is_some_and(|conditions| !conditions.are_met(who)) {
                continue;
            }
            let own = rule.key_allowances.as_ref().and_then(|own| own.get(who.key?));
            let scopes = if own.is_some() && rule.is_rate { rule.per.with(Scope::Key) } else { rule.per };
            let known = hashes.iter().find(|(known, _)| *known == scopes).map(|(_, hash)| *hash);
            let identity = known.unwrap_or_else(|| {
                let hash = self.identity_hash(scopes, who);
                hashes.push((scopes, hash));
                hash
            });
            let allowance = own.copied().unwrap_or(rule.allowance);
            add(&mut applied, Applied { rule: *index, meter: rule.hash.wrapping_add(identity), allowance });
        }
        if !applied.is_sorted_by_key(|applied| applied.rule) {
            applied.sort_unstable_by_key(|applied| applied.rule);
        }
        applied
    }

    /// What the rules' meters are, in the order of the rules.
    #[must_use]
    pub fn specs(&self) -> &[MeterSpec] {
        &self.specs
    }

    /// The scopes whose names decide which rules apply and where they count, beside tenant and tier.
    pub(super) const fn named(&self) -> ScopeSet {
        self.named
    }

    fn identity_hash(&self, scopes: ScopeSet, who: &Who<'_>) -> u128 {
        let known = match scopes {
            TENANT_ALONE => self.tenant_hashes.get(who.tenant),
            KEY_ALONE => who.key.and_then(|key| self.key_hashes.get(key)),
            _ => None,
        };
        if let Some(hash) = known {
            return *hash;
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

fn add(applied: &mut Vec<Applied>, new: Applied) {
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

fn named(known: ScopeSet, rule: &LimitRule) -> ScopeSet {
    let LimitWhen { key, user, feature, model, .. } = &rule.when;
    let conditions = [
        (Scope::Key, key.is_some() || !rule.key_amounts.is_empty()),
        (Scope::User, user.is_some()),
        (Scope::Feature, feature.is_some()),
        (Scope::Model, model.is_some()),
    ];
    let asked = conditions.into_iter().filter(|(_, is_asked)| *is_asked).map(|(scope, _)| scope);
    asked.chain(rule.per.iter().copied()).fold(known, ScopeSet::with)
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
        let own = |(key, amount): (&String, &u64)| (key.clone(), own(rule, *amount, burst));
        let key_allowances: HashMap<_, _> = rule.key_amounts.iter().map(own).collect();
        Self {
            hash,
            allowance: Allowance { amount: rule.amount, burst },
            per: ScopeSet::of(&rule.per),
            is_rate: matches!(rule.window, Window::Rate { .. }),
            conditions: Conditions::beyond_index(&rule.when).map(Box::new),
            key_allowances: (!key_allowances.is_empty()).then(|| Box::new(key_allowances)),
        }
    }
}

/// A key's own amount, with a burst in proportion.
fn own(rule: &LimitRule, amount: u64, burst: u64) -> Allowance {
    let scaled = u128::from(burst) * u128::from(amount) / u128::from(rule.amount.max(1));
    let burst = u64::try_from(scaled).unwrap_or(u64::MAX).max(u64::from(burst > 0));
    Allowance { amount, burst }
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
