//! The rate-limit headers of a provider's answer.
//!
//! Sources: the rate limit pages of `OpenAI` (`x-ratelimit-limit-requests`, resets as `6m0s`), Azure, Groq and Cerebras
//! (the same names, Cerebras with the time behind them), Anthropic (`anthropic-ratelimit-input-tokens-limit`, resets
//! as RFC 3339); draft-ietf-httpapi-ratelimit-headers, 03 (`RateLimit-Remaining`) and 10 (`RateLimit: "a";r=1;t=5`).

use super::reported::{ProviderLimits, Remainder};
use crate::resilience::hints::Headers;
use crate::resilience::hints_time;

/// A limit of a header family.
struct Row {
    limit: &'static str,
    remaining: &'static str,
    reset: &'static str,
    resource: Counts,
    /// `OpenAI` and Anthropic state that they fill a bucket little by little; of others a reset is all that is known.
    refills_evenly: bool,
}

#[derive(Clone, Copy)]
enum Counts {
    Requests,
    Tokens,
    InputTokens,
    OutputTokens,
}

const fn row(names: [&'static str; 3], resource: Counts, refills_evenly: bool) -> Row {
    let [limit, remaining, reset] = names;
    Row { limit, remaining, reset, resource, refills_evenly }
}

const ROWS: [Row; 10] = [
    row(
        ["x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"],
        Counts::Requests,
        true,
    ),
    row(["x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"], Counts::Tokens, true),
    row(
        ["x-ratelimit-limit-requests-day", "x-ratelimit-remaining-requests-day", "x-ratelimit-reset-requests-day"],
        Counts::Requests,
        false,
    ),
    row(
        ["x-ratelimit-limit-tokens-minute", "x-ratelimit-remaining-tokens-minute", "x-ratelimit-reset-tokens-minute"],
        Counts::Tokens,
        false,
    ),
    row(
        [
            "anthropic-ratelimit-requests-limit",
            "anthropic-ratelimit-requests-remaining",
            "anthropic-ratelimit-requests-reset",
        ],
        Counts::Requests,
        true,
    ),
    row(
        [
            "anthropic-ratelimit-tokens-limit",
            "anthropic-ratelimit-tokens-remaining",
            "anthropic-ratelimit-tokens-reset",
        ],
        Counts::Tokens,
        true,
    ),
    row(
        [
            "anthropic-ratelimit-input-tokens-limit",
            "anthropic-ratelimit-input-tokens-remaining",
            "anthropic-ratelimit-input-tokens-reset",
        ],
        Counts::InputTokens,
        true,
    ),
    row(
        [
            "anthropic-ratelimit-output-tokens-limit",
            "anthropic-ratelimit-output-tokens-remaining",
            "anthropic-ratelimit-output-tokens-reset",
        ],
        Counts::OutputTokens,
        true,
    ),
    row(["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"], Counts::Requests, false),
    row(["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"], Counts::Requests, false),
];

/// What an answer's headers say about limits; what can't be read is not said. Of two that are about the same resource
/// the one with less left counts.
#[must_use]
pub fn read(headers: &dyn Headers, now_unix_ms: u64) -> ProviderLimits {
    let header = |name| std::str::from_utf8(headers.get(name)?).ok();
    let mut limits = ProviderLimits::default();
    for row in &ROWS {
        let Some(remaining) = header(row.remaining).and_then(units) else { continue };
        let remainder = Remainder {
            // The drafts up to 03 allow the policies behind the number: `100, 100;w=60`.
            limit: header(row.limit).and_then(|text| units(text.split([',', ';']).next()?)),
            remaining: Some(remaining),
            reset_ns: header(row.reset).and_then(|text| hints_time::until(text, now_unix_ms)),
            refills_evenly: row.refills_evenly,
        };
        note(&mut limits, row.resource, remainder);
    }
    if let Some(text) = header("ratelimit") {
        for remainder in of_draft(text, header("ratelimit-policy").unwrap_or_default(), now_unix_ms) {
            note(&mut limits, Counts::Requests, remainder);
        }
    }
    limits
}

fn note(limits: &mut ProviderLimits, resource: Counts, said: Remainder) {
    let place = match resource {
        Counts::Requests => &mut limits.requests,
        Counts::Tokens => &mut limits.tokens,
        Counts::InputTokens => &mut limits.input_tokens,
        Counts::OutputTokens => &mut limits.output_tokens,
    };
    if place.is_none_or(|known| said.remaining < known.remaining) {
        *place = Some(said);
    }
}

/// `"default";r=50;t=30` with `"default";q=100;w=60`, and the form of draft 07, `limit=100, remaining=50, reset=5`.
fn of_draft(text: &str, policies: &str, now_unix_ms: u64) -> Vec<Remainder> {
    let seconds = |text: &str| hints_time::until(text, now_unix_ms);
    if let Some(remaining) = member(text, ',', "remaining").and_then(units) {
        let limit = member(text, ',', "limit").and_then(units);
        let reset_ns = member(text, ',', "reset").and_then(seconds);
        return vec![Remainder { limit, remaining: Some(remaining), reset_ns, refills_evenly: false }];
    }
    let items = text.split(',').filter_map(|item| {
        let remaining = member(item, ';', "r").and_then(units)?;
        let name = item.split(';').next()?.trim();
        let policy = policies.split(',').find(|policy| policy.split(';').next().is_some_and(|it| it.trim() == name));
        let unit = policy.and_then(|policy| member(policy, ';', "qu")).unwrap_or("requests");
        let reset = member(item, ';', "t").or_else(|| member(policy?, ';', "w"));
        (unit == "requests").then(|| Remainder {
            limit: policy.and_then(|policy| member(policy, ';', "q")).and_then(units),
            remaining: Some(remaining),
            reset_ns: reset.and_then(seconds),
            refills_evenly: false,
        })
    });
    items.collect()
}

/// The value of `name=value` among parts, without its quotes.
fn member<'a>(text: &'a str, between: char, name: &str) -> Option<&'a str> {
    let mut parts = text.split(between).filter_map(|part| part.trim().split_once('='));
    parts.find(|(found, _)| *found == name).map(|(_, value)| value.trim().trim_matches('"'))
}

/// A whole number; what is below 0 (Groq writes so) is 0, and a fraction is cut.
fn units(text: &str) -> Option<u64> {
    let text = text.trim();
    if let Some(negative) = text.strip_prefix('-') {
        return units(negative).map(|_| 0);
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let is_number = !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit());
    whole.parse().ok().filter(|_| is_number)
}

#[cfg(test)]
#[path = "provider_headers_tests.rs"]
mod tests;
