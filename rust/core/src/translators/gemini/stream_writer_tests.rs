use proptest::prelude::*;
use serde_json::Value;

use super::*;

const REPLYING: Replying<'static> = Replying {
    fallback_id: "id",
    fallback_model: "model",
    now_unix_s: 0,
    includes_usage: false,
    is_json_array: false,
    request: None,
};

fn write(events: &[Event<'_>], is_json_array: bool) -> String {
    let mut writer = StreamWriter::new(&Replying { is_json_array, ..REPLYING });
    let mut written = Vec::new();
    for event in events {
        writer.write(event, &mut written);
    }
    String::from_utf8(written).expect("UTF-8")
}

fn begin(part: u32, kind: Begun<'static>) -> Event<'static> {
    Event::Begin { choice: 0, part, kind }
}

fn piece(part: u32, text: &str) -> Event<'static> {
    Event::Piece { choice: 0, part, text: Text::of(text) }
}

fn sign(part: u32, signature: &str) -> Event<'static> {
    Event::Signature { choice: 0, part, signature: Text::of(signature) }
}

fn call(part: u32) -> Event<'static> {
    begin(part, Begun::ToolCall { id: Text::of("c"), name: Text::of("f") })
}

fn finish(reason: Finish) -> Event<'static> {
    Event::Finish { choice: 0, reason, stop_sequence: None }
}

fn end(part: u32) -> Event<'static> {
    Event::End { choice: 0, part }
}

#[test]
fn a_stream_to_the_byte() {
    let usage = Usage { input_tokens: 3, output_tokens: 4, ..Usage::default() };
    let events = [
        Event::Start { id: Some(Text::of("r")), model: Some(Text::of("m")) },
        begin(0, Begun::Thinking),
        piece(0, "hm"),
        sign(0, "anthropic:S"),
        end(0),
        begin(1, Begun::Text),
        piece(1, "a\"b"),
        end(1),
        call(2),
        sign(2, "gemini:G"),
        piece(2, "{\"x\""),
        piece(2, ": 1.0}"),
        end(2),
        finish(Finish::ToolCalls),
        Event::Usage(usage),
        Event::Done,
        piece(1, "too late"),
    ];
    let frame = |parts: &str, rest: &str| {
        format!(
            "{{\"candidates\":[{{\"content\":{{\"parts\":[{parts}],\"role\":\"model\"}},{rest},\"modelVersion\":\"m\",\"responseId\":\"r\"}}"
        )
    };
    let frames = [
        frame(r#"{"text":"hm","thought":true}"#, r#""index":0}]"#),
        frame(r#"{"text":"","thought":true,"thoughtSignature":"YW50aHJvcGljOlM="}"#, r#""index":0}]"#),
        frame(r#"{"text":"a\"b"}"#, r#""index":0}]"#),
        frame(r#"{"functionCall":{"id":"c","name":"f","args":{"x": 1.0}},"thoughtSignature":"G"}"#, r#""index":0}]"#),
        frame(
            r#"{"text":""}"#,
            concat!(
                r#""finishReason":"STOP","index":0}],"#,
                r#""usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":4,"totalTokenCount":7}"#
            ),
        ),
    ];
    let expected = format!("data: {}\r\n\r\n", frames.join("\r\n\r\ndata: "));
    assert_eq!(write(&events, false), expected);
    assert_eq!(write(&events, true), format!("[{}\r\n]", frames.join(",\r\n")));
}

#[test]
fn a_stream_without_its_end_looks_cut() {
    let events = [begin(0, Begun::Text), piece(0, "a"), finish(Finish::Stop), Event::Usage(Usage::default())];
    let written = write(&events, false);
    assert!(written.contains("\"a\"") && !written.contains("finishReason") && !written.contains("usageMetadata"));
    assert!(serde_json::from_str::<Value>(&write(&events, true)).is_err());
}

#[test]
fn calls_that_never_ended_are_whole_at_the_end_and_those_that_make_no_sense_are_told() {
    let written = write(&[call(0), piece(0, "{}"), call(1), piece(1, "{\"a\""), Event::Done], false);
    assert_eq!(written.matches("functionCall\":").count(), 1);
    assert!(written.contains(
        r#""finishReason":"MALFORMED_FUNCTION_CALL","finishMessage":"Malformed function call: f with {\"a\"""#
    ));
    assert_eq!(write(&[call(0), piece(0, "{}")], false), "");
    assert!(write(&[call(0), piece(0, "{}"), finish(Finish::ToolCalls)], false).contains("functionCall"));
}

#[test]
fn a_ping_adds_nothing() {
    let ping = write(&[Event::Ping], false);
    let data = ping.strip_prefix("data: ").and_then(|it| it.strip_suffix("\r\n\r\n")).expect("a frame");
    let data: Value = serde_json::from_str(data).expect("JSON");
    assert_eq!(data["candidates"][0]["content"]["parts"], serde_json::json!([{"text": ""}]));
    assert_eq!(write(&[Event::Ping], true), "\n");
    assert!(write(&[Event::Ping, Event::Done], true).starts_with("\n[{"));
}

fn any_event() -> impl Strategy<Value = Event<'static>> {
    let text = prop::sample::select(vec!["", "a", "{", "}", "{}", "\"", "gemini:x", "anthropic:y"]).prop_map(Text::of);
    let kind = (0_u8..5, text.clone()).prop_map(|(kind, text)| match kind {
        0 => Begun::Text,
        1 => Begun::Refusal,
        2 => Begun::Thinking,
        3 => Begun::RedactedThinking(text),
        _ => Begun::ToolCall { id: text.clone(), name: text },
    });
    (0_u8..12, 0_u32..3, 0_u32..4, kind, text).prop_map(|(event, choice, part, kind, text)| match event {
        0 => Event::Start { id: Some(text), model: None },
        1..=3 => Event::Begin { choice, part, kind },
        4 | 5 => Event::Piece { choice, part, text },
        6 => Event::Signature { choice, part, signature: text },
        7 | 8 => Event::End { choice, part },
        9 => Event::Finish { choice, reason: Finish::Stop, stop_sequence: Some(text) },
        10 => Event::Usage(Usage { input_tokens: u64::from(part), ..Usage::default() }),
        _ => Event::Ping,
    })
}

proptest! {
    #[test]
    fn any_order_of_events_is_valid_frames(events in prop::collection::vec(any_event(), 0..40)) {
        let mut events = events;
        let mut writer = StreamWriter::new(&REPLYING);
        for event in &events {
            let mut written = Vec::new();
            writer.write(event, &mut written);
            let written = String::from_utf8(written).expect("UTF-8");
            for frame in written.split_terminator("\r\n\r\n") {
                let data = frame.strip_prefix("data: ").expect("a frame");
                prop_assert!(serde_json::from_str::<Value>(data).is_ok(), "{data}");
                prop_assert!(!data.contains("finishReason"));
            }
        }
        events.push(Event::Done);
        prop_assert!(write(&events, false).contains("finishReason"));
        let array = write(&events, true);
        prop_assert!(serde_json::from_str::<Vec<Value>>(&array).is_ok_and(|array| !array.is_empty()), "{array}");
    }
}
