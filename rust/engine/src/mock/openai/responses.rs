//! OpenAI's Responses, whole and streamed, after the published API reference.
//!
//! Built as trees of JSON: nothing is measured against these.

use serde_json::{Value, json};

use super::super::answer::{Answer, EVENT_STREAM, EventKind};
use super::super::behaviour::{Behaviour, LineEnd, Omission};
use super::super::delay::Random;
use super::super::events::{Events, Form};
use super::super::ids::{push_id, unix_seconds};
use super::super::pieces::Pieces;
use super::super::turn::{Finish, Turn};
use super::errors::error_body;
use super::{plain, whole};

/// Events with a type of their own, numbered.
pub(super) struct Typed(Events);

impl Typed {
    pub(super) fn new(behaviour: &Behaviour) -> Self {
        Self(Events::new(behaviour, Form::Sse, LineEnd::Lf))
    }

    pub(super) fn event(&mut self, kind: EventKind, mut data: Value) {
        data["sequence_number"] = self.0.len().into();
        let name = data["type"].as_str().unwrap_or_default().to_owned();
        self.0.event(kind, Some(&name), data);
    }

    pub(super) fn answer(self, behaviour: &Behaviour) -> Answer {
        self.0.answer(behaviour, EVENT_STREAM, Some("error"), || error_body(500, &behaviour.error))
    }
}

/// The items of a response in order, each with its kind.
fn output(turn: &Turn<'_>) -> Vec<Value> {
    let mut items = Vec::new();
    if let Some(reasoning) = turn.reasoning {
        let summary = json!([{"type": "summary_text", "text": plain(reasoning.whole())}]);
        let signature = turn.signature.map(plain);
        items.push(json!({"type": "reasoning", "id": "rs_mock", "summary": summary, "encrypted_content": signature}));
    }
    for (place, call) in turn.calls.iter().enumerate() {
        items.push(
            json!({"type": "function_call", "id": format!("fc_mock{place}"), "call_id": format!("call_mock{place}"),
            "name": plain(&call.name), "arguments": plain(call.arguments.whole()), "status": "completed"}),
        );
    }
    if turn.calls.is_empty() {
        items.push(json!({"type": "message", "id": "msg_mock", "status": "completed", "role": "assistant",
            "content": [part(turn, turn.said())]}));
    }
    items
}

fn part(turn: &Turn<'_>, said: &str) -> Value {
    if turn.refused {
        return json!({"type": "refusal", "refusal": plain(said)});
    }
    json!({"type": "output_text", "text": plain(said), "annotations": []})
}

/// The response object; `status` says how far it is.
pub(super) fn response_object(turn: &Turn<'_>, request: &Value, id: &str, status: &str) -> Value {
    let numbers = turn.usage;
    let incomplete = status == "incomplete";
    let is_done = incomplete || status == "completed";
    let usage = json!({"input_tokens": numbers.input_tokens,
        "input_tokens_details": {"cached_tokens": numbers.cached_tokens},
        "output_tokens": numbers.output_tokens,
        "output_tokens_details": {"reasoning_tokens": numbers.reasoning_tokens},
        "total_tokens": numbers.input_tokens + numbers.output_tokens});
    let is_counted = is_done && !turn.behaviour.omits(Omission::Usage);
    let cause = if turn.finish == Finish::ContentFilter { "content_filter" } else { "max_output_tokens" };
    json!({
        "id": id, "object": "response", "created_at": unix_seconds(), "status": status,
        "background": request["background"].as_bool().unwrap_or(false), "error": null,
        "incomplete_details": incomplete.then(|| json!({"reason": cause})),
        "instructions": null, "max_output_tokens": null, "metadata": {}, "model": turn.model,
        "output": if is_done { output(turn) } else { Vec::new() }, "parallel_tool_calls": true,
        "previous_response_id": request["previous_response_id"], "store": true, "temperature": 1.0, "text": {},
        "tool_choice": "auto", "tools": [], "top_p": 1.0, "truncation": "disabled",
        "usage": if is_counted { usage } else { Value::Null },
    })
}

