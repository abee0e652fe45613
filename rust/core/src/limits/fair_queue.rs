//! Who goes next of those who wait for a provider's capacity. A data structure: no clock, no locks, no wakers.
//!
//! * **Between tiers**: weighted fair by tokens (start-time fair queuing, Goyal et al., 1996). A tier's tag grows by
//!   tokens / weight, the lowest goes first.
//! * **Within a tier**: interactive before background before batch, strictly.
//! * **Within a class**: fair between tenants by virtual token counters (Sheng et al., "Fairness in serving large
//!   language models", 2024), first come first served within one tenant.
//!
//! The bound on unfairness: of two tenants of one tier that both wait in the same class for the same deployments all
//! the time, one is served at most `2 × (largest + 4 × error)` tokens more than the other, in any such time, where
//! `largest` is the largest charge of one request and `error` the most by which the charges of one tenant's calls under
//! way may be wrong together. With exact charges that is twice the largest request, as in the paper: only the lowest
//! counter is charged, so no two are further apart than one request. A wrong charge moves a counter until
//! [`FairQueue::note_served`] corrects it: by `error` at either end, of either tenant, and of what it is compared with.
//!
//! Work-conserving, with one reservation: who is first and does not fit holds every deployment it may go to for itself,
//! so that later ones may take others but not the capacity it waits for. Otherwise a stream of small requests would
//! keep a bucket too empty for a large one for ever. Nothing is lost: a bucket that is full enough for nobody else is
//! full enough for the first.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeSet;

use foldhash::{HashMap, HashMapExt};
use smallvec::SmallVec;

use super::fair_tenants::FairTenants;
use super::service_rate::ServiceRate;
use crate::tables::Latency;

/// A waiter, counted from 0.
pub type WaiterId = u64;

/// Tags count tokens in this unit, so that a share by weight is exact enough.
const TAG_UNIT: u128 = 1 << 32;
/// No request counts for more: a billion is beyond any context window.
const TOKENS_MAX: u64 = 1 << 30;
const CLASSES: usize = 3;

/// One request that waits. Tiers, tenants and deployments are named by any numbers that stay the same.
#[derive(Clone, Debug)]
pub struct Waiter<T> {
    /// Its tier.
    pub tier: u64,
    /// Its tenant.
    pub tenant: u64,
    /// How urgent it is.
    pub class: Latency,
    /// What it is charged.
    pub tokens: u64,
    /// When waiting is of no use any more.
    pub deadline_ns: u64,
    /// Where it may go, best first.
    pub deployments: SmallVec<[u64; 4]>,
    /// What the caller knows it by.
    pub payload: T,
}

impl<T> Waiter<T> {
    pub(super) fn competes_with<U>(&self, other: &Waiter<U>) -> bool {
        self.deployments.iter().any(|deployment| other.deployments.contains(deployment))
    }

    /// Whose counters its service moves.
    #[must_use]
    pub fn account(&self) -> Account {
        Account { tier: self.tier, tenant: self.tenant, class: self.class }
    }
}

/// Whose counters a service moves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Account {
    /// Its tier.
    pub tier: u64,
    /// Its tenant.
    pub tenant: u64,
    /// The class it waited in.
    pub class: Latency,
}

/// Why one may not wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// As many wait in its tier as may, and nobody has to leave for it; or it had to, for another.
    Full,
    /// Its turn would come after its deadline.
    TooLate,
}

/// One may not wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Refused {
    /// Why.
    pub refusal: Refusal,
    /// How long it would have waited by the recent rate of service. `None`: nobody can say.
    pub estimate_ns: Option<u64>,
}

/// One may wait.
#[derive(Debug)]
pub struct Place<T> {
    /// What it is called here.
    pub id: WaiterId,
    /// Who had to leave for it, its tier being full; it is out already.
    pub displaced: Option<(WaiterId, Waiter<T>)>,
}

/// One queue per tier.
#[derive(Debug)]
pub struct FairQueue<T> {
    tiers: Vec<Tier<T>>,
    /// Most who may wait in one tier.
    length: usize,
    /// What a tier that comes back is lifted to where it competes with nobody.
    floor: u128,
    /// Where every waiter is.
    places: HashMap<WaiterId, Account>,
    deadlines: BTreeSet<(u64, WaiterId)>,
    /// How many wait for a deployment; none of nobody.
    wanted: HashMap<u64, usize>,
    next: WaiterId,
}

