//! One exchange, top to bottom. The only place that knows the order of the stages:
//!
//! admit → read the request once → choose route → attempt → read or relay the answer → settle.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fastgate_core::dialects::openai_chat;
use fastgate_core::dialects::splice::{Splice, splice};
use fastgate_core::failure::{Cause, Failure};
use fastgate_core::routing::{self, Resolution};
use http::{Request, header, request, response};

use crate::answer::{self, Reply};
use crate::body::{RequestBody, ResponseBody};
use crate::flight::{Flight, Plan};
use crate::guard::{self, Caller, Peer};
use crate::identity::Identity;
use crate::record::{Record, Stage};
use crate::relay::Events;
use crate::settlement::Settlement;
use crate::snapshot::Snapshot;
use crate::worker::Worker;

/// JSON answers are read whole up to here before the first byte goes out; larger ones are relayed.
const WHOLE_ANSWER_LIMIT_BYTES: usize = 1024 * 1024;

/// Nesting allowed in a request body.
const JSON_DEPTH_LIMIT: usize = 128;

/// Carries one chat completion from the client to a provider and back.
pub(crate) async fn exchange(
    worker: &Rc<Worker>,
    request: Request<RequestBody>,
    peer: Peer,
) -> http::Response<ResponseBody> {
    let snapshot = worker.snapshot();
    let record = Record::begin(worker.request_id(), "chat", Arc::clone(&snapshot));
    let settlement = Settlement::begin(Rc::clone(worker), record);
    let mut exchange = Exchange { worker, snapshot: &snapshot, settlement };
    let (parts, body) = request.into_parts();
    let reply = exchange.run(&parts, body, peer).await.unwrap_or_else(Reply::Refused);
    answer::write(reply, exchange.settlement)
}

struct Exchange<'a> {
    worker: &'a Rc<Worker>,
    snapshot: &'a Snapshot,
    settlement: Settlement,
}

/// Where to, under which name.
struct Choice<'a> {
    deployment: usize,
    /// The provider's name for the model, where it differs from the client's.
    rename: Option<&'a str>,
    budget: Option<Duration>,
}

