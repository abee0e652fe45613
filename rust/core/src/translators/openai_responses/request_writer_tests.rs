use super::*;
use crate::json_view::View;
use crate::neutral::{Arguments, Part, ReasoningUnit, Role, Sampling, Source, Turn};
use crate::translators::openai_responses::frames_in_tests::view;

const TARGET: Target<'_> = Target { model: "gpt-x", output_tokens: None, reasoning: None };

fn written(request: &Request<'_>, target: &Target<'_>) -> String {
    String::from_utf8(write_request(request, target).expect("a request")).expect("UTF-8")
}

fn text(text: &str) -> Part<'static> {
    Part::text(Text::of(text))
}

fn turn(role: Role, parts: Vec<Part<'static>>) -> Turn<'static> {
    Turn { role, name: None, parts }
}

#[test]
fn a_conversation_of_another_dialect() {
    let arguments = Arguments::Object(view(r#"{"city": "Genève", "n":1.0}"#));
    let call = PartKind::ToolCall { id: Text::of("toolu_1"), name: Text::of("get"), arguments };
    let pdf = Source::Base64 { media_type: Text::of("application/pdf"), data: Text::of("JVBE") };
    let result = PartKind::ToolResult {
        id: Text::of("toolu_1"),
        name: None,
        is_error: true,
        content: vec![text("no"), Part::new(PartKind::Document { source: pdf, name: None })],
    };
    let foreign = Some(Text::of("anthropic:sig"));
    let plain = PartKind::Document { source: Source::Plain(Text::of("words")), name: Some(Text::of("Title")) };
    let png = Source::Base64 { media_type: Text::of("image/png"), data: Text::of("iV/B") };
    let request = Request {
        instructions: vec![text("a"), text("b")],
        turns: vec![
            turn(
                Role::User,
                vec![text("c"), Part::new(PartKind::Image { source: png, detail: None }), Part::new(plain)],
            ),
            turn(
                Role::Assistant,
                vec![
                    Part { signature: foreign, ..Part::new(PartKind::Thinking(Text::of("hm"))) },
                    text("d"),
                    Part::new(call),
                ],
            ),
            turn(Role::User, vec![Part::new(result), text("e\n")]),
        ],
        tools: vec![Tool {
            name: Text::of("get"),
            description: None,
            parameters: None,
            strict: None,
            cache_control: None,
        }],
        tool_choice: Some(ToolChoice::Among { names: vec![Text::of("get")], is_required: false }),
        max_output_tokens: Some(99),
        sampling: Sampling { temperature: Some("0.10"), ..Sampling::default() },
        service_tier: Some(Text::of("standard_only")),
        stream: true,
        ..Request::default()
    };
    let expected = concat!(
        r#"{"model":"gpt-x","input":[{"role":"system","content":[{"type":"input_text","text":"a"},"#,
        r#"{"type":"input_text","text":"b"}]},{"role":"user","content":[{"type":"input_text","text":"c"},"#,
        r#"{"type":"input_image","image_url":"data:image/png;base64,iV/B","detail":"auto"},"#,
        r#"{"type":"input_text","text":"Title\n\nwords"}]},{"role":"assistant","content":"d"},"#,
        r#"{"type":"function_call","call_id":"toolu_1","name":"get","arguments":"{\"city\": \"Genève\", \"n\":1.0}"},"#,
        r#"{"type":"function_call_output","call_id":"toolu_1","output":[{"type":"input_text","text":"Error: no"},"#,
        r#"{"type":"input_file","file_data":"data:application/pdf;base64,JVBE","filename":"document.pdf"}]},"#,
        r#"{"role":"user","content":"e\n"}],"#,
        r#""tools":[{"type":"function","name":"get","parameters":{"type":"object","properties":{}},"strict":false}],"#,
        r#""tool_choice":{"type":"allowed_tools","mode":"auto","tools":[{"type":"function","name":"get"}]},"#,
        r#""max_output_tokens":99,"temperature":0.10,"store":false,"service_tier":"default","stream":true}"#,
    );
    assert_eq!(written(&request, &TARGET), expected);
}

#[test]
fn reasoning_comes_back_to_whom_it_belongs() {
    let thinking = |text: &str, signature: Option<&str>| Part {
        signature: signature.map(Text::of),
        ..Part::new(PartKind::Thinking(Text::of(text)))
    };
    let arguments = Arguments::Text(Text::of("{}"));
    let call = PartKind::ToolCall { id: Text::of("c"), name: Text::of("f"), arguments };
    let request = Request {
        turns: vec![turn(
            Role::Assistant,
            vec![
                thinking("a", None),
                thinking("b", Some("openai:rs_1:gA==")),
                text("c"),
                thinking("lost", None),
                text("d"),
                thinking("", Some("openai::gB")),
                Part { signature: Some(Text::of("openai:rs_2:gC")), ..Part::new(call) },
                Part::new(PartKind::RedactedThinking(Text::of("anthropic:r"))),
            ],
        )],
        ..Request::default()
    };
    let expected = concat!(
        r#"{"model":"gpt-x","input":[{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"a"},"#,
        r#"{"type":"summary_text","text":"b"}],"encrypted_content":"gA=="},"#,
        r#"{"role":"assistant","content":[{"type":"output_text","text":"c"},{"type":"output_text","text":"d"}]},"#,
        r#"{"type":"reasoning","summary":[],"encrypted_content":"gB"},"#,
        r#"{"type":"reasoning","id":"rs_2","summary":[],"encrypted_content":"gC"},"#,
        r#"{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}],"store":false}"#,
    );
    assert_eq!(written(&request, &TARGET), expected);
}

#[test]
fn thinking_is_asked_for_in_words() {
    const BOTH: &str = r#"["reasoning.encrypted_content","message.output_text.logprobs"]"#;
    let of = |reasoning: Option<Reasoning<'static>>, unit| {
        let request = Request { reasoning, logprobs: Some(2), ..Request::default() };
        let written = written(&request, &Target { reasoning: unit, ..TARGET });
        let view = view(&written);
        let raw = |name| view.get(name).map(|value| View::raw(value).to_owned());
        assert_eq!(raw("top_logprobs").as_deref(), Some("2"));
        (raw("reasoning"), raw("include").expect("logprobs"))
    };
    let budget = Reasoning { budget_tokens: Some(5_000), includes_thoughts: Some(true), ..Reasoning::default() };
    let expected = Some(r#"{"effort":"medium","summary":"auto"}"#.to_owned());
    assert_eq!(of(Some(budget), None), (expected, BOTH.to_owned()));
    let effort = Reasoning { effort: Some(Effort::ExtraHigh), ..Reasoning::default() };
    assert_eq!(of(Some(effort), None).0.as_deref(), Some(r#"{"effort":"xhigh"}"#));
    let as_it_sees_fit = Reasoning { budget_tokens: Some(-1), ..Reasoning::default() };
    assert_eq!(of(Some(as_it_sees_fit), None).0, None);
    assert_eq!(of(None, Some(ReasoningUnit::Words)), (None, BOTH.to_owned()));
    assert_eq!(of(None, None).1, r#"["message.output_text.logprobs"]"#);
}
