use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::json_view::View;
use crate::neutral::{Arguments, Part, PartKind, Role, Source};

fn with<T>(body: &str, look: impl FnOnce(Result<Request<'_>, Failure>) -> T) -> T {
    look(read_request(View::read(body.as_bytes(), 64).expect("JSON")))
}

fn refused(body: &str) -> Option<&'static str> {
    with(body, |read| read.expect_err(body).param)
}

/// What is unexpressed, and whether it is essential.
fn unexpressed(body: &str) -> Vec<(String, bool)> {
    with(body, |read| {
        let fields = read.expect(body).unexpressed;
        fields.into_iter().map(|field| (field.name.into_owned(), field.is_essential)).collect()
    })
}

#[test]
fn results_without_ids_find_their_calls() {
    let body = r#"{"contents":[
        {"parts":[{"text":"hi"}]},
        {"role":"model","parts":[{"functionCall":{"name":"f","args":{"a":1}}},{"functionCall":{"name":"g"}},
            {"function_call":{"name":"f","args":{"a":2}}}]},
        {"role":"function","parts":[{"functionResponse":{"name":"f","response":{"result":"one"}}},
            {"functionResponse":{"name":"f","response":{"error":"two"}}},
            {"functionResponse":{"name":"g","response":{"x":1}}},
            {"functionResponse":{"name":"h","response":{}}}]},
        {"role":"model","parts":[{"functionCall":{"id":"own","name":"f"}}]},
        {"role":"user","parts":[{"function_response":{"name":"f","response":{"result":"{\"y\":2}"}}}]}]}"#;
    with(body, |request| {
        let request = request.expect("a request");
        let roles: Vec<_> = request.turns.iter().map(|turn| turn.role).collect();
        assert_eq!(roles, [Role::User, Role::Assistant, Role::User, Role::Assistant, Role::User]);
        let calls = request.turns.iter().flat_map(|turn| &turn.parts).filter_map(|part| match &part.kind {
            PartKind::ToolCall { id, .. } => Some(id.escaped().to_owned()),
            _ => None,
        });
        assert_eq!(calls.collect::<Vec<_>>(), ["call_1_0", "call_1_1", "call_1_2", "own"]);
        let results = request.turns.iter().flat_map(|turn| &turn.parts).filter_map(|part| match &part.kind {
            PartKind::ToolResult { id, is_error, content, .. } => {
                let [Part { kind: PartKind::Text { text, .. }, .. }] = content.as_slice() else {
                    panic!("{content:?}")
                };
                Some((id.escaped().to_owned(), *is_error, text.decoded().expect("text").into_owned()))
            }
            _ => None,
        });
        let expected = [
            ("call_1_0", false, "one"),
            ("call_1_2", true, "two"),
            ("call_1_1", false, r#"{"x":1}"#),
            // No call of that name: the provider is the judge.
            ("call_2_3", false, "{}"),
            // An object within a text would come back as an object.
            ("own", false, r#"{"result":"{\"y\":2}"}"#),
        ];
        assert!(results.eq(expected.map(|(id, is_error, text)| (id.to_owned(), is_error, text.to_owned()))));
        let PartKind::ToolCall { arguments, .. } = &request.turns[1].parts[1].kind else { panic!("a call") };
        assert_eq!(arguments, &Arguments::Text(crate::json_view::Text::of("{}")));
    });
}

#[test]
fn media_go_by_their_type() {
    let body = r#"{"contents":{"parts":[
        {"inlineData":{"mimeType":"image/png","data":"a-b_"}},
        {"inline_data":{"mime_type":"audio/wav","data":"YQ=="}},
        {"inlineData":{"mimeType":"application/pdf","data":"YQ==","displayName":"n"}},
        {"fileData":{"fileUri":"https://a.example/b.mp4?c.png"}},
        {"fileData":{"fileUri":"https://youtu.be/x"}},
        {"fileData":{"fileUri":"https://a.example/b","mimeType":"image/webp"}},
        {"fileData":{"fileUri":"https://generativelanguage.googleapis.com/v1beta/files/x","mimeType":"image/webp"}}]}}"#;
    with(body, |request| {
        let parts = &request.expect("a request").turns[0].parts;
        let PartKind::Image { source: Source::Base64 { data, .. }, .. } = &parts[0].kind else { panic!("an image") };
        assert_eq!(data.escaped(), "a+b/");
        assert!(matches!(&parts[1].kind, PartKind::Audio(Source::Base64 { .. })));
        assert!(matches!(&parts[2].kind, PartKind::Document { name: Some(name), .. } if name.escaped() == "n"));
        assert!(matches!(&parts[3].kind, PartKind::Video(Source::Url { media_type: None, .. })));
        assert!(matches!(&parts[4].kind, PartKind::Video(Source::Url { .. })));
        assert!(matches!(&parts[5].kind, PartKind::Image { source: Source::Url { media_type: Some(_), .. }, .. }));
        assert!(matches!(&parts[6].kind, PartKind::Image { source: Source::File(_), .. }));
    });
}

