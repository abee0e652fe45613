//! Requests that wait for a provider's capacity: one queue per tier, shared by all cores under one lock.
//!
//! Whoever changes what there is to have (a call that ends, a newcomer, a reload, a refill that is due) dispatches: it
//! gives room to those who are next and wakes them on their own cores. There is no thread: the clock of refills is kept
//! by one of those who wait, the *keeper*, whose timer is set to the earliest of them.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Waker;
use std::time::Duration;

use fastgate_core::failure::{Cause, Failure};
use fastgate_core::limits::capacity::{Blocked, Need};
use fastgate_core::limits::fair_queue::{Account, FairQueue, Place, Refusal, Refused, Waiter, WaiterId};
use fastgate_core::tables::{Latency, Tables};
use parking_lot::Mutex;
use smallvec::SmallVec;
use tokio::time::Instant;

use super::capacity::{Capacities, Clock};
use super::taken::{Taken, Turn};

/// What is asked for by one who waits. Indices are those of the tables that its [`Capacities`] were made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WaiterInfo<'a> {
    pub(crate) tier: Option<usize>,
    pub(crate) tenant: usize,
    pub(crate) class: Latency,
    /// What it is charged between tiers and tenants.
    pub(crate) tokens: u64,
    pub(crate) deadline: Instant,
    /// Deployments that may serve it, best first; at least one.
    pub(crate) eligible: &'a [usize],
    pub(crate) need: Need,
    /// Draws the credential.
    pub(crate) random: u64,
}

/// Why one does not get its turn.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct QueueRefusal {
    pub(crate) refusal: Refusal,
    /// How long it would wait, or have waited. `None`: nobody can say.
    pub(crate) estimate_ms: Option<u64>,
}

impl QueueRefusal {
    /// What the client is told.
    pub(crate) fn failure(self) -> Failure {
        let message = match (self.refusal, self.estimate_ms) {
            (Refusal::Full, _) => "all providers that may answer are at their limits, and as many requests wait as may".into(),
            (Refusal::TooLate, Some(estimate_ms)) => {
                format!("all providers that may answer are at their limits; it would take about {estimate_ms} ms, longer than this request may wait")
            }
            (Refusal::TooLate, None) => {
                "all providers that may answer are at their limits, and none had room within the time that this request may wait".into()
            }
        };
        Failure::new(Cause::Overloaded, message).retry_after_s(self.estimate_ms.unwrap_or(0).div_ceil(1000))
    }
}

impl From<Refused> for QueueRefusal {
    fn from(refused: Refused) -> Self {
        Self { refusal: refused.refusal, estimate_ms: refused.estimate_ns.map(|ns| ns.div_ceil(1_000_000)) }
    }
}

/// What telemetry shows of one tier.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct TierStanding {
    /// Its name; `None`: tenants without one.
    pub(crate) tier: Option<String>,
    /// Requests that wait now.
    pub(crate) waiting: usize,
    /// Requests that waited and got their turn.
    pub(crate) served: u64,
    /// How long those waited, together.
    pub(crate) waited: Duration,
    /// Refused because the queue was full: at once, or when another had a better claim to the place.
    pub(crate) refused_full: u64,
    /// Refused because their turn would have come too late, or did.
    pub(crate) refused_late: u64,
    /// Left by themselves, as when the client went.
    pub(crate) left: u64,
}

/// The queues of all tiers.
#[derive(Debug)]
pub(crate) struct TierQueues {
    pub(super) clock: Clock,
    hashes: RandomState,
    /// How many wait: told without the lock, since it is nearly always nobody.
    waiting: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    queue: FairQueue<Seat>,
    desks: HashMap<WaiterId, Desk>,
    /// Whose timer is set to the next refill.
    keeper: Option<WaiterId>,
    /// The next refill that may serve somebody.
    refill_ns: Option<u64>,
    /// What the keeper's timer was set to.
    armed_ns: Option<u64>,
    tiers: Vec<(u64, TierStanding)>,
}

/// How a dispatcher serves one who waits.
#[derive(Debug)]
struct Seat {
    capacities: Arc<Capacities>,
    eligible: SmallVec<[usize; 4]>,
    need: Need,
    random: u64,
    since_ns: u64,
}

/// Where one who waits finds what it got.
#[derive(Debug, Default)]
struct Desk {
    waker: Option<Waker>,
    outcome: Option<Outcome>,
}

#[derive(Debug)]
enum Outcome {
    Served(Taken),
    Refused(Refusal),
}

/// What one who waits is told.
pub(super) enum Answer {
    Over(Result<Taken, QueueRefusal>),
    /// Not yet: look again at this time, unless woken before.
    Until(Instant),
}

impl TierQueues {
    pub(super) fn new(clock: Clock) -> Self {
        let state = State {
            queue: FairQueue::new(0),
            desks: HashMap::new(),
            keeper: None,
            refill_ns: None,
            armed_ns: None,
            tiers: Vec::new(),
        };
        Self { clock, hashes: RandomState::new(), waiting: AtomicUsize::new(0), state: Mutex::new(state) }
    }

