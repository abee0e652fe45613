//! What is done about which failure of a provider, as one table: the first row that fits decides.
//!
//! The table in `docs/provider-errors.md` is this one; `tests/provider_errors.json` has what the vendors document, with
//! its source. A message may quote what a client wrote. So a row that benches a credential asks for a status or a word
//! that no request can bring about, or for how the message *begins*.

use super::{Action, Reason};
use crate::tables::ProviderDialect;

use Action::{DisableKey, Move, Stop, Wait};
use ErrorDialect::{Anthropic, Bedrock, Cohere, Gemini, Ollama, Openai};
use Reason::{
    BadRequest, ContentFiltered, ContextTooLong, CredentialsRefused, Garbage, ModelNotFound, Overloaded, QuotaSpent,
    RateLimited, ServerError, Unreachable,
};

/// How a provider writes errors.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ErrorDialect {
    /// `OpenAI` and everything compatible: Azure, Groq, Mistral, `OpenRouter`, xAI, `DeepSeek`, Together, Fireworks,
    /// Cerebras, vLLM, Ollama's `/v1` and others.
    Openai,
    /// Anthropic Messages.
    Anthropic,
    /// Gemini's own interface, and Vertex AI.
    Gemini,
    /// Amazon Bedrock Runtime.
    Bedrock,
    /// Cohere's own interface.
    Cohere,
    /// Ollama's own interface.
    Ollama,
}

impl ErrorDialect {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Openai, Self::Anthropic, Self::Gemini, Self::Bedrock, Self::Cohere, Self::Ollama];
}

impl ErrorDialect {
    /// Its word in tests and in the manual.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Openai => "openai",
            Anthropic => "anthropic",
            Gemini => "gemini",
            Bedrock => "bedrock",
            Cohere => "cohere",
            Ollama => "ollama",
        }
    }
}

impl From<ProviderDialect> for ErrorDialect {
    fn from(dialect: ProviderDialect) -> Self {
        match dialect {
            ProviderDialect::Openai => Openai,
            ProviderDialect::Anthropic => Anthropic,
            ProviderDialect::Gemini => Gemini,
        }
    }
}

/// Which status a row is about. An error within a stream has the status that its code stands for, or 0.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Statuses {
    /// Any.
    Any,
    /// One of these.
    Are(&'static [u16]),
    /// From one to the other, both included.
    Within(u16, u16),
}

/// What the body has to be or to say. Words in lower case; whoever wrote them may have used capitals.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Body {
    /// Anything, or nothing.
    Any,
    /// A message that begins with one of these.
    Begins(&'static [&'static str]),
    /// Messages with one of these somewhere.
    Says(&'static [&'static str]),
    /// HTML or XML.
    Markup,
    /// No JSON.
    NotJson,
}

/// What has to be in the head of the answer. An error within a stream has none: only `Any` fits it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Head {
    /// Anything.
    Any,
    /// A field that is not there.
    Lacks(&'static str),
    /// A field with this value.
    Has(&'static str, &'static str),
}

/// Who says how long to wait.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BackOff {
    /// The provider, if it says so ([`hints`](super::hints)).
    Hinted,
    /// The gateway alone: the provider says nothing, or something that does not hold.
    Own,
}

/// One row of the table: all of its conditions together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Row {
    /// For people: what happened.
    pub what: &'static str,
    /// Empty: any.
    pub dialects: &'static [ErrorDialect],
    /// The status of the answer.
    pub statuses: Statuses,
    /// One of these is a code, type, status word or reason of the error, in any case. Empty: any.
    pub codes: &'static [&'static str],
    /// The body.
    pub body: Body,
    /// The head.
    pub head: Head,
    /// What is done.
    pub action: Action,
    /// Why.
    pub reason: Reason,
    /// Who says how long to wait.
    pub back_off: BackOff,
}

const fn row(what: &'static str, action: Action, reason: Reason) -> Row {
    let (statuses, body, head, back_off) = (Statuses::Any, Body::Any, Head::Any, BackOff::Hinted);
    Row { what, dialects: &[], statuses, codes: &[], body, head, action, reason, back_off }
}

