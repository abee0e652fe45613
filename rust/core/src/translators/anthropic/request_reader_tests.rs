use proptest::prelude::*;

use super::super::testing::{any_object, any_request, target, view};
use super::super::write_request;
use super::*;
use crate::json_view::Text;
use crate::neutral::{Arguments, Format, ReasoningUnit, Source, check};

fn read(text: &str) -> Request<'_> {
    read_request(view(text)).expect(text)
}

fn content(blocks: &str) -> String {
    format!(r#"{{"model":"m","messages":[{{"role":"assistant","content":[{blocks}]}}]}}"#)
}

#[test]
fn a_whole_request() {
    let text = r#"{"model":"m","max_tokens":9,"system":"s","stream":true,"temperature":0.50,"top_p":1,"top_k":3,
        "stop_sequences":["x\n"],"metadata":{"user_id":"u","a":1},"service_tier":"auto","speed":"fast","seed":null,
        "thinking":{"type":"enabled","budget_tokens":2048},
        "output_config":{"effort":"xhigh","format":{"type":"json_schema","schema":{"type":"object"}},"task_budget":{}},
        "tools":[{"name":"f","input_schema":{"b":1},"description":"d","strict":true,"cache_control":{"type":"ephemeral"}},
                 {"type":"custom","name":"g","input_schema":{},"defer_loading":true},
                 {"type":"web_search_20250305","name":"web_search"}],
        "tool_choice":{"type":"tool","name":"f","disable_parallel_tool_use":true},
        "messages":[{"role":"user","content":"hi"},{"role":"system","content":[{"type":"text","text":"now"}]}]}"#;
    let request = read(text);
    assert_eq!((request.model.escaped(), request.max_output_tokens, request.stream), ("m", Some(9), true));
    assert_eq!(request.sampling.temperature, Some("0.50"));
    assert_eq!((request.sampling.top_p, request.sampling.top_k), (Some("1"), Some("3")));
    assert_eq!(request.instructions, [Part::text(Text::of("s"))]);
    assert_eq!(request.stop, [Text::of("x\n")]);
    assert_eq!(request.user, Some(Text::of("u")));
    let reasoning = request.reasoning.as_ref().expect("thinking");
    assert_eq!((reasoning.budget_tokens, reasoning.effort), (Some(2048), Some(Effort::ExtraHigh)));
    assert_eq!(reasoning.includes_thoughts, Some(true));
    let names: Vec<_> = request.tools.iter().map(|tool| (tool.name.escaped().to_owned(), tool.strict)).collect();
    assert_eq!(names, [("f".to_owned(), Some(true)), ("g".to_owned(), None)]);
    assert_eq!(request.tools[0].parameters.map(View::raw), Some(r#"{"b":1}"#));
    assert_eq!(request.tool_choice, Some(ToolChoice::Tool(Text::of("f"))));
    assert_eq!(request.parallel_tool_calls, Some(false));
    assert!(matches!(request.output_format, Some(OutputFormat::Schema { .. })));
    assert_eq!(request.turns.iter().map(|turn| turn.role).collect::<Vec<_>>(), [Role::User, Role::System]);
    let unexpressed: Vec<_> = request.unexpressed.iter().map(|one| (one.name.as_ref(), one.is_essential)).collect();
    let expected = [
        ("speed", false),
        ("tools.defer_loading", false),
        ("tools.web_search_20250305", true),
        ("metadata.a", false),
        ("output_config.task_budget", false),
    ];
    assert_eq!(unexpressed, expected);
}

#[test]
fn habits_of_clients_never_fail() {
    let text = r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}],"cache_control":{"type":"ephemeral"},
        "service_tier":"auto","metadata":{"user_id":"u"},"stop_sequences":[],"tools":[],"unheard_of":1,"top_k":null}"#;
    for to in [Format::OpenaiChat, Format::OpenaiResponses, Format::Gemini] {
        let losses = check(&read(text), Format::Anthropic, to).expect("never");
        assert!(losses.iter().any(|loss| loss == "unheard_of"), "{losses:?}");
    }
    for essential in ["container", "context_management", "mcp_servers", "inference_geo"] {
        let text = format!(r#"{{"model":"m","messages":[],"{essential}":"x"}}"#);
        assert!(check(&read(&text), Format::Anthropic, Format::OpenaiChat).is_err(), "{essential}");
    }
}

