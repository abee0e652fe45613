//! Where words are from, as the chat format says it: `annotations` of type `url_citation`.
//!
//! What is of OpenAI stays as it is, bar the inner object that Responses leaves out; citations of the web in other
//! dialects become it. Others point into documents that the chat format does not have; they are left out.

use crate::json_view::{Kind, Text, View};
use crate::translators::web_citation::WebCitation;

/// An annotation of this format.
#[derive(Clone, Debug)]
pub(super) enum Annotation<'text> {
    /// As it was written.
    Own(View<'text>),
    /// Of Responses: the same without the inner object.
    Flat(View<'text>),
    /// Of another dialect, which does not say by characters which words it is about.
    Web(WebCitation<'text>),
}

impl<'text> Annotation<'text> {
    /// Those of some citations, one or an array, that can be said here.
    pub(super) fn all(citations: View<'text>) -> Vec<Self> {
        let all = if citations.kind() == Kind::Array { citations.elements() } else { vec![citations] };
        all.into_iter().filter_map(Self::of).collect()
    }

    fn of(citation: View<'text>) -> Option<Self> {
        if is_wrapped(citation) {
            return Some(Self::Own(citation));
        }
        let web = WebCitation::read(citation)?;
        let is_flat = web.span.is_some() && citation.get("type").is_some_and(|kind| kind.is("url_citation"));
        Some(if is_flat { Self::Flat(citation) } else { Self::Web(web) })
    }

    /// Writes it. `words`: from which character to which the words are that it is about, in all that is said.
    pub(super) fn write(&self, words: (u64, u64), into: &mut Vec<u8>) {
        match self {
            Self::Own(own) => into.extend_from_slice(own.raw().as_bytes()),
            Self::Web(web) => web.write_chat(words, into),
            Self::Flat(own) => {
                into.extend_from_slice(br#"{"type":"url_citation","url_citation":{"#);
                let members = own.members().into_iter().filter(|(name, _)| name != "type");
                for (index, (name, value)) in members.enumerate() {
                    if index > 0 {
                        into.push(b',');
                    }
                    Text::of(&name).write(into);
                    into.push(b':');
                    // Responses counts from the beginning of a part, chat from that of the message.
                    match value.as_u64().filter(|_| name == "start_index" || name == "end_index") {
                        Some(position) => into.extend_from_slice((position + words.0).to_string().as_bytes()),
                        None => into.extend_from_slice(value.raw().as_bytes()),
                    }
                }
                into.extend_from_slice(b"}}");
            }
        }
    }
}

/// An annotation of the chat format: its type names the member that says the rest.
fn is_wrapped(annotation: View<'_>) -> bool {
    let kind = annotation.get("type").and_then(View::decoded);
    kind.and_then(|kind| annotation.get(&kind)).is_some_and(|inner| inner.kind() == Kind::Object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json_object::write_list;

    #[test]
    fn citations_of_every_dialect() {
        let object = br#"{"a":[{"type":"url_citation","url_citation":{"url":"u"}},
            {"type":"url_citation","start_index":1,"end_index":2,"url":"v","title":"\u0041"},
            {"type":"web_search_result_location","cited_text":"c","url":"w","title":null,"encrypted_index":"e"},
            {"type":"page_location","cited_text":"c"}]}"#;
        let view = View::read(object, 8).ok().and_then(|view| view.get("a")).expect("citations");
        let mut written = Vec::new();
        write_list(&mut written, Annotation::all(view), |one, into| one.write((10, 14), into));
        let expected = r#"[{"type":"url_citation","url_citation":{"url":"u"}},{"type":"url_citation","url_citation":{"start_index":11,"end_index":12,"url":"v","title":"\u0041"}},{"type":"url_citation","url_citation":{"start_index":10,"end_index":14,"url":"w","title":""}}]"#;
        assert_eq!(String::from_utf8_lossy(&written), expected);
    }
}
