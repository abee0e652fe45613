use serde_json::{Value, json};

use super::super::testing::target;
use super::*;
use crate::neutral::{Arguments, Reasoning, ReasoningUnit, Sampling, Source, Turn};

fn turn(role: Role, parts: Vec<Part<'_>>) -> Turn<'_> {
    Turn { role, name: None, parts }
}

fn words(text: &str) -> Part<'static> {
    Part::text(Text::of(text))
}

fn call(id: &str, arguments: &str) -> Part<'static> {
    let arguments = Arguments::Text(Text::of(arguments));
    Part::new(PartKind::ToolCall { id: Text::of(id), name: Text::of("f"), arguments })
}

fn result(id: &str, content: Vec<Part<'static>>) -> Part<'static> {
    Part::new(PartKind::ToolResult { id: Text::of(id), name: None, is_error: false, content })
}

fn signed(part: Part<'static>, signature: &str) -> Part<'static> {
    Part { signature: Some(Text::of(signature)), ..part }
}

fn tool() -> Tool<'static> {
    Tool { name: Text::of("f"), description: None, parameters: None, strict: None, cache_control: None }
}

fn write(request: &Request<'_>) -> Value {
    serde_json::from_slice(&write_request(request, &target(None)).expect("it can be said")).expect("JSON")
}

#[test]
fn a_whole_request_to_the_byte() {
    let schema = View::read(br#"{"properties": {"x":{"type":"number"}}}"#, 8).expect("an object");
    let mark = View::read(br#"{"type":"ephemeral"}"#, 8).expect("an object");
    let request = Request {
        model: Text::of("chat"),
        instructions: vec![Part { cache_control: Some(mark), ..words("be brief") }],
        turns: vec![
            turn(Role::User, vec![words("what is \"x\"?\n")]),
            turn(Role::Assistant, vec![words(""), call("call_1", r#"{"x": 1.0}"#), call("call_2", "")]),
            turn(Role::User, vec![result("call_1", vec![words("one")])]),
            turn(Role::System, vec![words("hurry")]),
            turn(Role::User, vec![result("call_2", vec![]), words("go on")]),
        ],
        tools: vec![Tool { parameters: Some(schema), strict: Some(true), ..tool() }],
        tool_choice: Some(ToolChoice::Required),
        parallel_tool_calls: Some(false),
        sampling: Sampling { temperature: Some("0.70"), top_k: Some("5"), ..Sampling::default() },
        stop: vec![Text::of("END")],
        user: Some(Text::of("u1")),
        stream: true,
        ..Request::default()
    };
    let written = write_request(&request, &target(None)).expect("it can be said");
    let expected = concat!(
        r#"{"model":"claude","max_tokens":4096,"#,
        r#""system":[{"type":"text","text":"be brief","cache_control":{"type":"ephemeral"}}],"#,
        r#""messages":[{"role":"user","content":[{"type":"text","text":"what is \"x\"?\n"}]},"#,
        r#"{"role":"assistant","content":[{"type":"tool_use","id":"call_1","name":"f","input":{"x": 1.0}},"#,
        r#"{"type":"tool_use","id":"call_2","name":"f","input":{}}]},"#,
        r#"{"role":"user","content":[{"type":"tool_result","tool_use_id":"call_1","content":[{"type":"text","text":"one"}]},"#,
        r#"{"type":"tool_result","tool_use_id":"call_2"},{"type":"text","text":"hurry"},{"type":"text","text":"go on"}]}],"#,
        r#""tools":[{"name":"f","input_schema":{"type":"object","properties": {"x":{"type":"number"}},"additionalProperties":false},"strict":true}],"#,
        r#""tool_choice":{"type":"any","disable_parallel_tool_use":true},"#,
        r#""temperature":0.70,"top_k":5,"stop_sequences":["END"],"metadata":{"user_id":"u1"},"stream":true}"#,
    );
    assert_eq!(String::from_utf8(written).expect("UTF-8"), expected);
}

#[test]
fn thoughts_go_back_only_to_whom_signed_them() {
    let thought = |text: &str| Part::new(PartKind::Thinking(Text::of(text)));
    let redacted = |data: &str| Part::new(PartKind::RedactedThinking(Text::of(data)));
    let turns = vec![
        turn(Role::User, vec![words("a")]),
        turn(Role::Assistant, vec![signed(thought("no"), "gemini:x"), thought("none"), redacted("openai:x")]),
        turn(Role::User, vec![words("b")]),
        turn(Role::Assistant, vec![signed(thought("yes"), "anthropic:a=="), redacted("anthropic:r"), call("i", "{}")]),
        turn(Role::User, vec![result("i", vec![])]),
        turn(Role::Assistant, vec![signed(words("w"), "gemini:y"), signed(call("j", "{}"), "gemini:z")]),
    ];
    let expected = json!([
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "yes", "signature": "a=="},
            {"type": "redacted_thinking", "data": "r"},
            {"type": "tool_use", "id": "i", "name": "f", "input": {}},
        ]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "i"}]},
        {"role": "assistant", "content": [
            {"type": "text", "text": "w"}, {"type": "tool_use", "id": "j", "name": "f", "input": {}},
        ]},
    ]);
    assert_eq!(write(&Request { turns, ..Request::default() })["messages"], expected);
}

#[test]
fn ids_are_such_as_the_provider_takes() {
    let ids = |id: &str| {
        let turns = vec![turn(Role::Assistant, vec![call(id, "{}")]), turn(Role::User, vec![result(id, vec![])])];
        let messages = write(&Request { turns, ..Request::default() })["messages"].clone();
        let id = messages[0]["content"][0]["id"].as_str().expect("an id").to_owned();
        assert_eq!(messages[1]["content"][0]["tool_use_id"], id.as_str());
        id
    };
    assert_eq!((ids("toolu_A-1"), ids("f.g:0")), ("toolu_A-1".into(), "f_2eg_3a0".into()));
    assert_eq!((ids(""), ids("é\"")), ("_".into(), "_c3_a9_5c_22".into()));
}

#[test]
fn media_of_every_kind() {
    let base64 =
        |media_type: &str, data: &str| Source::Base64 { media_type: Text::of(media_type), data: Text::of(data) };
    let image = |source| Part::new(PartKind::Image { source, detail: None });
    let document = |source| Part::new(PartKind::Document { source, name: Some(Text::of("t")) });
    let url = || Source::Url { url: Text::of("https://a/b"), media_type: None };
    let of = |part: Part<'static>| {
        let request = Request { turns: vec![turn(Role::User, vec![part])], ..Request::default() };
        let written = write_request(&request, &target(None))?;
        let written: Value = serde_json::from_slice(&written).expect("JSON");
        Ok::<_, Failure>(written["messages"][0]["content"][0].clone())
    };
    let plain = json!({"type": "text", "media_type": "text/plain", "data": "é\n"});
    for (part, source) in [
        (image(base64("image/JPG", "eA==")), json!({"type": "base64", "media_type": "image/jpeg", "data": "eA=="})),
        (image(url()), json!({"type": "url", "url": "https://a/b"})),
        (image(Source::File(Text::of("file_1"))), json!({"type": "file", "file_id": "file_1"})),
        (
            document(base64("application/pdf", "eA==")),
            json!({"type": "base64", "media_type": "application/pdf", "data": "eA=="}),
        ),
        (document(base64("text/csv; charset=utf-8", "w6kK")), plain.clone()),
        (document(Source::Plain(Text::of("é\n"))), plain),
        (document(url()), json!({"type": "url", "url": "https://a/b"})),
    ] {
        let written = of(part).expect("it can be said");
        assert_eq!(written["source"], source);
        assert_eq!(written["title"], if written["type"] == "document" { json!("t") } else { Value::Null });
    }
    for part in [
        image(base64("image/bmp", "eA==")),
        image(Source::Plain(Text::of("x"))),
        document(base64("application/zip", "eA==")),
        document(base64("text/plain", "not base64")),
        document(base64("text/plain", "/w==")),
    ] {
        assert_eq!(of(part).expect_err("unknown").cause, crate::failure::Cause::InvalidRequest);
    }
}

