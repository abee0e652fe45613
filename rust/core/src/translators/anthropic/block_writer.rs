//! Content blocks, as this provider takes them and as its clients read them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{SIGNED, own_signature, write_escaped};
use crate::failure::Failure;
use crate::json_object::JsonObject;
use crate::json_view::{Text, View};
use crate::neutral::{Arguments, Part, PartKind, Place, Source};
use crate::translators::web_citation::WebCitation;

/// An array of blocks that is being written.
pub(super) struct BlockWriter<'a> {
    written: &'a mut Vec<u8>,
    is_empty: bool,
}

impl<'a> BlockWriter<'a> {
    /// Begins an array behind what is written.
    pub(super) fn begin(written: &'a mut Vec<u8>) -> Self {
        written.push(b'[');
        Self { written, is_empty: true }
    }

    /// Ends the array.
    pub(super) fn end(self) {
        self.written.push(b']');
    }

    /// A block with what `fill` puts into it.
    pub(super) fn block(&mut self, kind: &str, fill: impl FnOnce(&mut JsonObject<'_>)) {
        if !std::mem::take(&mut self.is_empty) {
            self.written.push(b',');
        }
        let mut object = JsonObject::begin(self.written);
        object.text("type", kind);
        fill(&mut object);
        object.end();
    }

    /// A `text` block. `cite` writes a citation that can be said, or nothing.
    fn text(
        &mut self,
        text: &Text<'_>,
        citations: Option<View<'_>>,
        cite: fn(View<'_>, &mut Vec<u8>),
        mark: Option<View<'_>>,
    ) {
        let mut cited = Vec::new();
        for citation in citations.map(View::elements).unwrap_or_default() {
            let start = cited.len();
            cited.push(if start == 0 { b'[' } else { b',' });
            cite(citation, &mut cited);
            if cited.len() == start + 1 {
                cited.truncate(start);
            }
        }
        self.block("text", |block| {
            block.value("text", |written| text.write(written));
            if !cited.is_empty() {
                cited.push(b']');
                block.literal("citations", &cited);
            }
            write_mark(block, mark);
        });
    }

    /// A `thinking` block; the signature is escaped already.
    pub(super) fn thinking(&mut self, thinking: &Text<'_>, signature: &str) {
        self.block("thinking", |block| {
            block.value("thinking", |written| thinking.write(written));
            block.value("signature", |written| write_escaped(written, signature));
        });
    }

    /// A part of a request, if this provider has a block for it and takes it.
    ///
    /// # Errors
    /// A [`Failure`]: tool arguments that are no object, an image or a document of a type that the provider doesn't know.
    pub(super) fn request_part(&mut self, part: &Part<'_>) -> Result<(), Failure> {
        if !is_taken(part) {
            return Ok(());
        }
        let mark = part.cache_control;
        match &part.kind {
            PartKind::Text { text, citations } => self.text(text, *citations, write_own_citation, mark),
            PartKind::Refusal(text) => self.text(text, None, write_own_citation, mark),
            PartKind::Thinking(thinking) => {
                if let Some(proof) = part.signature.as_ref().and_then(own_signature) {
                    self.thinking(thinking, proof);
                }
            }
            PartKind::RedactedThinking(data) => {
                if let Some(data) = data.escaped().strip_prefix(SIGNED) {
                    self.block("redacted_thinking", |block| {
                        block.value("data", |written| write_escaped(written, data));
                    });
                }
            }
            PartKind::Image { source, .. } => {
                let source = written_image(source)?;
                self.block("image", |block| {
                    block.literal("source", &source);
                    write_mark(block, mark);
                });
            }
            PartKind::Document { source, name } => {
                let source = written_document(source)?;
                self.block("document", |block| {
                    block.literal("source", &source);
                    if let Some(name) = name {
                        block.value("title", |written| name.write(written));
                    }
                    write_mark(block, mark);
                });
            }
            PartKind::ToolCall { id, name, arguments } => {
                let mut input = Vec::new();
                arguments.write_object(&mut input).map_err(|_| {
                    Place::ToolArguments
                        .failure(format!("the arguments of tool call {} are no JSON object", id.escaped()))
                })?;
                self.block("tool_use", |block| {
                    block.value("id", |written| write_id(written, id));
                    block.value("name", |written| name.write(written));
                    block.literal("input", &input);
                    write_mark(block, mark);
                });
            }
            PartKind::ToolResult { id, is_error, content, .. } => {
                let mut blocks = Vec::new();
                let mut writer = BlockWriter::begin(&mut blocks);
                for part in content.iter().filter(|part| is_result_content(part)) {
                    writer.request_part(part)?;
                }
                let is_empty = writer.is_empty;
                writer.end();
                self.block("tool_result", |block| {
                    block.value("tool_use_id", |written| write_id(written, id));
                    if !is_empty {
                        block.literal("content", &blocks);
                    }
                    if *is_error {
                        block.flag("is_error", true);
                    }
                    write_mark(block, mark);
                });
            }
            PartKind::Audio(_) | PartKind::Video(_) => {}
        }
        Ok(())
    }

    /// A part of an answer, if its client has a block for it. `fallback_id`: for a tool call without an id.
    pub(super) fn answer_part(&mut self, part: &Part<'_>, fallback_id: impl FnOnce() -> String) {
        let proof = part.signature.as_ref().map_or("", Text::escaped);
        if !proof.is_empty() && matches!(part.kind, PartKind::Text { .. } | PartKind::ToolCall { .. }) {
            self.thinking(&Text::default(), proof);
        }
        match &part.kind {
            PartKind::Text { text, citations } if !text.is_empty() => self.text(text, *citations, write_citation, None),
            PartKind::Refusal(text) if !text.is_empty() => self.text(text, None, write_citation, None),
            PartKind::Thinking(thinking) => self.thinking(thinking, proof),
            PartKind::RedactedThinking(data) => {
                self.block("redacted_thinking", |block| block.value("data", |written| data.write(written)));
            }
            PartKind::ToolCall { id, name, arguments } => self.block("tool_use", |block| {
                block.value("id", |written| {
                    if id.is_empty() {
                        Text::of(&fallback_id()).write(written);
                    } else {
                        id.write(written);
                    }
                });
                block.value("name", |written| name.write(written));
                block.value("input", |written| write_input(written, arguments));
            }),
            // Nothing here can show pictures or sound in an answer.
            _ => {}
        }
    }
}

/// Whether a part of a request becomes a block: words that say something, thoughts that this provider signed.
pub(super) fn is_taken(part: &Part<'_>) -> bool {
    match &part.kind {
        PartKind::Text { text, .. } | PartKind::Refusal(text) => !is_blank(text),
        PartKind::Thinking(_) => part.signature.as_ref().and_then(own_signature).is_some(),
        PartKind::RedactedThinking(data) => own_signature(data).is_some(),
        PartKind::Audio(_) | PartKind::Video(_) => false,
        _ => true,
    }
}

fn is_result_content(part: &Part<'_>) -> bool {
    matches!(part.kind, PartKind::Text { .. } | PartKind::Image { .. } | PartKind::Document { .. })
}

/// Whether a text has nothing but white space: the provider refuses it.
pub(super) fn is_blank(text: &Text<'_>) -> bool {
    let rest = text.escaped().trim_start();
    rest.is_empty() || (rest.starts_with('\\') && text.decoded().is_some_and(|text| text.trim().is_empty()))
}

/// Writes a citation for a client: this dialect's own as it is, one of the web in this dialect's form, others not.
pub(super) fn write_citation(citation: View<'_>, written: &mut Vec<u8>) {
    if is_own_citation(citation) {
        written.extend_from_slice(citation.raw().as_bytes());
    } else if let Some(web) = WebCitation::read(citation) {
        web.write_anthropic(written);
    }
}

/// Writes a citation for the provider, if it is the provider's: what was made of another's has no index.
fn write_own_citation(citation: View<'_>, written: &mut Vec<u8>) {
    let index = citation.get("encrypted_index").and_then(View::text);
    if is_own_citation(citation) && index.is_none_or(|index| !index.is_empty()) {
        written.extend_from_slice(citation.raw().as_bytes());
    }
}

/// Whether a citation is of this dialect: it says where in a text it is from.
fn is_own_citation(citation: View<'_>) -> bool {
    citation.get("type").and_then(View::decoded).is_some_and(|kind| kind.ends_with("_location"))
}

fn write_mark(block: &mut JsonObject<'_>, mark: Option<View<'_>>) {
    if let Some(mark) = mark {
        block.literal("cache_control", mark.raw().as_bytes());
    }
}

/// Writes a tool call's id: the provider takes letters, digits, `_` and `-`; other bytes become `_` and their number, so
/// that different ids stay different, and a result still finds its call.
fn write_id(written: &mut Vec<u8>, id: &Text<'_>) {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if !id.is_empty() && id.escaped().as_bytes().iter().all(is_plain) {
        return id.write(written);
    }
    written.push(b'"');
    written.extend_from_slice(if id.is_empty() { b"_" } else { b"" });
    for byte in id.escaped().bytes() {
        if is_plain(&byte) {
            written.push(byte);
        } else {
            written.extend_from_slice(format!("_{byte:02x}").as_bytes());
        }
    }
    written.push(b'"');
}

/// Writes what a tool is called with. What is no object is wrapped in one, as Anthropic advises for models that err.
fn write_input(written: &mut Vec<u8>, arguments: &Arguments<'_>) {
    let start = written.len();
    if arguments.write_object(written).is_err() {
        written.truncate(start);
        let mut wrapped = JsonObject::begin(written);
        wrapped.value("INVALID_JSON", |written| arguments.write_text(written));
        wrapped.end();
    }
}

/// Image types that the provider knows, and how it spells them.
const IMAGE_TYPES: [(&str, &str); 5] = [
    ("image/jpeg", "image/jpeg"),
    ("image/jpg", "image/jpeg"),
    ("image/png", "image/png"),
    ("image/gif", "image/gif"),
    ("image/webp", "image/webp"),
];

fn written_image(source: &Source<'_>) -> Result<Vec<u8>, Failure> {
    match source {
        Source::Base64 { media_type, data } => {
            let known = IMAGE_TYPES.iter().find(|(own, _)| media_type.escaped().eq_ignore_ascii_case(own));
            let (_, media_type) = known.ok_or_else(|| {
                unknown_type(Place::Image, "an image", media_type, "image/jpeg, image/png, image/gif, image/webp")
            })?;
            Ok(written_source("base64", |source| {
                source.text("media_type", media_type);
                source.value("data", |written| data.write(written));
            }))
        }
        Source::Plain(_) => Err(Place::Image.failure("an image can't be plain text")),
        Source::Url { .. } | Source::File(_) => Ok(written_reference(source)),
    }
}

fn written_document(source: &Source<'_>) -> Result<Vec<u8>, Failure> {
    match source {
        Source::Base64 { media_type, data } if media_type.escaped().eq_ignore_ascii_case("application/pdf") => {
            Ok(written_source("base64", |source| {
                source.text("media_type", "application/pdf");
                source.value("data", |written| data.write(written));
            }))
        }
        Source::Base64 { media_type, data } => {
            let is_text = is_text_type(media_type.escaped());
            let wrong = || unknown_type(Place::Document, "a document", media_type, "application/pdf or text");
            let text = data.decoded().filter(|_| is_text).and_then(|data| STANDARD.decode(data.as_bytes()).ok());
            let text = text.and_then(|text| String::from_utf8(text).ok()).ok_or_else(wrong)?;
            Ok(written_plain(&Text::of(&text)))
        }
        Source::Plain(text) => Ok(written_plain(text)),
        Source::Url { .. } | Source::File(_) => Ok(written_reference(source)),
    }
}

fn is_text_type(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or(media_type).trim().to_ascii_lowercase();
    essence.starts_with("text/") || matches!(essence.as_str(), "application/json" | "application/xml")
}

fn written_plain(text: &Text<'_>) -> Vec<u8> {
    written_source("text", |source| {
        source.text("media_type", "text/plain");
        source.value("data", |written| text.write(written));
    })
}

fn written_reference(source: &Source<'_>) -> Vec<u8> {
    match source {
        Source::Url { url, .. } => written_source("url", |source| source.value("url", |written| url.write(written))),
        Source::File(id) => written_source("file", |source| source.value("file_id", |written| id.write(written))),
        Source::Base64 { .. } | Source::Plain(_) => b"null".to_vec(),
    }
}

fn written_source(kind: &str, fill: impl FnOnce(&mut JsonObject<'_>)) -> Vec<u8> {
    let mut written = Vec::new();
    let mut source = JsonObject::begin(&mut written);
    source.text("type", kind);
    fill(&mut source);
    source.end();
    written
}

fn unknown_type(place: Place, what: &str, media_type: &Text<'_>, known: &str) -> Failure {
    let message =
        format!("{what} of type {} can't be sent to this provider, which takes {known}", media_type.escaped());
    place.failure(message)
}
