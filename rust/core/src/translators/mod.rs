//! Dialects to and from the neutral form, a folder each with the same files: requests, answers and streams, read and
//! written.

pub mod anthropic;
pub mod gemini;
pub mod openai_chat;
pub mod openai_responses;

use crate::json_view::View;

/// What shapes an answer beside what the provider said.
#[derive(Clone, Copy, Debug)]
pub struct Replying<'a> {
    /// An id for an answer whose provider gave none; a word.
    pub fallback_id: &'a str,
    /// The model's name where the provider does not say it.
    pub fallback_model: &'a str,
    /// Now, in seconds since 1970.
    pub now_unix_s: u64,
    /// The client wants token counts in a chat stream (`stream_options.include_usage`).
    pub includes_usage: bool,
    /// The client takes a Gemini stream as a JSON array, not as events.
    pub is_json_array: bool,
    /// The client's own request, for dialects that repeat it in their answers.
    pub request: Option<View<'a>>,
}