#[test]
fn blocks_of_every_type() {
    let blocks = r#"{"type":"text","text":"a\u00e9","cache_control":{"type":"ephemeral","ttl":"1h"}},
        {"type":"image","source":{"type":"base64","media_type":"image/png","data":"eA=="}},
        {"type":"image","source":{"type":"file","file_id":"file_1"}},
        {"type":"document","title":"t","source":{"type":"text","media_type":"text/plain","data":"p"},"citations":{"enabled":true}},
        {"type":"document","source":{"type":"content","content":[{"type":"text","text":"p"},{"type":"text","text":"q"}]}},
        {"type":"document","source":{"type":"url","url":"https://a/b.pdf"},"citations":{"enabled":true}},
        {"type":"thinking","thinking":"t","signature":"s"},{"type":"redacted_thinking","data":"r"},
        {"type":"tool_use","id":"i","name":"n","input":{ "x" : 1.0 }},
        {"type":"tool_result","tool_use_id":"i","is_error":true,"content":"no"},
        {"type":"tool_result","tool_use_id":"i"}"#;
    let text = content(blocks);
    let request = read(&text);
    let parts = &request.turns[0].parts;
    assert_eq!(parts[0].cache_control.map(View::raw), Some(r#"{"type":"ephemeral","ttl":"1h"}"#));
    let PartKind::Text { text, .. } = &parts[0].kind else { panic!("{:?}", parts[0]) };
    assert_eq!(text.escaped(), r"a\u00e9");
    let image = Source::Base64 { media_type: Text::of("image/png"), data: Text::of("eA==") };
    assert_eq!(parts[1].kind, PartKind::Image { source: image, detail: None });
    assert_eq!(parts[2].kind, PartKind::Image { source: Source::File(Text::of("file_1")), detail: None });
    let document = |source, name| PartKind::Document { source, name };
    assert_eq!(parts[3].kind, document(Source::Plain(Text::of("p")), Some(Text::of("t"))));
    assert_eq!(parts[4].kind, document(Source::Plain(Text::of("p\nq")), None));
    assert_eq!(parts[5].kind, document(Source::Url { url: Text::of("https://a/b.pdf"), media_type: None }, None));
    assert_eq!((&parts[6].kind, &parts[6].signature), (&PartKind::Thinking(Text::of("t")), &Some(Text::of("s"))));
    assert_eq!(parts[7].kind, PartKind::RedactedThinking(Text::of("r")));
    let PartKind::ToolCall { arguments: Arguments::Object(input), .. } = parts[8].kind else {
        panic!("{:?}", parts[8])
    };
    assert_eq!(input.raw(), r#"{ "x" : 1.0 }"#);
    let result = |is_error, content| PartKind::ToolResult { id: Text::of("i"), name: None, is_error, content };
    assert_eq!(parts[9].kind, result(true, vec![Part::text(Text::of("no"))]));
    assert_eq!(parts[10].kind, result(false, vec![]));
    assert_eq!(request.unexpressed.len(), 1, "{:?}", request.unexpressed);
    for only_here in ["server_tool_use", "web_search_tool_result", "container_upload", "search_result"] {
        let text = content(&format!(r#"{{"type":"{only_here}","id":"a"}}"#));
        let unexpressed = &read(&text).unexpressed;
        assert_eq!(unexpressed[0].name, format!("messages.content.{only_here}"));
        assert!(unexpressed[0].is_essential);
    }
}

#[test]
fn proofs_of_other_providers_go_back_to_their_parts() {
    let signatures = |blocks: &str| {
        let text = content(blocks);
        let request = read(&text);
        let of = |part: &Part<'_>| part.signature.as_ref().map_or(String::new(), |one| one.escaped().to_owned());
        let parts: Vec<_> = request.turns[0].parts.iter().map(of).collect();
        parts.join(",")
    };
    let proof = |signature: &str| format!(r#"{{"type":"thinking","thinking":"","signature":"{signature}"}}"#);
    let call = r#"{"type":"tool_use","id":"i","name":"n","input":{}}"#;
    let words = r#"{"type":"text","text":"a"}"#;
    let (a, b) = (proof("gemini:a"), proof("gemini:b"));
    assert_eq!(signatures(&format!("{a},{call},{call},{b},{call}")), "gemini:a,,gemini:b");
    assert_eq!(signatures(&format!("{words},{a}")), "gemini:a");
    assert_eq!(signatures(&format!("{words},{a},{b},{call}")), "gemini:a,gemini:b");
    assert_eq!(signatures(&a), "gemini:a");
    // Thoughts that are not shown are thoughts.
    assert_eq!(signatures(&format!("{},{call}", proof("c"))), "c,");
    assert_eq!(signatures(&format!("{},{call}", proof("openai:c"))), "openai:c,");
}

#[test]
fn thinking_in_other_words() {
    let of = |thinking: &str| {
        let text = format!(r#"{{"model":"m","messages":[],"thinking":{thinking}}}"#);
        let reasoning = read(&text).reasoning.expect("thinking");
        (reasoning.budget_tokens, reasoning.includes_thoughts)
    };
    assert_eq!(of(r#"{"type":"disabled"}"#), (Some(0), None));
    assert_eq!(of(r#"{"type":"adaptive"}"#), (Some(-1), None));
    assert_eq!(of(r#"{"type":"adaptive","display":"summarized"}"#), (Some(-1), Some(true)));
    assert_eq!(of(r#"{"type":"enabled","budget_tokens":1024,"display":"omitted"}"#), (Some(1024), Some(false)));
}

#[test]
fn faults_name_their_field() {
    for (text, param) in [
        (r#"{"messages":[]}"#.to_owned(), "model"),
        (r#"{"model":"m"}"#.to_owned(), "messages"),
        (r#"{"model":"m","messages":{}}"#.to_owned(), "messages"),
        (r#"{"model":"m","messages":[{"role":"tool","content":"a"}]}"#.to_owned(), "messages.role"),
        (r#"{"model":"m","messages":[{"role":"user"}]}"#.to_owned(), "messages.content"),
        (r#"{"model":"m","messages":[],"max_tokens":-1}"#.to_owned(), "max_tokens"),
        (r#"{"model":"m","messages":[],"temperature":"hot"}"#.to_owned(), "temperature"),
        (r#"{"model":"m","messages":[],"stop_sequences":"x"}"#.to_owned(), "stop_sequences"),
        (r#"{"model":"m","messages":[],"stop_sequences":[7]}"#.to_owned(), "stop_sequences"),
        (r#"{"model":"m","messages":[],"system":7}"#.to_owned(), "system"),
        (r#"{"model":"m","messages":[],"tool_choice":{"type":"all"}}"#.to_owned(), "tool_choice.type"),
        (r#"{"model":"m","messages":[],"tools":[{"input_schema":{}}]}"#.to_owned(), "tools.name"),
        (r#"{"model":"m","messages":[],"thinking":{"type":"enabled"}}"#.to_owned(), "thinking.budget_tokens"),
        (r#"{"model":"m","messages":[],"output_config":{"effort":"huge"}}"#.to_owned(), "output_config.effort"),
        (content(r#"{"type":"hologram"}"#), "messages.content.type"),
        (content(r#"{"type":"text"}"#), "messages.content.text"),
        (content(r#"{"type":"image"}"#), "messages.content.source"),
        (content(r#"{"type":"image","source":{"type":"magic"}}"#), "messages.content.source.type"),
        (content(r#"{"type":"tool_use","id":"i","name":"n","input":[]}"#), "messages.content.input"),
        (content(r#"{"type":"tool_result","content":"a"}"#), "messages.content.tool_use_id"),
    ] {
        assert_eq!(read_request(view(&text)).expect_err(&text).param, Some(param), "{text}");
    }
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(object in any_object(), request in any_request()) {
        for text in [object.to_string(), request.to_string()] {
            let Ok(request) = read_request(view(&text)) else { continue };
            for unit in [None, Some(ReasoningUnit::Words), Some(ReasoningUnit::Tokens)] {
                if let Ok(written) = write_request(&request, &target(unit)) {
                    let written: Result<serde_json::Value, _> = serde_json::from_slice(&written);
                    prop_assert!(written.is_ok(), "{text}");
                }
            }
        }
    }
}
