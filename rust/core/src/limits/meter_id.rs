//! What a meter is found under: 128 bits of BLAKE3, the same in every version and after every restart.
//!
//! Clients choose names, so nobody must be able to find two that meet. An id is a rule's hash plus an identity's: each is
//! cryptographic, and of the sum a client controls one term, so that meeting another tenant's meter takes finding a
//! preimage. The split lets rules that count per the same scopes share the hash of the identity.

use smallvec::SmallVec;

use crate::tables::Tables;
use crate::tables::limits::{LimitRule, Period, Resource, Scope, Window};

/// Begins what is hashed; another scheme would have another.
const RULE: &str = "fastgate meter 1, rule";
const SHARED: &str = "fastgate meter 1, shared";
const IDENTITY: u8 = 1;

/// Scopes, a bit each; the numbers are hashed, so they stay as they are.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct ScopeSet(u8);

impl ScopeSet {
    pub(super) fn of(scopes: &[Scope]) -> Self {
        Self(scopes.iter().fold(0, |set, scope| set | bit(*scope)))
    }

    pub(super) const fn has(self, scope: Scope) -> bool {
        self.0 & bit(scope) != 0
    }

    pub(super) const EMPTY: Self = Self(0);

    pub(super) const fn with(self, scope: Scope) -> Self {
        Self(self.0 | bit(scope))
    }

    /// Whether the names of its members say all there is to say about `scope`: a user, a feature and a session are one
    /// tenant's, a key is too, and a tenant is in one tier.
    fn implies(self, scope: Scope) -> bool {
        self.has(scope)
            || match scope {
                Scope::Tenant => self.has(Scope::Key),
                Scope::Tier => self.has(Scope::Tenant) || self.has(Scope::Key),
                _ => false,
            }
    }
}

const SCOPES: [Scope; 7] =
    [Scope::Tenant, Scope::Tier, Scope::Key, Scope::User, Scope::Feature, Scope::Session, Scope::Model];

const fn bit(scope: Scope) -> u8 {
    match scope {
        Scope::Tenant => 1,
        Scope::Tier => 2,
        Scope::Key => 4,
        Scope::User => 8,
        Scope::Feature => 16,
        Scope::Session => 32,
        Scope::Model => 64,
    }
}

/// Texts one after the other, each with its length before it, so that no two lists read the same.
struct Texts(SmallVec<[u8; 128]>);

impl Texts {
    fn new() -> Self {
        Self(SmallVec::new())
    }

    fn push(&mut self, text: &str) {
        match u8::try_from(text.len()) {
            Ok(length) if length < u8::MAX => self.0.push(length),
            _ => {
                self.0.push(u8::MAX);
                self.0.extend_from_slice(&(text.len() as u64).to_le_bytes());
            }
        }
        self.0.extend_from_slice(text.as_bytes());
    }

    fn hash(&self) -> u128 {
        let mut half = [0; 16];
        half.copy_from_slice(&blake3::hash(&self.0).as_bytes()[..16]);
        u128::from_le_bytes(half)
    }
}

/// The hash of all that makes two rules count the same things: resource, window (of a rate its period, not its burst),
/// scopes, and the conditions that the scopes do not imply. And that of the meter for those who find no room.
pub(super) fn rule_hashes(rule: &LimitRule, tables: &Tables) -> (u128, u128) {
    let hash = |domain: &str| {
        let mut texts = Texts::new();
        texts.push(domain);
        texts.push(match rule.resource {
            Resource::Requests => "requests",
            Resource::InputTokens => "input_tokens",
            Resource::OutputTokens => "output_tokens",
            Resource::Tokens => "tokens",
            Resource::Concurrent => "concurrent",
            Resource::Usd => "usd",
        });
        texts.push(&match &rule.window {
            Window::None => "none".to_owned(),
            Window::Rate { period_ms, .. } => format!("rate {period_ms}"),
            Window::Sliding { window_ms } => format!("sliding {window_ms}"),
            Window::Calendar { period: Period::Day, time_zone } => format!("day {time_zone}"),
            Window::Calendar { period: Period::Week, time_zone } => format!("week {time_zone}"),
            Window::Calendar { period: Period::Month, time_zone } => format!("month {time_zone}"),
        });
        let per = ScopeSet::of(&rule.per);
        texts.push(&per.0.to_string());
        for (scope, names) in conditions(rule, tables) {
            if !per.implies(scope) {
                texts.push(&bit(scope).to_string());
                texts.push(&names.len().to_string());
                for name in names {
                    texts.push(name);
                }
            }
        }
        texts.hash()
    };
    (hash(RULE), hash(SHARED))
}

/// The scopes that a rule asks something of, each with the names it takes, sorted.
fn conditions<'a>(rule: &'a LimitRule, tables: &'a Tables) -> Vec<(Scope, Vec<&'a str>)> {
    let when = &rule.when;
    let named = |names: &'a Option<Vec<String>>| names.as_ref().map(|names| names.iter().map(String::as_str).collect());
    let tenant_id = |index: &usize| tables.tenants.get(*index).map(|tenant| tenant.id.as_str());
    let tier_id = |index: &usize| tables.tiers.get(*index).map(|tier| tier.id.as_str());
    let conditions: [(Scope, Option<Vec<&str>>); 6] = [
        (Scope::Tenant, when.tenant.as_ref().map(|tenants| tenants.iter().filter_map(tenant_id).collect())),
        (Scope::Tier, when.tier.as_ref().map(|tiers| tiers.iter().filter_map(tier_id).collect())),
        (Scope::Key, named(&when.key)),
        (Scope::User, named(&when.user)),
        (Scope::Feature, named(&when.feature)),
        (Scope::Model, named(&when.model)),
    ];
    let given = conditions.into_iter().filter_map(|(scope, names)| Some((scope, names?)));
    given
        .map(|(scope, mut names)| {
            names.sort_unstable();
            names.dedup();
            (scope, names)
        })
        .collect()
}

/// The hash of what the scopes of a request are called, in the order of their bits: `name` says it, and what the
/// request lacks is in `absent`.
pub(super) fn identity_hash<'a>(scopes: ScopeSet, absent: ScopeSet, name: impl Fn(Scope) -> &'a str) -> u128 {
    let mut texts = Texts::new();
    // One block of the hash takes 64 bytes, so what goes before the names is short.
    texts.0.extend_from_slice(&[IDENTITY, scopes.0, absent.0]);
    for scope in SCOPES {
        if scopes.has(scope) {
            texts.push(name(scope));
        }
    }
    texts.hash()
}
