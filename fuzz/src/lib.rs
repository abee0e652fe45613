//! What is fuzzed, and what must hold whatever comes: a function for each target.
//!
//! `make fuzz` drives them with libFuzzer; `rust/engine/tests/fuzz.rs` drives the same functions with a generator of
//! its own, so that every test run on a stable toolchain has some of it.

use std::borrow::Cow;

use bytes::Bytes;
use fastgate_core::cache::key::{IGNORED_FIELDS, cache_key};
use fastgate_core::deviations::Deviations;
use fastgate_core::dialects::openai_chat;
use fastgate_core::dialects::splice::splice;
use fastgate_core::json::Object;
use fastgate_core::json_view::View;
use fastgate_core::keys;
use fastgate_core::neutral::{Format, Target, check};
use fastgate_core::resilience::classify::{ErrorDialect, Facts, Headers, classify, classify_event};
use fastgate_core::routing::{Needs, Preferences};
use fastgate_core::sse::{Event, EventReader, Splitter, event_data};
use fastgate_core::tables::Capability;
use fastgate_core::translators::{self, Replying, StreamTranslator, foreign};
use fastgate_engine::body::RequestBody;
use fastgate_engine::doors::queue::read_request;

const DEPTH_LIMIT: usize = 64;

/// A stream of events, cut by its own first bytes: nothing is lost, and cuts make no difference.
pub fn sse(input: &[u8]) {
    let Some((cuts, stream)) = input.split_at_checked(4) else { return };
    let whole = events(&[stream]);
    let mut borders: Vec<usize> = cuts.iter().map(|cut| usize::from(*cut).min(stream.len())).collect();
    borders.extend([0, stream.len()]);
    borders.sort_unstable();
    let pieces: Vec<&[u8]> = borders.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
    assert_eq!(events(&pieces), whole, "cuts change what is read");

    let mut splitter = Splitter::default();
    let (mut rest, mut reader) = (stream, openai_chat::StreamReader::new(1));
    let mut texts = 0;
    while let Some(border) = splitter.next_border(rest) {
        assert!(border > 0 && border <= rest.len());
        let data = event_data(&rest[..border]);
        texts += usize::from(data.is_some());
        reader.read(&data.unwrap_or(Cow::Borrowed(b"")));
        rest = &rest[border..];
    }
    // A byte order mark within a stream is part of a field's name to one reader and skipped by the other.
    assert!(stream.windows(3).any(|bytes| bytes == "\u{feff}".as_bytes()) || texts == whole.len());
}

fn events(pieces: &[&[u8]]) -> Vec<Event> {
    let (mut reader, mut events) = (EventReader::new(1 << 20), Vec::new());
    for piece in pieces {
        reader.feed(piece, |event| events.push(event)).expect("an input is below the limit");
    }
    events
}

/// A request body: the reader accepts only what a strict parser accepts, and one meaning has one cache key. What it accepts
/// could be an answer too.
pub fn json(input: &[u8]) {
    let read = Object::read(input, DEPTH_LIMIT);
    let key = cache_key(input, b"tenant", None, &IGNORED_FIELDS, DEPTH_LIMIT);
    assert_eq!(read.is_ok(), key.is_ok(), "the two disagree on what is an object");
    let answer = openai_chat::read_answer(input);
    let Ok(object) = read else { return };
    assert!(answer.is_some(), "the reader of answers asks for less");
    let text = std::str::from_utf8(input).expect("read as UTF-8");
    if let Ok(request) = openai_chat::read_request(input, DEPTH_LIMIT) {
        let spliced = splice(input, &mut [request.rename("another")]);
        let again = openai_chat::read_request(&spliced, DEPTH_LIMIT).expect("only the model changed");
        assert_eq!(again.model, "another");
    }
    // It refuses lone surrogates and numbers out of range, which are JSON nevertheless.
    let Ok(parsed) = serde_json::from_str::<serde_json::Value>(text) else { return };
    for (name, value) in parsed.as_object().expect("read as an object") {
        let span = object.get(name).expect("a field that the other parser saw").span;
        let found: serde_json::Value = serde_json::from_str(&text[span]).expect("a value of its own");
        assert_eq!(&found, value);
    }
    // Numbers keep their text in the key and lose it in a value, so only bodies without any can be compared.
    if !text.bytes().any(|byte| byte.is_ascii_digit()) {
        let rewritten = cache_key(parsed.to_string().as_bytes(), b"tenant", None, &IGNORED_FIELDS, DEPTH_LIMIT);
        assert_eq!(key, rewritten);
    }
}