impl Row {
    const fn of(self, dialects: &'static [ErrorDialect]) -> Self {
        Self { dialects, ..self }
    }

    const fn on(self, statuses: &'static [u16]) -> Self {
        Self { statuses: Statuses::Are(statuses), ..self }
    }

    const fn within(self, first: u16, last: u16) -> Self {
        Self { statuses: Statuses::Within(first, last), ..self }
    }

    const fn code(self, codes: &'static [&'static str]) -> Self {
        Self { codes, ..self }
    }

    const fn begins(self, words: &'static [&'static str]) -> Self {
        Self { body: Body::Begins(words), ..self }
    }

    const fn says(self, words: &'static [&'static str]) -> Self {
        Self { body: Body::Says(words), ..self }
    }

    const fn body(self, body: Body) -> Self {
        Self { body, ..self }
    }

    const fn head(self, head: Head) -> Self {
        Self { head, ..self }
    }

    const fn own(self) -> Self {
        Self { back_off: BackOff::Own, ..self }
    }
}

/// No repeat and no other deployment cures these; 0 is a stream's error without a code.
const REFUSALS: &[u16] = &[0, 400, 403, 422];
/// Where providers put an input that is too long. Together has 403, Ollama 500.
const TOO_LONG: &[u16] = &[0, 400, 403, 413, 422, 500];
/// Where providers put a model they do not know.
const UNKNOWN_MODEL: &[u16] = &[0, 400, 403, 404, 422];
/// Where providers put their own lack of capacity.
const CAPACITY: &[u16] = &[0, 429, 498, 500, 502, 503];

