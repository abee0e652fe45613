//! Answers, as Anthropic gives them.

use super::block_reader::{Said, read_said, sign};
use super::fields::Fields;
use super::finish;
use crate::dialects::anthropic_usage;
use crate::json_view::{Kind, View};
use crate::neutral::{Answer, Choice};

/// Reads an answer. What Anthropic's own tools did has no counterpart, and is left out. `None`: it is no message.
#[must_use]
pub fn read_answer(body: View<'_>) -> Option<Answer<'_>> {
    let fields = Fields::of(body);
    let content = fields.get("content").filter(|content| content.kind() == Kind::Array)?;
    if fields.get("type").is_some_and(|kind| !kind.is("message")) {
        return None;
    }
    let mut choice = Choice {
        finish: fields.get("stop_reason").map(finish::read),
        stop_sequence: fields.get("stop_sequence").and_then(View::text),
        ..Choice::default()
    };
    for block in content.elements() {
        let fields = Fields::of(block);
        let kind = fields.get("type").and_then(View::decoded).unwrap_or_default();
        if let Said::Part(mut part) = read_said(&kind, &fields) {
            sign(&mut part);
            choice.parts.push(part);
        }
    }
    let usage = fields.get("usage");
    Some(Answer {
        id: fields.get("id").and_then(View::text),
        model: fields.get("model").and_then(View::text),
        created_unix_s: None,
        choices: vec![choice],
        usage: usage.and_then(|usage| anthropic_usage::read(usage.raw().as_bytes())),
        service_tier: usage.and_then(|usage| usage.get("service_tier")).and_then(View::text),
    })
}

#[cfg(test)]
#[path = "answer_reader_tests.rs"]
mod tests;
