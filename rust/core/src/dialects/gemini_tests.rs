use serde_json::Value;

use super::super::splice::splice;
use super::*;
use crate::failure::TABLE;

fn request(body: &str) -> Request {
    read_request(body.as_bytes(), 16, "gemini-pro", true).expect(body)
}

#[test]
fn a_request_is_named_in_its_path() {
    let body = r#"{"contents":[],"generationConfig":{"maxOutputTokens":70,"candidateCount":2}}"#;
    let read = request(body);
    assert_eq!((read.model.as_str(), read.stream), ("gemini-pro", true));
    assert_eq!((read.output_tokens, read.choices, read.billed_choices), (Some(70), 2, 2));
    assert_eq!(splice(body.as_bytes(), &mut [read.rename("other")]), body.as_bytes());
    let snake = request(r#"{"generation_config":{"max_output_tokens":7,"candidate_count":3}}"#);
    assert_eq!((snake.output_tokens, snake.choices), (Some(7), 3));
    let absurd = request(r#"{"generationConfig":{"maxOutputTokens":"9","candidateCount":-1}}"#);
    assert_eq!((absurd.output_tokens, absurd.choices, absurd.billed_choices), (Some(u64::MAX), 1, u64::MAX));
    let plain = request("{}");
    assert_eq!((plain.output_tokens, plain.choices, plain.billed_choices), (None, 1, 1));
    assert!(read_request(b"[]", 16, "m", false).is_err());
    assert!(read_request(br#"{"a":1,"a":2}"#, 16, "m", false).is_err());
}

#[test]
fn an_answer_can_be_bounded() {
    for (body, bounded) in [
        (r#"{"contents":[]}"#, r#"{"generationConfig":{"maxOutputTokens":9},"contents":[]}"#),
        (r#"{"generationConfig":{ }}"#, r#"{"generationConfig":{ "maxOutputTokens":9}}"#),
        (r#"{"generation_config":{"topK":1}}"#, r#"{"generation_config":{"maxOutputTokens":9,"topK":1}}"#),
        (r#"{"generationConfig":null}"#, r#"{"generationConfig":{"maxOutputTokens":9}}"#),
    ] {
        let change = bound_output(body.as_bytes(), 9).expect(body);
        assert_eq!(String::from_utf8_lossy(&splice(body.as_bytes(), &mut [change])), bounded);
    }
    assert_eq!(bound_output(br#"{"generationConfig":7}"#, 9), None);
}

#[test]
fn what_an_answer_says_of_itself() {
    let answer = |body: &str| read_answer(body.as_bytes()).expect(body);
    let whole = answer(
        r#"{"candidates":[{"content":{"parts":[{"text":"\"MAX_TOKENS\""}]},"finishReason":"STOP"}],
            "usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":1,"totalTokenCount":4,"serviceTier":"standard"}}"#,
    );
    assert_eq!((whole.flaw, whole.is_truncated, whole.service_tier), (None, false, Some(ServiceTier::Default)));
    assert_eq!(whole.usage.map(|usage| (usage.input(), usage.output())), Some((3, 1)));
    assert!(answer(r#"{"candidates":[{"finishReason":"STOP"},{"finishReason": "MAX_TOKENS" }]}"#).is_truncated);
    assert!(!answer(r#"{"candidates":[{"content":{"finishReason":"MAX_TOKENS"}}]}"#).is_truncated);
    for (body, flaw) in [
        (r#"{"error":{"code":503}}"#, Some(Flaw::Error)),
        (r#"{"candidates":[ ]}"#, Some(Flaw::NoChoices)),
        (r#"{"usageMetadata":{}}"#, Some(Flaw::NoChoices)),
        (r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#, None),
        (r#"{"candidates":[],"promptFeedback":{"blockReason":"SAFETY"},"error":null}"#, None),
    ] {
        assert_eq!(answer(body).flaw, flaw, "{body}");
    }
    assert_eq!(read_answer(b"<html>"), None);
}

#[test]
fn errors_are_in_googles_form() {
    let failure = Failure::invalid_request("contents must be an array", Some("contents"));
    assert_eq!(
        String::from_utf8_lossy(&error_body(&failure, "fgr_1")),
        concat!(
            r#"{"error":{"code":400,"message":"contents must be an array","status":"INVALID_ARGUMENT","details":["#,
            r#"{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"INVALID_REQUEST","domain":"fastgate","#,
            r#""metadata":{"request_id":"fgr_1"}},"#,
            r#"{"@type":"type.googleapis.com/google.rpc.BadRequest","#,
            r#""fieldViolations":[{"field":"contents","description":"contents must be an array"}]}]}}"#
        )
    );
    let failure = Failure::new(Cause::RateLimited, "slower").retry_after_s(7);
    let body: Value = serde_json::from_slice(&error_body(&failure, "fgr_1")).expect("JSON");
    assert_eq!(body["error"]["status"], "RESOURCE_EXHAUSTED");
    assert_eq!(body["error"]["details"][1]["retryDelay"], "7s");
    for row in &TABLE {
        let body: Value = serde_json::from_slice(&error_body(&Failure::new(row.cause, "no"), "fgr_1")).expect("JSON");
        assert_eq!(body["error"]["code"], row.status);
        let word = body["error"]["status"].as_str().expect("a word");
        assert!(row.status != 401 || word == "UNAUTHENTICATED", "{word}");
        assert_eq!(
            row.status >= 500,
            ["INTERNAL", "UNAVAILABLE", "DEADLINE_EXCEEDED", "UNIMPLEMENTED"].contains(&word) && row.status != 408,
            "{row:?} {word}"
        );
    }
}
