//! What a request needs of a deployment, read from its body: capabilities and room for tokens.
//!
//! The bodies of all dialects alike, in one pass, since no field means one thing in the one and another in the other.
//! Only fields in their places count, never words in texts. Sources: OpenAI API reference, "Create chat completion" and
//! "Create a model response"; Anthropic API reference, "Messages" and "Count message tokens"; Gemini API reference,
//! "Generating content" and "Counting tokens".

mod asked;
mod content;

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::capabilities::CapabilitySet;
use crate::json::{JsonError, Reader, walk};
use crate::tables::Capability;

/// What all names have in them that tell of more than text, and what could hide them. Within a text a quote is escaped.
static SIGNS: LazyLock<[Finder<'static>; 10]> = LazyLock::new(|| {
    [
        "image",
        "audio",
        "file",
        "computer_call",
        "container_upload",
        "\"document\"",
        "\"inline",
        "\"speech",
        "odalities\"",
        "\\u",
    ]
    .map(Finder::new)
});

/// What a request needs.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Needs {
    /// What has to be understood beside text.
    pub capabilities: CapabilitySet,
    /// Estimated tokens of the input.
    pub input_tokens: u64,
    /// The largest answer it asks for. `None`: it does not say.
    pub output_tokens: Option<u64>,
    /// The input is only to be counted, so no window has to hold it.
    pub is_count: bool,
}

/// What is found on the way through a body.
#[derive(Debug, Default)]
struct Found {
    capabilities: CapabilitySet,
    output_tokens: Option<u64>,
    /// Thinking is switched off, whatever else is said of it.
    is_thinking_off: bool,
    /// Bytes of the body that are pictures, sound and files.
    media_bytes: u64,
    /// Tokens that those are likely to be.
    media_tokens: u64,
}

impl Needs {
    /// Reads a request's body. `estimate`: tokens that so many bytes of text in JSON are likely to be; pictures, sound and
    /// files are estimated by what they are.
    ///
    /// # Errors
    /// [`JsonError`]: the body is not one JSON object, or is nested deeper than `depth_limit`.
    pub fn read(body: &[u8], depth_limit: usize, estimate: impl FnOnce(u64) -> u64) -> Result<Self, JsonError> {
        let mut found = Found::default();
        walk(body, depth_limit, |reader, field| found.read_field(reader, field))?;
        if found.is_thinking_off {
            found.capabilities.remove(Capability::Reasoning);
        }
        let text_tokens = estimate((body.len() as u64).saturating_sub(found.media_bytes));
        Ok(Self {
            capabilities: found.capabilities,
            input_tokens: text_tokens.saturating_add(found.media_tokens),
            output_tokens: found.output_tokens,
            is_count: false,
        })
    }

    /// Whether a body can be seen to hold nothing but text without reading it: no picture, sound or file, neither there
    /// nor asked for. `false` says nothing. A tenth of what reading takes.
    #[must_use]
    pub fn is_text_alone(body: &[u8]) -> bool {
        SIGNS.iter().all(|sign| sign.find(body).is_none())
    }

    /// Tokens that have to fit into a context window.
    #[must_use]
    pub fn context_tokens(&self) -> u64 {
        if self.is_count {
            return 0;
        }
        self.input_tokens.saturating_add(self.output_tokens.unwrap_or(0))
    }
}

impl Found {
    fn read_field(&mut self, reader: &mut Reader<'_>, field: &[u8]) -> Result<(), JsonError> {
        match field {
            b"messages" | b"input" => reader.array(|reader| self.read_part(reader)),
            b"contents" => reader.each(|reader| self.read_gemini_content(reader)),
            b"tools" | b"functions" => reader.array(|reader| {
                self.capabilities.insert(Capability::Tools);
                reader.raw().map(|_| ())
            }),
            b"response_format" | b"output_format" => self.read_format(reader),
            b"text" => reader.object(|reader, key| match key {
                b"format" => self.read_format(reader),
                _ => reader.raw().map(|_| ()),
            }),
            b"reasoning_effort" => self.read_effort(reader),
            b"output_config" => reader.object(|reader, key| match key {
                b"format" => self.read_format(reader),
                b"effort" => self.read_effort(reader),
                _ => reader.raw().map(|_| ()),
            }),
            b"reasoning" => self.read_reasoning(reader),
            b"thinking" => self.read_thinking(reader),
            b"modalities" => self.read_modalities(reader),
            b"audio" => self.read_given(reader, Capability::AudioOutput),
            b"max_tokens" | b"max_completion_tokens" | b"max_output_tokens" => self.read_output_tokens(reader),
            b"generationConfig" | b"generation_config" => self.read_generation(reader),
            // What is to be counted, with all that belongs to it.
            b"generateContentRequest" | b"generate_content_request" => {
                reader.object(|reader, key| self.read_field(reader, key))
            }
            _ => reader.raw().map(|_| ()),
        }
    }
}

#[cfg(test)]
#[path = "needs_tests.rs"]
mod tests;
