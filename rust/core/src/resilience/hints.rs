//! How long a provider asks to be left alone, from the first of these that says so: `retry-after-ms`, `retry-after`,
//! the body, the latest reset of what is used up.
//!
//! Sources: RFC 9110, 10.2.3; the rate limit pages of OpenAI, Azure, Anthropic, Groq, Cerebras and `OpenRouter`;
//! google.rpc.RetryInfo; draft-ietf-httpapi-ratelimit-headers.

use super::hints_time;

/// Header fields of an answer.
pub trait Headers {
    /// The value of a field; names are lower case.
    fn get(&self, name: &str) -> Option<&[u8]>;
}

/// An answer without headers.
#[derive(Clone, Copy, Debug)]
pub struct NoHeaders;

impl Headers for NoHeaders {
    fn get(&self, _: &str) -> Option<&[u8]> {
        None
    }
}

/// All that the classifier looks at; nothing else need be kept of an answer's head.
pub const HEADERS: [&str; 25] = [
    "content-type",
    "retry-after",
    "retry-after-ms",
    "x-amzn-errortype",
    "x-should-retry",
    "anthropic-ratelimit-input-tokens-remaining",
    "anthropic-ratelimit-input-tokens-reset",
    "anthropic-ratelimit-output-tokens-remaining",
    "anthropic-ratelimit-output-tokens-reset",
    "anthropic-ratelimit-requests-remaining",
    "anthropic-ratelimit-requests-reset",
    "anthropic-ratelimit-tokens-remaining",
    "anthropic-ratelimit-tokens-reset",
    "ratelimit-remaining",
    "ratelimit-reset",
    "x-ratelimit-remaining",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-remaining-requests-day",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-remaining-tokens-minute",
    "x-ratelimit-reset",
    "x-ratelimit-reset-requests",
    "x-ratelimit-reset-requests-day",
    "x-ratelimit-reset-tokens",
    "x-ratelimit-reset-tokens-minute",
];

/// What is left of a limit, and when there will be more.
const LIMITS: [(&str, &str); 10] = [
    ("anthropic-ratelimit-input-tokens-remaining", "anthropic-ratelimit-input-tokens-reset"),
    ("anthropic-ratelimit-output-tokens-remaining", "anthropic-ratelimit-output-tokens-reset"),
    ("anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"),
    ("anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"),
    ("ratelimit-remaining", "ratelimit-reset"),
    ("x-ratelimit-remaining", "x-ratelimit-reset"),
    ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    ("x-ratelimit-remaining-requests-day", "x-ratelimit-reset-requests-day"),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    ("x-ratelimit-remaining-tokens-minute", "x-ratelimit-reset-tokens-minute"),
];

/// What a body says about a pause.
#[derive(Clone, Copy, Debug, Default)]
pub struct BodyHints<'a> {
    /// `google.rpc.RetryInfo`'s `retryDelay`.
    pub retry_delay: Option<&'a str>,
    /// A reset that `OpenRouter` passes on from a header of the provider behind it.
    pub reset: Option<&'a str>,
    /// The message, in lower case.
    pub text: &'a str,
}

/// Nanoseconds from now; `None` if nothing is said, or nothing that can be meant: below zero, or beyond 32 days.
#[must_use]
pub fn pause_ns(headers: &dyn Headers, body: BodyHints<'_>, now_unix_ms: u64) -> Option<u64> {
    let header = |name| std::str::from_utf8(headers.get(name)?).ok();
    let until = |text| hints_time::until(text, now_unix_ms);
    header("retry-after-ms")
        .and_then(hints_time::milliseconds)
        .or_else(|| header("retry-after").and_then(until))
        .or_else(|| body.retry_delay.and_then(until))
        .or_else(|| spoken(body.text, now_unix_ms))
        .or_else(|| body.reset.and_then(until))
        .or_else(|| {
            let used_up = LIMITS.iter().filter(|(remaining, _)| header(remaining).is_some_and(is_none_left));
            used_up.filter_map(|(_, reset)| header(reset).and_then(until)).max()
        })
}

/// `0`, and the negative numbers that Groq writes.
fn is_none_left(remaining: &str) -> bool {
    remaining.trim().parse::<f64>().is_ok_and(|left| left <= 0.0)
}

/// What a message asks for in words.
fn spoken(text: &str, now_unix_ms: u64) -> Option<u64> {
    let after = |words: &str| {
        let at = memchr::memmem::find(text.as_bytes(), words.as_bytes())?;
        text.get(at + words.len()..)
    };
    let duration = |words| after(words).and_then(hints_time::duration).map(|(pause_ns, _)| pause_ns);
    ["try again in ", "retry in ", "retry after ", "try again after "]
        .into_iter()
        .find_map(duration)
        .or_else(|| after("will be replenished in ").and_then(hints_time::clock))
        .or_else(|| after("regain access on ").and_then(|text| hints_time::until_day(text, now_unix_ms)))
}

#[cfg(test)]
#[path = "hints_tests.rs"]
mod tests;
