//! Every way the gateway itself says no, as one table: cause → status, type, code, whose fault, retry advice.
//!
//! The table in `docs/errors.md` is this one. Messages carry what is needed to act and never prompt text, keys or
//! debug output.

/// Why an exchange ended without the provider's answer.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[expect(missing_docs, reason = "TABLE says what each means to a client")]
pub enum Cause {
    InvalidRequest,
    BodyTooLarge,
    HeadersTooLarge,
    TargetTooLong,
    RequestTimeout,
    InvalidKey,
    ModelForbidden,
    ModelNotFound,
    PathNotFound,
    NotFound,
    MethodNotAllowed,
    HostRefused,
    OriginRefused,
    LoopbackOnly,
    SharedAccount,
    NoRoute,
    NoRouteNow,
    PriceUnknown,
    RateLimited,
    BudgetReserved,
    QuotaSpent,
    TooLargeForLimit,
    ProviderUnreachable,
    ProviderFailed,
    ProviderRefusedCredentials,
    ProviderTimeout,
    ProviderOverloaded,
    StreamCut,
    Overloaded,
    IdempotencyKeyReused,
    NotImplemented,
}

/// Whose doing it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The client sent something wrong.
    Caller,
    /// A rule of the operator said no.
    Policy,
    /// The provider failed.
    Provider,
    /// The gateway failed, or its operator has to act.
    Gateway,
}

impl Fault {
    /// The word used in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::Policy => "policy",
            Self::Provider => "provider",
            Self::Gateway => "gateway",
        }
    }
}

/// One row of the table.
#[derive(Debug)]
pub struct Row {
    /// The cause.
    pub cause: Cause,
    /// HTTP status.
    pub status: u16,
    /// `error.type`.
    pub kind: &'static str,
    /// `error.code`.
    pub code: &'static str,
    /// Whose doing it is.
    pub fault: Fault,
    /// `x-should-retry`, which the official SDKs obey.
    pub should_retry: Option<bool>,
}

const INVALID: &str = "invalid_request_error";
const SERVER: &str = "server_error";

const fn row(
    cause: Cause,
    status: u16,
    kind: &'static str,
    code: &'static str,
    fault: Fault,
    should_retry: Option<bool>,
) -> Row {
    Row { cause, status, kind, code, fault, should_retry }
}

/// Every cause, in the order of [`Cause`].
pub const TABLE: [Row; 31] = [
    row(Cause::InvalidRequest, 400, INVALID, "invalid_request", Fault::Caller, Some(false)),
    row(Cause::BodyTooLarge, 413, INVALID, "request_too_large", Fault::Caller, Some(false)),
    row(Cause::HeadersTooLarge, 431, INVALID, "headers_too_large", Fault::Caller, Some(false)),
    row(Cause::TargetTooLong, 414, INVALID, "uri_too_long", Fault::Caller, Some(false)),
    row(Cause::RequestTimeout, 408, INVALID, "request_timeout", Fault::Caller, None),
    row(Cause::InvalidKey, 401, "authentication_error", "invalid_api_key", Fault::Caller, Some(false)),
    row(Cause::ModelForbidden, 403, "permission_error", "model_not_allowed", Fault::Policy, Some(false)),
    row(Cause::ModelNotFound, 404, INVALID, "model_not_found", Fault::Caller, Some(false)),
    row(Cause::PathNotFound, 404, INVALID, "unknown_url", Fault::Caller, Some(false)),
    row(Cause::NotFound, 404, INVALID, "not_found", Fault::Caller, Some(false)),
    row(Cause::MethodNotAllowed, 405, INVALID, "method_not_allowed", Fault::Caller, Some(false)),
    row(Cause::HostRefused, 403, "permission_error", "host_not_allowed", Fault::Policy, Some(false)),
    row(Cause::OriginRefused, 403, "permission_error", "origin_not_allowed", Fault::Policy, Some(false)),
    row(Cause::LoopbackOnly, 403, "permission_error", "loopback_only", Fault::Policy, Some(false)),
    row(Cause::SharedAccount, 403, "permission_error", "shared_account", Fault::Policy, Some(false)),
    row(Cause::NoRoute, 400, INVALID, "no_route", Fault::Policy, Some(false)),
    row(Cause::NoRouteNow, 503, SERVER, "no_route", Fault::Policy, None),
    row(Cause::PriceUnknown, 403, "permission_error", "price_unknown", Fault::Policy, Some(false)),
    row(Cause::RateLimited, 429, "rate_limit_error", "rate_limit_exceeded", Fault::Policy, None),
    row(Cause::BudgetReserved, 429, "rate_limit_error", "rate_limit_exceeded", Fault::Policy, None),
    row(Cause::QuotaSpent, 429, "insufficient_quota", "insufficient_quota", Fault::Policy, Some(false)),
    row(Cause::TooLargeForLimit, 400, INVALID, "request_too_large_for_limit", Fault::Policy, Some(false)),
    row(Cause::ProviderUnreachable, 502, SERVER, "provider_unreachable", Fault::Provider, Some(false)),
    row(Cause::ProviderFailed, 502, SERVER, "provider_failed", Fault::Provider, Some(false)),
    row(Cause::ProviderRefusedCredentials, 502, SERVER, "provider_credentials_refused", Fault::Gateway, Some(false)),
    row(Cause::ProviderTimeout, 504, SERVER, "provider_timeout", Fault::Provider, Some(false)),
    row(Cause::ProviderOverloaded, 503, SERVER, "provider_overloaded", Fault::Provider, Some(false)),
    row(Cause::StreamCut, 502, SERVER, "stream_cut", Fault::Provider, None),
    row(Cause::Overloaded, 503, SERVER, "overloaded", Fault::Gateway, None),
    row(Cause::IdempotencyKeyReused, 422, INVALID, "idempotency_key_reused", Fault::Caller, Some(false)),
    row(Cause::NotImplemented, 501, INVALID, "not_implemented", Fault::Caller, Some(false)),
];

