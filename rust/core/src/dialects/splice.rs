//! Changing fields of a body in place: every other byte stays as it was.

use std::ops::Range;

/// One change.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Splice {
    /// What is replaced; empty to insert.
    pub span: Range<usize>,
    /// What it is replaced by.
    pub replacement: String,
}

impl Splice {
    /// Replaces `span` by this JSON text.
    #[must_use]
    pub fn new(span: Range<usize>, replacement: String) -> Self {
        Self { span, replacement }
    }

    /// Replaces `span` by this text as a JSON string.
    #[must_use]
    pub fn text(span: Range<usize>, text: &str) -> Self {
        Self::new(span, serde_json::Value::from(text).to_string())
    }
}

/// The body with these changes, which must not overlap.
#[must_use]
pub fn splice(body: &[u8], changes: &mut [Splice]) -> Vec<u8> {
    changes.sort_unstable_by_key(|change| change.span.start);
    let added: usize = changes.iter().map(|change| change.replacement.len()).sum();
    let mut spliced = Vec::with_capacity(body.len() + added);
    let mut at = 0;
    for change in changes {
        spliced.extend_from_slice(&body[at..change.span.start]);
        spliced.extend_from_slice(change.replacement.as_bytes());
        at = change.span.end;
    }
    spliced.extend_from_slice(&body[at..]);
    spliced
}
