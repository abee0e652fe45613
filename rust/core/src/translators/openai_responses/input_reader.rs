//! The conversation in a client's request: a text, or items.

use super::fields::{given_text, list, needed_text, note, text, word, wrong};
use super::signature;
use crate::failure::Failure;
use crate::json_view::{Kind, Text, View};
use crate::neutral::{Arguments, Part, PartKind, Request, Role, Source, Turn};

/// Items that only this dialect has: without them the conversation would be another.
const OWN_ITEMS: [&str; 27] = [
    "additional_tools",
    "apply_patch_call",
    "apply_patch_call_output",
    "code_interpreter_call",
    "compaction",
    "compaction_trigger",
    "computer_call",
    "computer_call_output",
    "configuration_update",
    "custom_tool_call",
    "custom_tool_call_output",
    "file_search_call",
    "image_generation_call",
    "item_reference",
    "local_shell_call",
    "local_shell_call_output",
    "mcp_approval_request",
    "mcp_approval_response",
    "mcp_call",
    "mcp_list_tools",
    "program",
    "program_output",
    "shell_call",
    "shell_call_output",
    "tool_search_call",
    "tool_search_output",
    "web_search_call",
];

/// Members of items that are said in the neutral form, or are the same for everybody.
const KNOWN_MEMBERS: [&str; 11] = [
    "arguments",
    "call_id",
    "content",
    "encrypted_content",
    "id",
    "name",
    "output",
    "role",
    "status",
    "summary",
    "type",
];

/// Reads `input` into the turns of a request.
pub(super) fn read_input<'text>(input: View<'text>, request: &mut Request<'text>) -> Result<(), Failure> {
    if let Some(text) = input.text() {
        request.turns.push(Turn { role: Role::User, name: None, parts: vec![Part::text(text)] });
        return Ok(());
    }
    if input.kind() != Kind::Array {
        return Err(wrong("input", "a string or an array"));
    }
    input.elements().into_iter().try_for_each(|item| read_item(item, request))
}

fn read_item<'text>(item: View<'text>, request: &mut Request<'text>) -> Result<(), Failure> {
    if item.kind() != Kind::Object {
        return Err(wrong("input", "a string or an array of objects"));
    }
    let kind = item.get("type").map(|kind| word(kind, "input.type")).transpose()?;
    let kind = kind.as_deref().unwrap_or(match (item.get("role"), item.get("id")) {
        (None, Some(_)) => "item_reference",
        _ => "message",
    });
    match kind {
        "message" => read_message(item, request)?,
        "function_call" => {
            let call = PartKind::ToolCall {
                id: needed_text(item, "call_id", "input.call_id")?,
                name: needed_text(item, "name", "input.name")?,
                arguments: Arguments::Text(needed_text(item, "arguments", "input.arguments")?),
            };
            assistant_turn(request).push(Part::new(call));
        }
        "function_call_output" => read_result(item, request)?,
        "reasoning" => read_reasoning(item, request)?,
        own if OWN_ITEMS.contains(&own) => {
            note(request, format!("input.{own}"), true);
            return Ok(());
        }
        _ => return Err(wrong("input.type", "one of the types of input items")),
    }
    for (name, value) in item.members() {
        if !KNOWN_MEMBERS.contains(&name.as_ref()) && !value.is_null() {
            note(request, format!("input.{name}"), false);
        }
    }
    Ok(())
}

fn read_message<'text>(item: View<'text>, request: &mut Request<'text>) -> Result<(), Failure> {
    let role = item.get("role").ok_or_else(|| wrong("input.role", "a string"))?;
    let content = item.get("content").ok_or_else(|| wrong("input.content", "a string or an array"))?;
    let parts = read_content(content, "input.content", request)?;
    match word(role, "input.role")?.as_ref() {
        "user" => request.turns.push(Turn { role: Role::User, name: None, parts }),
        "assistant" => assistant_turn(request).extend(parts),
        "system" | "developer" if request.turns.is_empty() => request.instructions.extend(parts),
        "system" | "developer" => request.turns.push(Turn { role: Role::System, name: None, parts }),
        _ => return Err(wrong("input.role", "user, assistant, system or developer")),
    }
    Ok(())
}

/// The turn of the model that is under way, or a new one.
fn assistant_turn<'request, 'text>(request: &'request mut Request<'text>) -> &'request mut Vec<Part<'text>> {
    if request.turns.last().is_none_or(|turn| turn.role != Role::Assistant) {
        request.turns.push(Turn { role: Role::Assistant, name: None, parts: Vec::new() });
    }
    let last = request.turns.len() - 1;
    &mut request.turns[last].parts
}

fn read_result<'text>(item: View<'text>, request: &mut Request<'text>) -> Result<(), Failure> {
    let output = item.get("output").ok_or_else(|| wrong("input.output", "a string or an array"))?;
    let result = Part::new(PartKind::ToolResult {
        id: needed_text(item, "call_id", "input.call_id")?,
        name: None,
        // The only place that this dialect has for it; providers are told in words, which models read.
        is_error: item.get("status").is_some_and(|status| status.is("incomplete")),
        content: read_content(output, "input.output", request)?,
    });
    let is_result = |part: &Part<'_>| matches!(part.kind, PartKind::ToolResult { .. });
    match request.turns.last_mut() {
        Some(turn) if turn.role == Role::User && turn.parts.last().is_some_and(is_result) => turn.parts.push(result),
        _ => request.turns.push(Turn { role: Role::User, name: None, parts: vec![result] }),
    }
    Ok(())
}

