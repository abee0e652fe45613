//! One attempt: a call to one deployment, judged before anything of its answer goes to the client.
//!
//! What comes back is either an answer that is committed to, or why another attempt may be worth it.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use fastgate_core::deviations::Deviations;
use fastgate_core::dialects::ProviderError;
use fastgate_core::failure::{Cause, Failure};
use fastgate_core::json_view::View;
use fastgate_core::limits::provider_headers;
use fastgate_core::neutral::{Loss, Target};
use fastgate_core::resilience::classify::{Classified, ErrorDialect, Facts, Headers, classify, classify_event};
use fastgate_core::resilience::{Action, Reason, Verdict};
use fastgate_core::translators::Replying;
use fastgate_core::usage::Usage;
use http::{HeaderMap, HeaderName, HeaderValue, header, response};
use tokio::time::Instant;

use crate::answer::{self, Judged, Reply};
use crate::clock::unix_ms;
use crate::crossing::{Crossing, Pair, format_of};
use crate::flight::{Flight, Plan};
use crate::limits::Taken;
use crate::operation::{self, Gives};
use crate::payload::{Payload, Upstream};
use crate::record::{Books, Record, Stage};
use crate::relay::Events;
use crate::resilience::Call;
use crate::settlement::Settlement;
use crate::snapshot::Snapshot;
use crate::translation;
use crate::upstream::RequestHead;
use crate::worker::{RequestId, Worker};

/// JSON answers are read whole up to here before the first byte goes out; larger ones are relayed.
const WHOLE_ANSWER_LIMIT_BYTES: usize = 1024 * 1024;

/// How many of [`Asked::fields`] are of the trace.
const TRACE_FIELDS: usize = 2;

/// What an attempt needs beside the payload; the same for every deployment of an exchange.
pub(crate) struct Asked<'a> {
    pub(crate) worker: &'a Rc<Worker>,
    pub(crate) snapshot: &'a Arc<Snapshot>,
    pub(crate) call: operation::Call<'a>,
    pub(crate) query: Option<&'a str>,
    /// Headers for the provider: of the trace, and behind them one for a provider of the client's own dialect.
    pub(crate) fields: [(HeaderName, Option<HeaderValue>); 3],
    /// The client takes a Gemini stream as a JSON array.
    pub(crate) is_json_array: bool,
    /// The client's body, where it is JSON.
    pub(crate) request: Option<&'a [u8]>,
    /// Choices that the client asked for.
    pub(crate) choices: u64,
    /// The client does without the token counts that providers of streams are asked for.
    pub(crate) splices_usage: bool,
}

/// Where to, and how long it may take.
pub(crate) struct Leg<'a> {
    /// Index of the deployment.
    pub(crate) deployment: usize,
    /// The provider's name for the model, where one is asked for.
    pub(crate) model: Option<&'a str>,
    pub(crate) first_content_by: Instant,
    /// Index of the credential.
    pub(crate) credential: usize,
    /// The exchange has not called this deployment before.
    pub(crate) is_first_call: bool,
    /// Nothing else could be tried after this: a stream passes at once.
    pub(crate) is_last: bool,
}

/// Why an attempt came to nothing.
pub(crate) enum Failed {
    /// The deployment's doing; another attempt may be worth it.
    Attempt(Box<FailedAttempt>),
    /// Nobody's at the provider: the client's upload ended, say. The exchange is over.
    Exchange(Failure),
}

impl Failed {
    fn replaced(mut self, is_replaced: bool) -> Self {
        if let Self::Attempt(failed) = &mut self {
            failed.is_replaced = is_replaced;
        }
        self
    }
}

impl Failed {
    fn unanswered(mut self, is_unanswered: bool) -> Self {
        if let Self::Attempt(failed) = &mut self {
            failed.is_unanswered = is_unanswered;
        }
        self
    }

    fn billed(mut self, (usage, reported_cost_pusd): (Option<Usage>, Option<i64>)) -> Self {
        if let Self::Attempt(failed) = &mut self {
            (failed.usage, failed.reported_cost_pusd) = (usage, reported_cost_pusd);
        }
        self
    }
}

impl From<FailedAttempt> for Failed {
    fn from(failed: FailedAttempt) -> Self {
        Self::Attempt(Box::new(failed))
    }
}

