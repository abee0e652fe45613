//! The counters of one combination of labels, and the latencies of one deployment, on one core.

use crate::usage::Usage;

use super::histogram::{Counter, DURATION_NS, FIRST_CONTENT_NS, Histogram, PER_TOKEN_NS};

/// Classes of tokens, in the order of [`TokenCount`]; they are disjoint.
pub const TOKEN_CLASSES: [&str; 13] = [
    "input",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
    "cache_write_other",
    "input_audio",
    "input_image",
    "cache_read_audio",
    "cache_read_image",
    "output",
    "reasoning",
    "output_audio",
    "output_image",
];

/// The classes that a model generates: `output`, `reasoning`, `output_audio`, `output_image`.
const FIRST_OUTPUT_CLASS: usize = 9;

/// Whose fault an exchange's end was, in the order of [`Series::exchanges`].
pub const FAULTS: [&str; 5] = ["none", "caller", "policy", "provider", "gateway"];

/// Tokens by class.
pub type Tokens = [u64; TOKEN_CLASSES.len()];

/// The counts in the order of [`TOKEN_CLASSES`].
#[must_use]
pub fn by_class(usage: &Usage) -> Tokens {
    // Taken apart, so that a class added there is missed by nobody.
    let Usage {
        input_tokens,
        cache_read_tokens,
        cache_write_5m_tokens,
        cache_write_1h_tokens,
        cache_write_other_tokens,
        input_audio_tokens,
        input_image_tokens,
        cache_read_audio_tokens,
        cache_read_image_tokens,
        output_tokens,
        reasoning_tokens,
        output_audio_tokens,
        output_image_tokens,
    } = *usage;
    [
        input_tokens,
        cache_read_tokens,
        cache_write_5m_tokens,
        cache_write_1h_tokens,
        cache_write_other_tokens,
        input_audio_tokens,
        input_image_tokens,
        cache_read_audio_tokens,
        cache_read_image_tokens,
        output_tokens,
        reasoning_tokens,
        output_audio_tokens,
        output_image_tokens,
    ]
}

/// What is known of an exchange's tokens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TokenCount {
    /// No model was asked.
    NotApplicable,
    /// A model answered, and nothing is known.
    Missing,
    /// The provider's own count.
    Reported(Tokens),
    /// The gateway's.
    Estimated(Tokens),
}

/// What is known of an exchange's cost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cost {
    /// Nothing was used.
    NotApplicable,
    /// The model has no known price, or its tokens are not known.
    Unknown,
    /// Picodollars.
    Known(i64),
}

impl Cost {
    /// Picodollars: 0 where nothing was used, `None` where it is unknown.
    #[must_use]
    pub fn known(self) -> Option<i64> {
        match self {
            Self::NotApplicable => Some(0),
            Self::Unknown => None,
            Self::Known(pusd) => Some(pusd),
        }
    }
}

/// Labels of a series.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Labels {
    /// Who pays.
    pub tenant: String,
    /// The name the client asked for.
    pub model: String,
    /// Where it was sent.
    pub deployment: String,
}

/// Counters of one combination of labels.
#[derive(Debug)]
pub struct Series {
    /// Which one.
    pub labels: Labels,
    /// Exchanges by fault, as in [`FAULTS`].
    pub exchanges: [Counter; FAULTS.len()],
    /// Tokens by class, as in [`TOKEN_CLASSES`].
    pub tokens: [Counter; TOKEN_CLASSES.len()],
    /// Picodollars; wraps at 18 million dollars.
    pub cost_pusd: Counter,
    /// Exchanges whose cost is not known.
    pub cost_unknown: Counter,
    /// Exchanges without a token count.
    pub usage_missing: Counter,
    /// Exchanges whose tokens the gateway counted itself.
    pub usage_estimated: Counter,
    /// Bodies of requests.
    pub request_bytes: Counter,
    /// Content of answers.
    pub content_bytes: Counter,
}

impl Series {
    pub(super) fn new(labels: Labels) -> Self {
        Self {
            labels,
            exchanges: std::array::from_fn(|_| Counter::default()),
            tokens: std::array::from_fn(|_| Counter::default()),
            cost_pusd: Counter::default(),
            cost_unknown: Counter::default(),
            usage_missing: Counter::default(),
            usage_estimated: Counter::default(),
            request_bytes: Counter::default(),
            content_bytes: Counter::default(),
        }
    }

    pub(super) fn count_exchange(&self, fault: &str) {
        let index = FAULTS.iter().position(|name| *name == fault).unwrap_or(0);
        self.exchanges[index].add(1);
    }

    pub(super) fn count_tokens(&self, count: TokenCount) {
        match count {
            TokenCount::NotApplicable => return,
            TokenCount::Missing => self.usage_missing.add(1),
            TokenCount::Reported(_) => {}
            TokenCount::Estimated(_) => self.usage_estimated.add(1),
        }
        for (counter, tokens) in self.tokens.iter().zip(count.tokens().into_iter().flatten()) {
            if tokens > 0 {
                counter.add(tokens);
            }
        }
    }

    pub(super) fn count_cost(&self, cost: Cost) {
        match cost {
            Cost::NotApplicable => {}
            Cost::Unknown => self.cost_unknown.add(1),
            // A refund is not a counter's; the ledger has it.
            Cost::Known(pusd) => self.cost_pusd.add(u64::try_from(pusd).unwrap_or(0)),
        }
    }
}

impl TokenCount {
    fn tokens(self) -> Option<Tokens> {
        match self {
            Self::Reported(tokens) | Self::Estimated(tokens) => Some(tokens),
            Self::NotApplicable | Self::Missing => None,
        }
    }

    /// What the model generated; 0 if not known.
    pub(super) fn generated(self) -> u64 {
        self.tokens().map_or(0, |tokens| tokens[FIRST_OUTPUT_CLASS..].iter().sum())
    }
}

/// How long one deployment takes.
#[derive(Debug)]
pub struct Latencies {
    /// Which one; `none` for exchanges that reached none.
    pub deployment: String,
    /// From receipt to the end of the answer.
    pub duration: Histogram<14>,
    /// Waiting for the provider.
    pub upstream: Histogram<14>,
    /// From receipt to the first content of a stream.
    pub first_content: Histogram<16>,
    /// Per token after the first.
    pub per_output_token: Histogram<13>,
}

impl Latencies {
    pub(super) fn new(deployment: String) -> Self {
        Self {
            deployment,
            duration: Histogram::new(&DURATION_NS),
            upstream: Histogram::new(&DURATION_NS),
            first_content: Histogram::new(&FIRST_CONTENT_NS),
            per_output_token: Histogram::new(&PER_TOKEN_NS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::TABLE;

    #[test]
    fn every_fault_of_the_table_has_a_counter() {
        for row in &TABLE {
            assert!(FAULTS[1..].contains(&row.fault.name()), "{}", row.fault.name());
        }
    }
}
