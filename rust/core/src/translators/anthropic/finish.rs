//! Why an answer ended, in Anthropic's words and in neutral ones.

use crate::json_view::View;
use crate::neutral::Finish;

/// What each `stop_reason` means.
const READ: [(&str, Finish); 8] = [
    ("end_turn", Finish::Stop),
    ("stop_sequence", Finish::StopSequence),
    ("max_tokens", Finish::Length),
    ("model_context_window_exceeded", Finish::Length),
    ("tool_use", Finish::ToolCalls),
    ("pause_turn", Finish::Pause),
    ("compaction", Finish::Pause),
    ("refusal", Finish::Refusal),
];

/// What each is called here, in the order of [`Finish`].
const WRITTEN: [(Finish, &str); 9] = [
    (Finish::Stop, "end_turn"),
    (Finish::StopSequence, "stop_sequence"),
    (Finish::Length, "max_tokens"),
    (Finish::ToolCalls, "tool_use"),
    (Finish::ContentFilter, "refusal"),
    (Finish::Refusal, "refusal"),
    (Finish::Pause, "pause_turn"),
    (Finish::MalformedToolCall, "end_turn"),
    (Finish::Other, "end_turn"),
];

/// What a `stop_reason` means.
pub(super) fn read(reason: View<'_>) -> Finish {
    let word = reason.decoded().unwrap_or_default();
    READ.iter().find(|(own, _)| *own == word).map_or(Finish::Other, |(_, finish)| *finish)
}

/// The `stop_reason` for an answer that ended so, and that calls tools or refuses where these are set. Vendors that say
/// "stop" of such an answer are put right: SDKs look at this word alone.
pub(super) fn write(finish: Option<Finish>, calls_tools: bool, refuses: bool) -> &'static str {
    let finish = match finish.unwrap_or(Finish::Stop) {
        Finish::Stop if calls_tools => Finish::ToolCalls,
        Finish::Stop if refuses => Finish::Refusal,
        finish => finish,
    };
    WRITTEN[finish as usize].1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_both_ways() {
        for (index, (finish, word)) in WRITTEN.into_iter().enumerate() {
            assert_eq!((finish as usize, write(Some(finish), false, false)), (index, word));
        }
        for (word, finish) in READ {
            let quoted = format!("{{\"a\":\"{word}\"}}");
            let view = View::read(quoted.as_bytes(), 8).expect("an object").get("a").expect("a");
            assert_eq!(read(view), finish);
            let one_of_several = matches!(word, "model_context_window_exceeded" | "compaction");
            assert_eq!(write(Some(read(view)), false, false) == word, !one_of_several, "{word}");
        }
        assert_eq!(READ[0], ("end_turn", Finish::Stop));
        assert_eq!((write(None, true, true), write(Some(Finish::Stop), false, true)), ("tool_use", "refusal"));
        assert_eq!((write(None, false, false), write(Some(Finish::Length), true, true)), ("end_turn", "max_tokens"));
        let odd = View::read(b"{\"a\":7}", 8).expect("an object").get("a").expect("a");
        assert_eq!(read(odd), Finish::Other);
    }
}
