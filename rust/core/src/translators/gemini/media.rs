//! Pictures, sound, films and documents: in the message, or at an address.

use std::borrow::Cow;

use super::fields::{Fields, wrong};
use crate::failure::Failure;
use crate::json_object::JsonObject;
use crate::json_view::{Text, View};
use crate::neutral::{PartKind, Place, Source};

/// What the ends of addresses say of what is there.
const EXTENSIONS: [(&str, &str); 22] = [
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("webp", "image/webp"),
    ("gif", "image/gif"),
    ("heic", "image/heic"),
    ("heif", "image/heif"),
    ("mp3", "audio/mpeg"),
    ("wav", "audio/wav"),
    ("aac", "audio/aac"),
    ("ogg", "audio/ogg"),
    ("flac", "audio/flac"),
    ("aiff", "audio/aiff"),
    ("mp4", "video/mp4"),
    ("mov", "video/quicktime"),
    ("webm", "video/webm"),
    ("mpeg", "video/mpeg"),
    ("pdf", "application/pdf"),
    ("txt", "text/plain"),
    ("md", "text/markdown"),
    ("csv", "text/csv"),
    ("html", "text/html"),
];

/// Where Gemini keeps files that were uploaded; nobody else can read them.
const STORES: [&str; 3] = ["https://generativelanguage.googleapis.com/", "gs://", "files/"];
/// Addresses of films that say nothing of a type.
const FILMS: [&str; 3] = ["https://www.youtube.com/", "https://youtube.com/", "https://youtu.be/"];

/// `inlineData`.
pub(super) fn read_inline(value: View<'_>) -> Result<PartKind<'_>, Failure> {
    let fields = Fields::read(value, "contents.parts.inlineData")?;
    let media_type = fields
        .text("mimeType", "contents.parts.inlineData.mimeType")?
        .and_then(Source::media_type)
        .ok_or_else(|| wrong("contents.parts.inlineData.mimeType", "a media type"))?;
    let data = fields
        .text("data", "contents.parts.inlineData.data")?
        .ok_or_else(|| wrong("contents.parts.inlineData.data", "a string in base64"))?;
    let name = fields.text("displayName", "contents.parts.inlineData.displayName")?;
    let said = media_type.decoded().unwrap_or_default().into_owned();
    Ok(kind_of(&said, Source::Base64 { media_type, data: standard_base64(data) }, name))
}

/// `fileData`.
pub(super) fn read_file(value: View<'_>) -> Result<PartKind<'_>, Failure> {
    let fields = Fields::read(value, "contents.parts.fileData")?;
    let url = fields
        .text("fileUri", "contents.parts.fileData.fileUri")?
        .ok_or_else(|| wrong("contents.parts.fileData.fileUri", "a string"))?;
    let media_type = fields.text("mimeType", "contents.parts.fileData.mimeType")?;
    let name = fields.text("displayName", "contents.parts.fileData.displayName")?;
    let address = url.decoded().unwrap_or_default().into_owned();
    let is_film = FILMS.iter().any(|host| address.starts_with(host));
    let said = media_type.as_ref().and_then(Text::decoded).unwrap_or_default().into_owned();
    let said = if said.is_empty() { if is_film { "video/*" } else { type_of(&address).unwrap_or("") } } else { &said };
    let is_stored = STORES.iter().any(|store| address.starts_with(store));
    let source = if is_stored { Source::File(url) } else { Source::Url { url, media_type } };
    Ok(kind_of(said, source, name))
}

fn kind_of<'text>(media_type: &str, source: Source<'text>, name: Option<Text<'text>>) -> PartKind<'text> {
    match media_type.split('/').next() {
        Some("image") => PartKind::Image { source, detail: None },
        Some("audio") => PartKind::Audio(source),
        Some("video") => PartKind::Video(source),
        _ => PartKind::Document { source, name },
    }
}

/// Google's own SDK writes base64 in the alphabet for addresses, which no other vendor reads.
fn standard_base64(data: Text<'_>) -> Text<'_> {
    if memchr::memchr2(b'-', b'_', data.escaped().as_bytes()).is_none() {
        return data;
    }
    let standard = data.decoded().unwrap_or_default().replace('-', "+").replace('_', "/");
    Text::of(&standard)
}

fn type_of(address: &str) -> Option<&'static str> {
    let path = address.split(['?', '#']).next()?;
    let extension = path.rsplit('/').next()?.rsplit_once('.')?.1;
    EXTENSIONS.iter().find(|(own, _)| own.eq_ignore_ascii_case(extension)).map(|(_, media_type)| *media_type)
}

/// Writes it as a part of its own. `family` (`image`, …): what a type without a slash is a type of. `signature`: what
/// stands between its quotes.
pub(super) fn write(
    source: &Source<'_>,
    family: &str,
    signature: Option<&str>,
    written: &mut Vec<u8>,
) -> Result<(), Failure> {
    let mut part = JsonObject::begin(written);
    match source {
        Source::Base64 { media_type, data } => {
            let said = media_type.decoded().unwrap_or_default();
            let media_type = if said.contains('/') { said } else { Cow::Owned(format!("{family}/{said}")) };
            write_inline(&mut part, &media_type, data.escaped());
        }
        Source::Url { url, media_type } => {
            let address = url.decoded().unwrap_or_default();
            if let Some(rest) = address.strip_prefix("data:") {
                let unreadable = || {
                    let place = match family {
                        "image" => Place::Image,
                        "audio" => Place::Audio,
                        "video" => Place::Video,
                        _ => Place::Document,
                    };
                    place.failure(format!("the data URL of the {family} must be data:<type>;base64,<data>"))
                };
                let (head, data) = rest.split_once(',').ok_or_else(unreadable)?;
                let media_type = head.strip_suffix(";base64").ok_or_else(unreadable)?;
                let media_type = media_type.split(';').next().filter(|it| it.contains('/')).ok_or_else(unreadable)?;
                write_inline(&mut part, media_type, Text::of(data).escaped());
            } else {
                part.object("fileData", |file| {
                    match media_type {
                        Some(media_type) => file.value("mimeType", |into| media_type.write(into)),
                        None => type_of(&address).into_iter().for_each(|it| file.text("mimeType", it)),
                    }
                    file.value("fileUri", |into| url.write(into));
                });
            }
        }
        Source::File(file) => part.object("fileData", |object| object.value("fileUri", |into| file.write(into))),
        Source::Plain(text) => part.value("text", |into| text.write(into)),
    }
    write_signature(&mut part, signature);
    part.end();
    Ok(())
}

fn write_inline(part: &mut JsonObject<'_>, media_type: &str, data: &str) {
    part.object("inlineData", |inline| {
        inline.text("mimeType", media_type);
        inline.value("data", |into| {
            into.push(b'"');
            into.extend_from_slice(data.as_bytes());
            into.push(b'"');
        });
    });
}

/// Puts a signature behind what a part is.
pub(super) fn write_signature(part: &mut JsonObject<'_>, signature: Option<&str>) {
    if let Some(signature) = signature {
        part.value("thoughtSignature", |into| {
            into.push(b'"');
            into.extend_from_slice(signature.as_bytes());
            into.push(b'"');
        });
    }
}
