//! What the classifier makes of provider errors: those that vendors document (`provider_errors.json`), those that were
//! recorded or written for the project (beside the clone; without them a test says so and passes), and any bytes.

#![expect(clippy::disallowed_methods, clippy::expect_used, reason = "a test reads recordings, and may fail")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fastgate_core::dialects::{Dialect, EventClass};
use fastgate_core::resilience::actions::TABLE;
use fastgate_core::resilience::classify::{
    Classified, ErrorDialect, Facts, HEADERS, Headers, classify, classify_event,
};
use fastgate_core::resilience::{Action, Verdict};
use fastgate_core::sse::{Splitter, event_data};
use proptest::prelude::*;
use serde_json::{Value, json};

/// 2026-01-01T00:00:00Z.
const NOW_MS: u64 = 1_767_225_600_000;

struct Fields(Vec<(String, Vec<u8>)>);

impl Fields {
    fn of(headers: &Value) -> Self {
        let headers = headers.as_object().into_iter().flatten();
        let text = |value: &Value| value.as_str().expect("a header's value").as_bytes().to_vec();
        Self(headers.map(|(name, value)| (name.to_ascii_lowercase(), text(value))).collect())
    }
}

impl Headers for Fields {
    fn get(&self, name: &str) -> Option<&[u8]> {
        assert!(HEADERS.contains(&name), "{name} is not among the headers that are kept");
        self.0.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_slice())
    }
}

fn word(action: Action) -> &'static str {
    match action {
        Action::Wait => "wait",
        Action::Move => "move",
        Action::Stop => "stop",
        Action::DisableKey => "disable_key",
    }
}

/// The body of a response, as it went over the wire.
fn body(response: &Value) -> Vec<u8> {
    match (response.get("json").or_else(|| response.get("jsonBody")), &response["text"]) {
        (Some(json), _) => json.to_string().into_bytes(),
        (None, text) => text.as_str().unwrap_or_default().as_bytes().to_vec(),
    }
}

fn judge(dialect: ErrorDialect, response: &Value) -> Classified {
    let headers = Fields::of(&response["headers"]);
    let status = response["status"].as_u64().and_then(|status| u16::try_from(status).ok()).expect("a status");
    classify(dialect, &Facts { status, body: &body(response), headers: &headers, now_unix_ms: NOW_MS })
}

fn documented() -> Vec<(ErrorDialect, Value)> {
    let cases: Vec<Value> = serde_json::from_str(include_str!("provider_errors.json")).expect("JSON");
    let dialect = |case: &Value| {
        let name = case["dialect"].as_str().expect("a dialect");
        *ErrorDialect::ALL.iter().find(|dialect| dialect.name() == name).expect("a known dialect")
    };
    cases.into_iter().map(|case| (dialect(&case), case)).collect()
}

fn judge_documented(dialect: ErrorDialect, case: &Value) -> Classified {
    if case["event"] == true { classify_event(dialect, &body(case), NOW_MS) } else { judge(dialect, case) }
}

#[test]
fn documented_errors() {
    let mut wrong = Vec::new();
    let cases = documented();
    for (dialect, case) in &cases {
        let Classified { verdict: Verdict { action, reason, pause_ns }, code, context_tokens, needed_tokens, row } =
            judge_documented(*dialect, case);
        let pause_ms = case["pause_ms"].as_f64().map(|ms| std::time::Duration::from_secs_f64(ms / 1e3));
        let is = json!([word(action), reason.name(), code, context_tokens, needed_tokens]);
        let expected =
            json!([case["action"], case["reason"], case["code"], case["context_tokens"], case["needed_tokens"]]);
        let pause = pause_ns.map(std::time::Duration::from_nanos);
        if is != expected || pause != pause_ms {
            wrong.push(format!(
                "{}: {is} {pause:?} instead of {expected} {pause_ms:?} ({})",
                case["id"], TABLE[row].what
            ));
        }
        assert!(case["source"].as_str().is_some_and(|source| source.len() > 8), "{}", case["id"]);
    }
    assert!(wrong.is_empty(), "{}\n{} of {}", wrong.join("\n"), wrong.len(), cases.len());
    let ids: BTreeSet<String> = cases.iter().map(|(_, case)| case["id"].to_string()).collect();
    assert_eq!(ids.len(), cases.len(), "an id occurs twice");
}

