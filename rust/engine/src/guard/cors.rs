//! Cross-origin calls from browsers (Fetch standard): nothing unless `server.allowed_origins` names origins.
//!
//! Keys travel in headers, never in cookies, so `Access-Control-Allow-Credentials` is never sent: a page of a listed
//! origin still needs a key, and `*` opens nothing that a command line could not reach.

use fastgate_core::failure::Failure;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};

use super::origin;
use crate::body::ResponseBody;

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, DELETE");
const MAX_AGE_S: HeaderValue = HeaderValue::from_static("600");
const VARY_PREFLIGHT: HeaderValue =
    HeaderValue::from_static("Origin, Access-Control-Request-Method, Access-Control-Request-Headers");
/// Headers of answers that scripts may read, beside the few that they always may.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "x-fastgate-request-id, x-fastgate-deployment, x-fastgate-attempts, x-fastgate-cache, x-fastgate-overhead-us, \
     x-fastgate-cost-usd, x-request-id, x-should-retry, retry-after, retry-after-ms",
);
/// Names a preflight may ask for.
const ASKED_LIMIT_BYTES: usize = 4096;

/// What a request's origin is granted.
#[derive(Debug)]
pub(crate) enum Cors {
    /// No origins are configured: no header of the kind is sent.
    Off,
    /// No browser asks, or a page of an origin that is not listed.
    Refused,
    /// What `Access-Control-Allow-Origin` says.
    Granted(HeaderValue),
}

/// Whether an `Origin` header is among the configured ones.
pub(super) fn lists(allowed: &[String], origin: &HeaderValue) -> bool {
    allowed.iter().any(|name| name == "*" || name.as_bytes().eq_ignore_ascii_case(origin.as_bytes()))
}

impl Cors {
    /// Looks at `Origin`.
    pub(crate) fn find(allowed: &[String], headers: &HeaderMap) -> Self {
        if allowed.is_empty() {
            return Self::Off;
        }
        if allowed.iter().any(|name| name == "*") {
            return Self::Granted(HeaderValue::from_static("*"));
        }
        match headers.get(header::ORIGIN) {
            Some(origin) if lists(allowed, origin) => Self::Granted(origin.clone()),
            _ => Self::Refused,
        }
    }

    /// The answer to a preflight, which brings no key; `None` for any other request.
    pub(crate) fn preflight<B>(&self, request: &Request<B>) -> Option<Result<Response<ResponseBody>, Failure>> {
        let headers = request.headers();
        let is_preflight = request.method() == Method::OPTIONS
            && headers.contains_key(header::ORIGIN)
            && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if !is_preflight || matches!(self, Self::Off) {
            return None;
        }
        let Self::Granted(origin) = self else { return Some(Err(origin::refused())) };
        let mut response = Response::new(ResponseBody::Whole(bytes::Bytes::new()));
        *response.status_mut() = StatusCode::NO_CONTENT;
        let answer = response.headers_mut();
        answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        answer.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        if let Some(asked) = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS).filter(|asked| are_names(asked)) {
            answer.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
        }
        answer.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE_S);
        answer.insert(header::VARY, VARY_PREFLIGHT);
        Some(Ok(response))
    }

    /// Lets the page read an answer.
    pub(crate) fn apply(self, headers: &mut HeaderMap) {
        if matches!(self, Self::Off) {
            return;
        }
        // A cache must not show one origin what was granted to another, nor to none.
        if !matches!(&self, Self::Granted(origin) if origin == "*") {
            headers.append(header::VARY, HeaderValue::from_static("Origin"));
        }
        if let Self::Granted(origin) = self {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
    }
}

/// Whether a value lists names of headers and nothing else.
///
/// They are granted as asked for: what the gateway reads and what goes upstream are lists of their own, and the SDKs
/// send a dozen headers that change with their versions.
fn are_names(asked: &HeaderValue) -> bool {
    asked.len() <= ASKED_LIMIT_BYTES
        && asked.as_bytes().split(|byte| *byte == b',').all(|name| HeaderName::from_bytes(name.trim_ascii()).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preflight(allowed: &[&str], origin: &str, asked: &str) -> Option<Result<Response<ResponseBody>, Failure>> {
        let request = Request::options("/v1/chat/completions")
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", asked)
            .body(())
            .expect("valid");
        let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
        Cors::find(&allowed, request.headers()).preflight(&request)
    }

    #[test]
    fn grants_a_listed_origin_what_it_asks_for() {
        let answer = preflight(&["https://a.example"], "https://a.example", "authorization, x-stainless-os");
        let answer = answer.expect("a preflight").expect("granted");
        let header = |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
        assert_eq!(answer.status(), 204);
        assert_eq!(header("access-control-allow-origin"), "https://a.example");
        assert_eq!(header("access-control-allow-headers"), "authorization, x-stainless-os");
        assert!(
            header("vary").contains("Origin") && !answer.headers().contains_key("access-control-allow-credentials")
        );
    }

    #[test]
    fn grants_nothing_else() {
        assert!(preflight(&[], "https://a.example", "a").is_none());
        for origin in ["https://a.example.evil", "http://a.example", "https://a.example:8443", "null"] {
            assert!(preflight(&["https://a.example"], origin, "a").expect("a preflight").is_err(), "{origin}");
        }
        let odd = preflight(&["*"], "null", "a b").expect("a preflight").expect("granted");
        assert_eq!(odd.headers()["access-control-allow-origin"], "*");
        assert!(!odd.headers().contains_key("access-control-allow-headers"));
    }
}
