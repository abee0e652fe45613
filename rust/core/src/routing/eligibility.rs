//! Which deployments must never be tried for a request, and by which rule.
//!
//! What nobody said about a deployment (capabilities, context window) speaks for it; an unknown region never does.

use smallvec::SmallVec;

use super::capabilities::CapabilitySet;
use super::policy::{Named, Policy, Region};
use super::{Asking, Conditions};
use crate::tables::{Capability, Deployment, Latency};

/// The rule that takes a deployment out, in the order in which they are asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Removed {
    /// It is outside the region that the tenant is bound to, or nobody knows where it is.
    Residency,
    /// It is outside the region that the request names.
    Region,
    /// The key may not use it.
    KeyForbids,
    /// Another provider made what the request goes on from.
    NotMaker,
    /// The request's preferences name others only.
    NotInOnly,
    /// The request's preferences leave it out.
    Ignored,
    /// It is for slower requests than the class that this one asks for.
    Latency,
    /// It lacks this capability.
    Capability(Capability),
    /// The request does not fit into its context window.
    Context {
        /// Estimated input and asked output.
        needed_tokens: u64,
        /// The window.
        window_tokens: u64,
    },
    /// It does not take so large a maximum of output.
    OutputTooLong {
        /// What the request asks for.
        asked_tokens: u64,
        /// The largest it takes.
        limit_tokens: u64,
    },
    /// Nobody knows its price, and the operator refuses what is not priced.
    UnknownPrice,
    /// Its rates are above the request's maximum, or nobody knows them.
    Price,
}

/// What the rules look at, as numbers.
#[derive(Debug)]
pub(super) struct DeploymentFacts {
    pub(super) provider: usize,
    region: Region,
    latency: Latency,
    /// All, where nobody said.
    capabilities: CapabilitySet,
    /// The largest number, where nobody said.
    context_tokens: u64,
    output_tokens: u64,
    /// Of its id: what sticky requests are spread by.
    pub(super) id_hash: u64,
}

impl DeploymentFacts {
    pub(super) fn new(deployment: &Deployment, region: Region) -> Self {
        let capabilities = deployment.capabilities.as_ref();
        Self {
            provider: deployment.provider,
            region,
            latency: deployment.latency,
            capabilities: capabilities.map_or(CapabilitySet::ALL, |all| all.iter().copied().collect()),
            context_tokens: deployment.context_tokens.unwrap_or(u64::MAX),
            output_tokens: deployment.output_tokens.unwrap_or(u64::MAX),
            id_hash: super::sticky::hash(deployment.id.as_bytes()),
        }
    }

    pub(super) fn looks_at_needs(&self) -> bool {
        self.capabilities != CapabilitySet::ALL || self.context_tokens != u64::MAX || self.output_tokens != u64::MAX
    }
}

/// A set of deployments, by index.
#[derive(Debug)]
struct DeploymentSet(SmallVec<[u64; 4]>);

impl DeploymentSet {
    fn of(deployments: impl IntoIterator<Item = usize>, count: usize) -> Self {
        let mut words = SmallVec::from_elem(0, count.div_ceil(64));
        for deployment in deployments {
            if let Some(word) = words.get_mut(deployment / 64) {
                *word |= 1_u64 << (deployment % 64);
            }
        }
        Self(words)
    }

    fn contains(&self, deployment: usize) -> bool {
        self.0.get(deployment / 64).is_some_and(|word| word & (1 << (deployment % 64)) != 0)
    }
}

/// What few requests have: an allow-list, a past, preferences about deployments.
struct Choices {
    allowed: Option<DeploymentSet>,
    maker: Option<usize>,
    only: Option<DeploymentSet>,
    ignored: Option<DeploymentSet>,
    rates_max_pusd: Option<(i64, i64)>,
}

impl Choices {
    fn of(policy: &Policy, asking: &Asking<'_>) -> Option<Self> {
        let preferences = &asking.preferences;
        let are_any = asking.deployments.is_some()
            || asking.bound_deployment.is_some()
            || !preferences.only.is_empty()
            || !preferences.ignore.is_empty()
            || preferences.max_input_pusd.is_some()
            || preferences.max_output_pusd.is_some();
        are_any.then(|| Self::collect(policy, asking))
    }

