//! One request answered: read it, choose a reply, render it, and decide who writes.
//!
//! A whole answer without a wire-level wish goes out through hyper, the cheap way. Everything else (streams, waits,
//! faults) becomes a [`Takeover`]: hyper lets go of the connection and the program is carried out on the bare socket.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, Release};
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode, Version, header, request::Parts};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use parking_lot::Mutex;

use super::Shared;
use super::answer::Answer;
use super::behaviour::{ErrorFields, RateLimits};
use super::delay::Random;
use super::dialect::Route;
use super::inspect;
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

/// The answer and the reply it came from; what cannot be understood is refused as the request's vendor would.
fn render(shared: &Shared, parts: &Parts, body: &Bytes, random: &mut Random) -> (Answer, Arc<Reply>) {
    let route = Route::of(parts);
    let asked = route.read(body);
    let read = asked.as_ref().and_then(|asked| asked.as_ref().ok());
    let stream = read.is_some_and(|asked| asked.stream);
    let call = Call { path: route.path, model: read.map_or("", |asked| &asked.model), stream };
    let fault = parts.headers.get(FAULT);
    let fault = fault.map(|fault| std::str::from_utf8(fault.as_bytes()).unwrap_or("the header is not UTF-8"));
    let refused = |status, message, random: &mut Random| {
        let fields = ErrorFields { message: Some(message), ..ErrorFields::default() };
        (route.dialect.error(status, &fields, &RateLimits::default(), random), Arc::clone(&shared.plain))
    };

    let reply = match shared.script.load().choose(call, fault) {
        Ok(reply) => reply,
        Err(error) => return refused(400, format!("mock fault: {error}"), random),
    };
    let behaviour = &reply.behaviour;
    let status = behaviour.status.unwrap_or(200);
    let mut answer = match Answer::given(behaviour, stream) {
        Ok(Some(answer)) => answer,
        Ok(None) if status >= 400 => route.dialect.error(status, &behaviour.error, &behaviour.rate_limits, random),
        Ok(None) => match route.answer(&reply, asked.as_ref(), body, random) {
            Ok(answer) => answer,
            Err(refusal) => return refused(refusal.status, refusal.message, random),
        },
        Err(error) => return refused(400, error, random),
    };
    if behaviour.rate_limits != RateLimits::default() {
        answer.headers.extend(route.dialect.rate_limit_headers(&behaviour.rate_limits));
    }
    (answer, reply)
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
    let own = answer.headers.iter().map(|(name, value)| (*name, value.as_str()));
    let given = reply.behaviour.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    // Behaviour has checked that names and values are valid.
    for (name, value) in std::iter::once(("content-type", content_type)).chain(own).chain(given) {
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
