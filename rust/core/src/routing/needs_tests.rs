use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::capability_name;
use super::*;

fn read(body: &Value) -> Needs {
    Needs::read(body.to_string().as_bytes(), 64, |_| 0).expect("a JSON object")
}

fn capabilities(body: &Value) -> Vec<&'static str> {
    read(body).capabilities.iter().map(capability_name).collect()
}

#[test]
fn a_prompt_of_plain_words_is_seen_to_be_text_alone() {
    let body = json!({"messages": [{"role": "user", "content": "a \"quoted\" word\n"}], "max_tokens": 5}).to_string();
    assert!(Needs::is_text_alone(body.as_bytes()));
    assert!(!Needs::is_text_alone(body.replace("word", "profile").as_bytes()));
}

#[test]
fn fields_in_their_places_count() {
    let part = |part: Value| json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "?"}, part]}]});
    let item = |part: Value| json!({"input": [{"role": "user", "content": [part]}]});
    for (body, expected) in [
        (json!({"tools": [{"type": "function"}]}), "tools"),
        (json!({"functions": [{"name": "f"}]}), "tools"),
        (json!({"response_format": {"json_schema": {"type": "object"}, "type": "json_schema"}}), "json_schema"),
        (json!({"text": {"verbosity": "low", "format": {"type": "json_schema", "name": "x"}}}), "json_schema"),
        (json!({"reasoning_effort": "low"}), "reasoning"),
        (json!({"reasoning": {"effort": "high"}}), "reasoning"),
        (json!({"reasoning": {"effort": null, "summary": "auto"}}), "reasoning"),
        (part(json!({"image_url": {"url": "data:"}, "type": "image_url"})), "image_input"),
        (part(json!({"type": "input_audio", "input_audio": {"data": "", "format": "wav"}})), "audio_input"),
        (part(json!({"type": "file", "file": {"file_id": "f"}})), "file_input"),
        (item(json!({"type": "input_image", "image_url": "data:"})), "image_input"),
        (item(json!({"type": "input_audio"})), "audio_input"),
        (item(json!({"type": "input_file", "file_url": "https://a"})), "file_input"),
        (json!({"input": [{"type": "function_call_output", "output": [{"type": "input_file"}]}]}), "file_input"),
        (
            json!({"input": [{"type": "computer_call_output", "output": {"type": "computer_screenshot"}}]}),
            "image_input",
        ),
        (json!({"modalities": ["text", "audio"]}), "audio_output"),
        (json!({"audio": {"voice": "alloy", "format": "wav"}}), "audio_output"),
    ] {
        assert_eq!(capabilities(&body), [expected], "{body}");
    }
    let escaped = br#"{"messages":[{"content":[{"type":"image\u005furl"}]}],"t\u006fols":[1]}"#;
    let expected: CapabilitySet = [Capability::ImageInput, Capability::Tools].into_iter().collect();
    assert_eq!(Needs::read(escaped, 8, |_| 0).map(|needs| needs.capabilities), Ok(expected));
}

#[test]
fn anthropics_fields_count() {
    let block =
        |block: Value| json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "?"}, block]}]});
    let source = |kind: &str| json!({"type": "document", "source": {"data": "JVBE", "type": kind}});
    let result = |block: Value| json!({"type": "tool_result", "tool_use_id": "t", "content": [block]});
    let image = json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBO"}});
    for (body, expected) in [
        (json!({"tools": [{"name": "f", "input_schema": {}}]}), &["tools"][..]),
        (block(image.clone()), &["image_input"]),
        (block(result(image.clone())), &["image_input"]),
        (block(source("base64")), &["file_input"]),
        (block(source("url")), &["file_input"]),
        (block(source("text")), &[]),
        (block(json!({"source": {"type": "text", "data": "a"}, "type": "document"})), &[]),
        (block(json!({"type": "document", "source": {"type": "content", "content": [image]}})), &["image_input"]),
        (json!({"thinking": {"type": "enabled", "budget_tokens": 2048}}), &["reasoning"]),
        (json!({"thinking": {"type": "adaptive"}}), &["reasoning"]),
        (json!({"thinking": {"type": "disabled"}}), &[]),
        (json!({"output_config": {"effort": "high"}}), &["reasoning"]),
        (json!({"output_config": {"effort": "high"}, "thinking": {"type": "disabled"}}), &[]),
        (json!({"output_config": {"format": {"type": "json_schema", "schema": {}}}}), &["json_schema"]),
        (json!({"output_format": {"type": "json_schema", "schema": {}}}), &["json_schema"]),
        (json!({"system": [{"type": "image"}], "metadata": {"thinking": {"type": "enabled"}}}), &[]),
    ] {
        assert_eq!(capabilities(&body), expected, "{body}");
    }
    assert_eq!(read(&json!({"max_tokens": 1024})).output_tokens, Some(1024));
}

