//! What goes back to the client: which answers of a provider are passed on, with which headers, and refusals.

use std::time::SystemTime;

use bytes::Bytes;
use fastgate_core::dialects::{Answer, Dialect, Flaw};
use fastgate_core::failure::{Cause, Failure, RETRY_AFTER_LIMIT_S};
use fastgate_core::resilience::{Action, Reason, Verdict};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header, response};

use crate::body::ResponseBody;
use crate::clock::{microseconds, milliseconds, unix_ms};
use crate::flight::Flight;
use crate::header_texts::HeaderTexts;
use crate::idempotency::Subscription;
use crate::operation::{Gives, Goes, Operation};
use crate::record::Record;
use crate::relay::{Events, Relay};
use crate::settlement::{Outcome, Settlement};
use crate::spare_headers;
use crate::worker::{RequestId, Worker};

/// How an exchange is answered.
pub(crate) enum Reply {
    /// The gateway's own error.
    Refused(Failure),
    /// The provider's answer, at hand.
    Whole { head: response::Parts, body: Bytes },
    /// The provider's error, when nothing else is tried.
    Error { head: response::Parts, body: Bytes },
    /// A stream of events.
    Events { flight: Flight, events: Box<Events> },
    /// A large body of which `head` was read.
    Rest { flight: Flight, head: Bytes },
}

/// Headers of a provider that clients may see: those the vendors' SDKs read. Everything else stays, account names and
/// cookies above all.
const PASSED: [HeaderName; 8] = [
    header::CONTENT_TYPE,
    header::RETRY_AFTER,
    HeaderName::from_static("retry-after-ms"),
    HeaderName::from_static("x-should-retry"),
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("request-id"),
    HeaderName::from_static("openai-processing-ms"),
    HeaderName::from_static("openai-version"),
];

const RATE_LIMIT_PREFIXES: [&str; 2] = ["x-ratelimit-", "anthropic-ratelimit-"];

const REQUEST_ID: HeaderName = HeaderName::from_static("x-fastgate-request-id");
const DEPLOYMENT: HeaderName = HeaderName::from_static("x-fastgate-deployment");
const ATTEMPTS: HeaderName = HeaderName::from_static("x-fastgate-attempts");
const COST: HeaderName = HeaderName::from_static("x-fastgate-cost-usd");
const IDEMPOTENT: HeaderName = HeaderName::from_static("x-fastgate-idempotent");
const TRAIL: HeaderName = HeaderName::from_static("x-fastgate-trail");
const BUDGET: HeaderName = HeaderName::from_static("x-fastgate-budget-ms");
const BUDGET_LEFT: HeaderName = HeaderName::from_static("x-fastgate-budget-left-ms");
const DOWNGRADED: HeaderName = HeaderName::from_static("x-fastgate-downgraded-to");
const DROPPED: HeaderName = HeaderName::from_static("x-fastgate-dropped");
const COUNTED_BY: HeaderName = HeaderName::from_static("x-fastgate-counted-by");
const OVERHEAD: HeaderName = HeaderName::from_static("x-fastgate-overhead-us");
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// What a provider's answer is.
pub(crate) enum Judged {
    /// A success that may be passed on, and what it says of itself.
    Answer(Answer),
    /// Nothing that a client could use; what the provider did, for people.
    Unusable(String),
    /// An error.
    Error,
}

/// Decides whether an answer may be passed on, and reads what it says of itself. A success has to be a whole JSON object
/// (or begin as one where it is too large to be read through: `is_whole` is false) with an answer in it.
pub(crate) fn judge(
    head: &response::Parts,
    body: &Bytes,
    is_whole: bool,
    (operation, dialect): (&Operation, Dialect),
) -> Judged {
    if !head.status.is_success() {
        return Judged::Error;
    }
    let status = head.status.as_u16();
    let Some(answer) = read_success(body, is_whole, (operation, dialect)) else {
        return Judged::Unusable(format!("answered {status} without a whole JSON object"));
    };
    // What is asked for again by its id may tell of an error that is long past.
    match answer.flaw.filter(|_| operation.goes == Goes::ByModel) {
        None => Judged::Answer(answer),
        Some(Flaw::Error) => Judged::Error,
        Some(Flaw::NoChoices) => Judged::Unusable(format!("answered {status} without any choice")),
    }
}