/// An attempt that the deployment failed.
pub(crate) struct FailedAttempt {
    pub(crate) verdict: Verdict,
    /// In the gateway's words.
    pub(crate) failure: Failure,
    /// The provider's own, where it is fit to be passed on.
    pub(crate) original: Option<(response::Parts, Bytes)>,
    /// Tokens that the model would have had to take, where the provider told.
    pub(crate) needed_tokens: Option<u64>,
    /// Status that the provider answered with.
    pub(crate) status: Option<u16>,
    /// It may have been two calls: a kept connection died under the first.
    pub(crate) is_replaced: bool,
    /// What the provider says it bills for it all the same.
    pub(crate) usage: Option<Usage>,
    /// The request may have reached the provider, which neither answered it whole nor refused it.
    pub(crate) is_unanswered: bool,
    /// In picodollars.
    pub(crate) reported_cost_pusd: Option<i64>,
}

impl FailedAttempt {
    /// Of which no more is known.
    pub(crate) fn new(verdict: Verdict, failure: Failure, status: Option<u16>) -> Self {
        Self {
            verdict,
            failure,
            original: None,
            needed_tokens: None,
            status,
            is_replaced: false,
            usage: None,
            is_unanswered: false,
            reported_cost_pusd: None,
        }
    }
}

impl FailedAttempt {
    /// Settles the room that it took at the provider.
    pub(crate) fn end(&self, taken: Taken, now: Instant) {
        if self.verdict.reason == Reason::RateLimited
            && let Some(pause_ns) = self.verdict.pause_ns
        {
            taken.note_limited(pause_ns, now);
        }
        match (&self.usage, self.verdict.reason) {
            (Some(usage), _) => taken.settle(Some(usage), now),
            // What was sent may have been worked on.
            (None, Reason::TimedOut | Reason::BrokenOff) => taken.settle(None, now),
            (None, Reason::Unreachable) => taken.give_back(now),
            (None, _) => taken.settle(Some(&Usage::default()), now),
        }
    }
}

