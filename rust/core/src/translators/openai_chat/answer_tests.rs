use super::*;
use crate::json_view::{Text, View};
use crate::neutral::{Answer, Arguments, Choice, Finish, Part, PartKind};
use crate::translators::Replying;
use crate::usage::Usage;

fn view(text: &str) -> View<'_> {
    View::read_answer(text.as_bytes(), 64).expect(text)
}

fn replying(request: Option<&'static str>) -> Replying<'static> {
    Replying {
        fallback_id: "chatcmpl-1",
        fallback_model: "chat",
        now_unix_s: 1_700_000_000,
        includes_usage: false,
        is_json_array: false,
        request: request.map(view),
    }
}

fn call<'text>(id: &str, arguments: Arguments<'text>) -> PartKind<'text> {
    PartKind::ToolCall { id: Text::of(id), name: Text::of("f"), arguments }
}

fn written(answer: &Answer<'_>, request: Option<&'static str>) -> String {
    String::from_utf8(write_answer(answer, &replying(request))).expect("UTF-8")
}

#[test]
fn an_answer_of_another_dialect_to_the_byte() {
    let citations = view(r#"{"a":[{"type":"url_citation","url":"u","start_index":0,"end_index":1,"title":"t"}]}"#);
    let thinking = |text: &str| PartKind::Thinking(Text::of(text));
    let signed = |kind, signature: &str| Part { signature: Some(Text::of(signature)), ..Part::new(kind) };
    let choice = Choice {
        parts: vec![
            signed(thinking("first"), "anthropic:s1"),
            Part::new(PartKind::Text { text: Text::of("A "), citations: citations.get("a") }),
            Part::text(Text::of("B")),
            signed(call("toolu_1", Arguments::Object(view(r#"{"a":"\n"}"#))), "gemini:s2"),
            signed(thinking("second"), "anthropic:s3"),
            Part::new(call("toolu_2", Arguments::Text(Text::of("{}")))),
        ],
        finish: Some(Finish::ToolCalls),
        ..Choice::default()
    };
    let usage = Usage { input_tokens: 3, cache_read_tokens: 4, output_tokens: 5, ..Usage::default() };
    let mut answer = Answer { choices: vec![choice], usage: Some(usage), ..Answer::default() };
    let head = r#"{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"chat","choices":["#;
    let expected = [
        head,
        r#"{"index":0,"message":{"role":"assistant","content":"A B","refusal":null,"reasoning_content":"first\n\nsecond","#,
        r#""annotations":[{"type":"url_citation","url_citation":{"url":"u","start_index":0,"end_index":1,"title":"t"}}],"#,
        r#""tool_calls":[{"id":"toolu_1~sig~thought=anthropic:s1~sig~gemini:s2","type":"function","#,
        r#""function":{"name":"f","arguments":"{\"a\":\"\\n\"}"}},"#,
        r#"{"id":"toolu_2~sig~thought=anthropic:s3","type":"function","function":{"name":"f","arguments":"{}"}}]},"#,
        r#""logprobs":null,"finish_reason":"tool_calls"}],"#,
        r#""usage":{"prompt_tokens":7,"completion_tokens":5,"total_tokens":12,"#,
        r#""prompt_tokens_details":{"cached_tokens":4,"audio_tokens":0},"#,
        r#""completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0}}}"#,
    ];
    assert_eq!(written(&answer, None), expected.concat());
    // A client from before there were tools.
    answer.usage = None;
    let legacy = written(&answer, Some(r#"{"functions":[]}"#));
    assert!(legacy.contains(r#""function_call":{"name":"f","arguments":"{\"a\":\"\\n\"}"}},"#), "{legacy}");
    assert!(legacy.contains(r#""finish_reason":"function_call""#) && !legacy.contains("tool_calls"), "{legacy}");
    // Nothing said, and a refusal; each with a reason that SDKs know.
    let refused = Choice {
        parts: vec![Part::new(PartKind::Refusal(Text::of("No.")))],
        finish: Some(Finish::Refusal),
        ..Choice::default()
    };
    let silent = Choice { finish: Some(Finish::Refusal), ..Choice::default() };
    let empty = Choice { finish: Some(Finish::Pause), ..Choice::default() };
    let answer = Answer {
        id: Some(Text::of("msg_1")),
        model: Some(Text::of("opus")),
        created_unix_s: Some(9),
        choices: vec![refused, silent, empty],
        service_tier: Some(Text::of("default")),
        ..Answer::default()
    };
    let expected = [
        r#"{"id":"msg_1","object":"chat.completion","created":9,"model":"opus","choices":["#,
        r#"{"index":0,"message":{"role":"assistant","content":null,"refusal":"No."},"logprobs":null,"finish_reason":"stop"},"#,
        r#"{"index":1,"message":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":"content_filter"},"#,
        r#"{"index":2,"message":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":"stop"}],"#,
        r#""service_tier":"default"}"#,
    ];
    assert_eq!(written(&answer, None), expected.concat());
}

#[test]
fn reads_what_vendors_make_of_it() {
    let body = r#"{"id":"x","created":5,"choices":[
        {"index":1,"finish_reason":"content_filter"},
        {"index":0,"finish_reason":"stop","logprobs":{"content":null,"refusal":null},"message":{
            "content":[{"type":"thinking","thinking":[{"type":"text","text":"t"}]},{"type":"text","text":"w"}],
            "function_call":{"name":"","arguments":""},
            "tool_calls":[{"function":{"name":"f","arguments":{"a":1}}},{"id":"","function":{"name":"f"}}]}}]}"#;
    let answer = read_answer(view(body)).expect("an answer");
    let expected = [
        Part::new(PartKind::Thinking(Text::of("t"))),
        Part::text(Text::of("w")),
        Part::new(call("x_0_0", Arguments::Object(view(r#"{"a":1}"#)))),
        Part::new(call("x_0_1", Arguments::Text(Text::default()))),
    ];
    assert_eq!(answer.choices[0].parts, expected);
    let ends: Vec<_> = answer.choices.iter().map(|choice| (choice.finish, choice.logprobs)).collect();
    assert_eq!(ends, [(Some(Finish::ToolCalls), None), (Some(Finish::ContentFilter), None)]);
    assert_eq!(read_answer(view(r#"{"error":{"message":"m"}}"#)), None);
    assert_eq!(read_answer(view(r#"{"choices":{}}"#)), None);
}

#[test]
fn a_history_that_is_sent_back_has_its_proofs() {
    let parts = vec![
        Part { signature: Some(Text::of("anthropic:s")), ..Part::new(PartKind::Thinking(Text::of("t"))) },
        Part::text(Text::of("w")),
        Part { signature: Some(Text::of("gemini:g")), ..Part::new(call("a", Arguments::Text(Text::of("{}")))) },
    ];
    let choices = vec![Choice { parts: parts.clone(), ..Choice::default() }];
    let answer: serde_json::Value =
        serde_json::from_str(&written(&Answer { choices, ..Answer::default() }, None)).expect("JSON");
    let body = serde_json::json!({"model": "m", "messages": [answer["choices"][0]["message"]]}).to_string();
    let request = read_request(View::read(body.as_bytes(), 64).expect("an object")).expect("a request");
    assert_eq!(request.turns[0].parts, parts);
}
