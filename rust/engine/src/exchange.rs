//! One exchange, top to bottom. The only place that knows the order of the stages:
//!
//! admit → read the request once → choose route → attempts, each judged before anything goes out → commit → settle.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fastgate_core::dialects::Dialect;
use fastgate_core::dialects::openai::Kept;
use fastgate_core::failure::{Cause, Failure};
use fastgate_core::prompt_hash::prompt_hash;
use fastgate_core::resilience::attempts::{Attempts, Over, Step};
use fastgate_core::tables::Latency;
use fastgate_core::telemetry::trace_context::{TraceContext, tracestate};
use http::{HeaderMap, HeaderName, HeaderValue, Request, request};

use crate::answer::{self, Reply};
use crate::attempt::{Asked, Failed, Leg};
use crate::body::{RequestBody, ResponseBody};
use crate::candidates::Candidates;
use crate::choice::{Choice, Chooser};
use crate::exhausted::Failures;
use crate::guard::{self, Caller, Peer};
use crate::idempotency::Claim;
use crate::identity::Identity;
use crate::limits::{self, Taken};
use crate::operation::{Call, Goes, Takes};
use crate::payload::Payload;
use crate::record::{Books, Record, Stage};
use crate::settlement::Settlement;
use crate::snapshot::Snapshot;
use crate::spare_headers;
use crate::trail::Tried;
use crate::wishes::Wishes;
use crate::worker::Worker;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENCY_KEY_LIMIT_BYTES: usize = 256;
const ANTHROPIC_BETA: HeaderName = HeaderName::from_static("anthropic-beta");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Carries one request from the client to a provider, and the answer back.
pub(crate) async fn exchange(
    worker: &Rc<Worker>,
    call: Call<'_>,
    request: Request<RequestBody>,
    peer: Peer,
) -> http::Response<ResponseBody> {
    let operation = call.operation();
    let may_share = operation.goes == Goes::ByModel && operation.takes == Takes::Json && call.id.is_none();
    if may_share && request.headers().contains_key(IDEMPOTENCY_KEY) {
        return Box::pin(share(worker, Call { index: call.index, id: None }, request, peer)).await;
    }
    carry(worker, call, request, peer).await
}

async fn carry(
    worker: &Rc<Worker>,
    call: Call<'_>,
    request: Request<RequestBody>,
    peer: Peer,
) -> http::Response<ResponseBody> {
    let snapshot = worker.snapshot();
    let (parts, body) = request.into_parts();
    let settlement = begin(worker, call, &parts.headers, &snapshot);
    let mut exchange = Exchange { worker, snapshot: &snapshot, call, settlement };
    let reply = exchange.run(&parts, body, peer).await.unwrap_or_else(Reply::Refused);
    let response = answer::write(reply, exchange.settlement, call.operation().dialect);
    spare_headers::give(parts.headers);
    response
}

fn begin(worker: &Rc<Worker>, call: Call<'_>, headers: &HeaderMap, snapshot: &Arc<Snapshot>) -> Settlement {
    let traceparent = headers.get(TRACEPARENT).map(HeaderValue::as_bytes);
    let trace = TraceContext::from_headers(traceparent, (worker.random(), worker.random()));
    let record = Record::begin(worker.request_id(), trace, call.operation().name, Arc::clone(snapshot));
    Settlement::begin(Rc::clone(worker), record)
}

