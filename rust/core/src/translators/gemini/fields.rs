//! Members of an object by their names in camel case: the API takes `file_uri` wherever it takes `fileUri`.

use std::borrow::Cow;

use crate::failure::Failure;
use crate::json_view::{Kind, Text, View};

/// Members of an object, those with `null` left out.
pub(super) struct Fields<'text>(Vec<(Cow<'text, str>, View<'text>)>);

impl<'text> Fields<'text> {
    /// Of anything but an object none.
    pub(super) fn of(view: View<'text>) -> Self {
        let mut members = view.members();
        members.retain(|(_, value)| !value.is_null());
        for (name, _) in &mut members {
            if name.contains('_') {
                *name = Cow::Owned(camel_case(name));
            }
        }
        Self(members)
    }

    /// Of what has to be an object.
    pub(super) fn read(view: View<'text>, field: &'static str) -> Result<Self, Failure> {
        if view.kind() == Kind::Object { Ok(Self::of(view)) } else { Err(wrong(field, "an object")) }
    }

    pub(super) fn get(&self, name: &str) -> Option<View<'text>> {
        self.0.iter().rev().find(|(own, _)| own == name).map(|(_, value)| *value)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, View<'text>)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), *value))
    }

    pub(super) fn text(&self, name: &str, field: &'static str) -> Result<Option<Text<'text>>, Failure> {
        self.get(name).map(|value| text(value, field)).transpose()
    }

    pub(super) fn flag(&self, name: &str, field: &'static str) -> Result<Option<bool>, Failure> {
        let flag = |value: View<'_>| value.as_bool().ok_or_else(|| wrong(field, "true or false"));
        self.get(name).map(flag).transpose()
    }
}

/// A value that has to be a string.
pub(super) fn text<'text>(value: View<'text>, field: &'static str) -> Result<Text<'text>, Failure> {
    value.text().ok_or_else(|| wrong(field, "a string"))
}

/// A value that has to be a number, as it is written.
pub(super) fn number<'text>(value: View<'text>, field: &'static str) -> Result<&'text str, Failure> {
    value.number().ok_or_else(|| wrong(field, "a number"))
}

/// A value that has to be a whole number that is not negative.
pub(super) fn count(value: View<'_>, field: &'static str) -> Result<u64, Failure> {
    value.as_u64().ok_or_else(|| wrong(field, "a whole number"))
}

/// Elements of a list; the API takes a lone object for a list of one.
pub(super) fn list<'text>(value: View<'text>, field: &'static str) -> Result<Vec<View<'text>>, Failure> {
    match value.kind() {
        Kind::Array => Ok(value.elements()),
        Kind::Object => Ok(vec![value]),
        _ => Err(wrong(field, "an array")),
    }
}

/// A field of the wrong kind.
pub(super) fn wrong(field: &'static str, kind: &str) -> Failure {
    Failure::invalid_request(format!("{field} must be {kind}"), Some(field))
}

fn camel_case(name: &str) -> String {
    let mut written = String::with_capacity(name.len());
    let mut is_after_underscore = false;
    for character in name.chars() {
        if character == '_' {
            is_after_underscore = !written.is_empty();
        } else if std::mem::take(&mut is_after_underscore) {
            written.push(character.to_ascii_uppercase());
        } else {
            written.push(character);
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_in_either_spelling() {
        let view = View::read(br#"{"file_uri":"a","mimeType":"b","_response_json_schema":{},"none":null}"#, 8);
        let fields = Fields::of(view.expect("an object"));
        let names: Vec<_> = fields.iter().map(|(name, _)| name.to_owned()).collect();
        assert_eq!(names, ["fileUri", "mimeType", "responseJsonSchema"]);
        assert!(fields.get("fileUri").is_some_and(|uri| uri.is("a")) && fields.get("none").is_none());
        assert_eq!(fields.flag("mimeType", "a.b").expect_err("a string").param, Some("a.b"));
    }
}