#[test]
fn what_the_provider_refuses_is_said_or_left_out() {
    let turns = |part| vec![turn(Role::Assistant, vec![part])];
    let wrong = write_request(&Request { turns: turns(call("i", "[1]")), ..Request::default() }, &target(None));
    assert!(wrong.expect_err("no object").message.contains("tool call i"));
    let stop = write_request(&Request { stop: vec![Text::of("\n")], ..Request::default() }, &target(None));
    assert_eq!(stop.expect_err("white space").param, Some("stop"));
    let blank = Request { turns: turns(words(" \n\t")), instructions: vec![words("\n")], ..Request::default() };
    assert_eq!((&write(&blank)["messages"], &write(&blank)["system"]), (&json!([]), &Value::Null));
    // A choice without tools is none.
    let chosen = |tools, tool_choice| write(&Request { tools, tool_choice, ..Request::default() });
    assert_eq!(chosen(vec![], Some(ToolChoice::None))["tool_choice"], Value::Null);
    assert_eq!(chosen(vec![tool()], Some(ToolChoice::None))["tool_choice"], json!({"type": "none"}));
    let by_name = chosen(vec![tool()], Some(ToolChoice::Tool(Text::of("f"))));
    assert_eq!(by_name["tool_choice"], json!({"type": "tool", "name": "f"}));
    assert_eq!(by_name["tools"][0]["input_schema"], json!({"type": "object", "properties": {}}));
    let strict = chosen(vec![Tool { strict: Some(true), ..tool() }], None);
    let closed = json!({"type": "object", "properties": {}, "additionalProperties": false});
    assert_eq!(strict["tools"][0]["input_schema"], closed);
    let empty = View::read(b"{ }", 8).expect("an object");
    let schemas = chosen(vec![Tool { parameters: Some(empty), ..tool() }], None);
    assert_eq!(
        (&schemas["tools"][0]["input_schema"], &schemas["tool_choice"]),
        (&json!({"type": "object"}), &Value::Null)
    );
}

