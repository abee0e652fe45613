//! Token counts as the chat format reports them: `prompt_tokens` includes what was cached, `completion_tokens` reasoning.

use crate::json_object::JsonObject;
use crate::usage::Usage;

/// Writes a `usage` object.
pub(super) fn write(usage: &Usage, into: &mut Vec<u8>) {
    let sum = |counts: &[u64]| counts.iter().copied().fold(0, u64::saturating_add);
    let cached = sum(&[usage.cache_read_tokens, usage.cache_read_audio_tokens, usage.cache_read_image_tokens]);
    let cache_write = sum(&[usage.cache_write_5m_tokens, usage.cache_write_1h_tokens, usage.cache_write_other_tokens]);
    let mut object = JsonObject::begin(into);
    object.number("prompt_tokens", usage.input());
    object.number("completion_tokens", usage.output());
    object.number("total_tokens", usage.input().saturating_add(usage.output()));
    object.object("prompt_tokens_details", |details| {
        details.number("cached_tokens", cached);
        details.number("audio_tokens", usage.input_audio_tokens);
        for (name, count) in [("cache_write_tokens", cache_write), ("image_tokens", usage.input_image_tokens)] {
            if count > 0 {
                details.number(name, count);
            }
        }
    });
    object.object("completion_tokens_details", |details| {
        details.number("reasoning_tokens", usage.reasoning_tokens);
        details.number("audio_tokens", usage.output_audio_tokens);
        if usage.output_image_tokens > 0 {
            details.number("image_tokens", usage.output_image_tokens);
        }
    });
    object.end();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialects::openai_usage;

    #[test]
    fn totals_include_their_parts() {
        let usage = Usage {
            input_tokens: 1,
            cache_read_tokens: 20,
            cache_write_other_tokens: 300,
            input_audio_tokens: 4_000,
            input_image_tokens: 50_000,
            output_tokens: 6,
            reasoning_tokens: 70,
            output_audio_tokens: 800,
            ..Usage::default()
        };
        let mut written = Vec::new();
        write(&usage, &mut written);
        let expected = r#"{"prompt_tokens":54321,"completion_tokens":876,"total_tokens":55197,"prompt_tokens_details":{"cached_tokens":20,"audio_tokens":4000,"cache_write_tokens":300,"image_tokens":50000},"completion_tokens_details":{"reasoning_tokens":70,"audio_tokens":800}}"#;
        assert_eq!(String::from_utf8_lossy(&written), expected);
        assert_eq!(openai_usage::read(&written), Some(usage));
        let more = Usage { input_tokens: 5, cache_read_tokens: 1, ..Usage::default() };
        assert_eq!(usage.field_wise_max(&more), Usage { input_tokens: 5, ..usage });
    }
}