/// What the gateway says of a provider's error, and whether the provider's own words are fit for the client.
///
/// Not fit are 401 and 407, which would tell the client that *its* key is wrong, and often quote the gateway's; redirects,
/// which are never followed; an error with a status of success that others may not have; and what is too large to be read
/// through.
pub(crate) fn describe_error(deployment: &str, status: u16, is_whole: bool, verdict: &Verdict) -> (Failure, bool) {
    let Verdict { action, reason, .. } = *verdict;
    let cause = match reason {
        Reason::CredentialsRefused => Cause::ProviderRefusedCredentials,
        Reason::RateLimited | Reason::Overloaded | Reason::QuotaSpent => Cause::ProviderOverloaded,
        _ => Cause::ProviderFailed,
    };
    let what = match status {
        300..=399 => format!("answered with a redirect ({status}), which is not followed"),
        _ if reason == Reason::CredentialsRefused => format!("refused the gateway's credentials ({status})"),
        _ => format!("answered {status} ({})", reason.name()),
    };
    let is_about_credentials = matches!(status, 401 | 407) || (reason == Reason::CredentialsRefused && status != 403);
    // What no attempt elsewhere could cure is the client's to see, whatever its status.
    let is_error = status >= 400 || (action == Action::Stop && (200..300).contains(&status));
    let is_fit = is_error && is_whole && !is_about_credentials;
    (Failure::new(cause, format!("{deployment}: the provider {what}")), is_fit)
}

/// What a successful answer says of itself, as far as it is at hand; `None` if it is no JSON object and has to be one.
fn read_success(body: &[u8], is_whole: bool, (operation, dialect): (&Operation, Dialect)) -> Option<Answer> {
    let is_begun = body.trim_ascii_start().first() == Some(&b'{');
    match (is_begun, is_whole) {
        (true, true) => dialect.read_answer(body),
        (true, false) => Some(Answer::default()),
        (false, _) => None,
    }
    .or((operation.gives == Gives::Content).then(Answer::default))
}

/// What content of a success may be. Not HTML: that is what proxies say when a provider is down.
const CONTENT_TYPES: [&str; 10] = [
    "audio/",
    "image/",
    "video/",
    "text/plain",
    "text/vtt",
    "text/csv",
    "application/octet-stream",
    "application/jsonl",
    "application/x-ndjson",
    "application/x-subrip",
];

/// Decides whether content that is no JSON may be passed on.
///
/// # Errors
/// What the provider did, for people: a type that no operation answers with.
pub(crate) fn judge_content(head: &response::Parts) -> Result<(), &'static str> {
    let content_type = head.headers.get(header::CONTENT_TYPE).map(|value| value.as_bytes().to_ascii_lowercase());
    let content_type = content_type.unwrap_or_default();
    let is_known = CONTENT_TYPES.iter().any(|known| content_type.starts_with(known.as_bytes()));
    if is_known { Ok(()) } else { Err("answered with a type of content that is not passed on") }
}

/// Turns a reply into a response; whoever holds the rest of the answer holds the settlement.
pub(crate) fn write(reply: Reply, mut settlement: Settlement, dialect: Dialect) -> Response<ResponseBody> {
    let request_id = settlement.record.id;
    match reply {
        Reply::Refused(failure) => {
            let mut response = refusal(&failure, request_id, dialect);
            settlement.record.respond(response.status());
            settlement.settle(Outcome::Failed(failure.cause));
            describe(response.headers_mut(), &settlement.record, dialect, None);
            response
        }
        Reply::Error { head, body } => {
            let mut response = at_hand(&head, body, Outcome::ProviderError, (settlement, dialect));
            // The gateway has made all the attempts that are worth making; an SDK's would multiply them.
            response.headers_mut().insert(SHOULD_RETRY, HeaderValue::from_static("false"));
            bound_retry_hints(response.headers_mut());
            response
        }
        Reply::Whole { head, body } => {
            let response = at_hand(&head, body, Outcome::Answered, (settlement, dialect));
            spare_headers::give(head.headers);
            response
        }
        Reply::Events { flight, events } => {
            let mut head = passed_on(&flight.head, (), header_room(&settlement.record));
            settlement.record.respond(flight.head.status);
            describe(head.headers_mut(), &settlement.record, dialect, None);
            let relay = Relay::events(flight, settlement, events);
            head.map(|()| ResponseBody::Relay(Box::new(relay)))
        }
        Reply::Rest { flight, head: first } => {
            let mut head = passed_on(&flight.head, (), header_room(&settlement.record));
            if let Some(length) = flight.head.headers.get(header::CONTENT_LENGTH) {
                head.headers_mut().insert(header::CONTENT_LENGTH, length.clone());
            }
            settlement.record.respond(flight.head.status);
            describe(head.headers_mut(), &settlement.record, dialect, None);
            let relay = Relay::bytes(flight, settlement, first);
            head.map(|()| ResponseBody::Relay(Box::new(relay)))
        }
    }
}

