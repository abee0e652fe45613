use super::*;
use crate::json_view::{Text, View};
use crate::neutral::{
    Arguments, Effort, OutputFormat, Part, PartKind, Reasoning, Request, Role, Sampling, Source, Target, Tool,
    ToolChoice, Turn,
};

fn view(text: &str) -> View<'_> {
    View::read(text.as_bytes(), 64).expect(text)
}

fn read(text: &str) -> Request<'_> {
    read_request(view(text)).expect(text)
}

fn write(request: &Request<'_>) -> String {
    let target = Target { model: "gpt-5", output_tokens: None, reasoning: None };
    String::from_utf8(write_request(request, &target).expect("can be said")).expect("UTF-8")
}

fn user(parts: Vec<Part<'_>>) -> Turn<'_> {
    Turn { role: Role::User, name: None, parts }
}

fn base64<'text>(media_type: &str, data: &str) -> Source<'text> {
    Source::Base64 { media_type: Text::of(media_type), data: Text::of(data) }
}

fn result<'text>(id: &str, content: Vec<Part<'text>>) -> Part<'text> {
    Part::new(PartKind::ToolResult { id: Text::of(id), name: None, is_error: false, content })
}

/// Everything that the format has, in other words than those in which it is written.
const LONG: &str = r#"{
    "model": "chat",
    "messages": [
        {"role": "developer", "content": "Be\u0020brief."},
        {"role": "system", "content": [{"type": "text", "text": "And kind.", "cache_control": {"type": "ephemeral"}}]},
        {"role": "user", "name": "ann", "content": [
            {"type": "text", "text": "Look:"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO\/w==", "detail": "low"}},
            {"type": "image_url", "image_url": {"url": "https://a.example/b.png"}},
            {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBE", "filename": "a.pdf"}}
        ]},
        {"role": "assistant", "content": null, "refusal": null, "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{\"a\": 1.0,\n\"b\":\"\u00e9\"}"}},
            {"id": "call_2", "type": "function", "function": {"name": "g", "arguments": ""}}
        ]},
        {"role": "tool", "tool_call_id": "call_1", "content": "one"},
        {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "two"}]},
        {"role": "system", "content": "Now in French."},
        {"role": "assistant", "content": "Non.", "refusal": "Je refuse."},
        {"role": "user", "content": ""}
    ],
    "tools": [
        {"type": "function", "function": {"name": "f", "description": "F", "parameters": {"type": "object"}, "strict": true}},
        {"type": "function", "function": {"name": "g"}}
    ],
    "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [
        {"type": "function", "function": {"name": "f"}}]}},
    "parallel_tool_calls": false,
    "response_format": {"type": "json_schema", "json_schema": {"name": "r", "schema": {"type": "object"}, "strict": true}},
    "max_tokens": 10, "max_completion_tokens": 20,
    "temperature": 0.50, "top_p": 1, "top_k": 40, "seed": 7, "presence_penalty": 0.1, "frequency_penalty": -0.1,
    "logit_bias": {"50256": -100},
    "stop": "END", "reasoning_effort": "xhigh", "n": 1, "logprobs": true, "top_logprobs": 2,
    "stream": true, "stream_options": {"include_usage": false}, "store": true,
    "user": "u", "safety_identifier": "s", "metadata": {"a": "b"}, "service_tier": "flex", "verbosity": null
}"#;

