use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::*;
use crate::dialects::splice::splice;

fn changed(format: Format, body: &Value) -> Value {
    let text = serde_json::to_vec_pretty(body).expect("JSON");
    let mut changes = changes(format, &text);
    serde_json::from_slice(&splice(&text, &mut changes)).expect("JSON")
}

fn unchanged(format: Format, body: &Value) {
    let text = body.to_string();
    assert_eq!(changes(format, text.as_bytes()), [], "{text}");
}

#[test]
fn ids_of_calls_are_their_providers_own_again() {
    let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{\"id\":\"a~sig~b\"}"}});
    let body = |first: &str, second: &str| {
        json!({"model": "m", "messages": [
            {"role": "user", "content": "say a~sig~b"},
            {"role": "assistant", "content": null, "tool_calls": [call(first), call(second)]},
            {"role": "tool", "tool_call_id": first, "content": "x~sig~y"},
            {"role": "tool", "tool_call_id": second, "content": []},
        ]})
    };
    let sent = body("call_1~sig~thought=anthropic:abc~sig~gemini:d", "call_2");
    assert_eq!(changed(Format::OpenaiChat, &sent), body("call_1", "call_2"));
    unchanged(Format::OpenaiChat, &body("call_1", "call_2"));
}

#[test]
fn openai_gets_no_reasoning_that_it_did_not_encrypt() {
    let item = |proof: Value| json!({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": proof});
    let said = json!({"type": "message", "role": "user", "content": "anthropic:"});
    let body = |items: Value| json!({"model": "m", "input": items});
    let sent = body(json!([
        item(json!("anthropic:a")),
        said,
        item(json!("gAAAA")),
        item(json!("redacted:x")),
        item(json!(null))
    ]));
    let expected = body(json!([said, item(json!("gAAAA")), item(json!(null))]));
    assert_eq!(changed(Format::OpenaiResponses, &sent), expected);
    unchanged(Format::OpenaiResponses, &expected);
    unchanged(Format::OpenaiResponses, &body(json!("anthropic: \"encrypted_content\"")));
}

#[test]
fn anthropic_gets_no_thoughts_that_it_did_not_sign() {
    let thinking = |signature: &str| json!({"type": "thinking", "thinking": "t", "signature": signature});
    let redacted = |data: &str| json!({"type": "redacted_thinking", "data": data});
    let said = |blocks: Value| json!({"role": "assistant", "content": blocks});
    let asked = json!({"role": "user", "content": [thinking("gemini:x")]});
    let call = json!({"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"signature": "gemini:x"}});
    let body = |messages: Value, thinking: Value| json!({"thinking": thinking, "model": "m", "messages": messages});
    let (budget, adaptive) = (json!({"type": "enabled", "budget_tokens": 2000}), json!({"type": "adaptive"}));

    let sent = body(
        json!([
            asked,
            said(json!([thinking("gemini:x"), redacted("openai:y"), call])),
            asked,
            said(json!([thinking("Eq=="), call]))
        ]),
        budget.clone(),
    );
    let expected =
        body(json!([asked, said(json!([call])), asked, said(json!([thinking("Eq=="), call]))]), budget.clone());
    assert_eq!(changed(Format::Anthropic, &sent), expected);
    unchanged(Format::Anthropic, &expected);

    // The turn that is gone on with has lost its thoughts, which a budget would demand.
    let sent = |thinking_asked: &Value| body(json!([asked, said(json!([thinking(""), call]))]), thinking_asked.clone());
    let mut expected = body(json!([asked, said(json!([call]))]), adaptive.clone());
    assert_eq!(changed(Format::Anthropic, &sent(&adaptive)), expected);
    expected.as_object_mut().expect("an object").remove("thinking");
    assert_eq!(changed(Format::Anthropic, &sent(&budget)), expected);

    // A search of another vendor's has nothing that could be decrypted.
    let cites = |index: &[&str]| {
        let citations: Vec<_> = index.iter().map(|index| json!({"type": "c", "encrypted_index": index})).collect();
        body(json!([said(json!([{"type": "text", "text": "t", "citations": citations}])), asked]), adaptive.clone())
    };
    assert_eq!(changed(Format::Anthropic, &cites(&["", "Eo8", ""])), cites(&["Eo8"]));

    // A turn of nothing but such thoughts.
    let sent = body(json!([said(json!([redacted("gemini:x")])), asked, said(json!("words"))]), adaptive.clone());
    assert_eq!(changed(Format::Anthropic, &sent), body(json!([asked, said(json!("words"))]), adaptive));
}

#[test]
fn gemini_gets_no_signature_that_it_did_not_make() {
    let of = |text: &str| STANDARD.encode(text);
    let body = |parts: Value| json!({"contents": [{"role": "model", "parts": parts}, {"parts": [{"text": "t"}]}]});
    let sent = body(json!([
        {"thoughtSignature": of("anthropic:a"), "text": "one"},
        {"functionCall": {"name": "f"}, "thought_signature": of("openai:rs_1:b")},
        {"text": "two", "thoughtSignature": of("redacted:anthropic:c")},
        {"text": "three", "thoughtSignature": of("its own")},
    ]));
    let expected = body(json!([
        {"text": "one"},
        {"functionCall": {"name": "f"}, "thought_signature": gemini::OF_ANOTHER_MODEL},
        {"text": "two"},
        {"text": "three", "thoughtSignature": of("its own")},
    ]));
    assert_eq!(changed(Format::Gemini, &sent), expected);
    unchanged(Format::Gemini, &expected);
}

/// What this gateway's own writers put into histories is what is taken out.
#[test]
fn whatever_a_client_was_given_is_recognised() {
    use crate::json_view::{Text, View};
    use crate::neutral::{Answer, Arguments, Choice, Part, PartKind};
    use crate::translators::{Replying, write_answer};

    let replying = Replying {
        fallback_id: "fgr_1",
        fallback_model: "m",
        now_unix_s: 0,
        includes_usage: true,
        is_json_array: false,
        request: None,
    };
    for (vendor, format) in [
        ("gemini:", Format::Anthropic),
        ("openai:rs_1:", Format::Anthropic),
        ("chat:reasoning_content", Format::Anthropic),
        ("chat:reasoning_content", Format::OpenaiResponses),
        ("anthropic:", Format::OpenaiChat),
        ("gemini:", Format::OpenaiChat),
        ("anthropic:", Format::OpenaiResponses),
        ("gemini:", Format::OpenaiResponses),
        ("anthropic:", Format::Gemini),
        ("openai:rs_1:", Format::Gemini),
    ] {
        let proof = || Text::of(if vendor.ends_with(':') { "cHJvb2Y=" } else { "" }).after(vendor);
        let call = PartKind::ToolCall {
            id: Text::of("call_1"),
            name: Text::of("f"),
            arguments: Arguments::Text(Text::of("{}")),
        };
        let parts = vec![
            Part::new(PartKind::RedactedThinking(proof())),
            Part { signature: Some(proof()), ..Part::new(PartKind::Thinking(Text::of("hm"))) },
            Part { signature: Some(proof()), ..Part::new(call) },
        ];
        let answer = Answer { choices: vec![Choice { parts, ..Choice::default() }], ..Answer::default() };
        let written = write_answer(format, &answer, &replying);
        let answer = View::read_answer(&written, 64).expect("an object");
        let history = match format {
            Format::Anthropic => {
                format!(
                    r#"{{"messages":[{{"role":"assistant","content":{}}}]}}"#,
                    answer.get("content").expect("content").raw()
                )
            }
            Format::OpenaiChat => {
                let message = answer.get("choices").expect("choices").elements()[0].get("message").expect("a message");
                format!(r#"{{"messages":[{}]}}"#, message.raw())
            }
            Format::OpenaiResponses => format!(r#"{{"input":{}}}"#, answer.get("output").expect("output").raw()),
            Format::Gemini => {
                let content =
                    answer.get("candidates").expect("candidates").elements()[0].get("content").expect("content");
                format!(r#"{{"contents":[{}]}}"#, content.raw())
            }
        };
        let mut found = changes(format, history.as_bytes());
        let cleaned = String::from_utf8(splice(history.as_bytes(), &mut found)).expect("text");
        for left in ["cHJvb2Y", vendor, &STANDARD.encode(vendor)[..8], "~sig~"] {
            assert!(!cleaned.contains(left), "{format:?} {vendor}: {cleaned}");
        }
        assert!(cleaned.contains("call_1") || format == Format::Gemini, "{cleaned}");
    }
}
