//! Chunks in both framings, and what whole and streamed answers say.

use serde_json::{Value, json};

use super::super::super::behaviour::{Behaviour, parse_fields};
use super::super::super::reply::Reply;
use super::super::super::turn::Asked;
use super::*;

const EVERYTHING: &str = r#"{"reasoning":"let me see","signature":"sig+/==","content":"a \"b\" ü","tool_calls":
    [{"name":"weather","arguments":"{\"city\": \"Zürich\"}"},{"name":"time","arguments":"{}"}],
    "usage":{"prompt_tokens":100,"cached_tokens":60,"completion_tokens":9,"reasoning_tokens":4}}"#;

fn reply(fields: &str) -> Reply {
    Reply::new(Behaviour::from_fields(&parse_fields(fields).expect("reads")).expect("behaves"))
}

fn asked(tools: bool) -> Asked<'static> {
    Asked { model: "gemini".into(), tools, reasoning: true, ..Asked::default() }
}

fn whole_answer(fields: &str, asked: &Asked<'_>) -> Value {
    let reply = reply(fields);
    serde_json::from_str(&whole(&Turn::new(&reply, asked), &mut Random::new(1, 1))).expect("valid")
}

fn streamed(fields: &str, asked: &Asked<'_>, is_array: bool) -> String {
    let reply = reply(fields);
    let answer = stream(&Turn::new(&reply, asked), is_array, &mut Random::new(1, 1));
    assert_eq!(answer.marks.last().map(|mark| mark.end), Some(answer.body.len()));
    String::from_utf8(answer.body.to_vec()).expect("text")
}

fn chunks(fields: &str, asked: &Asked<'_>) -> Vec<Value> {
    let text = streamed(fields, asked, false);
    let data = text.split_terminator("\r\n\r\n").map(|event| event.strip_prefix("data: ").expect("data"));
    data.map(|data| serde_json::from_str(data).expect("valid")).collect()
}

/// Thoughts, text and calls with their signatures, over all chunks.
fn said(chunks: &[Value]) -> (String, String, Vec<Value>, Vec<String>) {
    let mut all = (String::new(), String::new(), Vec::new(), Vec::new());
    for part in chunks.iter().flat_map(|chunk| chunk["candidates"][0]["content"]["parts"].as_array().expect("parts")) {
        let text = part["text"].as_str().unwrap_or_default();
        if part["thought"] == true {
            all.0.push_str(text);
        } else {
            all.1.push_str(text);
        }
        all.2.extend(part.get("functionCall").cloned());
        all.3.extend(part["thoughtSignature"].as_str().map(str::to_owned));
    }
    all
}

#[test]
fn whole_and_streamed_say_the_same_in_both_framings() {
    for tools in [true, false] {
        let whole = whole_answer(EVERYTHING, &asked(tools));
        let chunks = chunks(EVERYTHING, &asked(tools));
        let array: Vec<Value> = serde_json::from_str(&streamed(EVERYTHING, &asked(tools), true)).expect("valid");
        assert_eq!(array, chunks);
        let expected = said(std::slice::from_ref(&whole));
        assert_eq!(said(&chunks), expected);
        assert_eq!((expected.0.as_str(), expected.2.len()), ("let me see", if tools { 2 } else { 0 }));
        assert_eq!(expected.1, if tools { "" } else { "a \"b\" ü" });
        assert_eq!(expected.3, ["sig+/=="]);
        let last = &chunks[chunks.len() - 1];
        assert_eq!(last["candidates"][0]["finishReason"], "STOP");
        assert_eq!(last["usageMetadata"], whole["usageMetadata"]);
        assert!(chunks[..chunks.len() - 1].iter().all(|chunk| chunk["candidates"][0].get("finishReason").is_none()));
    }
}

#[test]
fn usage_counts_thoughts_beside_candidates_and_grows_over_a_stream() {
    let usage = &whole_answer(EVERYTHING, &asked(false))["usageMetadata"];
    for (field, count) in [
        ("promptTokenCount", 100),
        ("cachedContentTokenCount", 60),
        ("candidatesTokenCount", 5),
        ("thoughtsTokenCount", 4),
        ("totalTokenCount", 109),
    ] {
        assert_eq!(usage[field], count, "{field}");
    }
    let chunks = chunks("content=a b c;usage.prompt_tokens=1", &asked(false));
    let counts: Vec<Value> =
        chunks.iter().map(|chunk| chunk["usageMetadata"]["candidatesTokenCount"].clone()).collect();
    assert_eq!(counts, [1, 2, 3, 3]);
}

#[test]
fn reasons_and_refusals_are_googles() {
    let reason = |fields: &str, asked: &Asked<'_>| whole_answer(fields, asked)["candidates"][0]["finishReason"].clone();
    assert_eq!(reason("", &Asked { limit_tokens: Some(2), ..Asked::default() }), "MAX_TOKENS");
    assert_eq!(reason("finish_reason=content_filter", &Asked::default()), "SAFETY");
    assert_eq!(reason("finish_reason=RECITATION", &Asked::default()), "RECITATION");
    let refused = whole_answer("refusal=no \"that\"", &Asked::default());
    assert_eq!(refused["promptFeedback"], json!({"blockReason": "SAFETY", "blockReasonMessage": "no \"that\""}));
    assert!(refused.get("candidates").is_none());
    let chunks = chunks("refusal=no", &Asked::default());
    assert_eq!((chunks.len(), &chunks[0]["promptFeedback"]["blockReason"]), (1, &json!("SAFETY")));
}

#[test]
fn every_candidate_says_it() {
    let asked = Asked { choices: Some(2), ..Asked::default() };
    let candidates = whole_answer("content=a b", &asked)["candidates"].clone();
    assert_eq!((candidates[0]["index"].clone(), candidates[1]["index"].clone()), (json!(0), json!(1)));
    assert_eq!(candidates[0]["content"], candidates[1]["content"]);
    let indices: Vec<Value> =
        chunks("content=a b", &asked).iter().map(|chunk| chunk["candidates"][0]["index"].clone()).collect();
    assert_eq!(indices, [0, 1, 0, 1, 0, 1]);
}

#[test]
fn each_omission_leaves_its_part_out() {
    for (fields, absent) in
        [("omit=role", "\"role\""), ("omit=finish_reason", "finishReason"), ("omit=usage", "usageMetadata")]
    {
        assert!(!streamed(fields, &Asked::default(), false).contains(absent), "{fields}");
        assert!(streamed("", &Asked::default(), false).contains(absent), "{fields}");
    }
    assert!(!streamed("omit=done", &Asked::default(), true).ends_with(']'));
}

#[test]
fn an_error_ends_an_array_as_an_element_of_it() {
    let array: Vec<Value> =
        serde_json::from_str(&streamed("error_event=events:2", &Asked::default(), true)).expect("valid");
    assert_eq!(array.len(), 3);
    assert_eq!(array[2]["error"]["status"], "UNAVAILABLE");
}
