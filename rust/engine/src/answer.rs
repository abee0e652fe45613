//! What goes back to the client: which answers of a provider are passed on, with which headers, and refusals.

use std::time::Duration;

use bytes::Bytes;
use fastgate_core::dialects::openai_chat;
use fastgate_core::failure::{Cause, Failure};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header, response};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::body::ResponseBody;
use crate::flight::Flight;
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
const OVERHEAD: HeaderName = HeaderName::from_static("x-fastgate-overhead-us");
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// Decides whether a provider's answer may be passed on.
///
/// # Errors
/// [`Cause::ProviderRefusedCredentials`] for 401 and 407, which would tell the client that *its* key is wrong, and
/// often quote the gateway's. [`Cause::ProviderFailed`] for redirects, which are never followed, for a success that
/// is no whole JSON object, and for an error too large to be read through (`is_whole` is false).
pub(crate) fn judge(head: &response::Parts, body: &Bytes, is_whole: bool, deployment: &str) -> Result<(), Failure> {
    let status = head.status.as_u16();
    let failure = |cause, message| Err(Failure { provider_code: error_code(body), ..Failure::new(cause, message) });
    match status {
        200..=299 if is_object(body, is_whole) => Ok(()),
        200..=299 => {
            let message = format!("{deployment}: the provider answered {status} without a whole JSON object");
            Err(Failure::new(Cause::ProviderFailed, message))
        }
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
        _ => Ok(()),
    }
}

fn is_object(body: &[u8], is_whole: bool) -> bool {
    let is_begun = body.trim_ascii_start().first() == Some(&b'{');
    is_begun && (!is_whole || serde_json::from_slice::<IgnoredAny>(body).is_ok())
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
pub(crate) fn write(reply: Reply, mut settlement: Settlement, request_id: RequestId) -> Response<ResponseBody> {
    match reply {
        Reply::Refused(failure) => {
            settlement.settle(Outcome::Failed(failure.cause));
            refusal(&failure, request_id)
        }
        Reply::Whole { head, body } => {
            settlement.settle(if head.status.is_success() { Outcome::Answered } else { Outcome::ProviderError });
            passed_on(&head, ResponseBody::Whole(body))
        }
        Reply::Events { flight, events } => {
            let head = passed_on(&flight.head, ());
            let relay = Relay::events(flight, settlement, request_id, *events);
            head.map(|()| ResponseBody::Relay(Box::new(relay)))
        }
        Reply::Rest { flight, head: first } => {
            let mut head = passed_on(&flight.head, ());
            if let Some(length) = flight.head.headers.get(header::CONTENT_LENGTH) {
                head.headers_mut().insert(header::CONTENT_LENGTH, length.clone());
            }
            let relay = Relay::bytes(flight, settlement, request_id, first);
            head.map(|()| ResponseBody::Relay(Box::new(relay)))
        }
    }
}

/// The gateway's own error, as the client's SDK expects it.
pub(crate) fn refusal(failure: &Failure, request_id: RequestId) -> Response<ResponseBody> {
    let row = failure.cause.row();
    let body = Bytes::from(openai_chat::error_body(failure, request_id.as_str()));
    let mut response = Response::new(ResponseBody::Whole(body));
    *response.status_mut() = StatusCode::from_u16(row.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
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
pub(crate) fn describe(
    response: &mut Response<ResponseBody>,
    request_id: RequestId,
    deployment: Option<&HeaderValue>,
    overhead: Duration,
) {
    let headers = response.headers_mut();
    if let Ok(request_id) = HeaderValue::from_str(request_id.as_str()) {
        headers.insert(REQUEST_ID, request_id);
    }
    headers.insert(ATTEMPTS, HeaderValue::from(u16::from(deployment.is_some())));
    if let Some(deployment) = deployment {
        headers.insert(DEPLOYMENT, deployment.clone());
    }
    headers.insert(OVERHEAD, HeaderValue::from(u64::try_from(overhead.as_micros()).unwrap_or(u64::MAX)));
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

    fn head(status: u16) -> response::Parts {
        let mut parts = Response::new(()).into_parts().0;
        parts.status = StatusCode::from_u16(status).expect("valid");
        parts
    }

    #[test]
    fn only_passes_on_what_a_client_can_use() {
        let judge = |status, body: &'static str| judge(&head(status), &Bytes::from_static(body.as_bytes()), true, "d");
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
