//! Who answers the requests of a simulation: the gateway's own pieces, or retries that know nothing of each other.

use super::{MS, SECOND, Scenario, Variant};
use crate::resilience::attempts::{Attempts, Conditions, Limits, Over, Step};
use crate::resilience::health::DeploymentHealth;
use crate::resilience::retry_budget::RetryBudget;
use crate::resilience::{Reason, Verdict};

const PLAIN_CALLS: u32 = 3;
const PLAIN_BACKOFF_NS: u64 = SECOND / 4;
/// Repeats that a deployment is allowed by default.
const RETRIES: u32 = 2;

/// What all exchanges share.
pub(super) struct Gateway<'a> {
    scenario: &'a Scenario,
    health: [DeploymentHealth; 2],
    budgets: [RetryBudget; 2],
}

impl<'a> Gateway<'a> {
    pub(super) fn new(scenario: &'a Scenario) -> Self {
        let settings = &scenario.resilience;
        let health = || DeploymentHealth::new(settings.breaker, settings.adaptive_concurrency);
        let budget = || RetryBudget::new(settings.retry_permille, settings.retries_per_second);
        Self { scenario, health: [health(), health()], budgets: [budget(), budget()] }
    }

    /// How a request that arrives now is served.
    pub(super) fn plan(&self, now_ns: u64) -> Plan {
        let Scenario { variant, first_content_limit_ms, budget_ms, resilience, .. } = self.scenario;
        if *variant == Variant::PlainRetries {
            return Plan::Plain { limit_ns: first_content_limit_ms * MS, calls: 0, not_before_ns: 0 };
        }
        let limits = Limits {
            backoff_ns: resilience.backoff_ms * MS,
            backoff_max_ns: resilience.backoff_max_ms * MS,
            wait_max_ns: resilience.wait_max_ms * MS,
        };
        Plan::Attempts(Attempts::new(2, budget_ms.map(|budget_ms| now_ns + budget_ms * MS), limits))
    }

    pub(super) fn begin(&mut self, candidate: usize, is_repeat: bool, now_ns: u64) {
        if !is_repeat {
            self.budgets[candidate].deposit();
        }
        self.health[candidate].begin(now_ns);
    }

    pub(super) fn end(&mut self, candidate: usize, begun_ns: u64, verdict: Option<&Verdict>, now_ns: u64) {
        let health = &mut self.health[candidate];
        match verdict {
            Some(verdict) => health.fail(verdict, begun_ns, now_ns),
            None => health.succeed(now_ns, now_ns - begun_ns, 0, now_ns - begun_ns),
        }
    }
}

/// One request's way.
#[expect(clippy::large_enum_variant, reason = "most are the large one")]
pub(super) enum Plan {
    Attempts(Attempts),
    /// Three calls, each up to the time-out, a fixed time apart.
    Plain {
        limit_ns: u64,
        calls: u32,
        not_before_ns: u64,
    },
}

impl Plan {
    pub(super) fn next(&mut self, gateway: &Gateway, now_ns: u64, random: u64) -> Step {
        match self {
            Self::Attempts(attempts) => attempts.next(&Now { gateway, now_ns }, now_ns, random),
            Self::Plain { calls, .. } if *calls == PLAIN_CALLS => Step::Over(Over::Exhausted),
            Self::Plain { not_before_ns, .. } if now_ns < *not_before_ns => {
                Step::Wait { candidate: 0, until_ns: *not_before_ns }
            }
            Self::Plain { limit_ns, calls, .. } => {
                *calls += 1;
                Step::Call { candidate: 0, first_content_by_ns: now_ns + *limit_ns }
            }
        }
    }

    pub(super) fn note_failure(&mut self, verdict: Verdict, now_ns: u64) {
        match self {
            Self::Attempts(attempts) => attempts.note_failure(verdict, now_ns),
            Self::Plain { not_before_ns, .. } => *not_before_ns = now_ns + PLAIN_BACKOFF_NS,
        }
    }
}

struct Now<'a> {
    gateway: &'a Gateway<'a>,
    now_ns: u64,
}

impl Now<'_> {
    fn ignores_health(&self) -> bool {
        self.gateway.scenario.variant == Variant::NoBreaker
    }
}

impl Conditions for Now<'_> {
    fn retries(&self, _: usize) -> u32 {
        RETRIES
    }

    fn is_available(&self, candidate: usize, now_ns: u64) -> bool {
        self.ignores_health() || self.gateway.health[candidate].is_available(now_ns)
    }

    fn available_from_ns(&self, candidate: usize) -> u64 {
        if self.ignores_health() { 0 } else { self.gateway.health[candidate].available_from_ns() }
    }

    fn first_content_p50_ns(&self, candidate: usize) -> Option<u64> {
        self.gateway.health[candidate].latency().first_content_p50_ns(self.now_ns)
    }

    fn first_content_limit_ns(&self, _: usize) -> u64 {
        self.gateway.scenario.first_content_limit_ms * MS
    }

    fn can_cure(&self, _: usize, _: usize, _: Reason) -> bool {
        true
    }

    fn take_retry(&self, candidate: usize, now_ns: u64) -> bool {
        self.gateway.budgets[candidate].withdraw(now_ns)
    }
}
