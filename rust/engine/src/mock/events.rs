//! A stream being written: its events, where each ends, and the comments between them.
//!
//! A writer opens an event, appends to [`Events::text`], and closes it; nothing is built before it is appended.

use std::fmt::{Display, Write};

use super::answer::{Answer, EventKind, Mark, comment};
use super::behaviour::{Behaviour, LineEnd};

/// How events follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Server-sent events.
    Sse,
    /// The elements of one JSON array (Gemini without `alt=sse`).
    Array,
}

#[derive(Debug)]
pub(super) struct Events {
    pub(super) text: String,
    marks: Vec<Mark>,
    form: Form,
    line_end: LineEnd,
    comment_every: Option<usize>,
}

impl Events {
    /// `usual` is the vendor's line end.
    pub(super) fn new(behaviour: &Behaviour, form: Form, usual: LineEnd) -> Self {
        let line_end = behaviour.line_end.unwrap_or(usual);
        let comment_every = behaviour.comment_every.filter(|_| form == Form::Sse);
        Self { text: String::new(), marks: Vec::new(), form, line_end, comment_every }
    }

    /// How many events there are.
    pub(super) fn len(&self) -> usize {
        self.marks.len()
    }

    /// Begins an event up to where its data goes.
    pub(super) fn open(&mut self, name: Option<&str>) {
        if self.comment_every.is_some_and(|every| self.marks.len().is_multiple_of(every)) {
            self.text.push_str(comment(self.line_end));
        }
        match self.form {
            Form::Array => self.text.push_str(if self.marks.is_empty() { "[" } else { ",\r\n" }),
            Form::Sse => {
                if let Some(name) = name {
                    let _ = write!(self.text, "event: {name}{}", self.line_end.text());
                }
                self.text.push_str("data: ");
            }
        }
    }

    /// Ends an event behind its data.
    pub(super) fn close(&mut self, kind: EventKind) {
        if self.form == Form::Sse {
            self.text.push_str(self.line_end.text());
            self.text.push_str(self.line_end.text());
        }
        self.marks.push(Mark { end: self.text.len(), kind });
    }

    /// A whole event.
    pub(super) fn event(&mut self, kind: EventKind, name: Option<&str>, data: impl Display) {
        self.open(name);
        let _ = write!(self.text, "{data}");
        self.close(kind);
    }

    /// The end of the array, as an event of its own.
    pub(super) fn end_array(&mut self) {
        self.text.push_str(if self.marks.is_empty() { "[]" } else { "\r\n]" });
        self.marks.push(Mark { end: self.text.len(), kind: EventKind::Done });
    }

    /// The answer; with the behaviour's error event, if it wants one, named and worded as given.
    pub(super) fn answer(
        mut self,
        behaviour: &Behaviour,
        content_type: &'static str,
        name: Option<&str>,
        error: impl FnOnce() -> String,
    ) -> Answer {
        if let Some(point) = behaviour.error_event {
            let offset = Answer::offset_in(&self.marks, self.text.len(), point);
            self.marks.truncate(self.marks.iter().take_while(|mark| mark.end <= offset).count());
            self.text.truncate(self.marks.last().map_or(0, |mark| mark.end));
            self.comment_every = None;
            self.event(EventKind::Error, name, error());
            if self.form == Form::Array {
                self.end_array();
            }
        }
        let status = behaviour.status.unwrap_or(200);
        let mut answer = Answer::stream(status, content_type.into(), self.text.into(), self.marks);
        if self.form == Form::Sse {
            answer.ping = comment(self.line_end);
        }
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::super::behaviour::parse_fields;
    use super::*;

    fn written(form: Form, fields: &str) -> String {
        let behaviour = Behaviour::from_fields(&parse_fields(fields).expect("reads")).expect("behaves");
        let mut events = Events::new(&behaviour, form, LineEnd::Lf);
        for data in ["{\"a\":1}", "{\"b\":2}"] {
            events.event(EventKind::Content, Some("n"), data);
        }
        if form == Form::Array {
            events.end_array();
        }
        let answer = events.answer(&behaviour, "text/event-stream", Some("error"), || "E".to_owned());
        assert_eq!(answer.marks.last().map(|mark| mark.end), Some(answer.body.len()));
        String::from_utf8_lossy(&answer.body).into_owned()
    }

    #[test]
    fn events_are_framed_as_their_form_has_it() {
        assert_eq!(written(Form::Sse, ""), "event: n\ndata: {\"a\":1}\n\nevent: n\ndata: {\"b\":2}\n\n");
        assert_eq!(written(Form::Array, ""), "[{\"a\":1},\r\n{\"b\":2}\r\n]");
        let commented = written(Form::Sse, "line_end=crlf;comment_every=2");
        assert!(commented.starts_with(": mock ping\r\n\r\nevent: n\r\ndata: {\"a\":1}\r\n\r\nevent: n"), "{commented}");
    }

    #[test]
    fn an_error_event_takes_the_place_of_what_follows() {
        let expected = "event: n\ndata: {\"a\":1}\n\nevent: error\ndata: E\n\n";
        assert_eq!(written(Form::Sse, "error_event=events:1"), expected);
        assert_eq!(written(Form::Sse, "error_event=before_content"), "event: error\ndata: E\n\n");
        assert_eq!(written(Form::Array, "error_event=events:1"), "[{\"a\":1},\r\nE\r\n]");
        assert_eq!(written(Form::Array, "error_event=events:0"), "[E\r\n]");
    }
}
