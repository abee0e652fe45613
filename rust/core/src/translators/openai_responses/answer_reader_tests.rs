use proptest::prelude::*;

use super::*;
use crate::translators::openai_responses::frames_in_tests::{any_json, view};

fn read(text: &'static str) -> Answer<'static> {
    read_answer(view(text)).expect("an answer")
}

#[test]
fn an_item_is_one_part_or_more() {
    let answer = read(
        r#"{"id":"resp_1","model":"m","created_at":7.5,"status":"completed","service_tier":"default","output":[
            {"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"a"},{"type":"summary_text","text":"b"}],
             "encrypted_content":"gA"},
            {"type":"web_search_call","id":"ws_1","status":"completed"},
            {"type":"message","content":[{"type":"output_text","text":"c","annotations":[{"type":"url_citation"}],
             "logprobs":[{"token":"c"}]}]},
            {"type":"function_call","id":"fc_1","call_id":"call_1","name":"f","arguments":"{\"x\": 1}"}],
           "usage":{"input_tokens":10,"input_tokens_details":{"cached_tokens":4},"output_tokens":3}}"#,
    );
    let part = Part::new;
    let expected = [
        part(PartKind::Thinking(Text::of("a"))),
        Part { signature: Some(Text::of("openai:rs_1:gA")), ..part(PartKind::Thinking(Text::of("b"))) },
        part(PartKind::Text { text: Text::of("c"), citations: Some(view_of(r#"[{"type":"url_citation"}]"#)) }),
        part(PartKind::ToolCall {
            id: Text::of("call_1"),
            name: Text::of("f"),
            arguments: Arguments::Text(Text::of(r#"{"x": 1}"#)),
        }),
    ];
    let choice = &answer.choices[0];
    assert_eq!(choice.parts, expected);
    assert_eq!((choice.finish, choice.logprobs.map(View::raw)), (Some(Finish::ToolCalls), Some(r#"[{"token":"c"}]"#)));
    assert_eq!(
        (answer.id, answer.model, answer.created_unix_s),
        (Some(Text::of("resp_1")), Some(Text::of("m")), Some(7))
    );
    assert_eq!(answer.usage.map(|usage| (usage.input_tokens, usage.cache_read_tokens)), Some((6, 4)));
}

/// A view of an array, which only a member can be.
fn view_of(array: &str) -> View<'static> {
    let object = Box::leak(format!(r#"{{"a":{array}}}"#).into_boxed_str());
    view(object).get("a").expect("an array")
}

#[test]
fn why_it_ended() {
    for (response, expected) in [
        (r#"{"output":[]}"#, Finish::Stop),
        (
            r#"{"status":"completed","output":[{"type":"message","content":[{"type":"refusal","refusal":"no"}]}]}"#,
            Finish::Refusal,
        ),
        (r#"{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[]}"#, Finish::Length),
        (
            r#"{"status":"incomplete","incomplete_details":{"reason":"content_filter"},"output":[]}"#,
            Finish::ContentFilter,
        ),
        (r#"{"status":"incomplete","output":[{"type":"function_call"}]}"#, Finish::Other),
    ] {
        assert_eq!(read(response).choices[0].finish, Some(expected), "{response}");
    }
    for response in
        [r#"{"id":"resp_1"}"#, r#"{"output":"text"}"#, r#"{"status":"failed","output":[]}"#, r#"{"error":{}}"#]
    {
        assert_eq!(read_answer(view(response)), None, "{response}");
    }
}

proptest! {
    #[test]
    fn no_json_makes_it_panic(body in any_json()) {
        let text = body.to_string();
        prop_assert_eq!(read_answer(view(&text)).is_none_or(|answer| answer.choices.len() == 1), true);
    }
}
