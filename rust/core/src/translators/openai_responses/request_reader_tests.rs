use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::json_view::Text;
use crate::neutral::{Arguments, PartKind, Role, Source};
use crate::translators::openai_responses::frames_in_tests::{any_json, view};

fn unexpressed(request: &Request<'_>) -> Vec<(String, bool)> {
    request.unexpressed.iter().map(|one| (one.name.to_string(), one.is_essential)).collect()
}

#[test]
fn a_conversation_becomes_turns() {
    let body = r#"{"model":"m","instructions":"a","input":[
        {"role":"developer","content":"b"},
        {"role":"user","content":[{"type":"input_text","text":"c\u0021"},
            {"type":"input_image","image_url":"data:image\/png;base64,iV\/B","detail":"low"},
            {"type":"input_image","image_url":"https://x/y.png"},
            {"type":"input_file","file_id":"file-1"},
            {"type":"input_audio","input_audio":{"data":"AA==","format":"mp3"}}]},
        {"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"d"},{"type":"summary_text","text":"e"}],
            "encrypted_content":"anthropic:s"},
        {"type":"message","id":"msg_1","role":"assistant","status":"completed","content":[
            {"type":"output_text","text":"f","annotations":[]},{"type":"refusal","refusal":"g"}]},
        {"type":"reasoning","id":"rs_2","summary":[],"encrypted_content":"redacted:anthropic:r"},
        {"type":"function_call","id":"fc_1","call_id":"call_1","name":"h","arguments":"{\"i\" : 1}","status":"completed"},
        {"type":"function_call","call_id":"call_2","name":"h","arguments":""},
        {"type":"function_call_output","call_id":"call_1","output":"j"},
        {"type":"function_call_output","call_id":"call_2","status":"incomplete","output":[{"type":"input_text","text":"k"}]},
        {"role":"user","content":"l"},
        {"role":"system","content":"m"}]}"#;
    let request = read_request(view(body)).expect("a request");
    let text = |text: &'static str| Part::text(Text::of(text));
    assert_eq!(request.instructions, [text("a"), text("b")]);
    let turns: Vec<_> = request.turns.iter().map(|turn| (turn.role, turn.parts.clone())).collect();
    let image = |source, detail| PartKind::Image { source, detail };
    let base64 = |kind, data| Source::Base64 { media_type: Text::of(kind), data: Text::of(data) };
    let c = view(r#"{"text":"c\u0021"}"#).get("text").and_then(View::text).expect("a text");
    let user = vec![
        Part::text(c),
        Part::new(image(base64("image/png", "iV/B"), Some(Text::of("low")))),
        Part::new(image(Source::Url { url: Text::of("https://x/y.png"), media_type: None }, None)),
        Part::new(PartKind::Document { source: Source::File(Text::of("file-1")), name: None }),
        Part::new(PartKind::Audio(base64("audio/mpeg", "AA=="))),
    ];
    let call = |id, arguments| {
        let arguments = Arguments::Text(Text::of(arguments));
        Part::new(PartKind::ToolCall { id: Text::of(id), name: Text::of("h"), arguments })
    };
    let signature = Some(Text::of("anthropic:s"));
    let model = vec![
        Part::new(PartKind::Thinking(Text::of("d"))),
        Part { signature, ..Part::new(PartKind::Thinking(Text::of("e"))) },
        text("f"),
        Part::new(PartKind::Refusal(Text::of("g"))),
        Part::new(PartKind::RedactedThinking(Text::of("anthropic:r"))),
        call("call_1", r#"{"i" : 1}"#),
        call("call_2", ""),
    ];
    let result = |id, is_error, content| {
        Part::new(PartKind::ToolResult { id: Text::of(id), name: None, is_error, content: vec![text(content)] })
    };
    let expected = [
        (Role::User, user),
        (Role::Assistant, model),
        (Role::User, vec![result("call_1", false, "j"), result("call_2", true, "k")]),
        (Role::User, vec![text("l")]),
        (Role::System, vec![text("m")]),
    ];
    assert_eq!(turns, expected);
    assert_eq!(unexpressed(&request), []);
}

#[test]
fn fields_and_what_they_ask() {
    let body = r#"{"model":"m","input":"a","stream":true,"max_output_tokens":7,"temperature":0.50,"top_p":1,
        "parallel_tool_calls":false,"user":"u","safety_identifier":"s","metadata":{"k":"v"},"service_tier":"flex",
        "reasoning":{"effort":"high","summary":"detailed","context":"all_turns"},"include":["message.output_text.logprobs",
        "reasoning.encrypted_content","web_search_call.action.sources"],"top_logprobs":3,"store":true,"truncation":"disabled",
        "background":false,"previous_response_id":null,"prompt_cache_key":"p","text":{"verbosity":"low","format":
        {"type":"json_schema","name":"n","schema":{"type":"object"},"strict":true}},"tool_choice":{"type":"allowed_tools",
        "mode":"required","tools":[{"type":"function","name":"t"}]},"tools":[{"type":"function","name":"t","parameters":
        {"type" : "object"},"strict":false,"defer_loading":true,"description":null},{"type":"web_search"}]}"#;
    let request = read_request(view(body)).expect("a request");
    let tool = &request.tools[0];
    assert_eq!(
        (request.tools.len(), tool.parameters.map(View::raw), tool.strict, tool.description.clone()),
        (1, Some(r#"{"type" : "object"}"#), Some(false), None)
    );
    let choice = ToolChoice::Among { names: vec![Text::of("t")], is_required: true };
    assert_eq!((request.tool_choice.clone(), request.parallel_tool_calls), (Some(choice), Some(false)));
    assert_eq!((request.sampling.temperature, request.sampling.top_p), (Some("0.50"), Some("1")));
    assert_eq!((request.stream, request.max_output_tokens, request.logprobs), (true, Some(7), Some(3)));
    let reasoning = request.reasoning.clone().expect("reasoning");
    assert_eq!((reasoning.effort, reasoning.includes_thoughts), (Some(Effort::High), Some(true)));
    assert_eq!((request.user.clone(), request.metadata.map(View::raw)), (Some(Text::of("u")), Some(r#"{"k":"v"}"#)));
    let format = OutputFormat::Schema {
        name: Some(Text::of("n")),
        description: None,
        schema: view(r#"{"type":"object"}"#),
        strict: Some(true),
    };
    assert_eq!(request.output_format, Some(format));
    let mut lost = unexpressed(&request);
    lost.sort();
    let expected = [
        ("include.web_search_call.action.sources", false),
        ("prompt_cache_key", false),
        ("reasoning.context", false),
        ("safety_identifier", false),
        ("store", false),
        ("text.verbosity", false),
        ("tools.defer_loading", false),
        ("tools.web_search", true),
    ];
    assert_eq!(lost, expected.map(|(name, is_essential)| (name.to_owned(), is_essential)));
}

#[test]
fn what_only_this_dialect_has_is_essential_where_it_shapes_the_answer() {
    for (field, name) in [
        (r#""previous_response_id":"resp_1""#, "previous_response_id"),
        (r#""conversation":{"id":"c"}"#, "conversation"),
        (r#""prompt":{"id":"p"}"#, "prompt"),
        (r#""background":true"#, "background"),
        (r#""tool_choice":{"type":"mcp","server_label":"s"}"#, "tool_choice"),
        (r#""tools":[{"type":"custom","name":"c"}]"#, "tools.custom"),
        (r#""input":[{"type":"item_reference","id":"i"}]"#, "input.item_reference"),
        (r#""input":[{"id":"i"}]"#, "input.item_reference"),
        (r#""input":[{"type":"web_search_call","id":"w","status":"completed"}]"#, "input.web_search_call"),
    ] {
        let body = format!(r#"{{"model":"m",{field}}}"#);
        let request = read_request(view(&body)).expect("a request");
        assert_eq!(unexpressed(&request), [(name.to_owned(), true)], "{field}");
    }
    let body = r#"{"model":"m","top_logprobs":0,"input":[{"type":"reasoning","id":"rs_1","summary":[]}]}"#;
    let request = read_request(view(body)).expect("a request");
    assert_eq!((unexpressed(&request), request.logprobs), (vec![("input.reasoning".to_owned(), false)], None));
    assert!(request.turns.is_empty());
}

#[test]
fn a_field_of_the_wrong_kind_is_named() {
    for (fields, param) in [
        (r#""input":"a""#, "model"),
        (r#""model":7"#, "model"),
        (r#""model":"m","input":7"#, "input"),
        (r#""model":"m","input":["a"]"#, "input"),
        (r#""model":"m","input":[{"role":"user"}]"#, "input.content"),
        (r#""model":"m","input":[{"role":"robot","content":"a"}]"#, "input.role"),
        (r#""model":"m","input":[{"type":"robot_call"}]"#, "input.type"),
        (r#""model":"m","input":[{"role":"user","content":[{"type":"smell"}]}]"#, "input.content.type"),
        (r#""model":"m","input":[{"role":"user","content":[{"type":"input_text"}]}]"#, "input.content.text"),
        (
            r#""model":"m","input":[{"role":"user","content":[{"type":"input_image","image_url":"data:,x"}]}]"#,
            "input.content.image_url",
        ),
        (r#""model":"m","input":[{"role":"user","content":[{"type":"input_image"}]}]"#, "input.content.image_url"),
        (
            r#""model":"m","input":[{"type":"function_call","call_id":"c","name":"n","arguments":{}}]"#,
            "input.arguments",
        ),
        (r#""model":"m","input":[{"type":"function_call_output","output":"o"}]"#, "input.call_id"),
        (r#""model":"m","instructions":[]"#, "instructions"),
        (r#""model":"m","tools":{}"#, "tools"),
        (r#""model":"m","tools":[{"name":"t"}]"#, "tools"),
        (r#""model":"m","tools":[{"type":"function"}]"#, "tools.name"),
        (r#""model":"m","tool_choice":"any""#, "tool_choice"),
        (r#""model":"m","tool_choice":{"type":"function"}"#, "tool_choice.name"),
        (r#""model":"m","text":{"format":{"type":"xml"}}"#, "text.format.type"),
        (r#""model":"m","text":{"format":{"type":"json_schema"}}"#, "text.format.schema"),
        (r#""model":"m","reasoning":{"effort":"huge"}"#, "reasoning.effort"),
        (r#""model":"m","max_output_tokens":-1"#, "max_output_tokens"),
        (r#""model":"m","temperature":"hot""#, "temperature"),
        (r#""model":"m","stream":"yes""#, "stream"),
        (r#""model":"m","include":"all""#, "include"),
        (r#""model":"m","metadata":[]"#, "metadata"),
    ] {
        let body = format!("{{{fields}}}");
        let failure = read_request(view(&body)).expect_err(fields);
        assert_eq!(failure.param, Some(param), "{fields}");
    }
}

proptest! {
    #[test]
    fn no_json_makes_it_panic(mut body in any_json()) {
        body["model"] = json!("m");
        let body = body.to_string();
        if let Ok(request) = read_request(view(&body)) {
            let target = crate::neutral::Target { model: "m", output_tokens: None, reasoning: None };
            let written = super::super::write_request(&request, &target).expect("a request");
            // What was written is understood, and comes out the same.
            let again = read_request(view(std::str::from_utf8(&written).expect("UTF-8"))).expect("a request");
            let rewritten = super::super::write_request(&again, &target).expect("a request");
            prop_assert_eq!(String::from_utf8(rewritten), String::from_utf8(written.clone()));
        }
    }
}
