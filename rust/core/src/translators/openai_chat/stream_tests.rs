use super::*;
use crate::json_view::{Text, View};
use crate::neutral::{Begun, Event, Finish};
use crate::translators::Replying;
use crate::usage::Usage;

fn view(text: &str) -> View<'_> {
    View::read_answer(text.as_bytes(), 64).expect(text)
}

fn replying(includes_usage: bool, request: Option<&'static str>) -> Replying<'static> {
    Replying {
        fallback_id: "chatcmpl-1",
        fallback_model: "chat",
        now_unix_s: 9,
        includes_usage,
        is_json_array: false,
        request: request.map(view),
    }
}

fn write(replying: &Replying<'_>, events: &[Event<'_>]) -> String {
    let (mut writer, mut written) = (StreamWriter::new(replying), Vec::new());
    for event in events {
        writer.write(event, &mut written);
    }
    String::from_utf8(written).expect("UTF-8")
}

/// The frames that say these choices.
fn frames(id: &str, model: &str, usage: &str, choices: &[&str]) -> String {
    let frame = |choice: &&str| {
        format!(
            "data: {{\"id\":\"{id}\",\"object\":\"chat.completion.chunk\",\"created\":9,\"model\":\"{model}\",\
             \"choices\":[{choice}]{usage}}}\n\n"
        )
    };
    choices.iter().map(frame).collect()
}

fn begin(part: u32, kind: Begun<'_>) -> Event<'_> {
    Event::Begin { choice: 0, part, kind }
}

fn call(id: &str) -> Begun<'static> {
    Begun::ToolCall { id: Text::of(id), name: Text::of("f") }
}

fn piece(part: u32, text: &str) -> Event<'static> {
    Event::Piece { choice: 0, part, text: Text::of(text) }
}

fn signature(part: u32, signature: &str) -> Event<'static> {
    Event::Signature { choice: 0, part, signature: Text::of(signature) }
}

fn finish(choice: u32, reason: Finish) -> Event<'static> {
    Event::Finish { choice, reason, stop_sequence: None }
}

const ROLE: &str = r#"{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}"#;

