//! A look into JSON without decoding it: values stay the bytes they were written as, so that what one vendor wrote can
//! be copied into what another reads.
//!
//! Each step into a value reads it once more; a conversation is four or five steps deep.

use std::borrow::Cow;

use crate::json::{JsonError, Object, walk, walk_array};
use crate::json_object::write_text;

/// A JSON value as it is written, valid, without space around it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct View<'text>(&'text str);

/// What a value is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A number.
    Number,
    /// A string.
    Text,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// A JSON string as it is written, without its quotes: escapes stay what they are, and are the same in every dialect.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Text<'text>(Cow<'text, str>);

impl<'text> View<'text> {
    /// Reads a request's body: an object, no key twice at any depth.
    ///
    /// # Errors
    /// [`JsonError`] with the byte offset of the first fault.
    pub fn read(text: &'text [u8], depth_limit: usize) -> Result<Self, JsonError> {
        Object::read(text, depth_limit)?;
        Self::of(text)
    }

    /// Reads what a provider wrote: an object. Of a key that occurs twice, the last counts.
    ///
    /// # Errors
    /// [`JsonError`] with the byte offset of the first fault.
    pub fn read_answer(text: &'text [u8], depth_limit: usize) -> Result<Self, JsonError> {
        walk(text, depth_limit, |reader, _| reader.raw().map(|_| ()))?;
        Self::of(text)
    }

    /// A text that was read before.
    #[must_use]
    pub fn known(text: &'text [u8]) -> Option<Self> {
        Self::of(text).ok()
    }

    fn of(text: &'text [u8]) -> Result<Self, JsonError> {
        let text = std::str::from_utf8(text).map_err(|error| JsonError::Syntax(error.valid_up_to()))?;
        Ok(Self(text.trim_ascii()))
    }

    /// As it is written.
    #[must_use]
    pub fn raw(self) -> &'text str {
        self.0
    }

    /// What it is.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self.0.as_bytes().first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::Text,
            Some(b't') => Kind::Bool(true),
            Some(b'f') => Kind::Bool(false),
            Some(b'n') | None => Kind::Null,
            Some(_) => Kind::Number,
        }
    }

    /// Whether it is `null`.
    #[must_use]
    pub fn is_null(self) -> bool {
        self.kind() == Kind::Null
    }

    /// Members of an object in order, keys decoded; of anything else none.
    #[must_use]
    pub fn members(self) -> Vec<(Cow<'text, str>, Self)> {
        let mut members = Vec::new();
        if self.kind() == Kind::Object {
            // Valid, so the walk ends well; a key that is no UTF-8 can't be in a text that is.
            let _ = walk(self.0.as_bytes(), usize::MAX, |reader, key| {
                let (start, key) = (reader.position(), String::from_utf8_lossy(key).into_owned());
                let length = reader.raw()?.len();
                members.push((Cow::Owned(key), Self(&self.0[start..start + length])));
                Ok(())
            });
        }
        members
    }

    /// Elements of an array in order; of anything else none.
    #[must_use]
    pub fn elements(self) -> Vec<Self> {
        let mut elements = Vec::new();
        if self.kind() == Kind::Array {
            let _ = walk_array(self.0.as_bytes(), usize::MAX, |reader| {
                let start = reader.position();
                let length = reader.raw()?.len();
                elements.push(Self(&self.0[start..start + length]));
                Ok(())
            });
        }
        elements
    }

    /// A member of an object that is there and not null; of a key that occurs twice, the last.
    #[must_use]
    pub fn get(self, name: &str) -> Option<Self> {
        let mut found = None;
        if self.kind() == Kind::Object {
            let _ = walk(self.0.as_bytes(), usize::MAX, |reader, key| {
                let start = reader.position();
                let length = reader.raw()?.len();
                if key == name.as_bytes() {
                    found = Some(Self(&self.0[start..start + length]));
                }
                Ok(())
            });
        }
        found.filter(|value| !value.is_null())
    }

    /// A string.
    #[must_use]
    pub fn text(self) -> Option<Text<'text>> {
        let content = self.0.strip_prefix('"')?.strip_suffix('"')?;
        Some(Text(Cow::Borrowed(content)))
    }

    /// A string, decoded; `None` for lone surrogates too.
    #[must_use]
    pub fn decoded(self) -> Option<Cow<'text, str>> {
        let content = self.0.strip_prefix('"')?.strip_suffix('"')?;
        decode(content)
    }

    /// Whether it is this string.
    #[must_use]
    pub fn is(self, text: &str) -> bool {
        self.decoded().is_some_and(|own| own == text)
    }

    /// A number as it is written.
    #[must_use]
    pub fn number(self) -> Option<&'text str> {
        (self.kind() == Kind::Number).then_some(self.0)
    }

    /// A whole number that is not negative.
    #[must_use]
    pub fn as_u64(self) -> Option<u64> {
        self.0.parse().ok()
    }

    /// A whole number.
    #[must_use]
    pub fn as_i64(self) -> Option<i64> {
        self.0.parse().ok()
    }

    /// `true` or `false`.
    #[must_use]
    pub fn as_bool(self) -> Option<bool> {
        match self.kind() {
            Kind::Bool(value) => Some(value),
            _ => None,
        }
    }
}

