//! OpenAI's streams beside chat: Responses, Completions, images, speech and transcripts, and their whole answers.
//!
//! After the published API reference. Built as trees of JSON: nothing is measured against these.

use std::fmt::Write;

use serde_json::{Value, json};

use super::answer::{Answer, EVENT_STREAM, EventKind, Mark};
use super::behaviour::{LineEnd, Omission};
use super::delay::Random;
use super::openai::{error_body, push_id, unix_seconds};
use super::reply::Reply;
use super::script::plain_model;

/// A one-pixel PNG, as base64.
pub(super) const PIXEL: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=";

/// An answer being written, event by event.
struct Events<'a> {
    reply: &'a Reply,
    text: String,
    marks: Vec<Mark>,
}

impl<'a> Events<'a> {
    fn new(reply: &'a Reply) -> Self {
        Self { reply, text: String::new(), marks: Vec::new() }
    }

    /// An event with a type of its own, numbered.
    fn typed(&mut self, kind: EventKind, mut data: Value) {
        data["sequence_number"] = self.marks.len().into();
        let name = data["type"].as_str().unwrap_or_default().to_owned();
        self.event(kind, Some(&name), &data.to_string());
    }

    fn event(&mut self, kind: EventKind, name: Option<&str>, data: &str) {
        let line = if self.reply.behaviour.line_end == LineEnd::Crlf { "\r\n" } else { "\n" };
        if let Some(name) = name {
            let _ = write!(self.text, "event: {name}{line}");
        }
        let _ = write!(self.text, "data: {data}{line}{line}");
        self.marks.push(Mark { end: self.text.len(), kind });
    }

    fn answer(self) -> Answer {
        let behaviour = &self.reply.behaviour;
        let status = behaviour.status.unwrap_or(200);
        let mut answer = Answer::stream(status, EVENT_STREAM.into(), self.text.into(), self.marks);
        if let Some(point) = behaviour.error_event {
            answer.end_with_error(point, &format!("event: error\ndata: {}\n\n", error_body(500, &behaviour.error)));
        }
        answer
    }
}

fn text_of(field: &Value) -> &str {
    field.as_str().unwrap_or_default()
}

/// The inside of a JSON string back to text.
fn plain(escaped: &str) -> Value {
    serde_json::from_str(&format!("\"{escaped}\"")).unwrap_or_default()
}

fn model(reply: &Reply, request: &Value) -> Value {
    reply.behaviour.response_model.as_deref().unwrap_or_else(|| plain_model(text_of(&request["model"]))).into()
}

fn id(prefix: &str, random: &mut Random) -> String {
    let mut id = String::new();
    push_id(&mut id, prefix, random);
    id
}

/// Tokens in and out, unless the script says otherwise.
fn counts(reply: &Reply, body_bytes: usize) -> (u64, u64) {
    let usage = &reply.behaviour.usage;
    let prompt = usage.prompt_tokens.unwrap_or(body_bytes as u64 / 4);
    (prompt, usage.completion_tokens.unwrap_or(reply.pieces() as u64))
}

/// The response object; `status` says how far it is.
pub(super) fn response_object(reply: &Reply, request: &Value, id: &str, status: &str, body_bytes: usize) -> Value {
    let (input, output) = counts(reply, body_bytes);
    let numbers = &reply.behaviour.usage;
    let is_done = status == "completed";
    let text = plain(reply.first(reply.pieces()));
    let message = json!({"type": "message", "id": "msg_mock", "status": "completed", "role": "assistant",
        "content": [{"type": "output_text", "text": text, "annotations": []}]});
    let usage = json!({"input_tokens": input, "input_tokens_details": {"cached_tokens": numbers.cached_tokens},
        "output_tokens": output, "output_tokens_details": {"reasoning_tokens": numbers.reasoning_tokens},
        "total_tokens": input + output});
    let is_counted = is_done && !reply.behaviour.omits(Omission::Usage);
    json!({
        "id": id, "object": "response", "created_at": unix_seconds(), "status": status,
        "background": request["background"].as_bool().unwrap_or(false), "error": null, "incomplete_details": null,
        "instructions": null, "max_output_tokens": null, "metadata": {}, "model": model(reply, request),
        "output": if is_done { vec![message] } else { Vec::new() }, "parallel_tool_calls": true,
        "previous_response_id": request["previous_response_id"], "store": true, "temperature": 1.0, "text": {},
        "tool_choice": "auto", "tools": [], "top_p": 1.0, "truncation": "disabled",
        "usage": if is_counted { usage } else { Value::Null },
    })
}

