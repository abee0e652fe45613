//! Writing a flat JSON object whose names are known: records and log lines, one or two for every request.
//!
//! A serialiser that looks through every name for characters to escape takes several times as long.

use crate::json::plain_prefix;

/// An object that is being written.
#[derive(Debug)]
pub struct JsonObject<'text> {
    into: &'text mut Vec<u8>,
    is_empty: bool,
}

#[expect(
    clippy::inline_always,
    reason = "a name's length is known only where it is written, and then copying it is free"
)]
impl<'text> JsonObject<'text> {
    /// Begins an object behind what is in `into`.
    pub fn begin(into: &'text mut Vec<u8>) -> Self {
        into.push(b'{');
        Self { into, is_empty: true }
    }

    /// A text.
    #[inline(always)]
    pub fn text(&mut self, name: &str, text: &str) {
        self.name(name);
        write_text(self.into, text);
    }

    /// A text, or `null`.
    #[inline(always)]
    pub fn text_or_null(&mut self, name: &str, text: Option<&str>) {
        match text {
            Some(text) => self.text(name, text),
            None => self.literal(name, b"null"),
        }
    }

    /// A whole number.
    #[inline(always)]
    pub fn number(&mut self, name: &str, number: impl itoa::Integer) {
        self.literal(name, itoa::Buffer::new().format(number).as_bytes());
    }

    /// A whole number, or `null`.
    #[inline(always)]
    pub fn number_or_null(&mut self, name: &str, number: Option<impl itoa::Integer>) {
        match number {
            Some(number) => self.number(name, number),
            None => self.literal(name, b"null"),
        }
    }

    /// `true` or `false`.
    #[inline(always)]
    pub fn flag(&mut self, name: &str, flag: bool) {
        self.literal(name, if flag { b"true" } else { b"false" });
    }

    /// A value that is JSON already.
    #[inline(always)]
    pub fn literal(&mut self, name: &str, json: &[u8]) {
        self.name(name);
        self.into.extend_from_slice(json);
    }

    /// A value that `write` writes as JSON.
    pub fn value(&mut self, name: &str, write: impl FnOnce(&mut Vec<u8>)) {
        self.name(name);
        write(self.into);
    }

    /// An object with what `fill` puts into it.
    pub fn object(&mut self, name: &str, fill: impl FnOnce(&mut JsonObject<'_>)) {
        self.name(name);
        let mut inner = JsonObject::begin(self.into);
        fill(&mut inner);
        inner.end();
    }

    /// Ends the object.
    pub fn end(self) {
        self.into.push(b'}');
    }

    /// `name` is one of ours: it needs no escapes.
    #[inline(always)]
    fn name(&mut self, name: &str) {
        self.into.extend_from_slice(if std::mem::take(&mut self.is_empty) { b"\"" } else { b",\"" });
        self.into.extend_from_slice(name.as_bytes());
        self.into.extend_from_slice(b"\":");
    }
}

/// Writes a JSON array of what `write` writes for each item.
pub fn write_list<I: IntoIterator>(into: &mut Vec<u8>, items: I, mut write: impl FnMut(I::Item, &mut Vec<u8>)) {
    into.push(b'[');
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            into.push(b',');
        }
        write(item, into);
    }
    into.push(b']');
}

/// Writes a text as a JSON string.
pub(crate) fn write_text(into: &mut Vec<u8>, text: &str) {
    // JSON lets DEL stand as it is; a terminal does not.
    if plain_prefix(text.as_bytes()) < text.len() || memchr::memchr(0x7f, text.as_bytes()).is_some() {
        let quoted = serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007f");
        into.extend_from_slice(quoted.as_bytes());
        return;
    }
    into.reserve(text.len() + 2);
    into.push(b'"');
    into.extend_from_slice(text.as_bytes());
    into.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    proptest! {
        #[test]
        fn any_text_is_read_back_and_none_breaks_a_line(text in any::<String>(), number in any::<i64>()) {
            let mut written = Vec::new();
            let mut object = JsonObject::begin(&mut written);
            object.text("text", &text);
            object.number("number", number);
            object.end();
            prop_assert!(!written.iter().any(|byte| *byte < b' ' || *byte == 0x7f));
            let read: Value = serde_json::from_slice(&written).expect("JSON");
            prop_assert_eq!(read, json!({"text": text, "number": number}));
        }
    }

    #[test]
    fn members_stand_in_their_order() {
        let mut written = b"before ".to_vec();
        let mut object = JsonObject::begin(&mut written);
        object.text_or_null("a", None);
        object.object("b", |inner| inner.number_or_null("c", Some(1_u64)));
        object.object("d", |_| {});
        object.flag("e", true);
        object.number_or_null("f", None::<u64>);
        object.value("g", |into| into.extend_from_slice(b"[]"));
        object.end();
        assert_eq!(
            String::from_utf8(written).expect("text"),
            r#"before {"a":null,"b":{"c":1},"d":{},"e":true,"f":null,"g":[]}"#
        );
    }
}
