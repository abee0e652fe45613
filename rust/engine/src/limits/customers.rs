//! The limits of all customers: the book, and what it goes by beside the rules.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use fastgate_core::limits::outputs::RecentOutputs;
use fastgate_core::limits::{Applied, Now, Rules, Who};
use foldhash::HashMap;
use foldhash::fast::RandomState;
use parking_lot::Mutex;
use smallvec::SmallVec;
use tokio::time::Instant;

use super::book::Book;
use super::events::Events;
use crate::clock::{nanoseconds, since_1970};
use crate::record::Record;

/// (Tenant, feature, model) whose recent outputs are known; at the bound all are forgotten, and the few in use come back
/// at once.
const KNOWN_OUTPUTS: usize = 4096;

/// Limits of customers, shared by the cores.
#[derive(Debug)]
pub(crate) struct Customers {
    pub(crate) book: Arc<Book>,
    outputs: Mutex<HashMap<u64, RecentOutputs>>,
    hasher: RandomState,
    pub(crate) events: Events,
    raises: ArcSwap<Vec<Raise>>,
    started: Instant,
    started_ns: u64,
}

/// A limit is higher for a while.
#[derive(Debug)]
pub(crate) struct Raise {
    /// Name of the rule.
    pub(crate) rule: String,
    /// For this tenant, user and key only, where they are given.
    pub(crate) tenant: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) key: Option<String>,
    /// Units or picodollars.
    pub(crate) amount: u64,
    pub(crate) ends_unix_s: i64,
}

impl Customers {
    /// Nothing used, so many identities.
    pub(crate) fn new(identities: usize) -> Self {
        Self {
            book: Arc::new(Book::new(identities)),
            outputs: Mutex::default(),
            hasher: RandomState::default(),
            events: Events::default(),
            raises: ArcSwap::default(),
            started: Instant::now(),
            started_ns: nanoseconds(since_1970(SystemTime::now())),
        }
    }

    /// The moment `at`, the wall clock being at `unix_s`.
    pub(crate) fn now(&self, at: Instant, unix_s: i64) -> Now {
        let elapsed_ns = nanoseconds(at.saturating_duration_since(self.started));
        Now { steady_ns: self.started_ns.saturating_add(elapsed_ns), unix_s }
    }

    /// The same for the present.
    pub(crate) fn present(&self) -> Now {
        self.now(Instant::now(), crate::clock::unix_s(SystemTime::now()))
    }

    /// The rules that apply to an exchange, raised where they are.
    pub(crate) fn applied(&self, rules: &Rules, record: &Record) -> SmallVec<[Applied; 8]> {
        let Some(who) = who(record) else { return SmallVec::new() };
        let mut applied = rules.applied(&who);
        let raises = self.raises.load();
        if !raises.is_empty() {
            let now_unix_s = record.started_unix_s();
            for applied in &mut applied {
                for raise in raises.iter() {
                    if !raise.is_for(applied, record, now_unix_s) {
                        continue;
                    }
                    applied.allowance.burst = scaled(applied.allowance.burst, applied.allowance.amount, raise.amount);
                    applied.allowance.amount = applied.allowance.amount.max(raise.amount);
                }
            }
        }
        applied
    }

    /// Puts these raises in force, and no others.
    pub(crate) fn set_raises(&self, raises: Vec<Raise>) {
        self.raises.store(Arc::new(raises));
    }

    /// How long an answer to such a request is likely to be.
    pub(crate) fn estimated_output(&self, record: &Record) -> Option<u64> {
        self.outputs.lock().get(&self.output_key(record))?.estimate()
    }

    /// An answer was so long.
    pub(crate) fn note_output(&self, record: &Record, tokens: u64) {
        let mut outputs = self.outputs.lock();
        if outputs.len() >= KNOWN_OUTPUTS {
            outputs.clear();
        }
        outputs.entry(self.output_key(record)).or_default().note(tokens);
    }

    fn output_key(&self, record: &Record) -> u64 {
        self.hasher.hash_one((record.tenant, &record.identity.feature, &record.model))
    }
}

impl Raise {
    fn is_for(&self, applied: &Applied, record: &Record, now_unix_s: i64) -> bool {
        let tables = &record.snapshot.tables;
        let is = |wanted: &Option<String>, found: Option<&str>| wanted.as_deref().is_none_or(|it| found == Some(it));
        self.ends_unix_s > now_unix_s
            && tables.limits[applied.rule].name == self.rule
            && is(&self.tenant, record.tenant.map(|tenant| tables.tenants[tenant].id.as_str()))
            && is(&self.user, record.identity.user.as_deref())
            && is(&self.key, record.key.as_deref())
    }
}

/// A burst that grows with its amount.
fn scaled(burst: u64, amount: u64, raised: u64) -> u64 {
    let grown = u128::from(burst) * u128::from(raised) / u128::from(amount.max(1));
    u64::try_from(grown).unwrap_or(u64::MAX).max(burst)
}

/// Whose an exchange is, once its tenant is known.
pub(crate) fn who(record: &Record) -> Option<Who<'_>> {
    let tenant = record.tenant?;
    Some(Who {
        tenant,
        tier: record.snapshot.tables.tenants[tenant].tier,
        key: record.key.as_deref(),
        user: record.identity.user.as_deref(),
        feature: record.identity.feature.as_deref(),
        session: record.identity.session.as_deref(),
        model: record.model.as_deref(),
    })
}
