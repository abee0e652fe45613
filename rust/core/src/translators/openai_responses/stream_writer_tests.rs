use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::translators::openai_responses::frames_in_tests::{data, follow, said, view};
use crate::translators::openai_responses::read_request;

const REPLYING: Replying<'_> = Replying {
    fallback_id: "fgr_1",
    fallback_model: "m",
    now_unix_s: 100,
    includes_usage: false,
    is_json_array: false,
    request: None,
};

fn written(events: &[Event<'_>]) -> String {
    let (mut writer, mut written) = (StreamWriter::new(&REPLYING), Vec::new());
    for event in events {
        writer.write(event, &mut written);
    }
    String::from_utf8(written).expect("UTF-8")
}

fn begin(part: u32, kind: Begun<'static>) -> Event<'static> {
    Event::Begin { choice: 0, part, kind }
}

fn call(part: u32) -> Event<'static> {
    begin(part, Begun::ToolCall { id: Text::of(&format!("c{part}")), name: Text::of("f") })
}

fn piece(part: u32, text: &str) -> Event<'static> {
    Event::Piece { choice: 0, part, text: Text::of(text) }
}

fn signature(part: u32, signature: &str) -> Event<'static> {
    Event::Signature { choice: 0, part, signature: Text::of(signature) }
}

const fn end(part: u32) -> Event<'static> {
    Event::End { choice: 0, part }
}

const fn finish(reason: Finish) -> Event<'static> {
    Event::Finish { choice: 0, reason, stop_sequence: None }
}

