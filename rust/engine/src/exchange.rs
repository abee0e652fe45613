//! One exchange, top to bottom. The only place that knows the order of the stages:
//!
//! admit → read the request once → choose route → attempt → read or relay the answer → settle.

use std::rc::Rc;
use std::sync::Arc;

use fastgate_core::dialects::openai::Kept;
use fastgate_core::failure::Failure;
use fastgate_core::telemetry::trace_context::{TraceContext, tracestate};
use http::{HeaderMap, HeaderName, HeaderValue, Request, header, request, response};

use crate::answer::{self, Reply};
use crate::body::{RequestBody, ResponseBody};
use crate::choice::{Choice, Chooser};
use crate::flight::{Flight, Plan};
use crate::guard::{self, Caller, Peer};
use crate::identity::Identity;
use crate::operation::{Call, Gives, Goes};
use crate::payload::{Payload, Upstream};
use crate::record::{Books, Record, Stage};
use crate::relay::Events;
use crate::settlement::Settlement;
use crate::snapshot::Snapshot;
use crate::worker::Worker;

/// JSON answers are read whole up to here before the first byte goes out; larger ones are relayed.
const WHOLE_ANSWER_LIMIT_BYTES: usize = 1024 * 1024;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Carries one request from the client to a provider, and the answer back.
pub(crate) async fn exchange(
    worker: &Rc<Worker>,
    call: Call<'_>,
    request: Request<RequestBody>,
    peer: Peer,
) -> http::Response<ResponseBody> {
    let snapshot = worker.snapshot();
    let (parts, body) = request.into_parts();
    let traceparent = parts.headers.get(TRACEPARENT).map(HeaderValue::as_bytes);
    let trace = TraceContext::from_headers(traceparent, (worker.random(), worker.random()));
    let record = Record::begin(worker.request_id(), trace, call.operation().name, Arc::clone(&snapshot));
    let settlement = Settlement::begin(Rc::clone(worker), record);
    let mut exchange = Exchange { worker, snapshot: &snapshot, call, settlement };
    let reply = exchange.run(&parts, body, peer).await.unwrap_or_else(Reply::Refused);
    answer::write(reply, exchange.settlement)
}

struct Exchange<'a> {
    worker: &'a Rc<Worker>,
    snapshot: &'a Snapshot,
    call: Call<'a>,
    settlement: Settlement,
}

/// What the answer is read with.
struct Expected {
    choices: u64,
    /// The client did not ask for the token counts that the provider was asked for.
    splices_usage: bool,
}

