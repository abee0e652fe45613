use super::super::splice::splice;
use super::*;
use crate::failure::{Cause, TABLE};

fn read_all(events: &[&str]) -> (Vec<EventClass>, StreamReader) {
    let mut reader = StreamReader::default();
    (events.iter().map(|event| reader.read(event.as_bytes())).collect(), reader)
}

const START: &str = r#"{"type":"message_start","message":{"id":"msg_1","usage":{"input_tokens":9,"cache_read_input_tokens":4,"output_tokens":1,"service_tier":"priority"}}}"#;
const BLOCK: &str = r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;
const TEXT: &str = r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a\n"}}"#;
const STOP: &str = r#"{"type":"content_block_stop","index":0}"#;
const ENDED: &str = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":5}}"#;
const END: &str = r#"{"type":"message_stop"}"#;
const ERROR: &str = r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#;

#[test]
fn classifies_events() {
    use EventClass::{Content, End, Error, Preamble, Usage};
    let ping = r#"{"type": "ping"}"#;
    let (found, reader) = read_all(&[START, ping, BLOCK, TEXT, STOP, ENDED, END]);
    assert_eq!(found, [Preamble, Preamble, Preamble, Content, Preamble, Usage, End]);
    let expected =
        crate::usage::Usage { input_tokens: 9, cache_read_tokens: 4, output_tokens: 5, ..Default::default() };
    assert_eq!((reader.usage(), reader.content_bytes()), (Some(expected), 3));
    assert_eq!((reader.service_tier(), reader.is_truncated()), (Some(ServiceTier::Priority), false));
    for (block, class) in [
        (r#"{"type":"thinking","thinking":"","signature":""}"#, Preamble),
        (r#"{"type":"text","text":"a"}"#, Content),
        (r#"{"type":"tool_use","id":"t","name":"f","input":{}}"#, Content),
        (r#"{"type":"redacted_thinking","data":"x"}"#, Content),
    ] {
        let event = format!(r#"{{"type":"content_block_start","index":0,"content_block":{block}}}"#);
        assert_eq!(read_all(&[&event]).0, [class], "{block}");
    }
    let unknown = r#"{"type":"tomorrow"}"#;
    assert_eq!(
        read_all(&[unknown, "<html>", ERROR, r#"{"error":{"message":"no"}}"#]).0,
        [Preamble, Error, Error, Error]
    );
}

#[test]
fn a_stream_is_complete_when_it_says_why_it_ended() {
    let completeness = |events: &[&str]| read_all(events).1.completeness();
    assert_eq!(completeness(&[START, BLOCK, TEXT, STOP, ENDED, END]), Completeness::Complete);
    assert_eq!(completeness(&[START, BLOCK, TEXT, STOP, ENDED]), Completeness::EndMarkMissing);
    assert_eq!(completeness(&[START, BLOCK, TEXT, STOP, END]), Completeness::Cut);
    assert_eq!(completeness(&[START, BLOCK, TEXT]), Completeness::Cut);
    assert_eq!(completeness(&[START, ENDED.replace("\"end_turn\"", "null").as_str(), END]), Completeness::Cut);
    assert_eq!(completeness(&[START, BLOCK, TEXT, ERROR]), Completeness::Failed);
    assert_eq!(completeness(&[START, ENDED, r#"{"error":{"message":"no"}}"#]), Completeness::Failed);
    let mut reader = read_all(&[START, BLOCK, TEXT, ENDED]).1;
    let end = std::str::from_utf8(end_event()).expect("UTF-8");
    let data = end.strip_prefix("event: message_stop\ndata: ").expect("an event");
    assert_eq!((reader.read(data.as_bytes()), reader.completeness()), (EventClass::End, Completeness::Complete));
    let ping = PING.strip_prefix(b"event: ping\ndata: ").expect("an event");
    assert_eq!(reader.read(ping), EventClass::Preamble);
}

#[test]
fn it_is_truncated_where_it_ended_at_the_limit_of_output() {
    let (_, reader) = read_all(&[START, &ENDED.replace("end_turn", "max_tokens")]);
    assert!(reader.is_truncated());
    for (reason, is_truncated) in [("\"max_tokens\"", true), ("\"end_turn\"", false), ("null", false)] {
        let body = format!(r#"{{"type":"message","content":[{{"text":"max_tokens"}}],"stop_reason":{reason}}}"#);
        assert_eq!(read_answer(body.as_bytes()).expect("an object").is_truncated, is_truncated, "{reason}");
    }
}

#[test]
fn reads_answers() {
    let answer = read_answer(
        br#"{"type":"message","content":[],"usage":{"input_tokens":3,"output_tokens":4,"service_tier":"standard"},"error":null}"#,
    )
    .expect("an object");
    let expected = crate::usage::Usage { input_tokens: 3, output_tokens: 4, ..Default::default() };
    assert_eq!(answer, Answer { usage: Some(expected), ..Answer::default() });
    assert_eq!(read_answer(ERROR.as_bytes()).expect("an object").flaw, Some(Flaw::Error));
    assert_eq!(read_answer(br#"{"error":{"message":"no"}}"#).expect("an object").flaw, Some(Flaw::Error));
    assert_eq!(read_answer(b"[]"), None);
    assert_eq!(read_answer(br#"{"input_tokens":3}"#), Some(Answer::default()));
    assert_eq!(read_answer(b"{}").expect("an object").flaw, Some(Flaw::NoChoices));
}

#[test]
fn reads_and_splices_requests() {
    let body =
        br#"{ "model" : "claude", "max_tokens":64, "stream":true, "metadata":{"user_id":"u1"},"n":3, "messages":[]}"#;
    let request = read_request(body, 16).expect("valid");
    assert_eq!((request.model.as_str(), request.stream, request.output_tokens), ("claude", true, Some(64)));
    assert_eq!((request.choices, request.billed_choices, request.user.as_deref()), (1, 1, Some("u1")));
    assert!(request.usage_splice.is_none() && request.continues.is_none());
    let spliced = splice(body, &mut [request.rename("other")]);
    assert!(spliced.starts_with(br#"{ "model" : "other", "max_tokens":64, "#));
    let asked =
        |rest: &str| read_request(format!(r#"{{"model":"m"{rest}}}"#).as_bytes(), 16).expect(rest).output_tokens;
    assert_eq!([asked(""), asked(r#","max_tokens":null"#), asked(r#","max_completion_tokens":9"#)], [None; 3]);
    assert_eq!(asked(r#","max_tokens":"9""#), Some(u64::MAX));
    for (body, param) in [
        (r#"{"messages":[]}"#, Some("model")),
        (r#"{"model":"a","stream":"yes"}"#, Some("stream")),
        (r#"{"model":"a","model":"b"}"#, None),
        ("[]", None),
    ] {
        assert_eq!(read_request(body.as_bytes(), 16).expect_err(body).param, param, "{body}");
    }
}

#[test]
fn errors_are_anthropics() {
    let mut failure = Failure::invalid_request("no \"model\"", Some("model"));
    let expected = r#"{"error":{"code":"invalid_request","message":"no \"model\"","param":"model","type":"invalid_request_error"},"request_id":"fgr_1","type":"error"}"#;
    assert_eq!(String::from_utf8(error_body(&failure, "fgr_1")).expect("UTF-8"), expected);
    failure = Failure::new(Cause::StreamCut, "cut");
    let event = String::from_utf8(StreamReader::default().error_event(&failure, "fgr_1")).expect("UTF-8");
    let data = event.strip_prefix("event: error\ndata: ").and_then(|rest| rest.strip_suffix("\n\n")).expect("an event");
    let data: serde_json::Value = serde_json::from_str(data).expect("JSON");
    assert_eq!((&data["error"]["type"], &data["error"]["code"]), (&"api_error".into(), &"stream_cut".into()));
    for (cause, kind) in [
        (Cause::InvalidKey, "authentication_error"),
        (Cause::ModelForbidden, "permission_error"),
        (Cause::ModelNotFound, "not_found_error"),
        (Cause::BodyTooLarge, "request_too_large"),
        (Cause::QuotaSpent, "rate_limit_error"),
        (Cause::IdempotencyKeyReused, "invalid_request_error"),
        (Cause::Overloaded, "overloaded_error"),
        (Cause::ProviderTimeout, "timeout_error"),
        (Cause::ProviderFailed, "api_error"),
    ] {
        assert_eq!(error_type(cause.row().status), kind, "{cause:?}");
    }
    for row in &TABLE {
        let is_callers = (400..500).contains(&row.status);
        assert_eq!(is_callers, !matches!(error_type(row.status), "api_error" | "overloaded_error" | "timeout_error"));
    }
}