impl Cause {
    /// What a client is told.
    #[must_use]
    pub fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }
}

/// A cause with the words for this case.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Failure {
    /// The row of the table.
    pub cause: Cause,
    /// For people.
    pub message: String,
    /// The request field at fault.
    pub param: Option<&'static str>,
    /// The provider's own code, kept in place of the table's.
    pub provider_code: Option<String>,
    /// When it may be worth asking again, in seconds; never above [`RETRY_AFTER_LIMIT_S`].
    pub retry_after_s: Option<u64>,
}

/// No client is told to wait for longer than this.
pub const RETRY_AFTER_LIMIT_S: u64 = 120;

impl Failure {
    /// A failure of this cause.
    pub fn new(cause: Cause, message: impl Into<String>) -> Self {
        Self { cause, message: message.into(), param: None, provider_code: None, retry_after_s: None }
    }

    /// The same, with when it may be worth asking again; a longer time than clients are told is cut.
    #[must_use]
    pub fn retry_after_s(self, seconds: u64) -> Self {
        Self { retry_after_s: Some(seconds.clamp(1, RETRY_AFTER_LIMIT_S)), ..self }
    }

    /// A request that can't be understood, and the field at fault.
    pub fn invalid_request(message: impl Into<String>, param: Option<&'static str>) -> Self {
        Self { param, ..Self::new(Cause::InvalidRequest, message) }
    }

    /// `error.code` as the client sees it.
    #[must_use]
    pub fn code(&self) -> &str {
        self.provider_code.as_deref().unwrap_or(self.cause.row().code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The manual's table is this one, row by row.
    #[test]
    fn the_manual_lists_every_row() {
        let manual = include_str!("../../../docs/errors.md");
        for row in &TABLE {
            let should_retry = row.should_retry.map_or("–", |yes| if yes { "true" } else { "false" });
            let (status, kind, code, fault) = (row.status, row.kind, row.code, row.fault.name());
            let line = format!("| {status} | `{kind}` | `{code}` | {fault} | {should_retry} |");
            assert!(manual.contains(&line), "docs/errors.md lacks: {line}");
        }
        let listed = manual.lines().filter(|line| line.ends_with("| – |") || line.ends_with("false |")).count();
        assert_eq!(listed, TABLE.len(), "docs/errors.md lists rows that do not exist");
    }

    #[test]
    fn the_table_is_in_the_order_of_the_causes() {
        for (index, row) in TABLE.iter().enumerate() {
            assert_eq!(row.cause as usize, index, "{row:?}");
            assert_eq!(row.cause.row().code, row.code);
        }
    }
}