pub(super) fn responses(reply: &Reply, request: &Value, body_bytes: usize, random: &mut Random) -> Answer {
    let id = id("resp_", random);
    if request["stream"] != true {
        let status = if request["background"] == true { "queued" } else { "completed" };
        return whole(reply, &response_object(reply, request, &id, status, body_bytes));
    }
    let mut events = Events::new(reply);
    let begun = response_object(reply, request, &id, "in_progress", body_bytes);
    for kind in ["response.created", "response.in_progress"] {
        events.typed(EventKind::Role, json!({"type": kind, "response": begun}));
    }
    let item = |status: &str, content: Vec<Value>| json!({"type": "message", "id": "msg_mock", "status": status, "role": "assistant", "content": content});
    let part = |text: Value| json!({"type": "output_text", "text": text, "annotations": []});
    let place = json!({"item_id": "msg_mock", "output_index": 0, "content_index": 0});
    let placed = |mut data: Value| {
        for (key, value) in place.as_object().into_iter().flatten() {
            data[key] = value.clone();
        }
        data
    };
    let added = json!({"type": "response.output_item.added", "output_index": 0, "item": item("in_progress", vec![])});
    events.typed(EventKind::Role, added);
    events.typed(EventKind::Role, placed(json!({"type": "response.content_part.added", "part": part("".into())})));
    for place in 0..reply.pieces() {
        let delta = plain(reply.piece(place));
        let delta = placed(json!({"type": "response.output_text.delta", "delta": delta, "logprobs": []}));
        events.typed(EventKind::Content, delta);
    }
    let text = plain(reply.first(reply.pieces()));
    let done = placed(json!({"type": "response.output_text.done", "text": text, "logprobs": []}));
    events.typed(EventKind::Content, done);
    events.typed(EventKind::Content, placed(json!({"type": "response.content_part.done", "part": part(text.clone())})));
    let item = item("completed", vec![part(text)]);
    events.typed(EventKind::Content, json!({"type": "response.output_item.done", "output_index": 0, "item": item}));
    if !reply.behaviour.omits(Omission::FinishReason) {
        let finished = response_object(reply, request, &id, "completed", body_bytes);
        events.typed(EventKind::Finish, json!({"type": "response.completed", "response": finished}));
    }
    events.answer()
}

pub(super) fn completions(reply: &Reply, request: &Value, body_bytes: usize, random: &mut Random) -> Answer {
    let (input, output) = counts(reply, body_bytes);
    let usage = json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output});
    let head = json!({"id": id("cmpl-", random), "object": "text_completion", "created": unix_seconds(),
        "model": model(reply, request), "choices": []});
    let choice =
        |text: Value, reason: Value| json!({"index": 0, "text": text, "logprobs": null, "finish_reason": reason});
    if request["stream"] != true {
        let mut body = head;
        body["choices"] = json!([choice(plain(reply.first(reply.pieces())), "stop".into())]);
        body["usage"] = usage;
        return whole(reply, &body);
    }
    let is_counted = request["stream_options"]["include_usage"] == true;
    let mut events = Events::new(reply);
    let chunk = |choices: Value| {
        let mut chunk = head.clone();
        chunk["choices"] = choices;
        if is_counted {
            chunk["usage"] = Value::Null;
        }
        chunk
    };
    for place in 0..reply.pieces() {
        let chunk = chunk(json!([choice(plain(reply.piece(place)), Value::Null)]));
        events.event(EventKind::Content, None, &chunk.to_string());
    }
    if !reply.behaviour.omits(Omission::FinishReason) {
        let chunk = chunk(json!([choice("".into(), "stop".into())]));
        events.event(EventKind::Finish, None, &chunk.to_string());
    }
    if is_counted && !reply.behaviour.omits(Omission::Usage) {
        let mut chunk = chunk(json!([]));
        chunk["usage"] = usage;
        events.event(EventKind::Usage, None, &chunk.to_string());
    }
    if !reply.behaviour.omits(Omission::Done) {
        events.event(EventKind::Done, None, "[DONE]");
    }
    events.answer()
}

/// Images of `kind`: `image_generation` or `image_edit`.
pub(super) fn images(reply: &Reply, request: &Value, kind: &str) -> Answer {
    let usage = json!({"input_tokens": 50, "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
        "output_tokens": 272, "total_tokens": 322});
    let count = request["n"].as_u64().unwrap_or(1);
    if request["stream"] != true {
        let images: Vec<Value> = (0..count).map(|_| json!({"b64_json": PIXEL})).collect();
        return whole(reply, &json!({"created": unix_seconds(), "data": images, "usage": usage}));
    }
    let mut events = Events::new(reply);
    let image = json!({"b64_json": PIXEL, "created_at": unix_seconds(), "size": "1024x1024", "quality": "low",
        "background": "opaque", "output_format": "png"});
    let mut partial = image.clone();
    partial["type"] = format!("{kind}.partial_image").into();
    partial["partial_image_index"] = 0.into();
    events.typed(EventKind::Content, partial);
    for _ in 0..count {
        let mut completed = image.clone();
        completed["type"] = format!("{kind}.completed").into();
        completed["usage"] = usage.clone();
        events.typed(EventKind::Finish, completed);
    }
    events.answer()
}

/// A transcript or translation: JSON, or events if the form asks for them.
pub(super) fn transcript(reply: &Reply, streams: bool) -> Answer {
    let text = plain(reply.first(reply.pieces()));
    let usage = json!({"type": "tokens", "input_tokens": 14, "input_token_details": {"text_tokens": 0, "audio_tokens": 14},
        "output_tokens": reply.pieces(), "total_tokens": 14 + reply.pieces()});
    if !streams {
        return whole(reply, &json!({"text": text, "usage": usage}));
    }
    let mut events = Events::new(reply);
    for place in 0..reply.pieces() {
        events.typed(EventKind::Content, json!({"type": "transcript.text.delta", "delta": plain(reply.piece(place))}));
    }
    if !reply.behaviour.omits(Omission::FinishReason) {
        events.typed(EventKind::Finish, json!({"type": "transcript.text.done", "text": text, "usage": usage}));
    }
    events.answer()
}

pub(super) fn whole(reply: &Reply, body: &Value) -> Answer {
    Answer::json(reply.behaviour.status.unwrap_or(200), body.to_string())
}
