//! Where on the web words are from, as Gemini says it: chunks, beside the answer.
//!
//! Source: Gemini API reference, `GroundingMetadata`; `web` chunks come of a search, `retrievedContext` of stored files,
//! some of which have an address. Which words rest on which chunk is counted in bytes of a part, which no event of a
//! stream has as a whole: to others a chunk is about all the words.

use super::fields::Fields;
use crate::json_object::{JsonObject, write_list};
use crate::json_view::{Text, View};
use crate::translators::web_citation::WebCitation;

/// The chunks with an address, as citations in OpenAI's form.
pub(super) fn as_citations(grounding: View<'_>) -> String {
    let mut written = Vec::new();
    let chunks = Fields::of(grounding).get("groundingChunks").map(View::elements).unwrap_or_default();
    let places = chunks.into_iter().filter_map(|chunk| {
        let chunk = Fields::of(chunk);
        let place = Fields::of(chunk.get("web").or(chunk.get("retrievedContext"))?);
        Some((place.get("uri").and_then(View::text)?, place.get("title").and_then(View::text)))
    });
    write_list(&mut written, places, |(url, title), into| {
        let mut citation = JsonObject::begin(into);
        citation.text("type", "url_citation");
        citation.value("url", |into| url.write(into));
        citation.value("title", |into| title.unwrap_or_default().write(into));
        citation.end();
    });
    String::from_utf8(written).unwrap_or_default()
}

/// Chunks for a client, each address once.
#[derive(Clone, Debug, Default)]
pub(super) struct Chunks(Vec<WebCitation<'static>>);

impl Chunks {
    /// Adds a citation, if it is of the web.
    pub(super) fn add(&mut self, citation: View<'_>) {
        if let Some(web) = WebCitation::read(citation)
            && !self.0.iter().any(|known| known.url == web.url)
        {
            self.0.push(web.into_owned());
        }
    }

    /// Writes them into a candidate, if there are any.
    pub(super) fn write(&self, candidate: &mut JsonObject<'_>) {
        if !self.0.is_empty() {
            candidate.object("groundingMetadata", |grounding| {
                grounding.value("groundingChunks", |into| {
                    write_list(into, &self.0, WebCitation::write_gemini);
                });
            });
        }
    }
}

/// Addresses that a stream has told: its events repeat what is known so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Told(Vec<Text<'static>>);

impl Told {
    /// Whether a citation is new.
    pub(super) fn is_new(&mut self, citation: View<'_>) -> bool {
        let Some(url) = citation.get("url").and_then(View::text) else { return false };
        let is_new = !self.0.contains(&url);
        if is_new {
            self.0.push(url.into_owned());
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_with_an_address_are_citations() {
        let grounding = r#"{"web_search_queries":["q"],"grounding_chunks":[{"web":{"uri":"u","title":"t"}},
            {"retrievedContext":{"text":"x"}},{"retrieved_context":{"uri":"gs://b"}}],"groundingSupports":[]}"#;
        let view = View::read_answer(grounding.as_bytes(), 8).expect("an object");
        let expected =
            r#"[{"type":"url_citation","url":"u","title":"t"},{"type":"url_citation","url":"gs://b","title":""}]"#;
        assert_eq!(as_citations(view), expected);
    }
}