/// A row without a case is one that nobody has seen decide.
#[test]
fn every_row_decides_a_documented_error() {
    let decided: BTreeSet<usize> =
        documented().iter().map(|(dialect, case)| judge_documented(*dialect, case).row).collect();
    let idle: Vec<&str> = (0..TABLE.len()).filter(|row| !decided.contains(row)).map(|row| TABLE[row].what).collect();
    assert!(idle.is_empty(), "{idle:#?}");
}

fn shared(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/wire").join(name);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: no recorded data, {name} is not beside this clone");
    None
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("a file");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn dialect_of(recording: &Value) -> ErrorDialect {
    let name = recording["dialect"].as_str().expect("a dialect");
    let known = ErrorDialect::ALL.iter().find(|dialect| name.split('-').next() == Some(dialect.name()));
    *known.expect("a known dialect")
}

/// What the classifier makes of a response with an error, wherever in it that stands; `None`: it has none.
fn judge_recorded(recording: &Value) -> Option<Classified> {
    let (dialect, response) = (dialect_of(recording), &recording["response"]);
    if response["status"].as_u64()? >= 300 || !response["json"]["error"].is_null() {
        return Some(judge(dialect, response));
    }
    if dialect == ErrorDialect::Gemini && !response["json"].is_null() {
        return Some(judge(dialect, response)).filter(|judged| judged.verdict.action == Action::Stop);
    }
    if let Some(frames) = response["eventstream_base64"].as_str() {
        let data = exception_of(&STANDARD.decode(frames).expect("base64"))?;
        return Some(classify_event(dialect, data.to_string().as_bytes(), NOW_MS));
    }
    let data = error_event(recording["dialect"].as_str()?, response["sse"].as_str()?.as_bytes())?;
    Some(classify_event(dialect, &data, NOW_MS))
}

/// The data of the first event that reports an error.
fn error_event(dialect: &str, stream: &[u8]) -> Option<Vec<u8>> {
    let mut reader = match dialect {
        "openai-responses" => Dialect::OpenaiResponses.stream_reader(1),
        _ => Dialect::OpenaiChat.stream_reader(1),
    };
    let (mut splitter, mut rest) = (Splitter::default(), stream);
    while let Some(border) = splitter.next_border(rest) {
        if let Some(data) = event_data(&rest[..border]) {
            let is_error = match dialect {
                "anthropic-messages" => {
                    serde_json::from_slice::<Value>(&data).map_or(true, |event| event["type"] == "error")
                }
                _ => reader.read(&data).class == EventClass::Error,
            };
            if is_error {
                return Some(data.into_owned());
            }
        }
        rest = &rest[border..];
    }
    None
}