fn delta(delta: &str) -> String {
    format!(r#"{{"index":0,"delta":{{{delta}}},"logprobs":null,"finish_reason":null}}"#)
}

#[test]
fn a_stream_of_another_dialect_to_the_byte() {
    let citation = view("{\"type\":\"url_citation\",\r\n\"url\":\"u\"}");
    let end = |part| Event::End { choice: 0, part };
    let usage = |output_tokens| Event::Usage(Usage { input_tokens: 3, output_tokens, ..Usage::default() });
    let events = [
        Event::Start { id: Some(Text::of("msg_1")), model: Some(Text::of("opus")) },
        usage(1),
        begin(0, Begun::Thinking),
        piece(0, "one"),
        signature(0, "anthropic:s1"),
        end(0),
        begin(1, Begun::Thinking),
        piece(1, "two"),
        end(1),
        begin(2, Begun::Text),
        piece(2, "é\n"),
        Event::Citation { choice: 0, part: 2, citation },
        end(2),
        Event::Ping,
        begin(3, call("a")),
        piece(3, "{\"x\":"),
        piece(3, "1}"),
        end(3),
        begin(4, call("b")),
        signature(4, "gemini:s2"),
        piece(4, "{}"),
        begin(5, call("c")),
        finish(0, Finish::ToolCalls),
        usage(5),
        Event::Done,
        Event::Done,
    ];
    let call = |index, id: &str| {
        delta(&format!(
            r#""tool_calls":[{{"index":{index},"id":"{id}","type":"function","function":{{"name":"f","arguments":""}}}}]"#
        ))
    };
    let arguments = |index, text: &str| {
        delta(&format!(r#""tool_calls":[{{"index":{index},"function":{{"arguments":"{text}"}}}}]"#))
    };
    let before_ping = [
        ROLE,
        &delta(r#""reasoning_content":"one""#),
        &delta(r#""reasoning_content":"\n\ntwo""#),
        &delta(r#""content":"é\n""#),
        &delta(
            r#""annotations":[{"type":"url_citation","url_citation":{"start_index":0,"end_index":2,"url":"u","title":""}}]"#,
        ),
    ];
    let behind_ping: [&str; 8] = [
        &call(0, "a~sig~thought=anthropic:s1"),
        &arguments(0, r#"{\"x\":"#),
        &arguments(0, "1}"),
        &call(1, "b~sig~gemini:s2"),
        &arguments(1, "{}"),
        &call(2, "c"),
        &arguments(2, "{}"),
        r#"{"index":0,"delta":{},"logprobs":null,"finish_reason":"tool_calls"}"#,
    ];
    let [before, behind] =
        [&before_ping[..], &behind_ping[..]].map(|choices| frames("msg_1", "opus", ",\"usage\":null", choices));
    let counts = r#","usage":{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0}}"#;
    let last = frames("msg_1", "opus", counts, &[""]);
    assert_eq!(write(&replying(true, None), &events), format!("{before}: ping\n\n{behind}{last}data: [DONE]\n\n"));
}

#[test]
fn each_event_is_written_at_once() {
    let (mut writer, mut written) = (StreamWriter::new(&replying(false, None)), Vec::new());
    let mut says = |event: Event<'_>, words: &str| {
        written.clear();
        writer.write(&event, &mut written);
        let text = String::from_utf8_lossy(&written);
        assert!(text.contains(words), "{event:?}: {text}");
        assert!(text.is_empty() || text.ends_with("\n\n"), "{event:?}: {text}");
    };
    says(Event::Start { id: None, model: None }, r#""role":"assistant""#);
    says(begin(0, Begun::Text), "");
    says(piece(0, "word"), "word");
    says(Event::Logprobs { choice: 0, logprobs: view("{\"content\":\n[]}") }, r#""logprobs":{"content": []}"#);
    says(piece(0, "again"), "again");
}

#[test]
fn what_readers_leave_out_is_made_up_for_at_the_end() {
    let end = |reason: &str| format!(r#"{{"index":0,"delta":{{}},"logprobs":null,"finish_reason":"{reason}"}}"#);
    let cut = write(&replying(true, None), &[begin(0, call("a")), piece(0, "{}")]);
    assert!(!cut.contains("\"finish_reason\":\"") && !cut.contains("[DONE]"), "{cut}");
    let whole = write(&replying(true, None), &[begin(0, call("a")), Event::Done]);
    let call = delta(r#""tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]"#);
    let none = delta(r#""tool_calls":[{"index":0,"function":{"arguments":"{}"}}]"#);
    let expected = frames("chatcmpl-1", "chat", ",\"usage\":null", &[ROLE, &call, &none, &end("tool_calls")]);
    assert_eq!(whole, expected + "data: [DONE]\n\n");
    let nothing = write(&replying(false, None), &[Event::Done]);
    assert_eq!(nothing, frames("chatcmpl-1", "chat", "", &[ROLE, &end("stop")]) + "data: [DONE]\n\n");
}

#[test]
fn clients_from_before_there_were_tools_get_one_function() {
    let events = [begin(0, call("a")), piece(0, "{}"), begin(1, call("b")), piece(1, "[]"), Event::Done];
    let written = write(&replying(false, Some(r#"{"functions":[]}"#)), &events);
    let expected = [
        ROLE,
        &delta(r#""function_call":{"name":"f","arguments":""}"#),
        &delta(r#""function_call":{"arguments":"{}"}"#),
        r#"{"index":0,"delta":{},"logprobs":null,"finish_reason":"function_call"}"#,
    ];
    assert_eq!(written, frames("chatcmpl-1", "chat", "", &expected) + "data: [DONE]\n\n");
}

/// What deltas of one choice say: its calls, as id and arguments.
fn calls(deltas: &[&str]) -> Vec<(String, String)> {
    let chunks: Vec<_> = deltas
        .iter()
        .map(|calls| format!(r#"{{"id":"x","choices":[{{"index":0,"delta":{{"tool_calls":[{calls}]}}}}]}}"#))
        .collect();
    let (mut reader, mut events, mut found) = (StreamReader::default(), Vec::new(), Vec::new());
    for chunk in &chunks {
        reader.read(view(chunk), &mut events);
    }
    for event in events {
        match event {
            Event::Begin { part, kind: Begun::ToolCall { id, name }, .. } => {
                assert_eq!((part as usize, name.escaped()), (found.len(), "f"));
                found.push((id.escaped().to_owned(), String::new()));
            }
            Event::Piece { part, text, .. } => found[part as usize].1 += text.escaped(),
            _ => {}
        }
    }
    found
}

#[test]
fn calls_are_told_apart() {
    let expect = |deltas: &[&str], expected: &[(&str, &str)]| {
        let found = calls(deltas);
        let found: Vec<_> = found.iter().map(|(id, arguments)| (id.as_str(), arguments.as_str())).collect();
        assert_eq!(found, expected, "{deltas:?}");
    };
    // As OpenAI does it, two calls at once.
    expect(
        &[
            r#"{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}"#,
            r#"{"index":1,"id":"b","type":"function","function":{"name":"f","arguments":""}}"#,
            r#"{"index":0,"function":{"arguments":"1"}},{"index":1,"function":{"arguments":"2"}}"#,
            r#"{"index":0,"function":{"arguments":"1"}}"#,
        ],
        &[("a", "11"), ("b", "2")],
    );
    // Id and name in each delta.
    let repeated = r#"{"index":0,"id":"a","function":{"name":"f","arguments":"1"}}"#;
    expect(&[repeated, repeated], &[("a", "11")]);
    // Whole calls, all at index 0.
    expect(&[repeated, r#"{"index":0,"id":"b","function":{"name":"f","arguments":"2"}}"#], &[("a", "1"), ("b", "2")]);
    // No index: by id, by name, and what goes on with the last.
    expect(
        &[
            r#"{"id":"a","function":{"name":"f","arguments":"1"}},{"id":"b","function":{"name":"f","arguments":"2"}}"#,
            r#"{"id":"a","function":{"arguments":"1"}}"#,
            r#"{"function":{"arguments":"2"}}"#,
        ],
        &[("a", "11"), ("b", "22")],
    );
    // No ids at all; arguments as an object; the name behind the id.
    expect(
        &[r#"{"function":{"name":"f","arguments":{"a":1}}},{"function":{"name":"f"}}"#],
        &[("x_0_0", r#"{\"a\":1}"#), ("x_0_1", "")],
    );
    expect(
        &[r#"{"index":0,"id":"a","function":{}}"#, r#"{"index":0,"function":{"name":"f","arguments":"1"}}"#],
        &[("a", "1")],
    );
}

#[test]
fn the_reader_says_each_thing_once() {
    let chunks = [
        r#"{"id":"","model":"","choices":[],"prompt_filter_results":[]}"#,
        r#"{"id":"x","model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#,
        r#"{"id":"x","choices":[{"index":1,"delta":{"reasoning":"t","reasoning_content":"t"}}]}"#,
        r#"{"id":"x","choices":[{"index":0,"delta":{"content":"a"},"logprobs":{"content":[]},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}"#,
        r#"{"id":"x","choices":[{"index":0,"delta":{"content":""},"finish_reason":"stop"}],"x_groq":{"usage":{"prompt_tokens":1,"completion_tokens":2}}}"#,
    ];
    let (mut reader, mut events, mut ends) = (StreamReader::default(), Vec::new(), Vec::new());
    for chunk in &chunks {
        reader.read(view(chunk), &mut events);
    }
    reader.end(&mut ends);
    events.extend(ends);
    let expected = [
        Event::Start { id: Some(Text::of("x")), model: Some(Text::of("m")) },
        Event::Begin { choice: 1, part: 0, kind: Begun::Thinking },
        Event::Piece { choice: 1, part: 0, text: Text::of("t") },
        begin(0, Begun::Text),
        piece(0, "a"),
        Event::Logprobs { choice: 0, logprobs: view(r#"{"content":[]}"#) },
        Event::End { choice: 0, part: 0 },
        finish(0, Finish::Stop),
        Event::Signature { choice: 1, part: 0, signature: Text::of("chat:reasoning_content") },
        Event::End { choice: 1, part: 0 },
        finish(1, Finish::Stop),
        Event::Usage(Usage { input_tokens: 1, output_tokens: 2, ..Usage::default() }),
        Event::Done,
    ];
    assert_eq!(events, expected);
}
