//! What one answer says, before a dialect writes it: which text, calls and reasoning, why it ends, what it counts.

use std::borrow::Cow;

use super::behaviour::Behaviour;
use super::pieces::Pieces;
use super::reply::{Call, Reply};
use super::script::plain_model;

const MAX_CHOICES: usize = 128;
/// What a call counts, since its length is no matter here.
const CALL_TOKENS: usize = 8;

/// What of a request changes its answer, whatever dialect it came in.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a wish of its own")]
pub(super) struct Asked<'a> {
    pub(super) model: Cow<'a, str>,
    pub(super) stream: bool,
    /// Tools are offered and not forbidden.
    pub(super) tools: bool,
    /// Reasoning may be shown.
    pub(super) reasoning: bool,
    pub(super) limit_tokens: Option<usize>,
    pub(super) choices: Option<usize>,
    /// The first stop sequence.
    pub(super) stop: Option<Cow<'a, str>>,
    /// A stream is to end with its usage (OpenAI).
    pub(super) usage_in_stream: bool,
    /// Stream events are not to be padded (OpenAI).
    pub(super) unpadded: bool,
    pub(super) body_bytes: usize,
}

/// Why an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finish<'a> {
    Stop,
    Length,
    ToolCalls,
    ContentFilter,
    Refusal,
    /// In the dialect's own words.
    Told(&'a str),
}

/// Tokens; input includes what is cached or written to the cache, output includes reasoning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "units at the end")]
pub(super) struct Usage {
    pub(super) input_tokens: u64,
    pub(super) cached_tokens: u64,
    pub(super) cache_write_tokens: u64,
    pub(super) output_tokens: u64,
    pub(super) reasoning_tokens: u64,
}

/// One answer as it is to be said.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    pub(super) behaviour: &'a Behaviour,
    pub(super) model: &'a str,
    pub(super) reasoning: Option<&'a Pieces>,
    /// The content or the refusal; how many of its pieces are said.
    pub(super) text: &'a Pieces,
    pub(super) pieces: usize,
    /// Instead of the text.
    pub(super) calls: &'a [Call],
    pub(super) refused: bool,
    /// The inside of a JSON string, where the dialect has a place for it.
    pub(super) signature: Option<&'a str>,
    pub(super) finish: Finish<'a>,
    pub(super) usage: Usage,
    pub(super) choices: usize,
}

impl<'a> Turn<'a> {
    pub(super) fn new(reply: &'a Reply, asked: &'a Asked<'_>) -> Self {
        let behaviour = &reply.behaviour;
        let refused = reply.refusal.is_some();
        let text = reply.refusal.as_ref().unwrap_or(&reply.content);
        let pieces = text.len().min(asked.limit_tokens.unwrap_or(usize::MAX));
        let calls = if asked.tools && !refused { &reply.calls[..] } else { &[] };
        let reasoning = reply.reasoning.as_ref().filter(|_| asked.reasoning);
        let choices = asked.choices.unwrap_or(1).clamp(1, MAX_CHOICES);

        let usual = if refused {
            Finish::Refusal
        } else if !calls.is_empty() {
            Finish::ToolCalls
        } else if pieces < text.len() {
            Finish::Length
        } else {
            Finish::Stop
        };
        let thought = reasoning.map_or(0, Pieces::len);
        let said = if calls.is_empty() { pieces } else { CALL_TOKENS * calls.len() };
        let numbers = &behaviour.usage;
        Self {
            behaviour,
            model: behaviour.response_model.as_deref().unwrap_or_else(|| plain_model(&asked.model)),
            reasoning,
            text,
            pieces,
            calls,
            refused,
            signature: (behaviour.signature.is_some() || reasoning.is_some()).then_some(&reply.signature),
            finish: behaviour.finish_reason.as_deref().map_or(usual, Finish::told),
            usage: Usage {
                input_tokens: numbers.prompt_tokens.unwrap_or(asked.body_bytes as u64 / 4),
                cached_tokens: numbers.cached_tokens,
                cache_write_tokens: numbers.cache_write_tokens,
                output_tokens: numbers.completion_tokens.unwrap_or(((said + thought) * choices) as u64),
                reasoning_tokens: numbers.reasoning_tokens.unwrap_or(thought as u64),
            },
            choices,
        }
    }

    pub(super) fn status(&self) -> u16 {
        self.behaviour.status.unwrap_or(200)
    }

    /// The inside of a JSON string with all that is said.
    pub(super) fn said(&self) -> &'a str {
        self.text.first(self.pieces)
    }
}

impl<'a> Finish<'a> {
    /// OpenAI's words are read in every dialect; others are written as they are.
    fn told(reason: &'a str) -> Self {
        match reason {
            "stop" => Self::Stop,
            "length" => Self::Length,
            "tool_calls" => Self::ToolCalls,
            "content_filter" => Self::ContentFilter,
            other => Self::Told(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::behaviour::parse_fields;
    use super::*;

    fn reply(fields: &str) -> Reply {
        Reply::new(Behaviour::from_fields(&parse_fields(fields).expect("reads")).expect("behaves"))
    }

    #[test]
    fn what_is_said_gives_the_reason_and_the_count() {
        let calls = r#"{"tool_calls":[{"name":"a","arguments":"{}"},{"name":"b","arguments":"{}"}]}"#;
        let tools = || Asked { tools: true, ..Asked::default() };
        for (fields, asked, finish, output_tokens) in [
            ("content=a b c", Asked::default(), Finish::Stop, 3),
            ("content=a b c", Asked { limit_tokens: Some(2), ..Asked::default() }, Finish::Length, 2),
            ("content=a b c", Asked { choices: Some(2), ..Asked::default() }, Finish::Stop, 6),
            (calls, tools(), Finish::ToolCalls, 16),
            (calls, Asked::default(), Finish::Stop, 9),
            ("refusal=no", tools(), Finish::Refusal, 1),
            ("content=a;finish_reason=content_filter", Asked::default(), Finish::ContentFilter, 1),
            ("content=a;finish_reason=pause_turn", Asked::default(), Finish::Told("pause_turn"), 1),
        ] {
            let reply = reply(fields);
            let turn = Turn::new(&reply, &asked);
            assert_eq!((turn.finish, turn.usage.output_tokens), (finish, output_tokens), "{fields}");
        }
    }

    #[test]
    fn reasoning_is_shown_and_counted_when_it_is_asked_for() {
        let reply = reply("content=a;reasoning=one two");
        let (hidden, shown) = (Asked::default(), Asked { reasoning: true, ..Asked::default() });
        let usage = |asked| Turn::new(&reply, asked).usage;
        assert_eq!((usage(&hidden).output_tokens, usage(&hidden).reasoning_tokens), (1, 0));
        assert_eq!((usage(&shown).output_tokens, usage(&shown).reasoning_tokens), (3, 2));
        assert!(Turn::new(&reply, &hidden).signature.is_none() && Turn::new(&reply, &shown).signature.is_some());
    }
}
