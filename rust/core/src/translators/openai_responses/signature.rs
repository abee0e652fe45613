//! What travels in a reasoning item's `encrypted_content` beside OpenAI's own.
//!
//! A neutral signature begins with its vendor. OpenAI ties encrypted reasoning to the id of its item, so ours has both:
//! `openai:<id>:<encrypted content>`. Thoughts that another vendor encrypted whole get a mark of their own, or the client
//! that sends them back would make signatures of them.

use std::borrow::Cow;

use crate::json_view::{Text, View};
use crate::neutral::signed_by::{OPENAI as VENDOR, REDACTED};

/// The neutral signature of a provider's reasoning item.
pub(super) fn of_item(item: View<'_>) -> Option<Text<'static>> {
    let encrypted = item.get("encrypted_content").and_then(View::text).filter(|text| !text.is_empty())?;
    let id = item.get("id").and_then(View::text).filter(|id| !id.escaped().contains(':')).unwrap_or_default();
    Some(encrypted.after(&format!("{VENDOR}{}:", id.escaped())))
}

/// Id and encrypted content, escaped, of a signature that OpenAI made.
pub(super) fn own<'text>(signature: &'text Text<'_>) -> Option<(&'text str, &'text str)> {
    signature.escaped().strip_prefix(VENDOR)?.split_once(':')
}

/// How a client is told of thoughts that were encrypted whole.
pub(super) fn of_redacted(data: &Text<'_>) -> Text<'static> {
    data.after(REDACTED)
}

/// Thoughts that were encrypted whole, if that is what a client sends back.
pub(super) fn redacted(encrypted_content: &Text<'_>) -> Option<Text<'static>> {
    match encrypted_content.decoded()? {
        Cow::Borrowed(text) => text.strip_prefix(REDACTED).map(Text::of),
        Cow::Owned(text) => text.strip_prefix(REDACTED).map(Text::of),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encrypted_reasoning_keeps_its_item() {
        let of = |item: &str| of_item(View::read_answer(item.as_bytes(), 8).expect("an object"));
        let signature = of(r#"{"id":"rs_1","encrypted_content":"gA\/=="}"#).expect("a signature");
        assert_eq!(own(&signature), Some(("rs_1", r"gA\/==")));
        let signature = of(r#"{"id":"a:b","encrypted_content":"c:d"}"#).expect("a signature");
        assert_eq!(own(&signature), Some(("", "c:d")));
        assert_eq!(of(r#"{"id":"rs_1","encrypted_content":null}"#), None);
        assert_eq!(own(&Text::of("anthropic:rs_1:x")), None);
    }

    #[test]
    fn redacted_thoughts_are_no_signatures() {
        let data = Text::of("anthropic:\"x");
        assert_eq!(redacted(&of_redacted(&data)), Some(data.clone()));
        assert_eq!(redacted(&data), None);
    }
}
