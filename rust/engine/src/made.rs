//! Who made what a provider keeps: the ids of responses, conversations, files and batches, each with its tenant and
//! deployment.
//!
//! An id leads back to the account that knows it, and only for its own tenant. Bounded and in memory: the least recently
//! used are forgotten first, all of them after 30 days (as long as OpenAI keeps a response) or with the process. Only
//! keyed hashes are kept, 40 bytes an id.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

const SHARDS: usize = 16;
/// Ids kept over all shards and both generations.
const CAPACITY: usize = 100_000;
const KEPT_FOR: Duration = Duration::from_secs(30 * 86_400);

/// What is known of an id.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Maker {
    /// This tenant's, made by the deployment at this index of those asked about; `None` if it is none of them.
    Own(Option<usize>),
    /// Another tenant's.
    Foreign,
    /// Never seen, or forgotten.
    Unknown,
}

/// The ids of one engine.
#[derive(Debug)]
pub(crate) struct Made {
    hashes: RandomState,
    shards: [Mutex<Shard>; SHARDS],
    started: Instant,
}

/// Two generations: what is used moves to the young one; when that is full, the old one is forgotten. That is nearly
/// least recently used, without a list through the entries.
#[derive(Debug, Default)]
struct Shard {
    young: HashMap<u128, Entry>,
    old: HashMap<u128, Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    tenant: u64,
    deployment: u64,
    made_at_s: u32,
    /// Its tokens were booked.
    is_booked: bool,
}

impl Made {
    pub(crate) fn new(now: Instant) -> Self {
        Self { hashes: RandomState::new(), shards: Default::default(), started: now }
    }

    /// Notes that `deployment` made `id` for `tenant`. The first note stays: an id never changes its tenant.
    pub(crate) fn note(&self, id: &str, tenant: &str, deployment: &str, is_booked: bool, now: Instant) {
        let key = self.key(id);
        let entry = Entry {
            tenant: self.hashes.hash_one(tenant),
            deployment: self.hashes.hash_one(deployment),
            made_at_s: self.seconds(now),
            is_booked,
        };
        let mut shard = self.shard(key).lock();
        if shard.find(key, self.seconds(now)).is_none() {
            shard.put(key, entry);
        }
    }

    /// Who made `id`, as far as `tenant` may know; `deployments` are those of now.
    pub(crate) fn maker<'a>(
        &self,
        id: &str,
        tenant: &str,
        deployments: impl Iterator<Item = &'a str>,
        now: Instant,
    ) -> Maker {
        let key = self.key(id);
        let Some(entry) = self.shard(key).lock().find(key, self.seconds(now)) else { return Maker::Unknown };
        if entry.tenant != self.hashes.hash_one(tenant) {
            return Maker::Foreign;
        }
        let mut deployments = deployments.map(|deployment| self.hashes.hash_one(deployment));
        Maker::Own(deployments.position(|deployment| deployment == entry.deployment))
    }

    /// Whether the tokens of `id` are still to be booked. True once: it counts as booked from then on.
    pub(crate) fn book(&self, id: &str, tenant: &str) -> bool {
        let key = self.key(id);
        let mut shard = self.shard(key).lock();
        // Whoever asks has asked for its maker before, so it is young.
        let entry = shard.young.get_mut(&key).filter(|entry| entry.tenant == self.hashes.hash_one(tenant));
        entry.is_some_and(|entry| !std::mem::replace(&mut entry.is_booked, true))
    }

    fn key(&self, id: &str) -> u128 {
        u128::from(self.hashes.hash_one((0_u8, id))) << 64 | u128::from(self.hashes.hash_one((1_u8, id)))
    }

    fn shard(&self, key: u128) -> &Mutex<Shard> {
        &self.shards[(key & (SHARDS as u128 - 1)) as usize]
    }

    fn seconds(&self, now: Instant) -> u32 {
        u32::try_from(now.saturating_duration_since(self.started).as_secs()).unwrap_or(u32::MAX)
    }
}

impl Shard {
    fn find(&mut self, key: u128, now_s: u32) -> Option<Entry> {
        let is_fresh = |entry: &Entry| u64::from(now_s.saturating_sub(entry.made_at_s)) < KEPT_FOR.as_secs();
        if let Some(entry) = self.young.get(&key) {
            return Some(*entry).filter(is_fresh);
        }
        let entry = self.old.remove(&key).filter(is_fresh)?;
        self.put(key, entry);
        Some(entry)
    }

    fn put(&mut self, key: u128, entry: Entry) {
        if self.young.len() >= CAPACITY / SHARDS / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEPLOYMENTS: [&str; 2] = ["alpha", "beta"];

    #[test]
    fn an_id_leads_its_own_tenant_back_and_nobody_else() {
        let now = Instant::now();
        let made = Made::new(now);
        let ask = |id, tenant| made.maker(id, tenant, DEPLOYMENTS.into_iter(), now);
        made.note("resp_1", "acme", "beta", false, now);
        made.note("resp_2", "acme", "gone", false, now);
        assert_eq!(ask("resp_1", "acme"), Maker::Own(Some(1)));
        assert_eq!(ask("resp_2", "acme"), Maker::Own(None));
        assert_eq!(ask("resp_1", "other"), Maker::Foreign);
        assert_eq!(ask("resp_3", "acme"), Maker::Unknown);
        made.note("resp_1", "other", "alpha", false, now);
        assert_eq!((ask("resp_1", "acme"), ask("resp_1", "other")), (Maker::Own(Some(1)), Maker::Foreign));
    }

    #[test]
    fn books_once_and_for_its_own_tenant_alone() {
        let now = Instant::now();
        let made = Made::new(now);
        made.note("batch_1", "acme", "alpha", false, now);
        made.note("resp_1", "acme", "alpha", true, now);
        assert!(!made.book("batch_1", "other") && !made.book("resp_1", "acme") && !made.book("unknown", "acme"));
        assert!(made.book("batch_1", "acme") && !made.book("batch_1", "acme"));
    }

    #[test]
    fn forgets_what_is_too_old() {
        let start = Instant::now();
        let made = Made::new(start);
        made.note("resp_1", "acme", "alpha", false, start);
        let ask = |now| made.maker("resp_1", "acme", DEPLOYMENTS.into_iter(), now);
        let end = start + KEPT_FOR;
        assert_eq!(end.checked_sub(Duration::from_secs(1)).map(ask), Some(Maker::Own(Some(0))));
        assert_eq!(ask(end), Maker::Unknown);
    }

    #[test]
    fn is_bounded_and_keeps_what_is_used() {
        let now = Instant::now();
        let made = Made::new(now);
        made.note("used", "acme", "alpha", false, now);
        for index in 0..3 * CAPACITY {
            made.note(&format!("resp_{index}"), "acme", "alpha", false, now);
            if index % 1000 == 0 {
                assert_eq!(made.maker("used", "acme", DEPLOYMENTS.into_iter(), now), Maker::Own(Some(0)), "{index}");
            }
        }
        let kept: usize =
            made.shards.iter().map(|shard| shard.lock()).map(|shard| shard.young.len() + shard.old.len()).sum();
        assert!((CAPACITY / 3..=CAPACITY).contains(&kept), "{kept}");
    }
}
