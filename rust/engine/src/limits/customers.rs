//! The limits of all customers: the book, and what it goes by beside the rules.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::SystemTime;

use fastgate_core::limits::outputs::RecentOutputs;
use fastgate_core::limits::{Applied, Now, Who};
use foldhash::HashMap;
use foldhash::fast::RandomState;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::askers::Askers;
use super::book::Book;
use super::events::{Events, Kind};
use super::line::Line;
use super::raises::Raises;
use super::standings::Remembered;
use crate::clock::{nanoseconds, since_1970, unix_ms, unix_s};
use crate::record::Record;
use crate::snapshot::Snapshot;

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
    pub(super) raises: Raises,
    pub(super) remembered: Remembered,
    started: Instant,
    started_ns: u64,
}

impl Customers {
    /// Nothing used, so many identities.
    pub(crate) fn new(identities: usize) -> Self {
        Self {
            book: Arc::new(Book::new(identities)),
            outputs: Mutex::default(),
            hasher: RandomState::default(),
            events: Events::default(),
            raises: Raises::default(),
            remembered: Remembered::default(),
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
        self.now(Instant::now(), unix_s(SystemTime::now()))
    }

    /// The rules that apply to an exchange, raised where they are.
    pub(super) fn applied(&self, askers: &mut Askers, record: &Record) -> Vec<Applied> {
        let Some(who) = who(record) else { return Vec::new() };
        let mut applied = askers.applied(&record.snapshot, &who);
        self.raises.apply(&mut applied, &who, &record.snapshot.tables, || unix_ms(record.started_at));
        applied
    }

    /// The rule of which so much is used that a cheaper model has to do; of several, the one that asks for it latest.
    pub(crate) fn downgrade(&self, snapshot: &Snapshot, record: &Record, applied: &[Applied]) -> Option<usize> {
        let limits = &snapshot.tables.limits;
        let mut latest: Option<(u32, usize)> = None;
        for applied in applied {
            let Some(downgrade) = &limits[applied.rule].downgrade else { continue };
            let now = self.now(record.last_lap(), record.started_unix_s());
            let line = Line::of(self, snapshot, applied, now);
            let is_later = latest.is_none_or(|(at_permille, _)| downgrade.at_permille > at_permille);
            if line.used_permille >= u64::from(downgrade.at_permille) && is_later {
                self.events.note(Kind::Downgraded, applied.meter, applied.rule, record, line.used_permille);
                latest = Some((downgrade.at_permille, applied.rule));
            }
        }
        latest.map(|(_, rule)| rule)
    }

    /// Puts these raises in force, and no others: a JSON list of `{rule, identity, amount, ends_unix_ms}`.
    ///
    /// # Errors
    /// What is wrong with the document; the old ones go on.
    pub(crate) fn set_raises(&self, document: &[u8]) -> Result<(), String> {
        self.raises.set(document)
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
