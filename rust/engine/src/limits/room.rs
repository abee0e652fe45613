//! Room for an attempt at one of its candidates: taken at once, or waited for.

use std::time::Duration;

use fastgate_core::failure::Failure;
use fastgate_core::limits::capacity::Need;
use fastgate_core::resilience::attempts::Attempts;
use fastgate_core::tables::Latency;

use super::costs::estimate;
use super::queue::{QueueRefusal, WaiterInfo};
use super::taken::Taken;
use crate::candidates::Candidates;
use crate::operation::Operation;
use crate::payload::Payload;
use crate::record::{Books, Record, Stage};
use crate::worker::Worker;

/// What a request takes of a provider's capacity; nothing where no deployment has any configured.
pub(crate) fn need(worker: &Worker, operation: &Operation, record: &Record, payload: &Payload) -> Need {
    if operation.books == Books::Nothing || !record.snapshot.capacities.are_limited() {
        return Need::default();
    }
    let shared = &worker.shared;
    let (input_tokens, output_tokens) = estimate(operation, payload, record, &shared.vocabularies, &shared.customers);
    Need { input_tokens, output_tokens, max_output_tokens: payload.output_tokens_max() }
}

/// Takes room for a call to a candidate, if there is any.
pub(crate) fn take(worker: &Worker, record: &Record, candidates: &Candidates<'_>, candidate: usize) -> Option<Taken> {
    let deployment = candidates.deployment(candidate);
    let random = worker.random();
    record.snapshot.capacities.try_take_any(deployment, random, &candidates.need(), record.last_lap()).ok()
}

/// Waits until one of the candidates has room.
///
/// # Errors
/// What to tell the client: it would take too long, or too many wait.
pub(crate) async fn wait(
    worker: &Worker,
    record: &mut Record,
    candidates: &mut Candidates<'_>,
    attempts: &Attempts,
    class: Latency,
) -> Result<Taken, Failure> {
    record.lap(Stage::Route);
    let capacities = std::sync::Arc::clone(&record.snapshot.capacities);
    let tables = &record.snapshot.tables;
    let tenant = record.tenant.unwrap_or_default();
    let deadline = record.last_lap() + Duration::from_millis(tables.limiting.queue_wait_ms);
    let need = candidates.need();
    let eligible = candidates.to_wait_for(attempts);
    let info = WaiterInfo {
        tier: tables.tenants[tenant].tier,
        tenant,
        class,
        tokens: need.input_tokens.saturating_add(need.output_tokens),
        deadline: record.budget.map_or(deadline, |budget| deadline.min(record.started + budget)),
        eligible: &eligible,
        need,
        random: worker.random(),
    };
    let waiting = record.wait(Stage::Queue);
    let waited = capacities.wait(info).await;
    drop(waiting);
    let now = record.last_lap();
    candidates.set_now(now, worker.shared.registry.ns(now));
    waited.map_err(QueueRefusal::failure)
}
