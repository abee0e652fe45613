//! Telemetry of the running gateway: every settled exchange is counted and, where wanted, logged; nothing here can hold
//! up or fail an exchange.
//!
//! The counting is `fastgate_core::telemetry`'s. Here is what it is fed from, and how it leaves the process.

mod access_log;
pub(crate) mod exposition;
mod limits;
pub(crate) mod metrics;
mod process;
mod text;

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use fastgate_core::tables::Tables;
use fastgate_core::telemetry::access_line::AccessLine;
use fastgate_core::telemetry::recorder::{Exchange, LabelSets, Metrics, Recorder};
use fastgate_core::telemetry::series::{TokenCount, by_class};
use parking_lot::Mutex;

use self::access_log::{AccessLog, LineQueue};
use crate::clock::{nanoseconds, unix_ms};
use crate::record::{Record, STAGES, Stage};

/// How long the end of a gateway waits for the access log: a pipe that nobody reads must not hold it up.
pub(crate) const LOG_GRACE: Duration = Duration::from_secs(1);

/// What all cores have counted, and where their lines go.
#[derive(Debug)]
pub struct Telemetry {
    labels: LabelSets,
    cores: Mutex<Vec<Arc<Metrics>>>,
    access_log: AccessLog,
}

impl Telemetry {
    pub(crate) fn new(tables: &Tables) -> Self {
        let labels = LabelSets::new(tables.telemetry.label_values);
        Self { labels, cores: Mutex::default(), access_log: AccessLog::default() }
    }

    /// Whether the access log of these tables can be written.
    ///
    /// # Errors
    /// Which file can't be opened, and why.
    pub(crate) fn check(tables: &Tables) -> Result<(), String> {
        tables.access_log.as_ref().map_or(Ok(()), access_log::check)
    }

    /// Follows a new configuration; also opens the access log's file again.
    pub(crate) fn configure(&self, tables: &Tables) {
        self.access_log.configure(tables.access_log.as_ref());
    }

    /// The part of a new core.
    pub(crate) fn add_core(&self) -> CoreTelemetry {
        let metrics = Metrics::new(STAGES.len());
        self.cores.lock().push(Arc::clone(&metrics));
        CoreTelemetry {
            recorder: RefCell::new(Recorder::new(metrics, &self.labels)),
            lines: self.access_log.add_core(),
        }
    }

    /// Waits until everything logged so far is written, at the longest for `limit`.
    pub(crate) fn flush(&self, limit: Duration) {
        self.access_log.flush(limit);
    }
}

/// One core's telemetry.
#[derive(Debug)]
pub(crate) struct CoreTelemetry {
    recorder: RefCell<Recorder>,
    lines: LineQueue,
}

impl CoreTelemetry {
    /// Counts a settled exchange, and logs it.
    pub(crate) fn observe(&self, record: &Record) {
        let tables = &record.snapshot.tables;
        let stages_ns = record.stages.map(nanoseconds);
        let own_ns: [u64; STAGES.len()] =
            std::array::from_fn(|index| if STAGES[index].2 { 0 } else { stages_ns[index] });
        let respond_ns = own_ns[Stage::Respond as usize];
        let overhead_ns: u64 = own_ns.iter().sum();
        let duration_ns = nanoseconds(record.total);
        let upstream_ns =
            (record.attempts > 0).then(|| stages_ns[Stage::Provider as usize] + stages_ns[Stage::Answer as usize]);
        let first_content_ns = record.first_content.map(nanoseconds);
        let tenant = record.tenant.map(|index| tables.tenants[index].id.as_str());
        let deployment = record.deployment.map(|index| tables.deployments[index].id.as_str());
        let model = record.model.as_deref();
        let (tokens, cost) = (tokens(record), record.cost());
        self.recorder.borrow_mut().observe(&Exchange {
            tenant,
            model: model.filter(|_| deployment.is_some()),
            deployment,
            fault: record.outcome.fault(),
            tokens,
            cost,
            request_bytes: record.request_bytes,
            content_bytes: record.content_bytes,
            policy_ns: overhead_ns - respond_ns,
            components_ns: &own_ns,
            duration_ns,
            upstream_ns,
            first_content_ns,
        });
        let Some(access_log) = &tables.access_log else { return };
        let trace_id = record.trace.trace_id_hex();
        let line = AccessLine {
            unix_ms: unix_ms(record.started_at),
            request_id: record.id.as_str(),
            trace_id: std::str::from_utf8(&trace_id).ok(),
            tenant,
            user: record.identity.user.as_deref(),
            feature: record.identity.feature.as_deref(),
            key_id: record.key.as_deref(),
            model,
            deployment,
            status: record.status,
            outcome: record.outcome.name(),
            tokens,
            cost,
            duration_ns,
            overhead_ns,
            upstream_ns,
            first_content_ns,
        };
        self.lines.push(&line, access_log.buffer_bytes);
    }

    /// Hands over lines that are still with this core.
    pub(crate) fn sweep(&self) {
        self.lines.hand_over();
    }
}

fn tokens(record: &Record) -> TokenCount {
    match &record.usage {
        Some(usage) if record.is_estimated => TokenCount::Estimated(by_class(usage)),
        Some(usage) => TokenCount::Reported(by_class(usage)),
        None if record.status.is_some_and(|status| (200..300).contains(&status)) => TokenCount::Missing,
        None => TokenCount::NotApplicable,
    }
}