/// Every row, in the order in which they are tried.
pub const TABLE: &[Row] = &[
    // The provider's safety system.
    row("the safety system refused", Stop, ContentFiltered).code(&[
        "content_filter",
        "content_policy_violation",
        "responsibleaipolicyviolation",
        "moderation_blocked",
        "invalid_prompt",
        "flagged_input",
        "data_inspection_failed",
    ]),
    row("Gemini blocked prompt or answer", Stop, ContentFiltered).of(&[Gemini]).code(&[
        "safety",
        "prohibited_content",
        "blocklist",
        "spii",
        "image_safety",
        "image_prohibited_content",
    ]),
    row("the safety system refused, by its message", Stop, ContentFiltered).on(REFUSALS).says(&[
        "content management policy",
        "content filtering policy",
        "content exists risk",
        "violates usage guidelines",
        "flagged as potentially violating",
        "rejected by our safety system",
        "as a result of the safety system",
        "responsible ai practices",
        "requires moderation and your input was flagged",
        "blocked by guardrail",
    ]),
    // The input is too long. Before rate limits and credentials: some write this with 403 or 413.
    row("the input exceeds the context window", Move, ContextTooLong).own().code(&[
        "context_length_exceeded",
        "exceed_context_size_error",
        "context_exceeded",
        "model_context_window_exceeded",
        "tokens_limit_reached",
    ]),
    row("the input exceeds the context window, by its message", Move, ContextTooLong).own().on(TOO_LONG).says(&[
        "maximum context length",
        "prompt is too long",
        "input is too long for requested model",
        "exceeds the context window",
        "exceed context limit",
        "input token count",
        "maximum prompt length is",
        "longer than the maximum model length",
        "longer than the model's context length",
        "reduce the length of the messages",
        "exceeds the available context size",
        "greater than the context length",
        "context window exceeds limit",
        "exceeded model token limit",
        "exceeded max context length",
        "input length exceeds the context length",
        "too many tokens: total number of tokens in the prompt",
        "too many tokens: size limit exceeded",
        "`inputs` tokens + `max_new_tokens` must be",
        "`inputs` must have less than",
        "input tokens exceed the configured limit",
        "prompt token count",
    ]),
    // Nothing left to spend.
    row("OpenRouter holds credit for calls under way", Wait, RateLimited)
        .of(&[Openai])
        .on(&[402])
        .code(&["openrouter_in_flight_budget", "in_flight_budget_exhausted"]),
    row("quota, credit or spend limit used up", Move, QuotaSpent).own().code(&[
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_usage_limit_exceeded",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "billing_hard_limit_reached",
        "billing_not_active",
        "enforced_spend_limit_reached",
        "blocked_api_access",
        "insufficient_credits",
        "insufficient_balance",
        "servicequotaexceededexception",
    ]),
    row("credit or spend limit used up, by its message", Move, QuotaSpent).on(&[0, 400, 403]).begins(&[
        "your credit balance is too low",
        "you have reached your specified api usage limits",
        "you have reached your specified workspace api usage limits",
        "billing hard limit has been reached",
        "key limit exceeded",
        "out of call volume quota",
        "model access is denied due to invalid_payment_instrument",
    ]),
    row("credit or spend limit used up, by its message", Move, QuotaSpent).on(&[429]).says(&[
        "spend limit",
        "spending limit",
        "spending cap",
        "used all available credits",
        "insufficient credits",
        "insufficient balance",
        "credits are depleted",
        "billing hard limit",
    ]),
    row("xAI's credit or spend limit used up", Move, QuotaSpent)
        .of(&[Openai])
        .on(&[403])
        .says(&["used all available credits", "doesn't have any credits"]),
    row("Gemini's quota for a day; its RetryInfo speaks of seconds", Move, QuotaSpent)
        .own()
        .of(&[Gemini, Openai])
        .on(&[429])
        .says(&["perday"]),
    row("Gemini's quota is 0: the plan does not have the model", Move, QuotaSpent)
        .own()
        .of(&[Gemini, Openai])
        .on(&[429])
        .says(&["limit: 0,", "limit: 0\n"]),
    row("a quota for a day or a month", Move, QuotaSpent).on(&[429]).says(&[
        "per day limit exceeded",
        "too many tokens per day",
        "calls / month",
        "free-models-per-day",
        "daily free allocation",
        "weekly usage limit",
        "monthly usage limit",
    ]),
    row("Fireworks suspended the account", Move, QuotaSpent).of(&[Openai]).on(&[412]).says(&["suspended"]),
    row("no credit", Move, QuotaSpent).on(&[402]),
    // The credential.
    row("the credential is unknown, revoked or expired", DisableKey, CredentialsRefused).own().code(&[
        "invalid_api_key",
        "wrong_api_key",
        "api_key_invalid",
        "api_key_expired",
        "api_key_service_blocked",
        "access_token_expired",
        "consumer_suspended",
        "consumer_invalid",
        "service_disabled",
        "billing_disabled",
        "account_deactivated",
        "organization_restricted",
        "unrecognizedclientexception",
        "invalidclienttokenid",
        "invalidsignatureexception",
        "incompletesignature",
        "incompletesignatureexception",
        "expiredtoken",
        "expiredtokenexception",
        "requestexpired",
        "missingauthenticationtoken",
        "missingauthenticationtokenexception",
        "optinrequired",
    ]),
    row("the credential is unknown, revoked or expired, by its message", DisableKey, CredentialsRefused)
        .own()
        .on(&[400, 403])
        .begins(&[
            "incorrect api key provided",
            "api key not valid",
            "api key expired",
            "invalid api key",
            "your api key was reported",
            "your api key has",
            "this organization has been disabled",
            "method doesn't allow unregistered callers",
            "permission denied: consumer",
            "authentication failed",
            "authentication fails",
            "bearer token has expired",
            "oauth token has",
            "the security token included in the request is",
        ]),
    row("the credential may not make this kind of call", Move, CredentialsRefused)
        .own()
        .on(&[401])
        .says(&["missing scopes", "insufficient permissions for this operation"]),
    row("the credential is refused", DisableKey, CredentialsRefused).own().on(&[401]),
    row("Cohere refuses the credential", DisableKey, CredentialsRefused).own().of(&[Cohere]).on(&[498]),
    row("the gateway's proxy wants a password", Move, Unreachable).own().on(&[407]),
    // The model.
    row("the provider does not have the model, or not for this account", Move, ModelNotFound).own().code(&[
        "model_not_found",
        "deploymentnotfound",
        "modeldeprecated",
        "model_decommissioned",
        "model_terms_required",
        "model_not_active",
        "model_not_available",
        "model_permission_blocked_org",
        "model_permission_blocked_project",
        "unknown_model",
        "unavailable_model",
        "invalid_model",
        "operationnotsupported",
        "resourcenotfoundexception",
        "ftuformnotfilled",
        "mpagreementbeingcreated",
    ]),
    row("the provider does not have the model, or not for this account, by its message", Move, ModelNotFound)
        .own()
        .on(UNKNOWN_MODEL)
        .says(&[
            "model not exist",
            "model not found",
            "is not a valid model id",
            "no endpoints found",
            "model identifier is invalid",
            "with on-demand throughput isn",
            "no such model",
            "unknown model",
            "unavailable model",
            "has been decommissioned",
            "end of its life",
            "access to the model",
            "access to model",
            "not allowed to sample from this model",
            "is not authorized to perform: bedrock:",
            "invalid model:",
        ]),
    row("no such model or deployment", Move, ModelNotFound).own().on(&[404]).says(&["model", "deployment"]),
    row("the model is gone", Move, ModelNotFound).own().on(&[410]),
    row("Fireworks could not load the model", Move, ModelNotFound).of(&[Openai]).on(&[412]),
    row("the provider has no such interface", Move, BadRequest).own().on(&[404]).body(Body::NotJson),
    row("the provider has no such interface, by its message", Move, BadRequest).own().on(&[404]).begins(&[
        "not found",
        "resource not found",
        "invalid url",
        "unknown request url",
    ]),
    // Where the gateway calls from.
    row("the provider does not serve the gateway's country", Move, CredentialsRefused)
        .own()
        .code(&["unsupported_country_region_territory"]),
    row("the provider does not serve the gateway's country, by its message", Move, CredentialsRefused)
        .own()
        .on(&[400, 403])
        .begins(&[
            "user location is not supported",
            "country, region, or territory not supported",
            "gemini api free tier is not available in your country",
        ]),
    row("a firewall answers, not the provider", Move, Garbage).own().on(&[403]).body(Body::Markup),
    row("the account may not do this", Move, CredentialsRefused).own().on(&[403]),
    // What the next try may do better.
    row("the model's own tool call or JSON was bad", Wait, BadRequest).own().on(&[0, 400, 422]).code(&[
        "tool_use_failed",
        "json_validate_failed",
        "output_parse_failed",
    ]),
    row("a tool server that the request names failed", Stop, BadRequest).code(&["external_connector_error"]),
    row("one request exceeds the limit of a minute", Move, RateLimited)
        .own()
        .on(&[413, 429])
        .begins(&["request too large for"]),
    row("Anthropic's account has no long context", Move, RateLimited)
        .own()
        .of(&[Anthropic])
        .on(&[429])
        .says(&["for long context requests"]),
    row("Bedrock throttles", Wait, RateLimited).of(&[Bedrock]).code(&[
        "throttlingexception",
        "throttling",
        "throttledexception",
        "toomanyrequestsexception",
    ]),
    row("no capacity", Wait, Overloaded).on(CAPACITY).code(&[
        "overloaded_error",
        "overloaded",
        "server_is_overloaded",
        "service_unavailable_error",
        "engine_overloaded",
        "service_tier_capacity_exceeded",
        "capacity_exceeded",
        "queue_exceeded",
        "nocapacity",
        "resource_unavailable",
        "modelnotreadyexception",
        "serviceunavailableexception",
        "provider_overloaded",
        "3505",
    ]),
    row("no capacity, by its message", Wait, Overloaded).on(CAPACITY).says(&[
        "overloaded",
        "high demand",
        "high traffic",
        "at capacity",
        "temporarily unable to process",
        "out of capacity",
        "no more data centers to forward the request to",
        "server busy",
    ]),
    row("Ollama's machine is too small for the model", Move, ServerError)
        .own()
        .of(&[Ollama, Openai])
        .on(&[500])
        .begins(&["model requires more system memory"]),
    row("Anthropic says itself that a repeat may do", Wait, RateLimited)
        .of(&[Anthropic])
        .on(&[429])
        .head(Head::Has("x-should-retry", "true")),
    row("Anthropic's 429 without a time to come back: a limit that lasts", Move, RateLimited)
        .of(&[Anthropic])
        .on(&[429])
        .head(Head::Lacks("retry-after")),
    row("a limit, and the provider asks not to repeat", Move, RateLimited)
        .on(&[429])
        .head(Head::Has("x-should-retry", "false")),
    row("a failure, and the provider asks not to repeat", Move, ServerError)
        .within(500, 599)
        .head(Head::Has("x-should-retry", "false")),
    // The status alone.
    row("a limit on requests, tokens or concurrency", Wait, RateLimited).on(&[429]),
    row("the provider timed out", Wait, ServerError).on(&[408]),
    row("something else holds what the request needs", Wait, BadRequest).on(&[409, 423]),
    row("the model failed", Wait, ServerError).on(&[424]),
    row("too early", Wait, ServerError).on(&[425]),
    row("no capacity of a cheaper tier", Wait, Overloaded).on(&[498]),
    row("the provider cancelled the call", Wait, ServerError).on(&[499]),
    row("more bytes than this provider takes", Move, BadRequest).own().on(&[413]),
    row("the request is wrong", Stop, BadRequest).within(400, 499),
    row("the provider cannot do this", Move, BadRequest).own().on(&[501, 505]),
    row("overloaded", Wait, Overloaded).on(&[503, 529]),
    row("the network wants a login", Move, Garbage).own().on(&[511]),
    row("the provider failed", Wait, ServerError).within(500, 599),
    row("a redirect, which is never followed", Move, Garbage).own().within(300, 399),
    row("a success that is none", Wait, Garbage).own().within(200, 299),
    row("an event of a stream that is no JSON", Wait, Garbage).own().on(&[0]).body(Body::NotJson),
    row("an error that says no more", Wait, ServerError).on(&[0]),
    row("no HTTP status at all", Move, Garbage).own(),
];

