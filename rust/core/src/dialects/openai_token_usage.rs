//! Token counts as OpenAI's Responses, images, audio and batches report them.
//!
//! Source: OpenAI API reference, "The response object", "The image generation response", "The transcription object".
//! `input_tokens` includes cached, audio and image tokens, `output_tokens` reasoning. Transcriptions name the details in
//! the singular; a transcript billed by the second reports no tokens.

use serde::Deserialize;

use super::openai_usage::take;
use crate::usage::Usage;

#[derive(Deserialize)]
struct Reported {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    input_tokens_details: Option<InputDetails>,
    input_token_details: Option<InputDetails>,
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Default, Deserialize)]
#[expect(clippy::struct_field_names, reason = "the format's names")]
struct InputDetails {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
    audio_tokens: Option<u64>,
    image_tokens: Option<u64>,
}

#[derive(Default, Deserialize)]
#[expect(clippy::struct_field_names, reason = "the format's names")]
struct OutputDetails {
    reasoning_tokens: Option<u64>,
    audio_tokens: Option<u64>,
    image_tokens: Option<u64>,
}

/// Reads a `usage` object. `None` if it is none, or says nothing about tokens.
#[must_use]
pub fn read(usage: &[u8]) -> Option<Usage> {
    let reported: Reported = serde_json::from_slice(usage).ok()?;
    if reported.input_tokens.is_none() && reported.output_tokens.is_none() {
        return None;
    }
    let (mut input, mut output) = (reported.input_tokens.unwrap_or(0), reported.output_tokens.unwrap_or(0));
    let into = reported.input_tokens_details.or(reported.input_token_details).unwrap_or_default();
    let out = reported.output_tokens_details.unwrap_or_default();
    Some(Usage {
        cache_read_tokens: take(&mut input, into.cached_tokens.unwrap_or(0)),
        cache_write_other_tokens: take(&mut input, into.cache_write_tokens.unwrap_or(0)),
        input_audio_tokens: take(&mut input, into.audio_tokens.unwrap_or(0)),
        input_image_tokens: take(&mut input, into.image_tokens.unwrap_or(0)),
        reasoning_tokens: take(&mut output, out.reasoning_tokens.unwrap_or(0)),
        output_audio_tokens: take(&mut output, out.audio_tokens.unwrap_or(0)),
        output_image_tokens: take(&mut output, out.image_tokens.unwrap_or(0)),
        input_tokens: input,
        output_tokens: output,
        ..Usage::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_totals_apart() {
        let usage = read(
            br#"{"input_tokens":100,"input_tokens_details":{"cached_tokens":60,"cache_write_tokens":10},
                "output_tokens":50,"output_tokens_details":{"reasoning_tokens":30},"total_tokens":150}"#,
        );
        let expected = Usage {
            input_tokens: 30,
            cache_read_tokens: 60,
            cache_write_other_tokens: 10,
            output_tokens: 20,
            reasoning_tokens: 30,
            ..Usage::default()
        };
        assert_eq!(usage, Some(expected));
    }

    #[test]
    fn reads_images_and_transcripts() {
        let image = read(
            br#"{"total_tokens":100,"input_tokens":50,"output_tokens":50,
                "input_tokens_details":{"text_tokens":10,"image_tokens":40},
                "output_tokens_details":{"text_tokens":2,"image_tokens":48}}"#,
        );
        let expected = Usage {
            input_tokens: 10,
            input_image_tokens: 40,
            output_tokens: 2,
            output_image_tokens: 48,
            ..Usage::default()
        };
        assert_eq!(image, Some(expected));
        let transcript = read(
            br#"{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":0,"audio_tokens":14},
                "output_tokens":45,"total_tokens":59}"#,
        );
        assert_eq!(transcript.map(|usage| (usage.input_tokens, usage.input_audio_tokens)), Some((0, 14)));
        assert_eq!(read(br#"{"type":"duration","seconds":9}"#), None);
    }
}
