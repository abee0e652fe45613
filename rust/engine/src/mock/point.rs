//! A place in an answer, as faults name it.

use serde::{Deserialize, Deserializer, de::Error};

/// Events are counted with role, finish, usage and `[DONE]`; a JSON body is one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Point {
    BeforeHeaders,
    AfterHeaders,
    BeforeContent,
    Events(usize),
    InsideEvent(usize),
    Bytes(usize),
}

impl Point {
    fn parse(text: &str) -> Option<Self> {
        let (name, number) = text.split_once(':').map_or((text, None), |(name, number)| (name, Some(number)));
        match (name.trim(), number) {
            ("before_headers", None) => Some(Self::BeforeHeaders),
            ("after_headers", None) => Some(Self::AfterHeaders),
            ("before_content", None) => Some(Self::BeforeContent),
            ("events", Some(number)) => Some(Self::Events(number.trim().parse().ok()?)),
            ("inside_event", Some(number)) => number.trim().parse().ok().filter(|k| *k > 0).map(Self::InsideEvent),
            ("bytes", Some(number)) => Some(Self::Bytes(number.trim().parse().ok()?)),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for Point {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            D::Error::custom(format!(
                "point {text:?}: want before_headers, after_headers, before_content, events:K, inside_event:K (from 1) or bytes:N"
            ))
        })
    }
}
