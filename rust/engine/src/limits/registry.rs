//! Meters by name: what a configuration's deployments and credentials are found under, so that a reload forgets nothing
//! that was used.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::SystemTime;

use fastgate_core::limits::capacity::CapacityMeter;
use fastgate_core::tables::limits::Capacity;
use fastgate_core::tables::{Provider, Tables};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::capacity::{Capacities, Clock, CredentialMeters, Credentials, DeploymentMeters, Metered};
use super::queue::TierQueues;
use crate::clock::unix_ms;

/// The meters of everything that was ever configured and still is.
#[derive(Debug)]
pub(crate) struct CapacityRegistry {
    clock: Clock,
    hashes: RandomState,
    queues: Arc<TierQueues>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// By a hash of what they are for.
    meters: HashMap<u64, Arc<Metered>>,
    next: u64,
}

impl CapacityRegistry {
    pub(crate) fn new(now: Instant, wall: SystemTime) -> Self {
        let clock = Clock { started: now, started_unix_ms: unix_ms(wall) };
        let queues = Arc::new(TierQueues::new(clock));
        Self { clock, hashes: RandomState::new(), queues, known: Mutex::default() }
    }

    /// Who waits for capacity.
    pub(crate) fn queues(&self) -> &Arc<TierQueues> {
        &self.queues
    }

    /// The meters of a configuration, and its tiers in the queues. What no configuration uses any more is forgotten.
    /// Those who wait are looked at anew: there may be more room.
    pub(crate) fn capacities(&self, tables: &Tables, fleet: Arc<dyn Credentials>, now: Instant) -> Arc<Capacities> {
        let now_ns = self.clock.ns(now);
        let mut known = self.known.lock();
        let mut find = |key: u64, capacity: &Capacity| {
            let Known { meters, next } = &mut *known;
            let metered = meters.entry(key).or_insert_with(|| {
                *next += 1;
                let meter = Mutex::new(CapacityMeter::new(&Capacity::default()));
                Arc::new(Metered { id: *next, meter, waiting: AtomicUsize::new(0) })
            });
            metered.meter.lock().set_capacity(capacity, now_ns);
            Arc::clone(metered)
        };
        let deployments: Vec<DeploymentMeters> = tables
            .deployments
            .iter()
            .map(|deployment| {
                let provider = &tables.providers[deployment.provider];
                let account = account(provider);
                // Another address or model under the same name is another deployment.
                let name = (account, deployment.id.as_str(), deployment.model.as_deref());
                let is_unlimited =
                    |limits: &Capacity| Capacity { weights: limits.weights, ..Capacity::default() } == *limits;
                let is_limited = !is_unlimited(&deployment.limits)
                    || provider.credentials.iter().any(|credential| !is_unlimited(&credential.limits));
                let weights = Capacity { weights: deployment.limits.weights, ..Capacity::default() };
                let mut of_credential = |limits: &Capacity, secret: &str| {
                    (!limits.is_unlimited()).then(|| find(self.key(1, (account, secret)), limits))
                };
                let mut lone_credential = None;
                let mut credentials = Vec::new();
                match provider.credentials.as_slice() {
                    [lone] => lone_credential = of_credential(&lone.limits, &lone.secret),
                    several => {
                        credentials = several
                            .iter()
                            .map(|credential| of_credential(&credential.limits, &credential.secret))
                            .collect();
                    }
                }
                let credentials = credentials
                    .into_iter()
                    .zip(&provider.credentials)
                    .map(|(limited, credential)| CredentialMeters {
                        credential: limited,
                        pair: find(self.key(2, (name, credential.secret.as_str())), &weights),
                    })
                    .collect();
                DeploymentMeters {
                    deployment: find(self.key(0, name), &deployment.limits),
                    credentials,
                    lone_credential,
                    provider: deployment.provider,
                    is_limited,
                }
            })
            .collect();
        known.meters.retain(|_, metered| Arc::strong_count(metered) > 1);
        drop(known);
        let tiers = self.queues.configure(tables);
        let tenants = tables.tenants.iter().map(|tenant| self.key(3, tenant.id.as_str())).collect();
        self.queues.dispatch(now);
        let (clock, queues) = (self.clock, Arc::clone(&self.queues));
        let are_limited = deployments.iter().any(|deployment| deployment.is_limited);
        Arc::new(Capacities { clock, queues, fleet, deployments, are_limited, tiers, tenants })
    }

    fn key(&self, kind: u8, name: impl Hash) -> u64 {
        self.hashes.hash_one((kind, name))
    }
}

fn account(provider: &Provider) -> (&str, &str) {
    (&provider.id, &provider.base_url)
}
