//! How much of everything that is limited: what a request may use, or has used.

use crate::tables::limits::Resource;
use crate::usage::Usage;

/// So much of each resource.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Amounts {
    /// Requests, which count as under way as well.
    pub requests: u64,
    /// Tokens in.
    pub input_tokens: u64,
    /// Tokens out.
    pub output_tokens: u64,
    /// Picodollars.
    pub cost_pusd: u64,
}

impl Amounts {
    /// How much of one resource.
    #[must_use]
    pub const fn of(&self, resource: Resource) -> u64 {
        match resource {
            Resource::Requests | Resource::Concurrent => self.requests,
            Resource::InputTokens => self.input_tokens,
            Resource::OutputTokens => self.output_tokens,
            Resource::Tokens => self.input_tokens.saturating_add(self.output_tokens),
            Resource::Usd => self.cost_pusd,
        }
    }

    /// Both together; what is beyond any number is the largest.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            requests: self.requests.saturating_add(other.requests),
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            cost_pusd: self.cost_pusd.saturating_add(other.cost_pusd),
        }
    }

    /// Adds the tokens that a provider counted.
    pub fn add_tokens(&mut self, usage: &Usage) {
        let tokens = Self { input_tokens: usage.input(), output_tokens: usage.output(), ..Self::default() };
        *self = self.plus(tokens);
    }
}