/// The exception in an AWS event stream, under its name. A frame is lengths of itself and of its headers, a checksum,
/// headers (name, kind 7, text), data, a checksum.
fn exception_of(mut frames: &[u8]) -> Option<Value> {
    let number = |bytes: &[u8], at: usize, size: usize| {
        bytes.get(at..at + size).map(|bytes| bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
    };
    loop {
        let (total, headers) = (number(frames, 0, 4)?, number(frames, 4, 4)?);
        let frame = frames.get(..total)?;
        let mut at = 12;
        while at < 12 + headers {
            let name = frame.get(at + 1..)?.get(..number(frame, at, 1)?)?;
            at += 1 + name.len() + 1;
            let value = frame.get(at + 2..)?.get(..number(frame, at, 2)?)?;
            at += 2 + value.len();
            if name == b":exception-type" {
                let data: Value = serde_json::from_slice(frame.get(12 + headers..total - 4)?).expect("JSON");
                return Some(json!({ std::str::from_utf8(value).expect("a name"): data }));
            }
        }
        frames = &frames[total..];
    }
}

#[test]
fn errors_written_for_the_project() {
    let Some(path) = shared("errors.jsonl") else { return };
    let (mut judged, mut wrong) = (0, Vec::new());
    for recording in lines(&path) {
        let Some(Classified { verdict, row, .. }) = judge_recorded(&recording) else { continue };
        judged += 1;
        let agrees = match recording["action"].as_str().expect("an action") {
            "none" => verdict.action == Action::Stop,
            "fallback" => matches!(verdict.action, Action::Move | Action::DisableKey),
            "retry-or-fallback" => verdict.action == Action::Wait,
            other => panic!("{other}"),
        };
        if !agrees {
            wrong.push(format!("{} ({}): {verdict:?}, {}", recording["id"], recording["what"], TABLE[row].what));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(judged >= 40, "{judged} have an error");
}

/// What happened to somebody; who looked at each of these says what is to be done about it.
#[test]
fn recorded_errors() {
    let Some(folder) = shared("exchanges") else { return };
    let mut judged = Vec::new();
    for file in std::fs::read_dir(folder).expect("a folder") {
        for recording in lines(&file.expect("a file").path()) {
            if let Some(Classified { verdict, .. }) = judge_recorded(&recording) {
                let status = recording["response"]["status"].as_u64().expect("a status");
                let action = (word(verdict.action), verdict.reason.name());
                judged.push((recording["id"].as_str().expect("an id").to_owned(), status, action));
            }
        }
    }
    for (id, status, action) in &judged {
        let is_sane = match status {
            200 => [("stop", "content_filtered"), ("wait", "bad_request")].contains(action),
            404 => *action == ("move", "model_not_found"),
            401 => *action == ("disable_key", "credentials_refused"),
            429 => *action == ("wait", "rate_limited"),
            400 => {
                let known = [("stop", "bad_request"), ("move", "model_not_found"), ("wait", "bad_request")];
                known.contains(action)
            }
            _ => false,
        };
        assert!(is_sane, "{id}: {status} {action:?}");
    }
    let count = |action| judged.iter().filter(|(_, _, is)| *is == action).count();
    assert!(judged.len() >= 25, "{} have an error", judged.len());
    assert_eq!(count(("wait", "bad_request")), 2, "two models called a tool wrongly");
    assert_eq!(judged.iter().filter(|(_, status, is)| *status == 400 && is.1 == "model_not_found").count(), 3);
}

#[test]
fn stubs_of_other_gateways() {
    let stubs = [
        ("helicone/openai/rate_limit.json", ErrorDialect::Openai, ("wait", "rate_limited", Some(2_000_000_000))),
        ("helicone/anthropic/messages_error.json", ErrorDialect::Anthropic, ("wait", "server_error", None)),
    ];
    for (name, dialect, expected) in stubs {
        let Some(path) = shared(name) else { return };
        let stub: Value = serde_json::from_str(&std::fs::read_to_string(path).expect("a file")).expect("JSON");
        let Verdict { action, reason, pause_ns } = judge(dialect, &stub["response"]).verdict;
        assert_eq!((word(action), reason.name(), pause_ns), expected, "{name}");
    }
}

proptest! {
    #[test]
    fn any_bytes_get_a_verdict_and_none_of_them_come_out(
        status in any::<u16>(),
        body in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..200),
            "\\PC{0,80}".prop_map(String::into_bytes),
            "[\\[\\]{}\":,0-9a-z ]{0,60}".prop_map(String::into_bytes),
        ],
        values in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), HEADERS.len()),
        now_unix_ms in any::<u64>(),
        dialect in 0..ErrorDialect::ALL.len(),
    ) {
        let names = HEADERS.iter().map(|name| (*name).to_owned());
        let headers = Fields(names.zip(values).collect());
        let dialect = ErrorDialect::ALL[dialect];
        let facts = Facts { status, body: &body, headers: &headers, now_unix_ms };
        for judged in [classify(dialect, &facts), classify_event(dialect, &body, now_unix_ms)] {
            prop_assert!(judged.row < TABLE.len());
            prop_assert!(judged.verdict.action != Action::Stop || judged.verdict.pause_ns.is_none());
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
            prop_assert!(judged.code.is_none_or(|code| (1..=64).contains(&code.len()) && code.bytes().all(is_plain)));
        }
    }

    /// An error cut anywhere, or with any byte changed, is still judged, and never worse than by its status.
    #[test]
    fn broken_bodies_get_a_verdict(case in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let cases = documented();
        let (dialect, case) = &cases[case.index(cases.len())];
        let whole = body(case);
        prop_assume!(!whole.is_empty());
        let at = at.index(whole.len());
        let mut changed = whole.clone();
        changed[at] = byte;
        let headers = Fields::of(&case["headers"]);
        let status = case["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(200);
        for body in [&whole[..at], &changed[..]] {
            let judged = classify(*dialect, &Facts { status, body, headers: &headers, now_unix_ms: NOW_MS });
            prop_assert!(judged.row < TABLE.len());
            prop_assert!(classify_event(*dialect, body, NOW_MS).row < TABLE.len());
        }
    }
}
