//! Members of an object, looked up several times after one pass.

use std::borrow::Cow;

use crate::failure::Failure;
use crate::json_view::{Kind, Text, View};

/// Members of an object; `null` is how SDKs write "left out".
#[derive(Debug)]
pub(super) struct Fields<'text>(Vec<(Cow<'text, str>, View<'text>)>);

impl<'text> Fields<'text> {
    /// Those of an object; of anything else none.
    pub(super) fn of(view: View<'text>) -> Self {
        let mut members = view.members();
        members.retain(|(_, value)| !value.is_null());
        Self(members)
    }

    /// Those of something that must be an object.
    pub(super) fn of_object(view: View<'text>, name: &'static str) -> Result<Self, Failure> {
        if view.kind() == Kind::Object { Ok(Self::of(view)) } else { Err(wrong(name, "an object")) }
    }

    /// A member's value; of a key that occurs twice, the last.
    pub(super) fn get(&self, name: &str) -> Option<View<'text>> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| *value)
    }

    /// All of them, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Cow<'text, str>, View<'text>)> {
        self.0.iter().map(|(key, value)| (key, *value))
    }

    /// A string. `field`: the request's name for it.
    pub(super) fn text(&self, name: &str, field: &'static str) -> Result<Option<Text<'text>>, Failure> {
        self.optional(name, field, "a string", View::text)
    }

    /// A string that must be there.
    pub(super) fn needed_text(&self, name: &str, field: &'static str) -> Result<Text<'text>, Failure> {
        self.text(name, field)?.ok_or_else(|| wrong(field, "a string"))
    }

    /// A string that must be there, decoded.
    pub(super) fn word(&self, name: &str, field: &'static str) -> Result<Cow<'text, str>, Failure> {
        self.get(name).and_then(View::decoded).ok_or_else(|| wrong(field, "a string"))
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, name: &str, field: &'static str) -> Result<Option<bool>, Failure> {
        self.optional(name, field, "true or false", View::as_bool)
    }

    /// A number as it is written.
    pub(super) fn number(&self, name: &str, field: &'static str) -> Result<Option<&'text str>, Failure> {
        self.optional(name, field, "a number", View::number)
    }

    /// A whole number that is not negative.
    pub(super) fn count(&self, name: &str, field: &'static str) -> Result<Option<u64>, Failure> {
        self.optional(name, field, "a whole number", View::as_u64)
    }

    /// An object, unread.
    pub(super) fn object(&self, name: &str, field: &'static str) -> Result<Option<View<'text>>, Failure> {
        self.optional(name, field, "an object", |view| (view.kind() == Kind::Object).then_some(view))
    }

    /// The elements of an array.
    pub(super) fn list(&self, name: &str, field: &'static str) -> Result<Option<Vec<View<'text>>>, Failure> {
        self.optional(name, field, "an array", |view| (view.kind() == Kind::Array).then(|| view.elements()))
    }

    fn optional<T>(
        &self,
        name: &str,
        field: &'static str,
        kind: &str,
        read: impl FnOnce(View<'text>) -> Option<T>,
    ) -> Result<Option<T>, Failure> {
        self.get(name).map(|value| read(value).ok_or_else(|| wrong(field, kind))).transpose()
    }
}

/// A value of the wrong kind.
pub(super) fn wrong(field: &'static str, kind: &str) -> Failure {
    Failure::invalid_request(format!("{field} must be {kind}"), Some(field))
}