#[test]
fn a_long_request_to_the_byte() {
    let request = read(LONG);
    let expected = [
        r#"{"model":"gpt-5","messages":["#,
        r#"{"role":"system","content":[{"type":"text","text":"Be\u0020brief."},{"type":"text","text":"And kind."}]},"#,
        r#"{"role":"user","name":"ann","content":[{"type":"text","text":"Look:"},"#,
        r#"{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBO\/w==","detail":"low"}},"#,
        r#"{"type":"image_url","image_url":{"url":"https://a.example/b.png"}},"#,
        r#"{"type":"input_audio","input_audio":{"data":"UklG","format":"wav"}},"#,
        r#"{"type":"file","file":{"file_data":"data:application/pdf;base64,JVBE","filename":"a.pdf"}}]},"#,
        r#"{"role":"assistant","content":null,"tool_calls":["#,
        r#"{"id":"call_1","type":"function","function":{"name":"f","arguments":"{\"a\": 1.0,\n\"b\":\"\u00e9\"}"}},"#,
        r#"{"id":"call_2","type":"function","function":{"name":"g","arguments":"{}"}}]},"#,
        r#"{"role":"tool","tool_call_id":"call_1","content":"one"},"#,
        r#"{"role":"tool","tool_call_id":"call_2","content":"two"},"#,
        r#"{"role":"system","content":"Now in French."},"#,
        r#"{"role":"assistant","content":"Non.","refusal":"Je refuse."},"#,
        r#"{"role":"user","content":""}],"#,
        r#""tools":[{"type":"function","function":{"name":"f","description":"F","parameters":{"type": "object"},"strict":true}},"#,
        r#"{"type":"function","function":{"name":"g"}}],"#,
        r#""tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"f"}}]}},"#,
        r#""parallel_tool_calls":false,"#,
        r#""response_format":{"type":"json_schema","json_schema":{"name":"r","schema":{"type": "object"},"strict":true}},"#,
        r#""max_completion_tokens":20,"temperature":0.50,"top_p":1,"seed":7,"presence_penalty":0.1,"frequency_penalty":-0.1,"#,
        r#""logit_bias":{"50256": -100},"stop":["END"],"reasoning_effort":"xhigh","n":1,"logprobs":true,"top_logprobs":2,"#,
        r#""user":"u","metadata":{"a": "b"},"service_tier":"flex","stream":true,"stream_options":{"include_usage":true}}"#,
    ];
    assert_eq!(write(&request), expected.concat());
    assert_eq!((request.sampling.top_k, request.model), (Some("40"), Text::of("chat")));
    let unexpressed: Vec<_> = request.unexpressed.iter().map(|one| (one.name.as_ref(), one.is_essential)).collect();
    assert_eq!(unexpressed, [("store", false)]);
    assert_eq!(request.instructions[1].cache_control.map(View::raw), Some(r#"{"type": "ephemeral"}"#));
}

#[test]
fn parts_are_what_their_data_is() {
    let body = r#"{"model":"m","messages":[{"role":"user","content":[
        {"type":"image_url","image_url":"data:application/pdf;base64,JV"},
        {"type":"file","file":{"file_data":"DATA:image/gif;x=y;base64,R0"}},
        {"type":"file","file":{"file_data":"JVBE","filename":"b"}},
        {"type":"file","file":{"file_id":"file-1"}},
        {"type":"file","file":{"file_data":"https://a.example/c.pdf"}},
        {"type":"video_url","video_url":{"url":"https://a.example/d.mp4"}},
        {"type":"input_audio","input_audio":{"data":"SUQz","format":"mp3"}}
    ]}]}"#;
    let request = read(body);
    let kinds: Vec<_> = request.turns[0].parts.iter().map(|part| part.kind.clone()).collect();
    let url = |url: &str| Source::Url { url: Text::of(url), media_type: None };
    let document = |source, name: Option<&str>| PartKind::Document { source, name: name.map(Text::of) };
    let expected = [
        document(base64("application/pdf", "JV"), None),
        PartKind::Image { source: base64("image/gif", "R0"), detail: None },
        document(base64("application/pdf", "JVBE"), Some("b")),
        document(Source::File(Text::of("file-1")), None),
        document(url("https://a.example/c.pdf"), None),
        PartKind::Video(url("https://a.example/d.mp4")),
        PartKind::Audio(base64("audio/mp3", "SUQz")),
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn functions_from_before_there_were_tools() {
    let body = r#"{"model":"m","functions":[{"name":"f","parameters":{}}],"function_call":{"name":"f"},"messages":[
        {"role":"user","content":"a"},
        {"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}},
        {"role":"function","name":"f","content":"b"},
        {"role":"function","name":"f","content":"c"}]}"#;
    let expected = [
        r#"{"model":"gpt-5","messages":[{"role":"user","content":"a"},"#,
        r#"{"role":"assistant","content":null,"tool_calls":[{"id":"call_1_0","type":"function","function":{"name":"f","arguments":"{}"}}]},"#,
        r#"{"role":"tool","tool_call_id":"call_1_0","content":"b"},{"role":"tool","tool_call_id":"call_3_0","content":"c"}],"#,
        r#""tools":[{"type":"function","function":{"name":"f","parameters":{}}}],"#,
        r#""tool_choice":{"type":"function","function":{"name":"f"}}}"#,
    ];
    assert_eq!(write(&read(body)), expected.concat());
}

