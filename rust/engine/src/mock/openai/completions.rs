//! OpenAI's Completions, whole and streamed, after the published API reference.

use serde_json::{Value, json};

use super::super::answer::{Answer, EVENT_STREAM, EventKind};
use super::super::behaviour::Omission;
use super::super::delay::Random;
use super::super::ids::{push_id, unix_seconds};
use super::super::turn::{Asked, Turn};
use super::errors::error_body;
use super::{chat, plain, whole};

/// Renders one completion.
pub(super) fn completions(turn: &Turn<'_>, asked: &Asked<'_>, random: &mut Random) -> Answer {
    let (input, output) = (turn.usage.input_tokens, turn.usage.output_tokens);
    let usage = json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output});
    let mut id = String::new();
    push_id(&mut id, "cmpl-", 29, random);
    let head = json!({"id": id, "object": "text_completion", "created": unix_seconds(), "model": turn.model,
        "choices": []});
    let choice =
        |text: Value, reason: Value| json!({"index": 0, "text": text, "logprobs": null, "finish_reason": reason});
    let reason = Value::from(chat::reason(turn.finish));
    if !asked.stream {
        let mut body = head;
        body["choices"] = json!([choice(plain(turn.said()), reason)]);
        body["usage"] = usage;
        return whole(turn, &body);
    }
    let mut events = chat::events(turn);
    let chunk = |choices: Value| {
        let mut chunk = head.clone();
        chunk["choices"] = choices;
        if asked.usage_in_stream {
            chunk["usage"] = Value::Null;
        }
        chunk
    };
    for place in 0..turn.pieces {
        let chunk = chunk(json!([choice(plain(turn.text.piece(place)), Value::Null)]));
        events.event(EventKind::Content, None, chunk);
    }
    if !turn.behaviour.omits(Omission::FinishReason) {
        events.event(EventKind::Finish, None, chunk(json!([choice("".into(), reason)])));
    }
    if asked.usage_in_stream && !turn.behaviour.omits(Omission::Usage) {
        let mut chunk = chunk(json!([]));
        chunk["usage"] = usage;
        events.event(EventKind::Usage, None, chunk);
    }
    if !turn.behaviour.omits(Omission::Done) {
        events.event(EventKind::Done, None, "[DONE]");
    }
    events.answer(turn.behaviour, EVENT_STREAM, Some("error"), || error_body(500, &turn.behaviour.error))
}
