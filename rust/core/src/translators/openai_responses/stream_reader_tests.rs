use proptest::prelude::*;

use super::*;
use crate::json_view::Text;
use crate::neutral::Finish;
use crate::translators::openai_responses::frames_in_tests::{any_json, view};

fn read(frames: &'static [&'static str]) -> Vec<Event<'static>> {
    let (mut reader, mut events) = (StreamReader::default(), Vec::new());
    for frame in frames {
        reader.read(view(frame), &mut events);
    }
    reader.end(&mut events);
    events
}

fn text(text: &str) -> Text<'static> {
    Text::of(text)
}

const fn end(part: u32) -> Event<'static> {
    Event::End { choice: 0, part }
}

fn begin(part: u32, kind: Begun<'static>) -> Event<'static> {
    Event::Begin { choice: 0, part, kind }
}

fn piece(part: u32, words: &str) -> Event<'static> {
    Event::Piece { choice: 0, part, text: text(words) }
}

const fn finish(reason: Finish) -> Event<'static> {
    Event::Finish { choice: 0, reason, stop_sequence: None }
}

#[test]
fn thoughts_words_and_calls() {
    let events = read(&[
        r#"{"type":"response.created","response":{"id":"resp_1","model":"m","output":[]}}"#,
        r#"{"type":"response.in_progress","response":{"id":"resp_1","model":"m","output":[]}}"#,
        r#"{"type":"response.output_item.added","output_index":0,"item":{"type":"reasoning","id":"rs_1","summary":[]}}"#,
        r#"{"type":"response.reasoning_summary_part.added","output_index":0,"summary_index":0,"part":{"text":""}}"#,
        r#"{"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":0,"delta":"a"}"#,
        r#"{"type":"response.reasoning_summary_text.done","output_index":0,"summary_index":0,"text":"a"}"#,
        r#"{"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":1,"delta":"b"}"#,
        r#"{"type":"response.output_item.done","output_index":0,"item":{"type":"reasoning","id":"rs_1","encrypted_content":"gA"}}"#,
        r#"{"type":"response.output_text.delta","output_index":1,"content_index":0,"delta":"c","logprobs":[{"token":"c"}]}"#,
        r#"{"type":"response.output_text.annotation.added","output_index":1,"content_index":0,"annotation":{"type":"x"}}"#,
        r#"{"type":"response.output_text.done","output_index":1,"content_index":0,"text":"c","logprobs":[{"token":"c"}]}"#,
        r#"{"type":"response.content_part.done","output_index":1,"content_index":0,"part":{"text":"c"}}"#,
        r#"{"type":"response.output_item.done","output_index":1,"item":{"type":"message","content":[{"type":"output_text","text":"c"}]}}"#,
        r#"{"type":"response.output_item.added","output_index":2,"item":{"type":"function_call","call_id":"c1","name":"f","arguments":""}}"#,
        r#"{"type":"response.function_call_arguments.delta","output_index":2,"delta":"{\"x\""}"#,
        r#"{"type":"response.function_call_arguments.delta","output_index":2,"delta":":1}"}"#,
        r#"{"type":"response.function_call_arguments.done","output_index":2,"arguments":"{\"x\":1}"}"#,
        r#"{"type":"response.output_item.done","output_index":2,"item":{"type":"function_call","call_id":"c1","name":"f","arguments":"{\"x\":1}"}}"#,
        r#"{"type":"response.completed","response":{"id":"resp_1","status":"completed","output":[],"usage":{"input_tokens":3,"output_tokens":2}}}"#,
    ]);
    let usage = Usage { input_tokens: 3, output_tokens: 2, ..Usage::default() };
    let logprobs = view(r#"{"l":[{"token":"c"}]}"#).get("l").expect("a list");
    let expected = [
        Event::Start { id: Some(text("resp_1")), model: Some(text("m")) },
        begin(0, Begun::Thinking),
        piece(0, "a"),
        end(0),
        begin(1, Begun::Thinking),
        piece(1, "b"),
        Event::Signature { choice: 0, part: 1, signature: text("openai:rs_1:gA") },
        end(1),
        begin(2, Begun::Text),
        piece(2, "c"),
        Event::Logprobs { choice: 0, logprobs },
        Event::Citation { choice: 0, part: 2, citation: view(r#"{"type":"x"}"#) },
        end(2),
        begin(3, Begun::ToolCall { id: text("c1"), name: text("f") }),
        piece(3, r#"{"x""#),
        piece(3, ":1}"),
        end(3),
        finish(Finish::ToolCalls),
        Event::Usage(usage),
        Event::Done,
    ];
    assert_eq!(events, expected);
}

#[test]
fn vendors_that_announce_and_stream_less() {
    // An item that comes whole, and a call whose arguments do.
    let events = read(&[
        r#"{"type":"response.output_item.done","output_index":0,"item":{"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"g"}}"#,
        r#"{"type":"response.output_item.done","output_index":1,"item":{"type":"message","content":[{"type":"output_text","text":"a"}]}}"#,
        r#"{"type":"response.output_item.added","output_index":2,"item":{"type":"function_call","call_id":"c","name":"f"}}"#,
        r#"{"type":"response.output_item.done","output_index":2,"item":{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}}"#,
        r#"{"type":"response.completed","response":{"output":[]}}"#,
    ]);
    let expected = [
        begin(0, Begun::Thinking),
        Event::Signature { choice: 0, part: 0, signature: text("openai:rs_1:g") },
        end(0),
        begin(1, Begun::Text),
        piece(1, "a"),
        end(1),
        begin(2, Begun::ToolCall { id: text("c"), name: text("f") }),
        piece(2, "{}"),
        end(2),
        Event::Start { id: None, model: None },
        finish(Finish::ToolCalls),
        Event::Done,
    ];
    assert_eq!(events, expected);
    // Only the end; only what a `done` repeats.
    for frames in [
        &[
            r#"{"type":"response.incomplete","response":{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[{"type":"message","content":[{"type":"output_text","text":"a"}]}]}}"#,
        ] as &[_],
        &[
            r#"{"type":"response.output_text.done","output_index":0,"content_index":0,"text":"a"}"#,
            r#"{"type":"response.incomplete","response":{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[]}}"#,
        ],
    ] {
        let events: Vec<_> = read(frames).into_iter().filter(|event| !matches!(event, Event::Start { .. })).collect();
        assert_eq!(events, [begin(0, Begun::Text), piece(0, "a"), end(0), finish(Finish::Length), Event::Done]);
    }
}

#[test]
fn a_stream_that_breaks_off_has_no_finish() {
    let events = read(&[r#"{"type":"response.refusal.delta","output_index":0,"content_index":0,"delta":"no"}"#]);
    assert_eq!(events, [begin(0, Begun::Refusal), piece(0, "no"), end(0), Event::Done]);
}

proptest! {
    /// Whatever comes, parts begin in order and once, and have pieces only between their begin and their end.
    #[test]
    fn no_json_makes_it_panic(frames in prop::collection::vec(any_json(), 0..12)) {
        let texts: Vec<String> = frames.iter().map(ToString::to_string).collect();
        let (mut reader, mut events) = (StreamReader::default(), Vec::new());
        for text in &texts {
            reader.read(view(text), &mut events);
        }
        let mut last = Vec::new();
        reader.end(&mut last);
        events.extend(last);
        let mut open = Vec::new();
        for event in &events {
            match event {
                Event::Begin { part, .. } => open.push((*part, true)),
                Event::Piece { part, .. } | Event::Signature { part, .. } => prop_assert!(open.contains(&(*part, true))),
                Event::End { part, .. } => {
                    prop_assert_eq!(open[*part as usize], (*part, true));
                    open[*part as usize].1 = false;
                }
                _ => {}
            }
        }
        prop_assert!(open.iter().all(|(_, is_open)| !is_open));
        prop_assert_eq!(events.last(), Some(&Event::Done));
    }
}
