//! The deployments that may answer an exchange, in order, and what the decision between them depends on.

use fastgate_core::resilience::Reason;
use fastgate_core::resilience::attempts::Conditions;

use crate::attempt::FailedAttempt;
use crate::snapshot::Snapshot;

/// The chain of one exchange.
pub(crate) struct Candidates<'a> {
    snapshot: &'a Snapshot,
    deployments: &'a [usize],
    is_repeatable: bool,
    /// Nanoseconds since the engine began.
    pub(crate) now_ns: u64,
    /// Tokens that a model was told to have to take, where one said that they are too many.
    needed_tokens: Option<u64>,
}

impl<'a> Candidates<'a> {
    pub(crate) fn new(snapshot: &'a Snapshot, deployments: &'a [usize], is_repeatable: bool) -> Self {
        Self { snapshot, deployments, is_repeatable, now_ns: 0, needed_tokens: None }
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
        self.snapshot.fleet.is_available(self.deployments[candidate], now_ns)
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
