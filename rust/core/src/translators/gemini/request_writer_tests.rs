use super::*;
use crate::json_view::View;
use crate::neutral::{Arguments, Part, Role, Source, Turn};

const TARGET: Target<'static> = Target { model: "m", output_tokens: None, reasoning: None };

fn turn(role: Role, parts: Vec<Part<'static>>) -> Turn<'static> {
    Turn { role, name: None, parts }
}

fn text(words: &str) -> Part<'static> {
    Part::text(Text::of(words))
}

fn call(id: &str, arguments: &str) -> Part<'static> {
    let arguments = Arguments::Text(Text::of(arguments));
    Part::new(PartKind::ToolCall { id: Text::of(id), name: Text::of(&format!("f_{id}")), arguments })
}

fn result(id: &str, is_error: bool, content: Vec<Part<'static>>) -> Part<'static> {
    Part::new(PartKind::ToolResult { id: Text::of(id), name: None, is_error, content })
}

fn image(url: &str) -> Part<'static> {
    Part::new(PartKind::Image { source: Source::Url { url: Text::of(url), media_type: None }, detail: None })
}

fn signed(signature: &str, part: Part<'static>) -> Part<'static> {
    Part { signature: Some(Text::of(signature)), ..part }
}

fn thoughts(words: &str) -> Part<'static> {
    Part::new(PartKind::Thinking(Text::of(words)))
}

fn written(turns: Vec<Turn<'static>>, target: &Target<'_>) -> Result<String, Failure> {
    let request = Request { turns, ..Request::default() };
    let written = write_request(&request, target)?;
    Ok(String::from_utf8(written).expect("UTF-8"))
}

