use super::super::testing::REPLYING;
use super::*;
use crate::json_view::View;
use crate::neutral::{Arguments, Choice, Finish};
use crate::usage::Usage;

fn call(id: &str, arguments: &str) -> Part<'static> {
    let arguments = Arguments::Text(Text::of(arguments));
    Part::new(PartKind::ToolCall { id: Text::of(id), name: Text::of("f"), arguments })
}

fn written(answer: &Answer<'_>) -> String {
    String::from_utf8(write_answer(answer, &REPLYING)).expect("UTF-8")
}

fn of(parts: Vec<Part<'static>>, finish: Option<Finish>) -> serde_json::Value {
    let answer = Answer { choices: vec![Choice { parts, finish, ..Choice::default() }], ..Answer::default() };
    serde_json::from_str(&written(&answer)).expect("JSON")
}

#[test]
fn a_whole_answer_to_the_byte() {
    let usage = Usage {
        input_tokens: 10,
        input_image_tokens: 5,
        cache_read_tokens: 7,
        cache_write_5m_tokens: 2,
        cache_write_1h_tokens: 1,
        output_tokens: 20,
        reasoning_tokens: 30,
        ..Usage::default()
    };
    let thought = Part::new(PartKind::Thinking(Text::of("hm")));
    let parts = vec![
        Part { signature: Some(Text::of("openai:s")), ..thought },
        Part::text(Text::of("say \"hi\"\n")),
        Part { signature: Some(Text::of("gemini:t==")), ..call("call_1", r#"{"x": 1.0}"#) },
    ];
    let answer = Answer {
        id: Some(Text::of("chatcmpl-7")),
        model: Some(Text::of("gpt")),
        choices: vec![Choice { parts, finish: Some(Finish::ToolCalls), ..Choice::default() }],
        usage: Some(usage),
        service_tier: Some(Text::of("default")),
        ..Answer::default()
    };
    let expected = concat!(
        r#"{"id":"msg_chatcmpl-7","type":"message","role":"assistant","model":"gpt","content":["#,
        r#"{"type":"thinking","thinking":"hm","signature":"openai:s"},{"type":"text","text":"say \"hi\"\n"},"#,
        r#"{"type":"thinking","thinking":"","signature":"gemini:t=="},"#,
        r#"{"type":"tool_use","id":"call_1","name":"f","input":{"x": 1.0}}],"#,
        r#""stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":15,"cache_creation_input_tokens":3,"#,
        r#""cache_read_input_tokens":7,"cache_creation":{"ephemeral_5m_input_tokens":2,"ephemeral_1h_input_tokens":1},"#,
        r#""output_tokens":50,"output_tokens_details":{"thinking_tokens":30},"service_tier":"standard"}}"#,
    );
    assert_eq!(written(&answer), expected);
}

#[test]
fn an_answer_that_says_nothing() {
    let expected = concat!(
        r#"{"id":"msg_fg1","type":"message","role":"assistant","model":"some-model","content":[],"#,
        r#""stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"#,
        r#""cache_read_input_tokens":0,"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0},"#,
        r#""output_tokens":0}}"#,
    );
    assert_eq!(written(&Answer::default()), expected);
    let id = |id: &str| message_id(Some(&Text::of(id)), "fg1").escaped().to_owned();
    assert_eq!((id("msg_1"), id("resp_1"), id("")), ("msg_1".into(), "msg_resp_1".into(), "msg_fg1".into()));
}

#[test]
fn what_vendors_leave_out_is_made_up_for() {
    let message = of(vec![Part::text(Text::of("")), call("", "{}"), call("", "no JSON")], Some(Finish::Stop));
    let content = &message["content"];
    assert_eq!((&content[0]["id"], &content[1]["id"]), (&"toolu_fg1_1".into(), &"toolu_fg1_2".into()));
    assert_eq!(content[1]["input"], serde_json::json!({"INVALID_JSON": "no JSON"}));
    assert_eq!(message["stop_reason"], "tool_use");
    let refusal = of(vec![Part::new(PartKind::Refusal(Text::of("no")))], Some(Finish::Stop));
    assert_eq!((&refusal["content"][0]["text"], &refusal["stop_reason"]), (&"no".into(), &"refusal".into()));
}

#[test]
fn where_words_are_from_is_said_in_its_own_form() {
    let citations = |text: &'static str| {
        let view = View::read(text.as_bytes(), 8).expect("an object").get("c");
        let part = Part::new(PartKind::Text { text: Text::of("a"), citations: view });
        of(vec![part], None)["content"][0]["citations"].clone()
    };
    assert_eq!(citations(r#"{"c":[{"type":"page_location"}]}"#), serde_json::json!([{"type": "page_location"}]));
    assert!(citations(r#"{"c":[{"type":"url_citation"}]}"#).is_null());
}

#[test]
fn a_cache_without_a_lifetime_is_not_taken_for_one_with() {
    let usage = Usage { cache_write_other_tokens: 9, cache_write_5m_tokens: 1, ..Usage::default() };
    let written: serde_json::Value =
        serde_json::from_str(&written(&Answer { usage: Some(usage), ..Answer::default() })).expect("JSON");
    assert_eq!(written["usage"]["cache_creation_input_tokens"], 10);
    assert!(written["usage"]["cache_creation"].is_null());
}
