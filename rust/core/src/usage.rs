//! Token counts in one normal form: disjoint classes, so that a price is a sum of products and nothing is counted twice.

use serde::Deserialize;

/// Tokens of one exchange, by class. The classes are disjoint: their sum is what the provider billed.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(default)]
pub struct Usage {
    /// Input text that no cache held.
    pub input_tokens: u64,
    /// Input read from the provider's prompt cache.
    pub cache_read_tokens: u64,
    /// Input written to the provider's prompt cache for 5 minutes.
    pub cache_write_5m_tokens: u64,
    /// Input written to the provider's prompt cache for an hour.
    pub cache_write_1h_tokens: u64,
    /// Input written to the provider's prompt cache for a time it does not state.
    pub cache_write_other_tokens: u64,
    /// Audio in.
    pub input_audio_tokens: u64,
    /// Images in.
    pub input_image_tokens: u64,
    /// Audio in that the provider's prompt cache held.
    pub cache_read_audio_tokens: u64,
    /// Images in that the provider's prompt cache held.
    pub cache_read_image_tokens: u64,
    /// Text out.
    pub output_tokens: u64,
    /// Reasoning out.
    pub reasoning_tokens: u64,
    /// Audio out.
    pub output_audio_tokens: u64,
    /// Images out.
    pub output_image_tokens: u64,
}

impl Usage {
    /// Tokens in, of every class.
    #[must_use]
    pub fn input(&self) -> u64 {
        [
            self.input_tokens,
            self.cache_read_tokens,
            self.cache_write_5m_tokens,
            self.cache_write_1h_tokens,
            self.cache_write_other_tokens,
            self.input_audio_tokens,
            self.input_image_tokens,
            self.cache_read_audio_tokens,
            self.cache_read_image_tokens,
        ]
        .into_iter()
        .fold(0, u64::saturating_add)
    }

    /// Tokens out, of every class.
    #[must_use]
    pub fn output(&self) -> u64 {
        [self.output_tokens, self.reasoning_tokens, self.output_audio_tokens, self.output_image_tokens]
            .into_iter()
            .fold(0, u64::saturating_add)
    }

    /// Of each count the larger: streams tell counts more than once.
    #[must_use]
    pub fn field_wise_max(&self, other: &Self) -> Self {
        Self {
            input_tokens: self.input_tokens.max(other.input_tokens),
            cache_read_tokens: self.cache_read_tokens.max(other.cache_read_tokens),
            cache_write_5m_tokens: self.cache_write_5m_tokens.max(other.cache_write_5m_tokens),
            cache_write_1h_tokens: self.cache_write_1h_tokens.max(other.cache_write_1h_tokens),
            cache_write_other_tokens: self.cache_write_other_tokens.max(other.cache_write_other_tokens),
            input_audio_tokens: self.input_audio_tokens.max(other.input_audio_tokens),
            input_image_tokens: self.input_image_tokens.max(other.input_image_tokens),
            cache_read_audio_tokens: self.cache_read_audio_tokens.max(other.cache_read_audio_tokens),
            cache_read_image_tokens: self.cache_read_image_tokens.max(other.cache_read_image_tokens),
            output_tokens: self.output_tokens.max(other.output_tokens),
            reasoning_tokens: self.reasoning_tokens.max(other.reasoning_tokens),
            output_audio_tokens: self.output_audio_tokens.max(other.output_audio_tokens),
            output_image_tokens: self.output_image_tokens.max(other.output_image_tokens),
        }
    }
}