/// What a provider sent that is at hand as a whole.
fn at_hand(
    head: &response::Parts,
    body: Bytes,
    outcome: Outcome,
    (mut settlement, dialect): (Settlement, Dialect),
) -> Response<ResponseBody> {
    let mut response = passed_on(head, ResponseBody::Whole(body), header_room(&settlement.record));
    settlement.record.respond(head.status);
    settlement.settle(outcome);
    describe(response.headers_mut(), &settlement.record, dialect, settlement.record.cost().known());
    response
}

/// What several clients read; `settlement` is that of one who came later and is not to be billed.
pub(crate) async fn shared(
    worker: &Worker,
    subscription: Subscription,
    settlement: Option<Settlement>,
    dialect: Dialect,
) -> Response<ResponseBody> {
    let how = HeaderValue::from_static(if subscription.was_whole { "replayed" } else { "joined" });
    let head = std::future::poll_fn(|context| subscription.poll_head(context)).await;
    let Ok(head) = head else {
        let failure = Failure::new(Cause::ProviderFailed, "the first request with this Idempotency-Key ended early");
        return match settlement {
            Some(settlement) => write(Reply::Refused(failure), settlement, dialect),
            None => refusal(&failure, worker.request_id(), dialect),
        };
    };
    let mut response = Response::from_parts(head, ResponseBody::Shared(Box::new(subscription)));
    if let Some(mut settlement) = settlement {
        response.headers_mut().insert(IDEMPOTENT, how);
        if let Ok(request_id) = HeaderValue::from_str(settlement.record.id.as_str()) {
            response.headers_mut().insert(REQUEST_ID, request_id);
        }
        settlement.record.respond(response.status());
        settlement.settle(if response.status().is_success() { Outcome::Answered } else { Outcome::ProviderError });
    }
    response
}