#[test]
fn geminis_fields_count() {
    let part = |part: Value| json!({"contents": [{"role": "user", "parts": [{"text": "?"}, part]}]});
    let config = |config: Value| json!({"generationConfig": config});
    let inline = |media_type: &str| part(json!({"inlineData": {"data": "AAAA", "mimeType": media_type}}));
    let said = part(json!({"functionResponse": {"name": "f", "parts": [{"inlineData": {"mimeType": "image/png"}}]}}));
    for (body, expected) in [
        (json!({"tools": [{"functionDeclarations": [{"name": "f"}]}]}), &["tools"][..]),
        (inline("image/png"), &["image_input"]),
        (inline("audio/wav"), &["audio_input"]),
        (inline("application/pdf"), &["file_input"]),
        (inline("video/mp4"), &["file_input"]),
        (part(json!({"inline_data": {"mime_type": "image/png", "data": ""}})), &["image_input"]),
        (part(json!({"fileData": {"fileUri": "https://a/b.pdf"}})), &["file_input"]),
        (part(json!({"file_data": {"file_uri": "gs://a", "mime_type": "IMAGE/JPEG"}})), &["image_input"]),
        (part(json!({"inlineData": null, "fileData": "image/png"})), &[]),
        (said, &["image_input"]),
        // The API takes one in place of a list of one.
        (json!({"contents": {"parts": {"inlineData": {"mimeType": "image/png"}}}}), &["image_input"]),
        (
            config(json!({"responseMimeType": "application/json", "responseSchema": {"type": "OBJECT"}})),
            &["json_schema"],
        ),
        (config(json!({"responseJsonSchema": {}})), &["json_schema"]),
        (json!({"generation_config": {"response_json_schema": {}}}), &["json_schema"]),
        (config(json!({"responseMimeType": "application/json", "responseSchema": null})), &[]),
        (config(json!({"thinkingConfig": {"thinkingBudget": 1024}})), &["reasoning"]),
        (config(json!({"thinkingConfig": {"thinkingBudget": -1}})), &["reasoning"]),
        (config(json!({"thinkingConfig": {"thinkingLevel": "HIGH"}})), &["reasoning"]),
        (config(json!({"thinkingConfig": {"includeThoughts": true}})), &["reasoning"]),
        (config(json!({"thinkingConfig": {"thinkingBudget": 0, "includeThoughts": false}})), &[]),
        (config(json!({"thinkingConfig": {"thinkingLevel": "THINKING_LEVEL_UNSPECIFIED"}})), &[]),
        (config(json!({"responseModalities": ["TEXT", "AUDIO"]})), &["audio_output"]),
        (config(json!({"speechConfig": {"voiceConfig": {}}})), &["audio_output"]),
        (json!({"contents": [{"parts": [{"text": "inlineData", "partMetadata": {"inlineData": {}}}]}]}), &[]),
        (json!({"labels": {"generationConfig": "x"}, "safetySettings": [{"inlineData": {}}]}), &[]),
    ] {
        assert_eq!(capabilities(&body), expected, "{body}");
        let counted = json!({"generateContentRequest": body});
        assert_eq!(capabilities(&counted), expected, "{counted}");
    }
    assert_eq!(read(&config(json!({"maxOutputTokens": 9}))).output_tokens, Some(9));
}