/// Renders one response.
pub(super) fn responses(turn: &Turn<'_>, request: &Value, random: &mut Random) -> Answer {
    let mut id = String::new();
    push_id(&mut id, "resp_", 29, random);
    let status = match turn.finish {
        Finish::Length | Finish::ContentFilter => "incomplete",
        _ => "completed",
    };
    if request["stream"] != true {
        let status = if request["background"] == true { "queued" } else { status };
        return whole(turn, &response_object(turn, request, &id, status));
    }
    let mut events = Typed::new(turn.behaviour);
    let begun = response_object(turn, request, &id, "in_progress");
    for kind in ["response.created", "response.in_progress"] {
        events.event(EventKind::Role, json!({"type": kind, "response": begun}));
    }
    let items = output(turn);
    let first_call = items.len() - turn.calls.len();
    for (index, item) in items.iter().enumerate() {
        let call = index.checked_sub(first_call).and_then(|place| turn.calls.get(place));
        let mut opened = item.clone();
        match item["type"].as_str() {
            Some("reasoning") => opened["summary"] = json!([]),
            Some("function_call") => opened["arguments"] = "".into(),
            _ => opened["content"] = json!([]),
        }
        if item["type"] != "reasoning" {
            opened["status"] = "in_progress".into();
        }
        // A call's name and id are content.
        let kind = if call.is_some() { EventKind::Content } else { EventKind::Role };
        events.event(kind, json!({"type": "response.output_item.added", "output_index": index, "item": opened}));
        let place = json!({"item_id": item["id"], "output_index": index});
        match (call, turn.reasoning) {
            (Some(call), _) => {
                let field = Field { name: "response.function_call_arguments", done: "arguments" };
                field.events(&mut events, &place, &call.arguments, call.arguments.len());
            }
            (None, Some(reasoning)) if index == 0 => summary_events(&mut events, place, reasoning),
            _ => message_events(&mut events, place, turn),
        }
        events
            .event(EventKind::Part, json!({"type": "response.output_item.done", "output_index": index, "item": item}));
    }
    if !turn.behaviour.omits(Omission::FinishReason) {
        let finished = response_object(turn, request, &id, status);
        let name = format!("response.{status}");
        events.event(EventKind::Finish, json!({"type": name, "response": finished}));
    }
    events.answer(turn.behaviour)
}

/// A text that comes in deltas and then whole.
struct Field {
    name: &'static str,
    /// What the last event calls the text.
    done: &'static str,
}

impl Field {
    fn events(&self, events: &mut Typed, place: &Value, pieces: &Pieces, count: usize) {
        let placed = |name: &str, field: &str, text: &str| {
            let mut data = place.clone();
            data["type"] = format!("{}.{name}", self.name).into();
            data[field] = plain(text);
            if self.name == "response.output_text" {
                data["logprobs"] = json!([]);
            }
            data
        };
        for index in 0..count {
            events.event(EventKind::Content, placed("delta", "delta", pieces.piece(index)));
        }
        events.event(EventKind::Part, placed("done", self.done, pieces.first(count)));
    }
}

fn summary_events(events: &mut Typed, mut place: Value, reasoning: &Pieces) {
    place["summary_index"] = 0.into();
    let part = |name: &str, text: &str| {
        let mut data = place.clone();
        data["type"] = format!("response.reasoning_summary_part.{name}").into();
        data["part"] = json!({"type": "summary_text", "text": plain(text)});
        data
    };
    events.event(EventKind::Role, part("added", ""));
    let field = Field { name: "response.reasoning_summary_text", done: "text" };
    field.events(events, &place, reasoning, reasoning.len());
    events.event(EventKind::Part, part("done", reasoning.whole()));
}

fn message_events(events: &mut Typed, mut place: Value, turn: &Turn<'_>) {
    place["content_index"] = 0.into();
    let content = |name: &str, said: &str| {
        let mut data = place.clone();
        data["type"] = format!("response.content_part.{name}").into();
        data["part"] = part(turn, said);
        data
    };
    events.event(EventKind::Role, content("added", ""));
    let field = if turn.refused {
        Field { name: "response.refusal", done: "refusal" }
    } else {
        Field { name: "response.output_text", done: "text" }
    };
    field.events(events, &place, turn.text, turn.pieces);
    events.event(EventKind::Part, content("done", turn.said()));
}
