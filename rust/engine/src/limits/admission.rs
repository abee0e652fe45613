//! What the limits of its customer say to an exchange, stage by stage.

use fastgate_core::failure::{Cause, Failure};
use fastgate_core::limits::Applied;
use fastgate_core::tables::limits::LimitRule;
use smallvec::SmallVec;

use super::costs::{Costs, Question};
use super::reservation::Reservation;
use crate::choice::Choice;
use crate::operation::Operation;
use crate::payload::Payload;
use crate::record::Record;
use crate::worker::Worker;

/// The limits that apply; the record says which cheaper model answers where so much of one is used.
pub(crate) fn apply(worker: &Worker, record: &mut Record) -> Vec<Applied> {
    let (customers, snapshot) = (&worker.shared.customers, &record.snapshot);
    if snapshot.tables.limits.is_empty() {
        return Vec::new();
    }
    let applied = customers.applied(&mut worker.askers.borrow_mut(), record);
    record.downgraded_by = customers.downgrade(snapshot, record, &applied);
    applied
}

/// Reserves what a request may use of them. Deployments that it then can't be sent to are taken out of the choice.
///
/// # Errors
/// What to tell the client.
pub(crate) fn reserve(
    worker: &Worker,
    operation: &'static Operation,
    record: &mut Record,
    payload: &mut Payload,
    choice: &mut Choice,
    applied: Vec<Applied>,
) -> Result<(), Failure> {
    if applied.is_empty() {
        return Ok(());
    }
    let (customers, limits) = (&worker.shared.customers, &record.snapshot.tables.limits);
    let rules: SmallVec<[&LimitRule; 8]> = applied.iter().map(|applied| &limits[applied.rule]).collect();
    let question = Question {
        operation,
        payload,
        record,
        vocabularies: &worker.shared.vocabularies,
        customers,
        rules: &rules,
        asked_name: choice.asked_name.as_deref().unwrap_or_default(),
        needs: choice.needs,
    };
    check_bounded(&question)?;
    let costs = Costs::read(&question, &mut choice.deployments).map_err(|_| unpriced())?;
    let (reservation, reserved) = Reservation::reserve(customers, record, applied, costs);
    record.reservation = Some(Box::new(reservation));
    reserved?;
    if let Some(output_tokens) = costs.asks_for_output_tokens {
        payload.ask_for_output(operation.dialect, output_tokens);
    }
    write_down(worker, record)
}

/// Reserves anew what a failed attempt was billed for.
///
/// # Errors
/// What to tell the client: another attempt is not covered.
pub(crate) fn cover(worker: &Worker, record: &mut Record) -> Result<(), Failure> {
    let Some(mut reservation) = record.reservation.take() else { return Ok(()) };
    let is_covered = reservation.top_up(&worker.shared.customers, record);
    record.reservation = Some(reservation);
    is_covered?;
    write_down(worker, record)
}

/// What is held under a hard limit survives the process.
fn write_down(worker: &Worker, record: &Record) -> Result<(), Failure> {
    let bounds = record.reservation.as_ref().and_then(|reservation| reservation.hard_bounds(record));
    let kept = bounds.map_or(Ok(()), |bounds| worker.keep_reservation(record, &bounds));
    kept.map_err(|_| {
        let message = "what this request may use can't be written down, and a hard limit applies to it";
        Failure::new(Cause::Overloaded, message)
    })
}

/// Whether what a request may use can be bounded before it is sent, where a hard limit on tokens or money applies.
fn check_bounded(question: &Question<'_>) -> Result<(), Failure> {
    let is_of_use = |rule: &&&LimitRule| rule.is_hard && !rule.resource.is_one_each();
    let Some(rule) = question.rules.iter().find(is_of_use) else { return Ok(()) };
    let is_background = question.payload.request().is_some_and(|request| request.is_background);
    let what = match question.operation.name {
        "batch_create" => "a batch",
        _ if is_background => "a response in the background",
        _ => return Ok(()),
    };
    let message = format!("{what} can't be held to the hard limit `{}`: what it uses is known too late", rule.name);
    Err(Failure::invalid_request(message, is_background.then_some("background")))
}

fn unpriced() -> Failure {
    let message =
        "no deployment that may answer has a known price, and a hard limit on money applies: give it one in [prices]";
    Failure { param: Some("model"), ..Failure::new(Cause::PriceUnknown, message) }
}