/// The same for a request with an `Idempotency-Key`: its answer is made once, in a task that no client's leaving ends.
async fn share(
    worker: &Rc<Worker>,
    call: Call<'static>,
    request: Request<RequestBody>,
    peer: Peer,
) -> http::Response<ResponseBody> {
    let snapshot = worker.snapshot();
    let (parts, body) = request.into_parts();
    let tables = &snapshot.tables;
    let dialect = call.operation().dialect;
    // Who may not ask is refused, and recorded, as ever.
    let admitted = guard::admit(worker, &snapshot, &parts.headers, &parts.uri, peer, SystemTime::now());
    let named = admitted.and_then(|caller| Ok((Identity::read(&caller, &parts.headers)?, caller)));
    let Ok((identity, caller)) = named else {
        return carry(worker, call, Request::from_parts(parts, body), peer).await;
    };
    // One that makes no exchange of its own is on record as whose it is, and calls nobody.
    let begin_named = |body: &[u8]| {
        let mut settlement = begin(worker, call, &parts.headers, &snapshot);
        let record = &mut settlement.record;
        let request = dialect.read_request(body, tables.bounds.json_depth, None).ok();
        record.tenant = Some(caller.tenant);
        record.key = caller.key().map(|key| key.id().to_owned());
        record.identity = identity.clone();
        record.request_bytes = body.len() as u64;
        record.is_stream = request.as_ref().is_some_and(|request| request.stream);
        if let Some(request) = request {
            record.identity.complete(record.key.as_deref(), request.user);
            record.model = Some(request.model);
        }
        settlement
    };
    let refuse = |failure, body: &[u8]| answer::write(Reply::Refused(failure), begin_named(body), dialect);
    let body = match body.read(tables.bounds.request_body_bytes).await {
        Ok(body) => body,
        Err(failure) => return refuse(failure, &[]),
    };
    let key = parts.headers.get(IDEMPOTENCY_KEY).map(HeaderValue::as_bytes).unwrap_or_default();
    if key.is_empty() || key.len() > IDEMPOTENCY_KEY_LIMIT_BYTES {
        let message = format!("the header Idempotency-Key must have 1 to {IDEMPOTENCY_KEY_LIMIT_BYTES} characters");
        return refuse(Failure::invalid_request(message, None), &body);
    }
    let bounds = (Duration::from_millis(tables.resilience.idempotency_ms), tables.resilience.idempotency_bytes);
    let store = &worker.shared.idempotency;
    match store.claim((&tables.tenants[caller.tenant].id, key), (call.index, &body), bounds, std::time::Instant::now())
    {
        Claim::Reused => {
            let message = "this Idempotency-Key was used for another request: take a new one, or send the same request";
            refuse(Failure::new(Cause::IdempotencyKeyReused, message), &body)
        }
        Claim::Unkept => carry(worker, call, Request::from_parts(parts, RequestBody::Whole(body)), peer).await,
        Claim::Lead(lead, subscription) => {
            let request = Request::from_parts(parts, RequestBody::Whole(body));
            let task_worker = Rc::clone(worker);
            tokio::task::spawn_local(async move {
                let response = carry(&task_worker, call, request, peer).await;
                lead.follow(response).await;
            });
            // The exchange in the task has the record; this client is one of those who read.
            answer::shared(worker, subscription, None, dialect).await
        }
        Claim::Follow(subscription) => answer::shared(worker, subscription, Some(begin_named(&body)), dialect).await,
    }
}

struct Exchange<'a> {
    worker: &'a Rc<Worker>,
    snapshot: &'a Arc<Snapshot>,
    call: Call<'a>,
    settlement: Settlement,
}

