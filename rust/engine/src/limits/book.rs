//! The book of limits: every identity's meters, shared by the cores.
//!
//! Meters are spread over shards by their id, each under a lock of its own. A reservation locks the shards of all its
//! meters in ascending order, so no two can wait for each other; asks all meters, and holds on all or on none. Everything
//! else locks one shard at a time. Nothing here waits for anything else while it has a lock.
//!
//! A meter is dropped only while it is as good as new. Beyond the bound on identities, those that come share one meter per
//! rule until there is room: together they may use what one may.

use fastgate_core::limits::{Applied, Meter, Now, Refusal, Rules, Standing};
use fastgate_core::tables::limits::Resource;
use smallvec::SmallVec;

pub use super::held::Held;
use super::held::Part;
use super::shard::Shard;
use super::sync::{Arc, AtomicU64, AtomicUsize, Mutex, MutexGuard, Ordering};

/// As many as a `u64` has bits.
const SHARDS: usize = u64::BITS as usize;

/// Meters that are looked at under one lock in a sweep.
const SWEPT_AT_ONCE: usize = 64;

/// What a request asks of one rule.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// The rule, and the meter it counts on.
    pub applied: Applied,
    /// Units or picodollars: an upper bound for a hard limit, an estimate for a soft one.
    pub cost: u64,
}

/// Why a request may not be served.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Denied {
    /// Index of the rule that says so; of several, the one that says so longest.
    pub rule: usize,
    /// What it says.
    pub refusal: Refusal,
}

/// Every identity's meters.
#[derive(Debug)]
pub struct Book {
    shards: [Mutex<Shard>; SHARDS],
    /// Meters there are.
    identities: AtomicUsize,
    /// Meters there may be, beside those that are shared.
    identities_max: AtomicUsize,
    shared: AtomicU64,
    /// The shard that is swept next.
    swept: AtomicUsize,
}

