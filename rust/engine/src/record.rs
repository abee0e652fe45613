//! Everything known of one exchange: what it was, whose, what it cost, how long each stage took.
//!
//! An exchange fills its record in as it goes; settling writes it once, as one JSON object.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fastgate_core::neutral::Loss;
use fastgate_core::prices::Context;
use fastgate_core::service_tier::ServiceTier;
use fastgate_core::telemetry::series::Cost;
use fastgate_core::telemetry::trace_context::TraceContext;
use fastgate_core::usage::Usage;
use tokio::time::Instant;

use crate::attempt::FailedAttempt;
use crate::charge::{self, Charge};
use crate::choice::RouteTaken;
use crate::clock::unix_s;
use crate::counting::CountedBy;
use crate::identity::Identity;
use crate::limits::{Reservation, Taken};
use crate::resilience::Drill;
use crate::settlement::Outcome;
use crate::snapshot::Snapshot;
use crate::trail::{Billed, Trail};
use crate::vocabularies::Vocabularies;
use crate::worker::RequestId;

/// Format of the JSON object; grows when a reader of an older one would misread it.
pub const RECORD_VERSION: u8 = 1;

/// Where an exchange spends its time, in order.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    /// Host, origin, key, identity.
    Admit,
    /// Waiting for the request's body.
    Receive,
    /// Reading the request.
    Read,
    /// Choosing a deployment, changing the body for it.
    Route,
    /// Waiting for a provider's capacity.
    Queue,
    /// Waiting before another attempt.
    Backoff,
    /// Waiting for the head of the provider's answer.
    Provider,
    /// Waiting for the rest of an answer that is read whole.
    Answer,
    /// Judging the answer, writing the response's head.
    Respond,
}

/// Every stage with its name in records and metrics, and whether it is waiting for somebody else.
pub const STAGES: [(Stage, &str, bool); 9] = [
    (Stage::Admit, "admit", false),
    (Stage::Receive, "receive", true),
    (Stage::Read, "read", false),
    (Stage::Route, "route", false),
    (Stage::Queue, "queue", true),
    (Stage::Backoff, "backoff", true),
    (Stage::Provider, "provider", true),
    (Stage::Answer, "answer", true),
    (Stage::Respond, "respond", false),
];

/// Which token counts belong to an exchange.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Books {
    /// None, whatever the answer says: it tells of what was booked before.
    Nothing,
    /// What the provider reports.
    Reported,
    /// The same, or an estimate where it should have reported and did not.
    ReportedOrEstimated,
}

/// One exchange.
#[derive(Debug)]
pub struct Record {
    /// Names it.
    pub id: RequestId,
    /// Its place in a distributed trace.
    pub trace: TraceContext,
    /// What was asked for: `chat`.
    pub operation: &'static str,
    /// The configuration it began with; the indices below point into it.
    pub snapshot: Arc<Snapshot>,
    /// Index of the tenant; `None` until admitted.
    pub tenant: Option<usize>,
    /// The virtual key's id.
    pub key: Option<String>,
    /// User, feature, session, tags.
    pub identity: Identity,
    /// The model as the client named it.
    pub model: Option<String>,
    /// Index of the limit of which so much is used that a cheaper model answers.
    pub(crate) downgraded_by: Option<usize>,
    /// Fields of the request that the provider tried last was not told, by the client's names.
    pub(crate) dropped: Vec<Loss>,
    /// How the gateway counted tokens itself, where no provider did.
    pub(crate) counted_by: Option<CountedBy>,
    /// The model as the provider tried last knows it.
    pub provider_model: Option<String>,
    /// Index of the deployment tried last.
    pub deployment: Option<usize>,
    /// Calls to deployments.
    pub attempts: u32,
    /// Those that came to nothing.
    pub(crate) trail: Trail,
    /// Wall clock from receipt to commit.
    pub budget: Option<Duration>,
    /// How its route was found, where there was something to choose.
    pub(crate) route: Option<Box<RouteTaken>>,
    /// The room that its last attempt has taken at the provider.
    pub(crate) taken: Option<Taken>,
    /// What it holds of its customer's limits, where any apply.
    pub(crate) reservation: Option<Box<Reservation>>,
    /// The failover drill that it was part of.
    pub(crate) drill: Option<Arc<Drill>>,
    /// The answer is a stream of events.
    pub is_stream: bool,
    /// Status the client was sent; `None` if it left before.
    pub status: Option<u16>,
    /// What the provider billed.
    pub usage: Option<Usage>,
    /// The provider did not say; `usage` was estimated from bytes.
    pub is_estimated: bool,
    /// Picodollars that the provider says its last attempt costs.
    pub reported_cost_pusd: Option<i64>,
    /// What its last attempt comes to.
    pub(crate) charge: Charge,
    /// The answer ended at the limit of output tokens.
    pub is_truncated: bool,
    /// Which token counts belong to it.
    pub books: Books,
    /// What its rates depend on, whatever the provider says.
    pub price_context: Context<'static>,
    /// What the provider says it billed by.
    pub service_tier: Option<ServiceTier>,
    /// Tells whether two requests have the same body, where it is JSON that asks for a model.
    pub prompt_hash: Option<u64>,
    /// Bytes of the request's body.
    pub request_bytes: u64,
    /// Bytes of content in the answer, as written in JSON.
    pub content_bytes: u64,
    /// When it began.
    pub started_at: SystemTime,
    /// The same on the monotonic clock.
    pub started: Instant,
    /// From the start to the first content of a stream.
    pub first_content: Option<Duration>,
    /// Time in each stage, in the order of [`STAGES`].
    pub stages: [Duration; STAGES.len()],
    /// How it ended.
    pub outcome: Outcome,
    /// From the start to the end.
    pub total: Duration,
    last_lap: Instant,
}

