//! Content blocks: what turns and answers are made of.

use super::fields::{Fields, wrong};
use super::unexpressed::{is_block, note};
use super::{SIGNED, SIGNED_BY_PART};
use crate::failure::Failure;
use crate::json_view::{Kind, Text, View};
use crate::neutral::{Arguments, Part, PartKind, Source, Unexpressed};

const CONTENT: &str = "messages.content";
const SOURCE: &str = "messages.content.source";

/// The blocks of a turn, of the instructions or of a tool's result: a string, or a list. Ones without a counterpart are
/// noted.
///
/// # Errors
/// A [`Failure`] that names the field: no such content, a block of a type that nobody knows.
pub(super) fn read_content<'text>(
    content: View<'text>,
    unexpressed: &mut Vec<Unexpressed<'text>>,
) -> Result<Vec<Part<'text>>, Failure> {
    match content.kind() {
        Kind::Text => Ok(content.text().map(Part::text).into_iter().collect()),
        Kind::Array => {
            let mut parts = Vec::new();
            for block in content.elements() {
                parts.extend(read_block(block, unexpressed)?);
            }
            Ok(parts)
        }
        _ => Err(wrong(CONTENT, "a string or an array of blocks")),
    }
}

fn read_block<'text>(
    block: View<'text>,
    unexpressed: &mut Vec<Unexpressed<'text>>,
) -> Result<Option<Part<'text>>, Failure> {
    let fields = Fields::of_object(block, CONTENT)?;
    let word = fields.word("type", "messages.content.type")?;
    let kind = match word.as_ref() {
        "image" => PartKind::Image { source: read_source(&fields, unexpressed)?, detail: None },
        "document" => {
            if fields.get("context").is_some() {
                note(unexpressed, "messages.content.context", true);
            }
            if fields.get("citations").is_some() {
                note(unexpressed, "messages.content.citations", false);
            }
            let name = fields.text("title", "messages.content.title")?;
            PartKind::Document { source: read_source(&fields, unexpressed)?, name }
        }
        "tool_result" => PartKind::ToolResult {
            id: fields.needed_text("tool_use_id", "messages.content.tool_use_id")?,
            name: None,
            is_error: fields.flag("is_error", "messages.content.is_error")?.unwrap_or(false),
            content: match fields.get("content") {
                Some(content) => read_content(content, unexpressed)?,
                None => Vec::new(),
            },
        },
        known if is_block(known) => {
            note(unexpressed, format!("messages.content.{known}"), true);
            return Ok(None);
        }
        known => match read_said(known, &fields) {
            Said::Part(part) => return Ok(Some(part)),
            Said::Wrong(field, kind) => return Err(wrong(field, kind)),
            Said::Unknown => {
                let message = "messages.content.type is no type of block that is known here";
                return Err(Failure::invalid_request(message, Some("messages.content.type")));
            }
        },
    };
    let cache_control = fields.object("cache_control", "messages.content.cache_control")?;
    Ok(Some(Part { kind, cache_control, signature: None }))
}

/// A block that a model may have said.
pub(super) enum Said<'text> {
    /// It is this.
    Part(Part<'text>),
    /// This field of it is not what it should be.
    Wrong(&'static str, &'static str),
    /// It is none.
    Unknown,
}

/// Reads a block that a model may have said. Signatures are as they are written.
pub(super) fn read_said<'text>(kind: &str, fields: &Fields<'text>) -> Said<'text> {
    let text = |name: &str| fields.get(name).and_then(View::text);
    let mut part = match kind {
        "text" => {
            let Some(text) = text("text") else { return Said::Wrong("messages.content.text", "a string") };
            let citations = fields.get("citations").filter(|list| !list.elements().is_empty());
            Part::new(PartKind::Text { text, citations })
        }
        "thinking" => {
            let Some(thinking) = text("thinking") else { return Said::Wrong("messages.content.thinking", "a string") };
            let signature = text("signature").filter(|signature| !signature.is_empty());
            Part { signature, ..Part::new(PartKind::Thinking(thinking)) }
        }
        "redacted_thinking" => {
            let Some(data) = text("data") else { return Said::Wrong("messages.content.data", "a string") };
            Part::new(PartKind::RedactedThinking(data))
        }
        "tool_use" => {
            let Some(id) = text("id") else { return Said::Wrong("messages.content.id", "a string") };
            let Some(name) = text("name") else { return Said::Wrong("messages.content.name", "a string") };
            let arguments = match fields.get("input") {
                Some(input) if input.kind() == Kind::Object => Arguments::Object(input),
                Some(_) => return Said::Wrong("messages.content.input", "an object"),
                None => Arguments::Text(Text::default()),
            };
            Part::new(PartKind::ToolCall { id, name, arguments })
        }
        _ => return Said::Unknown,
    };
    match fields.get("cache_control") {
        Some(mark) if mark.kind() != Kind::Object => {
            return Said::Wrong("messages.content.cache_control", "an object");
        }
        mark => part.cache_control = mark,
    }
    Said::Part(part)
}

