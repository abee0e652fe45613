//! Where the limits stand, in headers: those of the client's dialect, and those of the IETF's draft.
//!
//! Source: OpenAI API reference, "Rate limits"; draft-ietf-httpapi-ratelimit-headers-10. Only the tightest limit of a kind
//! is shown, since that is the one that a client has to mind; of a denial the one that said no.

use fastgate_core::tables::limits::{LimitRule, Period, Resource, Window};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::fmt::{self, Write};

use super::line::Line;
use super::reservation::Reservation;

const LIMIT_REQUESTS: HeaderName = HeaderName::from_static("x-ratelimit-limit-requests");
const REMAINING_REQUESTS: HeaderName = HeaderName::from_static("x-ratelimit-remaining-requests");
const RESET_REQUESTS: HeaderName = HeaderName::from_static("x-ratelimit-reset-requests");
const LIMIT_TOKENS: HeaderName = HeaderName::from_static("x-ratelimit-limit-tokens");
const REMAINING_TOKENS: HeaderName = HeaderName::from_static("x-ratelimit-remaining-tokens");
const RESET_TOKENS: HeaderName = HeaderName::from_static("x-ratelimit-reset-tokens");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const WARNING: HeaderName = HeaderName::from_static("x-fastgate-limit-warning");

/// Enough for most values.
const VALUE_BYTES: usize = 128;

/// Picodollars of the unit that money is told in, a millionth of a dollar.
const MICRO_USD_PUSD: u64 = 1_000_000;

impl Reservation {
    /// Adds the headers, in place of those that a provider sent of its own limits.
    pub(crate) fn describe(&self, limits: &[LimitRule], headers: &mut HeaderMap) {
        let mut text = String::with_capacity(VALUE_BYTES);
        let of = |is_wanted: &dyn Fn(Resource) -> bool| {
            let wanted = self.lines.iter().filter(|line| is_wanted(limits[line.rule].resource));
            wanted.max_by_key(|line| line.used_permille)
        };
        if let Some(line) = of(&|resource| resource == Resource::Requests) {
            insert(headers, &mut text, [LIMIT_REQUESTS, REMAINING_REQUESTS, RESET_REQUESTS], line);
        }
        let is_tokens =
            |resource| matches!(resource, Resource::Tokens | Resource::InputTokens | Resource::OutputTokens);
        if let Some(line) = of(&is_tokens) {
            insert(headers, &mut text, [LIMIT_TOKENS, REMAINING_TOKENS, RESET_TOKENS], line);
        }
        let denied = self.lines.iter().find(|line| Some(line.rule) == self.denied_by);
        if let Some(line) = denied.or_else(|| of(&|resource| resource != Resource::Concurrent)) {
            let rule = &limits[line.rule];
            let unit = if rule.resource == Resource::Usd { MICRO_USD_PUSD } else { 1 };
            let (amount, remaining) = (line.amount / unit, line.standing.remaining / unit);
            let quota_unit = if rule.resource == Resource::Usd { ";qu=\"micro-usd\"" } else { "" };
            let (name, window_s) = (quoted(&rule.name), window_s(&rule.window));
            put(headers, &mut text, POLICY, format_args!("{name};q={amount};w={window_s}{quota_unit}"));
            put(headers, &mut text, RATE_LIMIT, format_args!("{name};r={remaining};t={}", line.standing.reset_after_s));
        }
        let mut warning = String::new();
        for line in self.lines.iter().filter(|line| line.is_warned) {
            let comma = if warning.is_empty() { "" } else { ", " };
            // Into memory: nothing here can fail.
            let _ = write!(warning, "{comma}{};used={}%", quoted(&limits[line.rule].name), line.used_permille / 10);
        }
        if !warning.is_empty() {
            put(headers, &mut text, WARNING, format_args!("{warning}"));
        }
    }
}

fn insert(headers: &mut HeaderMap, text: &mut String, [limit, remaining, reset]: [HeaderName; 3], line: &Line) {
    headers.insert(limit, line.amount.into());
    headers.insert(remaining, line.standing.remaining.into());
    put(headers, text, reset, format_args!("{}s", line.standing.reset_after_s));
}

/// Writes a value by way of `text`, whose memory serves all of them.
fn put(headers: &mut HeaderMap, text: &mut String, name: HeaderName, value: fmt::Arguments<'_>) {
    text.clear();
    // Into memory: nothing here can fail.
    let _ = text.write_fmt(value);
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}

/// A name as a string of RFC 9651, which is ASCII.
fn quoted(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 2);
    text.push('"');
    let plain_bytes = name.bytes().take_while(|byte| matches!(byte, b' '..=b'~') && !b"\"\\".contains(byte)).count();
    let (plain, rest) = name.split_at(plain_bytes);
    text.push_str(plain);
    for character in rest.chars() {
        match character {
            '"' | '\\' => text.extend(['\\', character]),
            ' '..='~' => text.push(character),
            _ => text.push('?'),
        }
    }
    text.push('"');
    text
}

fn window_s(window: &Window) -> u64 {
    const DAY_S: u64 = 86_400;
    match window {
        Window::None => 0,
        Window::Rate { period_ms, .. } => period_ms / 1000,
        Window::Sliding { window_ms } => window_ms / 1000,
        Window::Calendar { period: Period::Day, .. } => DAY_S,
        Window::Calendar { period: Period::Week, .. } => 7 * DAY_S,
        // The longest; when it ends is in `RateLimit`.
        Window::Calendar { period: Period::Month, .. } => 31 * DAY_S,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_strings_of_ascii() {
        assert_eq!(quoted(r#"tenant "a\b": über"#), r#""tenant \"a\\b\": ?ber""#);
    }
}