impl<'a> Exchange<'a> {
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
        record.lap(Stage::Admit);
        let payload = Payload::read(operation, &parts.headers, body, &self.snapshot.tables.bounds).await?;
        let request = payload.request();
        let record = &mut self.settlement.record;
        // The reading is counted with the waiting where a body comes in pieces.
        record.lap(Stage::Receive);
        record.request_bytes = payload.length();
        record.identity.complete(record.key.as_deref(), request.and_then(|request| request.user.clone()));
        record.is_stream = request.is_some_and(|request| request.stream);
        let choices = request.map_or(1, |request| request.choices);
        record.lap(Stage::Read);
        let choice = self.choose(caller, &payload)?;
        let stream_usage = self.snapshot.provider(choice.deployment).stream_usage;
        let splices_usage = stream_usage && request.is_some_and(|request| request.usage_splice.is_some());
        let (deployment, budget) = (choice.deployment, choice.budget);
        let name = choice.model.map(str::to_owned);
        let upstream = payload.into_upstream(name.as_deref(), stream_usage)?;
        self.settlement.record.provider_model = name;
        self.settlement.record.lap(Stage::Route);
        let query = parts.uri.query().filter(|_| operation.goes != Goes::ByModel);
        let trace = self.trace_headers(&parts.headers);
        let flight = self.attempt(Choice { deployment, model: None, budget }, upstream, query, trace).await?;
        self.receive(flight, Expected { choices, splices_usage }).await
    }

    fn choose<'b>(&mut self, caller: Caller<'b>, payload: &'b Payload) -> Result<Choice<'b>, Failure>
    where
        'a: 'b,
    {
        let operation = self.call.operation();
        let now_unix_s = self.settlement.record.started_unix_s();
        let chooser = Chooser { worker: self.worker, snapshot: self.snapshot, caller, now_unix_s };
        match operation.goes {
            Goes::ByModel => {
                let model = payload.model()?;
                self.settlement.record.model = Some(model.to_owned());
                let continues = payload.request().and_then(|request| request.continues.as_deref());
                chooser.by_model(model, continues)
            }
            Goes::ToMaker => chooser.maker(self.call.id.unwrap_or_default()),
            Goes::ToFiles => chooser.files(operation, self.call.id.or_else(|| payload.file())),
        }
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

    async fn attempt(
        &mut self,
        choice: Choice<'_>,
        upstream: Upstream,
        query: Option<&str>,
        trace: [(HeaderName, Option<HeaderValue>); 2],
    ) -> Result<Flight, Failure> {
        let operation = self.call.operation();
        let record = &mut self.settlement.record;
        record.deployment = Some(choice.deployment);
        record.attempts += 1;
        let (started, now) = (record.started, record.last_lap());
        let deployment = &self.snapshot.tables.deployments[choice.deployment];
        let target = self.snapshot.target(deployment);
        let address = target
            .address(self.call, query)
            .map_err(|_| Failure::invalid_request("the query can't be part of an address", None))?;
        let plan = Plan {
            deployment,
            target,
            head: target.head(self.worker.random()),
            method: &operation.method,
            address: &address,
            content_type: upstream.content_type,
            accept: HeaderValue::from_static(match operation.gives {
                Gives::Object => "application/json, text/event-stream",
                Gives::Content => "*/*",
            }),
            trace,
            started: now,
            budget_ends: choice.budget.map(|budget| started + budget),
            idle_connections: self.snapshot.tables.bounds.idle_connections,
            answer_limit_bytes: self.snapshot.tables.bounds.answer_body_bytes,
        };
        let launched = Flight::launch(self.worker, plan, upstream.body).await;
        self.settlement.record.lap(Stage::Provider);
        // An upload that the client or the gateway ended is no failure of the provider.
        let refusal = upstream.refusal.and_then(|refusal| refusal.get().cloned());
        launched.map_err(|failure| refusal.unwrap_or(failure))
    }

    /// Reads the answer if it is JSON, or leaves it to be relayed.
    async fn receive(&mut self, mut flight: Flight, expected: Expected) -> Result<Reply, Failure> {
        let operation = self.call.operation();
        let index = self.settlement.record.deployment.unwrap_or_default();
        let deployment = &self.snapshot.tables.deployments[index];
        let is_success = flight.head.status.is_success();
        if is_success && has_type(&flight.head, "text/event-stream") {
            let reader = operation.dialect.stream_reader(expected.choices);
            let event_limit_bytes = self.snapshot.tables.bounds.stream_event_bytes;
            let secrets = Arc::clone(&self.snapshot.target(deployment).secrets);
            let events = Box::new(Events::new(reader, event_limit_bytes, expected.splices_usage, secrets));
            return Ok(Reply::Events { flight, events });
        }
        if is_success && operation.gives == Gives::Content && !has_type(&flight.head, "application/json") {
            return self.receive_content(flight, &deployment.id).await;
        }
        let (body, is_whole) = flight.read(WHOLE_ANSWER_LIMIT_BYTES).await?;
        let record = &mut self.settlement.record;
        record.lap(Stage::Answer);
        let answer = answer::judge(&flight.head, &body, is_whole, &deployment.id, operation)?;
        (record.usage, record.service_tier) = (answer.usage, answer.service_tier);
        if !is_success {
            let body = self.snapshot.target(deployment).secrets.remove_from(body);
            return Ok(Reply::Whole { head: flight.head, body });
        }
        if operation.books == Books::ReportedOrEstimated {
            record.content_bytes = body.len() as u64;
        }
        if !is_whole {
            return Ok(Reply::Rest { flight, head: body });
        }
        if operation.is_kept {
            self.note_kept(&Kept::read(&body));
        }
        Ok(Reply::Whole { head: flight.head, body })
    }

    /// Sound, text or a file goes out as it comes, once its first bytes are there.
    async fn receive_content(&mut self, mut flight: Flight, deployment: &str) -> Result<Reply, Failure> {
        answer::judge_content(&flight.head, deployment)?;
        let (body, is_whole) = flight.read(0).await?;
        self.settlement.record.lap(Stage::Answer);
        if is_whole {
            return Ok(Reply::Whole { head: flight.head, body });
        }
        flight.note_content();
        Ok(Reply::Rest { flight, head: body })
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

fn has_type(head: &response::Parts, essence: &str) -> bool {
    let found = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.as_bytes().get(..essence.len()));
    found.is_some_and(|found| found.eq_ignore_ascii_case(essence.as_bytes()))
}