#[derive(Debug)]
struct Tier<T> {
    id: u64,
    weight: u32,
    is_configured: bool,
    tag: u128,
    /// The tag at its last turn, or when it came back.
    started: u128,
    waiting: usize,
    interests: HashMap<u64, Interest>,
    classes: [FairTenants<T>; CLASSES],
}

/// Who of a tier waits for a deployment, and how fast they are served.
#[derive(Clone, Copy, Debug, Default)]
struct Interest {
    waiting: usize,
    rate: ServiceRate,
}

impl<T> Tier<T> {
    fn move_tag(&mut self, tokens: i64) {
        let change = u128::from(tokens.unsigned_abs()) * TAG_UNIT / u128::from(self.weight);
        self.tag = if tokens < 0 { self.tag.saturating_sub(change) } else { self.tag.saturating_add(change) };
    }
}

impl<T> FairQueue<T> {
    /// An empty queue in which at most `length` may wait in each tier.
    #[must_use]
    pub fn new(length: usize) -> Self {
        Self {
            tiers: Vec::new(),
            length,
            floor: 0,
            places: HashMap::new(),
            deadlines: BTreeSet::new(),
            wanted: HashMap::new(),
            next: 0,
        }
    }

    /// Goes by other tiers, each with its weight, and another length from now on. A tier that is gone keeps its weight
    /// until nobody waits in it; one that is not named here has weight 1.
    pub fn configure(&mut self, tiers: impl IntoIterator<Item = (u64, u32)>, length: usize) {
        self.length = length;
        for tier in &mut self.tiers {
            tier.is_configured = false;
        }
        for (id, weight) in tiers {
            let at = self.tier_index(id);
            self.tiers[at].weight = weight.max(1);
            self.tiers[at].is_configured = true;
        }
        self.tiers.retain(|tier| tier.is_configured || tier.waiting > 0);
        for tier in &mut self.tiers {
            tier.interests.retain(|_, interest| interest.waiting > 0);
        }
    }

    /// Lets one wait. Places of a full tier are shared as its turns are: see [`Self::displaced_by`].
    ///
    /// # Errors
    /// [`Refused`] where its deadline would come before its turn, or its tier is full and nobody has to leave for it.
    pub fn push(&mut self, mut waiter: Waiter<T>, now_ns: u64) -> Result<Place<T>, Refused> {
        waiter.tokens = waiter.tokens.clamp(1, TOKENS_MAX);
        let refusal = |refusal, estimate_ns| Err(Refused { refusal, estimate_ns });
        let left_ns = waiter.deadline_ns.saturating_sub(now_ns);
        let estimate_ns = self.estimate_ns(&waiter, now_ns);
        if left_ns == 0 || estimate_ns.is_some_and(|estimate_ns| estimate_ns > left_ns) {
            return refusal(Refusal::TooLate, estimate_ns);
        }
        let mut displaced = None;
        if self.waiting(waiter.tier) >= self.length {
            displaced = self.displaced_by(&waiter).and_then(|id| Some((id, self.remove(id, now_ns)?)));
            if displaced.is_none() {
                return refusal(Refusal::Full, estimate_ns);
            }
        }
        let lift = self.lift(&waiter);
        let at = self.tier_index(waiter.tier);
        if self.tiers[at].waiting == 0 {
            self.tiers[at].tag = self.tiers[at].tag.max(lift);
            self.tiers[at].started = self.tiers[at].tag;
        }
        let id = self.next;
        self.next += 1;
        for deployment in &waiter.deployments {
            *self.wanted.entry(*deployment).or_default() += 1;
            let interest = self.tiers[at].interests.entry(*deployment).or_default();
            interest.rate.update(interest.waiting > 0, now_ns);
            interest.waiting += 1;
        }
        self.places.insert(id, waiter.account());
        self.deadlines.insert((waiter.deadline_ns, id));
        self.tiers[at].waiting += 1;
        self.tiers[at].classes[waiter.class as usize].push(id, waiter);
        Ok(Place { id, displaced })
    }

