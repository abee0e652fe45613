use serde_json::{Value, json};

use super::super::{normal_request, read_request};
use super::*;
use crate::neutral::check;

const TARGET: Target<'static> = Target { model: "real-model", output_tokens: None, reasoning: None };

fn translate(from: Format, to: Format, body: &Value) -> Result<Value, Failure> {
    let body = body.to_string();
    let view = counted(from, View::read(body.as_bytes(), 32).expect("an object"));
    let mut room = None;
    let mut request = read_request(from, normal_request(from, view, &mut room))?;
    keep_prompt(&mut request);
    check(&request, from, to)?;
    Ok(serde_json::from_slice(&write_request(to, &request, &TARGET)?).expect("JSON"))
}

#[test]
fn anthropics_prompt_is_counted_by_gemini() {
    let body = json!({
        "model": "chat", "system": "Be brief.", "messages": [{"role": "user", "content": "Hi"}],
        "tools": [{"name": "f", "input_schema": {"type": "object"}}], "tool_choice": {"type": "any"},
    });
    let asked = translate(Format::Anthropic, Format::Gemini, &body).expect("said");
    let request = &asked["generateContentRequest"];
    assert_eq!(asked.as_object().map(serde_json::Map::len), Some(1));
    assert_eq!(request["model"], "models/real-model");
    assert_eq!(request["contents"], json!([{"role": "user", "parts": [{"text": "Hi"}]}]));
    assert_eq!(request["systemInstruction"]["parts"][0]["text"], "Be brief.");
    assert_eq!(request["tools"][0]["functionDeclarations"][0]["name"], "f");
}

#[test]
fn geminis_prompt_is_counted_by_anthropic() {
    let contents = json!([{"role": "user", "parts": [{"text": "Hi"}]}]);
    let alone = translate(Format::Gemini, Format::Anthropic, &json!({"contents": contents})).expect("said");
    let messages = json!([{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]);
    let is_said = |asked: &Value| asked["messages"] == messages || asked["messages"][0]["content"] == "Hi";
    assert!(is_said(&alone), "{alone}");
    let whole = json!({"generateContentRequest": {
        "model": "models/chat", "contents": contents, "systemInstruction": {"parts": [{"text": "Be brief."}]},
        "tools": [{"functionDeclarations": [{"name": "f", "parameters": {"type": "OBJECT"}}]}],
        // None of it is the prompt's, and Anthropic can't be told all of it.
        "generationConfig": {
            "temperature": 1, "candidateCount": 3, "maxOutputTokens": 5, "responseLogprobs": true,
            "stopSequences": ["x"], "thinkingConfig": {"thinkingBudget": 2048},
        },
    }});
    let asked = translate(Format::Gemini, Format::Anthropic, &whole).expect("said");
    assert!(is_said(&asked), "{asked}");
    let mut fields: Vec<_> = asked.as_object().expect("an object").keys().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["messages", "model", "system", "thinking", "tools"]);
    assert_eq!((&asked["model"], &asked["tools"][0]["name"]), (&json!("real-model"), &json!("f")));
    assert_eq!(asked["tools"][0]["input_schema"]["type"], "object");
}

#[test]
fn what_the_gateway_counts_is_a_chat() {
    let body = json!({"model": "chat", "system": "Be brief.", "messages": [{"role": "user", "content": "Hi"}]});
    let asked = translate(Format::Anthropic, Format::OpenaiChat, &body).expect("said");
    let roles: Vec<_> = asked["messages"].as_array().expect("messages").iter().map(|it| it["role"].clone()).collect();
    assert_eq!(roles.len(), 2);
    assert_eq!(roles[1], "user");
}

#[test]
fn what_belongs_to_the_prompt_is_refused_where_it_cant_be_said() {
    let body = json!({"contents": [{"parts": [{"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}}]}]});
    assert!(translate(Format::Gemini, Format::Anthropic, &body).is_err());
}

#[test]
fn a_number_is_said_in_each_clients_words() {
    for (format, text) in [(Format::Anthropic, r#"{"input_tokens":12}"#), (Format::Gemini, r#"{"totalTokens":12}"#)] {
        assert_eq!(write_answer(format, 12), text.as_bytes());
        let read = |text: &str| read_answer(format, View::read_answer(text.as_bytes(), 8).expect("an object"));
        assert_eq!(read(text), Some(12));
        for none in ["{}", r#"{"input_tokens":-1,"totalTokens":"7"}"#, r#"{"input_tokens":null,"totalTokens":null}"#] {
            assert_eq!(read(none), None, "{none}");
        }
    }
}
