//! Room that a call has taken at its provider: settled exactly once, by its [`Drop`] if nowhere else.

use std::sync::Arc;

use fastgate_core::limits::capacity::TakenId;
use fastgate_core::limits::fair_queue::Account;
use fastgate_core::limits::reported::ProviderLimits;
use fastgate_core::usage::Usage;
use smallvec::SmallVec;
use tokio::time::Instant;

use super::capacity::{Capacities, Metered};

/// A call's room.
#[must_use = "dropping it settles it"]
#[derive(Debug)]
pub(crate) struct Taken {
    capacities: Arc<Capacities>,
    deployment: usize,
    credential: usize,
    /// Empty once settled.
    parts: SmallVec<[Part; 3]>,
    turn: Option<Turn>,
}

/// Room on one meter.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) metered: Arc<Metered>,
    pub(super) id: TakenId,
}

/// What a tenant was charged in the tier queues for being served.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn {
    pub(super) account: Account,
    pub(super) tokens: u64,
}

/// What became of a call.
#[derive(Clone, Copy)]
enum End<'a> {
    Used(&'a Usage),
    AsEstimated,
    Unsent,
}

impl Taken {
    pub(super) fn new(
        capacities: Arc<Capacities>,
        deployment: usize,
        credential: usize,
        parts: SmallVec<[Part; 3]>,
    ) -> Self {
        Self { capacities, deployment, credential, parts, turn: None }
    }

    /// It was waited for.
    pub(super) fn set_turn(&mut self, turn: Turn) {
        self.turn = Some(turn);
    }

    /// Index of the deployment.
    pub(crate) fn deployment(&self) -> usize {
        self.deployment
    }

    /// Index of the credential.
    pub(crate) fn credential(&self) -> usize {
        self.credential
    }

    /// What the answer's headers say is left.
    pub(crate) fn note_headers(&self, said: &ProviderLimits, now: Instant) {
        if said.is_empty() {
            return;
        }
        if let Some(part) = self.reporting() {
            part.metered.meter.lock().note_headers(said, Some(part.id), self.capacities.clock.ns(now));
        }
        self.capacities.queues.dispatch(now);
    }

    /// The provider had too much (429) and asks to be left alone for so long.
    pub(crate) fn note_limited(&self, pause_ns: u64, now: Instant) {
        if let Some(part) = self.reporting() {
            part.metered.meter.lock().close_for(pause_ns, self.capacities.clock.ns(now));
        }
    }

    /// The call is over and used so much; `None`: nobody knows, so as much as was estimated. What a provider refused
    /// used [`Usage::default`]: the request counts, no token does.
    pub(crate) fn settle(mut self, used: Option<&Usage>, now: Instant) {
        self.end(used.map_or(End::AsEstimated, End::Used), now);
    }

    /// The call was never sent.
    pub(crate) fn give_back(mut self, now: Instant) {
        self.end(End::Unsent, now);
    }

    fn reporting(&self) -> Option<&Part> {
        let several = !self.capacities.deployments[self.deployment].credentials.is_empty();
        if several { self.parts.last() } else { self.parts.first() }
    }

    fn end(&mut self, end: End<'_>, now: Instant) {
        if self.parts.is_empty() {
            return;
        }
        let now_ns = self.capacities.clock.ns(now);
        for part in std::mem::take(&mut self.parts) {
            let mut meter = part.metered.meter.lock();
            match end {
                End::Used(used) => meter.settle(part.id, Some(used), now_ns),
                End::AsEstimated => meter.settle(part.id, None, now_ns),
                End::Unsent => meter.give_back(part.id, now_ns),
            };
        }
        if let Some(Turn { account, tokens }) = self.turn.take() {
            let actual = match end {
                End::Used(used) => used.input().saturating_add(used.output()),
                End::AsEstimated => tokens,
                End::Unsent => 0,
            };
            self.capacities.queues.note_served(account, tokens, actual);
        }
        self.capacities.queues.dispatch(now);
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.end(End::AsEstimated, Instant::now());
    }
}
