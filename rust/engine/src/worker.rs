//! One core's share of the engine: its connections to providers, its random numbers, its counts.

use std::cell::{Cell, RefCell};
use std::hash::BuildHasher;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastgate_core::limits::Amounts;

use crate::client_tokens::ClientTokens;
use crate::gateway::Shared;
use crate::limits::Askers;
use crate::record::Record;
use crate::record_json;
use crate::settlement::Counts;
use crate::snapshot::Snapshot;
use crate::spool::SpoolWriter;
use crate::telemetry::CoreTelemetry;
use crate::upstream::Pool;

/// Identities with counts of their own that a core looks at in a second, to drop those that use nothing.
const IDENTITIES_SWEPT: usize = 20_000;

/// State of one core. Never shared: what other cores may see is in [`Shared`].
#[derive(Debug)]
pub struct Worker {
    /// What all cores share.
    pub shared: Arc<Shared>,
    /// This core's counts.
    pub counts: Arc<Counts>,
    pub(crate) telemetry: CoreTelemetry,
    pub(crate) pool: RefCell<Pool>,
    spool: RefCell<Option<SpoolWriter>>,
    /// Where a record is written before it goes out; kept, so that none allocates.
    written: RefCell<Vec<u8>>,
    pub(crate) client_tokens: RefCell<ClientTokens>,
    pub(crate) askers: RefCell<Askers>,
    random: Cell<u64>,
    request_salt: u64,
    requests: Cell<u32>,
    is_ending: Cell<bool>,
}

impl Worker {
    /// A worker whose counts `shared` already knows.
    #[must_use]
    pub fn new(shared: Arc<Shared>, counts: Arc<Counts>) -> Rc<Self> {
        let seeds = std::hash::RandomState::new();
        let spool = shared.spool.as_ref().and_then(|spool| spool.writer());
        let telemetry = shared.telemetry.add_core();
        Rc::new(Self {
            shared,
            counts,
            telemetry,
            pool: RefCell::default(),
            spool: RefCell::new(spool),
            written: RefCell::default(),
            client_tokens: RefCell::default(),
            askers: RefCell::default(),
            random: Cell::new(seeds.hash_one(1)),
            request_salt: seeds.hash_one(2),
            requests: Cell::new(0),
            is_ending: Cell::new(false),
        })
    }

    /// The configuration in force now; an exchange keeps the one it began with.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.snapshot.load_full()
    }

    /// This core stops: what it drops from now on its clients have not left.
    pub(crate) fn end(&self) {
        self.is_ending.set(true);
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.is_ending.get()
    }

    /// Writes down what an exchange came to, where there is a spool; then the record survives the death of the process.
    pub(crate) fn keep(&self, record: &Record) {
        if let Some(writer) = &mut *self.spool.borrow_mut() {
            let mut written = self.written.borrow_mut();
            written.clear();
            record_json::write(record, &mut written);
            // A failure has been counted and raises the spool's alarm; the answer goes out all the same.
            let _ = writer.append(&written);
        }
    }

    /// Writes down what an exchange may use at most; then it counts even if the process dies in the middle of it.
    ///
    /// # Errors
    /// It can't be written. Without a spool there is nothing to write to, and nothing that would outlive the process.
    pub(crate) fn keep_reservation(&self, record: &Record, bounds: &Amounts) -> std::io::Result<()> {
        let Some(writer) = &mut *self.spool.borrow_mut() else { return Ok(()) };
        let mut written = self.written.borrow_mut();
        written.clear();
        record_json::write_reservation(record, bounds, &mut written);
        writer.append(&written)
    }

    /// Drops idle connections to providers that are too old or dead, closes a spool segment that is due, and hands over
    /// what was logged.
    pub(crate) fn sweep(&self) {
        if let Some(writer) = &mut *self.spool.borrow_mut() {
            writer.rotate_if_due();
        }
        self.telemetry.sweep();
        self.shared.idempotency.sweep(Instant::now());
        self.shared.customers.book.sweep(self.shared.customers.present(), IDENTITIES_SWEPT);
        let bounds = self.shared.snapshot.load().tables.bounds;
        self.pool.borrow_mut().sweep(Instant::now(), Duration::from_millis(bounds.idle_timeout_ms));
    }

    /// The next random number (wyrand: fast, uniform, not for secrets).
    pub fn random(&self) -> u64 {
        let state = self.random.get().wrapping_add(0xa076_1d64_78bd_642f);
        self.random.set(state);
        let wide = u128::from(state) * u128::from(state ^ 0xe703_7ed1_a0b4_28db);
        #[expect(clippy::cast_possible_truncation, reason = "folding both halves is the algorithm")]
        let folded = (wide >> 64) as u64 ^ wide as u64;
        folded
    }

    /// A new request id: 24 hex digits, unique across cores and restarts.
    pub fn request_id(&self) -> RequestId {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        let count = self.requests.get().wrapping_add(1);
        self.requests.set(count);
        let number = (u128::from(self.request_salt) << 32) | u128::from(count);
        let mut text = *b"fgr_000000000000000000000000";
        for (index, digit) in text[4..].iter_mut().rev().enumerate() {
            *digit = HEX[(number >> (4 * index)) as usize & 15];
        }
        RequestId(text)
    }
}

/// Names one exchange in headers, errors and records.
#[derive(Clone, Copy, Debug)]
pub struct RequestId([u8; 28]);

impl RequestId {
    /// The id's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}