#[test]
fn what_only_google_has_is_named() {
    let said = unexpressed(
        r#"{"contents":[{"parts":[{"executableCode":{"code":"1"},"thoughtSignature":"YQ=="},
            {"codeExecutionResult":{"outcome":"OUTCOME_OK"}},{"text":"a","media_resolution":{}}]}],
            "tools":[{"googleSearch":{}},{"code_execution":{}}],"cachedContent":"c","safetySettings":[],"labels":{},
            "unheard":1,"generationConfig":{"responseModalities":["TEXT","IMAGE"],"speechConfig":{},"topA":1},
            "toolConfig":{"functionCallingConfig":{"mode":"VALIDATED"},"retrievalConfig":{}}}"#,
    );
    let expected = [
        ("contents.parts.executableCode", true),
        ("contents.parts.codeExecutionResult", true),
        ("contents.parts.mediaResolution", false),
        ("tools.googleSearch", true),
        ("tools.codeExecution", true),
        ("cachedContent", true),
        ("safetySettings", false),
        ("labels", false),
        ("unheard", false),
        ("generationConfig.responseModalities", true),
        ("generationConfig.speechConfig", true),
        ("generationConfig.topA", false),
        ("toolConfig.functionCallingConfig.mode", false),
        ("toolConfig.retrievalConfig", false),
    ];
    assert_eq!(said, expected.map(|(name, is_essential)| (name.to_owned(), is_essential)));
    let habits = r#"{"generationConfig":{"candidateCount":1,"seed":1,"responseModalities":["text"],
        "responseMimeType":"text/plain"}}"#;
    assert_eq!(unexpressed(habits), []);
    assert_eq!(
        unexpressed(r#"{"generationConfig":{"responseMimeType":"text/x.enum","responseSchema":{}}}"#),
        [("generationConfig.responseMimeType".to_owned(), true)]
    );
}

#[test]
fn a_part_of_a_tool_at_google_leaves_nothing_behind() {
    with(
        r#"{"contents":[{"parts":[{"executableCode":{},"thoughtSignature":"YQ=="},{"thoughtSignature":"Yg=="}]}]}"#,
        |it| {
            let parts = &it.expect("a request").turns[0].parts;
            assert_eq!(parts.len(), 1);
            assert_eq!(parts[0].signature.as_ref().map(crate::json_view::Text::escaped), Some("Yg=="));
        },
    );
}

