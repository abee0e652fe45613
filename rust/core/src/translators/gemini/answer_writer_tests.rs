use super::*;
use crate::json_view::View;
use crate::neutral::Source;

const REPLYING: Replying<'static> = Replying {
    fallback_id: "fallback",
    fallback_model: "model",
    now_unix_s: 0,
    includes_usage: false,
    is_json_array: false,
    request: None,
};

fn written(parts: Vec<Part<'_>>, finish: Option<Finish>, usage: Option<Usage>) -> String {
    let choices = vec![Choice { parts, finish, ..Choice::default() }];
    let answer = Answer { id: Some(Text::of("r")), choices, usage, ..Answer::default() };
    String::from_utf8(write_answer(&answer, &REPLYING)).expect("UTF-8")
}

fn call(arguments: &str) -> Part<'static> {
    let (id, name) = (Text::of("c"), Text::of("f"));
    Part::new(PartKind::ToolCall { id, name, arguments: Arguments::Text(Text::of(arguments)) })
}

#[test]
fn an_answer_to_the_byte() {
    let thinking = Part { signature: Some(Text::of("anthropic:S")), ..Part::new(PartKind::Thinking(Text::of("hm"))) };
    let redacted = Part::new(PartKind::RedactedThinking(Text::of("anthropic:R")));
    let own = Part { signature: Some(Text::of("gemini:G")), ..call(r#"{"a": 1}"#) };
    let usage = Usage {
        input_tokens: 5,
        cache_read_tokens: 3,
        cache_write_5m_tokens: 2,
        output_tokens: 4,
        reasoning_tokens: 6,
        ..Usage::default()
    };
    let parts = vec![thinking, redacted, Part::text(Text::of("a\n")), own];
    assert_eq!(
        written(parts, Some(Finish::ToolCalls), Some(usage)),
        concat!(
            r#"{"candidates":[{"content":{"parts":["#,
            r#"{"text":"hm","thought":true,"thoughtSignature":"YW50aHJvcGljOlM="},"#,
            r#"{"text":"","thought":true,"thoughtSignature":"cmVkYWN0ZWQ6YW50aHJvcGljOlI="},"#,
            r#"{"text":"a\n"},{"functionCall":{"id":"c","name":"f","args":{"a": 1}},"thoughtSignature":"G"}],"#,
            r#""role":"model"},"finishReason":"STOP","index":0}],"#,
            r#""usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":4,"totalTokenCount":20,"#,
            r#""cachedContentTokenCount":3,"thoughtsTokenCount":6},"modelVersion":"model","responseId":"r"}"#
        )
    );
}

#[test]
fn a_call_that_makes_no_sense_is_told_as_gemini_tells_it() {
    let written = written(vec![call("{}"), call("{\"a\":"), Part::text(Text::of("b"))], Some(Finish::ToolCalls), None);
    let candidate: serde_json::Value = serde_json::from_str(&written).expect("JSON");
    let candidate = &candidate["candidates"][0];
    assert_eq!(candidate["finishReason"], "MALFORMED_FUNCTION_CALL");
    assert_eq!(candidate["finishMessage"], "Malformed function call: f with {\"a\":");
    assert_eq!(candidate["content"]["parts"].as_array().map(Vec::len), Some(2));
}

#[test]
fn pictures_stand_as_data_and_no_reason_is_made_up() {
    let source = Source::Base64 { media_type: Text::of("image/png"), data: Text::of("YQ==") };
    let written = written(vec![Part::new(PartKind::Image { source, detail: None })], None, None);
    assert!(written.contains(r#"[{"inlineData":{"mimeType":"image/png","data":"YQ=="}}],"role":"model"},"index":0"#));
}

#[test]
fn counts_by_kind_are_read_as_they_were() {
    let usage = Usage {
        input_tokens: 5,
        cache_read_tokens: 3,
        input_audio_tokens: 7,
        input_image_tokens: 11,
        cache_read_audio_tokens: 13,
        cache_read_image_tokens: 17,
        output_tokens: 19,
        reasoning_tokens: 23,
        output_audio_tokens: 29,
        output_image_tokens: 31,
        ..Usage::default()
    };
    let mut written = Vec::new();
    write_usage(&usage, &mut written);
    assert_eq!(crate::dialects::gemini_usage::read(&written), Some(usage), "{}", String::from_utf8_lossy(&written));
}

#[test]
fn log_probabilities_in_both_forms() {
    let own = r#"{"chosenCandidates":[{"token":"a","logProbability":-0.10},{"token":"\n","logProbability":-2}],"topCandidates":[{"candidates":[{"token":"a","logProbability":-0.10},{"token":"b","logProbability":-3}]},{"candidates":[]}]}"#;
    let openai = r#"{"content":[{"token":"a","logprob":-0.10,"bytes":[97],"top_logprobs":[{"token":"a","logprob":-0.10,"bytes":[97]},{"token":"b","logprob":-3,"bytes":[98]}]},{"token":"\n","logprob":-2,"bytes":[10],"top_logprobs":[]}]}"#;
    let view = |text: &'static str| View::read(text.as_bytes(), 16).expect("JSON");
    let mut written = Vec::new();
    assert!(logprobs::write_openai(view(own), &mut written));
    assert_eq!(String::from_utf8_lossy(&written), openai);
    written.clear();
    logprobs::write_own(view(openai), &mut written);
    assert_eq!(String::from_utf8_lossy(&written), own);
    assert!(!logprobs::write_openai(view(openai), &mut Vec::new()));
}