    /// Goes by the tiers of a configuration; returns what they are called here, that of tenants without one last.
    pub(super) fn configure(&self, tables: &Tables) -> Vec<u64> {
        let named = tables.tiers.iter().map(|tier| (Some(tier.id.clone()), tier.weight));
        let tiers: Vec<(u64, Option<String>, u32)> =
            named.chain([(None, 1)]).map(|(name, weight)| (self.hashes.hash_one(&name), name, weight)).collect();
        let mut state = self.state.lock();
        let State { queue, tiers: known, .. } = &mut *state;
        queue.configure(tiers.iter().map(|(id, _, weight)| (*id, *weight)), tables.limiting.queue_length);
        known.retain(|(id, _)| tiers.iter().any(|(named, ..)| named == id) || queue.waiting(*id) > 0);
        for (id, name, _) in &tiers {
            if known.iter().all(|(other, _)| other != id) {
                known.push((*id, TierStanding { tier: name.clone(), ..TierStanding::default() }));
            }
        }
        tiers.into_iter().map(|(id, ..)| id).collect()
    }

    /// For telemetry and the admin listener.
    pub(crate) fn standing(&self) -> Vec<TierStanding> {
        let state = self.state.lock();
        let tiers = state.tiers.iter();
        tiers.map(|(id, counted)| TierStanding { waiting: state.queue.waiting(*id), ..counted.clone() }).collect()
    }

    /// Lets one wait, and gives it its turn at once if it can have it.
    pub(super) fn enter(
        &self,
        capacities: &Arc<Capacities>,
        info: &WaiterInfo<'_>,
        now: Instant,
    ) -> Result<WaiterId, QueueRefusal> {
        let now_ns = self.clock.ns(now);
        let mut eligible: SmallVec<[usize; 4]> = SmallVec::new();
        for deployment in info.eligible {
            if !eligible.contains(deployment) {
                eligible.push(*deployment);
            }
        }
        let meters = |deployment: &usize| &capacities.deployments[*deployment].deployment;
        let tier = info.tier.unwrap_or(capacities.tiers.len() - 1);
        let waiter = Waiter {
            tier: capacities.tiers[tier],
            tenant: capacities.tenants[info.tenant],
            class: info.class,
            tokens: info.tokens,
            deadline_ns: self.clock.ns(info.deadline),
            deployments: eligible.iter().map(|deployment| meters(deployment).id).collect(),
            payload: Seat {
                capacities: Arc::clone(capacities),
                need: info.need,
                random: info.random,
                since_ns: now_ns,
                eligible: eligible.clone(),
            },
        };
        let tier = waiter.tier;
        let earliest = eligible.iter().map(|deployment| capacities.room_not_before_ns(*deployment, &info.need, now));
        let earliest_ns = earliest.min().unwrap_or(now_ns);
        let mut state = self.state.lock();
        let pushed = if earliest_ns > waiter.deadline_ns {
            Err(Refused { refusal: Refusal::TooLate, estimate_ns: Some(earliest_ns.saturating_sub(now_ns)) })
        } else {
            state.queue.push(waiter, now_ns)
        };
        match pushed {
            Ok(Place { id, displaced }) => {
                let mut woken: SmallVec<[Waker; 8]> = SmallVec::new();
                if let Some((id, waiter)) = displaced {
                    waiter.payload.vacate();
                    state.count(waiter.tier, |standing| standing.refused_full += 1);
                    state.hand(id, Outcome::Refused(Refusal::Full), &mut woken);
                }
                state.desks.insert(id, Desk::default());
                for deployment in &eligible {
                    meters(deployment).waiting.fetch_add(1, Ordering::Relaxed);
                }
                self.waiting.store(state.queue.len(), Ordering::Relaxed);
                self.serve(state, now);
                for waker in woken {
                    waker.wake();
                }
                Ok(id)
            }
            Err(refused) => {
                state.count(tier, |standing| match refused.refusal {
                    Refusal::Full => standing.refused_full += 1,
                    Refusal::TooLate => standing.refused_late += 1,
                });
                Err(refused.into())
            }
        }
    }

    /// How it stands for one who waits.
    pub(super) fn ask(&self, id: WaiterId, deadline: Instant, waker: &Waker, now: Instant) -> Answer {
        let mut state = self.state.lock();
        let now_ns = self.clock.ns(now);
        if state.keeper == Some(id) && state.refill_ns.is_some_and(|refill_ns| refill_ns <= now_ns) || now >= deadline {
            self.serve(state, now);
            state = self.state.lock();
        }
        let is_keeper = state.keeper == Some(id);
        let refill_ns = state.refill_ns.filter(|_| is_keeper);
        let late = || Answer::Over(Err(QueueRefusal { refusal: Refusal::TooLate, estimate_ms: None }));
        let Some(desk) = state.desks.get_mut(&id) else { return late() };
        if let Some(outcome) = desk.outcome.take() {
            state.desks.remove(&id);
            return match outcome {
                Outcome::Served(taken) => Answer::Over(Ok(taken)),
                Outcome::Refused(refusal) => Answer::Over(Err(QueueRefusal { refusal, estimate_ms: None })),
            };
        }
        desk.waker = Some(waker.clone());
        if is_keeper {
            state.armed_ns = refill_ns;
        }
        let refill = refill_ns.map(|refill_ns| self.clock.at(refill_ns));
        Answer::Until(refill.map_or(deadline, |refill| refill.min(deadline)))
    }

