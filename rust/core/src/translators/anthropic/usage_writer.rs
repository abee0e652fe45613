//! Token counts as a client of Anthropic's reads them.

use crate::json_object::JsonObject;
use crate::json_view::Text;
use crate::usage::Usage;

/// Words for the tier that an answer was given in, and Anthropic's for it; others are left out.
const SERVICE_TIERS: [(&str, &str); 4] =
    [("standard", "standard"), ("default", "standard"), ("priority", "priority"), ("batch", "batch")];

/// Writes the members of a `usage` object. Sound and pictures have no classes of their own here.
pub(super) fn write_usage(object: &mut JsonObject<'_>, usage: &Usage, service_tier: Option<&Text<'_>>) {
    let sum = |counts: &[u64]| counts.iter().fold(0_u64, |sum, count| sum.saturating_add(*count));
    let with_lifetime = [usage.cache_write_5m_tokens, usage.cache_write_1h_tokens];
    object.number("input_tokens", sum(&[usage.input_tokens, usage.input_audio_tokens, usage.input_image_tokens]));
    object.number("cache_creation_input_tokens", sum(&with_lifetime).saturating_add(usage.cache_write_other_tokens));
    object.number(
        "cache_read_input_tokens",
        sum(&[usage.cache_read_tokens, usage.cache_read_audio_tokens, usage.cache_read_image_tokens]),
    );
    // SDKs take the sum of its parts for the whole.
    if usage.cache_write_other_tokens == 0 {
        object.object("cache_creation", |lifetimes| {
            lifetimes.number("ephemeral_5m_input_tokens", usage.cache_write_5m_tokens);
            lifetimes.number("ephemeral_1h_input_tokens", usage.cache_write_1h_tokens);
        });
    }
    object.number("output_tokens", usage.output());
    if usage.reasoning_tokens > 0 {
        object.object("output_tokens_details", |details| {
            details.number("thinking_tokens", usage.reasoning_tokens);
        });
    }
    let tier = service_tier.and_then(|tier| SERVICE_TIERS.iter().find(|(own, _)| *own == tier.escaped()));
    if let Some((_, tier)) = tier {
        object.text("service_tier", tier);
    }
}