impl Record {
    pub(crate) fn begin(id: RequestId, trace: TraceContext, operation: &'static str, snapshot: Arc<Snapshot>) -> Self {
        let started = Instant::now();
        Self {
            id,
            trace,
            operation,
            snapshot,
            tenant: None,
            key: None,
            identity: Identity::default(),
            model: None,
            downgraded_by: None,
            dropped: Vec::new(),
            counted_by: None,
            provider_model: None,
            deployment: None,
            attempts: 0,
            trail: Trail::default(),
            budget: None,
            route: None,
            taken: None,
            reservation: None,
            drill: None,
            is_stream: false,
            status: None,
            usage: None,
            is_estimated: false,
            reported_cost_pusd: None,
            charge: Charge::NONE,
            is_truncated: false,
            books: Books::Nothing,
            price_context: &[],
            service_tier: None,
            prompt_hash: None,
            request_bytes: 0,
            content_bytes: 0,
            started_at: SystemTime::now(),
            started,
            first_content: None,
            stages: [Duration::ZERO; STAGES.len()],
            outcome: Outcome::ClientGone,
            total: Duration::ZERO,
            last_lap: started,
        }
    }

    /// The time since the last lap went into this stage.
    pub(crate) fn lap(&mut self, stage: Stage) {
        let now = Instant::now();
        self.stages[stage as usize] += now - self.last_lap;
        self.last_lap = now;
    }

    /// This deployment is tried now, under the name that its provider knows the model by.
    pub(crate) fn note_attempt(&mut self, deployment: usize, model: Option<&str>) {
        self.deployment = Some(deployment);
        if self.provider_model.as_deref() != model {
            self.provider_model = model.map(str::to_owned);
        }
    }