impl Exchange<'_> {
    async fn run(&mut self, parts: &request::Parts, body: RequestBody, peer: Peer) -> Result<Reply, Failure> {
        let operation = self.call.operation();
        let now = self.settlement.record.started_at;
        let caller = guard::admit(self.worker, self.snapshot, &parts.headers, &parts.uri, peer, now)?;
        let record = &mut self.settlement.record;
        record.tenant = Some(caller.tenant);
        record.key = caller.key().map(|key| key.id().to_owned());
        record.identity = Identity::read(&caller, &parts.headers)?;
        record.books = operation.books;
        record.price_context = if operation.goes == Goes::ToFiles { &[("processing", "batch")] } else { &[] };
        let wishes = Wishes::read(&parts.headers)?;
        record.lap(Stage::Admit);
        let mut payload = Payload::read(self.call, &parts.headers, body, &self.snapshot.tables.bounds).await?;
        let request = payload.request();
        let record = &mut self.settlement.record;
        // The reading is counted with the waiting where a body comes in pieces.
        record.lap(Stage::Receive);
        record.request_bytes = payload.length();
        record.identity.complete(record.key.as_deref(), request.and_then(|request| request.user.clone()));
        record.is_stream = request.is_some_and(|request| request.stream);
        record.prompt_hash = payload.json().map(prompt_hash);
        record.lap(Stage::Read);
        self.settlement.record.model = match operation.goes {
            Goes::ByModel => Some(payload.model()?.to_owned()),
            Goes::ToMaker | Goes::ToFiles => None,
        };
        let applied = limits::apply(self.worker, &mut self.settlement.record);
        let mut choice = self.choose(caller, &payload, &wishes)?;
        limits::reserve(self.worker, operation, &mut self.settlement.record, &mut payload, &mut choice, applied)?;
        // Kept for answers that repeat it; shares the payload's bytes.
        let body_of_client = payload.body();
        let request = payload.request();
        let asked = Asked {
            worker: self.worker,
            snapshot: self.snapshot,
            call: self.call,
            query: parts.uri.query().filter(|_| operation.goes != Goes::ByModel),
            fields: self.passed_headers(&parts.headers),
            is_json_array: operation.dialect == Dialect::Gemini { stream: true }
                && !parts.uri.query().is_some_and(|query| query.split('&').any(|pair| pair == "alt=sse")),
            choices: request.map_or(1, |request| request.choices),
            request: body_of_client.as_deref(),
            splices_usage: request.is_some_and(|request| request.usage_splice.is_some()),
        };
        let budget = [wishes.budget, choice.budget].into_iter().flatten().min();
        // Boxed: what an attempt needs would otherwise be moved with every step up to the first.
        let reply =
            Box::pin(self.pursue(&asked, choice, payload, (budget, wishes.latency.unwrap_or_default()))).await?;
        if let Reply::Whole { body, .. } = &reply
            && operation.is_kept
            && self.settlement.record.deployment.is_some_and(|it| self.snapshot.keeps(operation, it))
        {
            self.note_kept(&Kept::read(body));
        }
        Ok(reply)
    }

    fn choose(&mut self, caller: Caller<'_>, payload: &Payload, wishes: &Wishes<'_>) -> Result<Choice, Failure> {
        let operation = self.call.operation();
        let record = &self.settlement.record;
        let chooser = Chooser { worker: self.worker, snapshot: self.snapshot, caller, record };
        match operation.goes {
            Goes::ByModel => chooser.by_model(operation, payload, wishes),
            Goes::ToMaker => chooser.maker(operation, self.call.id.unwrap_or_default()),
            Goes::ToFiles => chooser.files(operation, self.call.id.or_else(|| payload.file())),
        }
    }

    /// `traceparent` and `tracestate` for the provider, since this exchange is its parent, and the features in test that a
    /// client of Anthropic's asks for.
    fn passed_headers(&self, headers: &HeaderMap) -> [(HeaderName, Option<HeaderValue>); 3] {
        let trace = &self.settlement.record.trace;
        let state = trace.parent_id.and_then(|_| {
            tracestate(headers.get_all(TRACESTATE).iter().map(HeaderValue::as_bytes))
                .and_then(|state| HeaderValue::from_bytes(&state).ok())
        });
        let is_anthropic = self.call.operation().dialect == Dialect::Anthropic;
        let beta = if is_anthropic { headers.get(ANTHROPIC_BETA).cloned() } else { None };
        [(TRACEPARENT, HeaderValue::from_bytes(&trace.traceparent()).ok()), (TRACESTATE, state), (ANTHROPIC_BETA, beta)]
    }

    /// Tries the candidates until one answers, nothing is left to try, or the budget is spent.
    async fn pursue(
        &mut self,
        asked: &Asked<'_>,
        mut choice: Choice,
        mut payload: Payload,
        (budget, class): (Option<Duration>, Latency),
    ) -> Result<Reply, Failure> {
        let registry = &self.worker.shared.registry;
        let started = self.settlement.record.started;
        let drill = registry.drills.draw(self.worker, &self.settlement.record);
        self.settlement.record.budget = budget;
        self.settlement.record.route = choice.route.take();
        let need = limits::need(self.worker, self.call.operation(), &self.settlement.record, &payload);
        let mut candidates = Candidates::new(self.snapshot, self.call.operation(), &choice, need, started);
        let deadline_ns = budget.map(|budget| registry.ns(started + budget));
        let mut attempts = Attempts::new(candidates.len(), deadline_ns, self.snapshot.fleet.limits());
        let mut failures = Failures::default();
        let over = loop {
            let now = self.settlement.record.last_lap();
            let now_ns = registry.ns(now);
            candidates.set_now(now, now_ns);
            let step = attempts.next(&candidates, now_ns, self.worker.random());
            let (mut candidate, mut first_content_by_ns) = match step {
                Step::Call { candidate, first_content_by_ns } => (candidate, first_content_by_ns),
                Step::Wait { until_ns, .. } => {
                    self.settlement.record.lap(Stage::Route);
                    let _waiting = self.settlement.record.wait(Stage::Backoff);
                    tokio::time::sleep_until(registry.at(until_ns)).await;
                    continue;
                }
                Step::Over(over) => break over,
            };
            let is_own = candidates.is_own(candidates.deployment(candidate));
            let forced =
                drill.as_ref().filter(|it| !is_own && it.forces(self.snapshot, candidates.deployment(candidate)));
            let mut taken = None;
            if forced.is_none() && !is_own {
                let record = &mut self.settlement.record;
                let room = match limits::take(self.worker, record, &candidates, candidate) {
                    Some(room) => room,
                    // Boxed: hardly an exchange waits, and all would carry what waiting takes.
                    None => {
                        match Box::pin(limits::wait(self.worker, record, &mut candidates, &attempts, class)).await {
                            Ok(room) => {
                                candidate = candidates.of(room.deployment());
                                let now_ns = registry.ns(record.last_lap());
                                first_content_by_ns = attempts.call_instead(candidate, &candidates, now_ns);
                                room
                            }
                            Err(failure) if failures.is_empty() => return Err(failure),
                            Err(_) => break Over::Exhausted,
                        }
                    }
                };
                taken = Some(room);
            }
            let deployment = candidates.deployment(candidate);
            let asked_name = choice.asked_name.as_deref();
            let model = asked_name.map(|asked_name| self.snapshot.model_name(deployment, asked_name));
            let record = &mut self.settlement.record;
            record.note_attempt(deployment, model);
            let leg = Leg {
                deployment,
                model,
                first_content_by: registry.at(first_content_by_ns),
                credential: taken.as_ref().map_or(0, Taken::credential),
                is_first_call: !record.trail.has(deployment),
                is_last: payload.is_once() || attempts.is_last(&candidates, now_ns),
            };
            record.taken = taken;
            let outcome = match forced {
                Some(drill) => {
                    record.drill = Some(Arc::clone(drill));
                    Err(drill.force(&self.snapshot.tables.deployments[deployment].id))
                }
                None => asked.attempt(&mut self.settlement, &mut payload, leg).await,
            };
            let failed = match outcome {
                Ok(reply) => return Ok(reply),
                Err(Failed::Exchange(failure)) => return Err(failure),
                Err(Failed::Attempt(failed)) => failed,
            };
            let record = &mut self.settlement.record;
            let ended = record.last_lap();
            if let Some(taken) = record.taken.take() {
                failed.end(taken, ended);
            }
            let (reason, status) = (failed.verdict.reason, failed.status);
            let billed = record.billed(&failed, &self.worker.shared.vocabularies);
            let is_billed = billed.is_some();
            record.trail.push(Tried { deployment, reason, status, took: ended.saturating_duration_since(now), billed });
            candidates.note(&failed);
            if failed.is_replaced {
                record.attempts += 1;
                attempts.note_replacement();
            }
            attempts.note_failure(failed.verdict, registry.ns(ended));
            failures.push(*failed);
            if payload.is_gone() {
                break Over::Exhausted;
            }
            if is_billed {
                limits::cover(self.worker, record)?;
            }
        };
        failures.conclude(over, &self.settlement.record)
    }

    /// Remembers who made what the provider keeps, and books what it cost once that is known.
    fn note_kept(&mut self, kept: &Kept) {
        let is_reported = self.settlement.record.usage.is_some();
        let is_creation = self.call.id.is_none();
        for id in kept.ids() {
            // What is only met now was made before this process began, and may be booked.
            self.settlement.note_made(id, is_reported || !is_creation);
        }
        let books = match self.call.id {
            // Not finished yet: who asks for it later learns the counts.
            None if is_reported => return,
            Some(id) if is_reported && self.settlement.books(id) => Books::Reported,
            _ => Books::Nothing,
        };
        let record = &mut self.settlement.record;
        record.books = books;
        if record.model.is_none() {
            record.model.clone_from(&kept.model);
            record.provider_model.clone_from(&kept.model);
        }
    }
}