impl Asked<'_> {
    /// Makes one attempt and notes what it came to with the deployment's health.
    pub(crate) async fn attempt(
        &self,
        settlement: &mut Settlement,
        payload: &mut Payload,
        leg: Leg<'_>,
    ) -> Result<Reply, Failed> {
        let stream_usage = self.snapshot.provider(leg.deployment).stream_usage;
        let operation = self.call.operation();
        let record = &mut settlement.record;
        // A choice has nobody who can't do what is asked for.
        let crossing = self.snapshot.crossing(operation, leg.deployment).unwrap_or(Crossing::Same);
        if let Some(pair) = crossing.own() {
            return self.count(record, payload, &leg, pair).await;
        }
        let (upstream, losses) = match crossing {
            Crossing::Same => {
                let fitting = format_of(operation).map(|format| (format, self.facts(&leg).1));
                payload.upstream(leg.model, stream_usage, fitting).map_err(Failed::Exchange)?
            }
            Crossing::Translated(pair) => self.translated(record.is_stream, payload, &leg, pair)?,
        };
        record.dropped = losses;
        record.lap(Stage::Route);
        record.attempts += 1;
        let started = record.last_lap();
        let deployment = &self.snapshot.tables.deployments[leg.deployment];
        let target = self.snapshot.target(deployment);
        let called = crossing.call(self.call, record.is_stream);
        let address = target
            .address(called, leg.model, self.query)
            .map_err(|_| Failed::Exchange(Failure::invalid_request("the query can't be part of an address", None)))?;
        let fleet = &self.snapshot.fleet;
        let credential = leg.credential;
        let plan = Plan {
            deployment,
            target,
            head: RequestHead {
                method: &called.operation().method,
                address: &address,
                credential: &target.heads[credential],
                accept: match operation.gives {
                    Gives::Object => "application/json, text/event-stream",
                    Gives::Content => "*/*",
                },
                content_type: upstream.content_type.as_ref(),
                fields: match crossing {
                    Crossing::Same => &self.fields,
                    Crossing::Translated(_) => &self.fields[..TRACE_FIELDS],
                },
            },
            started,
            first_content_by: leg.first_content_by,
            idle_connections: self.snapshot.tables.bounds.idle_connections,
            answer_limit_bytes: self.snapshot.tables.bounds.answer_body_bytes,
            call: fleet.begin(leg.deployment, credential, started),
        };
        if leg.is_first_call {
            fleet.deposit_retry(leg.deployment);
        }
        let launched = Flight::launch(self.worker, plan, upstream.body).await;
        settlement.record.lap(Stage::Provider);
        let flight = match launched {
            Ok(flight) => flight,
            Err(grounded) => {
                // An upload that the client or the gateway ended is no failure of the provider.
                if let Some(refusal) = upstream.refusal.and_then(|refusal| refusal.get().cloned()) {
                    return Err(Failed::Exchange(refusal));
                }
                payload.restore(grounded.unsent);
                let failed = give_up(grounded.call, grounded.failure, None).unanswered(grounded.is_sent);
                return Err(failed.replaced(grounded.is_replaced));
            }
        };
        if let Some(taken) = &settlement.record.taken
            && has_limits(&flight.head.headers)
        {
            let said = provider_headers::read(&Fields(&flight.head.headers), unix_ms(SystemTime::now()));
            taken.note_headers(&said, settlement.record.last_lap());
        }
        let (is_spliced, is_replaced) = (self.splices_usage && stream_usage, flight.is_replaced);
        self.receive(settlement, flight, &leg, (crossing, is_spliced))
            .await
            .map_err(|failed| failed.replaced(is_replaced))
    }

    /// The request in the provider's dialect. One that can't be said there is another deployment's, if there is any.
    pub(crate) fn translated(
        &self,
        is_stream: bool,
        payload: &Payload,
        leg: &Leg<'_>,
        pair: Pair,
    ) -> Result<(Upstream, Vec<Loss>), Failed> {
        let (output_tokens, deviations) = self.facts(leg);
        let target = Target { model: self.model(leg), output_tokens, reasoning: deviations.reasoning };
        payload.translated(pair, is_stream, (&target, deviations)).map_err(|failure| {
            let verdict = Verdict { action: Action::Move, reason: Reason::BadRequest, pause_ns: None };
            FailedAttempt::new(verdict, failure, None).into()
        })
    }

    /// The provider's name for the model.
    fn model<'a>(&'a self, leg: &Leg<'a>) -> &'a str {
        let own = self.snapshot.tables.deployments[leg.deployment].model.as_deref();
        leg.model.or(own).unwrap_or_default()
    }

    /// The largest answer of the model, where that is known, and where it departs from its dialect.
    fn facts(&self, leg: &Leg<'_>) -> (Option<u64>, &Deviations) {
        self.snapshot.tables.deployments[leg.deployment].facts_of(self.model(leg))
    }

    /// What shapes an answer that is translated.
    fn replying<'a>(&'a self, record: &'a Record) -> Replying<'a> {
        Replying {
            fallback_id: record.id.as_str(),
            fallback_model: record.model.as_deref().unwrap_or_default(),
            now_unix_s: u64::try_from(record.started_unix_s()).unwrap_or_default(),
            includes_usage: !self.splices_usage,
            is_json_array: self.is_json_array,
            request: self.request.and_then(View::known),
        }
    }

    /// Reads the answer if it is JSON, or leaves it to be relayed.
    async fn receive(
        &self,
        settlement: &mut Settlement,
        mut flight: Flight,
        leg: &Leg<'_>,
        (crossing, is_spliced): (Crossing, bool),
    ) -> Result<Reply, Failed> {
        let operation = self.call.operation();
        let record = &mut settlement.record;
        let is_success = flight.head.status.is_success();
        if is_success && has_type(&flight.head, "text/event-stream") {
            return self.receive_events(record, flight, leg, (crossing, is_spliced)).await;
        }
        if is_success && operation.gives == Gives::Content && !has_type(&flight.head, "application/json") {
            return self.receive_content(record, flight, leg).await;
        }
        let status = Some(flight.head.status.as_u16());
        let limit_bytes = match crossing {
            Crossing::Same => WHOLE_ANSWER_LIMIT_BYTES,
            // Nothing of it can go out before it is whole, and the flight bounds it.
            Crossing::Translated(_) => usize::MAX,
        };
        let (body, is_whole) = match flight.read(limit_bytes).await {
            Ok(read) => read,
            Err(failure) => return Err(give_up(flight.call, failure, status).unanswered(is_success)),
        };
        record.lap(Stage::Answer);
        let id = &self.snapshot.tables.deployments[leg.deployment].id;
        let wants_events = record.is_stream && operation.is_answered_by_model();
        let answers_in = crossing.answers_in(operation, record.is_stream);
        match answer::judge(&flight.head, &body, is_whole, (operation, answers_in)) {
            Judged::Answer(answer) if wants_events => {
                let message = format!("{id}: the provider answered in one piece where a stream was asked for");
                Err(garbage(flight.call, message, status).billed((answer.usage, answer.reported_cost_pusd)))
            }
            Judged::Answer(answer) => {
                (record.usage, record.service_tier) = (answer.usage, answer.service_tier);
                record.reported_cost_pusd = answer.reported_cost_pusd;
                record.is_truncated = answer.is_truncated;
                if operation.books == Books::ReportedOrEstimated && operation.gives_tokens() {
                    record.content_bytes = body.len() as u64;
                }
                if is_whole {
                    let body = match crossing {
                        Crossing::Same => Some(body),
                        Crossing::Translated(pair) => translation::answer(&body, pair, &self.replying(record)),
                    };
                    let Some(body) = body else {
                        let message = format!("{id}: the provider answered with something that is no answer");
                        return Err(garbage(flight.call, message, status));
                    };
                    flight.call.succeed(record.output_tokens(), record.last_lap());
                    Ok(Reply::Whole { head: flight.head, body })
                } else {
                    flight.note_content();
                    Ok(Reply::Rest { flight, head: body })
                }
            }
            Judged::Unusable(what) => Err(garbage(flight.call, format!("{id}: the provider {what}"), status)),
            Judged::Error => Err(self.fail(flight, body, is_whole, leg, (record.id, crossing))),
        }
    }

    async fn receive_events(
        &self,
        record: &mut Record,
        mut flight: Flight,
        leg: &Leg<'_>,
        (crossing, is_spliced): (Crossing, bool),
    ) -> Result<Reply, Failed> {
        let tables = &self.snapshot.tables;
        let deployment = &tables.deployments[leg.deployment];
        let operation = self.call.operation();
        let reader = crossing.answers_in(operation, true).stream_reader(self.choices);
        let secrets = Arc::clone(&self.snapshot.target(deployment).secrets);
        let is_spliced = is_spliced && crossing == Crossing::Same;
        let mut events = Box::new(Events::new(reader, tables.bounds.stream_event_bytes, is_spliced, secrets));
        let translation = match crossing {
            Crossing::Translated(pair) => Some(translation::Stream::new(pair, &self.replying(record))),
            Crossing::Same => self.is_json_array.then(translation::Stream::array),
        };
        if let Some(translation) = translation {
            events.translate(translation, Duration::from_millis(tables.bounds.stream_ping_ms));
        }
        if self.is_json_array {
            flight.head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        // Whether a form asks for events is not looked for.
        let is_wanted = record.is_stream || self.request.is_none() || !operation.is_answered_by_model();
        if leg.is_last && is_wanted {
            flight.commit();
            return Ok(Reply::Events { flight, events });
        }
        let held = events.hold(&mut flight).await;
        record.lap(Stage::Answer);
        let Err(broken) = held else {
            if !is_wanted {
                let message = format!("{}: the provider answered with a stream that nobody asked for", deployment.id);
                let status = Some(flight.head.status.as_u16());
                return Err(garbage(flight.call, message, status).unanswered(true).billed(events.billed()));
            }
            if events.has_content() {
                record.note_first_content();
            }
            return Ok(Reply::Events { flight, events });
        };
        let status = Some(flight.head.status.as_u16());
        let (usage, reported_cost_pusd) = events.billed();
        let Some(data) = broken.error_event else {
            let failed = give_up(flight.call, broken.failure, status).unanswered(true);
            return Err(failed.billed((usage, reported_cost_pusd)));
        };
        let classified = classify_event(self.error_dialect(leg.deployment), &data, unix_ms(SystemTime::now()));
        let message = format!("{}: the provider's stream began with an error", deployment.id);
        let failure =
            Failure { provider_code: classified.code.clone(), ..Failure::new(Cause::ProviderFailed, message) };
        flight.call.fail(&classified.verdict, Instant::now());
        let failed = FailedAttempt::new(classified.verdict, failure, status);
        Err(FailedAttempt { needed_tokens: classified.needed_tokens, usage, reported_cost_pusd, ..failed }.into())
    }

    /// Sound, text or a file goes out as it comes, once its first bytes are there.
    async fn receive_content(&self, record: &mut Record, mut flight: Flight, leg: &Leg<'_>) -> Result<Reply, Failed> {
        let status = Some(flight.head.status.as_u16());
        if let Err(what) = answer::judge_content(&flight.head) {
            let id = &self.snapshot.tables.deployments[leg.deployment].id;
            return Err(garbage(flight.call, format!("{id}: the provider {what}"), status));
        }
        let (body, is_whole) = match flight.read(0).await {
            Ok(read) => read,
            Err(failure) => return Err(give_up(flight.call, failure, status)),
        };
        record.lap(Stage::Answer);
        if is_whole {
            flight.call.succeed(0, record.last_lap());
            return Ok(Reply::Whole { head: flight.head, body });
        }
        flight.note_content();
        Ok(Reply::Rest { flight, head: body })
    }

    /// How the provider of a deployment writes errors.
    fn error_dialect(&self, deployment: usize) -> ErrorDialect {
        self.snapshot.provider(deployment).dialect.into()
    }

    /// The provider answered with an error.
    fn fail(
        &self,
        flight: Flight,
        body: Bytes,
        is_whole: bool,
        leg: &Leg<'_>,
        (request_id, crossing): (RequestId, Crossing),
    ) -> Failed {
        let deployment = &self.snapshot.tables.deployments[leg.deployment];
        let Flight { head, mut call, .. } = flight;
        let status = head.status.as_u16();
        let facts =
            Facts { status, body: &body, headers: &Fields(&head.headers), now_unix_ms: unix_ms(SystemTime::now()) };
        let Classified { verdict, code, needed_tokens, .. } = classify(self.error_dialect(leg.deployment), &facts);
        let now = Instant::now();
        call.fail(&verdict, now);
        let is_of_credential = matches!(verdict.reason, Reason::RateLimited | Reason::QuotaSpent);
        let may_change = is_of_credential && self.snapshot.fleet.has_other_credential(leg.deployment, now);
        // What one key may no longer do, another may.
        let verdict = if may_change { Verdict { action: Action::DisableKey, ..verdict } } else { verdict };
        let (failure, is_fit) = answer::describe_error(&deployment.id, status, is_whole, &verdict);
        let failure = Failure { provider_code: code, ..failure };
        let body = match crossing {
            Crossing::Same => body,
            Crossing::Translated(_) => {
                let client = self.call.operation().dialect;
                client.error_of_provider(status, &ProviderError::read(&body), request_id.as_str()).into()
            }
        };
        let original = is_fit.then(|| (head, self.snapshot.target(deployment).secrets.remove_from(body)));
        FailedAttempt { original, needed_tokens, ..FailedAttempt::new(verdict, failure, Some(status)) }.into()
    }
}

