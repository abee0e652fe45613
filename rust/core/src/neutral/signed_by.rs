//! What stands before a signature while it is on its way through other dialects: whose it is.

use super::Format;

pub(crate) const ANTHROPIC: &str = "anthropic:";
pub(crate) const GEMINI: &str = "gemini:";
pub(crate) const OPENAI: &str = "openai:";
/// Not a signature, but thoughts that are encrypted as a whole.
pub(crate) const REDACTED: &str = "redacted:";
/// No signature either: thoughts that a vendor of chat completions wrote into this field, and that it may want to have
/// back there. Others refuse the field.
pub(crate) const CHAT_REASONING: &str = "chat:reasoning_content";

/// What a format's own begin with.
pub(super) fn mark_of(format: Format) -> &'static str {
    match format {
        Format::OpenaiChat => CHAT_REASONING,
        Format::OpenaiResponses => OPENAI,
        Format::Anthropic => ANTHROPIC,
        Format::Gemini => GEMINI,
    }
}