fn read_reasoning<'text>(item: View<'text>, request: &mut Request<'text>) -> Result<(), Failure> {
    let signature = given_text(item, "encrypted_content", "input.encrypted_content")?;
    let signature = signature.filter(|text| !text.is_empty());
    if let Some(data) = signature.as_ref().and_then(signature::redacted) {
        assistant_turn(request).push(Part::new(PartKind::RedactedThinking(data)));
        return Ok(());
    }
    let mut thoughts = Vec::new();
    for name in ["summary", "content"] {
        if let Some(texts) = item.get(name).filter(|_| thoughts.is_empty()) {
            for one in list(texts, "input.summary")? {
                thoughts.push(needed_text(one, "text", "input.summary.text")?);
            }
        }
    }
    if thoughts.is_empty() && signature.is_some() {
        thoughts.push(Text::default());
    }
    if thoughts.is_empty() {
        // Only its id: what it names is in nobody's store.
        note(request, "input.reasoning", false);
        return Ok(());
    }
    let parts = assistant_turn(request);
    parts.extend(thoughts.into_iter().map(|text| Part::new(PartKind::Thinking(text))));
    if let Some(last) = parts.last_mut() {
        last.signature = signature;
    }
    Ok(())
}

/// A text, or parts of content.
fn read_content<'text>(
    content: View<'text>,
    field: &'static str,
    request: &mut Request<'text>,
) -> Result<Vec<Part<'text>>, Failure> {
    if let Some(text) = content.text() {
        return Ok(vec![Part::text(text)]);
    }
    if content.kind() != Kind::Array {
        return Err(wrong(field, "a string or an array"));
    }
    content.elements().into_iter().map(|part| read_part(part, request)).collect()
}

fn read_part<'text>(part: View<'text>, request: &mut Request<'text>) -> Result<Part<'text>, Failure> {
    let kind = part.get("type").map(|kind| word(kind, "input.content.type")).transpose()?;
    for own in ["prompt_cache_breakpoint", "logprobs"] {
        if part.get(own).is_some_and(|value| value.kind() != Kind::Array || !value.elements().is_empty()) {
            note(request, format!("input.content.{own}"), false);
        }
    }
    Ok(Part::new(match kind.as_deref() {
        Some("input_text" | "output_text") => PartKind::Text {
            text: needed_text(part, "text", "input.content.text")?,
            citations: part.get("annotations").filter(|notes| !notes.elements().is_empty()),
        },
        Some("refusal") => PartKind::Refusal(needed_text(part, "refusal", "input.content.refusal")?),
        Some("input_image") => PartKind::Image {
            source: read_source(part, "image_url", "input.content.image_url")?,
            detail: given_text(part, "detail", "input.content.detail")?,
        },
        Some("input_file") => {
            if part.get("detail").is_some() {
                note(request, "input.content.detail", false);
            }
            let name = given_text(part, "filename", "input.content.filename")?;
            let source = match part.get("file_data") {
                Some(data) => read_data(data)?,
                None => read_source(part, "file_url", "input.content.file_url")?,
            };
            PartKind::Document { source, name }
        }
        Some("input_audio") => read_audio(part)?,
        _ => return Err(wrong("input.content.type", "one of the types of content parts")),
    }))
}

/// An address, a data URL, or the id of a stored file.
fn read_source<'text>(part: View<'text>, name: &str, field: &'static str) -> Result<Source<'text>, Failure> {
    let Some(value) = part.get(name) else {
        let id = part.get("file_id").ok_or_else(|| wrong(field, "a string, or there must be a file_id"))?;
        return Ok(Source::File(text(id, "input.content.file_id")?));
    };
    let url = text(value, field)?;
    if !url.escaped().starts_with("data:") {
        return Ok(Source::Url { url, media_type: None });
    }
    read_data_url(value).ok_or_else(|| wrong(field, "a web address or a data URL in base64"))
}

/// What a file has in it: a data URL, or bare base64, which has always been a PDF.
fn read_data(value: View<'_>) -> Result<Source<'_>, Failure> {
    let data = text(value, "input.content.file_data")?;
    if !data.escaped().starts_with("data:") {
        return Ok(Source::Base64 { media_type: Text::of("application/pdf"), data });
    }
    read_data_url(value).ok_or_else(|| wrong("input.content.file_data", "a data URL in base64"))
}

fn read_data_url(value: View<'_>) -> Option<Source<'static>> {
    let url = value.decoded()?;
    let (head, data) = url.strip_prefix("data:")?.split_once(',')?;
    let media_type = head.strip_suffix(";base64")?;
    // Parameters such as `charset` say nothing to other dialects.
    let media_type = media_type.split(';').next().filter(|kind| !kind.is_empty())?;
    Some(Source::Base64 { media_type: Text::of(media_type), data: Text::of(data) })
}

fn read_audio(part: View<'_>) -> Result<PartKind<'_>, Failure> {
    const FIELD: &str = "input.content.input_audio";
    let audio = part.get("input_audio").ok_or_else(|| wrong(FIELD, "an object"))?;
    let format = audio.get("format").ok_or_else(|| wrong(FIELD, "an object with a format"))?;
    let media_type = match word(format, FIELD)?.as_ref() {
        "mp3" => Text::of("audio/mpeg"),
        other => Text::of(&format!("audio/{other}")),
    };
    Ok(PartKind::Audio(Source::Base64 { media_type, data: needed_text(audio, "data", FIELD)? }))
}
