//! Settling: every exchange ends in exactly one outcome, also when its client leaves or its task dies.
//!
//! Cancellation is dropping, so the last word is `Drop`: whoever holds the exchange holds its [`Settlement`], and
//! when that goes away unsettled the client has left (or the gateway has stopped, or the task has panicked).

use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

use fastgate_core::failure::{Cause, TABLE};

use crate::record::Record;
use crate::worker::Worker;

/// How an exchange ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The provider's answer went out whole.
    Answered,
    /// The provider's error went out as it came.
    ProviderError,
    /// The gateway said no, or gave up.
    Failed(Cause),
    /// The client hung up first.
    ClientGone,
    /// The gateway stopped before it was over.
    Stopped,
    /// The exchange's task panicked.
    Panicked,
    /// The gateway died in the middle of it; what it held counts as used.
    Lost,
}

const FIXED: [(Outcome, &str); 6] = [
    (Outcome::Answered, "answered"),
    (Outcome::ProviderError, "provider_error"),
    (Outcome::ClientGone, "client_gone"),
    (Outcome::Stopped, "stopped"),
    (Outcome::Panicked, "panicked"),
    (Outcome::Lost, "lost"),
];

impl Outcome {
    /// Its word in records and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Failed(cause) => cause.row().code,
            fixed => FIXED[fixed.index()].1,
        }
    }

    /// Whose doing it is.
    #[must_use]
    pub fn fault(self) -> &'static str {
        match self {
            Self::Answered => "none",
            Self::ProviderError => "provider",
            Self::ClientGone => "caller",
            Self::Stopped | Self::Panicked | Self::Lost => "gateway",
            Self::Failed(cause) => cause.row().fault.name(),
        }
    }

    fn index(self) -> usize {
        match self {
            Self::Failed(cause) => FIXED.len() + cause as usize,
            fixed => FIXED.iter().position(|(outcome, _)| *outcome == fixed).unwrap_or(0),
        }
    }
}

/// Counts of one core. Each core writes its own; readers add them up.
#[derive(Debug)]
pub struct Counts {
    started: AtomicU64,
    settled: [AtomicU64; FIXED.len() + TABLE.len()],
}

impl Default for Counts {
    fn default() -> Self {
        Self { started: AtomicU64::new(0), settled: std::array::from_fn(|_| AtomicU64::new(0)) }
    }
}

impl Counts {
    /// Exchanges begun, and settled by outcome: (name, fault's owner, count).
    pub fn read(&self) -> (u64, impl Iterator<Item = (&'static str, &'static str, u64)> + '_) {
        let fixed = FIXED.iter().map(|(outcome, name)| (*name, outcome.fault()));
        let names = fixed.chain(TABLE.iter().map(|row| (row.code, row.fault.name())));
        let settled = self.settled.iter().map(|count| count.load(Ordering::Relaxed));
        (self.started.load(Ordering::Relaxed), names.zip(settled).map(|((name, fault), count)| (name, fault, count)))
    }
}

/// The duty to settle one exchange, with all that is known of it.
#[derive(Debug)]
pub struct Settlement {
    worker: Rc<Worker>,
    /// What settling writes down.
    pub record: Box<Record>,
    is_settled: bool,
}

impl Settlement {
    /// Takes the duty on.
    pub fn begin(worker: Rc<Worker>, record: Record) -> Self {
        worker.counts.started.fetch_add(1, Ordering::Relaxed);
        Self { worker, record: Box::new(record), is_settled: false }
    }

    /// Notes that the exchange's provider keeps something under this id, and whether its tokens are booked with this
    /// exchange.
    pub(crate) fn note_made(&self, id: &str, is_booked: bool) {
        if let Some((tenant, deployment)) = self.record.owner() {
            self.worker.shared.made.note(id, tenant, deployment, is_booked, std::time::Instant::now());
        }
    }

    /// Whether the tokens of what the id names are to be booked with this exchange: once, by the first that sees them.
    pub(crate) fn books(&self, id: &str) -> bool {
        self.record.owner().is_some_and(|(tenant, _)| self.worker.shared.made.book(id, tenant))
    }

