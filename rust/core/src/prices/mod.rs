//! What an exchange costs: token counts times rates, in whole picodollars.
//!
//! [`Catalogue`] finds the [`Rates`] of a model once, when a configuration is prepared; [`price`] is arithmetic alone.
//! The catalogue is compiled from the package `genai-prices` (github.com/pydantic/genai-prices) and gives its results
//! to the picodollar, rounded half to even as its decimals are. A price that nothing here can know is `None`, never zero.

mod amounts;
mod catalogue;
mod clause;
mod rates;

use crate::usage::Usage;

pub use amounts::{discounted, read_usd};
pub use catalogue::Catalogue;
pub use rates::{DatedRates, Meter, Rate, RateCard, Rates};

/// What a vendor's answer says about how it was billed, as `("service_tier", "priority")` or `("processing", "batch")`.
pub type Context<'a> = &'a [(&'a str, &'a str)];

/// The cost of one exchange in picodollars (10⁻¹² USD); amounts beyond `i64` saturate.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Price {
    /// Everything: input, output and a fee per request where there is one. Rounded once, so it may differ from the
    /// rounded parts' sum by a picodollar.
    pub total_pusd: i64,
    /// Tokens in, of every class.
    pub input_pusd: i64,
    /// Tokens out, of every class.
    pub output_pusd: i64,
}

/// Prices an exchange that ended at `now_unix_s`; `None` where the model was billed by something other than tokens.
#[must_use]
pub fn price(rates: &Rates, usage: &Usage, now_unix_s: i64) -> Option<Price> {
    price_in(rates, usage, now_unix_s, &[])
}

/// [`price`] of an exchange that the vendor billed in a context: other rates may hold for a batch or a faster tier.
#[must_use]
pub fn price_in(rates: &Rates, usage: &Usage, now_unix_s: i64, context: Context<'_>) -> Option<Price> {
    let active = rates.at(now_unix_s, context);
    if !active.meters_tokens() {
        return None;
    }
    let input = [
        (usage.input_tokens, &[Meter::Input] as &[Meter]),
        (usage.cache_read_tokens, &[Meter::CacheRead, Meter::Input]),
        (usage.cache_write_5m_tokens, &[Meter::CacheWrite5m, Meter::CacheWrite, Meter::Input]),
        (usage.cache_write_1h_tokens, &[Meter::CacheWrite1h, Meter::CacheWrite, Meter::Input]),
        (usage.cache_write_other_tokens, &[Meter::CacheWrite, Meter::Input]),
        (usage.input_audio_tokens, &[Meter::InputAudio, Meter::Input]),
        (usage.input_image_tokens, &[Meter::InputImage, Meter::Input]),
        // Where cached and audio input have rates of their own, cached audio has one too: the package insists on it.
        (usage.cache_read_audio_tokens, &[Meter::CacheReadAudio, Meter::CacheRead, Meter::InputAudio, Meter::Input]),
        (usage.cache_read_image_tokens, &[Meter::CacheReadImage, Meter::CacheRead, Meter::InputImage, Meter::Input]),
    ];
    let output = [
        (usage.output_tokens, &[Meter::Output] as &[Meter]),
        (usage.reasoning_tokens, &[Meter::Reasoning, Meter::Output]),
        (usage.output_audio_tokens, &[Meter::OutputAudio, Meter::Output]),
        (usage.output_image_tokens, &[Meter::OutputImage, Meter::Output]),
    ];
    let context_tokens = usage.input();
    let cost = |classes: &[(u64, &[Meter])]| {
        classes.iter().filter(|(tokens, _)| *tokens > 0).fold(0_u128, |sum, (tokens, meters)| {
            let rate = meters.iter().find_map(|meter| active.rate(*meter)).map_or(0, |rate| rate.over(context_tokens));
            sum.saturating_add(rate.saturating_mul(u128::from(*tokens)))
        })
    };
    let (input, output) = (cost(&input), cost(&output));
    let fee = active.rate(Meter::Request).map_or(0, |rate| rate.over(context_tokens));
    Some(Price {
        total_pusd: rounded(input.saturating_add(output).saturating_add(fee)),
        input_pusd: rounded(input),
        output_pusd: rounded(output),
    })
}

/// Whole picodollars, half to even.
fn rounded(amount: u128) -> i64 {
    let (whole, rest) = (amount / rates::SCALE, amount % rates::SCALE);
    let up = rest > rates::SCALE / 2 || (rest == rates::SCALE / 2 && whole % 2 == 1);
    i64::try_from(whole + u128::from(up)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