/// A request's head, one `name: value` a line after the target: read or refused, and a key is part of its header.
pub fn headers(input: &[u8]) {
    let mut lines = input.split(|byte| *byte == b'\n');
    let target = lines.next().unwrap_or_default();
    let (path, query) = target.split_at(target.iter().position(|byte| *byte == b'?').unwrap_or(target.len()));
    let pairs: Vec<(&[u8], &[u8])> = lines
        .map(|line| line.split_at(line.iter().position(|byte| *byte == b':').unwrap_or(line.len())))
        .map(|(name, value)| (name, value.strip_prefix(b":").unwrap_or(value)))
        .collect();
    for (_, value) in &pairs {
        if let Some(key) = keys::bearer(value) {
            assert!(value.ends_with(key) || value.trim_ascii_end().ends_with(key));
            assert_eq!(key, key.trim_ascii());
        }
    }
    if let Ok(request) = read_request("POST", path, query, pairs.iter().copied(), RequestBody::Whole(Bytes::new())) {
        assert_eq!(request.headers().len(), pairs.len());
        assert!(request.uri().path().starts_with('/'));
        for value in request.headers().values() {
            assert!(!value.as_bytes().iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
        }
    }
}

/// What a request says of where it may go: its preferences in the first line, its body in the rest.
pub fn routing(input: &[u8]) {
    let (line, body) = split_line(input);
    if let Ok(text) = std::str::from_utf8(line)
        && let Ok(preferences) = Preferences::parse(text)
    {
        let mut names = preferences.order.iter().chain(&preferences.ignore).chain(&preferences.only);
        assert!(names.all(|name| text.contains(name)), "a name that nobody gave");
    }
    let read = Needs::read(body, DEPTH_LIMIT, |bytes| bytes);
    assert!(Object::read(body, DEPTH_LIMIT).is_err() || read.is_ok(), "what is an object has needs");
    if let Ok(needs) = read
        && Needs::is_text_alone(body)
    {
        let beyond_text =
            [Capability::ImageInput, Capability::AudioInput, Capability::AudioOutput, Capability::FileInput];
        assert!(!needs.capabilities.intersects(beyond_text.into_iter().collect()), "it is not text alone");
    }
}

/// What a provider says when it fails: dialect and status in two bytes, the value of every header in the first line, the
/// body in the rest. Nothing of it may pass on but a plain word.
pub fn failures(input: &[u8]) {
    struct Everywhere<'a>(&'a [u8]);
    impl Headers for Everywhere<'_> {
        fn get(&self, _: &str) -> Option<&[u8]> {
            Some(self.0)
        }
    }
    let Some(([dialect, status], rest)) = input.split_first_chunk() else { return };
    let dialect = ErrorDialect::ALL[usize::from(*dialect) % ErrorDialect::ALL.len()];
    let (line, body) = split_line(rest);
    // From 200 to 710: successes that are none, and all that fails.
    let facts = Facts { status: 200 + 2 * u16::from(*status), body, headers: &Everywhere(line), now_unix_ms: 1 << 40 };
    for classified in [classify(dialect, &facts), classify_event(dialect, body, 1 << 40)] {
        if let Some(code) = classified.code {
            let is_plain = code.bytes().all(|byte| byte.is_ascii_graphic());
            assert!((1..=64).contains(&code.len()) && is_plain, "not a plain word: {code}");
        }
    }
}

/// What clients and providers say in any dialect, for any other: formats in the first two bytes, a body or the data of an
/// event in each line. Whatever is understood is written as JSON that its own dialect understands again.
pub fn translation(input: &[u8]) {
    const FORMATS: [Format; 4] = [Format::OpenaiChat, Format::OpenaiResponses, Format::Anthropic, Format::Gemini];
    let Some(([from, to], rest)) = input.split_first_chunk() else { return };
    let (from, to) = (FORMATS[usize::from(from % 4)], FORMATS[usize::from(to % 4)]);
    let replying = Replying {
        fallback_id: "id",
        fallback_model: "model",
        now_unix_s: 1,
        includes_usage: true,
        is_json_array: false,
        request: None,
    };
    let (mut translator, mut frames) = (StreamTranslator::new(from, to, &replying), Vec::new());
    for line in rest.split(|byte| *byte == b'\n') {
        translate_request(line, from, to);
        pass_request(line, from);
        let Ok(view) = View::read_answer(line, DEPTH_LIMIT) else { continue };
        translator.read(view, &mut frames);
        let mut room = None;
        let view = translators::normal_answer(from, view, &mut room);
        if let Some(answer) = translators::read_answer(from, view) {
            let written = translators::write_answer(to, &answer, &replying);
            assert!(View::read_answer(&written, 2 * DEPTH_LIMIT).is_ok(), "an answer that is no JSON");
        }
    }
    translator.end(&mut frames);
    for line in frames.split(|byte| *byte == b'\n') {
        let data = line.strip_prefix(b"data: ").map(<[u8]>::trim_ascii).filter(|data| data != b"[DONE]");
        assert!(data.is_none_or(|data| View::read_answer(data, 2 * DEPTH_LIMIT).is_ok()), "an event that is no JSON");
    }
}

fn translate_request(body: &[u8], from: Format, to: Format) {
    let Ok(view) = View::read(body, DEPTH_LIMIT) else { return };
    let mut room = None;
    let view = translators::normal_request(from, view, &mut room);
    let Ok(request) = translators::read_request(from, view) else { return };
    if check(&request, from, to).is_err() {
        return;
    }
    let target = Target { model: "model", output_tokens: None, reasoning: None };
    if let Ok(written) = translators::write_request(to, &request, &target) {
        let again = View::read_answer(&written, 2 * DEPTH_LIMIT).expect("a request that is no JSON");
        assert!(translators::read_request(to, again).is_ok(), "a request that its own dialect does not understand");
    }
}

/// What is spliced out of a request that passes as it is leaves valid JSON, and nothing to be spliced out again.
fn pass_request(body: &[u8], format: Format) {
    if View::read(body, DEPTH_LIMIT).is_err() {
        return;
    }
    let rules = r#"{"renames": [["max_tokens", "max_completion_tokens"]], "drops": ["user", "messages.name"],
        "drops_reasoning": ["temperature"], "one_of": [["temperature", "top_p"]]}"#;
    let rules: Deviations = serde_json::from_str(rules).expect("rules");
    let fitted = |body: &[u8]| {
        let own = splice(body, &mut foreign::changes(format, body));
        rules.fit(&own).0.unwrap_or(own)
    };
    let once = fitted(body);
    assert!(View::read(&once, DEPTH_LIMIT).is_ok(), "a request that is no JSON");
    assert_eq!(fitted(&once), once);
}

fn split_line(input: &[u8]) -> (&[u8], &[u8]) {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    (&input[..end], input.get(end + 1..).unwrap_or_default())
}
