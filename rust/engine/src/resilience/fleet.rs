//! The deployments, credentials and retry budgets of one configuration, with their health.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use fastgate_core::resilience::attempts::Limits;
use fastgate_core::resilience::health::{CredentialHealth, DeploymentHealth, HealthSnapshot};
use fastgate_core::resilience::retry_budget::RetryBudget;
use fastgate_core::resilience::{REASONS, Reason, Verdict};
use fastgate_core::routing::draw;
use fastgate_core::tables::{BreakerSettings, Resilience};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::call::Call;
use super::registry::since;
use crate::clock::nanoseconds;

const MILLISECOND_NS: u64 = 1_000_000;
/// One of several keys that is limited, where the provider does not say for how long.
const LIMITED_KEY_PAUSE_NS: u64 = 1_000_000_000;

/// Health of a configuration's deployments and providers, in the order of its tables.
#[derive(Debug)]
pub(crate) struct Fleet {
    started: Instant,
    /// With the index of its provider.
    deployments: Vec<(Arc<Deployment>, usize)>,
    providers: Vec<ProviderFleet>,
    settings: Resilience,
}

/// One deployment.
#[derive(Debug)]
pub(super) struct Deployment {
    health: Mutex<DeploymentHealth>,
    /// Nothing keeps a call from it: told without the lock, since it is so nearly always.
    is_clear: AtomicBool,
    calls: AtomicU64,
    failures: [AtomicU64; REASONS.len()],
    /// When it may be probed again.
    next_probe_ns: AtomicU64,
}

/// What a provider has apart from its deployments.
#[derive(Debug)]
pub(super) struct ProviderFleet {
    /// With their weights; empty where none is needed.
    pub(super) credentials: Vec<(Arc<Mutex<CredentialHealth>>, u32)>,
    pub(super) retry_budget: Arc<RetryBudget>,
}

/// What metrics and the admin listener show of a deployment.
pub(crate) struct Report {
    pub(crate) health: HealthSnapshot,
    /// How long calls are still kept from it. 0: they are not.
    pub(crate) available_in_ns: u64,
    pub(crate) calls: u64,
    /// By reason, in the order of [`REASONS`].
    pub(crate) failures: [u64; REASONS.len()],
}

impl Report {
    /// In one word: `closed`, `half_open`, `open`, or `paused` where only the provider's own wish keeps calls away.
    pub(crate) fn state(&self) -> &'static str {
        let is_paused = self.health.state == "closed" && self.available_in_ns > 0;
        if is_paused { "paused" } else { self.health.state }
    }
}

impl Deployment {
    pub(super) fn new(health: DeploymentHealth) -> Self {
        let failures = std::array::from_fn(|_| AtomicU64::new(0));
        Self {
            health: Mutex::new(health),
            is_clear: AtomicBool::new(true),
            calls: AtomicU64::new(0),
            failures,
            next_probe_ns: AtomicU64::new(0),
        }
    }

    pub(super) fn set_settings(&self, breaker: BreakerSettings, adaptive_concurrency: bool) {
        self.change(|health| health.set_settings(breaker, adaptive_concurrency));
    }

    fn change(&self, change: impl FnOnce(&mut DeploymentHealth)) {
        let mut health = self.health.lock();
        change(&mut health);
        let is_clear = health.is_clear();
        if self.is_clear.load(Ordering::Relaxed) != is_clear {
            self.is_clear.store(is_clear, Ordering::Relaxed);
        }
    }
}

impl Fleet {
    pub(super) fn new(
        started: Instant,
        deployments: Vec<(Arc<Deployment>, usize)>,
        providers: Vec<ProviderFleet>,
        settings: Resilience,
    ) -> Self {
        Self { started, deployments, providers, settings }
    }

