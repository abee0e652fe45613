use proptest::prelude::*;

use super::*;
use crate::failure::Cause;

fn classes(events: &[&str], choices: u64) -> (Vec<EventClass>, StreamReader) {
    let mut reader = StreamReader::new(choices);
    (events.iter().map(|event| reader.read(event.as_bytes())).collect(), reader)
}

const TEXT: &str = r#"{"candidates":[{"content":{"parts":[{"text":"ab"}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":169,"totalTokenCount":169}}"#;
const CALL: &str = r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{}}}]}}]}"#;
const STOP: &str = r#"{"candidates":[{"content":{"parts":[{"text":""}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":79,"candidatesTokenCount":2,"totalTokenCount":81,"serviceTier":"flex"}}"#;
const SECOND: &str = r#"{"candidates":[{"index":1,"finishReason":"MAX_TOKENS"}]}"#;
const BLOCKED: &str = r#"{"promptFeedback":{"blockReason":"SAFETY"}}"#;
const ERROR: &str = r#"{"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}"#;

#[test]
fn classifies_events() {
    use EventClass::{Content, Error, Preamble, Usage};
    let bare = r#"{"candidates":[{"content":{"parts":[{"text":"","thoughtSignature":"abc"}]}}]}"#;
    let counts = r#"{"usageMetadata":{"promptTokenCount":1}}"#;
    let (found, _) = classes(&[bare, TEXT, CALL, counts, "{}", STOP, ERROR, "<html>", "[1]"], 1);
    assert_eq!(found, [Preamble, Content, Content, Usage, Preamble, Content, Error, Error, Error]);
    assert_eq!(classes(&[BLOCKED], 1).0, [Content]);
}

#[test]
fn a_stream_is_complete_when_every_candidate_is() {
    let completeness = |events: &[&str], choices| classes(events, choices).1.completeness();
    assert_eq!(completeness(&[TEXT, STOP], 1), Completeness::Complete);
    assert_eq!(completeness(&[TEXT, STOP], 2), Completeness::Cut);
    assert_eq!(completeness(&[TEXT, STOP, SECOND], 2), Completeness::Complete);
    assert_eq!(completeness(&[TEXT, SECOND], 2), Completeness::Cut);
    assert_eq!(completeness(&[TEXT], 1), Completeness::Cut);
    assert_eq!(completeness(&[], 1), Completeness::Cut);
    assert_eq!(completeness(&[BLOCKED], 1), Completeness::Complete);
    assert_eq!(completeness(&[TEXT, ERROR, STOP], 1), Completeness::Failed);
    assert_eq!(completeness(&[r#"{"candidates":[{"finishReason":null}]}"#], 1), Completeness::Cut);
}

#[test]
fn the_last_counts_hold() {
    let (_, reader) = classes(&[TEXT, STOP], 1);
    let usage = reader.usage().expect("counts");
    assert_eq!((usage.input_tokens, usage.output_tokens), (79, 2));
    assert_eq!((reader.content_bytes(), reader.is_truncated()), (2, false));
    assert_eq!((reader.service_tier(), reader.reported_cost_pusd()), (Some(ServiceTier::Flex), None));
    assert!(classes(&[TEXT, SECOND], 2).1.is_truncated());
}

#[test]
fn an_error_is_the_last_event_or_element() {
    let failure = Failure::new(Cause::StreamCut, "cut");
    let body = String::from_utf8(gemini::error_body(&failure, "fgr_1")).expect("UTF-8");
    let event = classes(&[TEXT], 1).1.error_event(&failure, "fgr_1");
    assert_eq!(String::from_utf8_lossy(&event), format!("data: {body}\r\n\r\n"));
    let (mut array, mut written) = (ArrayWriter::default(), Vec::new());
    array.begin_element(&mut written);
    written.extend_from_slice(b"{}");
    array.ping(&mut written);
    array.error(&failure, "fgr_1", &mut written);
    assert_eq!(String::from_utf8_lossy(&written), format!("[{{}}\n,\r\n{body}\r\n]"));
    assert!(serde_json::from_slice::<serde_json::Value>(&written).is_ok());
    written.clear();
    ArrayWriter::default().end(&mut written);
    assert_eq!(written, b"[]");
}

fn objects(chunks: &[&[u8]], limit_bytes: usize) -> (Vec<Vec<u8>>, Result<(), ArrayError>, bool) {
    let (mut splitter, mut found) = (ArraySplitter::new(limit_bytes), Vec::new());
    let fed = chunks.iter().try_for_each(|chunk| splitter.feed(chunk, |object| found.push(object.to_vec())));
    (found, fed, splitter.has_ended())
}

#[test]
fn only_an_array_of_objects_is_taken_apart() {
    let too_large = Err(ArrayError::TooLarge { limit_bytes: 8 });
    let not_an_array = Err(ArrayError::NotAnArray);
    assert_eq!(
        objects(&[br#" [{"a":[]},"#, br#"{"b":1}]"#, b"\n"], 8),
        (vec![br#"{"a":[]}"#.to_vec(), br#"{"b":1}"#.to_vec()], Ok(()), true)
    );
    assert_eq!(objects(&[br#"[{"a":"12"}]"#], 8).1, too_large);
    assert_eq!(objects(&[br#"[{"a":"#, br#""1234567"#], 8).1, too_large);
    for wrong in [&b"{}"[..], b"[1]", b"[{}]{", b"data: {}", b"[\"a\"]"] {
        assert_eq!(objects(&[wrong], 64).1, not_an_array, "{}", String::from_utf8_lossy(wrong));
    }
    // What is broken stays so.
    let mut splitter = ArraySplitter::new(8);
    assert!(splitter.feed(b"x", |_| {}).is_err() && splitter.feed(b"[{}]", |_| {}).is_err());
    assert_eq!(objects(&[b"[{}"], 8), (vec![b"{}".to_vec()], Ok(()), false));
}

proptest! {
    #[test]
    fn any_split_gives_the_same_objects(
        texts in prop::collection::vec(r#"[a{}\[\],"\\]{0,12}"#, 0..5),
        cuts in prop::collection::vec(0_usize..400, 0..8),
    ) {
        let values: Vec<_> = texts.iter().map(|text| serde_json::json!({"t": [text, {"u": text}]}).to_string()).collect();
        let (mut array, mut written) = (ArrayWriter::default(), Vec::new());
        for value in &values {
            array.begin_element(&mut written);
            written.extend_from_slice(value.as_bytes());
        }
        array.end(&mut written);
        let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(written.len())).chain([0, written.len()]).collect();
        cuts.sort_unstable();
        let chunks: Vec<_> = cuts.windows(2).map(|pair| &written[pair[0]..pair[1]]).collect();
        let expected: Vec<_> = values.iter().map(|value| value.as_bytes().to_vec()).collect();
        prop_assert_eq!(objects(&chunks, 4096), (expected, Ok(()), true));
    }

    #[test]
    fn nothing_makes_it_panic(
        chunks in prop::collection::vec(prop::collection::vec(prop::sample::select(b"[]{},:\"\\a1 \n\xff".to_vec()), 0..20), 0..6),
    ) {
        let chunks: Vec<_> = chunks.iter().map(Vec::as_slice).collect();
        let _ = objects(&chunks, 32);
        let mut reader = StreamReader::new(1);
        for chunk in &chunks {
            reader.read(chunk);
        }
    }
}
