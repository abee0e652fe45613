//! Why a candidate ended, in Gemini's words and in neutral ones.

use crate::json_view::View;
use crate::neutral::Finish;

/// Gemini's words; what is not here is [`Finish::Other`]. `STOP` means tool calls where the candidate has any.
const READ: [(&str, Finish); 14] = [
    ("STOP", Finish::Stop),
    ("MAX_TOKENS", Finish::Length),
    ("SAFETY", Finish::ContentFilter),
    ("RECITATION", Finish::ContentFilter),
    ("BLOCKLIST", Finish::ContentFilter),
    ("PROHIBITED_CONTENT", Finish::ContentFilter),
    ("SPII", Finish::ContentFilter),
    ("MODEL_ARMOR", Finish::ContentFilter),
    ("IMAGE_SAFETY", Finish::ContentFilter),
    ("IMAGE_PROHIBITED_CONTENT", Finish::ContentFilter),
    ("IMAGE_RECITATION", Finish::ContentFilter),
    ("LANGUAGE", Finish::Other),
    ("MALFORMED_FUNCTION_CALL", Finish::MalformedToolCall),
    ("UNEXPECTED_TOOL_CALL", Finish::MalformedToolCall),
];

/// In the order of [`Finish`].
const WRITTEN: [(Finish, &str); 9] = [
    (Finish::Stop, "STOP"),
    (Finish::StopSequence, "STOP"),
    (Finish::Length, "MAX_TOKENS"),
    (Finish::ToolCalls, "STOP"),
    (Finish::ContentFilter, "SAFETY"),
    // No word for a model that won't; this is the one at which clients look for a reason.
    (Finish::Refusal, "SAFETY"),
    (Finish::Pause, "OTHER"),
    (Finish::MalformedToolCall, "MALFORMED_FUNCTION_CALL"),
    (Finish::Other, "OTHER"),
];

/// What a `finishReason` means in a candidate that has tool calls, or none.
pub(super) fn read(reason: View<'_>, has_tool_calls: bool) -> Finish {
    let known = READ.iter().find(|(word, _)| reason.is(word)).map_or(Finish::Other, |(_, finish)| *finish);
    if known == Finish::Stop && has_tool_calls { Finish::ToolCalls } else { known }
}

/// The `finishReason` for it.
pub(super) fn word(finish: Finish) -> &'static str {
    WRITTEN[finish as usize].1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_in_both_directions() {
        for (index, (finish, reason)) in WRITTEN.iter().enumerate() {
            assert_eq!((*finish as usize, word(*finish)), (index, *reason));
        }
        let finish = |reason: &str, has_tool_calls| {
            let text = format!(r#"{{"r":"{reason}"}}"#);
            read(View::read(text.as_bytes(), 4).expect("an object").get("r").expect("r"), has_tool_calls)
        };
        for (reason, expected) in READ {
            assert_eq!(finish(reason, false), expected, "{reason}");
        }
        assert_eq!(finish("STOP", true), Finish::ToolCalls);
        assert_eq!(finish("MAX_TOKENS", true), Finish::Length);
        assert_eq!(finish("TOO_MANY_TOOL_CALLS", true), Finish::Other);
    }
}
