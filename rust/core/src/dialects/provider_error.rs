//! What a provider's error says, whichever vendor wrote it, for a client of another dialect.
//!
//! All of them put an object at `error`, or the words there or at the top; what can't be read is told by its status.

use std::borrow::Cow;

use crate::json_view::View;

/// Deeper errors are none.
const DEPTH_LIMIT: usize = 64;

/// An error of a provider.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ProviderError {
    /// In the provider's words.
    pub message: Option<String>,
    /// The vendor's word for what kind it is.
    pub kind: Option<String>,
    /// The vendor's code.
    pub code: Option<String>,
}

impl ProviderError {
    /// Reads the body of an error, or the data of an event that is one.
    #[must_use]
    pub fn read(body: &[u8]) -> Self {
        let trimmed = body.trim_ascii();
        // Gemini's streams in an array have their errors in one too.
        let inner = trimmed.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")).unwrap_or(trimmed);
        let Ok(view) = View::read_answer(inner, DEPTH_LIMIT) else { return Self::default() };
        let error = view.get("error").unwrap_or(view);
        let text = |name: &str| error.get(name).and_then(View::decoded).map(Cow::into_owned);
        Self {
            message: text("message").or_else(|| error.decoded().map(Cow::into_owned)).or_else(|| text("detail")),
            kind: text("type").or_else(|| text("status")),
            code: text("code"),
        }
    }

    /// Its words, or what stands for them.
    #[must_use]
    pub fn message(&self, status: u16) -> Cow<'_, str> {
        match &self.message {
            Some(message) => Cow::Borrowed(message),
            None => Cow::Owned(format!("the provider answered {status}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vendors_say_it_in_their_own_ways() {
        for (body, message, kind, code) in [
            (r#"{"error":{"message":"m","type":"t","code":"c"}}"#, Some("m"), Some("t"), Some("c")),
            (
                r#"{"type":"error","error":{"type":"overloaded_error","message":"m"}}"#,
                Some("m"),
                Some("overloaded_error"),
                None,
            ),
            (
                r#"{"error":{"code":429,"message":"m","status":"RESOURCE_EXHAUSTED"}}"#,
                Some("m"),
                Some("RESOURCE_EXHAUSTED"),
                None,
            ),
            (
                r#"[{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT"}}]"#,
                Some("m"),
                Some("INVALID_ARGUMENT"),
                None,
            ),
            (r#"{"error":"m"}"#, Some("m"), None, None),
            (r#"{"detail":"m"}"#, Some("m"), None, None),
            ("<html>", None, None, None),
        ] {
            let error = ProviderError::read(body.as_bytes());
            assert_eq!(
                (error.message.as_deref(), error.kind.as_deref(), error.code.as_deref()),
                (message, kind, code),
                "{body}"
            );
        }
        assert_eq!(ProviderError::read(b"").message(503), "the provider answered 503");
    }
}
