//! The response object around output items: the same in a JSON answer and in three events of a stream.
//!
//! It repeats the client's own request, as it was written. What the client left open is `null` where the API allows that:
//! what the provider then does is not known here.

use super::output_item::{COMPLETED, INCOMPLETE, ItemKind, OutputItem, Status, write_escaped};
use crate::json_object::{JsonObject, write_list};
use crate::json_view::{Text, View};
use crate::neutral::Finish;
use crate::usage::Usage;

/// Fields of the request, and what stands for those that it lacks.
const REPEATED: [(&str, &str); 16] = [
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("max_tool_calls", "null"),
    ("metadata", "{}"),
    ("parallel_tool_calls", "true"),
    ("prompt_cache_key", "null"),
    ("reasoning", r#"{"effort":null,"summary":null}"#),
    ("safety_identifier", "null"),
    ("temperature", "null"),
    ("text", r#"{"format":{"type":"text"}}"#),
    ("tool_choice", r#""auto""#),
    ("tools", "[]"),
    ("top_logprobs", "0"),
    ("top_p", "null"),
    ("truncation", r#""disabled""#),
    ("user", "null"),
];

/// Why an answer ended, as status and reason.
const FINISHES: [(Finish, Status, Option<&str>); 9] = [
    (Finish::Stop, COMPLETED, None),
    (Finish::StopSequence, COMPLETED, None),
    (Finish::Length, INCOMPLETE, Some("max_output_tokens")),
    (Finish::ToolCalls, COMPLETED, None),
    (Finish::ContentFilter, INCOMPLETE, Some("content_filter")),
    (Finish::Refusal, COMPLETED, None),
    // The API has no reason for the rest; an answer that is not all there is still no complete one.
    (Finish::Pause, INCOMPLETE, None),
    (Finish::MalformedToolCall, INCOMPLETE, None),
    (Finish::Other, COMPLETED, None),
];

/// Status and reason of a finish; one that nobody told is as good as any. `refuses`: the answer says in words why it is
/// none. A refusal without is not told from a filter.
pub(super) fn status(finish: Option<Finish>, refuses: bool) -> (Status, Option<&'static str>) {
    let finish = if finish == Some(Finish::Refusal) && !refuses { Some(Finish::ContentFilter) } else { finish };
    let row = FINISHES.iter().find(|(own, ..)| Some(*own) == finish);
    row.map_or((COMPLETED, None), |(_, status, reason)| (status, *reason))
}

/// What of a request is repeated, as members of an object.
pub(super) fn repeated(request: Option<View<'_>>) -> Vec<u8> {
    let given = request.map(View::members).unwrap_or_default();
    let mut written = Vec::with_capacity(512);
    for (name, absent) in REPEATED {
        let value =
            given.iter().find(|(own, value)| own == name && !value.is_null()).map_or(absent, |(_, value)| value.raw());
        written.extend_from_slice(b",\"");
        written.extend_from_slice(name.as_bytes());
        written.extend_from_slice(b"\":");
        written.extend_from_slice(value.as_bytes());
    }
    written
}

/// The parts of a response that stay the same from its beginning to its end.
#[derive(Clone, Debug, Default)]
pub(super) struct ResponseObject {
    /// What tells its items from those of other responses, escaped.
    base: String,
    /// The object without its end.
    head: Vec<u8>,
}

/// How far a response is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    pub(super) status: Status,
    /// Why it is incomplete.
    pub(super) reason: Option<&'static str>,
    pub(super) completed_unix_s: Option<u64>,
    pub(super) usage: Option<Usage>,
}

impl ResponseObject {
    pub(super) fn new(id: &Text<'_>, model: &Text<'_>, created_unix_s: u64, repeated: &[u8]) -> Self {
        let base = id.escaped().strip_prefix("resp_").unwrap_or(id.escaped()).to_owned();
        let mut head = Vec::with_capacity(repeated.len() + 256);
        let mut object = JsonObject::begin(&mut head);
        object.value("id", |into| write_escaped(&format!("resp_{base}"), into));
        object.text("object", "response");
        object.number("created_at", created_unix_s);
        object.value("model", |into| model.write(into));
        object.flag("background", false);
        object.literal("error", b"null");
        object.literal("previous_response_id", b"null");
        // Whatever the client wanted: there is nothing to go on from.
        object.flag("store", false);
        head.extend_from_slice(repeated);
        Self { base, head }
    }

    /// The id of an item.
    pub(super) fn item_id(&self, kind: &ItemKind, index: usize) -> String {
        format!("{}{}_{index}", kind.id_prefix(), self.base)
    }

    /// Writes the whole.
    pub(super) fn write<'item>(
        &self,
        progress: Progress,
        service_tier: Option<&str>,
        output: impl IntoIterator<Item = &'item OutputItem>,
        into: &mut Vec<u8>,
    ) {
        into.extend_from_slice(&self.head);
        let end_of_head = into.len();
        let mut object = JsonObject::begin(into);
        object.text("status", progress.status);
        object.number_or_null("completed_at", progress.completed_unix_s);
        match progress.reason {
            Some(reason) => object.object("incomplete_details", |details| details.text("reason", reason)),
            None => object.literal("incomplete_details", b"null"),
        }
        object.text_or_null("service_tier", service_tier);
        object.value("output", |into| write_list(into, output, OutputItem::write));
        match progress.usage {
            Some(usage) => object.object("usage", |into| write_usage(&usage, into)),
            None => object.literal("usage", b"null"),
        }
        object.end();
        // The head's object goes on where this one would begin.
        into[end_of_head] = b',';
    }
}

/// Token counts as this dialect sums them: what goes in includes the cached, what comes out the reasoning.
fn write_usage(usage: &Usage, object: &mut JsonObject<'_>) {
    let sum = |parts: &[u64]| parts.iter().fold(0_u64, |sum, part| sum.saturating_add(*part));
    let cached = [usage.cache_read_tokens, usage.cache_read_audio_tokens, usage.cache_read_image_tokens];
    let cache_writes = [usage.cache_write_5m_tokens, usage.cache_write_1h_tokens, usage.cache_write_other_tokens];
    let more = |object: &mut JsonObject<'_>, audio: u64, images: u64| {
        for (name, tokens) in [("audio_tokens", audio), ("image_tokens", images)] {
            if tokens > 0 {
                object.number(name, tokens);
            }
        }
    };
    object.number("input_tokens", usage.input());
    object.object("input_tokens_details", |details| {
        details.number("cached_tokens", sum(&cached));
        details.number("cache_write_tokens", sum(&cache_writes));
        more(details, usage.input_audio_tokens, usage.input_image_tokens);
    });
    object.number("output_tokens", usage.output());
    object.object("output_tokens_details", |details| {
        details.number("reasoning_tokens", usage.reasoning_tokens);
        more(details, usage.output_audio_tokens, usage.output_image_tokens);
    });
    object.number("total_tokens", usage.input().saturating_add(usage.output()));
}