#[test]
fn sampling_is_within_what_the_provider_takes() {
    let of = |temperature, top_p, reasoning: bool| {
        let written = write(&Request {
            sampling: Sampling { temperature, top_p, top_k: Some("5"), ..Sampling::default() },
            reasoning: reasoning.then(|| Reasoning { budget_tokens: Some(2048), ..Reasoning::default() }),
            ..Request::default()
        });
        assert_eq!(written["thinking"].is_object(), reasoning);
        [&written["temperature"], &written["top_p"], &written["top_k"]].map(Value::to_string).join(" ")
    };
    assert_eq!(of(Some("1.5"), None, false), "1 null 5");
    assert_eq!(of(Some("0.3"), Some("1.0"), false), "0.3 null 5");
    assert_eq!(of(Some("0.3"), Some("0.9"), false), "0.3 null 5");
    assert_eq!(of(Some("1.5"), Some("0.9"), false), "null 0.9 5");
    assert_eq!(of(None, Some("1.0"), false), "null 1.0 5");
    assert_eq!(of(Some("0.3"), Some("0.9"), true), "null null null");
    assert_eq!(of(Some("0.3"), Some("0.97"), true), "null 0.97 null");
}

#[test]
fn a_schema_and_an_effort_are_said_in_one_place() {
    let schema = View::read(br#"{"type": "object"}"#, 8).expect("an object");
    let format = OutputFormat::Schema { name: None, description: None, schema, strict: Some(true) };
    let request = Request {
        output_format: Some(format),
        reasoning: Some(Reasoning { effort: Some(Effort::Max), ..Reasoning::default() }),
        ..Request::default()
    };
    let written = write_request(&request, &target(Some(ReasoningUnit::Words))).expect("it can be said");
    let expected = r#""thinking":{"type":"adaptive"},"output_config":{"effort":"max","format":{"type":"json_schema","schema":{"type": "object","additionalProperties":false}}}}"#;
    assert!(String::from_utf8(written).expect("UTF-8").ends_with(expected));
}

#[test]
fn a_turn_that_is_gone_on_with_begins_with_its_thoughts() {
    let thought = || signed(Part::new(PartKind::Thinking(Text::of("t"))), "anthropic:a");
    let thinks = |turns| {
        let reasoning = Some(Reasoning { budget_tokens: Some(2048), ..Reasoning::default() });
        write(&Request { turns, reasoning, ..Request::default() })["thinking"].is_object()
    };
    let user = || turn(Role::User, vec![words("a")]);
    let results = || turn(Role::User, vec![result("i", vec![])]);
    assert!(thinks(vec![user()]));
    assert!(thinks(vec![user(), turn(Role::Assistant, vec![words("b")]), user()]));
    assert!(thinks(vec![user(), turn(Role::Assistant, vec![thought(), call("i", "{}")]), results()]));
    assert!(!thinks(vec![user(), turn(Role::Assistant, vec![call("i", "{}")]), results()]));
    assert!(!thinks(vec![user(), turn(Role::Assistant, vec![words("b"), thought(), call("i", "{}")]), results()]));
    assert!(!thinks(vec![user(), turn(Role::Assistant, vec![words("b")])]));
}
