//! What is known of a deployment and of a credential, from the calls that were made anyway.
//!
//! Plain structs: the engine holds each in a mutex. `begun_ns` is the time that was given to `begin` for the call.

use serde::Serialize;

use super::breaker::{Breaker, State};
use super::concurrency::ConcurrencyLimit;
use super::latency::Latency;
use super::{Action, Reason, Verdict};
use crate::tables::BreakerSettings;

/// No deployment is paused for longer, whatever its provider asks for.
const PAUSE_MAX_NS: u64 = 120_000_000_000;
/// A credential whose quota is spent, where the provider does not say until when.
const QUOTA_PAUSE_NS: u64 = 60_000_000_000;
/// Quotas are those of a day at most.
const CREDENTIAL_PAUSE_MAX_NS: u64 = 24 * 3_600_000_000_000;

/// How a deployment does.
#[derive(Clone, Debug)]
pub struct DeploymentHealth {
    breaker: Breaker,
    latency: Latency,
    concurrency: ConcurrencyLimit,
    is_concurrency_adaptive: bool,
    in_flight: u32,
    pause_until_ns: u64,
}

/// [`DeploymentHealth`] as metrics and the admin listener show it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub struct HealthSnapshot {
    /// What the breaker lets through: `closed`, `open`, `half_open`.
    pub state: &'static str,
    /// When it lets a call through again. 0: it does.
    pub available_from_ns: u64,
    /// When the pause that the provider asked for ends. 0: there was none.
    pub pause_until_ns: u64,
    /// Recent calls that succeeded, in a thousand.
    pub success_permille: u32,
    /// Failures since the last success.
    pub consecutive_failures: u32,
    /// Recent median of the time to first content.
    pub first_content_p50_ns: Option<u64>,
    /// Peak EWMA of the time to first content.
    pub first_content_ns: Option<u64>,
    /// Peak EWMA of the time per output token.
    pub output_token_ns: Option<u64>,
    /// Calls under way.
    pub in_flight: u32,
    /// How many may be. `None`: any number.
    pub concurrency_limit: Option<u32>,
}

impl DeploymentHealth {
    /// One that nothing is known of.
    #[must_use]
    pub fn new(breaker: BreakerSettings, adaptive_concurrency: bool) -> Self {
        Self {
            breaker: Breaker::new(breaker),
            latency: Latency::default(),
            concurrency: ConcurrencyLimit::default(),
            is_concurrency_adaptive: adaptive_concurrency,
            in_flight: 0,
            pause_until_ns: 0,
        }
    }

    /// Goes by other settings from now on and keeps what is known.
    pub fn set_settings(&mut self, breaker: BreakerSettings, adaptive_concurrency: bool) {
        self.breaker.set_settings(breaker);
        self.is_concurrency_adaptive = adaptive_concurrency;
        if !adaptive_concurrency {
            self.concurrency = ConcurrencyLimit::default();
        }
    }

    /// Whether a call may begin: no pause, a breaker that lets it through, room.
    #[must_use]
    pub fn is_available(&self, now_ns: u64) -> bool {
        now_ns >= self.available_from_ns() && self.concurrency.has_room(self.in_flight)
    }

    /// Whether failures keep calls from it now.
    #[must_use]
    pub fn is_open(&self, now_ns: u64) -> bool {
        self.breaker.is_open(now_ns)
    }

    /// The time that failures keep calls from it for ends now: the next one is a trial.
    pub fn end_open_time(&mut self, now_ns: u64) {
        self.breaker.end_open_time(now_ns);
    }

    /// Whether nothing at all keeps calls from it, now and until the next failure.
    #[must_use]
    pub fn is_clear(&self) -> bool {
        self.available_from_ns() == 0 && self.concurrency.limit().is_none()
    }

    /// When the pause and the breaker's open time end. 0: neither is on. Room may come at any time.
    #[must_use]
    pub fn available_from_ns(&self) -> u64 {
        self.breaker.available_from_ns().max(self.pause_until_ns)
    }

    /// A call begins, available or not: nobody keeps a request from its last resort. Exactly one of [`Self::succeed`],
    /// [`Self::fail`] and [`Self::abandon`] has to follow. Whether the breaker let it through.
    pub fn begin(&mut self, now_ns: u64) -> bool {
        self.in_flight += 1;
        self.concurrency.begin(self.in_flight);
        self.breaker.try_acquire(now_ns)
    }

