use proptest::prelude::*;

use super::super::answer_writer::write_answer;
use super::super::testing::{REPLYING, any_object, view};
use super::*;
use crate::json_view::Text;
use crate::neutral::{Arguments, Finish, PartKind};
use crate::usage::Usage;

#[test]
fn a_whole_answer() {
    let text = r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[
        {"type":"thinking","thinking":"hm","signature":"s=="},{"type":"redacted_thinking","data":"r"},
        {"type":"text","text":"a\u00e9","citations":[{"type":"char_location","cited_text":"x"}]},
        {"type":"server_tool_use","id":"srv","name":"web_search","input":{}},
        {"type":"tool_use","id":"toolu_1","name":"f","input":{ "x" : 1.0 },"caller":{"type":"direct"}}],
        "stop_reason":"stop_sequence","stop_sequence":"END",
        "usage":{"input_tokens":3,"output_tokens":4,"service_tier":"standard"}}"#;
    let answer = read_answer(view(text)).expect("an answer");
    assert_eq!((answer.id, answer.model), (Some(Text::of("msg_1")), Some(Text::of("claude"))));
    assert_eq!(answer.usage, Some(Usage { input_tokens: 3, output_tokens: 4, ..Usage::default() }));
    assert_eq!(answer.service_tier, Some(Text::of("standard")));
    let choice = &answer.choices[0];
    assert_eq!((choice.finish, &choice.stop_sequence), (Some(Finish::StopSequence), &Some(Text::of("END"))));
    assert_eq!(choice.parts.len(), 4);
    assert_eq!(choice.parts[0].signature, Some(Text::of("anthropic:s==")));
    assert_eq!(choice.parts[1].kind, PartKind::RedactedThinking(Text::of("anthropic:r")));
    let PartKind::Text { citations: Some(citations), .. } = choice.parts[2].kind else { panic!("{choice:?}") };
    assert_eq!(citations.raw(), r#"[{"type":"char_location","cited_text":"x"}]"#);
    let PartKind::ToolCall { arguments: Arguments::Object(input), .. } = choice.parts[3].kind else {
        panic!("{choice:?}")
    };
    assert_eq!(input.raw(), r#"{ "x" : 1.0 }"#);
    for other in [r#"{"type":"error","error":{}}"#, r#"{"type":"completion","content":[]}"#, r#"{"content":"a"}"#] {
        assert_eq!(read_answer(view(other)), None, "{other}");
    }
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(mut object in any_object(), content in proptest::collection::vec(any_object(), 0..4)) {
        object["content"] = content.into();
        let text = object.to_string();
        if let Some(answer) = read_answer(view(&text)) {
            let written: Result<serde_json::Value, _> = serde_json::from_slice(&write_answer(&answer, &REPLYING));
            prop_assert!(written.is_ok(), "{text}");
        }
    }
}
