//! Follows a `multipart/form-data` body piece by piece and finds the field `model` in it.
//!
//! Nothing is kept but the headers of one part and the value of that field. A second `model` is an error: a gateway that
//! reads one while the provider reads another is a hole. Source: RFC 7578, RFC 2046 section 5.1.

use std::ops::Range;

use memchr::memmem;

/// The field that names the model.
const FIELD: &str = "model";
/// Headers of a part are a line or two.
const HEADERS_LIMIT_BYTES: usize = 16 * 1024;
/// A model's name is short.
const VALUE_LIMIT_BYTES: usize = 1024;

/// Why a body is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FormError {
    /// The headers of a part are too long or name no field.
    Headers,
    /// The field `model` occurs twice.
    SecondModel,
    /// The value of `model` is too long, or no text.
    Value,
}

impl std::fmt::Display for FormError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Headers => "a part of the form has no readable Content-Disposition",
            Self::SecondModel => "the form has the field model twice",
            Self::Value => "the form's field model is not a short text",
        })
    }
}

/// The field `model` of a form.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Model {
    /// Its value.
    pub name: String,
    /// Offsets of the value in the body.
    pub span: Range<u64>,
}

/// Follows one body.
#[derive(Debug)]
pub struct FormReader {
    /// `\r\n--boundary`.
    delimiter: Vec<u8>,
    state: State,
    /// Bytes read but not decided on: a delimiter may have begun in them.
    held: Vec<u8>,
    /// Offset in the body of the first byte held.
    offset: u64,
    model: Option<Model>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// Outside of what matters, until the next delimiter.
    Skipping,
    /// Behind a delimiter: `--` ends the form, a line break begins a part.
    Delimited,
    Headers,
    /// In the value of the field.
    Value,
    Ended,
}

/// The boundary within the value of a `Content-Type` header; `None` if it is not multipart.
#[must_use]
pub fn boundary(content_type: &str) -> Option<&str> {
    let (essence, parameters) = content_type.split_once(';')?;
    if !essence.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches('"');
        let is_boundary = name.trim().eq_ignore_ascii_case("boundary") && (1..=70).contains(&value.len());
        is_boundary.then_some(value)
    })
}

impl FormReader {
    /// A reader for a body with this boundary.
    #[must_use]
    pub fn new(boundary: &str) -> Self {
        let delimiter = format!("\r\n--{boundary}").into_bytes();
        // The first delimiter may begin the body, without the line break before it.
        Self { delimiter, state: State::Skipping, held: b"\r\n".to_vec(), offset: 0, model: None }
    }

    /// The field `model`, once it was read whole.
    #[must_use]
    pub fn model(&self) -> Option<&Model> {
        self.model.as_ref()
    }

    /// Whether the last delimiter has come.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// Takes in the next bytes of the body.
    ///
    /// # Errors
    /// [`FormError`]: the body must not be passed on.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), FormError> {
        if self.state == State::Ended {
            return Ok(());
        }
        self.held.extend_from_slice(bytes);
        while self.advance()? {}
        Ok(())
    }

    /// Takes one step; false when more bytes are needed.
    fn advance(&mut self) -> Result<bool, FormError> {
        match self.state {
            State::Ended => {
                self.held = Vec::new();
                Ok(false)
            }
            State::Skipping => {
                if let Some(at) = memmem::find(&self.held, &self.delimiter) {
                    self.drop_held(at + self.delimiter.len());
                    self.state = State::Delimited;
                    return Ok(true);
                }
                self.drop_held(self.held.len().saturating_sub(self.delimiter.len() - 1));
                Ok(false)
            }
            State::Delimited => {
                // White space may stand between a delimiter and its line break.
                let line = memmem::find(&self.held, b"\r\n");
                if self.held.starts_with(b"--") {
                    self.state = State::Ended;
                } else if let Some(line) = line {
                    // The line break stays: a part without headers begins with another.
                    self.drop_held(line);
                    self.state = State::Headers;
                } else if self.held.len() > HEADERS_LIMIT_BYTES {
                    return Err(FormError::Headers);
                } else {
                    return Ok(false);
                }
                Ok(true)
            }
            State::Headers => {
                let Some(length) = memmem::find(&self.held, b"\r\n\r\n") else {
                    return if self.held.len() > HEADERS_LIMIT_BYTES { Err(FormError::Headers) } else { Ok(false) };
                };
                let name = std::str::from_utf8(&self.held[..length]).ok().and_then(field_name);
                let is_model = name.ok_or(FormError::Headers)? == FIELD;
                // The second line break stays for a value that is empty.
                self.drop_held(length + if is_model { 4 } else { 2 });
                if is_model && self.model.is_some() {
                    return Err(FormError::SecondModel);
                }
                self.state = if is_model { State::Value } else { State::Skipping };
                Ok(true)
            }
            State::Value => {
                let Some(length) = memmem::find(&self.held, &self.delimiter) else {
                    let is_too_long = self.held.len() > VALUE_LIMIT_BYTES + self.delimiter.len();
                    return if is_too_long { Err(FormError::Value) } else { Ok(false) };
                };
                let name = std::str::from_utf8(&self.held[..length]).ok();
                let name = name.filter(|name| (1..=VALUE_LIMIT_BYTES).contains(&name.len())).ok_or(FormError::Value)?;
                let start = self.offset - 2;
                self.model = Some(Model { name: name.to_owned(), span: start..start + length as u64 });
                self.state = State::Skipping;
                Ok(true)
            }
        }
    }

    fn drop_held(&mut self, length: usize) {
        self.held.drain(..length);
        self.offset += length as u64;
    }
}

