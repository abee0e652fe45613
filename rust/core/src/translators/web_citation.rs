//! Where on the web words are from, in every dialect's form: Anthropic's `web_search_result_location`, the
//! `url_citation` of chat completions and (without the inner object) of Responses, Gemini's grounding chunks.
//!
//! A citation in its own dialect stays as it is; these are for the way to another. Citations of documents and of stored
//! files point into what only their own dialect has, and are left out elsewhere.

use crate::json_object::JsonObject;
use crate::json_view::{Kind, Text, View};

/// A place on the web, and the words that are from it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct WebCitation<'text> {
    pub(super) url: Text<'text>,
    pub(super) title: Option<Text<'text>>,
    /// From which character of the words to which; all of them where that is not said.
    pub(super) span: Option<(u64, u64)>,
}

impl<'text> WebCitation<'text> {
    /// Reads a citation of whichever dialect; `None` if it is none of the web.
    pub(super) fn read(citation: View<'text>) -> Option<Self> {
        let kind = citation.get("type").and_then(View::decoded)?;
        let own = match kind.as_ref() {
            "url_citation" => citation.get("url_citation").filter(|own| own.kind() == Kind::Object).unwrap_or(citation),
            "web_search_result_location" => citation,
            _ => return None,
        };
        let index = |name| own.get(name).and_then(View::as_u64);
        Some(Self {
            url: own.get("url").and_then(View::text)?,
            title: own.get("title").and_then(View::text),
            // Where both are 0 a vendor had to say something.
            span: index("start_index").zip(index("end_index")).filter(|(start, end)| end > start),
        })
    }

    /// The same for longer than what it was read from.
    pub(super) fn into_owned(self) -> WebCitation<'static> {
        WebCitation { url: self.url.into_owned(), title: self.title.map(Text::into_owned), span: self.span }
    }

    /// Writes it as Anthropic's. Whoever cites tells neither what words there, nor where they are in an encrypted index.
    pub(super) fn write_anthropic(&self, into: &mut Vec<u8>) {
        let mut object = JsonObject::begin(into);
        object.text("type", "web_search_result_location");
        object.text("cited_text", "");
        object.text("encrypted_index", "");
        match &self.title {
            Some(title) => object.value("title", |into| title.write(into)),
            None => object.literal("title", b"null"),
        }
        object.value("url", |into| self.url.write(into));
        object.end();
    }

    /// Writes it as chat completions'. `words`: from which character to which the words are, if it doesn't say.
    pub(super) fn write_chat(&self, words: (u64, u64), into: &mut Vec<u8>) {
        let mut object = JsonObject::begin(into);
        object.text("type", "url_citation");
        object.object("url_citation", |own| self.write_members(words, own));
        object.end();
    }

    /// Writes it as Responses'.
    pub(super) fn write_responses(&self, words: (u64, u64), into: &mut Vec<u8>) {
        let mut object = JsonObject::begin(into);
        object.text("type", "url_citation");
        self.write_members(words, &mut object);
        object.end();
    }

    fn write_members(&self, words: (u64, u64), object: &mut JsonObject<'_>) {
        let (start, end) = self.span.unwrap_or(words);
        object.number("start_index", start);
        object.number("end_index", end);
        object.value("url", |into| self.url.write(into));
        object.value("title", |into| self.title.as_ref().unwrap_or(&Text::default()).write(into));
    }

    /// Writes it as a grounding chunk of Gemini's.
    pub(super) fn write_gemini(&self, into: &mut Vec<u8>) {
        let mut object = JsonObject::begin(into);
        object.object("web", |web| {
            web.value("uri", |into| self.url.write(into));
            if let Some(title) = &self.title {
                web.value("title", |into| title.write(into));
            }
        });
        object.end();
    }
}

/// How many characters a text has once it is decoded.
pub(super) fn characters(text: &Text<'_>) -> u64 {
    let bytes = text.escaped().as_bytes();
    let (mut at, mut count) = (0, 0);
    while let Some(byte) = bytes.get(at) {
        let is_unicode = *byte == b'\\' && bytes.get(at + 1) == Some(&b'u');
        // The second half of a pair is no character of its own.
        let is_low_half =
            is_unicode && matches!(bytes.get(at + 2..at + 4), Some([b'd' | b'D', b'c'..=b'f' | b'C'..=b'F']));
        let is_continuation = byte & 0b1100_0000 == 0b1000_0000;
        count += u64::from(!is_low_half && !is_continuation);
        at += match (byte, is_unicode) {
            (_, true) => 6,
            (b'\\', false) => 2,
            _ => 1,
        };
    }
    count
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(citation: &str, write: impl Fn(&WebCitation<'static>, &mut Vec<u8>)) -> String {
        let view = View::read_answer(citation.as_bytes(), 8).expect("an object");
        let mut written = Vec::new();
        write(&WebCitation::read(view).expect("of the web").into_owned(), &mut written);
        String::from_utf8(written).expect("UTF-8")
    }

    #[test]
    fn every_dialect_has_a_form_of_it() {
        let anthropic = r#"{"type":"web_search_result_location","cited_text":"c","url":"u\/v","title":"\u0041","encrypted_index":"e"}"#;
        let chat =
            r#"{"type":"url_citation","url_citation":{"start_index":3,"end_index":9,"url":"u\/v","title":"\u0041"}}"#;
        let responses = r#"{"type":"url_citation","start_index":3,"end_index":9,"url":"u\/v","title":"\u0041"}"#;
        for one in [anthropic, chat, responses] {
            assert_eq!(written(one, |own, into| own.write_chat((3, 9), into)), chat);
            assert_eq!(written(one, |own, into| own.write_responses((3, 9), into)), responses);
            assert_eq!(written(one, WebCitation::write_gemini), r#"{"web":{"uri":"u\/v","title":"\u0041"}}"#);
            let expected = r#"{"type":"web_search_result_location","cited_text":"","encrypted_index":"","title":"\u0041","url":"u\/v"}"#;
            assert_eq!(written(one, WebCitation::write_anthropic), expected);
        }
        let bare = r#"{"type":"url_citation","url":"u","start_index":0,"end_index":0}"#;
        let expected = r#"{"type":"url_citation","start_index":2,"end_index":5,"url":"u","title":""}"#;
        assert_eq!(written(bare, |own, into| own.write_responses((2, 5), into)), expected);
        for other in [r#"{"type":"page_location","url":"u"}"#, r#"{"type":"url_citation"}"#, r#"{"url":"u"}"#] {
            assert_eq!(WebCitation::read(View::read_answer(other.as_bytes(), 8).expect("an object")), None);
        }
    }

    #[test]
    fn characters_are_counted_without_decoding() {
        let counted = |json: &str| {
            characters(&View::read_answer(json.as_bytes(), 8).expect("JSON").get("a").and_then(View::text).expect("a"))
        };
        assert_eq!(counted(r#"{"a":"\u00e9\ud83d\ude00\\n\"x"}"#), 6);
        assert_eq!(counted(r#"{"a":""}"#), 0);
    }

    proptest! {
        #[test]
        fn as_many_characters_as_there_are(text: String) {
            prop_assert_eq!(characters(&Text::of(&text)), text.chars().count() as u64);
        }
    }
}