impl Text<'_> {
    /// What is before and behind the first `mark`, which must need no escapes; `None` where it does not occur.
    #[must_use]
    pub fn split_once(&self, mark: &str) -> Option<(Self, Self)> {
        let half = |range: std::ops::Range<usize>| match &self.0 {
            Cow::Borrowed(text) => Self(Cow::Borrowed(&text[range])),
            Cow::Owned(text) => Self(Cow::Owned(text[range].to_owned())),
        };
        let start = self.0.find(mark)?;
        Some((half(0..start), half(start + mark.len()..self.0.len())))
    }

    /// Any text, with what JSON has to escape escaped.
    #[must_use]
    pub fn of(text: &str) -> Text<'static> {
        let mut written = Vec::with_capacity(text.len() + 2);
        write_text(&mut written, text);
        // What is written is the text's own characters, quotes and ASCII.
        let mut escaped = String::from_utf8(written).unwrap_or_default();
        escaped.pop();
        Text(Cow::Owned(escaped.split_off(1.min(escaped.len()))))
    }

    /// As it stands between its quotes.
    #[must_use]
    pub fn escaped(&self) -> &str {
        &self.0
    }

    /// What it says; `None` where it has a lone surrogate.
    #[must_use]
    pub fn decoded(&self) -> Option<Cow<'_, str>> {
        decode(&self.0)
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Puts it behind what is written, with its quotes.
    pub fn write(&self, written: &mut Vec<u8>) {
        written.push(b'"');
        written.extend_from_slice(self.0.as_bytes());
        written.push(b'"');
    }

    /// The same with a text before it, which must need no escapes.
    #[must_use]
    pub fn after(&self, plain: &str) -> Text<'static> {
        Text(Cow::Owned(format!("{plain}{}", self.0)))
    }

    /// Both, one behind the other.
    #[must_use]
    pub fn joined(&self, separator: &str, other: &Text<'_>) -> Text<'static> {
        Text(Cow::Owned(format!("{}{}{}", self.0, Text::of(separator).0, other.0)))
    }

    /// The same for longer than what it was read from.
    #[must_use]
    pub fn into_owned(self) -> Text<'static> {
        Text(Cow::Owned(self.0.into_owned()))
    }
}

fn decode(content: &str) -> Option<Cow<'_, str>> {
    if !content.contains('\\') {
        return Some(Cow::Borrowed(content));
    }
    serde_json::from_str::<String>(&format!("\"{content}\"")).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn looks_without_decoding() {
        let text = br#" {"a" : "x\u0041\"", "b":[1, -2.5e3 ,null,{"c":true}],"\u0064":null, "e": 7}"#;
        let view = View::read(text, 8).expect("an object");
        let a = view.get("a").expect("a");
        assert_eq!(
            (a.text().map(|text| text.escaped().to_owned()), a.decoded().as_deref()),
            (Some(r#"x\u0041\""#.to_owned()), Some("xA\""))
        );
        let kinds: Vec<_> =
            view.get("b").expect("b").elements().into_iter().map(|one| (one.kind(), one.raw())).collect();
        let expected =
            [(Kind::Number, "1"), (Kind::Number, "-2.5e3"), (Kind::Null, "null"), (Kind::Object, r#"{"c":true}"#)];
        assert_eq!(kinds, expected);
        assert_eq!(view.members().iter().map(|(key, _)| key.as_ref()).collect::<Vec<_>>(), ["a", "b", "d", "e"]);
        assert_eq!((view.get("d"), view.get("e").and_then(View::as_u64), view.get("f")), (None, Some(7), None));
        assert!(View::read(br#"{"a":1,"a":2}"#, 8).is_err());
        assert_eq!(
            View::read_answer(br#"{"a":1,"a":2}"#, 8).map(|view| view.get("a").and_then(View::as_i64)),
            Ok(Some(2))
        );
        assert!(View::read_answer(b"[1]", 8).is_err());
        assert!(View::read_answer(b"{\"a\":\"\xff\"}", 8).is_err());
    }

    #[test]
    fn a_text_is_split_where_it_stands() {
        let view = View::read(br#"{"a":"id~sig~\u0041~sig~"}"#, 8).expect("an object");
        let text = view.get("a").and_then(View::text).expect("a text");
        let (before, behind) = text.split_once("~sig~").expect("a mark");
        assert_eq!((before.escaped(), behind.escaped()), ("id", r"\u0041~sig~"));
        assert_eq!(text.clone().into_owned().split_once("~sig~"), Some((before, behind)));
        assert_eq!(text.split_once("~other~"), None);
    }

    proptest! {
        #[test]
        fn texts_keep_what_they_say(text: String, other: String) {
            let escaped = Text::of(&text);
            prop_assert_eq!(escaped.decoded(), Some(Cow::Borrowed(text.as_str())));
            let joined = escaped.joined("\n\n", &Text::of(&other));
            prop_assert_eq!(joined.decoded(), Some(Cow::Owned(format!("{text}\n\n{other}"))));
            let mut written = Vec::new();
            escaped.write(&mut written);
            prop_assert_eq!(serde_json::from_slice::<String>(&written).ok(), Some(text));
        }

        #[test]
        fn nothing_makes_it_panic(text in r#"\{("[a-z\\u0-9]{0,4}":|[\[\]{}",:0-9ntf \\-]){0,30}\}"#) {
            if let Ok(view) = View::read_answer(text.as_bytes(), 16) {
                let value: serde_json::Value = serde_json::from_str(view.raw()).unwrap_or_default();
                prop_assert!(value.is_null() || value.as_object().is_some_and(|object| object.len() <= view.members().len()));
                for (_, member) in view.members() {
                    let _ = (member.elements(), member.members(), member.decoded());
                }
            }
        }
    }
}
