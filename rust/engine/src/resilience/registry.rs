//! Health by name: what a configuration's deployments and credentials are found under, so that a reload forgets nothing.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;

use fastgate_core::resilience::health::{CredentialHealth, DeploymentHealth};
use fastgate_core::resilience::retry_budget::RetryBudget;
use fastgate_core::tables::{Provider, Resilience, Tables};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::drills::Drills;
use super::fleet::{Deployment, Fleet, ProviderFleet};
use crate::clock::nanoseconds;

/// The health of everything that was ever configured and still is.
#[derive(Debug)]
pub struct Registry {
    started: Instant,
    hashes: RandomState,
    known: Mutex<Known>,
    /// Failover drills under way.
    pub(crate) drills: Drills,
}

#[derive(Debug, Default)]
struct Known {
    deployments: HashMap<String, Arc<Deployment>>,
    credentials: HashMap<(String, u64), Arc<Mutex<CredentialHealth>>>,
    /// With the settings they were made by.
    retry_budgets: HashMap<(String, u32, u32), Arc<RetryBudget>>,
}

impl Registry {
    pub(crate) fn new(now: Instant) -> Self {
        Self { started: now, hashes: RandomState::new(), known: Mutex::default(), drills: Drills::default() }
    }

    /// A time as `fastgate_core` takes it: nanoseconds since the engine began.
    pub(crate) fn ns(&self, at: Instant) -> u64 {
        since(self.started, at)
    }

    /// The same the other way round.
    pub(crate) fn at(&self, ns: u64) -> Instant {
        // Far enough away to be never, near enough to be a time.
        self.started + Duration::from_nanos(ns.min(u64::MAX / 4))
    }

    /// The health of a configuration's deployments. What no configuration uses any more is forgotten.
    pub(crate) fn fleet(&self, tables: &Tables) -> Fleet {
        let mut known = self.known.lock();
        let Resilience { breaker, adaptive_concurrency, .. } = tables.resilience;
        let deployments = tables
            .deployments
            .iter()
            .map(|deployment| {
                let provider = &tables.providers[deployment.provider];
                // Another address or model under the same name is another deployment.
                let model = deployment.model.as_deref().unwrap_or_default();
                let name = format!("{}\n{model}\n{}", deployment.id, address(provider));
                let found = known
                    .deployments
                    .entry(name)
                    .or_insert_with(|| Arc::new(Deployment::new(DeploymentHealth::new(breaker, adaptive_concurrency))));
                found.set_settings(breaker, adaptive_concurrency);
                (Arc::clone(found), deployment.provider)
            })
            .collect();
        let providers = tables.providers.iter().map(|provider| self.provider(&mut known, provider, tables)).collect();
        known.deployments.retain(|_, deployment| Arc::strong_count(deployment) > 1);
        known.credentials.retain(|_, credential| Arc::strong_count(credential) > 1);
        known.retry_budgets.retain(|_, budget| Arc::strong_count(budget) > 1);
        Fleet::new(self.started, deployments, providers, tables.resilience)
    }

    fn provider(&self, known: &mut Known, provider: &Provider, tables: &Tables) -> ProviderFleet {
        let Resilience { retry_permille, retries_per_second, .. } = tables.resilience;
        let name = address(provider);
        let credentials = provider.credentials.iter().map(|credential| {
            let digest = self.hashes.hash_one(&credential.secret);
            let health = known.credentials.entry((name.clone(), digest)).or_default();
            (Arc::clone(health), credential.weight)
        });
        let credentials = credentials.collect();
        let budget = known
            .retry_budgets
            .entry((name, retry_permille, retries_per_second))
            .or_insert_with(|| Arc::new(RetryBudget::new(retry_permille, retries_per_second)));
        ProviderFleet { credentials, retry_budget: Arc::clone(budget) }
    }
}

fn address(provider: &Provider) -> String {
    format!("{}\n{}", provider.id, provider.base_url)
}

pub(super) fn since(started: Instant, at: Instant) -> u64 {
    nanoseconds(at.saturating_duration_since(started))
}