impl Book {
    /// An empty book for so many identities.
    #[must_use]
    pub fn new(identities_max: usize) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::new(Shard::default())),
            identities: AtomicUsize::new(0),
            identities_max: AtomicUsize::new(identities_max),
            shared: AtomicU64::new(0),
            swept: AtomicUsize::new(0),
        }
    }

    /// Bounds the identities anew; those there are stay until they are idle.
    pub fn set_identities_max(&self, identities_max: usize) {
        self.identities_max.store(identities_max, Ordering::Relaxed);
    }

    /// Reserves what every rule asks for, or nothing. `asks` are of [`Rules::applied`] of the same rules. A cost of 0 is
    /// held like any other: what it turns out to have used is booked on its meter.
    ///
    /// # Errors
    /// The refusal that holds longest. Nothing is consumed then.
    pub fn reserve(self: &Arc<Self>, rules: &Rules, asks: &[Ask], now: Now) -> Result<Held, Denied> {
        let wanted = asks.iter().map(|ask| Wanted { applied: ask.applied, cost: ask.cost, on: None });
        let parts = self.open(rules, wanted, now)?;
        Ok(Held { book: Arc::clone(self), parts, at: now })
    }

    /// Raises what is held to the costs given, all of them or none; lower ones change nothing. A meter of which nothing
    /// is held is asked as by [`Self::reserve`].
    ///
    /// # Errors
    /// As [`Self::reserve`]; what was held before still is.
    pub fn top_up(&self, rules: &Rules, held: &mut Held, asks: &[Ask], now: Now) -> Result<(), Denied> {
        let mut wanted = SmallVec::<[Wanted; 8]>::new();
        for ask in asks {
            let of_meter = || held.parts.iter().filter(|part| part.asked == ask.applied.meter);
            let held_cost = of_meter().fold(0_u64, |sum, part| sum.saturating_add(part.cost));
            let on = of_meter().next().map(|part| part.meter);
            if on.is_some() && ask.cost <= held_cost {
                continue;
            }
            // What is missing may fit where all of it never will.
            if rules.specs()[ask.applied.rule].never_fits(ask.cost, ask.applied.allowance) {
                return Err(Denied { rule: ask.applied.rule, refusal: Refusal::TooLarge });
            }
            wanted.push(Wanted { applied: ask.applied, cost: ask.cost - held_cost.min(ask.cost), on });
        }
        held.parts.extend(self.open(rules, wanted.iter().copied(), now)?);
        Ok(())
    }

    /// Makes reservations final at what was used of each resource, less or more; `None` keeps the costs as reserved.
    /// What is concurrent is over.
    pub fn settle(&self, mut held: Held, used: impl Fn(Resource) -> Option<u64>, now: Now) {
        let parts = std::mem::take(&mut held.parts);
        self.close(&parts, used, now);
    }

    /// Books what was used at some time, without asking: what is replayed. See [`Meter::add`].
    pub fn add(&self, rules: &Rules, applied: &Applied, used: u64, at: Now) {
        if used == 0 {
            return;
        }
        let spec = &rules.specs()[applied.rule];
        let mut shard = self.lock(applied.meter);
        if let Some(meter) = shard.get(applied.meter) {
            return meter.add(used, at);
        }
        let mut id = applied.meter;
        if self.is_full() {
            drop(shard);
            id = spec.shared_meter;
            self.shared.fetch_add(1, Ordering::Relaxed);
            shard = self.lock(id);
        }
        let (meter, is_new) = shard.get_or_insert(id, || Meter::new(spec, applied.allowance, at));
        meter.add(used, at);
        self.identities.fetch_add(usize::from(is_new), Ordering::Relaxed);
    }

    /// Where an identity stands with a rule.
    #[must_use]
    pub fn standing(&self, rules: &Rules, applied: &Applied, now: Now) -> Standing {
        let spec = &rules.specs()[applied.rule];
        let in_its_place = self.is_full().then_some(spec.shared_meter);
        for id in [Some(applied.meter), in_its_place].into_iter().flatten() {
            let mut shard = self.lock(id);
            let now = shard.at(now);
            if let Some(meter) = shard.get(id) {
                return meter.standing(applied.allowance, now);
            }
        }
        Meter::new(spec, applied.allowance, now).standing(applied.allowance, now)
    }

    /// Looks at up to `budget` meters, those first that were not looked at longest, and drops what is as good as new: how
    /// many. For once a second; holds a lock for a few microseconds at a time.
    pub fn sweep(&self, now: Now, budget: usize) -> usize {
        let (mut left, mut dropped) = (budget.min(self.identities()), 0);
        let mut empty_shards = 0;
        while left > 0 && empty_shards < SHARDS {
            let index = self.swept.fetch_add(1, Ordering::Relaxed) % SHARDS;
            let mut shard = self.shards[index].lock();
            let looked_at = left.min(SWEPT_AT_ONCE).min(shard.len());
            let gone = shard.sweep(now, looked_at);
            drop(shard);
            self.identities.fetch_sub(gone, Ordering::Relaxed);
            left -= looked_at;
            dropped += gone;
            empty_shards = if looked_at == 0 { empty_shards + 1 } else { 0 };
        }
        dropped
    }

    /// Meters there are, shared ones among them.
    #[must_use]
    pub fn identities(&self) -> usize {
        self.identities.load(Ordering::Relaxed)
    }

    /// How often somebody had to share a meter since there was no room for one of their own.
    #[must_use]
    pub fn shared_identities(&self) -> u64 {
        self.shared.load(Ordering::Relaxed)
    }

    fn is_full(&self) -> bool {
        self.identities() >= self.identities_max.load(Ordering::Relaxed)
    }

    fn lock(&self, id: u128) -> MutexGuard<'_, Shard> {
        self.shards[shard_of(id)].lock()
    }

    fn open(&self, rules: &Rules, wanted: impl Iterator<Item = Wanted> + Clone, now: Now) -> Result<Vec<Part>, Denied> {
        // Cores that find room at the same moment may go beyond the bound by one request each.
        let is_full = self.is_full();
        let mut guards = self.lock_all(rules, wanted.clone(), is_full);
        let mut parts = Vec::with_capacity(wanted.size_hint().0);
        let mut new = SmallVec::<[u128; 8]>::new();
        let (mut denied, mut without_room) = (None::<Denied>, 0);
        for Wanted { applied, cost, on } in wanted {
            let spec = &rules.specs()[applied.rule];
            let mut id = on.unwrap_or(applied.meter);
            if is_full && on.is_none() && guards.shard(id).get(id).is_none() {
                id = spec.shared_meter;
                without_room += 1;
            }
            let shard = guards.shard(id);
            let now = shard.at(now);
            let (meter, is_new) = shard.get_or_insert(id, || Meter::new(spec, applied.allowance, now));
            if is_new {
                new.push(id);
            }
            match meter.check(cost, applied.allowance, now) {
                // Once one says no the others are asked for what they say, not held.
                Ok(()) if denied.is_some() => {}
                Ok(()) => {
                    let hold = meter.hold(cost, now);
                    // Now, since it is at hand: looked for again it would cost as much as the reservation.
                    let standing = meter.standing(applied.allowance, now);
                    let resource = spec.resource;
                    parts.push(Part { asked: applied.meter, meter: id, hold, cost, resource, standing });
                }
                Err(refusal) => {
                    if denied.is_none_or(|denied| denied.refusal.weight() < refusal.weight()) {
                        denied = Some(Denied { rule: applied.rule, refusal });
                    }
                }
            }
        }
        let Some(denied) = denied else {
            self.identities.fetch_add(new.len(), Ordering::Relaxed);
            self.shared.fetch_add(without_room, Ordering::Relaxed);
            return Ok(parts);
        };
        for part in &parts {
            let shard = guards.shard(part.meter);
            let now = shard.at(now);
            if let Some(meter) = shard.get(part.meter) {
                meter.settle(part.hold, Some(0), now);
            }
        }
        for id in new.iter().rev() {
            guards.shard(*id).remove_newest();
        }
        Err(denied)
    }

    /// Locks the shards of all meters that may be touched, once each, in ascending order.
    fn lock_all(&self, rules: &Rules, wanted: impl Iterator<Item = Wanted>, is_full: bool) -> Guards<'_> {
        let mut set = 0_u64;
        for Wanted { applied, on, .. } in wanted {
            set |= 1 << shard_of(on.unwrap_or(applied.meter));
            if is_full {
                set |= 1 << shard_of(rules.specs()[applied.rule].shared_meter);
            }
        }
        let mut guards = SmallVec::new();
        let mut left = set;
        while left != 0 {
            guards.push(self.shards[left.trailing_zeros() as usize].lock());
            left &= left - 1;
        }
        Guards { set, guards }
    }

    pub(super) fn close(&self, parts: &[Part], used: impl Fn(Resource) -> Option<u64>, now: Now) {
        for (index, part) in parts.iter().enumerate() {
            let is_same = |other: &Part| other.asked == part.asked;
            let used = used(part.resource).map(|used| {
                // What was topped up counts where it was held, and what nobody held comes last.
                let before = parts[..index].iter().filter(|other| is_same(other));
                let left = before.fold(used, |left, other| left.saturating_sub(other.cost));
                if parts[index + 1..].iter().any(is_same) { left.min(part.cost) } else { left }
            });
            let mut shard = self.lock(part.meter);
            let now = shard.at(now);
            if let Some(meter) = shard.get(part.meter) {
                meter.settle(part.hold, used, now);
            }
        }
    }
}

/// What is to be held on one meter.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    applied: Applied,
    cost: u64,
    /// The meter, where it is settled already.
    on: Option<u128>,
}

/// Shards that are locked.
struct Guards<'a> {
    /// Which, a bit each.
    set: u64,
    /// In ascending order.
    guards: SmallVec<[MutexGuard<'a, Shard>; 8]>,
}

impl Guards<'_> {
    /// The shard of a meter that was locked for.
    fn shard(&mut self, id: u128) -> &mut Shard {
        let below = self.set & ((1 << shard_of(id)) - 1);
        &mut self.guards[below.count_ones() as usize]
    }
}

const fn shard_of(id: u128) -> usize {
    (id % SHARDS as u128) as usize
}
