//! Those who wait in one class of a tier: fair between tenants by virtual token counters, first come first served
//! within one.
//!
//! A tenant's counter grows by the tokens it is served. Whoever has the lowest goes first. A tenant that comes back is
//! lifted to the lowest counter among those it competes with, so that nobody saves up for later (Sheng et al., 2024,
//! algorithm 2).

use std::collections::{BTreeMap, BTreeSet};

use foldhash::{HashMap, HashMapExt};
use smallvec::SmallVec;

use super::fair_queue::{Waiter, WaiterId};
use super::load::Load;

/// The tenants of one class.
#[derive(Debug)]
pub(super) struct FairTenants<T> {
    tenants: HashMap<u64, Tenant<T>>,
    /// Tenants that wait, by counter; of equals whoever waits for longer goes first.
    waiting: BTreeSet<Rank>,
    /// Tenants that do not, as long as their counters say more than a lift would.
    idle: BTreeSet<Rank>,
    /// What a tenant is lifted to at least: the counter of the one that was served or left last.
    floor: u64,
    load: Load,
}

/// Where a tenant stands.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Rank {
    counter: u64,
    /// The waiter with which it began to wait.
    since: WaiterId,
    tenant: u64,
}

#[derive(Debug)]
struct Tenant<T> {
    rank: Rank,
    /// Served, and what they used is not known yet.
    in_service: u32,
    waiters: BTreeMap<WaiterId, Waiter<T>>,
    load: Load,
}

impl<T> FairTenants<T> {
    pub(super) fn new() -> Self {
        Self {
            tenants: HashMap::new(),
            waiting: BTreeSet::new(),
            idle: BTreeSet::new(),
            floor: 0,
            load: Load::default(),
        }
    }

    pub(super) fn push(&mut self, id: WaiterId, waiter: Waiter<T>) {
        let lift = self.lift(&waiter);
        let (key, idle, waiting) = (waiter.tenant, &mut self.idle, &mut self.waiting);
        let tenant = self.tenants.entry(key).or_insert_with(|| Tenant {
            rank: Rank { counter: 0, since: id, tenant: key },
            in_service: 0,
            waiters: BTreeMap::new(),
            load: Load::default(),
        });
        if tenant.waiters.is_empty() {
            idle.remove(&tenant.rank);
            tenant.rank.counter = tenant.rank.counter.max(lift);
            tenant.rank.since = id;
            waiting.insert(tenant.rank);
        }
        tenant.load.add(waiter.tokens, &waiter.deployments);
        self.load.add(waiter.tokens, &waiter.deployments);
        tenant.waiters.insert(id, waiter);
    }

    /// Takes one out without serving it.
    pub(super) fn remove(&mut self, tenant: u64, id: WaiterId) -> Option<Waiter<T>> {
        let found = self.tenants.get_mut(&tenant)?;
        let waiter = found.waiters.remove(&id)?;
        found.load.remove(waiter.tokens, &waiter.deployments);
        self.load.remove(waiter.tokens, &waiter.deployments);
        if found.waiters.is_empty() {
            self.waiting.remove(&found.rank);
            if self.waiting.is_empty() {
                self.floor = self.floor.max(found.rank.counter);
            }
            self.idle.insert(found.rank);
            self.forget();
        }
        Some(waiter)
    }

    /// A tenant is served: nobody who comes later starts below where it stood. What it is charged; it still waits, so
    /// that whoever leaves last leaves its counter to those who come next. `None`: it does not wait.
    pub(super) fn begin_service(&mut self, tenant: u64, id: WaiterId) -> Option<u64> {
        let found = self.tenants.get_mut(&tenant)?;
        let tokens = found.waiters.get(&id)?.tokens;
        self.floor = self.floor.max(found.rank.counter);
        found.in_service += 1;
        self.move_counter(tenant, tokens.cast_signed());
        Some(tokens)
    }

