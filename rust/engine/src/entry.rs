//! The way in, for both doors: which path leads where.

use std::rc::Rc;

use bytes::Bytes;
use fastgate_core::dialects::openai_chat;
use fastgate_core::failure::{Cause, Failure};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use percent_encoding::percent_decode_str;

use crate::answer;
use crate::body::{RequestBody, ResponseBody};
use crate::exchange::exchange;
use crate::guard::{self, Peer};
use crate::worker::Worker;

const CHAT_PATH: &str = "/v1/chat/completions";
const MODELS_PATH: &str = "/v1/models";

/// Answers one request.
pub async fn answer(worker: &Rc<Worker>, request: Request<RequestBody>, peer: Peer) -> Response<ResponseBody> {
    let path = request.uri().path();
    if path == CHAT_PATH {
        if request.method() == Method::POST {
            return exchange(worker, request, peer).await;
        }
        return method_not_allowed(worker, "POST");
    }
    match path {
        "/livez" => health(true),
        "/readyz" => health(!worker.shared.is_draining()),
        MODELS_PATH => models(worker, &request, peer, None),
        _ => match path.strip_prefix(MODELS_PATH).and_then(|rest| rest.strip_prefix('/')) {
            // SDKs encode the slash of `provider/model`.
            Some(model) => {
                let model = percent_decode_str(model).decode_utf8_lossy();
                models(worker, &request, peer, Some(&model))
            }
            None => refused(worker, &Failure::new(Cause::PathNotFound, format!("there is nothing at {path}"))),
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
    if request.method() != Method::GET {
        return method_not_allowed(worker, "GET");
    }
    let snapshot = worker.snapshot();
    let caller = match guard::admit(worker, &snapshot, request.headers(), request.uri(), peer) {
        Ok(caller) => caller,
        Err(failure) => return refused(worker, &failure),
    };
    let routes = snapshot.tables.models.iter().filter(|(name, _)| caller.may_use(name));
    if let Some(asked) = one {
        let found = routes.map(|(name, _)| name).find(|name| *name == asked);
        return match found {
            Some(name) => answer::json(openai_chat::model_body(name, snapshot.prepared_unix_s)),
            None => refused(
                worker,
                &Failure {
                    param: Some("model"),
                    ..Failure::new(Cause::ModelNotFound, format!("the model `{asked}` does not exist here"))
                },
            ),
        };
    }
    let mut names: Vec<&str> = routes.filter(|(_, route)| route.listed).map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    answer::json(openai_chat::models_body(names.into_iter(), snapshot.prepared_unix_s))
}

fn method_not_allowed(worker: &Worker, allowed: &'static str) -> Response<ResponseBody> {
    let failure = Failure::new(Cause::MethodNotAllowed, format!("this path takes {allowed} only"));
    let mut response = refused(worker, &failure);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}

/// The gateway's own error about a request that no path will see.
pub(crate) fn refused(worker: &Worker, failure: &Failure) -> Response<ResponseBody> {
    let request_id = worker.request_id();
    let mut response = answer::refusal(failure, request_id);
    if let Ok(value) = HeaderValue::from_str(request_id.as_str()) {
        response.headers_mut().insert("x-fastgate-request-id", value);
    }
    response
}
