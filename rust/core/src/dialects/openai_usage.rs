//! Token counts as OpenAI's chat format reports them, and vendors that follow it.
//!
//! Source: OpenAI API reference, "The chat completion object". `prompt_tokens` includes cached and audio tokens,
//! `completion_tokens` reasoning and audio. Deviations: `DeepSeek`, Moonshot and Mistral name cached tokens in their own
//! ways, and xAI leaves reasoning out of `completion_tokens`, which `total_tokens` tells.

use crate::json::pick;
use crate::usage::Usage;

/// No vendor nests counts deeper.
pub(super) const DEPTH_LIMIT: usize = 16;

/// Reads a `usage` object. `None` if it is none, or says nothing about tokens.
#[must_use]
pub fn read(usage: &[u8]) -> Option<Usage> {
    let [prompt, completion, total, prompt_details, completion_details, cache_hits, cached, cached_number] = pick(
        usage,
        DEPTH_LIMIT,
        [
            "prompt_tokens",
            "completion_tokens",
            "total_tokens",
            "prompt_tokens_details",
            "completion_tokens_details",
            "prompt_cache_hit_tokens",
            "cached_tokens",
            "num_cached_tokens",
        ],
    )
    .ok()?;
    let (prompt, completion, total) = (count(prompt)?, count(completion)?, count(total)?);
    if prompt.is_none() && completion.is_none() {
        return None;
    }
    let names = ["cached_tokens", "cache_write_tokens", "audio_tokens", "image_tokens"];
    let [cached_part, cache_write, audio_in, image_in] = details(prompt_details, names)?;
    let [reasoning, audio_out] = details(completion_details, ["reasoning_tokens", "audio_tokens"])?;
    let cached = cached_part.or(count(cache_hits)?).or(count(cached)?).or(count(cached_number)?);
    let reasoning = reasoning.unwrap_or(0);
    let (mut input, mut output) = (prompt.unwrap_or(0), completion.unwrap_or(0));
    if total.is_some_and(|total| reasoning > 0 && Some(total) == sum([input, output, reasoning])) {
        output = output.saturating_add(reasoning);
    }
    Some(Usage {
        cache_read_tokens: take(&mut input, cached.unwrap_or(0)),
        cache_write_other_tokens: take(&mut input, cache_write.unwrap_or(0)),
        input_audio_tokens: take(&mut input, audio_in.unwrap_or(0)),
        input_image_tokens: take(&mut input, image_in.unwrap_or(0)),
        reasoning_tokens: take(&mut output, reasoning),
        output_audio_tokens: take(&mut output, audio_out.unwrap_or(0)),
        input_tokens: input,
        output_tokens: output,
        ..Usage::default()
    })
}

/// A count; the inner `None` where it is absent or `null`, the outer where it is no count.
#[expect(clippy::option_option, reason = "absent and wrong are different")]
pub(super) fn count(value: Option<&[u8]>) -> Option<Option<u64>> {
    match value {
        None | Some(b"null") => Some(None),
        Some(digits) => std::str::from_utf8(digits).ok()?.parse().ok().map(Some),
    }
}

/// Counts in an object of details that may be absent or `null`; `None` where it is no such object.
pub(super) fn details<const N: usize>(value: Option<&[u8]>, names: [&str; N]) -> Option<[Option<u64>; N]> {
    match value.filter(|value| *value != b"null") {
        Some(object) => counts(pick(object, DEPTH_LIMIT, names).ok()?),
        None => Some([None; N]),
    }
}

/// Counts, each of which may be absent; `None` where one is no count.
pub(super) fn counts<const N: usize>(values: [Option<&[u8]>; N]) -> Option<[Option<u64>; N]> {
    let mut counts = [None; N];
    for (slot, value) in counts.iter_mut().zip(values) {
        *slot = count(value)?;
    }
    Some(counts)
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
        // As recorded: counts beside each other, and where both are, the details are the younger ones.
        let mistral = |more| {
            let usage = format!(r#"{{"prompt_tokens":93,"completion_tokens":12,"num_cached_tokens":64{more}}}"#);
            read(usage.as_bytes()).map(|usage| (usage.input_tokens, usage.cache_read_tokens))
        };
        assert_eq!(mistral(""), Some((29, 64)));
        assert_eq!(mistral(r#","prompt_tokens_details":null"#), Some((29, 64)));
        assert_eq!(mistral(r#","prompt_tokens_details":{"cached_tokens":32}"#), Some((61, 32)));
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
