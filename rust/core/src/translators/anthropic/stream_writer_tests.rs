use proptest::prelude::*;
use serde_json::Value;

use super::super::testing::{REPLYING, data_of, message_of};
use super::*;
use crate::json_view::View;

fn write(events: &[Event<'_>]) -> String {
    let (mut writer, mut written) = (StreamWriter::new(&REPLYING), Vec::new());
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

fn call(id: &str) -> Begun<'static> {
    Begun::ToolCall { id: Text::of(id), name: Text::of("f") }
}

fn finish(reason: Finish) -> Event<'static> {
    Event::Finish { choice: 0, reason, stop_sequence: None }
}

fn end(part: u32) -> Event<'static> {
    Event::End { choice: 0, part }
}

/// The types of the frames, with the index where there is one.
fn outline(stream: &str) -> String {
    let name = |event: &Value| {
        let kind = event["type"].as_str().expect("a type").replace("content_block_", "").replace("message", "m");
        event["index"].as_u64().map_or(kind.clone(), |index| format!("{kind}{index}"))
    };
    data_of(stream).iter().map(name).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_whole_stream_to_the_byte() {
    let input = Usage { input_tokens: 9, cache_read_tokens: 4, ..Usage::default() };
    let stream = write(&[
        Event::Start { id: Some(Text::of("gen-1")), model: Some(Text::of("gpt")) },
        Event::Usage(input),
        begin(0, Begun::Text),
        piece(0, "hi \"you\"\n"),
        end(0),
        begin(1, call("call_1")),
        piece(1, "{\"x\": 1.0}"),
        end(1),
        finish(Finish::ToolCalls),
        Event::Usage(Usage { output_tokens: 5, ..input }),
        Event::Done,
    ]);
    let counts = |output: u64| {
        format!(
            concat!(
                r#""usage":{{"input_tokens":9,"cache_creation_input_tokens":0,"cache_read_input_tokens":4,"#,
                r#""cache_creation":{{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0}},"output_tokens":{}}}"#
            ),
            output
        )
    };
    let expected = [
        (
            "message_start",
            format!(
                r#""message":{{"id":"msg_gen-1","type":"message","role":"assistant","model":"gpt","content":[],"stop_reason":null,"stop_sequence":null,{}}}"#,
                counts(0)
            ),
        ),
        ("content_block_start", r#""index":0,"content_block":{"type":"text","text":""}"#.into()),
        ("content_block_delta", r#""index":0,"delta":{"type":"text_delta","text":"hi \"you\"\n"}"#.into()),
        ("content_block_stop", r#""index":0"#.into()),
        (
            "content_block_start",
            r#""index":1,"content_block":{"type":"tool_use","id":"call_1","name":"f","input":{}}"#.into(),
        ),
        (
            "content_block_delta",
            r#""index":1,"delta":{"type":"input_json_delta","partial_json":"{\"x\": 1.0}"}"#.into(),
        ),
        ("content_block_stop", r#""index":1"#.into()),
        ("message_delta", format!(r#""delta":{{"stop_reason":"tool_use","stop_sequence":null}},{}"#, counts(5))),
    ];
    let frame = |(kind, rest): &(&str, String)| format!("event: {kind}\ndata: {{\"type\":\"{kind}\",{rest}}}\n\n");
    let whole: String = expected.iter().map(frame).collect();
    assert_eq!(stream, whole + "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
}

#[test]
fn proofs_stand_where_a_client_keeps_them() {
    let content = |events: &[Event<'_>]| {
        let mut events = events.to_vec();
        events.push(Event::Done);
        message_of(&write(&events))["content"].to_string()
    };
    let own = content(&[begin(0, Begun::Thinking), piece(0, "hm"), sign(0, "openai:s"), end(0)]);
    assert_eq!(own, r#"[{"signature":"openai:s","thinking":"hm","type":"thinking"}]"#);
    let before = content(&[begin(0, call("i")), sign(0, "gemini:s"), piece(0, "{}"), end(0)]);
    let proof = r#"{"signature":"gemini:s","thinking":"","type":"thinking"}"#;
    assert_eq!(before, format!(r#"[{proof},{{"id":"i","input":{{}},"json":"{{}}","name":"f","type":"tool_use"}}]"#));
    let late = content(&[begin(0, Begun::Text), piece(0, "a"), sign(0, "gemini:s"), piece(0, "b")]);
    assert_eq!(late, format!(r#"[{{"text":"ab","type":"text"}},{proof}]"#));
    let redacted = content(&[begin(0, Begun::RedactedThinking(Text::of("anthropic:r"))), end(0)]);
    assert_eq!(redacted, r#"[{"data":"anthropic:r","type":"redacted_thinking"}]"#);
}

#[test]
fn calls_at_the_same_time_keep_their_blocks() {
    let stream = write(&[
        begin(0, call("a")),
        piece(0, ""),
        begin(1, call("")),
        piece(1, "{\"b\":"),
        piece(0, "{}"),
        piece(1, "1}"),
        finish(Finish::Stop),
        Event::Done,
    ]);
    assert_eq!(outline(&stream), "m_start start0 stop0 start1 delta1 delta0 delta1 stop1 m_delta m_stop");
    let message = message_of(&stream);
    assert_eq!((&message["content"][0]["json"], &message["content"][1]["json"]), (&"{}".into(), &"{\"b\":1}".into()));
    assert_eq!((&message["content"][1]["id"], &message["stop_reason"]), (&"toolu_fg1_1".into(), &"tool_use".into()));
}

#[test]
fn without_its_end_a_stream_looks_cut() {
    let whole = [begin(0, Begun::Refusal), piece(0, "no"), end(0), finish(Finish::Stop), Event::Done];
    let cut = write(&whole[..4]);
    assert_eq!(outline(&cut), "m_start start0 delta0 stop0");
    let stream = write(&whole);
    assert!(stream.starts_with(&cut));
    assert_eq!(message_of(&stream)["stop_reason"], "refusal");
    // Nothing but an end is a whole stream too, and nothing empty is announced.
    assert_eq!(outline(&write(&[Event::Done])), "m_start m_delta m_stop");
    let empty = [begin(0, Begun::Text), piece(0, ""), end(0), begin(1, Begun::Thinking), end(1), Event::Done];
    assert_eq!(outline(&write(&empty)), "m_start m_delta m_stop");
    assert_eq!(outline(&write(&[Event::Ping, piece(3, "a"), Event::Ping])), "m_start ping start0 delta0 ping");
}

#[test]
fn a_tool_call_is_announced_with_what_comes_next() {
    for next in [piece(0, ""), end(0), Event::Ping, finish(Finish::ToolCalls)] {
        assert!(outline(&write(&[begin(0, call("a")), next.clone()])).contains("start0"), "{next:?}");
    }
}

const CITATION: &[u8] = br#"{"type":"char_location","cited_text":"x"}"#;

fn any_event() -> impl Strategy<Value = Event<'static>> {
    let part = || (0_u32..2, 0_u32..4);
    let text = || "[a\"\\\\\n]{0,3}".prop_map(|text| Text::of(&text));
    let kind = prop_oneof![
        Just(Begun::Text),
        Just(Begun::Refusal),
        Just(Begun::Thinking),
        text().prop_map(Begun::RedactedThinking),
        (text(), text()).prop_map(|(id, name)| Begun::ToolCall { id, name }),
    ];
    prop_oneof![
        1 => (proptest::option::of(text()), proptest::option::of(text()))
            .prop_map(|(id, model)| Event::Start { id, model }),
        4 => (part(), kind).prop_map(|((choice, part), kind)| Event::Begin { choice, part, kind }),
        6 => (part(), text()).prop_map(|((choice, part), text)| Event::Piece { choice, part, text }),
        1 => (part(), text()).prop_map(|((choice, part), signature)| Event::Signature { choice, part, signature }),
        1 => part().prop_map(|(choice, part)| {
            let citation = View::read(CITATION, 8).expect("an object");
            Event::Citation { choice, part, citation }
        }),
        2 => part().prop_map(|(choice, part)| Event::End { choice, part }),
        1 => (0_u32..2).prop_map(|choice| {
            Event::Finish { choice, reason: Finish::Length, stop_sequence: Some(Text::of("x")) }
        }),
        1 => any::<u64>().prop_map(|count| {
            Event::Usage(Usage { input_tokens: count, output_tokens: count, ..Usage::default() })
        }),
        1 => Just(Event::Ping),
    ]
}

/// Characters of all that is said in the first choice, but for pieces of what was whole when it began.
fn characters_said(events: &[Event<'_>]) -> usize {
    let mut begun: Vec<(u32, bool)> = Vec::new();
    let mut said = 0;
    for event in events {
        match event {
            Event::Begin { choice: 0, part, kind } if begun.iter().all(|(own, _)| own != part) => {
                begun.push((*part, matches!(kind, Begun::RedactedThinking(_))));
            }
            Event::Piece { choice: 0, part, text } => {
                if begun.iter().all(|(own, _)| own != part) {
                    begun.push((*part, false));
                }
                if !begun.contains(&(*part, true)) {
                    said += text.decoded().expect("a text").len();
                }
            }
            _ => {}
        }
    }
    said
}

proptest! {
    #[test]
    fn any_order_makes_a_stream_that_sdks_read(events in proptest::collection::vec(any_event(), 0..30)) {
        let mut events = events;
        events.push(Event::Done);
        let stream = write(&events);
        let data = data_of(&stream);
        prop_assert_eq!(&data[0]["type"], "message_start");
        prop_assert_eq!(&data[data.len() - 1]["type"], "message_stop");
        let mut open = None;
        for event in &data {
            match event["type"].as_str().expect("a type") {
                "content_block_start" => prop_assert!(open.replace(event["index"].clone()).is_none(), "two are open"),
                "content_block_stop" => prop_assert_eq!(open.take(), Some(event["index"].clone())),
                _ => {}
            }
        }
        prop_assert_eq!(open, None);
        let length = |text: &Value| text.as_str().map_or(0, str::len);
        let message = message_of(&stream);
        let blocks = message["content"].as_array().expect("a list").iter();
        let told: usize = blocks.map(|it| length(&it["text"]) + length(&it["thinking"]) + length(&it["json"])).sum();
        prop_assert_eq!(told, characters_said(&events));
    }
}