    #[cold]
    fn collect(policy: &Policy, asking: &Asking<'_>) -> Self {
        let count = policy.deployments.len();
        let preferences = &asking.preferences;
        let named = |names: &[&str]| {
            let named: SmallVec<[Named; 8]> = names.iter().map(|name| policy.named(name)).collect();
            let is_named = |deployment: &usize| named.iter().any(|named| policy.is(*deployment, *named));
            (!names.is_empty()).then(|| DeploymentSet::of((0..count).filter(is_named), count))
        };
        let rates_max_pusd = (preferences.max_input_pusd, preferences.max_output_pusd);
        Self {
            allowed: asking.deployments.map(|allowed| DeploymentSet::of(allowed.iter().copied(), count)),
            maker: asking.bound_deployment.map(|maker| policy.deployments[maker].provider),
            only: named(&preferences.only),
            ignored: named(&preferences.ignore),
            rates_max_pusd: (rates_max_pusd != (None, None))
                .then(|| (rates_max_pusd.0.unwrap_or(i64::MAX), rates_max_pusd.1.unwrap_or(i64::MAX))),
        }
    }

    fn remove(&self, deployment: usize, facts: &DeploymentFacts) -> Option<Removed> {
        if self.allowed.as_ref().is_some_and(|allowed| !allowed.contains(deployment)) {
            return Some(Removed::KeyForbids);
        }
        if self.maker.is_some_and(|provider| facts.provider != provider) {
            return Some(Removed::NotMaker);
        }
        if self.only.as_ref().is_some_and(|only| !only.contains(deployment)) {
            return Some(Removed::NotInOnly);
        }
        self.ignored.as_ref().is_some_and(|ignored| ignored.contains(deployment)).then_some(Removed::Ignored)
    }
}

/// Applies the rules to one request.
pub(super) struct Judge<'a, C> {
    policy: &'a Policy,
    conditions: &'a C,
    /// What a deployment without a model of its own is asked for.
    model: &'a str,
    residency: Region,
    region: Region,
    latency: Latency,
    capabilities: CapabilitySet,
    context_tokens: u64,
    output_tokens: u64,
    input_tokens: u64,
    choices: Option<Choices>,
}

impl<'a, C: Conditions> Judge<'a, C> {
    pub(super) fn new(policy: &'a Policy, asking: &'a Asking<'_>, model: &'a str, conditions: &'a C) -> Self {
        let needs = &asking.needs;
        Self {
            policy,
            conditions,
            model,
            residency: policy.tenants[asking.tenant].region,
            region: asking.region.map_or(Region::NONE, |name| policy.region(name)),
            latency: asking.latency.unwrap_or(Latency::Batch),
            capabilities: needs.capabilities.union(asking.preferences.require),
            context_tokens: needs.context_tokens(),
            output_tokens: needs.output_tokens.unwrap_or(0),
            input_tokens: needs.input_tokens,
            choices: Choices::of(policy, asking),
        }
    }

    /// The first rule that takes this deployment out.
    pub(super) fn removes(&self, deployment: usize) -> Option<Removed> {
        let facts = &self.policy.deployments[deployment];
        let fits = (self.residency == Region::NONE || facts.region == self.residency)
            && (self.region == Region::NONE || facts.region == self.region)
            && facts.latency <= self.latency
            && facts.capabilities.contains_all(self.capabilities)
            && self.context_tokens <= facts.context_tokens
            && self.output_tokens <= facts.output_tokens;
        if !fits || self.choices.is_some() {
            return self.rule(deployment, facts);
        }
        self.lacks_price(deployment)
    }

    #[cold]
    fn rule(&self, deployment: usize, facts: &DeploymentFacts) -> Option<Removed> {
        if self.residency != Region::NONE && facts.region != self.residency {
            return Some(Removed::Residency);
        }
        if self.region != Region::NONE && facts.region != self.region {
            return Some(Removed::Region);
        }
        if let Some(rule) = self.choices.as_ref().and_then(|choices| choices.remove(deployment, facts)) {
            return Some(rule);
        }
        if facts.latency > self.latency {
            return Some(Removed::Latency);
        }
        if let Some(missing) = self.capabilities.first_missing_in(facts.capabilities) {
            return Some(Removed::Capability(missing));
        }
        if self.context_tokens > facts.context_tokens {
            let window_tokens = facts.context_tokens;
            return Some(Removed::Context { needed_tokens: self.context_tokens, window_tokens });
        }
        if self.output_tokens > facts.output_tokens {
            let limit_tokens = facts.output_tokens;
            return Some(Removed::OutputTooLong { asked_tokens: self.output_tokens, limit_tokens });
        }
        if let Some(rule) = self.lacks_price(deployment) {
            return Some(rule);
        }
        let (input_max, output_max) = self.choices.as_ref()?.rates_max_pusd?;
        let rates = self.conditions.rates_pusd(deployment, self.model, self.input_tokens);
        let is_within = rates.is_some_and(|(input, output)| input <= input_max && output <= output_max);
        (!is_within).then_some(Removed::Price)
    }

    fn lacks_price(&self, deployment: usize) -> Option<Removed> {
        (!self.conditions.is_priced(deployment, self.model)).then_some(Removed::UnknownPrice)
    }
}