/// Marks what this provider signed as its own.
pub(super) fn sign(part: &mut Part<'_>) {
    if let Some(signature) = &mut part.signature {
        *signature = signature.after(SIGNED);
    }
    if let PartKind::RedactedThinking(data) = &mut part.kind {
        *data = data.after(SIGNED);
    }
}

/// Gives proofs that were kept in empty `thinking` blocks back to the parts they came with: the one behind, or the one
/// before where no other can be meant.
pub(super) fn reunite<'text>(parts: Vec<Part<'text>>) -> Vec<Part<'text>> {
    let mut reunited: Vec<Part<'text>> = Vec::with_capacity(parts.len());
    let mut kept: Option<Part<'text>> = None;
    for mut part in parts {
        if is_kept_proof(&part) {
            if let Some(earlier) = kept.replace(part) {
                give_back(earlier, &mut reunited);
            }
            continue;
        }
        if let Some(proof) = kept.take() {
            if matches!(part.kind, PartKind::ToolCall { .. } | PartKind::Text { .. }) {
                part.signature = proof.signature;
            } else {
                give_back(proof, &mut reunited);
            }
        }
        reunited.push(part);
    }
    if let Some(proof) = kept {
        give_back(proof, &mut reunited);
    }
    reunited
}

fn is_kept_proof(part: &Part<'_>) -> bool {
    matches!(&part.kind, PartKind::Thinking(text) if text.is_empty())
        && part.signature.as_ref().is_some_and(|signature| signature.escaped().starts_with(SIGNED_BY_PART))
}

fn give_back<'text>(proof: Part<'text>, parts: &mut Vec<Part<'text>>) {
    match parts.last_mut() {
        Some(last)
            if last.signature.is_none() && matches!(last.kind, PartKind::ToolCall { .. } | PartKind::Text { .. }) =>
        {
            last.signature = proof.signature;
        }
        _ => parts.push(proof),
    }
}

const MEDIA_TYPE: &str = "messages.content.source.media_type";

fn read_source<'text>(
    fields: &Fields<'text>,
    unexpressed: &mut Vec<Unexpressed<'text>>,
) -> Result<Source<'text>, Failure> {
    let source = Fields::of_object(fields.get("source").ok_or_else(|| wrong(SOURCE, "an object"))?, SOURCE)?;
    Ok(match source.word("type", "messages.content.source.type")?.as_ref() {
        "base64" => Source::Base64 {
            media_type: source
                .needed_text("media_type", MEDIA_TYPE)
                .and_then(|word| Source::media_type(word).ok_or_else(|| wrong(MEDIA_TYPE, "a media type")))?,
            data: source.needed_text("data", "messages.content.source.data")?,
        },
        "url" => Source::Url { url: source.needed_text("url", "messages.content.source.url")?, media_type: None },
        "file" => Source::File(source.needed_text("file_id", "messages.content.source.file_id")?),
        "text" => Source::Plain(source.needed_text("data", "messages.content.source.data")?),
        "content" => {
            let content = source.get("content").ok_or_else(|| wrong("messages.content.source.content", "content"))?;
            let mut plain: Option<Text<'text>> = None;
            for part in read_content(content, unexpressed)? {
                let PartKind::Text { text, .. } = part.kind else {
                    note(unexpressed, "messages.content.source.content", true);
                    continue;
                };
                plain = Some(match plain {
                    Some(before) => before.joined("\n", &text),
                    None => text,
                });
            }
            Source::Plain(plain.unwrap_or_default())
        }
        _ => {
            let field = "messages.content.source.type";
            return Err(Failure::invalid_request(format!("{field} is none that is known here"), Some(field)));
        }
    })
}
