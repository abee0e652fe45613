//! The deployments that may answer an exchange, in order, and what the decision between them depends on.

use fastgate_core::limits::capacity::Need;
use fastgate_core::resilience::Reason;
use fastgate_core::resilience::attempts::{Attempts, Conditions};
use smallvec::SmallVec;
use tokio::time::Instant;

use crate::attempt::FailedAttempt;
use crate::choice::Choice;
use crate::crossing::Crossing;
use crate::operation::Operation;
use crate::snapshot::Snapshot;

/// The chain of one exchange.
pub(crate) struct Candidates<'a> {
    snapshot: &'a Snapshot,
    operation: &'static Operation,
    deployments: &'a [usize],
    is_repeatable: bool,
    need: Need,
    now: Instant,
    /// The same in nanoseconds since the engine began.
    now_ns: u64,
    /// Tokens that a model was told to have to take, where one said that they are too many.
    needed_tokens: Option<u64>,
}

impl<'a> Candidates<'a> {
    pub(crate) fn new(
        snapshot: &'a Snapshot,
        operation: &'static Operation,
        choice: &'a Choice,
        need: Need,
        now: Instant,
    ) -> Self {
        let Choice { deployments, is_repeatable, .. } = choice;
        Self {
            snapshot,
            operation,
            deployments,
            is_repeatable: *is_repeatable,
            need,
            now,
            now_ns: 0,
            needed_tokens: None,
        }
    }

    /// It is later now.
    pub(crate) fn set_now(&mut self, now: Instant, now_ns: u64) {
        (self.now, self.now_ns) = (now, now_ns);
    }

    /// Whether the gateway answers itself in front of this deployment.
    pub(crate) fn is_own(&self, deployment: usize) -> bool {
        self.snapshot.crossing(self.operation, deployment).and_then(Crossing::own).is_some()
    }

    /// What the request takes of a provider's capacity.
    pub(crate) fn need(&self) -> Need {
        self.need
    }

    /// The candidate of a deployment.
    pub(crate) fn of(&self, deployment: usize) -> usize {
        self.deployments.iter().position(|known| *known == deployment).unwrap_or(0)
    }

    /// The deployments whose capacity is worth waiting for: those that do well, or any if none does.
    pub(crate) fn to_wait_for(&self, attempts: &Attempts) -> SmallVec<[usize; 8]> {
        let open = || {
            let candidates = 0..self.deployments.len();
            candidates.filter(|it| attempts.may_call(*it, self, self.now_ns)).map(|it| self.deployments[it])
        };
        let well: SmallVec<[usize; 8]> =
            open().filter(|deployment| self.snapshot.fleet.is_available(*deployment, self.now_ns)).collect();
        if well.is_empty() { open().collect() } else { well }
    }

    pub(crate) fn len(&self) -> usize {
        self.deployments.len()
    }

    /// Index of a candidate's deployment.
    pub(crate) fn deployment(&self, candidate: usize) -> usize {
        self.deployments[candidate]
    }

    /// Remembers what a failure tells of the request.
    pub(crate) fn note(&mut self, failed: &FailedAttempt) {
        self.needed_tokens = self.needed_tokens.max(failed.needed_tokens);
    }
}

impl Conditions for Candidates<'_> {
    fn retries(&self, candidate: usize) -> u32 {
        if self.is_repeatable { self.snapshot.tables.deployments[self.deployments[candidate]].retries } else { 0 }
    }

    fn is_available(&self, candidate: usize, now_ns: u64) -> bool {
        let deployment = self.deployments[candidate];
        // What the gateway answers itself needs nobody.
        self.is_own(deployment)
            || (self.snapshot.fleet.is_available(deployment, now_ns)
                && self.snapshot.capacities.has_room(deployment, &self.need, self.now))
    }

    fn available_from_ns(&self, candidate: usize) -> u64 {
        self.snapshot.fleet.available_from_ns(self.deployments[candidate])
    }

    fn first_content_p50_ns(&self, candidate: usize) -> Option<u64> {
        self.snapshot.fleet.first_content_p50_ns(self.deployments[candidate], self.now_ns)
    }

    fn first_content_limit_ns(&self, candidate: usize) -> u64 {
        let timeouts = &self.snapshot.tables.deployments[self.deployments[candidate]].timeouts;
        timeouts.first_content_ms.min(timeouts.total_ms).saturating_mul(1_000_000)
    }

    /// A longer window cures a request that is too long, and another model one that is not there.
    fn can_cure(&self, candidate: usize, failed: usize, reason: Reason) -> bool {
        let deployments = &self.snapshot.tables.deployments;
        let (other, failed) = (&deployments[self.deployments[candidate]], &deployments[self.deployments[failed]]);
        let is_same_model = other.model == failed.model;
        match reason {
            Reason::ContextTooLong => match (other.context_tokens, self.needed_tokens, failed.context_tokens) {
                (Some(window), Some(needed), _) => window >= needed,
                (Some(window), None, Some(too_small)) => window > too_small,
                // Nobody said how long they are: the same model has the same window.
                _ => !is_same_model,
            },
            Reason::ModelNotFound => !is_same_model || other.provider != failed.provider,
            _ => true,
        }
    }

    fn take_retry(&self, candidate: usize, now_ns: u64) -> bool {
        self.snapshot.fleet.take_retry(self.deployments[candidate], now_ns)
    }
}
