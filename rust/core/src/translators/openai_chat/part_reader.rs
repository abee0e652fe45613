//! The content of a request's message: a text, or a list of parts.
//!
//! Source: OpenAI API reference, "Create chat completion", `messages`. Of vendors' own: `cache_control` beside any part
//! (`OpenRouter`), addresses in `file_data` (`OpenRouter`), `video_url` (`OpenRouter`, Z.ai), `document_url` and `thinking`
//! (Mistral).

use super::said::thoughts;
use crate::failure::Failure;
use crate::json_view::{Kind, Text, View};
use crate::neutral::{Part, PartKind, Source};

const CONTENT: &str = "messages.content";

/// A mark for the prompt cache.
pub(super) fn mark(value: Option<View<'_>>) -> Result<Option<View<'_>>, Failure> {
    match value {
        Some(mark) if mark.kind() != Kind::Object => Err(wrong("cache_control", "an object")),
        mark => Ok(mark),
    }
}

pub(super) fn wrong(field: &'static str, expected: &str) -> Failure {
    Failure::invalid_request(format!("{field} must be {expected}"), Some(field))
}

pub(super) fn text<'text>(value: View<'text>, field: &'static str) -> Result<Text<'text>, Failure> {
    value.text().ok_or_else(|| wrong(field, "a string"))
}

/// The parts of a message's content; none where it has none.
pub(super) fn read(content: Option<View<'_>>) -> Result<Vec<Part<'_>>, Failure> {
    let Some(content) = content else { return Ok(Vec::new()) };
    match content.kind() {
        Kind::Text => Ok(vec![Part::text(text(content, CONTENT)?)]),
        Kind::Array => {
            let mut parts = Vec::new();
            for element in content.elements() {
                read_part(element, &mut parts)?;
            }
            Ok(parts)
        }
        _ => Err(wrong(CONTENT, "a string or an array")),
    }
}

fn read_part<'text>(element: View<'text>, parts: &mut Vec<Part<'text>>) -> Result<(), Failure> {
    let kind = element.get("type").and_then(View::decoded);
    let Some(kind) = kind else { return Err(wrong("messages.content.type", "a string")) };
    let member = |name| element.get(name).ok_or_else(|| wrong(CONTENT, &format!("a part with `{name}`")));
    let part = match kind.as_ref() {
        "text" => PartKind::Text { text: text(member("text")?, "messages.content.text")?, citations: None },
        "refusal" => PartKind::Refusal(text(member("refusal")?, "messages.content.refusal")?),
        "image_url" => {
            let (source, detail) = read_address(member("image_url")?, "messages.content.image_url")?;
            of_media(source, "image/", None, detail)
        }
        "video_url" => {
            let (source, _) = read_address(member("video_url")?, "messages.content.video_url")?;
            of_media(source, "video/", None, None)
        }
        "document_url" => {
            let (source, _) = read_address(member("document_url")?, "messages.content.document_url")?;
            of_media(source, "application/pdf", None, None)
        }
        "input_audio" => PartKind::Audio(read_audio(member("input_audio")?)?),
        "file" => read_file(member("file")?)?,
        "thinking" => {
            let thoughts = thoughts(member("thinking")?).into_iter().map(|text| Part::new(PartKind::Thinking(text)));
            parts.extend(thoughts);
            return Ok(());
        }
        _ => {
            let message = format!("messages.content has a part of a type that is not known: {kind}");
            return Err(Failure::invalid_request(message, Some("messages.content.type")));
        }
    };
    parts.push(Part { cache_control: mark(element.get("cache_control"))?, ..Part::new(part) });
    Ok(())
}

/// `{"url": …, "detail": …}`, or the address alone.
fn read_address<'text>(
    value: View<'text>,
    field: &'static str,
) -> Result<(Source<'text>, Option<Text<'text>>), Failure> {
    let url = value.get("url").unwrap_or(value);
    let Some(url) = url.text() else { return Err(wrong(field, "an object with `url`")) };
    let detail = value.get("detail").map(|detail| text(detail, "messages.content.image_url.detail")).transpose()?;
    Ok((read_url(url, field)?, detail))
}

fn read_url<'text>(url: Text<'text>, field: &'static str) -> Result<Source<'text>, Failure> {
    let is_data = url.escaped().get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"));
    if !is_data {
        return Ok(Source::Url { url, media_type: None });
    }
    read_data_url(&url).ok_or_else(|| wrong(field, "an address, or a data URL of base64"))
}

/// `data:image/png;base64,…`; the data stays where it is.
fn read_data_url<'text>(url: &Text<'text>) -> Option<Source<'text>> {
    let (head, data) = url.split_once(",")?;
    let head = head.decoded()?;
    let mut words = head.get(5..)?.split(';');
    let media_type = words.next().filter(|word| !word.is_empty()).unwrap_or("text/plain");
    words.next_back().filter(|word| word.eq_ignore_ascii_case("base64"))?;
    Some(Source::Base64 { media_type: Text::of(media_type), data })
}

/// What data is goes by its media type, whatever the part is called: clients send PDFs as `image_url`.
fn of_media<'text>(
    source: Source<'text>,
    otherwise: &str,
    name: Option<Text<'text>>,
    detail: Option<Text<'text>>,
) -> PartKind<'text> {
    let is = |kind: &str| match &source {
        Source::Base64 { media_type, .. } => media_type.escaped().starts_with(kind),
        _ => otherwise == kind,
    };
    if is("image/") {
        PartKind::Image { source, detail }
    } else if is("video/") {
        PartKind::Video(source)
    } else if is("audio/") {
        PartKind::Audio(source)
    } else {
        PartKind::Document { source, name }
    }
}

fn read_audio(audio: View<'_>) -> Result<Source<'_>, Failure> {
    const FIELD: &str = "messages.content.input_audio";
    let (data, format) = (audio.get("data").and_then(View::text), audio.get("format").and_then(View::text));
    let (Some(data), Some(format)) = (data, format) else {
        return Err(wrong(FIELD, "an object with `data` and `format`"));
    };
    match read_url(data.clone(), FIELD)? {
        Source::Url { .. } => Ok(Source::Base64 { media_type: format.after("audio/"), data }),
        source => Ok(source),
    }
}

fn read_file(file: View<'_>) -> Result<PartKind<'_>, Failure> {
    const FIELD: &str = "messages.content.file";
    let name = file.get("filename").map(|name| text(name, "messages.content.file.filename")).transpose()?;
    if let Some(id) = file.get("file_id") {
        return Ok(PartKind::Document { source: Source::File(text(id, "messages.content.file.file_id")?), name });
    }
    let Some(data) = file.get("file_data") else { return Err(wrong(FIELD, "an object with `file_data` or `file_id`")) };
    let source = match read_url(text(data, "messages.content.file.file_data")?, FIELD)? {
        // Base64 without a data URL around it has no colon.
        Source::Url { url, .. } if !url.escaped().contains(':') => {
            Source::Base64 { media_type: Text::of("application/pdf"), data: url }
        }
        source => source,
    };
    Ok(of_media(source, "application/pdf", name, None))
}