#[test]
fn proofs_come_back_from_the_ids_of_calls() {
    let call = |id: &str| format!(r#"{{"id":"{id}","type":"function","function":{{"name":"f","arguments":"{{}}"}}}}"#);
    let body = format!(
        r#"{{"model":"m","messages":[
            {{"role":"assistant","reasoning_content":"thought","content":"said","tool_calls":[{},{}]}},
            {{"role":"tool","tool_call_id":"a~sig~thought=anthropic:s1","content":"r"}},
            {{"role":"assistant","reasoning":"lost","content":"","tool_calls":[{},{}]}}]}}"#,
        call("a~sig~thought=anthropic:s1"),
        call("b~sig~gemini:s2"),
        call("c~sig~redacted=d~sig~thought=anthropic:s3"),
        call("d~sig~thought=anthropic:s4"),
    );
    let request = read(&body);
    let signed = |kind, signature: &str| Part { signature: Some(Text::of(signature)), ..Part::new(kind) };
    let call = |id: &str| PartKind::ToolCall {
        id: Text::of(id),
        name: Text::of("f"),
        arguments: Arguments::Text(Text::of("{}")),
    };
    let thinking = |text: &str| PartKind::Thinking(Text::of(text));
    let expected = [
        signed(thinking("thought"), "anthropic:s1"),
        Part::text(Text::of("said")),
        Part::new(call("a")),
        signed(call("b"), "gemini:s2"),
    ];
    assert_eq!(request.turns[0].parts, expected);
    assert_eq!(request.turns[1].parts, [result("a", vec![Part::text(Text::of("r"))])]);
    // Two proofs before one call: whose the text was can't be told.
    let expected = [
        Part::new(PartKind::RedactedThinking(Text::of("d"))),
        signed(thinking(""), "anthropic:s3"),
        Part::new(thinking("lost")),
        Part::text(Text::default()),
        Part::new(call("c")),
        signed(thinking(""), "anthropic:s4"),
        Part::new(call("d")),
    ];
    assert_eq!(request.turns[2].parts, expected);
    // And no provider of this format gets any of it.
    let written = write(&request);
    assert!(!written.contains("sig") && !written.contains("thought") && !written.contains("lost"), "{written}");
}