fn contents(turns: Vec<Turn<'static>>) -> String {
    let written = written(turns, &TARGET).expect("writable");
    written.strip_prefix(r#"{"contents":"#).and_then(|it| it.strip_suffix('}')).expect("contents alone").to_owned()
}

#[test]
fn a_request_to_the_byte() {
    let schema = br#"{"type":"object", "properties":{}}"#;
    let schema = View::read(schema, 8).expect("a schema");
    let request = Request {
        instructions: vec![text("Be \"brief\".")],
        turns: vec![turn(Role::User, vec![text("Hi \u{e9}")])],
        tools: vec![Tool {
            name: Text::of("f"),
            description: Some(Text::of("does")),
            parameters: Some(schema),
            strict: Some(true),
            cache_control: None,
        }],
        tool_choice: Some(ToolChoice::Tool(Text::of("f"))),
        output_format: Some(OutputFormat::Schema { name: None, description: None, schema, strict: None }),
        max_output_tokens: Some(99),
        sampling: crate::neutral::Sampling { temperature: Some("1.0"), top_k: Some("4"), ..Default::default() },
        stop: vec![Text::of("END")],
        choices: Some(1),
        logprobs: Some(2),
        reasoning: Some(Reasoning { effort: Some(Effort::Low), includes_thoughts: Some(true), ..Default::default() }),
        ..Request::default()
    };
    let written = write_request(&request, &TARGET).expect("writable");
    assert_eq!(
        String::from_utf8_lossy(&written),
        concat!(
            r#"{"systemInstruction":{"parts":[{"text":"Be \"brief\"."}]},"#,
            r#""contents":[{"role":"user","parts":[{"text":"Hi é"}]}],"#,
            r#""tools":[{"functionDeclarations":[{"name":"f","description":"does","#,
            r#""parametersJsonSchema":{"type":"object", "properties":{}}}]}],"#,
            r#""toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}},"#,
            r#""generationConfig":{"temperature":1.0,"topK":4,"maxOutputTokens":99,"stopSequences":["END"],"#,
            r#""responseMimeType":"application/json","responseJsonSchema":{"type":"object", "properties":{}},"#,
            r#""responseLogprobs":true,"logprobs":2,"#,
            r#""thinkingConfig":{"thinkingBudget":4096,"includeThoughts":true}}}"#
        )
    );
}

#[test]
fn turns_alternate_and_results_stand_together() {
    let turns = vec![
        turn(Role::User, vec![text("a")]),
        turn(Role::System, vec![text("b")]),
        turn(Role::Assistant, vec![text(""), call("1", r#"{"x": 1.0}"#)]),
        turn(Role::Assistant, vec![call("2", "")]),
        turn(
            Role::User,
            vec![result("1", false, vec![text("one"), image("data:image/png;base64,YQ=="), text("more")])],
        ),
        turn(Role::User, vec![result("2", true, vec![text(r#" {"no":1}"#)]), text("go on")]),
        turn(Role::Assistant, vec![text("")]),
        turn(Role::User, vec![text("")]),
    ];
    assert_eq!(
        contents(turns),
        concat!(
            r#"[{"role":"user","parts":[{"text":"a"},{"text":"b"}]},"#,
            r#"{"role":"model","parts":[{"functionCall":{"id":"1","name":"f_1","args":{"x": 1.0}}},"#,
            r#"{"functionCall":{"id":"2","name":"f_2","args":{}}}]},"#,
            r#"{"role":"user","parts":[{"functionResponse":{"id":"1","name":"f_1","response":{"result":"one\nmore"}}},"#,
            r#"{"functionResponse":{"id":"2","name":"f_2","response":{"error":{"no":1}}}},"#,
            r#"{"inlineData":{"mimeType":"image/png","data":"YQ=="}},{"text":"go on"},{"text":""}]}]"#
        )
    );
}

#[test]
fn results_are_objects_or_within_one() {
    let response = |is_error, words: &str| {
        let turns = vec![
            turn(Role::Assistant, vec![call("1", "{}")]),
            turn(Role::User, vec![result("1", is_error, vec![text(words)])]),
        ];
        contents(turns).split_once(r#""response":"#).expect("a response").1.trim_end_matches("}}]}]").to_owned()
    };
    assert_eq!(response(false, r#"{"a":[1]}"#), r#"{"a":[1]}"#);
    assert_eq!(response(false, "[1]"), r#"{"result":"[1]"}"#);
    assert_eq!(response(true, "no"), r#"{"error":"no"}"#);
    assert_eq!(response(false, r#"{"a":1"#), r#"{"result":"{\"a\":1"}"#);
}

#[test]
fn signatures_go_back_to_what_they_came_with_and_to_nobody_else() {
    let turns = vec![turn(
        Role::Assistant,
        vec![
            signed("gemini:AA", thoughts("hm")),
            signed("anthropic:BB", text("a")),
            signed("gemini:CC", thoughts("")),
            call("1", "{}"),
            signed("gemini:DD", call("2", "{}")),
            signed("openai:EE", Part::new(PartKind::RedactedThinking(Text::of("openai:FF")))),
            signed("gemini:GG", thoughts("")),
        ],
    )];
    assert_eq!(
        contents(turns),
        concat!(
            r#"[{"role":"model","parts":[{"text":"a","thoughtSignature":"AA"},"#,
            r#"{"functionCall":{"id":"1","name":"f_1","args":{}},"thoughtSignature":"CC"},"#,
            r#"{"functionCall":{"id":"2","name":"f_2","args":{}},"thoughtSignature":"DD"},"#,
            r#"{"text":"","thoughtSignature":"GG"}]}]"#
        )
    );
    // A signature of one turn is none of the next.
    let turns = vec![
        turn(Role::Assistant, vec![signed("gemini:AA", thoughts(""))]),
        turn(Role::User, vec![text("x")]),
        turn(Role::Assistant, vec![text("y")]),
    ];
    assert_eq!(
        contents(turns),
        concat!(
            r#"[{"role":"model","parts":[{"text":"","thoughtSignature":"AA"}]},"#,
            r#"{"role":"user","parts":[{"text":"x"}]},{"role":"model","parts":[{"text":"y"}]}]"#
        )
    );
}

#[test]
fn calls_of_other_models_get_the_stand_in_where_it_is_asked_for() {
    let turns = || vec![turn(Role::Assistant, vec![text("a"), call("1", "{}"), call("2", "{}")])];
    let words = Target { reasoning: Some(ReasoningUnit::Words), ..TARGET };
    let stand_ins = |target| written(turns(), target).expect("writable").matches("c2tpcF90aG91Z2h0").count();
    assert_eq!((stand_ins(&words), stand_ins(&TARGET)), (1, 0));
    let own = vec![turn(Role::Assistant, vec![signed("gemini:AA", call("1", "{}")), call("2", "{}")])];
    assert!(!written(own, &words).expect("writable").contains("c2tpcF90aG91Z2h0"));
}

#[test]
fn what_cant_be_said_is_named() {
    let refused =
        |parts: Vec<Part<'static>>| written(vec![turn(Role::Assistant, parts)], &TARGET).expect_err("refused").message;
    assert!(refused(vec![call("c7", "[1]")]).contains("arguments of the tool call c7"));
    assert!(refused(vec![call("c7", r#"{"a":"#)]).contains("c7"));
    assert!(refused(vec![result("c8", false, vec![])]).contains("c8"));
    for url in ["data:image/png,abc", "data:", "data:;base64,YQ=="] {
        assert!(refused(vec![image(url)]).contains("data URL"), "{url}");
    }
}

#[test]
fn media_at_addresses_and_in_place() {
    let base64 = Source::Base64 { media_type: Text::of("wav"), data: Text::of("YQ==") };
    let parts = vec![
        image("https://a.example/b.PNG?c"),
        image("https://a.example/b"),
        Part::new(PartKind::Audio(base64)),
        Part::new(PartKind::Document { source: Source::Plain(Text::of("words")), name: None }),
    ];
    assert_eq!(
        contents(vec![turn(Role::User, parts)]),
        concat!(
            r#"[{"role":"user","parts":[{"fileData":{"mimeType":"image/png","fileUri":"https://a.example/b.PNG?c"}},"#,
            r#"{"fileData":{"fileUri":"https://a.example/b"}},"#,
            r#"{"inlineData":{"mimeType":"audio/wav","data":"YQ=="}},{"text":"words"}]}]"#
        )
    );
}

#[test]
fn instructions_alone_are_what_the_user_says() {
    let request = Request { instructions: vec![text("a")], ..Request::default() };
    let written = write_request(&request, &TARGET).expect("writable");
    assert_eq!(String::from_utf8_lossy(&written), r#"{"contents":[{"role":"user","parts":[{"text":"a"}]}]}"#);
}

#[test]
fn thinking_in_words_and_in_tokens() {
    let thinking = |reasoning: Reasoning<'static>, unit| {
        let request = Request { reasoning: Some(reasoning), ..Request::default() };
        let written = write_request(&request, &Target { reasoning: unit, ..TARGET }).expect("writable");
        let written: serde_json::Value = serde_json::from_slice(&written).expect("JSON");
        written["generationConfig"]["thinkingConfig"].to_string()
    };
    let effort = |effort| Reasoning { effort: Some(effort), ..Reasoning::default() };
    let budget = |tokens| Reasoning { budget_tokens: Some(tokens), ..Reasoning::default() };
    let words = Some(ReasoningUnit::Words);
    assert_eq!(thinking(effort(Effort::None), words), r#"{"thinkingLevel":"MINIMAL"}"#);
    assert_eq!(thinking(effort(Effort::Max), words), r#"{"thinkingLevel":"HIGH"}"#);
    assert_eq!(thinking(budget(5_000), words), r#"{"thinkingLevel":"MEDIUM"}"#);
    assert_eq!(thinking(budget(-1), words), "null");
    assert_eq!(thinking(effort(Effort::Max), Some(ReasoningUnit::Tokens)), r#"{"thinkingBudget":24576}"#);
    assert_eq!(thinking(budget(-1), None), r#"{"thinkingBudget":-1}"#);
    let silent = Reasoning { includes_thoughts: Some(true), ..effort(Effort::None) };
    assert_eq!(thinking(silent, None), r#"{"thinkingBudget":0}"#);
    let summary = Reasoning { summary: Some(Text::of("auto")), ..Reasoning::default() };
    assert_eq!(thinking(summary, None), r#"{"includeThoughts":true}"#);
}
