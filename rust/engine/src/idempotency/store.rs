//! Which keys are taken, by which request, and for how long.

use std::collections::hash_map::{Entry, RandomState};
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::answer::{Answer, Lead, Subscription};

/// Of all that may be kept, one answer gets no more than this part.
const SHARE_OF_ONE: usize = 8;
/// What a key costs beside its answer.
const ENTRY_BYTES: usize = 512;

/// What a request with a key is to do.
#[derive(Debug)]
pub(crate) enum Claim {
    /// It is the first: make the answer, and read it.
    Lead(Lead, Subscription),
    /// The answer is there or under way.
    Follow(Subscription),
    /// The key was used for another request.
    Reused,
    /// Nothing can be kept now; go on as if there were no key.
    Unkept,
}

/// Names an entry: keyed hashes of tenant and key.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Slot(u128, u64);

/// Answers by key.
#[derive(Debug)]
pub(crate) struct Store {
    hashes: RandomState,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    entries: HashMap<u128, Held>,
    /// Whole answers, the oldest first, with the end of their time.
    whole: VecDeque<(Instant, Slot)>,
    bytes: usize,
    limit_bytes: usize,
    keep_for: Duration,
    /// Tells an entry from an earlier one of the same key.
    next: u64,
}

#[derive(Debug)]
struct Held {
    answer: Arc<Answer>,
    fingerprint: u128,
    slot: Slot,
    bytes: usize,
}

impl Store {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { hashes: RandomState::new(), kept: Mutex::default() })
    }

    /// What a tenant's request with this key is to do. `parts`: what makes it the same request.
    pub(crate) fn claim(
        self: &Arc<Self>,
        (tenant, key): (&str, &[u8]),
        parts: (usize, &[u8]),
        (keep_for, limit_bytes): (Duration, usize),
        now: Instant,
    ) -> Claim {
        let name = self.hash(&(tenant, key));
        let fingerprint = self.hash(&parts);
        let mut kept = self.kept.lock();
        (kept.keep_for, kept.limit_bytes) = (keep_for, limit_bytes);
        kept.expire(now);
        let slot = Slot(name, kept.next);
        match kept.entries.entry(name) {
            Entry::Occupied(held) => {
                let held = held.get();
                if held.fingerprint != fingerprint {
                    return Claim::Reused;
                }
                held.answer.subscribe().map_or(Claim::Unkept, Claim::Follow)
            }
            Entry::Vacant(place) => {
                if ENTRY_BYTES * SHARE_OF_ONE > limit_bytes {
                    return Claim::Unkept;
                }
                let answer = Answer::new();
                let Some(subscription) = answer.subscribe() else { return Claim::Unkept };
                place.insert(Held { answer: Arc::clone(&answer), fingerprint, slot, bytes: ENTRY_BYTES });
                kept.next += 1;
                kept.bytes += ENTRY_BYTES;
                kept.make_room();
                drop(kept);
                Claim::Lead(Lead::new(answer, slot, Arc::clone(self)), subscription)
            }
        }
    }

    /// An answer under way has grown; it is let go of when it takes too much.
    pub(super) fn grow(&self, slot: &Slot, length: usize) {
        let mut kept = self.kept.lock();
        let limit_of_one = kept.limit_bytes / SHARE_OF_ONE;
        let Some(held) = kept.entries.get_mut(&slot.0).filter(|held| held.slot == *slot) else { return };
        held.bytes += length;
        let is_too_large = held.bytes > limit_of_one;
        kept.bytes += length;
        if is_too_large {
            kept.remove(*slot);
        } else {
            kept.make_room();
        }
    }

    /// An answer is whole: its time begins.
    pub(super) fn keep(&self, slot: &Slot) {
        let mut kept = self.kept.lock();
        let ends = Instant::now() + kept.keep_for;
        kept.whole.push_back((ends, *slot));
    }

    pub(super) fn forget(&self, slot: &Slot) {
        self.kept.lock().remove(*slot);
    }

    /// Lets go of what is too old.
    pub(crate) fn sweep(&self, now: Instant) {
        self.kept.lock().expire(now);
    }

    fn hash(&self, value: &impl std::hash::Hash) -> u128 {
        u128::from(self.hashes.hash_one((0_u8, value))) << 64 | u128::from(self.hashes.hash_one((1_u8, value)))
    }
}

impl Kept {
    fn expire(&mut self, now: Instant) {
        while let Some((_, slot)) = self.whole.front().copied().filter(|(ends, _)| *ends <= now) {
            self.whole.pop_front();
            self.remove(slot);
        }
    }

    /// The oldest whole answers go first. Those under way stay: they are bounded one by one.
    fn make_room(&mut self) {
        while self.bytes > self.limit_bytes
            && let Some((_, slot)) = self.whole.pop_front()
        {
            self.remove(slot);
        }
    }

    fn remove(&mut self, slot: Slot) {
        if let Entry::Occupied(held) = self.entries.entry(slot.0)
            && held.get().slot == slot
        {
            let held = held.remove();
            self.bytes -= held.bytes;
            held.answer.let_go();
        }
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
