//! One exchange, top to bottom. The only place that knows the order of the stages:
//!
//! admit → read the request once → choose route → attempt → read or relay the answer → settle.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fastgate_core::dialects::openai_chat;
use fastgate_core::failure::{Cause, Failure};
use fastgate_core::routing::{self, Resolution};
use http::{Request, header, request, response};
use tokio::time::Instant;

use crate::answer::{self, Reply};
use crate::body::{RequestBody, ResponseBody};
use crate::flight::{Flight, Plan};
use crate::guard::{self, Caller, Peer};
use crate::relay::Events;
use crate::settlement::Settlement;
use crate::snapshot::Snapshot;
use crate::worker::{RequestId, Worker};

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
    let mut exchange = Exchange {
        worker,
        snapshot: &snapshot,
        request_id: worker.request_id(),
        clock: Clock::start(),
        deployment: None,
    };
    let settlement = Settlement::begin(Rc::clone(worker));
    let (parts, body) = request.into_parts();
    let reply = exchange.run(&parts, body, peer).await.unwrap_or_else(Reply::Refused);
    let mut response = answer::write(reply, settlement, exchange.request_id);
    let deployment = exchange.deployment.map(|index| &snapshot.deployment_names[index]);
    answer::describe(&mut response, exchange.request_id, deployment, exchange.clock.overhead());
    response
}

struct Exchange<'a> {
    worker: &'a Rc<Worker>,
    snapshot: &'a Snapshot,
    request_id: RequestId,
    clock: Clock,
    /// Index of the deployment that was tried.
    deployment: Option<usize>,
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
        if parts.headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
            return Err(Failure::invalid_request("compressed request bodies are not accepted", None));
        }
        let began = Instant::now();
        let body = body.read(self.snapshot.tables.bounds.request_body_bytes).await?;
        self.clock.note_wait(began);
        let asked = openai_chat::read_request(&body, JSON_DEPTH_LIMIT)?;
        let choice = self.choose(caller, &asked.model)?;
        let upstream_body = match choice.rename {
            Some(model) => Bytes::from(openai_chat::splice_model(&body, asked.model_span, model)),
            None => body,
        };
        let flight = self.attempt(&choice, upstream_body).await?;
        self.receive(flight, asked.choices).await
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
        self.deployment = Some(choice.deployment);
        let deployment = &self.snapshot.tables.deployments[choice.deployment];
        let target = self.snapshot.target(deployment);
        let plan = Plan {
            deployment,
            target,
            head: target.head(self.worker.random()),
            body,
            budget_ends: choice.budget.map(|budget| self.clock.started + budget),
            idle_connections: self.snapshot.tables.bounds.idle_connections,
        };
        let began = Instant::now();
        let launched = Flight::launch(self.worker, plan).await;
        self.clock.note_wait(began);
        launched
    }

    /// Reads the answer if it is JSON, or leaves it to be relayed.
    async fn receive(&mut self, mut flight: Flight, choices: u64) -> Result<Reply, Failure> {
        let deployment = &self.snapshot.tables.deployments[self.deployment.unwrap_or_default()];
        let is_events = has_type(&flight.head, "text/event-stream");
        if flight.head.status.is_success() && is_events {
            let event_limit_bytes = self.snapshot.tables.bounds.stream_event_bytes;
            let secrets = Arc::clone(&self.snapshot.target(deployment).secrets);
            return Ok(Reply::Events { flight, events: Box::new(Events::new(choices, event_limit_bytes, secrets)) });
        }
        let began = Instant::now();
        let (body, is_whole) = flight.read(WHOLE_ANSWER_LIMIT_BYTES).await?;
        self.clock.note_wait(began);
        answer::judge(&flight.head, &body, is_whole, &deployment.id)?;
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

/// Splits an exchange's time into the gateway's own and waiting for others.
struct Clock {
    started: Instant,
    waited: Duration,
}

impl Clock {
    fn start() -> Self {
        Self { started: Instant::now(), waited: Duration::ZERO }
    }

    /// Notes that the time since `began` went into waiting for the client or a provider. (A wrapper around the waiting
    /// future would hold it twice, and every exchange is moved.)
    fn note_wait(&mut self, began: Instant) {
        self.waited += began.elapsed();
    }

    fn overhead(&self) -> Duration {
        self.started.elapsed().saturating_sub(self.waited)
    }
}
