use proptest::prelude::*;

use super::super::{arbitrary, normalise_answer, write_answer};
use super::*;
use crate::translators::Replying;

const REPLYING: Replying<'static> = Replying {
    fallback_id: "id",
    fallback_model: "model",
    now_unix_s: 0,
    includes_usage: false,
    is_json_array: false,
    request: None,
};

fn read(body: &str) -> Option<Answer<'_>> {
    read_answer(View::read_answer(body.as_bytes(), 64).expect("JSON"))
}

#[test]
fn parts_calls_and_candidates_in_order() {
    let answer = read(
        r#"{"candidates":[
            {"index":1,"content":{"parts":[{"text":"second"}]},"finishReason":"MAX_TOKENS"},
            {"content":{"parts":[{"text":"hm","thought":true,"thoughtSignature":"AA"},{"executableCode":{}},
                {"functionCall":{"name":"f","args":{"a": 1.0}},"thoughtSignature":"BB"},
                {"functionCall":{"id":"own","name":"g"}},{"functionCall":{"name":"h","args":{}}},
                {"thoughtSignature":"CC"}]},"finishReason":"STOP","index":0}],
            "responseId":"r-1","modelVersion":"gemini","usageMetadata":{"promptTokenCount":1,"serviceTier":"flex"}}"#,
    )
    .expect("an answer");
    assert_eq!(answer.service_tier, Some(Text::of("flex")));
    let [first, second] = answer.choices.as_slice() else { panic!("two candidates") };
    assert_eq!((first.finish, second.finish), (Some(Finish::ToolCalls), Some(Finish::Length)));
    let signatures: Vec<_> = first.parts.iter().map(|it| it.signature.as_ref().map(Text::escaped)).collect();
    assert_eq!(signatures, [Some("gemini:AA"), Some("gemini:BB"), None, None, Some("gemini:CC")]);
    let ids = first.parts.iter().filter_map(|part| match &part.kind {
        PartKind::ToolCall { id, .. } => Some(id.escaped()),
        _ => None,
    });
    assert_eq!(ids.collect::<Vec<_>>(), ["call_r-1_0_0", "own", "call_r-1_0_2"]);
    assert!(matches!(&first.parts[0].kind, PartKind::Thinking(text) if text.escaped() == "hm"));
    let PartKind::ToolCall { arguments: Arguments::Object(arguments), .. } = &first.parts[1].kind else {
        panic!("a call")
    };
    assert_eq!(arguments.raw(), r#"{"a": 1.0}"#);
}

#[test]
fn a_refused_prompt_is_a_filtered_choice_and_an_error_is_no_answer() {
    let blocked = read(r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#).expect("an answer");
    assert_eq!(blocked.choices, [Choice { finish: Some(Finish::ContentFilter), ..Choice::default() }]);
    assert_eq!(read(r#"{"candidates":[],"promptFeedback":{}}"#).map(|it| it.choices.len()), Some(0));
    for none in ["{}", r#"{"error":{"code":1}}"#, r#"{"error":{},"candidates":[]}"#, r#"{"choices":[]}"#] {
        assert_eq!(read(none), None, "{none}");
    }
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(choices in prop::collection::vec(any::<u16>(), 1..60)) {
        let text = arbitrary::object(&choices).to_string();
        let view = View::read_answer(text.as_bytes(), 64).expect("JSON");
        let normalised = normalise_answer(view);
        let view = normalised.as_ref().map_or(view, |body| View::read_answer(body, 64).expect("still JSON"));
        if let Some(answer) = read_answer(view) {
            let written = write_answer(&answer, &REPLYING);
            prop_assert!(serde_json::from_slice::<serde_json::Value>(&written).is_ok());
        }
    }
}
