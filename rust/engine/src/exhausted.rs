//! What a client is told when no attempt succeeded: the most useful error there is, which is the primary's.

use fastgate_core::failure::{Cause, Failure};
use fastgate_core::resilience::Reason;
use fastgate_core::resilience::attempts::Over;

use crate::answer::Reply;
use crate::attempt::FailedAttempt;
use crate::record::Record;

/// The failed attempts that matter for the last word: the primary's, which is the first one that was sent, and the last.
#[derive(Default)]
pub(crate) struct Failures(Vec<FailedAttempt>);

impl Failures {
    /// Whether nothing has failed.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn push(&mut self, failed: FailedAttempt) {
        // A drill stands for a failing primary, but has nothing to say as soon as another has.
        let is_drill = |kept: &FailedAttempt| kept.verdict.reason == Reason::Drill;
        if self.0.len() == 2 || self.0.last().is_some_and(is_drill) {
            self.0.pop();
        }
        self.0.push(failed);
    }

    /// The last word.
    ///
    /// # Errors
    /// The gateway's own, where no provider's error is fit to be passed on.
    pub(crate) fn conclude(mut self, over: Over, record: &Record) -> Result<Reply, Failure> {
        let Some(last) = self.0.pop() else { return Err(budget_spent(record, None)) };
        if over == Over::Stopped || (over == Over::Exhausted && record.trail.deployments() == 1) {
            return pass_on(last);
        }
        let primary = self.0.pop().unwrap_or(last);
        // What the client has to change is of more use to it than that others failed too.
        let is_the_clients = matches!(
            primary.verdict.reason,
            Reason::ContextTooLong | Reason::ModelNotFound | Reason::BadRequest | Reason::ContentFiltered
        );
        if is_the_clients && primary.original.is_some() {
            return pass_on(primary);
        }
        if over == Over::BudgetSpent {
            return Err(budget_spent(record, Some(&primary.failure)));
        }
        let FailedAttempt { failure, .. } = primary;
        let message = format!(
            "{}; no deployment answered, after {} attempts in {} ms",
            failure.message,
            record.attempts,
            record.elapsed().as_millis()
        );
        Err(Failure { message, ..failure })
    }
}

fn pass_on(failed: FailedAttempt) -> Result<Reply, Failure> {
    match failed.original {
        Some((head, body)) => Ok(Reply::Error { head, body }),
        None => Err(failed.failure),
    }
}

fn budget_spent(record: &Record, primary: Option<&Failure>) -> Failure {
    let budget_ms = record.budget.unwrap_or_default().as_millis();
    let elapsed_ms = record.elapsed().as_millis();
    let message = match primary {
        None => format!("the budget of {budget_ms} ms leaves no time for an attempt (after {elapsed_ms} ms)"),
        Some(primary) => format!(
            "{}; the budget of {budget_ms} ms is spent after {} attempts in {elapsed_ms} ms",
            primary.message, record.attempts
        ),
    };
    let provider_code = primary.and_then(|primary| primary.provider_code.clone());
    Failure { provider_code, ..Failure::new(Cause::ProviderTimeout, message) }
}
