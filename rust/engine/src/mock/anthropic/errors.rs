//! Anthropic's error object and rate-limit headers, after the published API reference.

use serde_json::json;

use super::super::behaviour::{ErrorFields, RateLimits};
use super::super::ids::rfc3339;

/// The error object, with the type that Anthropic gives this status unless `fields` says otherwise.
pub(super) fn error_body(status: u16, fields: &ErrorFields, request_id: Option<&str>) -> String {
    let (kind, message) = match status {
        401 => ("authentication_error", "invalid x-api-key"),
        402 => ("billing_error", "The mock provider was told that the account is in arrears."),
        403 => ("permission_error", "Your API key does not have permission to use the specified resource."),
        404 => ("not_found_error", "The mock provider was told that it has no such thing."),
        413 => ("request_too_large", "Request exceeds the maximum size"),
        429 => ("rate_limit_error", "This request would exceed the rate limit of the mock provider."),
        504 => ("timeout_error", "The request timed out while processing."),
        529 => ("overloaded_error", "Overloaded"),
        400..=499 => ("invalid_request_error", "The mock provider was told to refuse this request."),
        _ => ("api_error", "Internal server error"),
    };
    let mut error = json!({
        "type": fields.r#type.as_deref().unwrap_or(kind),
        "message": fields.message.as_deref().unwrap_or(message),
    });
    if let Some(details) = &fields.details {
        error["details"] = details.clone();
    }
    let mut body = json!({"type": "error", "error": error});
    if let Some(id) = request_id {
        body["request_id"] = id.into();
    }
    body.to_string()
}

/// The limits; `now_s` is Unix time, because Anthropic names the moment of a reset and not the time until then.
pub(super) fn rate_limit_headers(limits: &RateLimits, now_s: u64) -> Vec<(&'static str, String)> {
    let number = |number: Option<u64>| number.map(|number| number.to_string());
    let reset = |given: Option<u64>| limits.reset_s.filter(|_| given.is_some()).map(|after| rfc3339(now_s + after));
    let headers = [
        ("anthropic-ratelimit-requests-limit", number(limits.requests)),
        ("anthropic-ratelimit-requests-remaining", number(limits.remaining_requests)),
        ("anthropic-ratelimit-requests-reset", reset(limits.requests)),
        ("anthropic-ratelimit-tokens-limit", number(limits.tokens)),
        ("anthropic-ratelimit-tokens-remaining", number(limits.remaining_tokens)),
        ("anthropic-ratelimit-tokens-reset", reset(limits.tokens)),
        ("retry-after", number(limits.retry_after_s)),
    ];
    headers.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_typed_by_its_status_and_by_what_was_told() {
        let body = |status, fields: &ErrorFields| error_body(status, fields, Some("req_1"));
        let told =
            ErrorFields { r#type: Some("odd_error".into()), message: Some("m".into()), ..ErrorFields::default() };
        assert_eq!(
            body(529, &told),
            r#"{"error":{"message":"m","type":"odd_error"},"request_id":"req_1","type":"error"}"#
        );
        for (status, kind) in [
            (400, "invalid_request_error"),
            (429, "rate_limit_error"),
            (529, "overloaded_error"),
            (503, "api_error"),
            (422, "invalid_request_error"),
        ] {
            assert!(body(status, &ErrorFields::default()).contains(&format!("\"type\":\"{kind}\"")), "{status}");
        }
    }

    #[test]
    fn a_reset_is_a_moment() {
        let limits = RateLimits { requests: Some(50), reset_s: Some(60), ..RateLimits::default() };
        let names = [
            ("anthropic-ratelimit-requests-limit", "50"),
            ("anthropic-ratelimit-requests-reset", "1970-01-01T00:01:10Z"),
        ];
        assert_eq!(rate_limit_headers(&limits, 10), names.map(|(name, value)| (name, value.to_owned())));
    }
}
