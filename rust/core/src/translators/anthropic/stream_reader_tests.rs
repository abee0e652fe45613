use proptest::prelude::*;

use super::super::StreamWriter;
use super::super::testing::{REPLYING, any_object, data_of, view};
use super::*;
use crate::neutral::Finish;
use crate::usage::Usage;

fn read<'t>(data: &[&'t str]) -> Vec<Event<'t>> {
    let (mut reader, mut events) = (StreamReader::default(), Vec::new());
    for data in data {
        reader.read(view(data), &mut events);
    }
    let mut rest = Vec::new();
    reader.end(&mut rest);
    events.extend(rest);
    events
}

#[test]
fn every_event_is_told_at_once() {
    let data = [
        r#"{"type":"message_start","message":{"id":"msg_1","model":"claude","usage":{"input_tokens":9,"cache_read_input_tokens":0,"output_tokens":1}}}"#,
        r#"{"type":"ping"}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"s=="}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"server_tool_use","id":"x","name":"y","input":{}}}"#,
        r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{}"}}"#,
        r#"{"type":"content_block_stop","index":1}"#,
        r#"{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"toolu_1","name":"f","input":{}}}"#,
        r#"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":""}}"#,
        r#"{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"x\": 1.0}"}}"#,
        r#"{"type":"content_block_stop","index":2}"#,
        r#"{"type":"content_block_start","index":3,"content_block":{"type":"redacted_thinking","data":"r"}}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":7}}"#,
        r#"{"type":"message_stop"}"#,
    ];
    let id = |id: &str| Some(Text::of(id));
    let input = Usage { input_tokens: 9, output_tokens: 1, ..Usage::default() };
    let expected = [
        Event::Start { id: id("msg_1"), model: id("claude") },
        Event::Usage(input),
        Event::Ping,
        Event::Begin { choice: 0, part: 0, kind: Begun::Thinking },
        Event::Piece { choice: 0, part: 0, text: Text::of("hm") },
        Event::Signature { choice: 0, part: 0, signature: Text::of("anthropic:s==") },
        Event::End { choice: 0, part: 0 },
        Event::Begin { choice: 0, part: 1, kind: Begun::ToolCall { id: Text::of("toolu_1"), name: Text::of("f") } },
        Event::Piece { choice: 0, part: 1, text: Text::of(r#"{"x": 1.0}"#) },
        Event::End { choice: 0, part: 1 },
        Event::Begin { choice: 0, part: 2, kind: Begun::RedactedThinking(Text::of("anthropic:r")) },
        Event::Finish { choice: 0, reason: Finish::ToolCalls, stop_sequence: None },
        Event::End { choice: 0, part: 2 },
        Event::Usage(Usage { output_tokens: 7, ..input }),
        Event::Done,
    ];
    assert_eq!(read(&data), expected);
}

#[test]
fn vendors_that_announce_nothing_or_all_at_once() {
    let events = read(&[
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"b"}}"#,
        r#"{"type":"content_block_delta","index":5,"delta":{"type":"input_json_delta","partial_json":"{"}}"#,
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"i","name":"f","input":{"x":1}}}"#,
    ]);
    let expected = [
        Event::Begin { choice: 0, part: 0, kind: Begun::Text },
        Event::Piece { choice: 0, part: 0, text: Text::of("a") },
        Event::Piece { choice: 0, part: 0, text: Text::of("b") },
        Event::Begin { choice: 0, part: 1, kind: Begun::ToolCall { id: Text::of("i"), name: Text::of("f") } },
        Event::Piece { choice: 0, part: 1, text: Text::of(r#"{"x":1}"#) },
        Event::End { choice: 0, part: 0 },
        Event::End { choice: 0, part: 1 },
        Event::Done,
    ];
    assert_eq!(events, expected);
}

#[test]
fn input_that_may_have_cached_input_in_it_is_not_told_early() {
    let start = r#"{"type":"message_start","message":{"usage":{"input_tokens":34824,"output_tokens":0}}}"#;
    let end = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":3883,"output_tokens":49,"cache_read_input_tokens":30464}}"#;
    let usages: Vec<_> = read(&[start, end]).into_iter().filter(|event| matches!(event, Event::Usage(_))).collect();
    let expected = Usage { input_tokens: 3_883, cache_read_tokens: 30_464, output_tokens: 49, ..Usage::default() };
    assert_eq!(usages, [Event::Usage(expected)]);
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(objects in proptest::collection::vec(any_object(), 0..12)) {
        let texts: Vec<_> = objects.iter().map(ToString::to_string).collect();
        let (mut reader, mut writer) = (StreamReader::default(), StreamWriter::new(&REPLYING));
        let (mut events, mut written) = (Vec::new(), Vec::new());
        for text in &texts {
            reader.read(view(text), &mut events);
        }
        let mut rest = Vec::new();
        reader.end(&mut rest);
        prop_assert_eq!(rest.last(), Some(&Event::Done));
        events.iter().chain(&rest).for_each(|event| writer.write(event, &mut written));
        data_of(std::str::from_utf8(&written).expect("UTF-8"));
    }
}
