//! What providers let the deployments and credentials of one configuration do, and calls taken out of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fastgate_core::limits::capacity::{Blocked, CapacityMeter, Moment, Need};
use parking_lot::{Mutex, MutexGuard};
use smallvec::SmallVec;
use tokio::time::Instant;

use super::queue::TierQueues;
use super::taken::{Part, Taken};
use crate::clock::nanoseconds;

/// Who says which credential a call is made with: whoever knows how they do.
pub(crate) trait Credentials: std::fmt::Debug + Send + Sync {
    /// Index of the credential for a deployment that `random` falls on, among those that may be used.
    fn credential(&self, deployment: usize, random: u64, now: Instant) -> usize;
    /// For each of a provider's credentials how long it is left alone; 0: it is used.
    fn credential_pauses_ns(&self, provider: usize, now: Instant) -> Vec<u64>;
}

/// A meter that outlives a configuration.
#[derive(Debug)]
pub(super) struct Metered {
    /// Names it in the tier queues.
    pub(super) id: u64,
    pub(super) meter: Mutex<CapacityMeter>,
    /// Requests that wait for it in the tier queues.
    pub(super) waiting: AtomicUsize,
}

/// What a call to one deployment is counted on.
#[derive(Debug)]
pub(super) struct DeploymentMeters {
    pub(super) deployment: Arc<Metered>,
    /// By credential; empty where there is none or one alone, whose limits are then `lone_credential`'s.
    pub(super) credentials: Vec<CredentialMeters>,
    pub(super) lone_credential: Option<Arc<Metered>>,
    /// Index of the provider.
    pub(super) provider: usize,
    /// Something is configured for it or its credentials. Where nothing is, nobody counts, and what the provider says of
    /// its limits is left to it: an answer of 429 says what is to be done.
    pub(super) is_limited: bool,
}

/// One of a provider's several credentials.
#[derive(Debug)]
pub(super) struct CredentialMeters {
    /// `None` where nothing is configured for it.
    pub(super) credential: Option<Arc<Metered>>,
    /// The credential at this deployment: a provider reports per account and model, and each key may be an account.
    pub(super) pair: Arc<Metered>,
}

/// The meters of a configuration, in the order of its tables.
#[derive(Debug)]
pub(crate) struct Capacities {
    pub(super) clock: Clock,
    pub(super) queues: Arc<TierQueues>,
    pub(super) fleet: Arc<dyn Credentials>,
    pub(super) deployments: Vec<DeploymentMeters>,
    pub(super) are_limited: bool,
    /// What tiers and tenants are called in the queues; the last tier is that of tenants without one.
    pub(super) tiers: Vec<u64>,
    pub(super) tenants: Vec<u64>,
}

/// The two clocks, set at the start and never again: the day of a daily limit needs no better.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    pub(super) started: Instant,
    pub(super) started_unix_ms: u64,
}

impl Clock {
    pub(super) fn moment(&self, at: Instant) -> Moment {
        let ns = self.ns(at);
        Moment { ns, unix_ms: self.started_unix_ms.saturating_add(ns / 1_000_000) }
    }

    pub(super) fn ns(&self, at: Instant) -> u64 {
        nanoseconds(at.saturating_duration_since(self.started))
    }

    pub(super) fn at(&self, ns: u64) -> Instant {
        // Far enough away to be never, near enough to be a time.
        self.started + std::time::Duration::from_nanos(ns.min(u64::MAX / 4))
    }
}

impl Capacities {
    /// Takes room for one call, if there is any and nobody waits for it, with whichever credential has room: the one
    /// that `random` falls on by weight among those in use, or else another. [`Taken::credential`] says which.
    ///
    /// # Errors
    /// [`Blocked`] with when there may be. Somebody who came earlier and waits is a reason as well, without a time.
    pub(crate) fn try_take_any(
        self: &Arc<Self>,
        deployment: usize,
        random: u64,
        need: &Need,
        now: Instant,
    ) -> Result<Taken, Blocked> {
        if !self.deployments[deployment].is_limited {
            let credential = self.fleet.credential(deployment, random, now);
            return Ok(Taken::new(Arc::clone(self), deployment, credential, SmallVec::new()));
        }
        if self.is_waited_for(deployment) {
            return Err(Blocked { free_at_ns: None });
        }
        self.take_any(deployment, random, need, now)
    }

    /// Whether anything is configured for any deployment or credential.
    pub(crate) fn are_limited(&self) -> bool {
        self.are_limited
    }

