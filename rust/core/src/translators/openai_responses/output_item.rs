//! Output items as a client is told of them, once they are whole. Texts are kept as they stand between their quotes.

use crate::json_object::{JsonObject, write_list};
use crate::json_view::{Kind, Text, View};
use crate::translators::web_citation::{WebCitation, characters};

/// Where an item is: `in_progress`, `completed`, `incomplete`.
pub(super) type Status = &'static str;

pub(super) const IN_PROGRESS: Status = "in_progress";
pub(super) const COMPLETED: Status = "completed";
pub(super) const INCOMPLETE: Status = "incomplete";

/// One of a response's `output`.
#[derive(Clone, Debug)]
pub(super) struct OutputItem {
    pub(super) id: String,
    pub(super) status: Status,
    pub(super) kind: ItemKind,
}

#[derive(Clone, Debug)]
pub(super) enum ItemKind {
    Message(Vec<Content>),
    FunctionCall { call_id: String, name: String, arguments: String },
    Reasoning { summary: Vec<String>, encrypted_content: Option<String> },
}

/// A part of a message.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    pub(super) is_refusal: bool,
    pub(super) text: String,
    /// Elements of an array, as JSON.
    pub(super) annotations: Vec<String>,
    /// The same.
    pub(super) logprobs: Vec<String>,
}

impl ItemKind {
    /// What ids of such items begin with.
    pub(super) fn id_prefix(&self) -> &'static str {
        match self {
            Self::Message(_) => "msg_",
            Self::FunctionCall { .. } => "fc_",
            Self::Reasoning { .. } => "rs_",
        }
    }
}

impl OutputItem {
    pub(super) fn write(&self, into: &mut Vec<u8>) {
        let mut object = JsonObject::begin(into);
        object.value("id", |into| write_escaped(&self.id, into));
        match &self.kind {
            ItemKind::Message(contents) => {
                object.text("type", "message");
                object.text("status", self.status);
                object.text("role", "assistant");
                object.value("content", |into| write_list(into, contents, Content::write));
            }
            ItemKind::FunctionCall { call_id, name, arguments } => {
                object.text("type", "function_call");
                object.text("status", self.status);
                object.value("call_id", |into| write_escaped(call_id, into));
                object.value("name", |into| write_escaped(name, into));
                object.value("arguments", |into| write_escaped(arguments, into));
            }
            ItemKind::Reasoning { summary, encrypted_content } => {
                object.text("type", "reasoning");
                object.value("summary", |into| write_list(into, summary, |text, into| write_summary(text, into)));
                if let Some(encrypted) = encrypted_content {
                    object.value("encrypted_content", |into| write_escaped(encrypted, into));
                }
            }
        }
        object.end();
    }
}

impl Content {
    pub(super) fn write(&self, into: &mut Vec<u8>) {
        let mut object = JsonObject::begin(into);
        if self.is_refusal {
            object.text("type", "refusal");
            object.value("refusal", |into| write_escaped(&self.text, into));
        } else {
            object.text("type", "output_text");
            object.value("text", |into| write_escaped(&self.text, into));
            object.value("annotations", |into| write_raw_list(&self.annotations, into));
            object.value("logprobs", |into| write_raw_list(&self.logprobs, into));
        }
        object.end();
    }
}

/// A part of a reasoning item.
pub(super) fn write_summary(escaped: &str, into: &mut Vec<u8>) {
    let mut object = JsonObject::begin(into);
    object.text("type", "summary_text");
    object.value("text", |into| write_escaped(escaped, into));
    object.end();
}

/// What is escaped already, in quotes.
pub(super) fn write_escaped(escaped: &str, into: &mut Vec<u8>) {
    into.push(b'"');
    into.extend_from_slice(escaped.as_bytes());
    into.push(b'"');
}

/// Elements that are JSON already.
pub(super) fn write_raw_list(elements: &[String], into: &mut Vec<u8>) {
    write_list(into, elements, |element, into| into.extend_from_slice(element.as_bytes()));
}

/// Annotations of this dialect, which chat says with one more level; citations of the web of other dialects become one.
const ANNOTATIONS: [&str; 4] = ["container_file_citation", "file_citation", "file_path", "url_citation"];

/// What a citation comes to here.
pub(super) enum Cited {
    /// An annotation as JSON.
    Said(String),
    /// Of words that it does not count: all of its part.
    OfPart(WebCitation<'static>),
}

/// A citation as an annotation, if it is OpenAI's or of the web; what else other vendors cite has no form here.
pub(super) fn cited(citation: View<'_>) -> Option<Cited> {
    match WebCitation::read(citation) {
        Some(web) if web.span.is_none() => Some(Cited::OfPart(web.into_owned())),
        _ => annotation(citation).map(Cited::Said),
    }
}

/// A citation of all words of a part.
pub(super) fn of_part(web: &WebCitation<'_>, text: &str) -> String {
    let mut written = Vec::new();
    // Escaped already, and `after` copies.
    web.write_responses((0, characters(&Text::default().after(text))), &mut written);
    String::from_utf8(written).unwrap_or_default()
}

fn annotation(citation: View<'_>) -> Option<String> {
    let kind = citation.get("type").and_then(View::decoded)?;
    let kind = ANNOTATIONS.into_iter().find(|own| *own == kind)?;
    let Some(nested) = citation.get(kind).filter(|nested| nested.kind() == Kind::Object) else {
        return Some(citation.raw().to_owned());
    };
    let mut written = format!(r#"{{"type":"{kind}""#).into_bytes();
    for (name, value) in nested.members().into_iter().filter(|(name, _)| name != "type") {
        written.push(b',');
        Text::of(&name).write(&mut written);
        written.push(b':');
        written.extend_from_slice(value.raw().as_bytes());
    }
    written.push(b'}');
    String::from_utf8(written).ok()
}

/// Log probabilities of text: this dialect's array, or chat's object with one.
pub(super) fn logprobs(value: View<'_>) -> Vec<String> {
    let array = value.get("content").unwrap_or(value);
    array.elements().into_iter().map(|one| one.raw().to_owned()).collect()
}
