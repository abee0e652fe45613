//! Which deployments may answer a request, in which order: a policy table's first matching row gives a chain, rules
//! remove what cannot or must not serve, and each step's way of picking orders the rest.
//!
//! A deployment that a rule removes is never tried; one that is only unavailable now stays, at the end of its step.
//! Nothing widens residency. Clock, load, health, prices and randomness are arguments, so tests and replays repeat.

mod capabilities;
mod eligibility;
mod explanation;
mod needs;
mod no_route;
mod pick;
mod plan;
mod policy;
mod preferences;
mod reach;
mod resolution;
mod sticky;
mod when;

use smallvec::SmallVec;

pub use self::capabilities::{CapabilitySet, capability_name};
pub use self::eligibility::Removed;
pub use self::explanation::{
    DeploymentExplained, ErrorExplained, Explanation, FailedCondition, LeadsTo, RowExplained, RowOutcome,
    StepExplained, explain,
};
pub use self::needs::Needs;
pub use self::no_route::NoRoute;
pub use self::pick::draw;
pub use self::policy::Policy;
pub use self::preferences::{Preferences, Sort, read_latency};
pub use self::reach::{TenantWithoutRoute, UnreachableRow, tenants_without_route, unreachable_rows};
pub use self::when::Dimension;

use self::eligibility::Judge;
use self::pick::{Candidate, Order};
use self::plan::RoutePlan;
use crate::tables::{Latency, Tables};

/// Who asks for what.
#[derive(Clone, Debug, Default)]
pub struct Asking<'a> {
    /// The name the client sent.
    pub model: &'a str,
    /// Index into `tenants`.
    pub tenant: usize,
    /// The key's allow-list: indices into `deployments`. `None`: all.
    pub deployments: Option<&'a [usize]>,
    /// Who asked.
    pub user: Option<&'a str>,
    /// For which product surface.
    pub feature: Option<&'a str>,
    /// In which conversation or agent run.
    pub session: Option<&'a str>,
    /// `x-fastgate-region`: narrows, never widens, the tenant's residency.
    pub region: Option<&'a str>,
    /// The class of latency that the request asks for, if it does.
    pub latency: Option<Latency>,
    /// The class of cost that the request asks for, if it does. Only rows look at it.
    pub cost_class: Option<&'a str>,
    /// What it needs. Left at the default where [`Policy::looks_at_needs`] says no.
    pub needs: Needs,
    /// Hour of the day in UTC, 0 to 23.
    pub hour: u8,
    /// Share of the requests that may be under way that are, in thousandths.
    pub load_permille: u32,
    /// What the client would rather have.
    pub preferences: Preferences<'a>,
    /// The deployment that made what the request goes on from (`previous_response_id`): it goes first, and only others
    /// of its provider may follow.
    pub bound_deployment: Option<usize>,
}

/// Live facts, asked only where they can change the answer.
pub trait Conditions {
    /// Whether it may be called now: breaker, pause, capacity.
    fn is_available(&self, deployment: usize) -> bool;

    /// Whether its price is known, or need not be (`billing.unknown_price`). `model`: what an open provider is asked
    /// for.
    fn is_priced(&self, deployment: usize, model: &str) -> bool;

    /// What so many tokens would cost; `None`: unknown.
    fn price_pusd(&self, deployment: usize, model: &str, input_tokens: u64, output_tokens: u64) -> Option<i64>;

    /// Rates of a million input and a million output tokens of a request with so many input tokens; `None`: unknown.
    fn rates_pusd(&self, deployment: usize, model: &str, input_tokens: u64) -> Option<(i64, i64)>;

    /// Peak EWMA of the time to first content, and of the time per output token after it; `None`: never called yet.
    fn latency_ns(&self, deployment: usize) -> Option<(u64, u64)>;

    /// Requests under way.
    fn in_flight(&self, deployment: usize) -> u32;

    /// The next number of a seeded source, uniform over all of `u64`.
    fn random(&self) -> u64;
}

/// Deployment indices in order of trying, each once; up to 8 without an allocation.
pub type Candidates = SmallVec<[usize; 8]>;

/// What to try.
#[derive(Debug)]
pub struct Chain<'a> {
    /// At least one.
    pub candidates: Candidates,
    /// The matching row; `None` for an open provider, which has no table.
    pub row: Option<usize>,
    /// Wall clock from receipt to commit.
    pub budget_ms: Option<u64>,
    /// What a deployment without a model name of its own is asked for.
    pub model: &'a str,
    /// What the row names beside the candidates, and the rule that took it out.
    pub removed: Vec<(usize, Removed)>,
}

/// Decides what may answer, and in which order. `policy` is of these `tables`.
///
/// # Errors
/// [`NoRoute`]: nobody serves the model, no row matches, or no deployment is left.
pub fn route<'a>(
    tables: &'a Tables,
    policy: &Policy,
    asking: &Asking<'a>,
    conditions: &impl Conditions,
) -> Result<Chain<'a>, NoRoute> {
    let Some(plan) = policy.plan(asking.model) else {
        return route_open(tables, policy, asking, conditions);
    };
    let row = policy.first_match(plan, asking).ok_or_else(|| NoRoute::no_row(tables, asking))?;
    let mut removed = Vec::new();
    let candidates = candidates(policy, (plan, row), asking, conditions, &mut removed);
    if candidates.is_empty() {
        return Err(NoRoute::Removed { row: Some(row), removed });
    }
    Ok(Chain { candidates, row: Some(row), budget_ms: plan.budget_ms, model: asking.model, removed })
}

fn route_open<'a>(
    tables: &Tables,
    policy: &Policy,
    asking: &Asking<'a>,
    conditions: &impl Conditions,
) -> Result<Chain<'a>, NoRoute> {
    let (deployment, model) = resolution::open(tables, asking.model).ok_or(NoRoute::Unknown)?;
    match Judge::new(policy, asking, model, conditions).removes(deployment) {
        Some(rule) => Err(NoRoute::Removed { row: None, removed: vec![(deployment, rule)] }),
        None => Ok(Chain {
            candidates: SmallVec::from_slice(&[deployment]),
            row: None,
            budget_ms: None,
            model,
            removed: Vec::new(),
        }),
    }
}

/// Who is left of a row's chain, in order.
fn candidates(
    policy: &Policy,
    (plan, row): (&RoutePlan, usize),
    asking: &Asking<'_>,
    conditions: &impl Conditions,
    removed: &mut Vec<(usize, Removed)>,
) -> Candidates {
    let judge = Judge::new(policy, asking, asking.model, conditions);
    let order = Order::new(policy, asking, conditions);
    let mut eligible: SmallVec<[Candidate; 8]> = SmallVec::with_capacity(plan.member_count(row));
    for step in plan.steps(row) {
        let start = eligible.len();
        for member in plan.members(step) {
            match judge.removes(member.deployment()) {
                None => eligible.push(*member),
                Some(rule) => removed.push((member.deployment(), rule)),
            }
        }
        if asking.preferences.sort.is_none() {
            order.by_pick(&mut eligible[start..], step.pick, step.sticky_by);
        }
    }
    if let Some(sort) = asking.preferences.sort {
        order.by_sort(&mut eligible, sort);
    }
    order.put_first(&mut eligible);
    eligible.iter().map(Candidate::deployment).collect()
}

/// Whether a tenant bound to `residency` may use a deployment in `region`.
#[must_use]
pub fn is_resident(residency: Option<&str>, region: Option<&str>) -> bool {
    residency.is_none() || residency == region
}

#[cfg(test)]
mod property_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