#[cfg(test)]
mod tests {
    use fastgate_core::resilience::{Action, Reason, Verdict};
    use serde_json::json;

    use super::*;

    fn tables(base_url: &str, keys: &[&str], model: &str) -> Tables {
        let credentials: Vec<_> = keys.iter().map(|key| json!({"secret": key, "weight": 1})).collect();
        let timeouts = json!({"connect_ms": 1, "first_content_ms": 1, "gap_ms": 1, "total_ms": 1});
        crate::testing::tables(&json!({
            "providers": [{"id": "p", "dialect": "openai", "base_url": base_url, "credentials": credentials,
                "stream_usage": true, "headers": [], "proxy": null, "ca_file": null}],
            "deployments": [{"id": "d", "provider": 0, "model": model, "region": null, "timeouts": timeouts}],
        }))
    }

    #[test]
    fn health_survives_a_reload_of_the_same_deployment_alone() {
        let start = Instant::now();
        let registry = Registry::new(start);
        let fleet = Arc::new(registry.fleet(&tables("http://a", &["one"], "m")));
        let failed = Verdict { action: Action::Wait, reason: Reason::Overloaded, pause_ns: Some(60_000_000_000) };
        fleet.begin(0, 0, start).fail(&failed, start);
        assert!(!fleet.is_available(0, 1_000_000_000));
        let same = registry.fleet(&tables("http://a", &["two"], "m"));
        assert!(!same.is_available(0, 1_000_000_000));
        drop(fleet);
        for other in [tables("http://b", &["one"], "m"), tables("http://a", &["one"], "n")] {
            assert!(registry.fleet(&other).is_available(0, 1_000_000_000));
        }
    }

    #[test]
    fn a_bad_key_benches_that_key_and_not_the_model() {
        let start = Instant::now();
        let registry = Registry::new(start);
        let fleet = Arc::new(registry.fleet(&tables("http://a", &["bad", "good"], "m")));
        let refused = Verdict { action: Action::DisableKey, reason: Reason::CredentialsRefused, pause_ns: None };
        fleet.begin(0, 0, start).fail(&refused, start);
        assert!(fleet.is_available(0, 1));
        assert!((0..100).all(|random| fleet.credential(0, random << 57, start) == 1));
        // A reload that keeps the key keeps what is known of it; in another place in the list, too.
        let turned = Arc::new(registry.fleet(&tables("http://a", &["good", "bad"], "m")));
        assert!((0..100).all(|random| turned.credential(0, random << 57, start) == 0));
        turned.begin(0, 0, start).fail(&refused, start);
        assert!(!turned.is_available(0, 1));
    }

    #[test]
    fn a_limit_is_a_keys_where_there_are_several() {
        let start = Instant::now();
        let limited = Verdict { action: Action::Wait, reason: Reason::RateLimited, pause_ns: Some(60_000_000_000) };
        let registry = Registry::new(start);
        let fleet = Arc::new(registry.fleet(&tables("http://a", &["one", "two"], "m")));
        fleet.begin(0, 0, start).fail(&limited, start);
        assert!(fleet.is_available(0, 1) && fleet.has_other_credential(0, start));
        assert!((0..100).all(|random| fleet.credential(0, random << 57, start) == 1));
        fleet.begin(0, 1, start).fail(&Verdict { pause_ns: None, ..limited }, start);
        assert!(!fleet.is_available(0, 1) && fleet.is_available(0, 1_000_000_000));
        let alone = Arc::new(registry.fleet(&tables("http://b", &["one"], "m")));
        alone.begin(0, 0, start).fail(&limited, start);
        assert!(!alone.is_available(0, 1_000_000_000) && !alone.has_other_credential(0, start));
    }

    #[test]
    fn nothing_is_kept_of_what_is_gone() {
        let registry = Registry::new(Instant::now());
        for count in 0..50 {
            registry.fleet(&tables(&format!("http://{count}"), &["key"], "m"));
        }
        registry.fleet(&tables("http://a", &[], "m"));
        let known = registry.known.lock();
        assert!(known.deployments.len() <= 1 && known.credentials.len() <= 1 && known.retry_budgets.len() <= 1);
    }
}