#[test]
fn what_is_wrong_is_named() {
    let message = |message: &str| format!(r#"{{"model":"m","messages":[{message}]}}"#);
    let part = |part: &str| message(&format!(r#"{{"role":"user","content":[{part}]}}"#));
    let field = |field: &str| format!(r#"{{"model":"m","messages":[],{field}}}"#);
    for (body, param) in [
        (r#"{"model":"m"}"#.to_owned(), "messages"),
        (r#"{"model":7,"messages":[]}"#.into(), "model"),
        (r#"{"model":"m","messages":{}}"#.into(), "messages"),
        (message("7"), "messages"),
        (message(r#"{"content":"a"}"#), "messages.role"),
        (message(r#"{"role":"owner","content":"a"}"#), "messages.role"),
        (message(r#"{"role":"user","content":7}"#), "messages.content"),
        (message(r#"{"role":"user","content":"a","name":7}"#), "messages.name"),
        (message(r#"{"role":"tool","content":"a"}"#), "messages.tool_call_id"),
        (message(r#"{"role":"function","content":"a"}"#), "messages.name"),
        (message(r#"{"role":"assistant","tool_calls":{}}"#), "messages.tool_calls"),
        (message(r#"{"role":"assistant","tool_calls":[{}]}"#), "messages.tool_calls.function"),
        (message(r#"{"role":"assistant","tool_calls":[{"function":{}}]}"#), "messages.tool_calls.function.name"),
        (
            message(r#"{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":7}}]}"#),
            "messages.tool_calls.function.arguments",
        ),
        (part("7"), "messages.content.type"),
        (part(r#"{"type":"hologram"}"#), "messages.content.type"),
        (part(r#"{"type":"text"}"#), "messages.content"),
        (part(r#"{"type":"text","text":7}"#), "messages.content.text"),
        (part(r#"{"type":"image_url","image_url":{}}"#), "messages.content.image_url"),
        (part(r#"{"type":"image_url","image_url":{"url":"data:image/png,raw"}}"#), "messages.content.image_url"),
        (part(r#"{"type":"input_audio","input_audio":{"data":"a"}}"#), "messages.content.input_audio"),
        (part(r#"{"type":"file","file":{}}"#), "messages.content.file"),
        (field(r#""tools":{}"#), "tools"),
        (field(r#""tools":[{"type":"function"}]"#), "tools.function"),
        (field(r#""tools":[{"function":{"name":"f","parameters":[]}}]"#), "tools.function.parameters"),
        (field(r#""tool_choice":"maybe""#), "tool_choice"),
        (field(r#""tool_choice":{"type":"function"}"#), "tool_choice.function.name"),
        (field(r#""function_call":7"#), "function_call"),
        (field(r#""parallel_tool_calls":1"#), "parallel_tool_calls"),
        (field(r#""response_format":{"type":"xml"}"#), "response_format.type"),
        (field(r#""response_format":{"type":"json_schema"}"#), "response_format.json_schema"),
        (field(r#""max_tokens":-1"#), "max_tokens"),
        (field(r#""max_completion_tokens":1.5"#), "max_completion_tokens"),
        (field(r#""temperature":"hot""#), "temperature"),
        (field(r#""logit_bias":[]"#), "logit_bias"),
        (field(r#""stop":[7]"#), "stop"),
        (field(r#""reasoning_effort":"a lot""#), "reasoning_effort"),
        (field(r#""reasoning":{"max_tokens":"a"}"#), "reasoning.max_tokens"),
        (field(r#""thinking":{"type":"enabled","budget_tokens":"a"}"#), "thinking.budget_tokens"),
        (field(r#""n":"1""#), "n"),
        (field(r#""logprobs":2"#), "logprobs"),
        (field(r#""stream":"yes""#), "stream"),
        (field(r#""metadata":"a""#), "metadata"),
        (field(r#""user":7"#), "user"),
    ] {
        let failure = read_request(view(&body)).expect_err(&body);
        assert_eq!(failure.param, Some(param), "{body}");
    }
}

#[test]
fn what_has_no_counterpart_is_named() {
    let body = r#"{"model":"m","messages":[
            {"role":"assistant","content":"a","prefix":true,"audio":{"id":"x"}},
            {"role":"assistant","content":"b","prefix":false,"tool_calls":[{"type":"custom","id":"c","custom":{}}]}],
        "tools":[{"type":"custom","custom":{"name":"c"}}],"tool_choice":{"type":"custom","custom":{"name":"c"}},
        "modalities":["text","audio"],"audio":{"voice":"ash"},"web_search_options":{},"prediction":{},"seed":null}"#;
    let request = read(body);
    let found: Vec<_> = request.unexpressed.iter().map(|one| (one.name.as_ref(), one.is_essential)).collect();
    let expected = [
        ("messages.prefix", false),
        ("messages.audio", true),
        ("messages.tool_calls.custom", true),
        ("tools.custom", true),
        ("tool_choice.custom", true),
        ("modalities", true),
        ("audio", false),
        ("web_search_options", true),
        ("prediction", false),
    ];
    assert_eq!(found, expected);
    let habits = r#"{"model":"m","messages":[],"modalities":["text"],"stream_options":{"include_usage":true},"n":1}"#;
    assert_eq!(read(habits).unexpressed, []);
}

#[test]
fn how_to_think_in_several_words() {
    let reasoning = |field: &str| {
        let body = format!(r#"{{"model":"m","messages":[],{field}}}"#);
        read(&body).reasoning.map(|own| (own.effort, own.budget_tokens, own.includes_thoughts))
    };
    for (field, expected) in [
        (r#""reasoning_effort":"none""#, Some((Some(Effort::None), None, None))),
        (r#""reasoning_effort":"default""#, Some((None, None, None))),
        (r#""reasoning":{"effort":"low","exclude":true}"#, Some((Some(Effort::Low), None, Some(false)))),
        (r#""reasoning":{"max_tokens":2000,"enabled":true}"#, Some((None, Some(2000), None))),
        (r#""reasoning":{"enabled":false}"#, Some((Some(Effort::None), None, None))),
        (r#""thinking":{"type":"enabled","budget_tokens":1024}"#, Some((None, Some(1024), None))),
        (r#""thinking":{"type":"disabled"}"#, Some((None, Some(0), None))),
        (r#""thinking":{"clear_thinking":false}"#, None),
    ] {
        assert_eq!(reasoning(field), expected, "{field}");
    }
}

#[test]
fn results_of_tools_come_first_and_their_pictures_behind() {
    let picture = Part::new(PartKind::Image { source: base64("image/png", "iVBO"), detail: None });
    let call = |id: &str, object: &'static str| {
        let arguments = Arguments::Object(view(object));
        Part::new(PartKind::ToolCall { id: Text::of(id), name: Text::of("f"), arguments })
    };
    let turns = vec![
        Turn {
            role: Role::Assistant,
            name: None,
            parts: vec![
                Part::new(PartKind::Thinking(Text::of("hm"))),
                Part::text(Text::of("I call")),
                call("a", r#"{"x": "\u00e9"}"#),
                call("b", "{}"),
            ],
        },
        user(vec![result("a", vec![Part::text(Text::of("see")), picture.clone()]), Part::text(Text::of("and?"))]),
        user(vec![result("b", vec![])]),
        Turn { role: Role::Assistant, name: None, parts: vec![Part::new(PartKind::Thinking(Text::of("alone")))] },
        user(vec![Part::new(PartKind::Document { source: Source::Plain(Text::of("words")), name: None }), picture]),
    ];
    let expected = [
        r#"{"model":"gpt-5","messages":["#,
        r#"{"role":"assistant","content":"I call","tool_calls":["#,
        r#"{"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\": \"\\u00e9\"}"}},"#,
        r#"{"id":"b","type":"function","function":{"name":"f","arguments":"{}"}}]},"#,
        r#"{"role":"tool","tool_call_id":"a","content":"see"},"#,
        r#"{"role":"tool","tool_call_id":"b","content":""},"#,
        r#"{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBO"}}]},"#,
        r#"{"role":"user","content":"and?"},"#,
        r#"{"role":"user","content":[{"type":"text","text":"words"},"#,
        r#"{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBO"}}]}]}"#,
    ];
    assert_eq!(write(&Request { turns, ..Request::default() }), expected.concat());
}

#[test]
fn words_of_other_dialects() {
    let schema = view(r#"{"type":"object"}"#);
    let format = OutputFormat::Schema { name: None, description: Some(Text::of("d")), schema, strict: None };
    let mut request = Request {
        output_format: Some(format),
        reasoning: Some(Reasoning { budget_tokens: Some(5_000), ..Reasoning::default() }),
        service_tier: Some(Text::of("standard_only")),
        sampling: Sampling { top_k: Some("5"), ..Sampling::default() },
        tool_choice: Some(ToolChoice::Required),
        parallel_tool_calls: Some(true),
        logprobs: Some(0),
        ..Request::default()
    };
    let expected = [
        r#"{"model":"gpt-5","messages":[],"#,
        r#""response_format":{"type":"json_schema","json_schema":{"name":"answer","description":"d","schema":{"type":"object"}}},"#,
        r#""reasoning_effort":"medium","logprobs":true,"service_tier":"default"}"#,
    ];
    assert_eq!(write(&request), expected.concat());
    request = Request {
        tools: vec![Tool {
            name: Text::of("f"),
            description: None,
            parameters: None,
            strict: None,
            cache_control: Some(schema),
        }],
        reasoning: Some(Reasoning { budget_tokens: Some(-1), ..Reasoning::default() }),
        service_tier: Some(Text::of("a vendor's own")),
        ..request
    };
    request.output_format = None;
    request.logprobs = None;
    let expected = r#"{"model":"gpt-5","messages":[],"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"required","parallel_tool_calls":true}"#;
    assert_eq!(write(&request), expected);
}

#[test]
fn what_cannot_be_said_is_refused() {
    let target = Target { model: "m", output_tokens: None, reasoning: None };
    let parts = |kind| vec![Part::text(Text::of("a")), Part::new(kind)];
    for kind in [
        PartKind::Image { source: base64("text/html", "PGI"), detail: None },
        PartKind::Audio(base64("application/ogg", "T2dn")),
    ] {
        let request = Request { turns: vec![user(parts(kind.clone()))], ..Request::default() };
        let failure = write_request(&request, &target).expect_err("no such type");
        assert!(failure.param.is_some_and(|param| param.starts_with("messages.content")), "{kind:?}");
    }
    let mp3 = PartKind::Audio(base64("audio/mpeg", "SUQz"));
    let written = write(&Request { turns: vec![user(parts(mp3))], ..Request::default() });
    assert!(written.contains(r#""input_audio":{"data":"SUQz","format":"mp3"}"#), "{written}");
}

#[test]
fn thoughts_of_vendors_that_want_them_go_back_with_calls() {
    let thought = |text: &str, proof: &str| Part {
        signature: Some(Text::of(proof)),
        ..Part::new(PartKind::Thinking(Text::of(text)))
    };
    let call = |id: &str| {
        let arguments = Arguments::Text(Text::of("{}"));
        Part::new(PartKind::ToolCall { id: Text::of(id), name: Text::of("f"), arguments })
    };
    let written = |turns: Vec<Vec<Part<'static>>>| {
        let turn = |role, parts| Turn { role, name: None, parts };
        let asks = || turn(Role::User, vec![Part::text(Text::of("u"))]);
        let turns = turns.into_iter().flat_map(|parts| [asks(), turn(Role::Assistant, parts)]).collect();
        let target = Target { model: "m", output_tokens: None, reasoning: None };
        let written = write_request(&Request { turns, ..Request::default() }, &target).expect("a request");
        let written: serde_json::Value = serde_json::from_slice(&written).expect("JSON");
        let messages = written["messages"].as_array().expect("messages").clone();
        let said = messages.iter().filter(|message| message["role"] == "assistant");
        said.map(|message| message["reasoning_content"].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    let own = "chat:reasoning_content";
    let words = || Part::text(Text::of("w"));
    let some = |text: &str| Some(text.to_owned());
    // One that has none says so, or the vendor refuses the history; foreign thoughts stay behind.
    let history = vec![
        vec![thought("a", own), thought("b", own), call("1")],
        vec![thought("x", "anthropic:s"), call("2")],
        vec![thought("c", own), words()],
        vec![words()],
    ];
    assert_eq!(written(history), [some("a\n\nb"), some(""), some("c"), None]);
    // Without calls they are not wanted, and vendors that never gave any refuse the field.
    assert_eq!(written(vec![vec![thought("a", own), words()]]), [None]);
    assert_eq!(written(vec![vec![thought("x", "anthropic:s"), call("1")], vec![call("2")]]), [None, None]);
}

/// What a client of this format sends back of another's answer keeps its proof, and not the mark of this format.
#[test]
fn a_proof_counts_more_than_where_thoughts_stand() {
    let body = r#"{"model":"m","messages":[
        {"role":"assistant","content":"w","reasoning_content":"t","tool_calls":[{"id":"a~sig~thought=anthropic:s","type":"function","function":{"name":"f","arguments":"{}"}}]},
        {"role":"assistant","content":"w","reasoning_content":"t"},
        {"role":"assistant","content":"w","reasoning":"t"}]}"#;
    let request = read_request(View::read(body.as_bytes(), 16).expect("JSON")).expect("a request");
    let proofs: Vec<_> = request.turns.iter().map(|turn| turn.parts[0].signature.clone()).collect();
    assert_eq!(proofs, [Some(Text::of("anthropic:s")), Some(Text::of("chat:reasoning_content")), None]);
}