/// The gateway's own error, as the client's SDK expects it.
pub(crate) fn refusal(failure: &Failure, request_id: RequestId, dialect: Dialect) -> Response<ResponseBody> {
    let row = failure.cause.row();
    let body = Bytes::from(dialect.error_body(failure, request_id.as_str()));
    let mut response = Response::new(ResponseBody::Whole(body));
    *response.status_mut() = StatusCode::from_u16(row.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(seconds) = failure.retry_after_s.or((failure.cause == Cause::Overloaded).then_some(1)) {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    if let Some(should_retry) = row.should_retry {
        headers.insert(SHOULD_RETRY, HeaderValue::from_static(if should_retry { "true" } else { "false" }));
    }
    response
}

/// A local answer in JSON.
pub(crate) fn json(body: Vec<u8>) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::Whole(body.into()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// How many headers an answer has as a rule, those that describe the exchange among them: growing costs more than writing.
const fn header_room(record: &Record) -> usize {
    if record.reservation.is_some() { 24 } else { 12 }
}

/// Adds the gateway's own headers; the cost where the answer is at hand as a whole.
fn describe(headers: &mut HeaderMap, record: &Record, dialect: Dialect, cost_pusd: Option<i64>) {
    let mut texts = HeaderTexts::new();
    texts.text(REQUEST_ID, record.id.as_str().as_bytes());
    texts.number(ATTEMPTS, record.attempts);
    if !record.trail.is_empty() {
        texts.text(TRAIL, &record.trail.header(&record.snapshot.tables));
    }
    if let Some(budget) = record.budget {
        texts.number(BUDGET, milliseconds(budget));
        texts.number(BUDGET_LEFT, milliseconds(budget.saturating_sub(record.elapsed())));
    }
    if let Some(reservation) = &record.reservation {
        let limits = &record.snapshot.tables.limits;
        reservation.describe(limits, &mut texts);
        if dialect == Dialect::Anthropic {
            reservation.describe_to_anthropic(limits, unix_ms(SystemTime::now()) / 1000, &mut texts);
        }
    }
    if let Some(model) = record.downgraded_to() {
        texts.text(DOWNGRADED, model.as_bytes());
    }
    if !record.dropped.is_empty() {
        texts.text(DROPPED, record.dropped.join(", ").as_bytes());
    }
    if let Some(by) = record.counted_by {
        texts.text(COUNTED_BY, by.name().as_bytes());
    }
    if let Some(cost_pusd) = cost_pusd {
        texts.usd(COST, cost_pusd.into());
    }
    texts.number(OVERHEAD, microseconds(record.overhead()));
    texts.insert_into(headers);
    if let Some(deployment) = record.deployment {
        headers.insert(DEPLOYMENT, record.snapshot.deployment_names[deployment].clone());
    }
}

/// Leaves hints out that would make a client wait for too long, or that nobody can read.
fn bound_retry_hints(headers: &mut HeaderMap) {
    for (name, per_second) in [(header::RETRY_AFTER, 1), (HeaderName::from_static("retry-after-ms"), 1000)] {
        let number = |value: &HeaderValue| value.to_str().ok()?.trim().parse::<f64>().ok();
        #[expect(clippy::cast_precision_loss, reason = "a small constant")]
        let limit = (RETRY_AFTER_LIMIT_S * per_second) as f64;
        if headers.get(&name).is_some_and(|value| number(value).is_none_or(|wait| !(0.0..=limit).contains(&wait))) {
            headers.remove(name);
        }
    }
}

fn passed_on<B>(head: &response::Parts, body: B, room: usize) -> Response<B> {
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    let mut headers = spare_headers::take(room);
    for (name, value) in &head.headers {
        let is_of_limits = || RATE_LIMIT_PREFIXES.iter().any(|prefix| name.as_str().starts_with(prefix));
        if PASSED.contains(name) || is_of_limits() {
            headers.append(name.clone(), value.clone());
        }
    }
    *response.headers_mut() = headers;
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::OPERATIONS;

    fn head(status: u16) -> response::Parts {
        let mut parts = Response::new(()).into_parts().0;
        parts.status = StatusCode::from_u16(status).expect("valid");
        parts
    }

    #[test]
    fn only_passes_on_what_a_client_can_use() {
        let judge = |status, body: &'static str| {
            let chat = (&OPERATIONS[0], OPERATIONS[0].dialect);
            judge(&head(status), &Bytes::from_static(body.as_bytes()), true, chat)
        };
        assert!(matches!(judge(200, " {\"choices\":[{}]}"), Judged::Answer(_)));
        for unusable in ["<html>", "{\"choices\":", "", "[]", "{\"choices\": [ ]}"] {
            assert!(matches!(judge(200, unusable), Judged::Unusable(_)), "{unusable}");
        }
        assert!(matches!(judge(200, r#"{"error":{"code":429}}"#), Judged::Error));
        assert!(matches!(judge(200, r#"{"error":null,"choices":[{}]}"#), Judged::Answer(_)));
        assert!(matches!(judge(429, "slow down"), Judged::Error));
    }

    #[test]
    fn some_errors_are_not_the_clients_to_see() {
        let verdict = |action, reason| Verdict { action, reason, pause_ns: None };
        let describe = |status, reason| {
            let (failure, is_fit) = describe_error("d", status, true, &verdict(Action::Wait, reason));
            (failure.cause, is_fit)
        };
        assert_eq!(describe(429, Reason::RateLimited), (Cause::ProviderOverloaded, true));
        assert_eq!(describe(500, Reason::ServerError), (Cause::ProviderFailed, true));
        assert_eq!(describe(401, Reason::CredentialsRefused), (Cause::ProviderRefusedCredentials, false));
        assert_eq!(describe(400, Reason::CredentialsRefused), (Cause::ProviderRefusedCredentials, false));
        assert_eq!(describe(302, Reason::Garbage), (Cause::ProviderFailed, false));
        assert_eq!(describe(200, Reason::RateLimited), (Cause::ProviderOverloaded, false));
        assert_eq!(describe(403, Reason::CredentialsRefused), (Cause::ProviderRefusedCredentials, true));
        assert!(!describe_error("d", 500, false, &verdict(Action::Wait, Reason::ServerError)).1);
        assert!(describe_error("d", 200, true, &verdict(Action::Stop, Reason::ContentFiltered)).1);
    }

    #[test]
    fn clients_are_never_told_to_wait_for_long() {
        for (hint, is_kept) in
            [("2", true), ("120", true), ("0.5", true), ("121", false), ("-1", false), ("soon", false)]
        {
            let mut headers = HeaderMap::from_iter([(header::RETRY_AFTER, HeaderValue::from_static(hint))]);
            bound_retry_hints(&mut headers);
            assert_eq!(headers.contains_key(header::RETRY_AFTER), is_kept, "{hint}");
        }
    }

    #[test]
    fn passes_on_only_listed_headers() {
        let mut parts = head(200);
        for name in
            ["content-type", "x-request-id", "x-ratelimit-remaining-requests", "set-cookie", "openai-organization"]
        {
            parts.headers.insert(HeaderName::from_static(name), HeaderValue::from_static("v"));
        }
        let passed = passed_on(&parts, (), 0);
        let mut names: Vec<&str> = passed.headers().keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-type", "x-ratelimit-remaining-requests", "x-request-id"]);
    }
}
