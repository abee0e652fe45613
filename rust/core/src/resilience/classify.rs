//! What a failed answer means: the facts of it, held against the rows of [`actions`](super::actions).
//!
//! Nothing here decides by itself; what is read of a body is in `classify_body`, and never leaves it but for a code
//! that is a plain word and two numbers.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::actions::{BackOff, Body, Head, Row, STATUSES, Statuses, TABLE};
use super::classify_body::Said;
use super::hints::{self, BodyHints, NoHeaders};
use super::{Action, Reason, Verdict, classify_length};

pub use super::actions::ErrorDialect;
pub use super::hints::{HEADERS, Headers};

/// An answer that is no success, or a success that is none.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    /// HTTP status.
    pub status: u16,
    /// The body, or its beginning; no more than 64 KB are looked at.
    pub body: &'a [u8],
    /// The head; only [`HEADERS`] are asked for.
    pub headers: &'a dyn Headers,
    /// Milliseconds since 1970, for hints that name a moment.
    pub now_unix_ms: u64,
}

/// What a failure means.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Classified {
    /// What is to be done, why, and how long the provider asks to be left alone.
    pub verdict: Verdict,
    /// The provider's own code, if it is a plain word of at most 64 characters.
    pub code: Option<String>,
    /// The context window of the model, where the provider tells it with [`Reason::ContextTooLong`].
    pub context_tokens: Option<u64>,
    /// What the request would need, where the provider tells it too.
    pub needed_tokens: Option<u64>,
    /// Index of the row of [`TABLE`] that decided.
    pub row: usize,
}

/// Judges an answer: an error by its status, or a success that cannot be one.
#[must_use]
pub fn classify(dialect: ErrorDialect, facts: &Facts<'_>) -> Classified {
    let mut said = Said::read(facts.body);
    if let Some(kind) = facts.headers.get("x-amzn-errortype") {
        said.code_from_header(kind);
    }
    said.is_markup |= !said.is_json && is_html(facts.headers.get("content-type"));
    let is_success = (200..300).contains(&facts.status);
    let status = if is_success && said.is_error { own_status(&said) } else { facts.status };
    conclude(&Evidence { dialect, status, said: &said, headers: Some(facts.headers) }, facts.now_unix_ms)
}

/// Judges the data of an event that reports an error within a stream that began as a success.
#[must_use]
pub fn classify_event(dialect: ErrorDialect, data: &[u8], now_unix_ms: u64) -> Classified {
    let said = Said::read(data);
    conclude(&Evidence { dialect, status: own_status(&said), said: &said, headers: None }, now_unix_ms)
}

/// The status an error names or its codes stand for; 0: neither.
fn own_status(said: &Said) -> u16 {
    let names = |codes: &[&str]| said.codes.iter().any(|code| codes.contains(&code.as_str()));
    let by_code = || STATUSES.iter().find(|(_, codes)| names(codes)).map(|(status, _)| *status);
    said.status.or_else(by_code).unwrap_or(0)
}

fn is_html(content_type: Option<&[u8]>) -> bool {
    content_type.and_then(|value| value.get(..9)).is_some_and(|value| value.eq_ignore_ascii_case(b"text/html"))
}

/// What the conditions of a row are held against.
struct Evidence<'a> {
    dialect: ErrorDialect,
    /// 0 where there is none.
    status: u16,
    said: &'a Said,
    /// `None` within a stream.
    headers: Option<&'a dyn Headers>,
}

impl Evidence<'_> {
    /// Index of the first row that fits; the last one fits anything.
    fn row(&self) -> usize {
        // Prepared once: a search for prepared words costs a fraction of one from scratch.
        static FINDERS: LazyLock<Vec<Vec<Finder<'static>>>> = LazyLock::new(|| {
            let words = |row: &Row| match row.body {
                Body::Says(words) => words.iter().map(|word| Finder::new(*word)).collect(),
                _ => Vec::new(),
            };
            TABLE.iter().map(words).collect()
        });
        let first = TABLE.iter().zip(FINDERS.iter()).position(|(row, finders)| self.fits(row, finders));
        first.unwrap_or(TABLE.len() - 1)
    }

    fn fits(&self, row: &Row, finders: &[Finder<'_>]) -> bool {
        let status = match row.statuses {
            Statuses::Any => true,
            Statuses::Are(statuses) => statuses.contains(&self.status),
            Statuses::Within(first, last) => (first..=last).contains(&self.status),
        };
        status
            && (row.dialects.is_empty() || row.dialects.contains(&self.dialect))
            && (row.codes.is_empty() || self.said.codes.iter().any(|code| row.codes.contains(&code.as_str())))
            && match row.head {
                Head::Any => true,
                Head::Lacks(name) => self.headers.is_some_and(|headers| headers.get(name).is_none()),
                Head::Has(name, value) => {
                    let found = self.headers.and_then(|headers| headers.get(name));
                    found.is_some_and(|found| found.eq_ignore_ascii_case(value.as_bytes()))
                }
            }
            && match row.body {
                Body::Any => true,
                Body::Begins(words) => words.iter().any(|word| self.said.text.starts_with(word)),
                Body::Says(_) => {
                    // Credentials and credit of a provider behind the provider are not ours.
                    let is_ours = matches!(row.reason, Reason::QuotaSpent | Reason::CredentialsRefused);
                    let texts = [self.said.text.as_str(), if is_ours { "" } else { &self.said.passed_on }];
                    finders.iter().any(|finder| texts.iter().any(|text| finder.find(text.as_bytes()).is_some()))
                }
                Body::Markup => self.said.is_markup,
                Body::NotJson => !self.said.is_json,
            }
    }
}

fn conclude(evidence: &Evidence<'_>, now_unix_ms: u64) -> Classified {
    let said = evidence.said;
    let row = evidence.row();
    let (action, reason) = (TABLE[row].action, TABLE[row].reason);
    let pause_ns = if action == Action::Stop || TABLE[row].back_off == BackOff::Own {
        None
    } else {
        let (retry_delay, reset) = (said.retry_delay.as_deref(), said.reset.as_deref());
        let body = BodyHints { retry_delay, reset, text: &said.text };
        hints::pause_ns(evidence.headers.unwrap_or(&NoHeaders), body, now_unix_ms)
    };
    let (context_tokens, needed_tokens) = if reason == Reason::ContextTooLong {
        let text = if said.passed_on.is_empty() { &said.text } else { &said.passed_on };
        let (limit, need) = classify_length::read(text);
        (said.context_tokens.or(limit), said.needed_tokens.or(need))
    } else {
        (None, None)
    };
    let code = said.best_code();
    Classified { verdict: Verdict { action, reason, pause_ns }, code, context_tokens, needed_tokens, row }
}

#[cfg(test)]
#[path = "classify_tests.rs"]
mod tests;
