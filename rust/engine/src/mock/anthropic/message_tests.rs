//! The events of a message in their order, and what whole and streamed messages say.

use serde_json::{Value, json};

use super::super::super::behaviour::{Behaviour, parse_fields};
use super::super::super::reply::Reply;
use super::*;

const EVERYTHING: &str = r#"{"reasoning":"let me see","signature":"sig+/==","content":"a \"b\" ü","tool_calls":
    [{"name":"weather","arguments":"{\"city\": \"Zürich\"}"},{"name":"time","arguments":"{}"}],
    "usage":{"prompt_tokens":100,"cached_tokens":60,"cache_write_tokens":10,"completion_tokens":9}}"#;

fn rendered(fields: &str, asked: &Asked<'_>) -> String {
    let behaviour = Behaviour::from_fields(&parse_fields(fields).expect("reads")).expect("behaves");
    let reply = Reply::new(behaviour);
    let answer = message(&Turn::new(&reply, asked), asked, &mut Random::new(1, 1));
    assert_eq!(answer.marks.last().map(|mark| mark.end), Some(answer.body.len()));
    String::from_utf8(answer.body.to_vec()).expect("text")
}

fn asked(stream: bool, tools: bool) -> Asked<'static> {
    Asked { model: "claude".into(), stream, tools, reasoning: true, ..Asked::default() }
}

fn events(fields: &str, asked: &Asked<'_>) -> Vec<Value> {
    let text = rendered(fields, asked);
    let events = text.split_terminator("\n\n").map(|event| {
        let (name, data) = event.split_once('\n').expect("two lines");
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").expect("data")).expect("valid");
        assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
        data
    });
    events.collect()
}

fn whole_message(fields: &str, asked: &Asked<'_>) -> Value {
    serde_json::from_str(&rendered(fields, asked)).expect("valid")
}

/// What the deltas of a stream add up to, block by block.
fn joined(events: &[Value], field: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    for event in events {
        if event["type"] == "content_block_start" {
            blocks.push(String::new());
        }
        if let (Some(piece), Some(block)) = (event["delta"][field].as_str(), blocks.last_mut()) {
            block.push_str(piece);
        }
    }
    blocks
}

#[test]
fn a_text_streams_in_anthropics_sequence() {
    let events = events("content=one two", &asked(true, false));
    let kinds: Vec<&str> = events.iter().filter_map(|event| event["type"].as_str()).collect();
    let expected = "message_start content_block_start ping content_block_delta content_block_delta content_block_stop \
                    message_delta message_stop";
    assert_eq!(kinds.join(" "), expected);
    assert_eq!(events[0]["message"]["usage"]["output_tokens"], 1);
    assert_eq!(events[6]["delta"]["stop_reason"], "end_turn");
    assert_eq!(events[6]["usage"]["output_tokens"], 2);
}

#[test]
fn whole_and_streamed_say_the_same() {
    for (tools, kinds) in [(true, "thinking tool_use tool_use"), (false, "thinking text")] {
        let whole = whole_message(EVERYTHING, &asked(false, tools));
        let events = events(EVERYTHING, &asked(true, tools));
        let blocks: Vec<&Value> = whole["content"].as_array().expect("blocks").iter().collect();
        let found: Vec<&str> = blocks.iter().filter_map(|block| block["type"].as_str()).collect();
        assert_eq!(found.join(" "), kinds);
        let opened: Vec<&str> = events.iter().filter_map(|event| event["content_block"]["type"].as_str()).collect();
        assert_eq!(opened.join(" "), kinds);
        for (field, of_block) in [("thinking", "thinking"), ("signature", "signature"), ("text", "text")] {
            for (block, streamed) in blocks.iter().zip(joined(&events, field)) {
                assert_eq!(block[of_block].as_str().unwrap_or_default(), streamed);
            }
        }
        for (block, streamed) in blocks.iter().zip(joined(&events, "partial_json")).filter(|(_, json)| !json.is_empty())
        {
            assert_eq!(block["input"], serde_json::from_str::<Value>(&streamed).expect("valid"));
        }
        let delta = events.iter().find(|event| event["type"] == "message_delta").expect("a delta");
        assert_eq!(delta["delta"]["stop_reason"], whole["stop_reason"]);
    }
    assert_eq!(whole_message(EVERYTHING, &asked(false, true))["content"][0]["signature"], "sig+/==");
}

#[test]
fn usage_leaves_out_what_the_cache_read_and_wrote() {
    let whole = whole_message(EVERYTHING, &asked(false, false));
    let usage = &whole["usage"];
    assert_eq!(
        [&usage["input_tokens"], &usage["cache_read_input_tokens"], &usage["cache_creation_input_tokens"]],
        [&json!(30), &json!(60), &json!(10)]
    );
    assert_eq!(usage["output_tokens"], 9);
    let events = events(EVERYTHING, &asked(true, false));
    let delta = &events[events.len() - 2]["usage"];
    let expected = json!({"input_tokens": 30, "cache_read_input_tokens": 60, "cache_creation_input_tokens": 10,
        "output_tokens": 9});
    assert_eq!(delta, &expected);
}

#[test]
fn reasons_are_in_anthropics_words() {
    let reason = |fields: &str, asked: &Asked<'_>| whole_message(fields, asked)["stop_reason"].clone();
    assert_eq!(reason("", &Asked { limit_tokens: Some(2), ..Asked::default() }), "max_tokens");
    assert_eq!(reason("refusal=no", &Asked::default()), "refusal");
    assert_eq!(reason("finish_reason=length", &Asked::default()), "max_tokens");
    assert_eq!(reason("finish_reason=pause_turn", &Asked::default()), "pause_turn");
    let stopped = Asked { stop: Some("END".into()), ..Asked::default() };
    assert_eq!(whole_message("finish_reason=stop_sequence", &stopped)["stop_sequence"], "END");
    assert_eq!(whole_message("", &stopped)["stop_sequence"], Value::Null);
}

#[test]
fn each_omission_leaves_its_event_out() {
    for (fields, absent, events_left) in [
        ("content=a;omit=role", "message_start", 6),
        ("content=a;omit=finish_reason", "message_delta", 6),
        ("content=a;omit=done", "message_stop", 6),
        ("content=a;omit=usage", "output_tokens", 7),
    ] {
        let text = rendered(fields, &asked(true, false));
        assert!(!text.contains(absent), "{fields}");
        assert_eq!(text.matches("event: ").count(), events_left, "{fields}");
    }
}

#[test]
fn nothing_to_say_is_no_block() {
    assert_eq!(whole_message("content=", &Asked::default())["content"], json!([]));
    let kinds: Vec<Value> =
        events("content=", &asked(true, false)).into_iter().map(|event| event["type"].clone()).collect();
    assert_eq!(kinds, ["message_start", "ping", "message_delta", "message_stop"]);
}