    /// A wait, which counts for its stage even if the client leaves before its end.
    pub(crate) fn wait(&mut self, stage: Stage) -> Waiting<'_> {
        Waiting { record: self, stage }
    }

    /// When the last stage ended: now, for what comes right behind it.
    pub(crate) fn last_lap(&self) -> Instant {
        self.last_lap
    }

    /// Since it began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.last_lap.saturating_duration_since(self.started)
    }

    /// The response's head is written.
    pub(crate) fn respond(&mut self, status: http::StatusCode) {
        self.status = Some(status.as_u16());
        self.lap(Stage::Respond);
    }

    /// The cheaper model that answers in place of the one that was asked for.
    pub(crate) fn downgraded_to(&self) -> Option<&str> {
        let rule = &self.snapshot.tables.limits[self.downgraded_by?];
        rule.downgrade.as_ref().map(|downgrade| downgrade.model.as_str())
    }

    /// The names of the tenant and of the deployment tried last.
    pub(crate) fn owner(&self) -> Option<(&str, &str)> {
        let tables = &self.snapshot.tables;
        Some((&tables.tenants[self.tenant?].id, &tables.deployments[self.deployment?].id))
    }

    /// Tokens of the answer, as far as they are known; otherwise by the rule of thumb of four bytes a token.
    pub(crate) fn output_tokens(&self) -> u64 {
        self.usage.as_ref().map_or(self.content_bytes / 4, Usage::output)
    }

    pub(crate) fn note_first_content(&mut self) {
        self.first_content.get_or_insert_with(|| self.started.elapsed());
    }

    /// Time not spent waiting for the provider or the client, up to the response's head.
    #[must_use]
    pub fn overhead(&self) -> Duration {
        STAGES.iter().filter(|(_, _, is_wait)| !is_wait).map(|(stage, ..)| self.stages[*stage as usize]).sum()
    }

    /// The exchange is over.
    pub(crate) fn finish(&mut self, outcome: Outcome, vocabularies: &Vocabularies) {
        self.outcome = outcome;
        self.total = self.started.elapsed();
        // The request may have ended before it named anybody.
        self.identity.complete(self.key.as_deref(), None);
        self.complete_usage(vocabularies);
        self.charge = match (&self.usage, self.reported_cost_pusd) {
            (None, None) => Charge::NONE,
            (usage, reported_pusd) => self.charge_of(usage.as_ref(), reported_pusd),
        };
    }

    /// When it began, in whole seconds since 1970.
    pub(crate) fn started_unix_s(&self) -> i64 {
        unix_s(self.started_at)
    }

    /// What it comes to once it is over: all attempts that were billed.
    pub(crate) fn cost(&self) -> Cost {
        charge::sum(self.trail.billed().map(|billed| billed.charge).chain([self.charge]))
    }

    /// What an attempt with the deployment tried last comes to, by its tokens or by what the provider says.
    pub(crate) fn charge_of(&self, usage: Option<&Usage>, reported_pusd: Option<i64>) -> Charge {
        let Some(deployment) = self.deployment else { return Charge::NONE };
        let model = self.provider_model.as_deref().unwrap_or_default();
        let Snapshot { rates, tables, .. } = &*self.snapshot;
        let context = match self.service_tier {
            Some(tier) if self.price_context.is_empty() => tier.context(),
            _ => self.price_context,
        };
        let priced =
            usage.and_then(|usage| rates.price(tables, deployment, model, usage, self.started_unix_s(), context));
        Charge::of(priced, reported_pusd)
    }

    /// What an attempt that came to nothing is billed: what the provider says, or an estimate of what it may bill for
    /// what was sent to it and not answered whole.
    pub(crate) fn billed(&mut self, failed: &FailedAttempt, vocabularies: &Vocabularies) -> Option<Box<Billed>> {
        let estimated = || {
            let deployment =
                self.deployment.filter(|_| self.books == Books::ReportedOrEstimated && failed.is_unanswered)?;
            let deployment = &self.snapshot.tables.deployments[deployment].id;
            let input_tokens = vocabularies.estimate_bytes(deployment, self.request_bytes);
            Some(Usage { input_tokens, ..Usage::default() })
        };
        let usage = failed.usage.or_else(estimated)?;
        let is_estimated = failed.usage.is_none();
        self.is_estimated |= is_estimated;
        Some(Box::new(Billed { usage, charge: self.charge_of(Some(&usage), failed.reported_cost_pusd), is_estimated }))
    }

    /// Learns from what the provider reported, or fills in what it should have.
    fn complete_usage(&mut self, vocabularies: &Vocabularies) {
        if self.books == Books::Nothing {
            (self.usage, self.reported_cost_pusd, self.is_truncated) = (None, None, false);
        }
        let Some(deployment) = self.deployment.filter(|_| self.books == Books::ReportedOrEstimated) else { return };
        let deployment = self.snapshot.tables.deployments[deployment].id.as_str();
        if let Some(usage) = &self.usage {
            vocabularies.observe(deployment, self.request_bytes, usage.input());
            return;
        }
        let was_sent =
            self.attempts > 0 && matches!(self.outcome, Outcome::Answered | Outcome::ClientGone | Outcome::Stopped);
        if was_sent || self.content_bytes > 0 {
            self.is_estimated = true;
            self.usage = Some(Usage {
                input_tokens: vocabularies.estimate_bytes(deployment, self.request_bytes),
                output_tokens: vocabularies.estimate_bytes(deployment, self.content_bytes),
                ..Usage::default()
            });
        }
    }
}

/// A wait that is not over.
pub(crate) struct Waiting<'a> {
    record: &'a mut Record,
    stage: Stage,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.record.lap(self.stage);
    }
}
