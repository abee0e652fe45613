//! What an exchange used in all: its last attempt, and those before it that were billed.

use fastgate_core::tables::limits::Resource;
use fastgate_core::telemetry::series::Cost;
use fastgate_core::usage::Usage;

use crate::record::Record;

/// Sums over attempts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Total {
    requests: u64,
    input_tokens: u64,
    output_tokens: u64,
    /// `None`: the price of something is unknown.
    cost_pusd: Option<u64>,
}

impl Total {
    /// Of the whole exchange. One that never reached a provider used nothing.
    pub(super) fn of(record: &Record) -> Self {
        if record.attempts == 0 {
            return Self { cost_pusd: Some(0), ..Self::default() };
        }
        let mut total = Self { requests: 1, ..Self::of_trail(record) };
        total.add(record.usage.as_ref(), record.charge.cost);
        total
    }

    /// Of the attempts that came to nothing.
    pub(super) fn of_trail(record: &Record) -> Self {
        let mut total = Self { cost_pusd: Some(0), ..Self::default() };
        for billed in record.trail.billed() {
            total.add(Some(&billed.usage), billed.charge.cost);
        }
        total
    }

    fn add(&mut self, usage: Option<&Usage>, cost: Cost) {
        if let Some(usage) = usage {
            self.input_tokens = self.input_tokens.saturating_add(usage.input());
            self.output_tokens = self.output_tokens.saturating_add(usage.output());
        }
        let cost_pusd = match cost {
            Cost::Known(pusd) => Some(u64::try_from(pusd).unwrap_or(0)),
            Cost::NotApplicable => Some(0),
            Cost::Unknown => None,
        };
        self.cost_pusd = self.cost_pusd.zip(cost_pusd).map(|(sum, cost)| sum.saturating_add(cost));
    }

    /// What was used of a resource; `None` if nobody knows.
    pub(super) fn of_resource(&self, resource: Resource) -> Option<u64> {
        match resource {
            Resource::Requests => Some(self.requests),
            Resource::InputTokens => Some(self.input_tokens),
            Resource::OutputTokens => Some(self.output_tokens),
            Resource::Tokens => Some(self.input_tokens.saturating_add(self.output_tokens)),
            Resource::Concurrent => Some(0),
            Resource::Usd => self.cost_pusd,
        }
    }
}
