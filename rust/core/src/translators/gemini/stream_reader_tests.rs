use proptest::prelude::*;

use super::super::arbitrary;
use super::*;

fn events<'text>(reader: &mut StreamReader, data: &'text str) -> Vec<Event<'text>> {
    let mut events = Vec::new();
    reader.read(View::read_answer(data.as_bytes(), 64).expect("JSON"), &mut events);
    events
}

fn ended(reader: &mut StreamReader) -> Vec<Event<'static>> {
    let mut events = Vec::new();
    reader.end(&mut events);
    events
}

fn piece(part: u32, text: &str) -> Event<'static> {
    Event::Piece { choice: 0, part, text: Text::of(text) }
}

#[test]
fn each_event_yields_its_own_at_once() {
    let mut reader = StreamReader::default();
    let first =
        r#"{"candidates":[{"content":{"parts":[{"text":"hm","thought":true}]}}],"responseId":"r","modelVersion":"m"}"#;
    let start = Event::Start { id: Some(Text::of("r")), model: Some(Text::of("m")) };
    let thinking = Event::Begin { choice: 0, part: 0, kind: Begun::Thinking };
    assert_eq!(events(&mut reader, first), [start, thinking, piece(0, "hm")]);
    let text = r#"{"candidates":[{"content":{"parts":[{"text":"a\u00e9"}]},"index":0}],"usageMetadata":{"promptTokenCount":9}}"#;
    let expected = [
        Event::End { choice: 0, part: 0 },
        Event::Begin { choice: 0, part: 1, kind: Begun::Text },
        Event::Piece {
            choice: 0,
            part: 1,
            text: View::read(br#"{"t":"a\u00e9"}"#, 4).ok().and_then(|it| it.get("t")?.text()).expect("a text"),
        },
    ];
    assert_eq!(events(&mut reader, text), expected);
    let calls = r#"{"candidates":[{"content":{"parts":[{"text":"","thoughtSignature":"S"},
        {"functionCall":{"name":"f","args":{"b": "\n"}},"thoughtSignature":"T"},{"functionCall":{"id":"x","name":"g"}}]}}]}"#;
    let signature = |part, signature: &str| Event::Signature { choice: 0, part, signature: Text::of(signature) };
    let begun = |part, id: &str, name: &str| Event::Begin {
        choice: 0,
        part,
        kind: Begun::ToolCall { id: Text::of(id), name: Text::of(name) },
    };
    let expected = [
        signature(1, "gemini:S"),
        Event::End { choice: 0, part: 1 },
        begun(2, "call_r_0_0", "f"),
        signature(2, "gemini:T"),
        piece(2, r#"{"b": "\n"}"#),
        Event::End { choice: 0, part: 2 },
        begun(3, "x", "g"),
        piece(3, "{}"),
        Event::End { choice: 0, part: 3 },
    ];
    assert_eq!(events(&mut reader, calls), expected);
    // The reason may come alone, or in every event.
    let stop =
        r#"{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":7,"candidatesTokenCount":2}}"#;
    assert_eq!(events(&mut reader, stop), []);
    let usage = Usage { input_tokens: 7, output_tokens: 2, ..Usage::default() };
    let finish = Event::Finish { choice: 0, reason: Finish::ToolCalls, stop_sequence: None };
    assert_eq!(ended(&mut reader), [finish, Event::Usage(usage), Event::Done]);
    assert_eq!(ended(&mut reader), []);
}

#[test]
fn candidates_are_kept_apart_and_a_refused_prompt_is_filtered() {
    let mut reader = StreamReader::default();
    let both = r#"{"candidates":[{"index":1,"content":{"parts":[{"text":"b"}]},"finishReason":"SAFETY"},{"index":0,"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}]}"#;
    events(&mut reader, both);
    let end = ended(&mut reader);
    let reasons = end.iter().filter_map(|event| match event {
        Event::Finish { choice, reason, .. } => Some((*choice, *reason)),
        _ => None,
    });
    assert_eq!(reasons.collect::<Vec<_>>(), [(1, Finish::ContentFilter), (0, Finish::Stop)]);
    let mut reader = StreamReader::default();
    events(&mut reader, r#"{"promptFeedback":{"blockReason":"OTHER"}}"#);
    let finish = Event::Finish { choice: 0, reason: Finish::ContentFilter, stop_sequence: None };
    assert_eq!(ended(&mut reader), [finish, Event::Done]);
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(bodies in prop::collection::vec(prop::collection::vec(any::<u16>(), 1..40), 1..5)) {
        let mut reader = StreamReader::default();
        for choices in &bodies {
            let text = arbitrary::object(choices).to_string();
            events(&mut reader, &text);
        }
        let end = ended(&mut reader);
        prop_assert_eq!(end.last(), Some(&Event::Done));
    }
}
