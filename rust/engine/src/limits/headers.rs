//! Where the limits stand, in headers: those of the client's dialect, and those of the IETF's draft.
//!
//! Source: OpenAI API reference, "Rate limits"; Anthropic API reference, "Rate limits", "Response headers";
//! draft-ietf-httpapi-ratelimit-headers-10. Only the tightest limit of a kind
//! is shown, since that is the one that a client has to mind; of a denial the one that said no.

use fastgate_core::tables::limits::{LimitRule, Period, Resource, Window};
use http::HeaderName;

use super::line::Line;
use super::reservation::Reservation;
use crate::header_texts::HeaderTexts;

const LIMIT_REQUESTS: HeaderName = HeaderName::from_static("x-ratelimit-limit-requests");
const REMAINING_REQUESTS: HeaderName = HeaderName::from_static("x-ratelimit-remaining-requests");
const RESET_REQUESTS: HeaderName = HeaderName::from_static("x-ratelimit-reset-requests");
const LIMIT_TOKENS: HeaderName = HeaderName::from_static("x-ratelimit-limit-tokens");
const REMAINING_TOKENS: HeaderName = HeaderName::from_static("x-ratelimit-remaining-tokens");
const RESET_TOKENS: HeaderName = HeaderName::from_static("x-ratelimit-reset-tokens");
/// Anthropic's headers: limit, remaining and reset of each kind, and the resources that are of it.
const OF_ANTHROPIC: [([HeaderName; 3], &[Resource]); 4] = [
    (
        [
            HeaderName::from_static("anthropic-ratelimit-requests-limit"),
            HeaderName::from_static("anthropic-ratelimit-requests-remaining"),
            HeaderName::from_static("anthropic-ratelimit-requests-reset"),
        ],
        &[Resource::Requests],
    ),
    (
        [
            HeaderName::from_static("anthropic-ratelimit-tokens-limit"),
            HeaderName::from_static("anthropic-ratelimit-tokens-remaining"),
            HeaderName::from_static("anthropic-ratelimit-tokens-reset"),
        ],
        &TOKENS,
    ),
    (
        [
            HeaderName::from_static("anthropic-ratelimit-input-tokens-limit"),
            HeaderName::from_static("anthropic-ratelimit-input-tokens-remaining"),
            HeaderName::from_static("anthropic-ratelimit-input-tokens-reset"),
        ],
        &[Resource::InputTokens],
    ),
    (
        [
            HeaderName::from_static("anthropic-ratelimit-output-tokens-limit"),
            HeaderName::from_static("anthropic-ratelimit-output-tokens-remaining"),
            HeaderName::from_static("anthropic-ratelimit-output-tokens-reset"),
        ],
        &[Resource::OutputTokens],
    ),
];

const TOKENS: [Resource; 3] = [Resource::Tokens, Resource::InputTokens, Resource::OutputTokens];
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const WARNING: HeaderName = HeaderName::from_static("x-fastgate-limit-warning");

/// Picodollars of the unit that money is told in, a millionth of a dollar.
const MICRO_USD_PUSD: u64 = 1_000_000;

impl Reservation {
    /// Adds the headers, in place of those that a provider sent of its own limits.
    pub(crate) fn describe(&self, limits: &[LimitRule], texts: &mut HeaderTexts) {
        if let Some(line) = self.tightest(limits, |resource| resource == Resource::Requests) {
            write(texts, [LIMIT_REQUESTS, REMAINING_REQUESTS, RESET_REQUESTS], line);
        }
        if let Some(line) = self.tightest(limits, |resource| TOKENS.contains(&resource)) {
            write(texts, [LIMIT_TOKENS, REMAINING_TOKENS, RESET_TOKENS], line);
        }
        let denied = self.lines.iter().find(|line| Some(line.rule) == self.denied_by);
        if let Some(line) = denied.or_else(|| self.tightest(limits, |resource| resource != Resource::Concurrent)) {
            let rule = &limits[line.rule];
            let unit = if rule.resource == Resource::Usd { MICRO_USD_PUSD } else { 1 };
            let (amount, remaining) = (line.amount / unit, line.standing.remaining / unit);
            let quota_unit = if rule.resource == Resource::Usd { ";qu=\"micro-usd\"" } else { "" };
            texts.write(POLICY, |value| {
                value.quoted(&rule.name).text(";q=").number(amount).text(";w=").number(window_s(&rule.window));
                value.text(quota_unit);
            });
            texts.write(RATE_LIMIT, |value| {
                value.quoted(&rule.name).text(";r=").number(remaining);
                value.text(";t=").number(line.standing.reset_after_s);
            });
        }
        if self.lines.iter().any(|line| line.is_warned) {
            texts.write(WARNING, |value| {
                for (index, line) in self.lines.iter().filter(|line| line.is_warned).enumerate() {
                    value.text(if index == 0 { "" } else { ", " }).quoted(&limits[line.rule].name);
                    value.text(";used=").number(line.used_permille / 10).text("%");
                }
            });
        }
    }

    /// Adds those that Anthropic's SDKs know, in place of a provider's.
    pub(crate) fn describe_to_anthropic(&self, limits: &[LimitRule], now_unix_s: u64, texts: &mut HeaderTexts) {
        for ([limit, remaining, reset], resources) in OF_ANTHROPIC {
            if let Some(line) = self.tightest(limits, |resource| resources.contains(&resource)) {
                texts.number(limit, line.amount);
                texts.number(remaining, line.standing.remaining);
                texts.time(reset, now_unix_s.saturating_add(line.standing.reset_after_s));
            }
        }
    }

    /// The limit of which the least is left.
    fn tightest(&self, limits: &[LimitRule], is_wanted: impl Fn(Resource) -> bool) -> Option<&Line> {
        let wanted = self.lines.iter().filter(|line| is_wanted(limits[line.rule].resource));
        wanted.max_by_key(|line| line.used_permille)
    }
}

fn write(texts: &mut HeaderTexts, [limit, remaining, reset]: [HeaderName; 3], line: &Line) {
    texts.number(limit, line.amount);
    texts.number(remaining, line.standing.remaining);
    texts.write(reset, |value| {
        value.number(line.standing.reset_after_s).text("s");
    });
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
