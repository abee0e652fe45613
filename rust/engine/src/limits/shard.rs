//! A part of the book: meters by id, and when each was last looked at.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use fastgate_core::limits::{Meter, Now};

/// Meters under one lock.
#[derive(Debug, Default)]
pub(super) struct Shard {
    meters: HashMap<u128, Meter, BuildHasherDefault<IdHasher>>,
    /// Their ids, the one that was looked at longest ago first.
    order: VecDeque<u128>,
    /// The latest time seen. Cores read their clocks before they get the lock, so times come out of order; and what is
    /// dropped for being idle at one time must not come back as new at an earlier one.
    latest: Now,
}

impl Shard {
    /// A moment, or the latest seen before if that is later.
    pub(super) fn at(&mut self, now: Now) -> Now {
        self.latest = self.latest.max(now);
        self.latest
    }

    pub(super) fn get(&mut self, id: u128) -> Option<&mut Meter> {
        self.meters.get_mut(&id)
    }

    /// A meter, and whether it is new.
    pub(super) fn get_or_insert(&mut self, id: u128, new: impl FnOnce() -> Meter) -> (&mut Meter, bool) {
        match self.meters.entry(id) {
            Entry::Occupied(found) => (found.into_mut(), false),
            Entry::Vacant(vacant) => {
                self.order.push_back(id);
                (vacant.insert(new()), true)
            }
        }
    }

    /// Takes back the meter that was inserted last.
    pub(super) fn remove_newest(&mut self) {
        if let Some(id) = self.order.pop_back() {
            self.meters.remove(&id);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.meters.len()
    }

    /// Looks at up to `budget` meters and drops those that are as good as new: how many.
    pub(super) fn sweep(&mut self, now: Now, budget: usize) -> usize {
        let now = self.at(now);
        let before = self.meters.len();
        for _ in 0..budget.min(before) {
            let Some(id) = self.order.pop_front() else { break };
            let Some(meter) = self.meters.get_mut(&id) else { continue };
            if meter.is_idle(now) {
                self.meters.remove(&id);
            } else {
                meter.shrink();
                self.order.push_back(id);
            }
        }
        let dropped = before - self.meters.len();
        // Growing again costs a copy, so only what is mostly empty is worth one.
        if dropped > 0 && self.meters.capacity() > 64 && self.meters.len() < self.meters.capacity() / 8 {
            self.meters.shrink_to(self.meters.len() * 2);
            self.order.shrink_to(self.meters.len() * 2);
        }
        dropped
    }
}

/// Ids are hashes already. The shard is chosen by their lowest bits, so the table goes by the highest.
#[derive(Debug, Default)]
pub(super) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, id: u128) {
        self.0 = (id >> 64) as u64;
    }
}