impl<'a> Exchange<'a> {
    async fn run(&mut self, parts: &request::Parts, body: RequestBody, peer: Peer) -> Result<Reply, Failure> {
        let caller = guard::admit(self.worker, self.snapshot, &parts.headers, &parts.uri, peer)?;
        let record = &mut self.settlement.record;
        record.tenant = Some(caller.tenant);
        record.key = caller.key.map(|key| key.id().to_owned());
        record.identity = Identity::read(&caller, &parts.headers)?;
        if parts.headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
            return Err(Failure::invalid_request("compressed request bodies are not accepted", None));
        }
        record.lap(Stage::Admit);
        let body = body.read(self.snapshot.tables.bounds.request_body_bytes).await?;
        let record = &mut self.settlement.record;
        record.lap(Stage::Receive);
        record.request_bytes = body.len() as u64;
        let mut asked = openai_chat::read_request(&body, JSON_DEPTH_LIMIT)?;
        record.identity.complete(&caller, asked.user.take());
        record.model = Some(asked.model.clone());
        record.is_stream = asked.stream;
        record.lap(Stage::Read);
        let choice = self.choose(caller, &asked.model)?;
        let provider = self.snapshot.provider(choice.deployment);
        let usage_splice = asked.usage_splice.filter(|_| provider.stream_usage);
        let splices_usage = usage_splice.is_some();
        let rename = choice.rename.map(|model| Splice::text(asked.model_span, model));
        let mut changes: Vec<Splice> = rename.into_iter().chain(usage_splice).collect();
        let body = if changes.is_empty() { body } else { Bytes::from(splice(&body, &mut changes)) };
        self.settlement.record.lap(Stage::Route);
        let flight = self.attempt(&choice, body).await?;
        self.receive(flight, asked.choices, splices_usage).await
    }

    fn choose<'b>(&self, caller: Caller<'_>, model: &'b str) -> Result<Choice<'b>, Failure>
    where
        'a: 'b,
    {
        let tables = &self.snapshot.tables;
        if !caller.may_use(model) {
            return Err(about_model(Cause::ModelForbidden, format!("this key may not use the model `{model}`")));
        }
        let residency = tables.tenants[caller.tenant].region.as_deref();
        let is_eligible =
            |deployment: usize| routing::is_resident(residency, tables.deployments[deployment].region.as_deref());
        let (picked, asked_name, budget) = match routing::resolve(tables, model) {
            Resolution::Route(route) => {
                let picked = route.chain.iter().find_map(|step| routing::pick(step, self.worker.random(), is_eligible));
                (picked, model, route.budget_ms.map(Duration::from_millis))
            }
            Resolution::Open { deployment, model } => {
                (Some(deployment).filter(|index| is_eligible(*index)), model, None)
            }
            Resolution::Unknown => {
                return Err(about_model(Cause::ModelNotFound, format!("the model `{model}` does not exist here")));
            }
        };
        let Some(deployment) = picked else {
            let message = format!("no deployment of `{model}` is in the region this tenant is bound to");
            return Err(about_model(Cause::NoRoute, message));
        };
        let upstream_name = tables.deployments[deployment].model.as_deref().unwrap_or(asked_name);
        Ok(Choice { deployment, rename: (upstream_name != model).then_some(upstream_name), budget })
    }

    async fn attempt(&mut self, choice: &Choice<'_>, body: Bytes) -> Result<Flight, Failure> {
        let record = &mut self.settlement.record;
        record.deployment = Some(choice.deployment);
        record.attempts += 1;
        let started = record.started;
        let deployment = &self.snapshot.tables.deployments[choice.deployment];
        let target = self.snapshot.target(deployment);
        let plan = Plan {
            deployment,
            target,
            head: target.head(self.worker.random()),
            body,
            budget_ends: choice.budget.map(|budget| started + budget),
            idle_connections: self.snapshot.tables.bounds.idle_connections,
        };
        let launched = Flight::launch(self.worker, plan).await;
        self.settlement.record.lap(Stage::Provider);
        launched
    }

    /// Reads the answer if it is JSON, or leaves it to be relayed.
    async fn receive(&mut self, mut flight: Flight, choices: u64, splices_usage: bool) -> Result<Reply, Failure> {
        let index = self.settlement.record.deployment.unwrap_or_default();
        let deployment = &self.snapshot.tables.deployments[index];
        let is_events = has_type(&flight.head, "text/event-stream");
        if flight.head.status.is_success() && is_events {
            let event_limit_bytes = self.snapshot.tables.bounds.stream_event_bytes;
            let secrets = Arc::clone(&self.snapshot.target(deployment).secrets);
            let events = Box::new(Events::new(choices, event_limit_bytes, splices_usage, secrets));
            return Ok(Reply::Events { flight, events });
        }
        let (body, is_whole) = flight.read(WHOLE_ANSWER_LIMIT_BYTES).await?;
        let record = &mut self.settlement.record;
        record.lap(Stage::Answer);
        record.usage = answer::judge(&flight.head, &body, is_whole, &deployment.id)?;
        record.content_bytes = if flight.head.status.is_success() { body.len() as u64 } else { 0 };
        if !is_whole {
            return Ok(Reply::Rest { flight, head: body });
        }
        let body = if flight.head.status.is_success() {
            body
        } else {
            self.snapshot.target(deployment).secrets.remove_from(body)
        };
        Ok(Reply::Whole { head: flight.head, body })
    }
}

fn about_model(cause: Cause, message: String) -> Failure {
    Failure { param: Some("model"), ..Failure::new(cause, message) }
}

fn has_type(head: &response::Parts, essence: &str) -> bool {
    let found = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.as_bytes().get(..essence.len()));
    found.is_some_and(|found| found.eq_ignore_ascii_case(essence.as_bytes()))
}
