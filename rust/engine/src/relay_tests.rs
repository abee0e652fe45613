use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::gateway::Shared;
use crate::snapshot::Environment;
use crate::worker::Worker;

const ROLE: &str = r#"{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}"#;
const TEXT: &str = r#"{"choices":[{"index":0,"delta":{"content":"héllo ☃"}}]}"#;
const STOP: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;

fn chat() -> StreamReader {
    fastgate_core::dialects::Dialect::OpenaiChat.stream_reader(1)
}

fn request_id() -> RequestId {
    let tables = crate::testing::tables(&serde_json::json!({}));
    let shared = Shared::new(tables, Environment::from_process(), None).expect("prepared");
    let counts = shared.add_counts();
    Worker::new(Arc::clone(&shared), counts).request_id()
}

/// Passes a stream through in the given chunks; what the client gets, and the outcome.
fn pass(chunks: &[&[u8]], mut failure: Option<Failure>) -> (Vec<u8>, Outcome) {
    let mut events = Events::new(chat(), 10_000, false, Arc::default());
    let mut sent = Vec::new();
    for chunk in chunks {
        let (whole, stopped) = events.take_in(Bytes::copy_from_slice(chunk));
        sent.extend_from_slice(&whole);
        if stopped.is_some() {
            failure = stopped;
            break;
        }
    }
    let (closing, outcome) = events.close(failure, request_id());
    sent.extend_from_slice(&closing);
    (sent, outcome)
}

fn stream(events: &[&str], line_end: &str) -> String {
    events.iter().fold(String::new(), |text, event| text + "data: " + event + line_end + line_end)
}

