//! Google's error object (`google.rpc.Status`), after the published API reference.

use serde_json::{Value, json};

use super::super::behaviour::{ErrorFields, RateLimits};

const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// The error object, with the code name that Google gives this status unless `fields.type` says otherwise. Google tells
/// when to come back in the error's details and in no header.
pub(super) fn error_body(status: u16, fields: &ErrorFields, limits: &RateLimits) -> String {
    let (name, message) = match status {
        401 => ("UNAUTHENTICATED", "Request had invalid authentication credentials."),
        403 => ("PERMISSION_DENIED", "The caller does not have permission."),
        404 => ("NOT_FOUND", "The model is not found, or is not supported for this method."),
        409 => ("ABORTED", "The mock provider was told to abort."),
        429 => ("RESOURCE_EXHAUSTED", "You exceeded the quota of the mock provider."),
        499 => ("CANCELLED", "The operation was cancelled."),
        501 => ("UNIMPLEMENTED", "The mock provider was told that it cannot do this."),
        503 | 529 => ("UNAVAILABLE", "The model is overloaded. Please try again later."),
        504 => ("DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
        400..=499 => ("INVALID_ARGUMENT", "The mock provider was told to refuse this request."),
        _ => ("INTERNAL", "An internal error has occurred. Please retry."),
    };
    let mut error = json!({
        "code": fields.code.as_ref().filter(|code| code.is_number()).cloned().unwrap_or_else(|| status.into()),
        "message": fields.message.as_deref().unwrap_or(message),
        "status": fields.r#type.as_deref().unwrap_or(name),
    });
    let mut details = match &fields.details {
        Some(Value::Array(details)) => details.clone(),
        Some(detail) => vec![detail.clone()],
        None => Vec::new(),
    };
    if let Some(after_s) = limits.retry_after_s {
        details.push(json!({"@type": RETRY_INFO, "retryDelay": format!("{after_s}s")}));
    }
    if !details.is_empty() {
        error["details"] = details.into();
    }
    json!({"error": error}).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_named_by_its_status_and_says_when_to_come_back() {
        let limits = RateLimits { retry_after_s: Some(7), ..RateLimits::default() };
        let details = Some(json!({"reason": "API_KEY_INVALID"}));
        let fields = ErrorFields { details, code: Some("text".into()), ..ErrorFields::default() };
        let error: Value = serde_json::from_str(&error_body(429, &fields, &limits)).expect("valid");
        assert_eq!(error["error"]["status"], "RESOURCE_EXHAUSTED");
        assert_eq!(error["error"]["code"], 429);
        assert_eq!(
            error["error"]["details"],
            json!([{"reason": "API_KEY_INVALID"}, {"@type": RETRY_INFO, "retryDelay": "7s"}])
        );
        let plain = error_body(422, &ErrorFields::default(), &RateLimits::default());
        assert!(plain.contains("INVALID_ARGUMENT") && !plain.contains("details"));
    }
}
