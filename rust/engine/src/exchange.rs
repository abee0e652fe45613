//! One exchange, top to bottom. The only place that knows the order of the stages:
//!
//! admit → read the request once → choose route → attempts, each judged before anything goes out → commit → settle.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fastgate_core::dialects::openai::Kept;
use fastgate_core::failure::{Cause, Failure};
use fastgate_core::limits::Applied;
use fastgate_core::limits::capacity::Need;
use fastgate_core::prompt_hash::prompt_hash;
use fastgate_core::resilience::attempts::{Attempts, Over, Step};
use fastgate_core::tables::Latency;
use fastgate_core::tables::limits::{LimitRule, Resource};
use fastgate_core::telemetry::trace_context::{TraceContext, tracestate};
use http::{HeaderMap, HeaderName, HeaderValue, Request, request};
use smallvec::SmallVec;

use crate::answer::{self, Reply};
use crate::attempt::{Asked, Failed, Leg};
use crate::body::{RequestBody, ResponseBody};
use crate::candidates::Candidates;
use crate::choice::{Choice, Chooser};
use crate::exhausted::Failures;
use crate::guard::{self, Caller, Peer};
use crate::idempotency::Claim;
use crate::identity::Identity;
use crate::limits::{Costs, Question, QueueRefusal, Reservation, Taken, WaiterInfo};
use crate::operation::{Call, Goes, Takes};
use crate::payload::Payload;
use crate::record::{Books, Record, Stage};
use crate::settlement::Settlement;
use crate::snapshot::Snapshot;
use crate::trail::Tried;
use crate::wishes::Wishes;
use crate::worker::Worker;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const IDEMPOTENCY_KEY_LIMIT_BYTES: usize = 256;
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// Output that a request is taken to have while nothing is known of earlier ones.
const USUAL_OUTPUT_TOKENS: u64 = 256;
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Carries one request from the client to a provider, and the answer back.
pub(crate) async fn exchange(
    worker: &Rc<Worker>,
    call: Call<'_>,
    request: Request<RequestBody>,
    peer: Peer,
) -> http::Response<ResponseBody> {
    let operation = call.operation();
    let may_share = operation.goes == Goes::ByModel && operation.takes == Takes::Json;
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
    answer::write(reply, exchange.settlement)
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
        let request = call.operation().dialect.read_request(body, tables.bounds.json_depth).ok();
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
    let refuse = |failure, body: &[u8]| answer::write(Reply::Refused(failure), begin_named(body));
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
            answer::shared(worker, subscription, None).await
        }
        Claim::Follow(subscription) => answer::shared(worker, subscription, Some(begin_named(&body))).await,
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
        let mut payload = Payload::read(operation, &parts.headers, body, &self.snapshot.tables.bounds).await?;
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
        let applied = self.limits();
        let choice = self.choose(caller, &payload, &wishes)?;
        let choice = self.reserve(choice, &mut payload, applied)?;
        let request = payload.request();
        let asked = Asked {
            worker: self.worker,
            snapshot: self.snapshot,
            call: self.call,
            query: parts.uri.query().filter(|_| operation.goes != Goes::ByModel),
            trace: self.trace_headers(&parts.headers),
            choices: request.map_or(1, |request| request.choices),
            splices_usage: request.is_some_and(|request| request.usage_splice.is_some()),
        };
        let budget = [wishes.budget, choice.budget].into_iter().flatten().min();
        // Boxed: what an attempt needs would otherwise be moved with every step up to the first.
        let reply =
            Box::pin(self.pursue(&asked, choice, payload, (budget, wishes.latency.unwrap_or_default()))).await?;
        if let Reply::Whole { body, .. } = &reply
            && operation.is_kept
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
            Goes::ByModel => chooser.by_model(payload, wishes),
            Goes::ToMaker => chooser.maker(operation, self.call.id.unwrap_or_default()),
            Goes::ToFiles => chooser.files(operation, self.call.id.or_else(|| payload.file())),
        }
    }

    /// The limits that apply, and the cheaper model where so much of one is used.
    fn limits(&mut self) -> SmallVec<[Applied; 8]> {
        let (customers, snapshot) = (&self.worker.shared.customers, self.snapshot);
        if snapshot.tables.limits.is_empty() {
            return SmallVec::new();
        }
        let record = &mut self.settlement.record;
        let applied = customers.applied(snapshot, record);
        record.downgraded_by = customers.downgrade(snapshot, record, &applied);
        applied
    }

    /// Reserves what the request may use of its customer's limits.
    fn reserve(
        &mut self,
        mut choice: Choice,
        payload: &mut Payload,
        applied: SmallVec<[Applied; 8]>,
    ) -> Result<Choice, Failure> {
        let customers = &self.worker.shared.customers;
        let limits = &self.snapshot.tables.limits;
        if applied.is_empty() {
            return Ok(choice);
        }
        let record = &mut self.settlement.record;
        let rules: SmallVec<[&LimitRule; 8]> = applied.iter().map(|applied| &limits[applied.rule]).collect();
        let question = Question {
            operation: self.call.operation(),
            payload,
            record,
            vocabularies: &self.worker.shared.vocabularies,
            customers,
            rules: &rules,
            asked_name: choice.asked_name.as_deref().unwrap_or_default(),
        };
        check_bounded(&question)?;
        let costs = Costs::read(&question, &mut choice.deployments).map_err(|_| unpriced())?;
        let (reservation, reserved) = Reservation::reserve(customers, record, applied, costs);
        let is_hard = reservation.is_hard(record);
        let bounds = reservation.bounds();
        record.reservation = Some(Box::new(reservation));
        reserved?;
        if let Some(output_tokens) = costs.asks_for_output_tokens {
            payload.ask_for_output(self.call.operation().dialect, output_tokens);
        }
        if is_hard {
            self.worker.keep_reservation(record, bounds).map_err(|_| unwritten())?;
        }
        Ok(choice)
    }

    /// `traceparent` and `tracestate` for the provider: this exchange is its parent.
    fn trace_headers(&self, headers: &HeaderMap) -> [(HeaderName, Option<HeaderValue>); 2] {
        let trace = &self.settlement.record.trace;
        let state = trace.parent_id.and_then(|_| {
            tracestate(headers.get_all(TRACESTATE).iter().map(HeaderValue::as_bytes))
                .and_then(|state| HeaderValue::from_bytes(&state).ok())
        });
        [(TRACEPARENT, HeaderValue::from_bytes(&trace.traceparent()).ok()), (TRACESTATE, state)]
    }

    /// Tries the candidates until one answers, nothing is left to try, or the budget is spent.
    async fn pursue(
        &mut self,
        asked: &Asked<'_>,
        choice: Choice,
        mut payload: Payload,
        (budget, class): (Option<Duration>, Latency),
    ) -> Result<Reply, Failure> {
        let registry = &self.worker.shared.registry;
        let started = self.settlement.record.started;
        let drill = registry.drills.draw(self.worker, &self.settlement.record);
        self.settlement.record.budget = budget;
        self.settlement.record.route = choice.route;
        let need = self.need(&payload);
        let mut candidates = Candidates::new(self.snapshot, &choice.deployments, choice.is_repeatable, need, started);
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
                    let _wait = Wait { record: &mut self.settlement.record, stage: Stage::Backoff };
                    tokio::time::sleep_until(registry.at(until_ns)).await;
                    continue;
                }
                Step::Over(over) => break over,
            };
            let forced = drill.as_ref().filter(|it| it.forces(self.snapshot, candidates.deployment(candidate)));
            let mut taken = None;
            if forced.is_none() {
                let room = match self.take_room(&candidates, candidate) {
                    Some(room) => room,
                    None => match self.wait_for_room(&mut candidates, &attempts, class).await {
                        Ok(room) => {
                            candidate = candidates.of(room.deployment());
                            let now_ns = registry.ns(self.settlement.record.last_lap());
                            first_content_by_ns = attempts.call_instead(candidate, &candidates, now_ns);
                            room
                        }
                        Err(failure) if failures.is_empty() => return Err(failure),
                        Err(_) => break Over::Exhausted,
                    },
                };
                taken = Some(room);
            }
            let deployment = candidates.deployment(candidate);
            let asked_name = choice.asked_name.as_deref();
            let model = asked_name.map(|asked_name| self.snapshot.model_name(deployment, asked_name));
            let record = &mut self.settlement.record;
            record.deployment = Some(deployment);
            if record.provider_model.as_deref() != model {
                record.provider_model = model.map(str::to_owned);
            }
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
                self.cover()?;
            }
        };
        failures.conclude(over, &self.settlement.record)
    }

    /// Reserves anew what a failed attempt was billed for.
    fn cover(&mut self) -> Result<(), Failure> {
        let record = &mut self.settlement.record;
        let Some(mut reservation) = record.reservation.take() else { return Ok(()) };
        let is_covered = reservation.top_up(&self.worker.shared.customers, record);
        let hard_bounds = reservation.is_hard(record).then(|| reservation.bounds_in_all(record));
        record.reservation = Some(reservation);
        is_covered?;
        let kept = hard_bounds.map_or(Ok(()), |bounds| self.worker.keep_reservation(record, bounds));
        kept.map_err(|_| unwritten())
    }

    /// What the request takes of a provider's capacity.
    fn need(&self, payload: &Payload) -> Need {
        let record = &self.settlement.record;
        if self.call.operation().books == Books::Nothing {
            return Need::default();
        }
        let request = payload.request();
        let max_output_tokens =
            request.and_then(|request| Some(request.output_tokens?.saturating_mul(request.billed_choices)));
        let usual = self.worker.shared.customers.estimated_output(record).unwrap_or(USUAL_OUTPUT_TOKENS);
        Need {
            input_tokens: self.worker.shared.vocabularies.estimate_bytes("", payload.length()),
            output_tokens: usual.min(max_output_tokens.unwrap_or(u64::MAX)),
            max_output_tokens,
        }
    }

    /// Room for a call to a candidate, if there is any.
    fn take_room(&self, candidates: &Candidates<'_>, candidate: usize) -> Option<Taken> {
        let (deployment, now) = (candidates.deployment(candidate), self.settlement.record.last_lap());
        self.snapshot.capacities.try_take_any(deployment, self.worker.random(), &candidates.need(), now).ok()
    }

    /// Waits until one of the candidates has room.
    async fn wait_for_room(
        &mut self,
        candidates: &mut Candidates<'_>,
        attempts: &Attempts,
        class: Latency,
    ) -> Result<Taken, Failure> {
        let record = &mut self.settlement.record;
        record.lap(Stage::Route);
        let tables = &self.snapshot.tables;
        let tenant = record.tenant.unwrap_or_default();
        let patience = Duration::from_millis(tables.limiting.queue_wait_ms);
        let deadline = record.last_lap() + patience;
        let deadline = record.budget.map_or(deadline, |budget| deadline.min(record.started + budget));
        let need = candidates.need();
        let eligible = candidates.to_wait_for(attempts);
        let info = WaiterInfo {
            tier: tables.tenants[tenant].tier,
            tenant,
            class,
            tokens: need.input_tokens.saturating_add(need.output_tokens),
            deadline,
            eligible: &eligible,
            need,
            random: self.worker.random(),
        };
        let wait = Wait { record, stage: Stage::Queue };
        let waited = self.snapshot.capacities.wait(info).await;
        drop(wait);
        let now = self.settlement.record.last_lap();
        candidates.set_now(now, self.worker.shared.registry.ns(now));
        waited.map_err(QueueRefusal::failure)
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

/// A wait, which is counted for its stage even if the client leaves before its end.
struct Wait<'a> {
    record: &'a mut Record,
    stage: Stage,
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.record.lap(self.stage);
    }
}

fn unpriced() -> Failure {
    let message =
        "no deployment that may answer has a known price, and a hard limit on money applies: give it one in [prices]";
    Failure { param: Some("model"), ..Failure::new(Cause::PriceUnknown, message) }
}

/// Whether what a request may use can be bounded before it is sent, where a hard limit on tokens or money applies.
fn check_bounded(question: &Question<'_>) -> Result<(), Failure> {
    let is_of_use =
        |rule: &&&LimitRule| rule.is_hard && !matches!(rule.resource, Resource::Requests | Resource::Concurrent);
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

fn unwritten() -> Failure {
    let message = "what this request may use can't be written down, and a hard limit applies to it";
    Failure::new(Cause::Overloaded, message)
}