    /// Settles; only the first outcome counts.
    pub fn settle(&mut self, outcome: Outcome) {
        if std::mem::replace(&mut self.is_settled, true) {
            return;
        }
        self.worker.counts.settled[outcome.index()].fetch_add(1, Ordering::Relaxed);
        self.record.finish(outcome, &self.worker.shared.vocabularies);
        if let Some(drill) = &self.record.drill {
            drill.note(outcome);
        }
        if let Some(taken) = self.record.taken.take() {
            taken.settle(self.record.usage.as_ref(), self.record.started + self.record.total);
        }
        // First what must not be lost: an exchange that anybody is told of is on record.
        self.worker.keep(&self.record);
        if let Some(mut reservation) = self.record.reservation.take() {
            reservation.settle(&self.worker.shared.customers, &self.record);
            self.record.reservation = Some(reservation);
        }
        self.worker.telemetry.observe(&self.record);
    }
}

impl Drop for Settlement {
    fn drop(&mut self) {
        self.settle(if std::thread::panicking() {
            Outcome::Panicked
        } else if self.worker.is_ending() {
            Outcome::Stopped
        } else {
            Outcome::ClientGone
        });
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::path::Path;

    use fastgate_core::telemetry::trace_context::TraceContext;
    use fastgate_core::usage::Usage;
    use serde_json::{Value, json};

    use super::*;
    use crate::gateway::Shared;
    use crate::record::Books;
    use crate::snapshot::Environment;
    use crate::spool::SpoolReader;

    fn worker(state_dir: &Path) -> Rc<Worker> {
        let tables = crate::testing::tables(&json!({}));
        let shared = Shared::new(tables, Environment::from_process(), Some(state_dir)).expect("prepared");
        let counts = shared.add_counts();
        Worker::new(shared, counts)
    }

    fn begin(worker: &Rc<Worker>) -> Settlement {
        let trace = TraceContext::from_headers(None, (1, 2));
        let mut record = Record::begin(worker.request_id(), trace, "chat", worker.snapshot());
        record.books = Books::Reported;
        record.usage = Some(Usage { input_tokens: 3, ..Usage::default() });
        Settlement::begin(Rc::clone(worker), record)
    }

    fn records(state_dir: &Path) -> Vec<Value> {
        let mut reader = SpoolReader::open(&state_dir.join("spool"), None).expect("a spool");
        let mut records = Vec::new();
        while let Some(batch) = reader.next_batch(1 << 20) {
            assert!(batch.problems.is_empty(), "{:?}", batch.problems);
            records.extend(batch.records().map(|payload| serde_json::from_slice(payload).expect("JSON")));
        }
        records
    }

    fn counted(worker: &Worker) -> Vec<(&'static str, &'static str, u64)> {
        let (started, settled) = worker.counts.read();
        let settled: Vec<_> = settled.filter(|(.., count)| *count > 0).collect();
        assert_eq!(started, settled.iter().map(|(.., count)| count).sum::<u64>());
        settled
    }

    #[test]
    fn a_task_that_panics_leaves_its_record() {
        let directory = tempfile::tempdir().expect("a directory");
        let worker = worker(directory.path());
        let settlement = begin(&worker);
        let id = settlement.record.id;
        let died = catch_unwind(AssertUnwindSafe(move || {
            let _held = settlement;
            panic!("in the middle of an exchange");
        }));
        assert!(died.is_err());
        let [record] = records(directory.path()).try_into().expect("one record");
        assert_eq!(record["id"], id.as_str());
        assert_eq!([&record["outcome"], &record["fault"]], ["panicked", "gateway"]);
        assert_eq!((&record["status"], &record["usage"]["input_tokens"]), (&Value::Null, &3.into()));
        assert_eq!(counted(&worker), [("panicked", "gateway", 1)]);
        // The core goes on.
        begin(&worker).settle(Outcome::Answered);
        assert_eq!(records(directory.path()).len(), 2);
    }

    #[test]
    fn only_the_first_outcome_is_written() {
        let directory = tempfile::tempdir().expect("a directory");
        let worker = worker(directory.path());
        let mut settlement = begin(&worker);
        settlement.settle(Outcome::Failed(Cause::ProviderTimeout));
        settlement.settle(Outcome::Answered);
        drop(settlement);
        drop(begin(&worker));
        worker.end();
        drop(begin(&worker));
        let outcomes: Vec<Value> = records(directory.path()).iter().map(|record| record["outcome"].clone()).collect();
        assert_eq!(outcomes, ["provider_timeout", "client_gone", "stopped"]);
        assert_eq!(
            counted(&worker),
            [("client_gone", "caller", 1), ("stopped", "gateway", 1), ("provider_timeout", "provider", 1)]
        );
    }
}
