//! What was recorded of a format: requests, answers and streams as they were written.

#![expect(clippy::disallowed_methods, reason = "tests read recordings")]

use std::path::Path;

use super::DEPTH_LIMIT;
use crate::json_view::View;
use crate::neutral::Format;

/// Recordings of one format.
#[derive(Default)]
pub(super) struct Recordings {
    pub(super) requests: Vec<Recorded>,
    pub(super) answers: Vec<Recorded>,
    pub(super) streams: Vec<Recorded>,
}

/// One of them.
pub(super) struct Recorded {
    pub(super) name: String,
    pub(super) body: String,
}

/// Those of a format; `None`, which is said, where there are none beside this clone.
pub(super) fn recordings(format: Format) -> Option<Recordings> {
    let wire = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/wire");
    let Ok(index) = std::fs::read_to_string(wire.join("INDEX.json")) else {
        eprintln!("skipped: no recorded data beside this clone");
        return None;
    };
    let dialect = match format {
        Format::OpenaiChat => "openai-chat",
        Format::OpenaiResponses => "openai-responses",
        Format::Anthropic => "anthropic-messages",
        Format::Gemini => "gemini",
    };
    let mut recordings = Recordings::default();
    let exchanges = std::fs::read_to_string(wire.join(format!("exchanges/{dialect}.jsonl"))).expect("exchanges");
    exchanges.lines().for_each(|line| recordings.add_exchange(line));
    let index = View::read_answer(index.as_bytes(), DEPTH_LIMIT).expect("an index");
    for entry in index.get("entries").map(View::elements).unwrap_or_default() {
        let word = |name| entry.get(name).and_then(View::decoded).unwrap_or_default();
        if word("dialect") == dialect {
            let text = std::fs::read_to_string(wire.join("..").join(word("file").as_ref())).expect("a recording");
            let is_stream = entry.get("streaming").and_then(View::as_bool) == Some(true);
            recordings.add_file(&word("file"), &word("direction"), is_stream, &text);
        }
    }
    Some(recordings)
}

impl Recordings {
    fn add_exchange(&mut self, line: &str) {
        let exchange = View::read_answer(line.as_bytes(), DEPTH_LIMIT).expect("a recording is JSON");
        let name = exchange.get("id").and_then(View::decoded).expect("an id").into_owned();
        let member = |side: &str, name: &str| exchange.get(side).and_then(|side| side.get(name));
        let recorded = |body: &str| Recorded { name: name.clone(), body: body.to_owned() };
        self.requests.extend(member("request", "json").map(|json| recorded(json.raw())));
        self.answers.extend(member("response", "json").map(|json| recorded(json.raw())));
        let stream = member("response", "sse").and_then(View::decoded);
        self.streams.extend(stream.map(|stream| recorded(&stream)));
    }

    fn add_file(&mut self, name: &str, direction: &str, is_stream: bool, text: &str) {
        let recorded = |body: String| Recorded { name: name.to_owned(), body };
        let is_json = || View::read_answer(text.as_bytes(), DEPTH_LIMIT).is_ok();
        match direction {
            "request" => self.requests.push(recorded(text.to_owned())),
            "response" if is_stream && Path::new(name).extension().is_some_and(|own| own == "jsonl") => {
                let frames = text.lines().map(|line| format!("data: {line}\n\n"));
                self.streams.push(recorded(frames.collect()));
            }
            // What ends without an empty line is cut by whoever recorded it, not by the provider.
            "response" if is_stream => self.streams.push(recorded(format!("{}\n\n", text.trim_end()))),
            "response" if is_json() => self.answers.push(recorded(text.to_owned())),
            "exchange-stub" => {
                let stub = View::read_answer(text.as_bytes(), DEPTH_LIMIT).expect("a stub is JSON");
                let body = stub.get("response").and_then(|response| response.get("jsonBody"));
                self.answers.extend(body.map(|body| recorded(body.raw().to_owned())));
            }
            _ => {}
        }
    }
}
