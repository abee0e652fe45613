//! Parts of a request's messages, written as content.

use crate::failure::Failure;
use crate::json_object::JsonObject;
use crate::json_view::Text;
use crate::neutral::{Part, PartKind, Place, Source};

/// A document needs a name; what it is called matters to nobody.
const FILENAME: &str = "document.pdf";

/// Whether a part can be said in content. What can't be was refused or named before.
pub(super) fn is_written(part: &Part<'_>) -> bool {
    match &part.kind {
        PartKind::Text { .. } | PartKind::Image { source: Source::Base64 { .. } | Source::Url { .. }, .. } => true,
        PartKind::Audio(source) => matches!(source, Source::Base64 { .. }),
        PartKind::Document { source, .. } => !matches!(source, Source::Url { .. }),
        _ => false,
    }
}

/// Writes content: one text as a string, anything else as a list.
///
/// # Errors
/// A [`Failure`]: sound in a form that the format has no word for, a picture that is none.
pub(super) fn write_content(parts: &[&Part<'_>], into: &mut Vec<u8>) -> Result<(), Failure> {
    match parts {
        [] => into.extend_from_slice(b"\"\""),
        [Part { kind: PartKind::Text { text, .. }, .. }] => text.write(into),
        _ => {
            for (index, part) in parts.iter().enumerate() {
                into.push(if index == 0 { b'[' } else { b',' });
                write_part(part, into)?;
            }
            into.push(b']');
        }
    }
    Ok(())
}

fn write_part(part: &Part<'_>, into: &mut Vec<u8>) -> Result<(), Failure> {
    match &part.kind {
        PartKind::Image { source, detail } => write_image(source, detail.as_ref(), into),
        PartKind::Audio(source) => write_audio(source, into),
        PartKind::Document { source: Source::Plain(text), name } => {
            write_words(&Part::titled(name.as_ref(), text), into);
            Ok(())
        }
        PartKind::Text { text, .. } => {
            write_words(text, into);
            Ok(())
        }
        PartKind::Document { source, name } => {
            write_file(source, name.as_ref(), into);
            Ok(())
        }
        _ => Err(Failure::invalid_request("a part that can't be said in a message", Some("messages.content"))),
    }
}

fn write_words(text: &Text<'_>, into: &mut Vec<u8>) {
    let mut object = JsonObject::begin(into);
    object.text("type", "text");
    object.value("text", |into| text.write(into));
    object.end();
}

fn write_image(source: &Source<'_>, detail: Option<&Text<'_>>, into: &mut Vec<u8>) -> Result<(), Failure> {
    if let Source::Base64 { media_type, .. } = source
        && !media_type.escaped().starts_with("image/")
    {
        let message = format!("an image can't be of type {}", media_type.escaped());
        return Err(Place::Image.failure(message));
    }
    let mut object = JsonObject::begin(into);
    object.text("type", "image_url");
    object.object("image_url", |image| {
        image.value("url", |into| match source {
            Source::Base64 { media_type, data } => write_data_url(media_type, data, into),
            Source::Url { url, .. } => url.write(into),
            Source::File(text) | Source::Plain(text) => text.write(into),
        });
        if let Some(detail) = detail {
            image.value("detail", |into| detail.write(into));
        }
    });
    object.end();
    Ok(())
}

fn write_audio(source: &Source<'_>, into: &mut Vec<u8>) -> Result<(), Failure> {
    let unknown = |what: &str| Place::Audio.failure(format!("sound can't be sent as {what}"));
    let Source::Base64 { media_type, data } = source else { return Err(unknown("an address")) };
    let decoded = media_type.decoded().unwrap_or_default();
    let format = match decoded.strip_prefix("audio/").map(|format| format.trim_start_matches("x-")) {
        Some("mpeg") => "mp3",
        Some("wave" | "vnd.wave") => "wav",
        Some(format) if !format.is_empty() => format,
        _ => return Err(unknown(&decoded)),
    };
    let mut object = JsonObject::begin(into);
    object.text("type", "input_audio");
    object.object("input_audio", |audio| {
        audio.value("data", |into| data.write(into));
        audio.text("format", format);
    });
    object.end();
    Ok(())
}

fn write_file(source: &Source<'_>, name: Option<&Text<'_>>, into: &mut Vec<u8>) {
    let mut object = JsonObject::begin(into);
    object.text("type", "file");
    object.object("file", |file| {
        match source {
            Source::File(id) => file.value("file_id", |into| id.write(into)),
            Source::Base64 { media_type, data } => {
                file.value("file_data", |into| write_data_url(media_type, data, into));
            }
            Source::Url { url: text, .. } | Source::Plain(text) => file.value("file_data", |into| text.write(into)),
        }
        match name {
            Some(name) => file.value("filename", |into| name.write(into)),
            None if matches!(source, Source::File(_)) => {}
            None => file.text("filename", FILENAME),
        }
    });
    object.end();
}

fn write_data_url(media_type: &Text<'_>, data: &Text<'_>, into: &mut Vec<u8>) {
    for piece in ["\"data:", media_type.escaped(), ";base64,", data.escaped(), "\""] {
        into.extend_from_slice(piece.as_bytes());
    }
}
