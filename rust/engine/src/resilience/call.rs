//! One call to a deployment, and what is learned from it: exactly one of success, failure, or that the client left.

use std::sync::Arc;

use fastgate_core::resilience::Verdict;
use tokio::time::Instant;

use super::Fleet;

/// A call under way.
#[derive(Debug)]
pub(crate) struct Call {
    fleet: Arc<Fleet>,
    /// Index of the deployment.
    deployment: usize,
    /// Index of the provider's credential.
    credential: usize,
    started: Instant,
    first_content: Option<Instant>,
    is_over: bool,
}

impl Call {
    pub(super) fn begin(fleet: Arc<Fleet>, deployment: usize, credential: usize, started: Instant) -> Self {
        Self { fleet, deployment, credential, started, first_content: None, is_over: false }
    }

    /// The first content came then.
    pub(crate) fn note_first_content(&mut self, at: Instant) {
        if self.first_content.is_none() {
            self.first_content = Some(at);
            self.fleet.note_content(self.deployment, self.started);
        }
    }

    /// The answer is whole.
    pub(crate) fn succeed(&mut self, output_tokens: u64, now: Instant) {
        if !std::mem::replace(&mut self.is_over, true) {
            let first_content = self.first_content.unwrap_or(now);
            self.fleet.note_success(self.deployment, self.started, first_content, output_tokens, now);
        }
    }

    /// The deployment failed.
    pub(crate) fn fail(&mut self, verdict: &Verdict, now: Instant) {
        if !std::mem::replace(&mut self.is_over, true) {
            self.fleet.note_failure(self.deployment, self.credential, verdict, self.started, now);
        }
    }
}

impl Drop for Call {
    /// A client that leaves says nothing about the deployment.
    fn drop(&mut self) {
        if !self.is_over {
            self.fleet.note_abandoned(self.deployment, self.started);
        }
    }
}