    /// Who has to leave a full tier for a newcomer: of those in its least urgent class, the newest of the tenant of whom
    /// most wait there, if the newcomer is more urgent, or of a tenant of whom fewer would wait even with it. So neither
    /// one tenant nor work that can wait keeps the others out, and nobody is driven out by an equal.
    fn displaced_by(&self, waiter: &Waiter<T>) -> Option<WaiterId> {
        let tier = self.tiers.iter().find(|tier| tier.id == waiter.tier)?;
        let mut crowds = tier.classes.iter().enumerate().rev();
        let (class, waiting, newest) = crowds.find_map(|(class, tenants)| {
            let (waiting, newest) = tenants.largest()?;
            Some((class, waiting, newest))
        })?;
        let gives_way = match class.cmp(&(waiter.class as usize)) {
            Ordering::Greater => true,
            Ordering::Equal => waiting > tier.classes[class].waiting(waiter.tenant) + 1,
            Ordering::Less => false,
        };
        gives_way.then_some(newest)
    }

    /// Takes one out that waits no longer; it is not charged. `None`: it does not wait.
    pub fn remove(&mut self, id: WaiterId, now_ns: u64) -> Option<Waiter<T>> {
        let account = self.places.remove(&id)?;
        let at = self.tiers.iter().position(|tier| tier.id == account.tier)?;
        let tier = &mut self.tiers[at];
        let waiter = tier.classes[account.class as usize].remove(account.tenant, id)?;
        tier.waiting -= 1;
        self.deadlines.remove(&(waiter.deadline_ns, id));
        for deployment in &waiter.deployments {
            if let Some(interest) = tier.interests.get_mut(deployment) {
                interest.rate.update(interest.waiting > 0, now_ns);
                interest.waiting = interest.waiting.saturating_sub(1);
            }
            if let Some(wanted) = self.wanted.get_mut(deployment) {
                *wanted -= 1;
                if *wanted == 0 {
                    self.wanted.remove(deployment);
                }
            }
        }
        if tier.waiting == 0 {
            self.floor = if self.places.is_empty() { self.floor.max(tier.tag) } else { self.floor };
            if !tier.is_configured {
                self.tiers.swap_remove(at);
            }
        }
        Some(waiter)
    }

    /// Takes out one whose deadline has come.
    pub fn pop_expired(&mut self, now_ns: u64) -> Option<(WaiterId, Waiter<T>)> {
        let (_, id) = self.deadlines.first().copied().filter(|(deadline_ns, _)| *deadline_ns <= now_ns)?;
        self.remove(id, now_ns).map(|waiter| (id, waiter))
    }

    /// Takes out the first in fair order that fits somewhere, charges its tenant and tier, and says where. `fits` is
    /// asked for one waiter and deployment at a time; where it says yes it may take the capacity at once. One
    /// [`Self::note_served`] has to follow for each.
    ///
    /// Who does not fit keeps all its deployments from those behind it.
    pub fn pop_fitting(
        &mut self,
        now_ns: u64,
        mut fits: impl FnMut(&Waiter<T>, u64) -> bool,
    ) -> Option<(WaiterId, Waiter<T>, u64)> {
        let (id, account, deployment) = self.first_fitting(now_ns, &mut fits)?;
        let tier = self.tiers.iter_mut().find(|tier| tier.id == account.tier)?;
        self.floor = self.floor.max(tier.tag);
        tier.started = tier.tag;
        let tokens = tier.classes[account.class as usize].begin_service(account.tenant, id)?;
        tier.move_tag(tokens.cast_signed());
        if let Some(interest) = tier.interests.get_mut(&deployment) {
            interest.rate.update(true, now_ns);
            interest.rate.serve(tokens);
        }
        let waiter = self.remove(id, now_ns)?;
        Some((id, waiter, deployment))
    }

    /// One that was charged `estimated` tokens used `actual`: 0 if it was not served after all.
    pub fn note_served(&mut self, account: Account, estimated: u64, actual: u64) {
        let Some(tier) = self.tiers.iter_mut().find(|tier| tier.id == account.tier) else { return };
        let excess = actual.min(TOKENS_MAX).cast_signed() - estimated.clamp(1, TOKENS_MAX).cast_signed();
        tier.move_tag(excess);
        tier.classes[account.class as usize].end_service(account.tenant, excess);
    }

