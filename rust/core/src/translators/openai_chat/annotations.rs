//! Where words are from, as the chat format says it: `annotations` of type `url_citation`.
//!
//! Responses writes the same without the inner object. Citations of other dialects point into documents or blocks that
//! the chat format does not have; they are left out.

use crate::json_object::write_list;
use crate::json_view::{Kind, Text, View};

/// Those of some citations, one or an array, that can be said here.
pub(super) fn expressible(citations: View<'_>) -> Vec<View<'_>> {
    let all = if citations.kind() == Kind::Array { citations.elements() } else { vec![citations] };
    all.into_iter().filter(|one| is_wrapped(*one) || is_flat(*one)).collect()
}

/// Writes them as an array.
pub(super) fn write(annotations: &[View<'_>], into: &mut Vec<u8>) {
    write_list(into, annotations, |one, into| {
        if is_wrapped(*one) {
            into.extend_from_slice(one.raw().as_bytes());
            return;
        }
        into.extend_from_slice(br#"{"type":"url_citation","url_citation":{"#);
        let members = one.members().into_iter().filter(|(name, _)| name != "type");
        for (index, (name, value)) in members.enumerate() {
            if index > 0 {
                into.push(b',');
            }
            Text::of(&name).write(into);
            into.push(b':');
            into.extend_from_slice(value.raw().as_bytes());
        }
        into.extend_from_slice(b"}}");
    });
}

/// An annotation of the chat format: its type names the member that says the rest.
fn is_wrapped(annotation: View<'_>) -> bool {
    let kind = annotation.get("type").and_then(View::decoded);
    kind.and_then(|kind| annotation.get(&kind)).is_some_and(|inner| inner.kind() == Kind::Object)
}

fn is_flat(annotation: View<'_>) -> bool {
    annotation.get("type").is_some_and(|kind| kind.is("url_citation")) && annotation.get("url").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn citations_of_chat_and_responses() {
        let object = br#"{"a":[{"type":"url_citation","url_citation":{"url":"u"}},
            {"type":"url_citation","start_index":1,"end_index":2,"url":"v","title":"\u0041"},
            {"type":"page_location","cited_text":"c"}]}"#;
        let view = View::read(object, 8).ok().and_then(|view| view.get("a")).expect("citations");
        let mut written = Vec::new();
        write(&expressible(view), &mut written);
        let expected = r#"[{"type":"url_citation","url_citation":{"url":"u"}},{"type":"url_citation","url_citation":{"start_index":1,"end_index":2,"url":"v","title":"\u0041"}}]"#;
        assert_eq!(String::from_utf8_lossy(&written), expected);
    }
}