#[test]
fn media_are_estimated_by_what_they_are() {
    let data = "A".repeat(400_000);
    let text_tokens =
        |body: &Value| Needs::read(body.to_string().as_bytes(), 64, |bytes| bytes / 4).expect("JSON").input_tokens;
    let url = format!("data:image/png;base64,{data}");
    for (body, tokens) in [
        (json!({"messages": [{"content": [{"type": "image_url", "image_url": {"url": url}}]}]}), 765..800),
        (json!({"input": [{"content": [{"type": "input_image", "image_url": url}]}]}), 765..800),
        (json!({"messages": [{"content": [{"type": "image", "source": {"type": "base64", "data": data}}]}]}), 765..800),
        (json!({"contents": [{"parts": [{"inlineData": {"mimeType": "image/png", "data": data}}]}]}), 765..800),
        (json!({"contents": [{"parts": [{"inlineData": {"mimeType": "audio/mp3", "data": data}}]}]}), 1_000..1_050),
        (
            json!({"contents": [{"parts": [{"inlineData": {"mimeType": "application/pdf", "data": data}}]}]}),
            16_600..16_800,
        ),
        (
            json!({"messages": [{"content": [{"type": "document", "source": {"type": "text", "data": data}}]}]}),
            100_000..100_100,
        ),
        (json!({"contents": [{"parts": [{"text": data}]}]}), 100_000..100_100),
    ] {
        let estimated = text_tokens(&body);
        assert!(tokens.contains(&estimated), "{estimated} for {}", &body.to_string()[..90]);
    }
}

#[test]
fn words_elsewhere_do_not() {
    for body in [
        json!({"messages": [{"role": "user", "content": "{\"tools\":[1],\"type\":\"image_url\"}"}]}),
        json!({"messages": [{"content": [{"type": "text", "text": "input_audio", "x": {"type": "file"}}]}]}),
        json!({"messages": [{"tools": [1], "reasoning_effort": "high", "metadata": {"type": "file"}}]}),
        json!({"metadata": {"tools": [1], "response_format": {"type": "json_schema"}, "max_tokens": 1}}),
        json!({"tools": [], "functions": null, "reasoning_effort": null, "audio": null, "modalities": ["text"]}),
        json!({"reasoning_effort": "none", "response_format": {"type": "json_object"}, "input": "input_image"}),
        json!({"reasoning": {"effort": "none", "summary": "auto"}, "text": {"format": {"type": "text"}}}),
        json!({"reasoning": {"effort": null}}),
        json!({"reasoning": null, "text": "json_schema", "messages": {"content": [{"type": "file"}]}}),
        json!({"response_format": {"type": "text", "json_schema": {"type": "json_schema"}}}),
    ] {
        assert_eq!(read(&body), Needs::default(), "{body}");
    }
}

#[test]
fn the_largest_output_asked_for_counts() {
    assert_eq!(read(&json!({"max_tokens": 5})).output_tokens, Some(5));
    assert_eq!(read(&json!({"max_completion_tokens": 7, "max_tokens": 5})).output_tokens, Some(7));
    assert_eq!(read(&json!({"max_output_tokens": 9})).output_tokens, Some(9));
    assert_eq!(
        read(&json!({"max_tokens": null, "max_output_tokens": -1, "max_completion_tokens": 1.5})).output_tokens,
        None
    );
}

