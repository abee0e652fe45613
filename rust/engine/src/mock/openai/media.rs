//! OpenAI's images and transcripts, whole and streamed, after the published API reference.

use serde_json::{Value, json};

use super::super::answer::{Answer, EventKind};
use super::super::behaviour::Omission;
use super::super::ids::unix_seconds;
use super::super::turn::Turn;
use super::responses::Typed;
use super::{plain, whole};

/// A one-pixel PNG, as base64.
const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=";

/// Images of `kind`: `image_generation` or `image_edit`.
pub(super) fn images(turn: &Turn<'_>, request: &Value, kind: &str) -> Answer {
    let usage = json!({"input_tokens": 50, "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
        "output_tokens": 272, "total_tokens": 322});
    let count = request["n"].as_u64().unwrap_or(1);
    if request["stream"] != true {
        let images: Vec<Value> = (0..count).map(|_| json!({"b64_json": PIXEL})).collect();
        return whole(turn, &json!({"created": unix_seconds(), "data": images, "usage": usage}));
    }
    let mut events = Typed::new(turn.behaviour);
    let image = json!({"b64_json": PIXEL, "created_at": unix_seconds(), "size": "1024x1024", "quality": "low",
        "background": "opaque", "output_format": "png"});
    let mut partial = image.clone();
    partial["type"] = format!("{kind}.partial_image").into();
    partial["partial_image_index"] = 0.into();
    events.event(EventKind::Content, partial);
    for _ in 0..count {
        let mut completed = image.clone();
        completed["type"] = format!("{kind}.completed").into();
        completed["usage"] = usage.clone();
        events.event(EventKind::Finish, completed);
    }
    events.answer(turn.behaviour)
}

/// A transcript or translation: JSON, or events if the form asks for them.
pub(super) fn transcript(turn: &Turn<'_>, streams: bool) -> Answer {
    let text = plain(turn.said());
    let usage = json!({"type": "tokens", "input_tokens": 14, "input_token_details": {"text_tokens": 0, "audio_tokens": 14},
        "output_tokens": turn.pieces, "total_tokens": 14 + turn.pieces});
    if !streams {
        return whole(turn, &json!({"text": text, "usage": usage}));
    }
    let mut events = Typed::new(turn.behaviour);
    for place in 0..turn.pieces {
        events.event(
            EventKind::Content,
            json!({"type": "transcript.text.delta", "delta": plain(turn.text.piece(place))}),
        );
    }
    if !turn.behaviour.omits(Omission::FinishReason) {
        events.event(EventKind::Finish, json!({"type": "transcript.text.done", "text": text, "usage": usage}));
    }
    events.answer(turn.behaviour)
}