    /// The first content has come, and the answer goes on: a trial need not wait for the end of a long stream.
    pub fn note_content(&mut self, begun_ns: u64) {
        self.breaker.record_content(begun_ns);
    }

    /// The call ended well. Times are from its beginning: to the first content, and to the end at `now_ns`.
    pub fn succeed(&mut self, now_ns: u64, first_content_ns: u64, output_tokens: u64, total_ns: u64) {
        let begun_ns = now_ns.saturating_sub(total_ns);
        self.breaker.record(true, begun_ns, now_ns);
        self.latency.update(first_content_ns, output_tokens, total_ns, now_ns);
        if self.is_concurrency_adaptive {
            if self.latency.is_congested() {
                self.concurrency.congest(self.in_flight, begun_ns, now_ns);
            } else {
                self.concurrency.succeed(self.in_flight);
            }
        }
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// The call failed. A provider that names a time for too many calls is left alone until then.
    pub fn fail(&mut self, verdict: &Verdict, begun_ns: u64, now_ns: u64) {
        if verdict.reason.is_failure_of_deployment() {
            self.breaker.record(false, begun_ns, now_ns);
        } else {
            self.breaker.record_abandoned(begun_ns);
        }
        if matches!(verdict.reason, Reason::RateLimited | Reason::Overloaded) {
            if let Some(pause_ns) = verdict.pause_ns {
                self.pause_until_ns = self.pause_until_ns.max(now_ns.saturating_add(pause_ns.min(PAUSE_MAX_NS)));
            }
            if self.is_concurrency_adaptive {
                self.concurrency.congest(self.in_flight, begun_ns, now_ns);
            }
        }
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// The call ended without an outcome, as when the client left.
    pub fn abandon(&mut self, begun_ns: u64) {
        self.breaker.record_abandoned(begun_ns);
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Its times.
    #[must_use]
    pub fn latency(&self) -> &Latency {
        &self.latency
    }

    /// Calls under way.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// Everything that is known, for people.
    #[must_use]
    pub fn snapshot(&self, now_ns: u64) -> HealthSnapshot {
        let later = |time_ns: u64| if time_ns > now_ns { time_ns } else { 0 };
        let state = self.breaker.state(now_ns);
        HealthSnapshot {
            state: state.name(),
            available_from_ns: if state == State::Closed { 0 } else { later(self.breaker.available_from_ns()) },
            pause_until_ns: later(self.pause_until_ns),
            success_permille: self.breaker.success_permille(),
            consecutive_failures: self.breaker.consecutive_failures(),
            first_content_p50_ns: self.latency.first_content_p50_ns(now_ns),
            first_content_ns: self.latency.first_content_ns(now_ns),
            output_token_ns: self.latency.output_token_ns(now_ns),
            in_flight: self.in_flight,
            concurrency_limit: self.concurrency.limit(),
        }
    }
}

/// How a credential does: a key that is no good is left alone, not the model behind it.
#[derive(Clone, Copy, Debug, Default)]
pub struct CredentialHealth {
    pause_until_ns: u64,
}

impl CredentialHealth {
    /// Whether it may be used.
    #[must_use]
    pub fn is_available(&self, now_ns: u64) -> bool {
        now_ns >= self.pause_until_ns
    }

    /// When its pause ends. 0: there was none.
    #[must_use]
    pub fn available_from_ns(&self) -> u64 {
        self.pause_until_ns
    }

    /// A call with it failed. `refused_ns` is how long a refused one is left alone.
    pub fn fail(&mut self, verdict: &Verdict, refused_ns: u64, now_ns: u64) {
        let pause_ns = match (verdict.action, verdict.reason, verdict.pause_ns) {
            (_, Reason::RateLimited | Reason::QuotaSpent, Some(hint_ns)) => hint_ns,
            (_, Reason::QuotaSpent, None) => QUOTA_PAUSE_NS,
            (Action::DisableKey, ..) => refused_ns,
            _ => return,
        };
        let pause_ns = pause_ns.min(CREDENTIAL_PAUSE_MAX_NS);
        self.pause_until_ns = self.pause_until_ns.max(now_ns.saturating_add(pause_ns));
    }
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