    /// One leaves, whatever it has got.
    pub(super) fn leave(&self, id: WaiterId, now: Instant) {
        let mut state = self.state.lock();
        let Some(desk) = state.desks.remove(&id) else { return };
        if let Some(waiter) = state.queue.remove(id, self.clock.ns(now)) {
            waiter.payload.vacate();
            state.count(waiter.tier, |standing| standing.left += 1);
            // What it held for itself, others may have; and the refills need another keeper.
            self.serve(state, now);
            return;
        }
        drop(state);
        // Not under the lock: giving back dispatches.
        if let Some(Outcome::Served(taken)) = desk.outcome {
            taken.give_back(now);
        }
    }

    /// What one used that was served.
    pub(super) fn note_served(&self, account: Account, charged: u64, actual: u64) {
        self.state.lock().queue.note_served(account, charged, actual);
    }

    /// There may be room: those who are next get it.
    pub(crate) fn dispatch(&self, now: Instant) {
        // Who began to wait before this saw the meter before or after it was changed: both locks order them.
        if self.waiting.load(Ordering::Relaxed) > 0 {
            self.serve(self.state.lock(), now);
        }
    }

    fn serve(&self, mut guard: parking_lot::MutexGuard<'_, State>, now: Instant) {
        let now_ns = self.clock.ns(now);
        let state = &mut *guard;
        let mut woken: SmallVec<[Waker; 8]> = SmallVec::new();
        while let Some((id, waiter)) = state.queue.pop_expired(now_ns) {
            waiter.payload.vacate();
            state.count(waiter.tier, |standing| standing.refused_late += 1);
            state.hand(id, Outcome::Refused(Refusal::TooLate), &mut woken);
        }
        loop {
            let mut taken = None;
            let mut blocked: Option<Blocked> = None;
            let popped = state.queue.pop_fitting(now_ns, |waiter, deployment| {
                let seat = &waiter.payload;
                let place = waiter.deployments.iter().position(|known| *known == deployment);
                let Some(index) = place.and_then(|place| seat.eligible.get(place)) else { return false };
                match seat.capacities.take_any(*index, seat.random, &seat.need, now) {
                    Ok(room) => taken = Some(room),
                    Err(other) => blocked = Some(blocked.map_or(other, |blocked| blocked.or(other))),
                }
                taken.is_some()
            });
            state.refill_ns = blocked.and_then(|blocked| blocked.free_at_ns);
            let (Some((id, waiter, _)), Some(mut room)) = (popped, taken) else { break };
            waiter.payload.vacate();
            room.set_turn(Turn { account: waiter.account(), tokens: waiter.tokens });
            let waited_ns = now_ns.saturating_sub(waiter.payload.since_ns);
            state.count(waiter.tier, |standing| {
                standing.served += 1;
                standing.waited += Duration::from_nanos(waited_ns);
            });
            state.hand(id, Outcome::Served(room), &mut woken);
        }
        woken.extend(state.appoint());
        self.waiting.store(state.queue.len(), Ordering::Relaxed);
        drop(guard);
        for waker in woken {
            waker.wake();
        }
    }
}

impl Seat {
    /// It waits no longer.
    fn vacate(&self) {
        for deployment in &self.eligible {
            self.capacities.deployments[*deployment].deployment.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl State {
    fn count(&mut self, tier: u64, change: impl FnOnce(&mut TierStanding)) {
        if let Some((_, standing)) = self.tiers.iter_mut().find(|(id, _)| *id == tier) {
            change(standing);
        }
    }

    fn hand(&mut self, id: WaiterId, outcome: Outcome, woken: &mut SmallVec<[Waker; 8]>) {
        let desk = self.desks.entry(id).or_default();
        desk.outcome = Some(outcome);
        woken.extend(desk.waker.take());
    }

    /// Sees that somebody keeps the clock; the keeper is to be woken if its timer is set too late.
    fn appoint(&mut self) -> Option<Waker> {
        if !self.keeper.is_some_and(|keeper| self.queue.contains(keeper)) {
            self.keeper = self.queue.any();
            self.armed_ns = None;
        }
        let refill_ns = self.refill_ns?;
        let is_early = self.armed_ns.is_some_and(|armed_ns| armed_ns <= refill_ns);
        let desk = self.desks.get_mut(&self.keeper?).filter(|_| !is_early)?;
        desk.waker.take()
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
