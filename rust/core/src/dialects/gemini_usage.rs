//! Token counts as Gemini reports them (`usageMetadata`).
//!
//! Source: Gemini API reference, `UsageMetadata`. `promptTokenCount` includes `cachedContentTokenCount`;
//! `toolUsePromptTokenCount` comes on top of it, and `thoughtsTokenCount` on top of `candidatesTokenCount`. What
//! `totalTokenCount` has beyond these was given out, and where it has less, thoughts are among the candidates' tokens.
//! Events of a stream write all counts so far, and the prompt's are estimates that the last event corrects, downwards
//! too (as recorded): what the last event with counts says holds as a whole, not the largest of each.

use super::openai_usage::{self, DEPTH_LIMIT, count, take};
use crate::json::{Reader, pick, walk_array};
use crate::usage::Usage;

/// Reads a `usageMetadata` object. `None` if it is none, or says nothing about tokens.
#[must_use]
pub fn read(usage: &[u8]) -> Option<Usage> {
    let names = [
        "promptTokenCount",
        "candidatesTokenCount",
        "totalTokenCount",
        "cachedContentTokenCount",
        "thoughtsTokenCount",
        "toolUsePromptTokenCount",
        "promptTokensDetails",
        "cacheTokensDetails",
        "toolUsePromptTokensDetails",
        "candidatesTokensDetails",
    ];
    let [counts @ .., in_prompt, in_cache, in_tool_use, in_candidates] = pick(usage, DEPTH_LIMIT, names).ok()?;
    let [prompt, candidates, total, cached, reasoning, tool_use] = openai_usage::counts(counts)?;
    if prompt.is_none() && candidates.is_none() && total.is_none() {
        return None;
    }
    let [in_prompt, in_cache, in_tool_use, in_candidates] =
        [in_prompt, in_cache, in_tool_use, in_candidates].map(|details| details.map(modalities).unwrap_or_default());
    let (mut input, mut output) = (prompt.unwrap_or(0), candidates.unwrap_or(0));
    let (mut reasoning, tool_use) = (reasoning.unwrap_or(0), tool_use.unwrap_or(0));
    let sum = [input, tool_use, output, reasoning].into_iter().fold(0, u64::saturating_add);
    let total = total.unwrap_or(sum);
    if total > sum {
        output = output.saturating_add(total - sum);
    } else if reasoning > 0 && total == sum - reasoning {
        reasoning = take(&mut output, reasoning);
    }
    let mut cache_read_tokens = take(&mut input, cached.unwrap_or(0));
    let cache_read_audio_tokens = take(&mut cache_read_tokens, in_cache.audio);
    let cache_read_image_tokens = take(&mut cache_read_tokens, in_cache.image);
    input = input.saturating_add(tool_use);
    // Of what the prompt has of a kind, part was in the cache.
    let fresh = |all: u64, cached: u64, by_tools: u64| all.saturating_sub(cached).saturating_add(by_tools);
    let audio = fresh(in_prompt.audio, cache_read_audio_tokens, in_tool_use.audio);
    let image = fresh(in_prompt.image, cache_read_image_tokens, in_tool_use.image);
    Some(Usage {
        cache_read_tokens,
        cache_read_audio_tokens,
        cache_read_image_tokens,
        input_audio_tokens: take(&mut input, audio),
        input_image_tokens: take(&mut input, image),
        input_tokens: input,
        reasoning_tokens: reasoning,
        output_audio_tokens: take(&mut output, in_candidates.audio),
        output_image_tokens: take(&mut output, in_candidates.image),
        output_tokens: output,
        ..Usage::default()
    })
}

/// Tokens of kinds with a price of their own.
#[derive(Clone, Copy, Debug, Default)]
struct Modalities {
    audio: u64,
    image: u64,
}

fn modalities(details: &[u8]) -> Modalities {
    let mut found = Modalities::default();
    // What is no such list has none.
    let _ = walk_array(details, DEPTH_LIMIT, |reader: &mut Reader<'_>| {
        let (mut modality, mut tokens) = (None, 0);
        reader.object(|reader, key| {
            match key {
                b"modality" => modality = Some(reader.text()?),
                b"tokenCount" => tokens = count(Some(reader.raw()?)).flatten().unwrap_or(0),
                _ => drop(reader.raw()?),
            }
            Ok(())
        })?;
        match modality.as_deref() {
            Some(b"AUDIO") => found.audio = found.audio.saturating_add(tokens),
            Some(b"IMAGE") => found.image = found.image.saturating_add(tokens),
            _ => {}
        }
        Ok(())
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_totals_apart() {
        let usage = read(
            br#"{"promptTokenCount":100,"candidatesTokenCount":20,"thoughtsTokenCount":30,"totalTokenCount":155,
                "cachedContentTokenCount":60,"toolUsePromptTokenCount":5,
                "promptTokensDetails":[{"modality":"TEXT","tokenCount":80},{"modality":"AUDIO","tokenCount":12},
                    {"modality":"IMAGE","tokenCount":8}],
                "cacheTokensDetails":[{"modality":"AUDIO","tokenCount":10},{"modality":"DOCUMENT","tokenCount":50}],
                "candidatesTokensDetails":[{"modality":"IMAGE","tokenCount":15}]}"#,
        );
        let expected = Usage {
            input_tokens: 35,
            cache_read_tokens: 50,
            cache_read_audio_tokens: 10,
            input_audio_tokens: 2,
            input_image_tokens: 8,
            output_tokens: 5,
            output_image_tokens: 15,
            reasoning_tokens: 30,
            ..Usage::default()
        };
        assert_eq!(usage, Some(expected));
        assert_eq!(expected.input() + expected.output(), 155);
    }

    #[test]
    fn the_total_decides_where_counts_are_missing_or_overlap() {
        let read = |text: &str| read(text.as_bytes());
        let missing = read(r#"{"promptTokenCount":8,"totalTokenCount":20,"thoughtsTokenCount":10}"#).expect("counts");
        assert_eq!((missing.input_tokens, missing.output_tokens, missing.reasoning_tokens), (8, 2, 10));
        let overlap =
            r#"{"promptTokenCount":8,"candidatesTokenCount":12,"thoughtsTokenCount":10,"totalTokenCount":20}"#;
        let overlap = read(overlap).expect("counts");
        assert_eq!((overlap.output_tokens, overlap.reasoning_tokens), (2, 10));
        // More cached than there is: a part is never larger than its whole.
        let odd = read(r#"{"promptTokenCount":3,"cachedContentTokenCount":9}"#).expect("counts");
        assert_eq!((odd.input_tokens, odd.cache_read_tokens), (0, 3));
        for nothing in ["{}", "null", r#"{"promptTokenCount":-1}"#, r#"{"trafficType":"ON_DEMAND"}"#] {
            assert_eq!(read(nothing), None, "{nothing}");
        }
    }
}
