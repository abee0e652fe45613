//! What goes back to the client: which answers of a provider are passed on, with which headers, and refusals.

use bytes::Bytes;
use fastgate_core::dialects::{Answer, openai};
use fastgate_core::failure::{Cause, Failure};
use fastgate_core::telemetry::access_line::write_usd;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header, response};
use serde::Deserialize;

use crate::body::ResponseBody;
use crate::flight::Flight;
use crate::operation::{Gives, Operation};
use crate::record::Record;
use crate::relay::{Events, Relay};
use crate::settlement::{Outcome, Settlement};
use crate::worker::RequestId;

/// How an exchange is answered.
pub(crate) enum Reply {
    /// The gateway's own error.
    Refused(Failure),
    /// The provider's answer, at hand.
    Whole { head: response::Parts, body: Bytes },
    /// A stream of events.
    Events { flight: Flight, events: Box<Events> },
    /// A large body of which `head` was read.
    Rest { flight: Flight, head: Bytes },
}

/// Headers of a provider that clients may see: those the vendors' SDKs read. Everything else stays, account names and
/// cookies above all.
const PASSED: [HeaderName; 7] = [
    header::CONTENT_TYPE,
    header::RETRY_AFTER,
    HeaderName::from_static("retry-after-ms"),
    HeaderName::from_static("x-should-retry"),
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("openai-processing-ms"),
    HeaderName::from_static("openai-version"),
];

const RATE_LIMIT_PREFIX: &str = "x-ratelimit-";

const REQUEST_ID: HeaderName = HeaderName::from_static("x-fastgate-request-id");
const DEPLOYMENT: HeaderName = HeaderName::from_static("x-fastgate-deployment");
const ATTEMPTS: HeaderName = HeaderName::from_static("x-fastgate-attempts");
const COST: HeaderName = HeaderName::from_static("x-fastgate-cost-usd");
const OVERHEAD: HeaderName = HeaderName::from_static("x-fastgate-overhead-us");
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// Decides whether a provider's answer may be passed on, and reads what it says of itself.
///
/// # Errors
/// [`Cause::ProviderRefusedCredentials`] for 401 and 407, which would tell the client that *its* key is wrong, and
/// often quote the gateway's. [`Cause::ProviderFailed`] for redirects, which are never followed, for a success that
/// is no whole JSON object, and for an error too large to be read through (`is_whole` is false).
pub(crate) fn judge(
    head: &response::Parts,
    body: &Bytes,
    is_whole: bool,
    deployment: &str,
    operation: &Operation,
) -> Result<Answer, Failure> {
    let status = head.status.as_u16();
    let failure = |cause, message| Err(Failure { provider_code: error_code(body), ..Failure::new(cause, message) });
    match status {
        200..=299 => read_success(body, is_whole, operation).ok_or_else(|| {
            let message = format!("{deployment}: the provider answered {status} without a whole JSON object");
            Failure::new(Cause::ProviderFailed, message)
        }),
        300..=399 => {
            let message =
                format!("{deployment}: the provider answered with a redirect ({status}), which is not followed");
            failure(Cause::ProviderFailed, message)
        }
        401 | 407 => {
            let message = format!("{deployment}: the provider refused the gateway's credentials ({status})");
            failure(Cause::ProviderRefusedCredentials, message)
        }
        _ if !is_whole => {
            let message = format!("{deployment}: the provider's error ({status}) is larger than what is passed on");
            Err(Failure::new(Cause::ProviderFailed, message))
        }
        _ => Ok(Answer::default()),
    }
}

/// What a successful answer says of itself, as far as it is at hand; `None` if it is no JSON object and has to be one.
fn read_success(body: &[u8], is_whole: bool, operation: &Operation) -> Option<Answer> {
    let is_begun = body.trim_ascii_start().first() == Some(&b'{');
    match (is_begun, is_whole) {
        (true, true) => operation.dialect.read_answer(body),
        (true, false) => Some(Answer::default()),
        (false, _) => None,
    }
    .or((operation.gives == Gives::Content).then(Answer::default))
}

/// What content of a success may be. Not HTML: that is what proxies say when a provider is down.
const CONTENT_TYPES: [&str; 10] = [
    "audio/",
    "image/",
    "video/",
    "text/plain",
    "text/vtt",
    "text/csv",
    "application/octet-stream",
    "application/jsonl",
    "application/x-ndjson",
    "application/x-subrip",
];

/// Decides whether content that is no JSON may be passed on.
///
/// # Errors
/// [`Cause::ProviderFailed`] for a type that no operation answers with.
pub(crate) fn judge_content(head: &response::Parts, deployment: &str) -> Result<(), Failure> {
    let content_type = head.headers.get(header::CONTENT_TYPE).map(|value| value.as_bytes().to_ascii_lowercase());
    let content_type = content_type.unwrap_or_default();
    if CONTENT_TYPES.iter().any(|known| content_type.starts_with(known.as_bytes())) {
        return Ok(());
    }
    let message = format!("{deployment}: the provider answered with a type of content that is not passed on");
    Err(Failure::new(Cause::ProviderFailed, message))
}

/// The provider's own `error.code`, if it is a plain word.
fn error_code(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Body {
        error: Detail,
    }
    #[derive(Deserialize)]
    struct Detail {
        code: String,
    }
    let code = serde_json::from_slice::<Body>(body).ok()?.error.code;
    let is_word = (1..=64).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    is_word.then_some(code)
}

