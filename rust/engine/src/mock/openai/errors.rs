//! OpenAI's error object and rate-limit headers, after the published API reference.

use serde_json::Value;

use super::super::behaviour::{ErrorFields, RateLimits};

/// The error object, with the type and code that OpenAI gives this status unless `fields` says otherwise.
pub(super) fn error_body(status: u16, fields: &ErrorFields) -> String {
    let (kind, code, message) = match status {
        400 => ("invalid_request_error", None, "The mock provider was told to refuse this request."),
        401 => ("invalid_request_error", Some("invalid_api_key"), "Incorrect API key provided: mock."),
        403 => ("invalid_request_error", Some("unsupported_country_region_territory"), "Not supported here."),
        404 => {
            ("invalid_request_error", Some("model_not_found"), "The model does not exist or you have no access to it.")
        }
        429 => ("requests", Some("rate_limit_exceeded"), "Rate limit reached for the mock provider."),
        _ => ("server_error", None, "The mock provider was told to fail."),
    };
    let text = |value: Option<&str>| value.map_or(Value::Null, Value::from);
    let error = serde_json::json!({"error": {
        "message": fields.message.as_deref().unwrap_or(message),
        "type": fields.r#type.as_deref().unwrap_or(kind),
        "param": text(fields.param.as_deref()),
        "code": fields.code.clone().unwrap_or_else(|| text(code)),
    }});
    error.to_string()
}

pub(super) fn rate_limit_headers(limits: &RateLimits) -> Vec<(&'static str, String)> {
    let number = |number: Option<u64>| number.map(|number| number.to_string());
    let reset = |given: Option<u64>| limits.reset_s.filter(|_| given.is_some()).map(duration);
    let headers = [
        ("x-ratelimit-limit-requests", number(limits.requests)),
        ("x-ratelimit-remaining-requests", number(limits.remaining_requests)),
        ("x-ratelimit-reset-requests", reset(limits.requests)),
        ("x-ratelimit-limit-tokens", number(limits.tokens)),
        ("x-ratelimit-remaining-tokens", number(limits.remaining_tokens)),
        ("x-ratelimit-reset-tokens", reset(limits.tokens)),
        ("retry-after", number(limits.retry_after_s)),
    ];
    headers.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// `6m0s`, `1s`.
fn duration(seconds: u64) -> String {
    if seconds < 60 { format!("{seconds}s") } else { format!("{}m{}s", seconds / 60, seconds % 60) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_openais_four_fields() {
        let fields = ErrorFields { code: Some("insufficient_quota".into()), ..ErrorFields::default() };
        let error: Value = serde_json::from_str(&error_body(429, &fields)).expect("valid");
        assert_eq!(error["error"]["code"], "insufficient_quota");
        assert_eq!(error["error"]["type"], "requests");
        assert_eq!(error["error"]["param"], Value::Null);
    }

    #[test]
    fn limits_are_told_as_openai_tells_them() {
        let limits = RateLimits { tokens: Some(9), reset_s: Some(90), retry_after_s: Some(2), ..RateLimits::default() };
        let names = [("x-ratelimit-limit-tokens", "9"), ("x-ratelimit-reset-tokens", "1m30s"), ("retry-after", "2")];
        assert_eq!(rate_limit_headers(&limits), names.map(|(name, value)| (name, value.to_owned())));
    }
}
