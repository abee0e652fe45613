//! One request answered: read it, choose a reply, render it, and decide who writes.
//!
//! A whole answer without a wire-level wish goes out through hyper, the cheap way. Everything else (streams, waits,
//! faults) becomes a [`Takeover`]: hyper lets go of the connection and the program is carried out on the bare socket.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, Version, header, request::Parts};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use parking_lot::Mutex;
use serde_json::Value;

use super::Shared;
use super::answer::Answer;
use super::behaviour::ErrorFields;
use super::delay::Random;
use super::inspect;
use super::openai::{EmbeddingsRequest, embeddings, error_body, models};
use super::openai_chat::{ChatRequest, chat};
use super::openai_events::{completions, responses};
use super::openai_objects::objects;
use super::program::{Program, compile};
use super::record::{Entered, Outcome, Record};
use super::reply::Reply;
use super::script::Call;

const FAULT: HeaderName = HeaderName::from_static("x-mock-fault");
const MAX_BODY_BYTES: usize = 64 << 20;

/// A program that waits for its connection.
#[derive(Debug)]
pub(super) struct Takeover {
    pub(super) program: Program,
    pub(super) record: Option<Arc<Record>>,
    pub(super) in_flight: Entered,
}

/// Where an exchange leaves its takeover for the connection that polls it.
pub(super) type Slot = Arc<Mutex<Option<Takeover>>>;

pub(super) async fn answer(
    shared: Arc<Shared>,
    slot: Slot,
    connection: u64,
    request: http::Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let started = Instant::now();
    let (parts, body) = request.into_parts();
    if parts.uri.path().starts_with(inspect::PREFIX) {
        let Ok(body) = Limited::new(body, MAX_BODY_BYTES).collect().await else {
            return Ok(too_large());
        };
        return Ok(inspect::answer(&shared, &parts, &body.to_bytes()));
    }
    let number = shared.counts.begun.fetch_add(1, Relaxed) + 1;
    let in_flight = shared.counts.in_flight.enter();
    let Ok(body) = Limited::new(body, MAX_BODY_BYTES).collect().await else {
        return Ok(too_large());
    };
    let body = body.to_bytes();

    let mut random = Random::new(shared.seed, number);
    let (answer, reply) = render(&shared, &parts, &body, &mut random);
    let on_the_wire = answer.stream || reply.on_the_wire;
    let last_request = on_the_wire && is_last(&parts);
    let record = shared.records.as_ref().map(|records| {
        let record = Arc::new(Record::new(number, connection, parts, body, started));
        records.push(Arc::clone(&record));
        record
    });
    shared.counts.requests.fetch_add(1, Release);
    if on_the_wire {
        let program = compile(&answer, &reply.behaviour, last_request, &mut random);
        *slot.lock() = Some(Takeover { program, record, in_flight });
        return std::future::pending().await;
    }
    if let Some(record) = record {
        record.finish(Outcome::Answered);
    }
    Ok(response(&answer, &reply))
}

/// The answer and the reply it came from; a request that cannot be understood gets a plain 400.
fn render(shared: &Shared, parts: &Parts, body: &Bytes, random: &mut Random) -> (Answer, Arc<Reply>) {
    let path = parts.uri.path();
    let path = path.strip_prefix("/v1").unwrap_or(path);
    let request =
        if parts.method == Method::POST { Some(serde_json::from_slice::<ChatRequest<'_>>(body)) } else { None };
    let read = request.as_ref().and_then(|request| request.as_ref().ok());
    let stream = read.is_some_and(ChatRequest::streams);
    let call = Call { path, model: read.map_or("", |request| &request.model), stream };
    let fault = parts.headers.get(FAULT);
    let fault = fault.map(|fault| std::str::from_utf8(fault.as_bytes()).unwrap_or("the header is not UTF-8"));
    let plain = |answer| (answer, Arc::clone(&shared.plain));

    let reply = match shared.script.load().choose(call, fault) {
        Ok(reply) => reply,
        Err(error) => return plain(refused(400, format!("mock fault: {error}"))),
    };
    match Answer::given(&reply.behaviour, stream) {
        Ok(Some(answer)) => return (answer, reply),
        Ok(None) => {}
        Err(error) => return plain(refused(400, error)),
    }
    let status = reply.behaviour.status.unwrap_or(200);
    if status >= 400 {
        return (Answer::json(status, error_body(status, &reply.behaviour.error)), reply);
    }
    let answer = match (&parts.method, path, &request) {
        (&Method::POST, "/chat/completions", Some(Ok(request))) => chat(&reply, request, body.len(), random),
        (&Method::POST, "/chat/completions", Some(Err(error))) => {
            return plain(refused(400, error.to_string()));
        }
        (&Method::POST, "/embeddings", _) => match serde_json::from_slice::<EmbeddingsRequest>(body) {
            Ok(request) => embeddings(&reply, &request),
            Err(error) => return plain(refused(400, error.to_string())),
        },
        (&Method::POST, "/responses" | "/completions", _) => match serde_json::from_slice::<Value>(body) {
            Ok(request) if path == "/responses" => responses(&reply, &request, body.len(), random),
            Ok(request) => completions(&reply, &request, body.len(), random),
            Err(error) => return plain(refused(400, error.to_string())),
        },
        (&Method::GET, "/models", _) => models(),
        (method, _, _) => match objects(&reply, method, path, body, random) {
            Some(answer) => answer,
            None => return plain(refused(404, format!("Invalid URL ({method} {})", parts.uri.path()))),
        },
    };
    (answer, reply)
}

fn refused(status: u16, message: String) -> Answer {
    Answer::json(status, error_body(status, &ErrorFields { message: Some(message), ..ErrorFields::default() }))
}

fn is_last(parts: &Parts) -> bool {
    let connection = parts.headers.get(header::CONNECTION);
    parts.version == Version::HTTP_10
        || connection.is_some_and(|value| value.as_bytes().to_ascii_lowercase().windows(5).any(|word| word == b"close"))
}

fn response(answer: &Answer, reply: &Reply) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(answer.body.clone()));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    let content_type = reply.behaviour.content_type.as_deref().unwrap_or(&answer.content_type);
    let given = reply.behaviour.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    // Behaviour has checked that names and values are valid.
    for (name, value) in std::iter::once(("content-type", content_type)).chain(given) {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn too_large() -> Response<Full<Bytes>> {
    let mut response =
        Response::new(Full::new(Bytes::from_static(b"the mock could not read the body, or it is above 64 MiB\n")));
    *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
    response
}
