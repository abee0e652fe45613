//! Why an answer ended, in words of the chat format.

use crate::json_view::View;
use crate::neutral::Finish;

/// Words of OpenAI, then those of vendors that follow it.
const READ: [(&str, Finish); 16] = [
    ("stop", Finish::Stop),
    ("length", Finish::Length),
    ("tool_calls", Finish::ToolCalls),
    ("function_call", Finish::ToolCalls),
    ("content_filter", Finish::ContentFilter),
    // Together, Hugging Face.
    ("eos", Finish::Stop),
    ("eos_token", Finish::Stop),
    ("stop_sequence", Finish::StopSequence),
    // Mistral.
    ("model_length", Finish::Length),
    // Vendors that pass on what another said.
    ("max_tokens", Finish::Length),
    ("end_turn", Finish::Stop),
    ("tool_use", Finish::ToolCalls),
    ("refusal", Finish::Refusal),
    ("safety", Finish::ContentFilter),
    // Z.ai.
    ("sensitive", Finish::ContentFilter),
    ("model_context_window_exceeded", Finish::Length),
];

/// In the order of [`Finish`]. OpenAI's SDK knows no words but these. A refusal in words is an answer to OpenAI.
const WRITTEN: [(Finish, &str); 9] = [
    (Finish::Stop, "stop"),
    (Finish::StopSequence, "stop"),
    (Finish::Length, "length"),
    (Finish::ToolCalls, "tool_calls"),
    (Finish::ContentFilter, "content_filter"),
    (Finish::Refusal, "content_filter"),
    (Finish::Pause, "stop"),
    (Finish::MalformedToolCall, "stop"),
    (Finish::Other, "stop"),
];

/// What a vendor's `finish_reason` means; `None` where it says nothing. A tool that must be called ends with `stop` at
/// OpenAI, and so do all calls at some vendors; other dialects' clients go by the reason alone.
pub(super) fn read(reason: View<'_>, has_calls: bool) -> Option<Finish> {
    let word = reason.decoded().filter(|word| !word.is_empty())?;
    let known = READ.iter().find(|(own, _)| own.eq_ignore_ascii_case(&word));
    Some(with_calls(known.map_or(Finish::Other, |(_, finish)| *finish), has_calls))
}

/// The reason of an answer that says in words of its own that it refuses, if it does.
pub(super) fn with_refusal(finish: Finish, refuses: bool) -> Finish {
    if finish == Finish::Stop && refuses { Finish::Refusal } else { finish }
}

/// The reason, where there may be tool calls.
pub(super) fn with_calls(finish: Finish, has_calls: bool) -> Finish {
    if finish == Finish::Stop && has_calls { Finish::ToolCalls } else { finish }
}

/// The word for it. `refuses`: the answer says why. `is_legacy`: the client knows functions, not tools.
pub(super) fn word(finish: Finish, refuses: bool, is_legacy: bool) -> &'static str {
    match WRITTEN[finish as usize].1 {
        _ if finish == Finish::Refusal && refuses => "stop",
        "tool_calls" if is_legacy => "function_call",
        word => word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_by_the_tables() {
        for (index, (finish, _)) in WRITTEN.iter().enumerate() {
            assert_eq!(*finish as usize, index);
        }
        for ((reason, has_calls), expected) in [
            (("stop", false), Some(Finish::Stop)),
            (("stop", true), Some(Finish::ToolCalls)),
            (("length", true), Some(Finish::Length)),
            (("EOS", false), Some(Finish::Stop)),
            (("a vendor's own", true), Some(Finish::Other)),
            (("", true), None),
        ] {
            let object = format!("{{\"a\":\"{reason}\"}}");
            let view = View::read(object.as_bytes(), 4).ok().and_then(|view| view.get("a")).expect("a");
            assert_eq!(read(view, has_calls), expected, "{reason}");
        }
        assert_eq!(
            (word(Finish::ToolCalls, false, false), word(Finish::ToolCalls, false, true)),
            ("tool_calls", "function_call")
        );
        assert_eq!((word(Finish::Refusal, false, true), word(Finish::Pause, false, false)), ("content_filter", "stop"));
        assert_eq!((word(Finish::Refusal, true, false), word(Finish::Stop, true, false)), ("stop", "stop"));
    }
}
