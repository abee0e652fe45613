//! The way in, for both doors: which path leads where.

use std::rc::Rc;
use std::time::SystemTime;

use bytes::Bytes;
use fastgate_core::dialects::Dialect;
use fastgate_core::failure::{Cause, Failure};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use percent_encoding::percent_decode_str;

use crate::answer;
use crate::body::{RequestBody, ResponseBody};
use crate::exchange::exchange;
use crate::guard::{self, Cors, Peer};
use crate::operation::{self, Found};
use crate::worker::Worker;

const MODELS_PATH: &str = "/v1/models";
const GEMINI_MODELS_PATH: &str = "/v1beta/models";
const GOOGLE_KEY: HeaderName = HeaderName::from_static("x-goog-api-key");
const ANTHROPIC_VERSION: HeaderName = HeaderName::from_static("anthropic-version");
const REALTIME_PATH: &str = "/v1/realtime";

/// Whether a path tells the gateway's health: answered to anyone, however busy it is.
pub(crate) fn is_health(path: &str) -> bool {
    matches!(path, "/livez" | "/readyz")
}

/// Answers one request.
pub async fn answer(worker: &Rc<Worker>, request: Request<RequestBody>, peer: Peer) -> Response<ResponseBody> {
    let dialect = operation::dialect_at(request.uri().path());
    let (checked, cors) = {
        let snapshot = worker.shared.snapshot.load();
        let cors = Cors::find(&snapshot.tables.access.allowed_origins, request.headers());
        (guard::check_head(&snapshot.tables.bounds, &request), cors)
    };
    let mut response = match checked {
        Err(failure) => refused(worker, &failure, dialect),
        Ok(()) => match cors.preflight(&request) {
            Some(preflight) => return preflight.unwrap_or_else(|failure| refused(worker, &failure, dialect)),
            None => route(worker, request, peer, dialect).await,
        },
    };
    cors.apply(response.headers_mut());
    response
}

async fn route(
    worker: &Rc<Worker>,
    request: Request<RequestBody>,
    peer: Peer,
    dialect: Dialect,
) -> Response<ResponseBody> {
    if let Some(failure) = wants_a_socket(&request) {
        return refused(worker, &failure, dialect);
    }
    // The path outlives the request, which the exchange takes apart.
    let uri = request.uri().clone();
    let path = uri.path();
    match operation::find(request.method(), path) {
        Found::Operation(call) => return exchange(worker, call, request, peer).await,
        Found::OtherMethod(allowed) => return method_not_allowed(worker, &allowed, dialect),
        Found::Nothing => {}
    }
    match path {
        "/livez" => health(true),
        "/readyz" => health(!worker.shared.is_draining()),
        MODELS_PATH | GEMINI_MODELS_PATH => models(worker, &request, peer, None),
        _ => match [MODELS_PATH, GEMINI_MODELS_PATH].iter().find_map(|root| path.strip_prefix(root)?.strip_prefix('/'))
        {
            // SDKs encode the slash of `provider/model`.
            Some(model) => {
                let model = percent_decode_str(model).decode_utf8_lossy();
                models(worker, &request, peer, Some(&model))
            }
            None => refused(worker, &Failure::new(Cause::PathNotFound, format!("there is nothing at {path}")), dialect),
        },
    }
}

/// Liveness and readiness, on both listeners.
pub(crate) fn health(is_well: bool) -> Response<ResponseBody> {
    let text: &'static str = if is_well { "ok\n" } else { "stopping\n" };
    let mut response = Response::new(ResponseBody::Whole(Bytes::from_static(text.as_bytes())));
    if !is_well {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn models(worker: &Worker, request: &Request<RequestBody>, peer: Peer, one: Option<&str>) -> Response<ResponseBody> {
    // All list models at the same path, and tell who they are by their headers.
    let dialect = match operation::dialect_at(request.uri().path()) {
        _ if request.headers().contains_key(ANTHROPIC_VERSION) => Dialect::Anthropic,
        _ if request.headers().contains_key(GOOGLE_KEY) => Dialect::Gemini { stream: false },
        dialect => dialect,
    };
    if request.method() != Method::GET {
        return method_not_allowed(worker, "GET", dialect);
    }
    let snapshot = worker.snapshot();
    let caller = match guard::admit(worker, &snapshot, request.headers(), request.uri(), peer, SystemTime::now()) {
        Ok(caller) => caller,
        Err(failure) => return refused(worker, &failure, dialect),
    };
    let routes = snapshot.tables.models.iter().filter(|(name, _)| caller.may_use(name));
    if let Some(asked) = one {
        let found = routes.map(|(name, _)| name).find(|name| *name == asked);
        return match found {
            Some(name) => answer::json(dialect.model_body(name, snapshot.prepared_unix_s)),
            None => refused(
                worker,
                &Failure {
                    param: Some("model"),
                    ..Failure::new(Cause::ModelNotFound, format!("the model `{asked}` does not exist here"))
                },
                dialect,
            ),
        };
    }
    let mut names: Vec<&str> = routes.filter(|(_, route)| route.listed).map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    answer::json(dialect.models_body(&names, snapshot.prepared_unix_s))
}

/// Realtime speaks over a WebSocket, which no door carries.
fn wants_a_socket(request: &Request<RequestBody>) -> Option<Failure> {
    let path = request.uri().path();
    let is_realtime = path.strip_prefix(REALTIME_PATH).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    // Clients that could do with HTTP/2 offer it on a request that is to be answered all the same (RFC 7540, 3.2).
    let upgrade = request.headers().get(header::UPGRADE).filter(|protocol| *protocol != "h2c");
    (is_realtime || upgrade.is_some()).then(|| {
        let message = "realtime sessions and protocol upgrades are not served: use chat completions or responses";
        Failure::new(Cause::NotImplemented, message)
    })
}

fn method_not_allowed(worker: &Worker, allowed: &str, dialect: Dialect) -> Response<ResponseBody> {
    let failure = Failure::new(Cause::MethodNotAllowed, format!("this path takes {allowed} only"));
    let mut response = refused(worker, &failure, dialect);
    if let Ok(allowed) = HeaderValue::from_str(allowed) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
    response
}

/// The gateway's own error about a request that no path will see.
pub(crate) fn refused(worker: &Worker, failure: &Failure, dialect: Dialect) -> Response<ResponseBody> {
    let request_id = worker.request_id();
    let mut response = answer::refusal(failure, request_id, dialect);
    if let Ok(value) = HeaderValue::from_str(request_id.as_str()) {
        response.headers_mut().insert("x-fastgate-request-id", value);
    }
    response
}
