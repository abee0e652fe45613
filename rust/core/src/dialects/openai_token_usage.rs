//! Token counts as OpenAI's Responses, images, audio and batches report them.
//!
//! Source: OpenAI API reference, "The response object", "The image generation response", "The transcription object".
//! `input_tokens` includes cached, audio and image tokens, `output_tokens` reasoning. Transcriptions name the details in
//! the singular; a transcript billed by the second reports no tokens.

use super::openai_usage::{DEPTH_LIMIT, count, details, take};
use crate::json::pick;
use crate::usage::Usage;

/// Reads a `usage` object. `None` if it is none, or says nothing about tokens.
#[must_use]
pub fn read(usage: &[u8]) -> Option<Usage> {
    let names =
        ["input_tokens", "output_tokens", "input_tokens_details", "input_token_details", "output_tokens_details"];
    let [input, output, into, into_by_its_singular, out] = pick(usage, DEPTH_LIMIT, names).ok()?;
    let (input, output) = (count(input)?, count(output)?);
    if input.is_none() && output.is_none() {
        return None;
    }
    let (mut input, mut output) = (input.unwrap_or(0), output.unwrap_or(0));
    let into = into.filter(|details| *details != b"null").or(into_by_its_singular);
    let names = ["cached_tokens", "cache_write_tokens", "audio_tokens", "image_tokens"];
    let [cached, cache_write, audio_in, image_in] = details(into, names)?.map(Option::unwrap_or_default);
    let names = ["reasoning_tokens", "audio_tokens", "image_tokens"];
    let [reasoning, audio_out, image_out] = details(out, names)?.map(Option::unwrap_or_default);
    Some(Usage {
        cache_read_tokens: take(&mut input, cached),
        cache_write_other_tokens: take(&mut input, cache_write),
        input_audio_tokens: take(&mut input, audio_in),
        input_image_tokens: take(&mut input, image_in),
        reasoning_tokens: take(&mut output, reasoning),
        output_audio_tokens: take(&mut output, audio_out),
        output_image_tokens: take(&mut output, image_out),
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
