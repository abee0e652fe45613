//! Token counts read from recorded exchanges are those the provider reported, class by class.
//!
//! The recordings lie in a folder `shared` beside the clone; without it the test says so and passes.

#![expect(clippy::disallowed_methods, clippy::expect_used, reason = "a test reads recordings, and may fail")]

use std::path::Path;

use fastgate_core::dialects::Dialect;
use fastgate_core::sse::{Splitter, event_data};
use fastgate_core::usage::Usage;
use serde_json::Value;

fn recordings(name: &str) -> Option<Vec<Value>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/wire/exchanges").join(name);
    let Ok(text) = std::fs::read_to_string(&file) else {
        eprintln!("skipped: no recorded data, {name} is not beside this clone");
        return None;
    };
    Some(text.lines().map(|line| serde_json::from_str(line).expect("a recording is JSON")).collect())
}

/// What the gateway reads from an answer, whole or streamed.
fn read(dialect: Dialect, response: &Value) -> Option<Usage> {
    let Some(stream) = response["sse"].as_str() else {
        return dialect.read_answer(response["json"].to_string().as_bytes()).expect("an object").usage;
    };
    let (mut reader, mut splitter) = (dialect.stream_reader(1), Splitter::default());
    let mut rest = stream.as_bytes();
    while let Some(border) = splitter.next_border(rest) {
        if let Some(data) = event_data(&rest[..border]) {
            reader.read(&data);
        }
        rest = &rest[border..];
    }
    reader.usage()
}

/// The usage as it is written in the answer: that of the last event that has one.
fn reported(response: &Value) -> Option<Value> {
    let found = |value: &Value| {
        let usage = value.get("usage").or_else(|| value.get("response")?.get("usage"))?;
        usage.is_object().then(|| usage.clone())
    };
    let Some(stream) = response["sse"].as_str() else { return found(&response["json"]) };
    let data = stream.lines().filter_map(|line| line.strip_prefix("data:"));
    data.rev().find_map(|data| found(&serde_json::from_str(data.trim()).ok()?))
}

fn count(usage: &Value, path: &str) -> u64 {
    usage.pointer(path).and_then(Value::as_u64).unwrap_or(0)
}

#[test]
fn responses() {
    let Some(recordings) = recordings("openai-responses.jsonl") else { return };
    let mut counted = 0;
    for recording in recordings.iter().filter(|recording| recording["response"]["status"] == 200) {
        let (read, reported) =
            (read(Dialect::OpenaiResponses, &recording["response"]), reported(&recording["response"]));
        let Some(reported) = reported else {
            assert_eq!(read, None, "{}", recording["id"]);
            continue;
        };
        let read = read.expect("counts");
        let cached = count(&reported, "/input_tokens_details/cached_tokens");
        let written = count(&reported, "/input_tokens_details/cache_write_tokens");
        let reasoning = count(&reported, "/output_tokens_details/reasoning_tokens");
        let expected = Usage {
            input_tokens: count(&reported, "/input_tokens") - cached - written,
            cache_read_tokens: cached,
            cache_write_other_tokens: written,
            output_tokens: count(&reported, "/output_tokens") - reasoning,
            reasoning_tokens: reasoning,
            ..Usage::default()
        };
        assert_eq!(read, expected, "{}", recording["id"]);
        counted += 1;
    }
    assert!(counted > 100, "{counted} recordings have counts");
}

#[test]
fn embeddings() {
    let Some(recordings) = recordings("openai-embeddings.jsonl") else { return };
    let dialect = Dialect::OpenaiPlain { default_model: None };
    for recording in recordings.iter().filter(|recording| recording["response"]["status"] == 200) {
        let reported = reported(&recording["response"]).expect("counts");
        let input_tokens = count(&reported, "/total_tokens");
        let expected = Some(Usage { input_tokens, ..Usage::default() });
        assert_eq!(read(dialect, &recording["response"]), expected, "{}", recording["id"]);
    }
}

#[test]
fn completions() {
    let Some(recordings) = recordings("openai-completions.jsonl") else { return };
    for recording in recordings.iter().filter(|recording| recording["response"]["status"] == 200) {
        let expected = reported(&recording["response"]).map(|reported| Usage {
            input_tokens: count(&reported, "/prompt_tokens"),
            output_tokens: count(&reported, "/completion_tokens"),
            ..Usage::default()
        });
        assert_eq!(read(Dialect::OpenaiCompletions, &recording["response"]), expected, "{}", recording["id"]);
    }
}