fn error_count(sent: &[u8]) -> usize {
    memchr::memmem::find_iter(sent, br#"data: {"error":"#).count()
}

#[test]
fn adds_only_a_missing_end_mark() {
    let unfinished = stream(&[ROLE, TEXT, STOP], "\n");
    let (sent, outcome) = pass(&[unfinished.as_bytes()], None);
    assert_eq!(sent, format!("{unfinished}data: [DONE]\n\n").as_bytes());
    assert_eq!(outcome, Outcome::Answered);
    // A last event without its empty line is still an event.
    let open_end = unfinished.trim_end();
    let (sent, outcome) = pass(&[open_end.as_bytes()], None);
    assert_eq!(sent, format!("{open_end}\n\ndata: [DONE]\n\n").as_bytes());
    assert_eq!(outcome, Outcome::Answered);
    let open_mark = format!("{unfinished}data: [DONE]");
    assert_eq!(pass(&[open_mark.as_bytes()], None), (open_mark.into_bytes(), Outcome::Answered));
}

#[test]
fn a_provider_that_reports_an_error_is_passed_on_and_nothing_added() {
    let text = stream(&[ROLE, TEXT, r#"{"error":{"message":"overloaded"}}"#], "\n");
    assert_eq!(pass(&[text.as_bytes()], None), (text.into_bytes(), Outcome::ProviderError));
}

#[test]
fn an_event_beyond_the_limit_is_refused() {
    let mut events = Events::new(chat(), 10, false, Arc::default());
    assert_eq!(events.take_in(Bytes::from_static(b"data: aaaa")).1, None);
    let (_, failure) = events.take_in(Bytes::from_static(b"a"));
    assert_eq!(failure.expect("too large").cause, Cause::ProviderFailed);
}

#[test]
fn a_failure_after_the_end_changes_nothing() {
    let text = stream(&[ROLE, TEXT, STOP, "[DONE]"], "\n");
    let failure = Failure::new(Cause::ProviderTimeout, "late");
    assert_eq!(pass(&[text.as_bytes()], Some(failure)), (text.into_bytes(), Outcome::Answered));
}

#[test]
fn the_end_mark_of_an_unfinished_answer_is_kept_back() {
    for end in ["data: [DONE]\n\n", "data: [DONE]"] {
        let text = stream(&[ROLE, TEXT], "\n") + end;
        let (sent, outcome) = pass(&[text.as_bytes()], None);
        assert_eq!(outcome, Outcome::Failed(Cause::StreamCut));
        assert_eq!(error_count(&sent), 1);
        assert!(memchr::memmem::find(&sent, b"[DONE]").is_none());
    }
}

#[test]
fn an_error_event_never_quotes_a_credential() {
    let credential = fastgate_core::tables::Credential {
        secret: "sk-provider".into(),
        weight: 1,
        limits: fastgate_core::tables::limits::Capacity::default(),
    };
    for end in ["\n\n", ""] {
        let mut events = Events::new(chat(), 10_000, false, Arc::new(Secrets::new(std::slice::from_ref(&credential))));
        let text = format!(r#"data: {{"error":{{"message":"bad key sk-provider"}}}}{end}"#);
        let (sent, _) = events.take_in(Bytes::from(text));
        let (closing, outcome) = events.close(None, request_id());
        let sent = [sent, closing].concat();
        assert_eq!(outcome, Outcome::ProviderError);
        assert!(memchr::memmem::find(&sent, b"bad key [redacted]").is_some());
    }
}

proptest! {
    /// However the network cuts a whole stream, the client gets the provider's bytes.
    #[test]
    fn a_whole_stream_passes_byte_for_byte(
        line_end in prop_oneof![Just("\n"), Just("\r\n"), Just("\r")],
        pings in proptest::collection::vec(any::<bool>(), 4),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..10),
    ) {
        let mut text = String::new();
        for (event, ping) in [ROLE, TEXT, STOP, "[DONE]"].iter().zip(pings) {
            if ping {
                text = text + ": ping" + line_end + line_end;
            }
            text = text + "data: " + event + line_end + line_end;
        }
        let chunks = cut(text.as_bytes(), &cuts);
        prop_assert_eq!(pass(&chunks, None), (text.clone().into_bytes(), Outcome::Answered));
    }

    /// Wherever a stream is cut off before its finish reason, the client gets whole events and one error, never an
    /// end mark.
    #[test]
    fn a_cut_stream_never_looks_complete(
        at in any::<proptest::sample::Index>(),
        cuts in proptest::collection::vec(any::<proptest::sample::Index>(), 0..4),
    ) {
        let text = stream(&[ROLE, TEXT, STOP, "[DONE]"], "\n");
        let finish = text.find(r#""finish_reason":"stop""#).expect("present");
        let received = &text.as_bytes()[..at.index(finish)];
        let (sent, outcome) = pass(&cut(received, &cuts), None);
        prop_assert_eq!(outcome, Outcome::Failed(Cause::StreamCut));
        prop_assert_eq!(error_count(&sent), 1);
        prop_assert!(memchr::memmem::find(&sent, b"[DONE]").is_none());
        let whole = sent.len() - memchr::memmem::rfind(&sent, br#"data: {"error":"#).map_or(0, |at| sent.len() - at);
        prop_assert!(text.as_bytes().starts_with(sent[..whole].trim_ascii_end()));
    }
}

fn cut<'a>(bytes: &'a [u8], cuts: &[proptest::sample::Index]) -> Vec<&'a [u8]> {
    let mut borders: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    borders.sort_unstable();
    let mut chunks = Vec::new();
    let mut start = 0;
    for border in borders {
        chunks.push(&bytes[start..border]);
        start = border;
    }
    chunks.push(&bytes[start..]);
    chunks
}

#[test]
fn counts_that_nobody_asked_for_are_left_out_and_noted() {
    let text = concat!(
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}],\"usage\":null}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}], \"usage\" : null}\r\n\r\n",
        ": ping\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":1}}\n\n",
        "data: [DONE]\n\n",
    );
    let expected = concat!(
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\r\n\r\n",
        ": ping\n\n",
        "data: [DONE]\n\n",
    );
    for chunk_bytes in [1, 7, text.len()] {
        for splices_usage in [true, false] {
            let mut events = Events::new(chat(), 10_000, splices_usage, Arc::default());
            let mut sent = Vec::new();
            for chunk in text.as_bytes().chunks(chunk_bytes) {
                let (whole, failure) = events.take_in(Bytes::copy_from_slice(chunk));
                assert_eq!(failure, None);
                sent.extend_from_slice(&whole);
            }
            let (closing, outcome) = events.close(None, request_id());
            sent.extend_from_slice(&closing);
            assert_eq!(outcome, Outcome::Answered);
            let expected = if splices_usage { expected } else { text };
            assert_eq!(String::from_utf8_lossy(&sent), expected, "in chunks of {chunk_bytes}");
            assert_eq!(events.reader.usage().map(|usage| usage.input_tokens), Some(7));
        }
    }
}