/// The status that a code stands for where the answer's own says nothing: in a stream, or with 200. The first counts.
pub const STATUSES: &[(u16, &[&str])] = &[
    (401, &["authentication_error", "unauthenticated", "unauthorized", "invalid_authentication"]),
    (402, &["billing_error", "payment_required"]),
    (403, &["permission_error", "permission_denied", "accessdeniedexception", "forbidden"]),
    (404, &["not_found_error", "not_found", "notfounderror", "resourcenotfoundexception"]),
    (408, &["modeltimeoutexception"]),
    (409, &["conflict_error", "conflictexception", "aborted"]),
    (413, &["request_too_large"]),
    (
        429,
        &[
            "rate_limit_error",
            "rate_limit_exceeded",
            "rate_limited",
            "slow_down",
            "resource_exhausted",
            "too_many_requests",
            "throttlingexception",
        ],
    ),
    (499, &["cancelled"]),
    (503, &["unavailable", "service_unavailable"]),
    (504, &["timeout_error", "deadline_exceeded", "gateway_timeout"]),
    (529, &["overloaded_error"]),
    (
        500,
        &[
            "server_error",
            "internal_error",
            "internal_server_error",
            "internalservererror",
            "api_error",
            "internal",
            "internalserverexception",
            "modelstreamerrorexception",
        ],
    ),
    (
        400,
        &[
            "invalid_request_error",
            "invalid_request",
            "invalid_argument",
            "failed_precondition",
            "out_of_range",
            "badrequesterror",
            "bad_request",
            "validationexception",
        ],
    ),
];

#[cfg(test)]
#[path = "actions_tests.rs"]
mod tests;