    /// Whether a call would find room just now, with some credential, and nobody waits for it.
    pub(crate) fn has_room(&self, deployment: usize, need: &Need, now: Instant) -> bool {
        let meters = &self.deployments[deployment];
        if !meters.is_limited {
            return true;
        }
        let moment = self.clock.moment(now);
        let has_room = |metered: &Arc<Metered>| metered.meter.lock().has_room(need, moment).is_ok();
        let of_credential =
            |several: &CredentialMeters| several.credential.as_ref().is_none_or(has_room) && has_room(&several.pair);
        !self.is_waited_for(deployment)
            && has_room(&meters.deployment)
            && meters.lone_credential.as_ref().is_none_or(has_room)
            && (meters.credentials.is_empty() || meters.credentials.iter().any(of_credential))
    }

    /// When a call may find room at the earliest, with some credential, whatever those under way turn out to use. At
    /// most `now`: at any moment.
    pub(super) fn room_not_before_ns(&self, deployment: usize, need: &Need, now: Instant) -> u64 {
        let meters = &self.deployments[deployment];
        let moment = self.clock.moment(now);
        let earliest = |metered: &Arc<Metered>| metered.meter.lock().room_not_before_ns(need, moment);
        let of_credential =
            |several: &CredentialMeters| several.credential.as_ref().map_or(0, earliest).max(earliest(&several.pair));
        let of_credentials = meters.credentials.iter().map(of_credential).min();
        earliest(&meters.deployment)
            .max(meters.lone_credential.as_ref().map_or(0, earliest))
            .max(of_credentials.unwrap_or(0))
    }

    fn is_waited_for(&self, deployment: usize) -> bool {
        self.deployments[deployment].deployment.waiting.load(Ordering::Relaxed) > 0
    }

    pub(super) fn take_any(
        self: &Arc<Self>,
        deployment: usize,
        random: u64,
        need: &Need,
        now: Instant,
    ) -> Result<Taken, Blocked> {
        let meters = &self.deployments[deployment];
        let drawn = self.fleet.credential(deployment, random, now);
        let blocked = match self.take(deployment, drawn, need, now) {
            Err(blocked) if meters.credentials.len() > 1 => blocked,
            taken => return taken,
        };
        let pauses_ns = self.fleet.credential_pauses_ns(meters.provider, now);
        let others = pauses_ns.iter().enumerate().filter(|(index, pause_ns)| *index != drawn && **pause_ns == 0);
        others
            .map(|(index, _)| index)
            .try_fold(blocked, |blocked, credential| match self.take(deployment, credential, need, now) {
                Ok(taken) => Err(taken),
                Err(other) => Ok(blocked.or(other)),
            })
            .map_or_else(Ok, Err)
    }

    /// All of a call's meters or none.
    fn take(
        self: &Arc<Self>,
        deployment: usize,
        credential: usize,
        need: &Need,
        now: Instant,
    ) -> Result<Taken, Blocked> {
        let moment = self.clock.moment(now);
        let meters = self.deployments[deployment].of_call(credential);
        let mut locked: SmallVec<[MutexGuard<'_, CapacityMeter>; 3]> =
            meters.iter().map(|metered| metered.meter.lock()).collect();
        let mut refusals = locked.iter_mut().filter_map(|meter| meter.has_room(need, moment).err());
        if let Some(first) = refusals.next() {
            return Err(refusals.fold(first, Blocked::and));
        }
        drop(refusals);
        let ids: SmallVec<[u64; 3]> = locked.iter_mut().map(|meter| meter.take(need, moment)).collect();
        drop(locked);
        let parts = meters.iter().zip(ids).map(|(metered, id)| Part { metered: Arc::clone(metered), id }).collect();
        Ok(Taken::new(Arc::clone(self), deployment, credential, parts))
    }
}

impl DeploymentMeters {
    /// The meters that a call with a credential is counted on, in the order of their locks. What the provider says of
    /// it is about the last one where there are several credentials, and about the first otherwise.
    fn of_call(&self, credential: usize) -> SmallVec<[&Arc<Metered>; 3]> {
        let mut meters = SmallVec::new();
        meters.push(&self.deployment);
        meters.extend(&self.lone_credential);
        if let Some(several) = self.credentials.get(credential) {
            meters.extend(&several.credential);
            meters.push(&several.pair);
        }
        meters
    }
}

#[cfg(test)]
#[path = "capacity_tests.rs"]
pub(super) mod tests;