/// Turns a reply into a response; whoever holds the rest of the answer holds the settlement.
pub(crate) fn write(reply: Reply, mut settlement: Settlement) -> Response<ResponseBody> {
    let request_id = settlement.record.id;
    match reply {
        Reply::Refused(failure) => {
            let mut response = refusal(&failure, request_id);
            settlement.record.respond(response.status());
            settlement.settle(Outcome::Failed(failure.cause));
            describe(response.headers_mut(), &settlement.record);
            response
        }
        Reply::Whole { head, body } => {
            let mut response = passed_on(&head, ResponseBody::Whole(body));
            settlement.record.respond(head.status);
            settlement.settle(if head.status.is_success() { Outcome::Answered } else { Outcome::ProviderError });
            describe(response.headers_mut(), &settlement.record);
            if let Some(cost_usd) = settlement.record.cost.known().and_then(usd) {
                response.headers_mut().insert(COST, cost_usd);
            }
            response
        }
        Reply::Events { flight, events } => {
            let mut head = passed_on(&flight.head, ());
            settlement.record.respond(flight.head.status);
            describe(head.headers_mut(), &settlement.record);
            let relay = Relay::events(flight, settlement, *events);
            head.map(|()| ResponseBody::Relay(Box::new(relay)))
        }
        Reply::Rest { flight, head: first } => {
            let mut head = passed_on(&flight.head, ());
            if let Some(length) = flight.head.headers.get(header::CONTENT_LENGTH) {
                head.headers_mut().insert(header::CONTENT_LENGTH, length.clone());
            }
            settlement.record.respond(flight.head.status);
            describe(head.headers_mut(), &settlement.record);
            let relay = Relay::bytes(flight, settlement, first);
            head.map(|()| ResponseBody::Relay(Box::new(relay)))
        }
    }
}

/// The gateway's own error, as the client's SDK expects it.
pub(crate) fn refusal(failure: &Failure, request_id: RequestId) -> Response<ResponseBody> {
    let row = failure.cause.row();
    let body = Bytes::from(openai::error_body(failure, request_id.as_str()));
    let mut response = Response::new(ResponseBody::Whole(body));
    *response.status_mut() = StatusCode::from_u16(row.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if failure.cause == Cause::Overloaded {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if let Some(should_retry) = row.should_retry {
        headers.insert(SHOULD_RETRY, HeaderValue::from_static(if should_retry { "true" } else { "false" }));
    }
    response
}

/// A local answer in JSON.
pub(crate) fn json(body: Vec<u8>) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::Whole(body.into()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Adds the gateway's own headers.
fn describe(headers: &mut HeaderMap, record: &Record) {
    if let Ok(request_id) = HeaderValue::from_str(record.id.as_str()) {
        headers.insert(REQUEST_ID, request_id);
    }
    headers.insert(
        ATTEMPTS,
        match record.attempts {
            1 => HeaderValue::from_static("1"),
            attempts => HeaderValue::from(attempts),
        },
    );
    if let Some(deployment) = record.deployment {
        headers.insert(DEPLOYMENT, record.snapshot.deployment_names[deployment].clone());
    }
    headers.insert(OVERHEAD, HeaderValue::from(u64::try_from(record.overhead().as_micros()).unwrap_or(u64::MAX)));
}

fn usd(pusd: i64) -> Option<HeaderValue> {
    let mut text = Vec::with_capacity(16);
    write_usd(&mut text, pusd.into());
    HeaderValue::try_from(text).ok()
}

fn passed_on<B>(head: &response::Parts, body: B) -> Response<B> {
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    let mut headers = HeaderMap::with_capacity(12);
    for (name, value) in &head.headers {
        if PASSED.contains(name) || name.as_str().starts_with(RATE_LIMIT_PREFIX) {
            headers.append(name.clone(), value.clone());
        }
    }
    *response.headers_mut() = headers;
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::OPERATIONS;

    fn head(status: u16) -> response::Parts {
        let mut parts = Response::new(()).into_parts().0;
        parts.status = StatusCode::from_u16(status).expect("valid");
        parts
    }

    #[test]
    fn only_passes_on_what_a_client_can_use() {
        let judge = |status, body: &'static str| {
            judge(&head(status), &Bytes::from_static(body.as_bytes()), true, "d", &OPERATIONS[0])
        };
        assert!(judge(200, " {\"choices\":[]}").is_ok());
        assert!(judge(429, "slow down").is_ok());
        assert_eq!(judge(200, "<html>").expect_err("html").cause, Cause::ProviderFailed);
        assert_eq!(judge(200, "{\"choices\":").expect_err("cut").cause, Cause::ProviderFailed);
        assert_eq!(judge(200, "").expect_err("empty").cause, Cause::ProviderFailed);
        assert_eq!(judge(302, "").expect_err("redirect").cause, Cause::ProviderFailed);
        let refused =
            judge(401, r#"{"error":{"message":"Incorrect API key provided: sk-a***z","code":"invalid_api_key"}}"#)
                .expect_err("credentials");
        assert_eq!((refused.cause, refused.code()), (Cause::ProviderRefusedCredentials, "invalid_api_key"));
        assert!(!refused.message.contains("sk-a"));
    }

    #[test]
    fn passes_on_only_listed_headers() {
        let mut parts = head(200);
        for name in
            ["content-type", "x-request-id", "x-ratelimit-remaining-requests", "set-cookie", "openai-organization"]
        {
            parts.headers.insert(HeaderName::from_static(name), HeaderValue::from_static("v"));
        }
        let passed = passed_on(&parts, ());
        let mut names: Vec<&str> = passed.headers().keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-type", "x-ratelimit-remaining-requests", "x-request-id"]);
    }
}
