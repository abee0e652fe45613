//! An answer at hand as a whole.

use super::Part;
use crate::json_view::{Text, View};
use crate::usage::Usage;

/// An answer, as any dialect says it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer<'text> {
    /// The provider's id of it.
    pub id: Option<Text<'text>>,
    /// The model that gave it.
    pub model: Option<Text<'text>>,
    /// When, in seconds since 1970.
    pub created_unix_s: Option<u64>,
    /// One for each answer asked for, in order.
    pub choices: Vec<Choice<'text>>,
    /// What was used.
    pub usage: Option<Usage>,
    /// The service tier it was given in, in the provider's words.
    pub service_tier: Option<Text<'text>>,
}

/// One of the answers that were asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Choice<'text> {
    /// What it says, in order.
    pub parts: Vec<Part<'text>>,
    /// Why it ended there; `None` where the provider does not say.
    pub finish: Option<Finish>,
    /// The text that ended it.
    pub stop_sequence: Option<Text<'text>>,
    /// Log probabilities, in OpenAI's form.
    pub logprobs: Option<View<'text>>,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Finish {
    /// All was said.
    Stop,
    /// One of the request's stop sequences came.
    StopSequence,
    /// The limit of output tokens.
    Length,
    /// Tools are to be called.
    ToolCalls,
    /// A filter of the provider's.
    ContentFilter,
    /// The model refuses.
    Refusal,
    /// A long turn is paused, to be sent back and gone on with (Anthropic).
    Pause,
    /// The model made a tool call that makes no sense (Gemini).
    MalformedToolCall,
    /// Something that no other dialect knows.
    Other,
}