    /// What was served used so much more, or less, than it was charged.
    pub(super) fn end_service(&mut self, tenant: u64, excess_tokens: i64) {
        if let Some(found) = self.tenants.get_mut(&tenant) {
            found.in_service = found.in_service.saturating_sub(1);
            self.move_counter(tenant, excess_tokens);
        }
    }

    fn move_counter(&mut self, tenant: u64, tokens: i64) {
        let Some(found) = self.tenants.get_mut(&tenant) else { return };
        let order = if found.waiters.is_empty() { &mut self.idle } else { &mut self.waiting };
        order.remove(&found.rank);
        found.rank.counter = found.rank.counter.saturating_add_signed(tokens);
        order.insert(found.rank);
        self.forget();
    }

    /// Everybody who waits, in order.
    pub(super) fn in_order(&self) -> impl Iterator<Item = (WaiterId, &Waiter<T>)> {
        self.waiting.iter().flat_map(|rank| {
            let waiters = self.tenants.get(&rank.tenant).map(|tenant| &tenant.waiters);
            waiters.into_iter().flatten().map(|(id, waiter)| (*id, waiter))
        })
    }

    /// How many of a tenant's wait.
    pub(super) fn waiting(&self, tenant: u64) -> usize {
        self.tenants.get(&tenant).map_or(0, |tenant| tenant.waiters.len())
    }

    /// Of the tenant of whom most wait: how many, and the newest; of equals the one that came last. Takes a step for each
    /// tenant.
    pub(super) fn largest(&self) -> Option<(usize, WaiterId)> {
        let waiters = self.waiting.iter().filter_map(|rank| Some(&self.tenants.get(&rank.tenant)?.waiters));
        waiters.filter_map(|waiters| Some((waiters.len(), *waiters.last_key_value()?.0))).max()
    }

    /// Tokens that wait for these.
    pub(super) fn load(&self, deployments: &[u64]) -> u64 {
        self.load.of(deployments)
    }

    /// Tokens that are served before a newcomer, of those that compete with it.
    pub(super) fn tokens_ahead(&self, waiter: &Waiter<T>) -> u64 {
        let load = |tenant: &Tenant<T>| tenant.load.of(&waiter.deployments);
        let known = self.tenants.get(&waiter.tenant);
        let own = known.map_or(0, load);
        let counter = match known {
            Some(tenant) if !tenant.waiters.is_empty() => tenant.rank.counter,
            _ => self.lift(waiter).max(known.map_or(0, |tenant| tenant.rank.counter)),
        };
        let turn = counter.saturating_add(own);
        let sooner = self.waiting.iter().take_while(|rank| rank.counter <= turn);
        let others = sooner.filter(|rank| rank.tenant != waiter.tenant);
        let ahead = others.filter_map(|rank| Some(load(self.tenants.get(&rank.tenant)?).min(turn - rank.counter)));
        ahead.fold(own, u64::saturating_add)
    }

    fn lift(&self, waiter: &Waiter<T>) -> u64 {
        let mut rivals = self.waiting.iter().filter(|rank| {
            let head = self.tenants.get(&rank.tenant).and_then(|tenant| tenant.waiters.first_key_value());
            head.is_some_and(|(_, head)| waiter.competes_with(head))
        });
        rivals.next().map_or(self.floor, |rank| rank.counter)
    }

    /// A counter that a lift would raise at any rate says nothing; unless a correction is to come.
    fn forget(&mut self) {
        let lift = self.waiting.first().map_or(self.floor, |lowest| self.floor.min(lowest.counter));
        let worthless = self.idle.iter().take_while(|rank| rank.counter <= lift);
        let is_settled = |rank: &&Rank| self.tenants.get(&rank.tenant).is_none_or(|tenant| tenant.in_service == 0);
        let gone: SmallVec<[Rank; 2]> = worthless.filter(is_settled).copied().collect();
        for rank in gone {
            self.idle.remove(&rank);
            self.tenants.remove(&rank.tenant);
        }
    }

    /// Tenants that are remembered.
    #[cfg(test)]
    pub(super) fn known(&self) -> usize {
        self.tenants.len()
    }
}
