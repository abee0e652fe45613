//! What OpenAI keeps and hands out again: stored responses, files, batches; and moderations and speech.
//!
//! Nothing is kept here: whatever id is asked for exists. After the published API reference.

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use super::super::answer::Answer;
use super::super::delay::Random;
use super::super::ids::{push_id, unix_seconds};
use super::super::turn::Turn;
use super::media::{images, transcript};
use super::responses::response_object;
use super::{model, whole};

const ID_LENGTH: usize = 29;

/// What a speech model says: as long as the content, and no text.
fn sound(turn: &Turn<'_>) -> Bytes {
    let length = turn.said().len().max(1);
    (0..length).map(|index| [0xff, 0xfb, 0x90, 0x00][index % 4]).collect::<Vec<u8>>().into()
}

/// Answers one of these operations; `None` for any other.
pub(super) fn objects(
    turn: &Turn<'_>,
    method: &Method,
    path: &str,
    body: &[u8],
    random: &mut Random,
) -> Option<Answer> {
    let status = turn.status();
    let request: Value = serde_json::from_slice(body).unwrap_or_default();
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let answer = match (method.as_str(), segments.as_slice()) {
        ("POST", ["moderations"]) => {
            let result = json!({"flagged": false, "categories": {"violence": false}, "category_scores": {"violence": 0.01},
                "category_applied_input_types": {"violence": ["text"]}});
            let model = request["model"].as_str().unwrap_or("omni-moderation-latest");
            whole(turn, &json!({"id": "modr-mock", "model": model, "results": [result]}))
        }
        ("GET", ["models", id]) => whole(turn, &model(id)),
        ("POST", ["images", "generations"]) => images(turn, &request, "image_generation"),
        ("POST", ["images", "edits" | "variations"]) => {
            images(turn, &json!({"stream": has_field(body, "stream", "true")}), "image_edit")
        }
        ("POST", ["audio", "speech"]) => Answer::whole(status, "audio/mpeg".into(), sound(turn)),
        ("POST", ["audio", "transcriptions" | "translations"]) if has_field(body, "response_format", "text") => {
            let text = Bytes::copy_from_slice(turn.said().as_bytes());
            Answer::whole(status, "text/plain; charset=utf-8".into(), text)
        }
        ("POST", ["audio", "transcriptions" | "translations"]) => transcript(turn, has_field(body, "stream", "true")),
        ("GET", ["responses", id]) => whole(turn, &response_object(turn, &request, id, "completed")),
        ("DELETE", ["responses", id]) => whole(turn, &json!({"id": id, "object": "response", "deleted": true})),
        ("POST", ["responses", id, "cancel"]) => whole(turn, &response_object(turn, &request, id, "cancelled")),
        ("GET", ["responses", id, "input_items"]) => {
            let item = json!({"type": "message", "id": format!("msg_of_{id}"), "role": "user", "status": "completed",
                "content": [{"type": "input_text", "text": "Hello"}]});
            whole(turn, &list(&item))
        }
        ("POST", ["files"]) => {
            let mut id = String::new();
            push_id(&mut id, "file-", ID_LENGTH, random);
            whole(turn, &file(&id, body.len()))
        }
        ("GET", ["files"]) => whole(turn, &list(&file("file-mock", 3))),
        ("GET", ["files", id]) => whole(turn, &file(id, 3)),
        ("GET", ["files", _, "content"]) => {
            let text = Bytes::copy_from_slice(turn.said().as_bytes());
            Answer::whole(status, "application/octet-stream".into(), text)
        }
        ("DELETE", ["files", id]) => whole(turn, &json!({"id": id, "object": "file", "deleted": true})),
        ("POST", ["batches"]) => {
            let mut id = String::new();
            push_id(&mut id, "batch_", ID_LENGTH, random);
            whole(turn, &batch(&id, "validating", request["input_file_id"].as_str()))
        }
        ("GET", ["batches"]) => whole(turn, &list(&batch("batch_mock", "completed", None))),
        ("GET", ["batches", id]) => whole(turn, &batch(id, "completed", None)),
        ("POST", ["batches", id, "cancel"]) => whole(turn, &batch(id, "cancelling", None)),
        _ => return None,
    };
    Some(answer)
}

fn list(item: &Value) -> Value {
    json!({"object": "list", "first_id": item["id"], "last_id": item["id"], "has_more": false, "data": [item]})
}

fn file(id: &str, bytes: usize) -> Value {
    json!({"id": id, "object": "file", "bytes": bytes, "created_at": unix_seconds(), "filename": "mock.jsonl",
        "purpose": "batch", "status": "processed"})
}

fn batch(id: &str, status: &str, input: Option<&str>) -> Value {
    let is_done = status == "completed";
    json!({"id": id, "object": "batch", "endpoint": "/v1/chat/completions", "completion_window": "24h",
        "input_file_id": input.unwrap_or("file-input"), "status": status, "created_at": unix_seconds(),
        "model": "gpt-4o", "output_file_id": is_done.then(|| format!("file-of-{id}")),
        "usage": is_done.then(|| json!({"input_tokens": 1000, "input_tokens_details": {"cached_tokens": 200},
            "output_tokens": 300, "output_tokens_details": {"reasoning_tokens": 100}, "total_tokens": 1300})),
    })
}

/// Whether a form has this field with this value.
fn has_field(form: &[u8], name: &str, value: &str) -> bool {
    let field = format!("name=\"{name}\"\r\n\r\n{value}\r\n");
    memchr::memmem::find(form, field.as_bytes()).is_some()
}
