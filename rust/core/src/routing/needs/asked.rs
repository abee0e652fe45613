//! What the answer is to be like: its form, its length, sound in it, and thinking before it.

use super::Found;
use crate::json::{JsonError, Reader};
use crate::tables::Capability;

impl Found {
    pub(super) fn read_given(&mut self, reader: &mut Reader<'_>, capability: Capability) -> Result<(), JsonError> {
        if reader.raw()? != b"null" {
            self.capabilities.insert(capability);
        }
        Ok(())
    }

    pub(super) fn read_format(&mut self, reader: &mut Reader<'_>) -> Result<(), JsonError> {
        reader.object(|reader, key| {
            if key != b"type" {
                return reader.raw().map(|_| ());
            }
            if reader.text()?.as_ref() == b"json_schema" {
                self.capabilities.insert(Capability::JsonSchema);
            }
            Ok(())
        })
    }

    pub(super) fn read_effort(&mut self, reader: &mut Reader<'_>) -> Result<(), JsonError> {
        if asks_for_effort(reader.raw()?) {
            self.capabilities.insert(Capability::Reasoning);
        }
        Ok(())
    }

    /// Anything asked of reasoning asks for it, except that there be none.
    pub(super) fn read_reasoning(&mut self, reader: &mut Reader<'_>) -> Result<(), JsonError> {
        let (mut is_asked, mut is_declined) = (false, false);
        reader.object(|reader, key| {
            let value = reader.raw()?;
            is_asked |= value != b"null";
            is_declined |= key == b"effort" && value != b"null" && !asks_for_effort(value);
            Ok(())
        })?;
        if is_asked && !is_declined {
            self.capabilities.insert(Capability::Reasoning);
        }
        Ok(())
    }

    /// Anthropic's `thinking`, which some vendors of OpenAI's dialect have taken over.
    pub(super) fn read_thinking(&mut self, reader: &mut Reader<'_>) -> Result<(), JsonError> {
        reader.object(|reader, key| {
            if key != b"type" {
                return reader.raw().map(|_| ());
            }
            match reader.text()?.as_ref() {
                b"disabled" => self.is_thinking_off = true,
                b"enabled" | b"adaptive" | b"auto" => self.capabilities.insert(Capability::Reasoning),
                _ => {}
            }
            Ok(())
        })
    }

    pub(super) fn read_modalities(&mut self, reader: &mut Reader<'_>) -> Result<(), JsonError> {
        reader.array(|reader| {
            if reader.text()?.eq_ignore_ascii_case(b"audio") {
                self.capabilities.insert(Capability::AudioOutput);
            }
            Ok(())
        })
    }

    pub(super) fn read_output_tokens(&mut self, reader: &mut Reader<'_>) -> Result<(), JsonError> {
        let asked = std::str::from_utf8(reader.raw()?).ok().and_then(|text| text.parse().ok());
        // Of several, the largest: which of them counts is up to the provider.
        self.output_tokens = self.output_tokens.max(asked);
        Ok(())
    }

    /// Gemini's `generationConfig`.
    pub(super) fn read_generation(&mut self, reader: &mut Reader<'_>) -> Result<(), JsonError> {
        reader.object(|reader, key| match key {
            b"responseSchema"
            | b"response_schema"
            | b"responseJsonSchema"
            | b"response_json_schema"
            | b"_responseJsonSchema" => self.read_given(reader, Capability::JsonSchema),
            b"thinkingConfig" | b"thinking_config" => self.read_gemini_thinking(reader),
            b"responseModalities" | b"response_modalities" => self.read_modalities(reader),
            b"speechConfig" | b"speech_config" => self.read_given(reader, Capability::AudioOutput),
            b"maxOutputTokens" | b"max_output_tokens" => self.read_output_tokens(reader),
            _ => reader.raw().map(|_| ()),
        })
    }

    fn read_gemini_thinking(&mut self, reader: &mut Reader<'_>) -> Result<(), JsonError> {
        reader.object(|reader, key| {
            let value = reader.raw()?;
            let is_asked = match key {
                b"thinkingBudget" | b"thinking_budget" if value == b"0" => {
                    self.is_thinking_off = true;
                    false
                }
                b"thinkingBudget" | b"thinking_budget" => value != b"null",
                b"thinkingLevel" | b"thinking_level" => value != b"null" && value != b"\"THINKING_LEVEL_UNSPECIFIED\"",
                b"includeThoughts" | b"include_thoughts" => value == b"true",
                _ => false,
            };
            if is_asked {
                self.capabilities.insert(Capability::Reasoning);
            }
            Ok(())
        })
    }
}

fn asks_for_effort(raw: &[u8]) -> bool {
    raw != b"null" && raw != b"\"none\""
}
