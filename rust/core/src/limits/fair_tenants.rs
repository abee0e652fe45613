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
    /// Tenants that wait, by counter.
    waiting: BTreeSet<(u64, u64)>,
    /// Tenants that do not, by counter, as long as it says more than a lift would.
    idle: BTreeSet<(u64, u64)>,
    /// What a tenant is lifted to at least: the counter of the one that was served or left last.
    floor: u64,
    load: Load,
}

#[derive(Debug)]
struct Tenant<T> {
    counter: u64,
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
            counter: 0,
            in_service: 0,
            waiters: BTreeMap::new(),
            load: Load::default(),
        });
        if tenant.waiters.is_empty() {
            idle.remove(&(tenant.counter, key));
            tenant.counter = tenant.counter.max(lift);
            waiting.insert((tenant.counter, key));
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
            self.waiting.remove(&(found.counter, tenant));
            if self.waiting.is_empty() {
                self.floor = self.floor.max(found.counter);
            }
            self.idle.insert((found.counter, tenant));
            self.forget();
        }
        Some(waiter)
    }

    /// A tenant is served: nobody who comes later starts below where it stood. What it is charged; it still waits, so
    /// that whoever leaves last leaves its counter to those who come next. `None`: it does not wait.
    pub(super) fn begin_service(&mut self, tenant: u64, id: WaiterId) -> Option<u64> {
        let found = self.tenants.get_mut(&tenant)?;
        let tokens = found.waiters.get(&id)?.tokens;
        self.floor = self.floor.max(found.counter);
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
        order.remove(&(found.counter, tenant));
        found.counter = found.counter.saturating_add_signed(tokens);
        order.insert((found.counter, tenant));
        self.forget();
    }

    /// Everybody who waits, in order.
    pub(super) fn in_order(&self) -> impl Iterator<Item = (WaiterId, &Waiter<T>)> {
        self.waiting.iter().flat_map(|(_, tenant)| {
            let waiters = self.tenants.get(tenant).map(|tenant| &tenant.waiters);
            waiters.into_iter().flatten().map(|(id, waiter)| (*id, waiter))
        })
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
            Some(tenant) if !tenant.waiters.is_empty() => tenant.counter,
            _ => self.lift(waiter).max(known.map_or(0, |tenant| tenant.counter)),
        };
        let turn = counter.saturating_add(own);
        let sooner = self.waiting.iter().take_while(|(counter, _)| *counter <= turn);
        let others = sooner.filter(|(_, tenant)| *tenant != waiter.tenant);
        let ahead = others.filter_map(|(counter, tenant)| Some(load(self.tenants.get(tenant)?).min(turn - counter)));
        ahead.fold(own, u64::saturating_add)
    }

    fn lift(&self, waiter: &Waiter<T>) -> u64 {
        let mut rivals = self.waiting.iter().filter(|(_, tenant)| {
            let head = self.tenants.get(tenant).and_then(|tenant| tenant.waiters.first_key_value());
            head.is_some_and(|(_, head)| waiter.competes_with(head))
        });
        rivals.next().map_or(self.floor, |(counter, _)| *counter)
    }

    /// A counter that a lift would raise at any rate says nothing; unless a correction is to come.
    fn forget(&mut self) {
        let lift = self.waiting.first().map_or(self.floor, |(lowest, _)| self.floor.min(*lowest));
        let worthless = self.idle.iter().take_while(|(counter, _)| *counter <= lift);
        let is_settled = |tenant: &u64| self.tenants.get(tenant).is_none_or(|tenant| tenant.in_service == 0);
        let gone: SmallVec<[(u64, u64); 2]> = worthless.filter(|(_, tenant)| is_settled(tenant)).copied().collect();
        for (counter, tenant) in gone {
            self.idle.remove(&(counter, tenant));
            self.tenants.remove(&tenant);
        }
    }

    /// Tenants that are remembered.
    #[cfg(test)]
    pub(super) fn known(&self) -> usize {
        self.tenants.len()
    }
}
