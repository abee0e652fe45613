//! Token counts as OpenAI's chat format reports them, and vendors that follow it.
//!
//! Source: OpenAI API reference, "The chat completion object". `prompt_tokens` includes cached and audio tokens,
//! `completion_tokens` reasoning and audio. Deviations: `DeepSeek` and Moonshot name cached tokens in their own way, and
//! xAI leaves reasoning out of `completion_tokens`, which `total_tokens` tells.

use serde::Deserialize;

use crate::usage::Usage;

#[derive(Deserialize)]
struct Reported {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    total_tokens: Option<u64>,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
    prompt_cache_hit_tokens: Option<u64>,
    cached_tokens: Option<u64>,
}

#[derive(Default, Deserialize)]
#[expect(clippy::struct_field_names, reason = "the format's names")]
struct PromptDetails {
    cached_tokens: Option<u64>,
    cache_write_tokens: Option<u64>,
    audio_tokens: Option<u64>,
    image_tokens: Option<u64>,
}

#[derive(Default, Deserialize)]
struct CompletionDetails {
    reasoning_tokens: Option<u64>,
    audio_tokens: Option<u64>,
}

/// Reads a `usage` object. `None` if it is none, or says nothing about tokens.
#[must_use]
pub fn read(usage: &[u8]) -> Option<Usage> {
    let reported: Reported = serde_json::from_slice(usage).ok()?;
    let prompt_tokens = reported.prompt_tokens;
    let completion_tokens = reported.completion_tokens;
    if prompt_tokens.is_none() && completion_tokens.is_none() {
        return None;
    }
    let (mut input, mut output) = (prompt_tokens.unwrap_or(0), completion_tokens.unwrap_or(0));
    let prompt = reported.prompt_tokens_details.unwrap_or_default();
    let completion = reported.completion_tokens_details.unwrap_or_default();
    let cached = prompt.cached_tokens.or(reported.prompt_cache_hit_tokens).or(reported.cached_tokens);
    let reasoning = completion.reasoning_tokens.unwrap_or(0);
    if reported.total_tokens.is_some_and(|total| reasoning > 0 && Some(total) == sum([input, output, reasoning])) {
        output = output.saturating_add(reasoning);
    }
    Some(Usage {
        cache_read_tokens: take(&mut input, cached.unwrap_or(0)),
        cache_write_other_tokens: take(&mut input, prompt.cache_write_tokens.unwrap_or(0)),
        input_audio_tokens: take(&mut input, prompt.audio_tokens.unwrap_or(0)),
        input_image_tokens: take(&mut input, prompt.image_tokens.unwrap_or(0)),
        reasoning_tokens: take(&mut output, reasoning),
        output_audio_tokens: take(&mut output, completion.audio_tokens.unwrap_or(0)),
        input_tokens: input,
        output_tokens: output,
        ..Usage::default()
    })
}

/// Takes a part out of the whole that includes it; never more than is left.
pub(super) fn take(whole: &mut u64, part: u64) -> u64 {
    let part = part.min(*whole);
    *whole -= part;
    part
}

fn sum(parts: [u64; 3]) -> Option<u64> {
    parts.into_iter().try_fold(0_u64, u64::checked_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_totals_apart() {
        let usage = read(
            br#"{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,
                "prompt_tokens_details":{"cached_tokens":60,"audio_tokens":5},
                "completion_tokens_details":{"reasoning_tokens":30,"audio_tokens":null}}"#,
        );
        let expected = Usage {
            input_tokens: 35,
            cache_read_tokens: 60,
            input_audio_tokens: 5,
            output_tokens: 20,
            reasoning_tokens: 30,
            ..Usage::default()
        };
        assert_eq!(usage, Some(expected));
    }

    #[test]
    fn reads_what_vendors_make_of_it() {
        let deepseek = read(br#"{"prompt_tokens":10,"completion_tokens":1,"prompt_cache_hit_tokens":4}"#);
        assert_eq!(deepseek.map(|usage| (usage.input_tokens, usage.cache_read_tokens)), Some((6, 4)));
        let xai = read(
            br#"{"prompt_tokens":10,"completion_tokens":1,"total_tokens":31,
                "completion_tokens_details":{"reasoning_tokens":20}}"#,
        );
        assert_eq!(xai.map(|usage| (usage.output_tokens, usage.reasoning_tokens)), Some((1, 20)));
        // More cached than there is: a part is never larger than its whole.
        let odd = read(br#"{"prompt_tokens":3,"prompt_tokens_details":{"cached_tokens":9}}"#);
        assert_eq!(odd.map(|usage| (usage.input_tokens, usage.cache_read_tokens)), Some((0, 3)));
        assert_eq!((read(b"{}"), read(b"null"), read(br#"{"prompt_tokens":-1}"#)), (None, None, None));
    }
}
