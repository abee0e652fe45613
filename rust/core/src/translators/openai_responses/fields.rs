//! Members of a request, by the kind they must be.

use std::borrow::Cow;

use crate::failure::Failure;
use crate::json_view::{Kind, Text, View};
use crate::neutral::{Request, Unexpressed};

/// A failure that names the field.
pub(super) fn wrong(field: &'static str, expected: &str) -> Failure {
    Failure::invalid_request(format!("{field} must be {expected}"), Some(field))
}

pub(super) fn text<'text>(value: View<'text>, field: &'static str) -> Result<Text<'text>, Failure> {
    value.text().ok_or_else(|| wrong(field, "a string"))
}

/// A string that must be there.
pub(super) fn needed_text<'text>(object: View<'text>, name: &str, field: &'static str) -> Result<Text<'text>, Failure> {
    object.get(name).and_then(View::text).ok_or_else(|| wrong(field, "a string"))
}

/// A string that may be absent.
pub(super) fn given_text<'text>(
    object: View<'text>,
    name: &str,
    field: &'static str,
) -> Result<Option<Text<'text>>, Failure> {
    object.get(name).map(|value| text(value, field)).transpose()
}

/// A word to look at.
pub(super) fn word<'text>(value: View<'text>, field: &'static str) -> Result<Cow<'text, str>, Failure> {
    value.decoded().ok_or_else(|| wrong(field, "a string"))
}

pub(super) fn number<'text>(value: View<'text>, field: &'static str) -> Result<&'text str, Failure> {
    value.number().ok_or_else(|| wrong(field, "a number"))
}

pub(super) fn whole(value: View<'_>, field: &'static str) -> Result<u64, Failure> {
    value.as_u64().ok_or_else(|| wrong(field, "a whole number"))
}

pub(super) fn flag(value: View<'_>, field: &'static str) -> Result<bool, Failure> {
    value.as_bool().ok_or_else(|| wrong(field, "true or false"))
}

pub(super) fn object<'text>(value: View<'text>, field: &'static str) -> Result<View<'text>, Failure> {
    (value.kind() == Kind::Object).then_some(value).ok_or_else(|| wrong(field, "an object"))
}

pub(super) fn list<'text>(value: View<'text>, field: &'static str) -> Result<Vec<View<'text>>, Failure> {
    if value.kind() == Kind::Array { Ok(value.elements()) } else { Err(wrong(field, "an array")) }
}

/// Notes a field that only this dialect has, once.
pub(super) fn note<'text>(request: &mut Request<'text>, name: impl Into<Cow<'text, str>>, is_essential: bool) {
    let name = name.into();
    match request.unexpressed.iter_mut().find(|one| one.name == name) {
        Some(noted) => noted.is_essential |= is_essential,
        None => request.unexpressed.push(Unexpressed { name, is_essential }),
    }
}