/// The headers of an answer, for the classifier.
struct Fields<'a>(&'a HeaderMap);

impl Headers for Fields<'_> {
    fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name).map(HeaderValue::as_bytes)
    }
}

/// The gateway itself found the provider wanting.
fn give_up(mut call: Call, failure: Failure, status: Option<u16>) -> Failed {
    let verdict = Verdict::of_cause(failure.cause);
    call.fail(&verdict, Instant::now());
    FailedAttempt::new(verdict, failure, status).into()
}

/// The answer is none.
fn garbage(mut call: Call, message: String, status: Option<u16>) -> Failed {
    let verdict = Verdict { action: Action::Wait, reason: Reason::Garbage, pause_ns: None };
    call.fail(&verdict, Instant::now());
    FailedAttempt::new(verdict, Failure::new(Cause::ProviderFailed, message), status).into()
}

/// Whether the provider says anything of its limits. One pass over the headers is cheaper than looking for each of the
/// names they may have.
fn has_limits(headers: &HeaderMap) -> bool {
    const PREFIXES: [&str; 3] = ["x-ratelimit-", "anthropic-ratelimit-", "ratelimit"];
    headers.keys().any(|name| PREFIXES.iter().any(|prefix| name.as_str().starts_with(prefix)))
}

fn has_type(head: &response::Parts, essence: &str) -> bool {
    let found = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.as_bytes().get(..essence.len()));
    found.is_some_and(|found| found.eq_ignore_ascii_case(essence.as_bytes()))
}
