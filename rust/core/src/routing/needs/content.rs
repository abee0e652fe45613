//! What is in a conversation beside text.

use super::Found;
use crate::json::{JsonError, Reader};
use crate::tables::Capability;

/// One picture of 1024 × 1024, looked at closely.
const IMAGE_TOKENS: u64 = 765;
/// Of sound in base64: compressed speech, at ten tokens a second.
const AUDIO_BYTES_PER_TOKEN: u64 = 400;
/// Of a document in base64: between a page of plain text and a scanned one.
const FILE_BYTES_PER_TOKEN: u64 = 24;

impl Found {
    /// A message, an item of a Responses request, or a part of either: each has a type, and may have parts.
    pub(super) fn read_part(&mut self, reader: &mut Reader<'_>) -> Result<(), JsonError> {
        let start = reader.position();
        let (mut capability, mut is_plain) = (None, false);
        reader.object(|reader, key| match key {
            b"content" | b"output" => reader.array(|reader| self.read_part(reader)),
            b"type" => {
                capability = capability_of(&reader.text()?);
                Ok(())
            }
            b"source" => reader.object(|reader, key| match key {
                b"content" => reader.array(|reader| self.read_part(reader)),
                b"type" => {
                    is_plain = matches!(reader.text()?.as_ref(), b"text" | b"content");
                    Ok(())
                }
                _ => reader.raw().map(|_| ()),
            }),
            _ => reader.raw().map(|_| ()),
        })?;
        match capability {
            // A document of plain text is text, whoever reads it.
            Some(Capability::FileInput) if is_plain => {}
            Some(capability) => self.add_media(capability, reader.position() - start),
            None => {}
        }
        Ok(())
    }

    /// Gemini's turn.
    pub(super) fn read_gemini_content(&mut self, reader: &mut Reader<'_>) -> Result<(), JsonError> {
        reader.object(|reader, key| match key {
            b"parts" => reader.each(|reader| self.read_gemini_part(reader)),
            _ => reader.raw().map(|_| ()),
        })
    }

    fn read_gemini_part(&mut self, reader: &mut Reader<'_>) -> Result<(), JsonError> {
        reader.object(|reader, key| match key {
            b"inlineData" | b"inline_data" | b"fileData" | b"file_data" => self.read_gemini_media(reader),
            b"functionResponse" | b"function_response" => self.read_gemini_content(reader),
            _ => reader.raw().map(|_| ()),
        })
    }

    fn read_gemini_media(&mut self, reader: &mut Reader<'_>) -> Result<(), JsonError> {
        let start = reader.position();
        let (mut is_object, mut capability) = (false, Capability::FileInput);
        reader.object(|reader, key| {
            is_object = true;
            match key {
                b"mimeType" | b"mime_type" => capability = capability_of_media(&reader.text()?),
                _ => {
                    reader.raw()?;
                }
            }
            Ok(())
        })?;
        if is_object {
            self.add_media(capability, reader.position() - start);
        }
        Ok(())
    }

    fn add_media(&mut self, capability: Capability, bytes: usize) {
        self.capabilities.insert(capability);
        let bytes = bytes as u64;
        self.media_bytes += bytes;
        self.media_tokens += match capability {
            Capability::ImageInput => IMAGE_TOKENS,
            Capability::AudioInput => bytes / AUDIO_BYTES_PER_TOKEN,
            _ => bytes / FILE_BYTES_PER_TOKEN,
        };
    }
}

/// What a part of OpenAI's or Anthropic's needs, by its type.
fn capability_of(kind: &[u8]) -> Option<Capability> {
    match kind {
        b"image_url" | b"input_image" | b"computer_call_output" | b"image" => Some(Capability::ImageInput),
        b"input_audio" => Some(Capability::AudioInput),
        b"file" | b"input_file" | b"document" | b"container_upload" => Some(Capability::FileInput),
        _ => None,
    }
}

/// What a part of Gemini's needs, by its type of media. Films are files.
fn capability_of_media(media_type: &[u8]) -> Capability {
    match media_type.split(|byte| *byte == b'/').next() {
        Some(family) if family.eq_ignore_ascii_case(b"image") => Capability::ImageInput,
        Some(family) if family.eq_ignore_ascii_case(b"audio") => Capability::AudioInput,
        _ => Capability::FileInput,
    }
}