    /// How many wait in a tier.
    #[must_use]
    pub fn waiting(&self, tier: u64) -> usize {
        self.tiers.iter().find(|known| known.id == tier).map_or(0, |tier| tier.waiting)
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// One of those who wait.
    #[must_use]
    pub fn any(&self) -> Option<WaiterId> {
        self.deadlines.last().map(|(_, id)| *id)
    }

    /// Whether it waits.
    #[must_use]
    pub fn contains(&self, id: WaiterId) -> bool {
        self.places.contains_key(&id)
    }

    fn first_fitting(
        &self,
        now_ns: u64,
        fits: &mut impl FnMut(&Waiter<T>, u64) -> bool,
    ) -> Option<(WaiterId, Account, u64)> {
        let mut order: SmallVec<[&Tier<T>; 8]> = self.tiers.iter().filter(|tier| tier.waiting > 0).collect();
        order.sort_by_key(|tier| (tier.tag, Reverse(tier.weight)));
        let mut reserved: SmallVec<[u64; 8]> = SmallVec::new();
        for (id, waiter) in order.iter().flat_map(|tier| &tier.classes).flat_map(FairTenants::in_order) {
            if waiter.deadline_ns <= now_ns {
                continue;
            }
            for deployment in &waiter.deployments {
                if reserved.contains(deployment) {
                    continue;
                }
                if fits(waiter, *deployment) {
                    return Some((id, waiter.account(), *deployment));
                }
            }
            for deployment in &waiter.deployments {
                if !reserved.contains(deployment) {
                    reserved.push(*deployment);
                }
            }
            if reserved.len() >= self.wanted.len() {
                return None;
            }
        }
        None
    }

    fn tier_index(&mut self, id: u64) -> usize {
        if let Some(at) = self.tiers.iter().position(|tier| tier.id == id) {
            return at;
        }
        let classes = std::array::from_fn(|_| FairTenants::new());
        self.tiers.push(Tier {
            id,
            weight: 1,
            is_configured: false,
            tag: 0,
            started: 0,
            waiting: 0,
            interests: HashMap::new(),
            classes,
        });
        self.tiers.len() - 1
    }

    /// Where a tier starts that comes back: with the lowest of those it competes with, by the tag of what is being
    /// served and not of what is next, so that it need not wait for a whole turn of theirs.
    fn lift(&self, waiter: &Waiter<T>) -> u128 {
        let rivals = self.tiers.iter().filter(|tier| {
            let mut heads = tier.classes.iter().filter_map(|class| class.in_order().next());
            heads.any(|(_, head)| waiter.competes_with(head))
        });
        rivals.map(|tier| tier.started.min(tier.tag)).min().unwrap_or(self.floor)
    }

    /// How long a newcomer would wait: what is served before it in its tier, and itself, by the rate at which its tier
    /// was served lately by the deployments it may go to. What other tiers take is in that rate; those who come later
    /// and go first are not foreseen. Takes a step for each tenant.
    fn estimate_ns(&mut self, waiter: &Waiter<T>, now_ns: u64) -> Option<u64> {
        let tier = self.tiers.iter_mut().find(|tier| tier.id == waiter.tier)?;
        let mut per_ns = 0.0;
        for deployment in &waiter.deployments {
            let interest = tier.interests.get_mut(deployment)?;
            interest.rate.update(interest.waiting > 0, now_ns);
            // Where nobody has waited so far there may be room.
            per_ns += interest.rate.per_ns()?;
        }
        if per_ns <= 0.0 {
            return None;
        }
        let class = waiter.class as usize;
        let sooner = tier.classes[..class].iter().map(|class| class.load(&waiter.deployments));
        let ahead = sooner.fold(tier.classes[class].tokens_ahead(waiter), u64::saturating_add);
        Some(wait_ns(ahead.saturating_add(waiter.tokens), per_ns))
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an estimate above 0; what is too large saturates"
)]
fn wait_ns(tokens: u64, per_ns: f64) -> u64 {
    (tokens as f64 / per_ns) as u64
}

#[cfg(test)]
#[path = "fair_queue_tests.rs"]
mod tests;
