//! What a client is told when a limit says no.

use fastgate_core::failure::{Cause, Failure};
use fastgate_core::limits::Refusal;
use fastgate_core::tables::limits::{LimitRule, Period, Resource, Window};
use fastgate_core::telemetry::access_line::write_usd;

/// When what others have reserved may be free again.
const SOON_S: u64 = 1;

/// The failure of a request that a rule has no room for. `cost`: what it may need; `remaining`: what is left.
pub(super) fn deny(rule: &LimitRule, refusal: Refusal, amount: u64, remaining: u64, cost: u64) -> Failure {
    let of = |units: u64| quantity(rule.resource, units);
    let allows = format!("the limit `{}` is {}{}", rule.name, of(amount), window(&rule.window));
    let needs = format!("{} left, and this request may need {}", of(remaining), of(cost));
    match refusal {
        Refusal::TooLarge => Failure::new(
            Cause::TooLargeForLimit,
            format!(
                "{allows}; this request alone may need {}, which never fits: ask for a shorter answer, or send less",
                of(cost)
            ),
        ),
        Refusal::Spent { reset_after_s } => {
            Failure::new(Cause::QuotaSpent, format!("{allows} and spent: {needs}; it resets in {reset_after_s} s"))
        }
        Refusal::Wait { retry_after_ns } => Failure::new(Cause::RateLimited, format!("{allows}: {needs}"))
            .retry_after_s(retry_after_ns.div_ceil(1_000_000_000)),
        Refusal::Reserved if rule.resource == Resource::Usd => {
            let message = format!("{allows}, and what is left of it is reserved by requests under way: {needs}");
            Failure::new(Cause::BudgetReserved, message).retry_after_s(SOON_S)
        }
        Refusal::Reserved => {
            let message = format!("{allows}, and what is left of it is reserved by requests under way: {needs}");
            Failure::new(Cause::RateLimited, message).retry_after_s(SOON_S)
        }
        Refusal::Concurrent => {
            Failure::new(Cause::RateLimited, format!("{allows}, and as many are under way")).retry_after_s(SOON_S)
        }
    }
}

fn quantity(resource: Resource, units: u64) -> String {
    match resource {
        Resource::Requests if units == 1 => "1 request".into(),
        Resource::Requests => format!("{units} requests"),
        Resource::InputTokens => format!("{units} input tokens"),
        Resource::OutputTokens => format!("{units} output tokens"),
        Resource::Tokens => format!("{units} tokens"),
        Resource::Concurrent => format!("{units} requests at once"),
        Resource::Usd => {
            let mut text = Vec::new();
            write_usd(&mut text, units.into());
            format!("{} USD", String::from_utf8_lossy(&text))
        }
    }
}

fn window(window: &Window) -> String {
    match window {
        Window::None => String::new(),
        Window::Rate { period_ms: 1000, .. } => " a second".into(),
        Window::Rate { .. } => " a minute".into(),
        Window::Sliding { window_ms } => format!(" in any {} s", window_ms / 1000),
        Window::Calendar { period, time_zone } => {
            let period = match period {
                Period::Day => "day",
                Period::Week => "week",
                Period::Month => "month",
            };
            format!(" a {period} ({time_zone})")
        }
    }
}
