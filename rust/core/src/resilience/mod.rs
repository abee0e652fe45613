//! What is done about a provider that fails: what a failure means, whether and when to try again and where, and whom to
//! leave alone for a while.
//!
//! Nothing here knows a socket or a clock: `now_ns` is monotonic nanoseconds from any fixed start, randomness is an
//! argument. The engine's `resilience` holds these pieces in shared memory and feeds them.

pub mod actions;
pub mod attempts;
pub mod backoff;
pub mod breaker;
pub mod classify;
mod classify_body;
mod classify_length;
pub mod concurrency;
pub mod health;
pub mod hints;
pub(crate) mod hints_time;
pub mod latency;
pub mod retry_budget;
pub mod simulation;
#[cfg(test)]
mod testing;

use crate::failure::Cause;

/// What is to be done about an attempt that failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Action {
    /// The same deployment may do better in a moment.
    Wait,
    /// It will not: on to the next deployment.
    Move,
    /// No deployment will: the request itself is at fault, so the provider's answer goes to the client.
    Stop,
    /// The credential is no good: use another one, or move on.
    DisableKey,
}

/// Why an attempt failed.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Reason {
    /// Too many requests or tokens for now.
    RateLimited,
    /// A quota, budget or credit is used up; waiting for seconds does not help.
    QuotaSpent,
    /// The credential is unknown, revoked, expired, or may not do this.
    CredentialsRefused,
    /// The provider has too much to do.
    Overloaded,
    /// The provider failed (5xx).
    ServerError,
    /// No connection.
    Unreachable,
    /// The connection broke before the answer began, or before its first content.
    BrokenOff,
    /// Too slow: no connection, head, or first content in time.
    TimedOut,
    /// An answer that is none: HTML, invalid JSON, nothing, a wrong type, a stream cut before its first content.
    Garbage,
    /// The input is longer than the model's context window.
    ContextTooLong,
    /// The provider does not know the model, or the account may not use it.
    ModelNotFound,
    /// The provider's safety system refused.
    ContentFiltered,
    /// The request is wrong in the provider's eyes.
    BadRequest,
    /// A failover drill said so; nothing was sent.
    Drill,
}

/// Every reason, in order.
pub const REASONS: [Reason; 14] = [
    Reason::RateLimited,
    Reason::QuotaSpent,
    Reason::CredentialsRefused,
    Reason::Overloaded,
    Reason::ServerError,
    Reason::Unreachable,
    Reason::BrokenOff,
    Reason::TimedOut,
    Reason::Garbage,
    Reason::ContextTooLong,
    Reason::ModelNotFound,
    Reason::ContentFiltered,
    Reason::BadRequest,
    Reason::Drill,
];

impl Reason {
    /// Its word in records, headers and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RateLimited => "rate_limited",
            Self::QuotaSpent => "quota_spent",
            Self::CredentialsRefused => "credentials_refused",
            Self::Overloaded => "overloaded",
            Self::ServerError => "server_error",
            Self::Unreachable => "unreachable",
            Self::BrokenOff => "broken_off",
            Self::TimedOut => "timed_out",
            Self::Garbage => "garbage",
            Self::ContextTooLong => "context_too_long",
            Self::ModelNotFound => "model_not_found",
            Self::ContentFiltered => "content_filtered",
            Self::BadRequest => "bad_request",
            Self::Drill => "drill",
        }
    }

    /// Whether it speaks against the deployment's health. What a client asked for wrongly, a limit or a credential do
    /// not.
    #[must_use]
    pub fn is_failure_of_deployment(self) -> bool {
        matches!(
            self,
            Self::Overloaded | Self::ServerError | Self::Unreachable | Self::BrokenOff | Self::TimedOut | Self::Garbage
        )
    }
}

/// What a failed attempt means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Verdict {
    /// What is to be done.
    pub action: Action,
    /// Why it failed.
    pub reason: Reason,
    /// How long the provider asks to be left alone. `None`: it did not say.
    pub pause_ns: Option<u64>,
}

impl Verdict {
    /// What it means when the gateway itself found the provider wanting: no connection, no answer, none in time.
    #[must_use]
    pub fn of_cause(cause: Cause) -> Self {
        let reason = match cause {
            Cause::ProviderUnreachable => Reason::Unreachable,
            Cause::ProviderTimeout => Reason::TimedOut,
            Cause::ProviderRefusedCredentials => Reason::CredentialsRefused,
            _ => Reason::BrokenOff,
        };
        let action = if reason == Reason::CredentialsRefused { Action::DisableKey } else { Action::Wait };
        Self { action, reason, pause_ns: None }
    }
}