#[test]
fn what_is_of_the_wrong_kind_is_named() {
    for (body, param) in [
        (r#"{"contents":7}"#, "contents"),
        (r#"{"contents":[7]}"#, "contents"),
        (r#"{"contents":[{"role":"system","parts":[]}]}"#, "contents.role"),
        (r#"{"contents":[{"parts":["a"]}]}"#, "contents.parts"),
        (r#"{"contents":[{"parts":[{"text":7}]}]}"#, "contents.parts.text"),
        (r#"{"contents":[{"parts":[{"hologram":{}}]}]}"#, "contents.parts"),
        (r#"{"contents":[{"parts":[{"thought":1,"text":"a"}]}]}"#, "contents.parts.thought"),
        (r#"{"contents":[{"parts":[{"inlineData":{"data":"a"}}]}]}"#, "contents.parts.inlineData.mimeType"),
        (r#"{"contents":[{"parts":[{"fileData":{}}]}]}"#, "contents.parts.fileData.fileUri"),
        (r#"{"contents":[{"parts":[{"functionCall":{"args":{}}}]}]}"#, "contents.parts.functionCall.name"),
        (r#"{"contents":[{"parts":[{"functionCall":{"name":"f","args":"{}"}}]}]}"#, "contents.parts.functionCall.args"),
        (
            r#"{"contents":[{"parts":[{"functionResponse":{"name":"f","response":[]}}]}]}"#,
            "contents.parts.functionResponse.response",
        ),
        (r#"{"systemInstruction":7}"#, "systemInstruction"),
        (r#"{"tools":"a"}"#, "tools"),
        (r#"{"tools":[{"functionDeclarations":[{}]}]}"#, "tools.functionDeclarations.name"),
        (
            r#"{"tools":[{"functionDeclarations":[{"name":"f","parameters":"x"}]}]}"#,
            "tools.functionDeclarations.parameters",
        ),
        (r#"{"toolConfig":{"functionCallingConfig":{"mode":"SOME"}}}"#, "toolConfig.functionCallingConfig.mode"),
        (r#"{"generationConfig":[]}"#, "generationConfig"),
        (r#"{"generationConfig":{"temperature":"1"}}"#, "generationConfig.temperature"),
        (r#"{"generationConfig":{"maxOutputTokens":-1}}"#, "generationConfig.maxOutputTokens"),
        (r#"{"generationConfig":{"stopSequences":"a"}}"#, "generationConfig.stopSequences"),
        (r#"{"generationConfig":{"stopSequences":[1]}}"#, "generationConfig.stopSequences"),
        (r#"{"generationConfig":{"responseSchema":1}}"#, "generationConfig.responseSchema"),
        (
            r#"{"generationConfig":{"thinkingConfig":{"thinkingLevel":"TOTAL"}}}"#,
            "generationConfig.thinkingConfig.thinkingLevel",
        ),
        (
            r#"{"generationConfig":{"thinkingConfig":{"thinkingBudget":1.5}}}"#,
            "generationConfig.thinkingConfig.thinkingBudget",
        ),
    ] {
        assert_eq!(refused(body), Some(param), "{body}");
    }
}

#[test]
fn modes_of_calling() {
    let choice = |config: &str| {
        let body = format!(r#"{{"toolConfig":{{"functionCallingConfig":{config}}}}}"#);
        with(&body, |read| match read.expect("a request").tool_choice.expect("a choice") {
            ToolChoice::Tool(name) => format!("tool {}", name.escaped()),
            ToolChoice::Among { names, is_required } => format!("among {} {is_required}", names.len()),
            other => format!("{other:?}"),
        })
    };
    assert_eq!(choice("{}"), "Auto");
    assert_eq!(choice(r#"{"mode":"NONE"}"#), "None");
    assert_eq!(choice(r#"{"mode":"any"}"#), "Required");
    assert_eq!(choice(r#"{"mode":"ANY","allowed_function_names":["f"]}"#), "tool f");
    assert_eq!(choice(r#"{"mode":"ANY","allowedFunctionNames":["f","g"]}"#), "among 2 true");
    assert_eq!(choice(r#"{"mode":"VALIDATED","allowedFunctionNames":["f"]}"#), "among 1 false");
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(choices in prop::collection::vec(any::<u16>(), 1..60)) {
        let body = super::super::arbitrary::object(&choices);
        let text = body.to_string();
        let view = View::read(text.as_bytes(), 64).expect("JSON");
        let normalised = super::super::normalise_request(view);
        let view = normalised.as_ref().map_or(view, |body| View::read(body, 64).expect("still JSON"));
        if let Ok(request) = read_request(view) {
            let target = crate::neutral::Target { model: "m", output_tokens: None, reasoning: None };
            if let Ok(written) = super::super::write_request(&request, &target) {
                prop_assert!(serde_json::from_slice::<Value>(&written).is_ok(), "{}", String::from_utf8_lossy(&written));
            }
        }
    }
}