    /// How attempts follow each other.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            backoff_ns: self.settings.backoff_ms.saturating_mul(MILLISECOND_NS),
            backoff_max_ns: self.settings.backoff_max_ms.saturating_mul(MILLISECOND_NS),
            wait_max_ns: self.settings.wait_max_ms.saturating_mul(MILLISECOND_NS),
        }
    }

    /// Begins a call.
    pub(crate) fn begin(self: &Arc<Self>, deployment: usize, credential: usize, started: Instant) -> Call {
        let now_ns = since(self.started, started);
        let called = self.deployment(deployment);
        called.calls.fetch_add(1, Ordering::Relaxed);
        called.change(|health| {
            health.begin(now_ns);
        });
        Call::begin(Arc::clone(self), deployment, credential, started)
    }

    fn deployment(&self, deployment: usize) -> &Deployment {
        &self.deployments[deployment].0
    }

    /// The provider of a deployment.
    fn provider(&self, deployment: usize) -> &ProviderFleet {
        &self.providers[self.deployments[deployment].1]
    }

    /// A first call to this deployment was made: its provider may be asked again now and then.
    pub(crate) fn deposit_retry(&self, deployment: usize) {
        self.provider(deployment).retry_budget.deposit();
    }

    pub(crate) fn take_retry(&self, deployment: usize, now_ns: u64) -> bool {
        self.provider(deployment).retry_budget.withdraw(now_ns)
    }

    pub(super) fn note_content(&self, deployment: usize, started: Instant) {
        let begun_ns = since(self.started, started);
        self.deployment(deployment).change(|health| health.note_content(begun_ns));
    }

    pub(super) fn note_success(
        &self,
        deployment: usize,
        started: Instant,
        first_content: Instant,
        output_tokens: u64,
        now: Instant,
    ) {
        let (first_content_ns, total_ns) = (since(started, first_content), since(started, now));
        let now_ns = since(self.started, now);
        self.deployment(deployment).change(|health| health.succeed(now_ns, first_content_ns, output_tokens, total_ns));
    }

    pub(super) fn note_failure(
        &self,
        deployment: usize,
        credential: usize,
        verdict: &Verdict,
        started: Instant,
        now: Instant,
    ) {
        let (begun_ns, now_ns) = (since(self.started, started), since(self.started, now));
        let failed = self.deployment(deployment);
        failed.failures[verdict.reason as usize].fetch_add(1, Ordering::Relaxed);
        let credentials = &self.provider(deployment).credentials;
        // A limit is a key's: where there are several, the others may go on with the deployment.
        let is_of_key = credentials.len() > 1 && verdict.reason == Reason::RateLimited;
        let of_deployment = Verdict { pause_ns: verdict.pause_ns.filter(|_| !is_of_key), ..*verdict };
        failed.change(|health| health.fail(&of_deployment, begun_ns, now_ns));
        if let Some((health, _)) = credentials.get(credential) {
            let unsaid_ns = is_of_key.then_some(LIMITED_KEY_PAUSE_NS);
            let of_key = Verdict { pause_ns: verdict.pause_ns.or(unsaid_ns), ..*verdict };
            let refused_ns = self.settings.credential_pause_ms.saturating_mul(MILLISECOND_NS);
            health.lock().fail(&of_key, refused_ns, now_ns);
        }
    }

    pub(super) fn note_abandoned(&self, deployment: usize, started: Instant) {
        let begun_ns = since(self.started, started);
        self.deployment(deployment).change(|health| health.abandon(begun_ns));
    }

    /// Deployments that are left alone after failures and have not been probed for so long; each is given to one core.
    pub(crate) fn take_due_probes(&self, interval: Duration, now: Instant) -> Vec<usize> {
        let now_ns = since(self.started, now);
        let next_ns = now_ns.saturating_add(nanoseconds(interval));
        let is_due = |(deployment, _): &&(Arc<Deployment>, usize)| {
            let due_ns = deployment.next_probe_ns.load(Ordering::Relaxed);
            !deployment.is_clear.load(Ordering::Relaxed)
                && deployment.health.lock().is_open(now_ns)
                && due_ns <= now_ns
                && deployment
                    .next_probe_ns
                    .compare_exchange(due_ns, next_ns, Ordering::Relaxed, Ordering::Relaxed)
                    .is_ok()
        };
        let deployments = self.deployments.iter().enumerate();
        deployments.filter(|(_, deployment)| is_due(deployment)).map(|(index, _)| index).collect()
    }

    /// The next call is a trial, though the time that the deployment is left alone for is not over.
    pub(crate) fn end_open_time(&self, deployment: usize, now: Instant) {
        let now_ns = since(self.started, now);
        self.deployment(deployment).change(|health| health.end_open_time(now_ns));
    }

    /// Whether a call may begin.
    pub(crate) fn is_available(&self, deployment: usize, now_ns: u64) -> bool {
        let called = self.deployment(deployment);
        let is_clear = called.is_clear.load(Ordering::Relaxed) || called.health.lock().is_available(now_ns);
        let credentials = &self.provider(deployment).credentials;
        is_clear && (credentials.is_empty() || credentials.iter().any(|(health, _)| health.lock().is_available(now_ns)))
    }

    /// When its pause, its breaker's open time and that of its credentials are over.
    pub(crate) fn available_from_ns(&self, deployment: usize) -> u64 {
        let of_deployment = self.deployment(deployment).health.lock().available_from_ns();
        let credentials = &self.provider(deployment).credentials;
        let of_credentials = credentials.iter().map(|(health, _)| health.lock().available_from_ns()).min();
        of_deployment.max(of_credentials.unwrap_or_default())
    }

    pub(crate) fn first_content_p50_ns(&self, deployment: usize, now_ns: u64) -> Option<u64> {
        self.deployment(deployment).health.lock().latency().first_content_p50_ns(now_ns)
    }

    /// Peak EWMA of the time to first content and per output token.
    pub(crate) fn latency_ns(&self, deployment: usize, now_ns: u64) -> Option<(u64, u64)> {
        let health = self.deployment(deployment).health.lock();
        let latency = health.latency();
        Some((latency.first_content_ns(now_ns)?, latency.output_token_ns(now_ns).unwrap_or_default()))
    }

    pub(crate) fn in_flight(&self, deployment: usize) -> u32 {
        self.deployment(deployment).health.lock().in_flight()
    }

    /// Index of the credential for a deployment that `random` falls on, by weight among those that may be used; among
    /// all if none may.
    pub(crate) fn credential(&self, deployment: usize, random: u64, now: Instant) -> usize {
        let credentials = &self.provider(deployment).credentials;
        if credentials.len() < 2 {
            return 0;
        }
        let now_ns = since(self.started, now);
        let all = || credentials.iter().enumerate().map(|(index, (health, weight))| (index, health, *weight));
        let mut usable: Vec<(usize, u32)> = all()
            .filter(|(_, health, _)| health.lock().is_available(now_ns))
            .map(|(index, _, weight)| (index, weight))
            .collect();
        if usable.is_empty() {
            usable = all().map(|(index, _, weight)| (index, weight)).collect();
        }
        draw(usable.iter().map(|(_, weight)| *weight), random).map_or(0, |drawn| usable[drawn].0)
    }

    /// Whether there are several credentials for a deployment and one of them may be used.
    pub(crate) fn has_other_credential(&self, deployment: usize, now: Instant) -> bool {
        let now_ns = since(self.started, now);
        let credentials = &self.provider(deployment).credentials;
        credentials.len() > 1 && credentials.iter().any(|(health, _)| health.lock().is_available(now_ns))
    }

    /// What is known of a deployment.
    pub(crate) fn report(&self, deployment: usize, now: Instant) -> Report {
        let known = self.deployment(deployment);
        let now_ns = since(self.started, now);
        let health = known.health.lock().snapshot(now_ns);
        Report {
            health,
            available_in_ns: health.available_from_ns.max(health.pause_until_ns).saturating_sub(now_ns),
            calls: known.calls.load(Ordering::Relaxed),
            failures: std::array::from_fn(|reason| known.failures[reason].load(Ordering::Relaxed)),
        }
    }

    /// Repeats that a provider may still get at once.
    pub(crate) fn retries_left(&self, provider: usize) -> u64 {
        self.providers[provider].retry_budget.balance()
    }

    /// For each of a provider's credentials how long it is still left alone, in nanoseconds; 0: it is used.
    pub(crate) fn credential_pauses_ns(&self, provider: usize, now: Instant) -> Vec<u64> {
        let now_ns = since(self.started, now);
        let credentials = &self.providers[provider].credentials;
        credentials.iter().map(|(health, _)| health.lock().available_from_ns().saturating_sub(now_ns)).collect()
    }
}
