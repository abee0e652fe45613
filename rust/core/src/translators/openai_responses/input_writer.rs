//! A conversation as input items.

use super::signature;
use crate::json_object::{JsonObject, write_list};
use crate::json_view::Text;
use crate::neutral::{Arguments, Part, PartKind, Role, Source, Turn};

/// Writes instructions that are a message of their own, and the turns.
pub(super) fn write_input(instructions: &[Part<'_>], turns: &[Turn<'_>], into: &mut Vec<u8>) {
    let mut items = Items { into, is_empty: true };
    items.into.push(b'[');
    items.turn(Role::System, instructions);
    for turn in turns {
        items.turn(turn.role, &turn.parts);
    }
    items.into.push(b']');
}

/// Items that are being written.
struct Items<'into> {
    into: &'into mut Vec<u8>,
    is_empty: bool,
}

impl Items<'_> {
    /// A turn: a row of items. Words between calls and results make messages, in their order.
    fn turn(&mut self, role: Role, parts: &[Part<'_>]) {
        let (mut content, mut summary) = (Vec::new(), Vec::new());
        for part in parts {
            if let Some((id, encrypted)) = part.signature.as_ref().and_then(signature::own) {
                if let PartKind::Thinking(text) = &part.kind {
                    summary.push(text);
                }
                self.message(role, &mut content);
                self.reasoning(id, &summary, encrypted);
            }
            match &part.kind {
                // Without their proof thoughts are nothing to a provider; with it, its text comes before.
                PartKind::Thinking(text) if part.signature.is_none() => {
                    summary.push(text);
                    continue;
                }
                PartKind::Thinking(_) | PartKind::RedactedThinking(_) | PartKind::Video(_) => {}
                PartKind::ToolCall { id, name, arguments } => {
                    self.message(role, &mut content);
                    self.function_call(id, name, arguments);
                }
                PartKind::ToolResult { id, is_error, content: output, .. } => {
                    self.message(role, &mut content);
                    self.function_call_output(id, *is_error, output);
                }
                _ => content.push(part),
            }
            summary.clear();
        }
        self.message(role, &mut content);
    }

    fn item(&mut self, fill: impl FnOnce(&mut JsonObject<'_>)) {
        if !std::mem::take(&mut self.is_empty) {
            self.into.push(b',');
        }
        let mut object = JsonObject::begin(self.into);
        fill(&mut object);
        object.end();
    }

    fn message(&mut self, role: Role, content: &mut Vec<&Part<'_>>) {
        if content.is_empty() {
            return;
        }
        let role = match role {
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::System => "system",
        };
        self.item(|item| {
            item.text("role", role);
            item.value("content", |into| write_content(content, role == "assistant", into));
        });
        content.clear();
    }

    fn reasoning(&mut self, id: &str, summary: &[&Text<'_>], encrypted: &str) {
        self.item(|item| {
            item.text("type", "reasoning");
            if !id.is_empty() {
                item.value("id", |into| write_escaped(id, into));
            }
            let texts = summary.iter().filter(|text| !text.is_empty());
            item.value("summary", |into| write_list(into, texts, |text, into| write_text("summary_text", text, into)));
            item.value("encrypted_content", |into| write_escaped(encrypted, into));
        });
    }

    fn function_call(&mut self, id: &Text<'_>, name: &Text<'_>, arguments: &Arguments<'_>) {
        self.item(|item| {
            item.text("type", "function_call");
            item.value("call_id", |into| id.write(into));
            item.value("name", |into| name.write(into));
            item.value("arguments", |into| arguments.write_text(into));
        });
    }

    fn function_call_output(&mut self, id: &Text<'_>, is_error: bool, output: &[Part<'_>]) {
        let failed = is_error.then(|| Part::failed(output));
        let output: Vec<_> = failed.as_deref().unwrap_or(output).iter().collect();
        self.item(|item| {
            item.text("type", "function_call_output");
            item.value("call_id", |into| id.write(into));
            item.value("output", |into| write_content(&output, false, into));
        });
    }
}

/// Parts of content; a single text as a string, which every vendor of this dialect understands in every role.
fn write_content(content: &[&Part<'_>], is_output: bool, into: &mut Vec<u8>) {
    match content {
        [] => Text::default().write(into),
        [Part { kind: PartKind::Text { text, .. }, .. }] => text.write(into),
        _ => write_list(into, content, |part, into| write_part(part, is_output, into)),
    }
}

fn write_part(part: &Part<'_>, is_output: bool, into: &mut Vec<u8>) {
    match &part.kind {
        PartKind::Text { text, .. } if is_output => write_text("output_text", text, into),
        PartKind::Image { source, detail } => {
            let mut object = JsonObject::begin(into);
            object.text("type", "input_image");
            write_source(source, "image_url", "image_url", &mut object);
            object.value("detail", |into| detail.as_ref().unwrap_or(&Text::of("auto")).write(into));
            object.end();
        }
        PartKind::Document { source: Source::Plain(text), name } => {
            write_text("input_text", &Part::titled(name.as_ref(), text), into);
        }
        PartKind::Document { source, name } => {
            let mut object = JsonObject::begin(into);
            object.text("type", "input_file");
            write_source(source, "file_url", "file_data", &mut object);
            let unnamed = file_name(source).map(Text::of);
            if let Some(name) = name.as_ref().or(unnamed.as_ref()) {
                object.value("filename", |into| name.write(into));
            }
            object.end();
        }
        PartKind::Audio(source) => write_audio(source, into),
        PartKind::Refusal(text) if is_output => {
            let mut object = JsonObject::begin(into);
            object.text("type", "refusal");
            object.value("refusal", |into| text.write(into));
            object.end();
        }
        PartKind::Text { text, .. } | PartKind::Refusal(text) => write_text("input_text", text, into),
        // None of them is content: `turn` has written them, or left them out.
        PartKind::ToolCall { .. }
        | PartKind::ToolResult { .. }
        | PartKind::Thinking(_)
        | PartKind::RedactedThinking(_)
        | PartKind::Video(_) => write_text("input_text", &Text::default(), into),
    }
}

fn write_text(kind: &str, text: &Text<'_>, into: &mut Vec<u8>) {
    let mut object = JsonObject::begin(into);
    object.text("type", kind);
    object.value("text", |into| text.write(into));
    object.end();
}

fn write_source(source: &Source<'_>, by_url: &str, by_data: &str, object: &mut JsonObject<'_>) {
    match source {
        Source::Base64 { media_type, data } => object.value(by_data, |into| {
            into.extend_from_slice(b"\"data:");
            into.extend_from_slice(media_type.escaped().as_bytes());
            into.extend_from_slice(b";base64,");
            into.extend_from_slice(data.escaped().as_bytes());
            into.push(b'"');
        }),
        Source::Url { url, .. } => object.value(by_url, |into| url.write(into)),
        Source::File(id) => object.value("file_id", |into| id.write(into)),
        Source::Plain(text) => object.value(by_data, |into| text.write(into)),
    }
}

/// A name for data without one, which the API refuses.
fn file_name(source: &Source<'_>) -> Option<&'static str> {
    match source {
        Source::Base64 { media_type, .. } => Some(match media_type.escaped() {
            "text/plain" => "document.txt",
            "text/markdown" => "document.md",
            "text/csv" => "document.csv",
            "text/html" => "document.html",
            "application/json" => "document.json",
            _ => "document.pdf",
        }),
        _ => None,
    }
}

fn write_audio(source: &Source<'_>, into: &mut Vec<u8>) {
    let mut object = JsonObject::begin(into);
    object.text("type", "input_audio");
    if let Source::Base64 { media_type, data } = source {
        let format = match media_type.escaped().trim_start_matches("audio/") {
            "mpeg" => "mp3",
            "x-wav" => "wav",
            other => other,
        };
        object.object("input_audio", |audio| {
            audio.value("data", |into| data.write(into));
            audio.value("format", |into| write_escaped(format, into));
        });
    }
    object.end();
}

/// What is escaped already, in quotes.
fn write_escaped(escaped: &str, into: &mut Vec<u8>) {
    into.push(b'"');
    into.extend_from_slice(escaped.as_bytes());
    into.push(b'"');
}