/// The name in a part's `Content-Disposition`.
fn field_name(headers: &str) -> Option<String> {
    let disposition = headers.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-disposition").then_some(value)
    })?;
    let mut rest = disposition;
    while let Some((_, after)) = rest.split_once(';') {
        let (name, after) = after.split_once('=')?;
        let (value, after) = parameter_value(after.trim_start())?;
        if name.trim().eq_ignore_ascii_case("name") {
            return Some(value);
        }
        rest = after;
    }
    None
}

/// A quoted or plain parameter value, and what follows it.
fn parameter_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        return Some((text[..end].trim().to_owned(), &text[end..]));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn part(disposition: &str, value: &str) -> String {
        format!("--xYz\r\nContent-Disposition: {disposition}\r\n\r\n{value}\r\n")
    }

    fn read(body: &str, cut: usize) -> Result<FormReader, FormError> {
        let mut reader = FormReader::new("xYz");
        for piece in body.as_bytes().chunks(cut.max(1)) {
            reader.push(piece)?;
        }
        Ok(reader)
    }

    const FILE: &str = "form-data; name=\"file\"; filename=\"a; name=\\\"model\\\".wav\"";

    #[test]
    fn reads_boundaries() {
        assert_eq!(boundary("multipart/form-data; boundary=abc"), Some("abc"));
        assert_eq!(boundary("Multipart/Form-Data; charset=utf-8; Boundary=\"a b\""), Some("a b"));
        for wrong in
            ["application/json", "multipart/form-data", "multipart/mixed; boundary=a", "multipart/form-data; boundary="]
        {
            assert_eq!(boundary(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn finds_the_model_however_the_body_is_cut(cut in 1_usize..200, file in "[a-z\r\n-]{0,200}", comes_first: bool) {
            let (file, model) = (part(FILE, &file), part("form-data; name=\"model\"", "whisper-1"));
            let body = if comes_first { format!("{model}{file}--xYz--\r\n") } else { format!("{file}{model}--xYz--\r\n") };
            let reader = read(&body, cut).expect("valid");
            let model = reader.model().expect("found");
            let span = usize::try_from(model.span.start).unwrap()..usize::try_from(model.span.end).unwrap();
            prop_assert_eq!((model.name.as_str(), &body[span]), ("whisper-1", "whisper-1"));
            prop_assert!(reader.has_ended() && reader.held.is_empty());
        }
    }

    #[test]
    fn refuses_what_two_readers_could_read_differently() {
        let model = |name: &str| part("form-data; name=\"model\"", name);
        let two = format!("{}{}--xYz--", model("a"), model("b"));
        let plain = format!("{}{}--xYz--", model("a"), part("form-data; NAME=model", "b"));
        for (body, error) in [
            (two, FormError::SecondModel),
            (plain, FormError::SecondModel),
            (part("form-data", "x"), FormError::Headers),
            ("--xYz\r\n\r\nno headers\r\n--xYz--".to_owned(), FormError::Headers),
            (format!("--xYz\r\nA: {}", "b".repeat(20_000)), FormError::Headers),
            (model(&"m".repeat(2000)), FormError::Value),
            (format!("{}--xYz--", model("")), FormError::Value),
        ] {
            for cut in [1, 7, 100_000] {
                assert_eq!(read(&body, cut).err(), Some(error), "{body:.60}");
            }
        }
    }

    #[test]
    fn holds_no_more_than_it_must() {
        let mut reader = read(&part(FILE, ""), 1000).expect("valid");
        for _ in 0..100 {
            reader.push(&[b'x'; 10_000]).expect("valid");
            assert!(reader.held.len() < 10);
        }
        assert!(reader.model().is_none() && !reader.has_ended());
    }
}