#[test]
fn what_is_no_object_or_too_deep_is_refused() {
    assert_eq!(Needs::read(b"[1]", 8, |_| 0), Err(JsonError::NotAnObject));
    assert_eq!(Needs::read(br#"{"tools":[[[1]]]}"#, 3, |_| 0), Err(JsonError::TooDeep(11)));
    assert_eq!(Needs::read(br#"{"messages":[{"content":[1,]}]}"#, 8, |_| 0), Err(JsonError::Syntax(27)));
    assert!(Needs::read(br#"{"tools":[1]} x"#, 8, |_| 0).is_err());
}

/// Values with the words that matter, in any place.
fn value() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "messages",
        "input",
        "content",
        "output",
        "type",
        "tools",
        "text",
        "format",
        "json_schema",
        "reasoning",
        "effort",
        "none",
        "audio",
        "modalities",
        "image_url",
        "input_file",
        "response_format",
        "max_tokens",
        "a\"b",
    ]);
    let leaf = prop_oneof![word.clone().prop_map(Value::from), any::<u8>().prop_map(Value::from), Just(Value::Null)];
    leaf.prop_recursive(6, 48, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(word.clone(), inner, 0..6)
                .prop_map(|members| members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

/// The same by way of a tree.
fn oracle(body: &Value) -> Vec<Capability> {
    let elements = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let is_given = |value: &Value| !value.is_null();
    let items: Vec<Value> = elements(&body["messages"]).into_iter().chain(elements(&body["input"])).collect();
    let mut kinds = Vec::new();
    let mut left = items;
    while let Some(part) = left.pop() {
        left.extend([elements(&part["content"]), elements(&part["output"])].concat());
        kinds.push(part["type"].clone());
    }
    let has = |names: &[&str]| kinds.iter().filter_map(Value::as_str).any(|kind| names.contains(&kind));
    let reasoning = body["reasoning"].as_object().cloned().unwrap_or_default();
    [
        (Capability::Tools, !elements(&body["tools"]).is_empty() || !elements(&body["functions"]).is_empty()),
        (
            Capability::JsonSchema,
            body["response_format"]["type"] == "json_schema" || body["text"]["format"]["type"] == "json_schema",
        ),
        (
            Capability::Reasoning,
            (is_given(&body["reasoning_effort"]) && body["reasoning_effort"] != "none")
                || (reasoning.values().any(is_given) && reasoning.get("effort") != Some(&json!("none"))),
        ),
        (Capability::ImageInput, has(&["image_url", "input_image", "computer_call_output"])),
        (Capability::AudioInput, has(&["input_audio"])),
        (Capability::FileInput, has(&["file", "input_file"])),
        (Capability::AudioOutput, is_given(&body["audio"]) || elements(&body["modalities"]).contains(&json!("audio"))),
    ]
    .into_iter()
    .filter_map(|(capability, is_needed)| is_needed.then_some(capability))
    .collect()
}

proptest! {
    #[test]
    fn agrees_with_a_tree(fields in prop::collection::btree_map(
        prop::sample::select(vec!["messages", "input", "tools", "text", "reasoning", "reasoning_effort", "modalities",
            "audio", "response_format", "max_tokens"]), value(), 0..6,
    )) {
        let body = Value::from_iter(fields);
        prop_assert_eq!(read(&body).capabilities.iter().collect::<Vec<_>>(), oracle(&body), "{}", body);
    }

    #[test]
    fn what_looks_like_text_alone_is(body in value(), beside in prop::sample::select(vec![
        r#"{"messages":[{"content":[{"type":"image_url"}]}]}"#,
        r#"{"messages":[{"content":[{"type":"input_audio"}]}]}"#,
        r#"{"messages":[{"content":[{"type":"file"}]}]}"#,
        r#"{"messages":[{"content":[{"type":"image"}]}]}"#,
        r#"{"messages":[{"content":[{"type":"document"}]}]}"#,
        r#"{"messages":[{"content":[{"type":"container_upload"}]}]}"#,
        r#"{"messages":[{"content":[{"type":"text"}]}]}"#,
        r#"{"messages":[{"type":"computer_call_output"}]}"#,
        r#"{"contents":[{"parts":[{"inlineData":{"mimeType":"application/pdf"}}]}]}"#,
        r#"{"contents":[{"parts":[{"inline_data":{}}]}]}"#,
        r#"{"contents":[{"parts":[{"fileData":{}}]}]}"#,
        r#"{"contents":[{"parts":[{"file_data":{}}]}]}"#,
        r#"{"generationConfig":{"responseModalities":["AUDIO"]}}"#,
        r#"{"generation_config":{"response_modalities":["Audio"]}}"#,
        r#"{"generationConfig":{"speechConfig":1}}"#,
        r#"{"generationConfig":{"speech_config":{}}}"#,
    ]), escaped in any::<bool>()) {
        let mut beside: Value = serde_json::from_str(beside).expect("JSON");
        beside["input"] = body;
        let mut text = beside.to_string();
        if escaped {
            // A name may be written as no search finds it.
            text = text.replace('i', "\\u0069").replace('o', "\\u006f");
        }
        let capabilities = Needs::read(text.as_bytes(), 64, |_| 0).expect("a JSON object").capabilities;
        let beyond_text: CapabilitySet =
            [Capability::ImageInput, Capability::AudioInput, Capability::AudioOutput, Capability::FileInput].into_iter().collect();
        prop_assert!(!Needs::is_text_alone(text.as_bytes()) || !capabilities.intersects(beyond_text), "{}", text);
    }

    #[test]
    fn never_panics(
        bytes in prop::collection::vec(any::<u8>(), 0..200), body in value(), cut in any::<prop::sample::Index>(),
    ) {
        let _ = Needs::read(&bytes, 16, |bytes| bytes);
        let text = body.to_string();
        let _ = Needs::read(&text.as_bytes()[..cut.index(text.len() + 1)], 16, |bytes| bytes);
    }
}