/// The frames, with the response objects cut out: `response_object` has tests of its own.
fn frames(stream: &str) -> Vec<String> {
    let frames = stream.split_terminator("\n\n").map(|frame| {
        let (head, tail) = frame.split_once(r#","response":"#).unwrap_or((frame, ""));
        if tail.is_empty() { frame.to_owned() } else { head.to_owned() }
    });
    frames.collect()
}

#[test]
fn thoughts_words_and_a_proven_call() {
    let stream = written(&[
        Event::Start { id: Some(Text::of("msg_1")), model: Some(Text::of("claude")) },
        begin(0, Begun::Thinking),
        piece(0, "hm"),
        signature(0, "anthropic:s"),
        end(0),
        begin(1, Begun::Text),
        piece(1, "a\""),
        Event::Ping,
        piece(1, "b"),
        end(1),
        call(2),
        signature(2, "gemini:t"),
        piece(2, r#"{"x":1}"#),
        end(2),
        finish(Finish::ToolCalls),
        Event::Usage(Usage { input_tokens: 3, ..Usage::default() }),
        Event::Usage(Usage { output_tokens: 2, ..Usage::default() }),
        Event::Done,
        Event::Done,
    ]);
    let expected = [
        r#"event: response.created
data: {"type":"response.created","sequence_number":0"#,
        r#"event: response.in_progress
data: {"type":"response.in_progress","sequence_number":1"#,
        r#"event: response.output_item.added
data: {"type":"response.output_item.added","sequence_number":2,"output_index":0,"item":{"id":"rs_msg_1_0","type":"reasoning","summary":[]}}"#,
        r#"event: response.reasoning_summary_part.added
data: {"type":"response.reasoning_summary_part.added","sequence_number":3,"item_id":"rs_msg_1_0","output_index":0,"summary_index":0,"part":{"type":"summary_text","text":""}}"#,
        r#"event: response.reasoning_summary_text.delta
data: {"type":"response.reasoning_summary_text.delta","sequence_number":4,"item_id":"rs_msg_1_0","output_index":0,"summary_index":0,"delta":"hm"}"#,
        r#"event: response.reasoning_summary_text.done
data: {"type":"response.reasoning_summary_text.done","sequence_number":5,"item_id":"rs_msg_1_0","output_index":0,"summary_index":0,"text":"hm"}"#,
        r#"event: response.reasoning_summary_part.done
data: {"type":"response.reasoning_summary_part.done","sequence_number":6,"item_id":"rs_msg_1_0","output_index":0,"summary_index":0,"part":{"type":"summary_text","text":"hm"}}"#,
        r#"event: response.output_item.done
data: {"type":"response.output_item.done","sequence_number":7,"output_index":0,"item":{"id":"rs_msg_1_0","type":"reasoning","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"anthropic:s"}}"#,
        r#"event: response.output_item.added
data: {"type":"response.output_item.added","sequence_number":8,"output_index":1,"item":{"id":"msg_msg_1_1","type":"message","status":"in_progress","role":"assistant","content":[]}}"#,
        r#"event: response.content_part.added
data: {"type":"response.content_part.added","sequence_number":9,"item_id":"msg_msg_1_1","output_index":1,"content_index":0,"part":{"type":"output_text","text":"","annotations":[],"logprobs":[]}}"#,
        r#"event: response.output_text.delta
data: {"type":"response.output_text.delta","sequence_number":10,"item_id":"msg_msg_1_1","output_index":1,"content_index":0,"delta":"a\"","logprobs":[]}"#,
        ": ping",
        r#"event: response.output_text.delta
data: {"type":"response.output_text.delta","sequence_number":11,"item_id":"msg_msg_1_1","output_index":1,"content_index":0,"delta":"b","logprobs":[]}"#,
        r#"event: response.output_text.done
data: {"type":"response.output_text.done","sequence_number":12,"item_id":"msg_msg_1_1","output_index":1,"content_index":0,"text":"a\"b","logprobs":[]}"#,
        r#"event: response.content_part.done
data: {"type":"response.content_part.done","sequence_number":13,"item_id":"msg_msg_1_1","output_index":1,"content_index":0,"part":{"type":"output_text","text":"a\"b","annotations":[],"logprobs":[]}}"#,
        r#"event: response.output_item.done
data: {"type":"response.output_item.done","sequence_number":14,"output_index":1,"item":{"id":"msg_msg_1_1","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","text":"a\"b","annotations":[],"logprobs":[]}]}}"#,
        r#"event: response.output_item.added
data: {"type":"response.output_item.added","sequence_number":15,"output_index":2,"item":{"id":"rs_msg_1_2","type":"reasoning","summary":[],"encrypted_content":"gemini:t"}}"#,
        r#"event: response.output_item.done
data: {"type":"response.output_item.done","sequence_number":16,"output_index":2,"item":{"id":"rs_msg_1_2","type":"reasoning","summary":[],"encrypted_content":"gemini:t"}}"#,
        r#"event: response.output_item.added
data: {"type":"response.output_item.added","sequence_number":17,"output_index":3,"item":{"id":"fc_msg_1_3","type":"function_call","status":"in_progress","call_id":"c2","name":"f","arguments":""}}"#,
        r#"event: response.function_call_arguments.delta
data: {"type":"response.function_call_arguments.delta","sequence_number":18,"item_id":"fc_msg_1_3","output_index":3,"delta":"{\"x\":1}"}"#,
        r#"event: response.function_call_arguments.done
data: {"type":"response.function_call_arguments.done","sequence_number":19,"item_id":"fc_msg_1_3","output_index":3,"name":"f","arguments":"{\"x\":1}"}"#,
        r#"event: response.output_item.done
data: {"type":"response.output_item.done","sequence_number":20,"output_index":3,"item":{"id":"fc_msg_1_3","type":"function_call","status":"completed","call_id":"c2","name":"f","arguments":"{\"x\":1}"}}"#,
        r#"event: response.completed
data: {"type":"response.completed","sequence_number":21"#,
    ];
    assert_eq!(frames(&stream), expected);
    let response = follow(stream.as_bytes()).expect("an end");
    assert_eq!((&response["id"], &response["model"]), (&json!("resp_msg_1"), &json!("claude")));
    assert_eq!((&response["usage"]["input_tokens"], &response["usage"]["output_tokens"]), (&json!(3), &json!(2)));
    // The client sends its history back: the proof is where the provider wants it.
    let history = json!({"model": "m", "input": response["output"]}).to_string();
    let request = read_request(view(&history)).expect("a request");
    let proofs: Vec<_> = request.turns[0].parts.iter().map(|part| part.signature.clone()).collect();
    assert_eq!(proofs, [Some(Text::of("anthropic:s")), None, Some(Text::of("gemini:t")), None]);
}

#[test]
fn a_stream_without_its_end_looks_cut() {
    let events = [begin(0, Begun::Text), piece(0, "a"), end(0), finish(Finish::Stop)];
    assert_eq!(follow(written(&events).as_bytes()), None);
}

#[test]
fn what_is_left_open_is_closed_as_far_as_it_came() {
    let events = [begin(0, Begun::Text), piece(0, "a"), call(1), finish(Finish::Length), Event::Done];
    let response = follow(written(&events).as_bytes()).expect("an end");
    assert_eq!(
        (&response["status"], &response["incomplete_details"]["reason"]),
        (&json!("incomplete"), &json!("max_output_tokens"))
    );
    assert_eq!((&response["id"], &response["model"]), (&json!("resp_fgr_1"), &json!("m")));
    let states: Vec<_> = response["output"].as_array().expect("items").iter().map(|item| &item["status"]).collect();
    assert_eq!(states, ["incomplete", "incomplete"]);
    let expected = [
        json!({"message": [{"type": "output_text", "text": "a", "annotations": []}]}),
        json!({"call": "c1", "name": "f", "arguments": "{}"}),
    ];
    assert_eq!(said(&response["output"], false), expected);
    let nothing = follow(written(&[Event::Done]).as_bytes()).expect("an end");
    assert_eq!(
        (&nothing["status"], &nothing["output"], &nothing["usage"]),
        (&json!("completed"), &json!([]), &Value::Null)
    );
}

#[test]
fn words_of_a_kind_share_an_item_and_late_ones_find_theirs() {
    let events = [
        begin(0, Begun::Text),
        piece(0, "a"),
        end(0),
        begin(1, Begun::Refusal),
        piece(1, "b"),
        end(1),
        call(2),
        piece(2, "{"),
        call(3),
        piece(3, "[1]"),
        end(2),
        // More of a call that was whole.
        piece(2, "}"),
        begin(4, Begun::RedactedThinking(Text::of("anthropic:r"))),
        end(4),
        Event::Done,
    ];
    let response = follow(written(&events).as_bytes()).expect("an end");
    let expected = [
        json!({"message": [{"type": "output_text", "text": "a", "annotations": []}, {"type": "refusal", "refusal": "b"}]}),
        json!({"call": "c2", "name": "f", "arguments": "{}"}),
        json!({"call": "c3", "name": "f", "arguments": "[1]"}),
        json!({"thoughts": [], "proof": "redacted:anthropic:r"}),
    ];
    assert_eq!(said(&response["output"], false), expected);
}

#[test]
fn citations_and_probabilities() {
    let source = r#"{"c":{"type":"url_citation","url":"u"},"l":{"content":[{"token":"a"}]}}"#;
    let member = |name| view(source).get(name).expect("a member");
    let events = [
        begin(0, Begun::Text),
        piece(0, "a"),
        Event::Logprobs { choice: 0, logprobs: member("l") },
        Event::Citation { choice: 0, part: 0, citation: member("c") },
        Event::Citation { choice: 0, part: 0, citation: view(r#"{"type":"char_location"}"#) },
        Event::Done,
    ];
    let stream = written(&events);
    let response = follow(stream.as_bytes()).expect("an end");
    let content = &response["output"][0]["content"][0];
    assert_eq!(
        content["annotations"],
        json!([{"type": "url_citation", "start_index": 0, "end_index": 1, "url": "u", "title": ""}])
    );
    assert_eq!(content["logprobs"], json!([{"token": "a"}]));
    let told = data(stream.as_bytes());
    let told =
        told.iter().find(|event| event["type"] == "response.output_text.annotation.added").expect("an annotation");
    assert_eq!((&told["annotation_index"], &told["annotation"]["url"]), (&json!(0), &json!("u")));
}

fn any_event() -> impl Strategy<Value = Event<'static>> {
    let place = || (0_u32..2, 0_u32..4);
    let text = || any::<String>().prop_map(|text| Text::of(&text));
    let kind = prop_oneof![
        Just(Begun::Text),
        Just(Begun::Refusal),
        Just(Begun::Thinking),
        text().prop_map(Begun::RedactedThinking),
        (text(), text()).prop_map(|(id, name)| Begun::ToolCall { id, name }),
    ];
    let reasons = vec![Finish::Stop, Finish::Length, Finish::ContentFilter, Finish::Pause, Finish::MalformedToolCall];
    prop_oneof![
        1 => (prop::option::of(text()), prop::option::of(text())).prop_map(|(id, model)| Event::Start { id, model }),
        6 => (place(), kind).prop_map(|((choice, part), kind)| Event::Begin { choice, part, kind }),
        8 => (place(), text()).prop_map(|((choice, part), text)| Event::Piece { choice, part, text }),
        2 => (place(), text()).prop_map(|((choice, part), signature)| Event::Signature { choice, part, signature }),
        1 => place().prop_map(|(choice, part)| Event::Citation { choice, part, citation: view(r#"{"type":"file_path"}"#) }),
        4 => place().prop_map(|(choice, part)| Event::End { choice, part }),
        1 => (0_u32..2, prop::sample::select(reasons))
            .prop_map(|(choice, reason)| Event::Finish { choice, reason, stop_sequence: None }),
        1 => (0_u32..2).prop_map(|choice| Event::Logprobs { choice, logprobs: view(r#"{"content":[{"token":"a"}]}"#) }),
        1 => any::<u8>().prop_map(|tokens| Event::Usage(Usage { input_tokens: tokens.into(), ..Usage::default() })),
        1 => Just(Event::Ping),
    ]
}

proptest! {
    /// Whatever a reader emits, the frames fit each other, and the end repeats all that was told.
    #[test]
    fn any_events_make_a_stream_that_fits_itself(mut events in prop::collection::vec(any_event(), 0..40)) {
        events.push(Event::Done);
        prop_assert!(follow(written(&events).as_bytes()).is_some());
    }
}
