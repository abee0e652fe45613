//! The bytes of one answer and where its events end, before anything decides how they travel.
//!
//! A dialect's templates produce this; [`super::program`] and hyper consume it without knowing the dialect.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::Value;

use super::behaviour::{Behaviour, Garbage, LineEnd};
use super::point::Point;

pub(super) const JSON: &str = "application/json";
pub(super) const EVENT_STREAM: &str = "text/event-stream; charset=utf-8";

const HTML: &str = "<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head>\
    <body><center><h1>502 Bad Gateway</h1></center></body></html>\n";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EventKind {
    Role,
    Content,
    /// Opens or closes a part of the content, and holds none itself.
    Part,
    Finish,
    Usage,
    Error,
    Done,
}

/// One event: the bytes up to `end` from the end of the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) end: usize,
    pub(super) kind: EventKind,
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: Cow<'static, str>,
    /// The vendor's own, under those the behaviour gives.
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Bytes,
    pub(super) marks: Vec<Mark>,
    pub(super) stream: bool,
    /// What a waiting stream may write between events; empty if nothing.
    pub(super) ping: &'static str,
}

/// A comment of a stream.
pub(super) const fn comment(line_end: LineEnd) -> &'static str {
    match line_end {
        LineEnd::Lf => ": mock ping\n\n",
        LineEnd::Crlf => ": mock ping\r\n\r\n",
    }
}

impl Answer {
    pub(super) fn json(status: u16, body: String) -> Self {
        Self::whole(status, JSON.into(), body.into())
    }

    /// A body that is one event.
    pub(super) fn whole(status: u16, content_type: Cow<'static, str>, body: Bytes) -> Self {
        let marks = vec![Mark { end: body.len(), kind: EventKind::Content }];
        Self { status, content_type, headers: Vec::new(), body, marks, stream: false, ping: "" }
    }

    pub(super) fn stream(status: u16, content_type: Cow<'static, str>, body: Bytes, marks: Vec<Mark>) -> Self {
        Self { status, content_type, headers: Vec::new(), body, marks, stream: true, ping: "" }
    }

    /// The answer that needs no template: nonsense, or the body that the script gives. `None` if it wants neither.
    pub(super) fn given(behaviour: &Behaviour, stream: bool) -> Result<Option<Self>, String> {
        let status = behaviour.status.unwrap_or(200);
        let usual = if stream { EVENT_STREAM } else { JSON };
        if let Some(garbage) = behaviour.garbage {
            let (content_type, body) = match garbage {
                Garbage::Html | Garbage::NotHttp => ("text/html", HTML),
                Garbage::Empty => (usual, ""),
                Garbage::InvalidJson if stream => {
                    (usual, "data: {\"id\":\"chatcmpl-broken\",\"choices\":[{\"delta\n\n")
                }
                Garbage::InvalidJson => (usual, "{\"id\":\"chatcmpl-broken\",\"choices\":[{\"message\""),
            };
            return Ok(Some(Self::whole(status, content_type.into(), Bytes::from_static(body.as_bytes()))));
        }
        let body = match (&behaviour.body_base64, &behaviour.body) {
            (Some(encoded), _) => STANDARD.decode(encoded).map_err(|error| format!("body_base64: {error}"))?,
            (None, Some(Value::String(text))) => text.clone().into_bytes(),
            (None, Some(value)) => value.to_string().into_bytes(),
            (None, None) => return Ok(None),
        };
        let is_events = match &behaviour.content_type {
            Some(content_type) => content_type.starts_with("text/event-stream"),
            None => [&b"data:"[..], b"event:", b":"].iter().any(|start| body.starts_with(start)),
        };
        if is_events {
            let marks = recorded_marks(&body);
            let mut answer = Self::stream(status, EVENT_STREAM.into(), body.into(), marks);
            answer.ping = comment(behaviour.line_end.unwrap_or_default());
            return Ok(Some(answer));
        }
        Ok(Some(Self::whole(status, JSON.into(), body.into())))
    }

    /// The place in the body that `point` names; the body's end if it lies beyond.
    pub(super) fn offset(&self, point: Point) -> usize {
        Self::offset_in(&self.marks, self.body.len(), point)
    }

    /// The same in a body that is still being written.
    pub(super) fn offset_in(marks: &[Mark], body_bytes: usize, point: Point) -> usize {
        let start = |index: usize| match index.checked_sub(1) {
            None => 0,
            Some(before) => marks.get(before).map_or(body_bytes, |mark| mark.end),
        };
        match point {
            Point::BeforeHeaders | Point::AfterHeaders => 0,
            Point::BeforeContent => {
                start(marks.iter().position(|mark| mark.kind == EventKind::Content).unwrap_or(usize::MAX))
            }
            Point::Events(count) => start(count),
            Point::InsideEvent(number) => usize::midpoint(start(number - 1), start(number)),
            Point::Bytes(count) => count.min(body_bytes),
        }
    }
}

/// Where the events of recorded bytes end: after each blank line, whichever line end they use.
fn recorded_marks(body: &[u8]) -> Vec<Mark> {
    let mut marks = Vec::new();
    let mut start = 0;
    let mut line_start = 0;
    for newline in memchr::memchr_iter(b'\n', body) {
        let blank = matches!(&body[line_start..newline], b"" | b"\r");
        line_start = newline + 1;
        if blank {
            let done = memchr::memmem::find(&body[start..newline], b"[DONE]").is_some();
            marks.push(Mark { end: line_start, kind: if done { EventKind::Done } else { EventKind::Content } });
            start = line_start;
        }
    }
    if start < body.len() {
        marks.push(Mark { end: body.len(), kind: EventKind::Content });
    }
    marks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_events_are_found_with_either_line_end() {
        let ends = |text: &str| recorded_marks(text.as_bytes()).iter().map(|mark| mark.end).collect::<Vec<_>>();
        assert_eq!(ends("data: a\n\ndata: b\n\n"), [9, 18]);
        assert_eq!(ends("data: a\r\n\r\n: c\r\n\r\ndata: b"), [11, 18, 25]);
        assert_eq!(ends(""), [0; 0]);
    }

    #[test]
    fn points_name_places_in_the_body() {
        let marks = recorded_marks(b"data: a\n\ndata: b\n\n");
        let answer = Answer::stream(200, JSON.into(), Bytes::from_static(b"data: a\n\ndata: b\n\n"), marks);
        let cases = [
            (Point::AfterHeaders, 0),
            (Point::BeforeContent, 0),
            (Point::Events(1), 9),
            (Point::Events(9), 18),
            (Point::InsideEvent(2), 13),
            (Point::Bytes(5), 5),
            (Point::Bytes(500), 18),
        ];
        for (point, offset) in cases {
            assert_eq!(answer.offset(point), offset, "{point:?}");
        }
    }
}
