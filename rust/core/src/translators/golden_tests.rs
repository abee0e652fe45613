//! One rich request, answer and stream of each format, invented for this, and what each of the others makes of it, to the
//! byte. The files in `golden/` were looked through by hand against the vendors' documentation.
//!
//! `FASTGATE_GOLDEN=write cargo test -p fastgate-core golden` makes them anew; look through what changed.

#![expect(clippy::disallowed_methods, reason = "a test reads and writes files, and a variable says which")]

use std::path::Path;

use super::{
    REPLYING, StreamTranslator, normal_answer, normal_request, read_answer, read_request, write_answer, write_request,
};
use crate::json_view::View;
use crate::neutral::{Format, ReasoningUnit, Target, check};
use crate::sse::EventReader;

const FORMATS: [(Format, &str); 4] = [
    (Format::OpenaiChat, "chat"),
    (Format::OpenaiResponses, "responses"),
    (Format::Anthropic, "anthropic"),
    (Format::Gemini, "gemini"),
];

const DEPTH_LIMIT: usize = 64;

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/translators/golden").join(name);
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Compares with what was looked through, or writes it anew.
fn assert_golden(name: &str, made: &[u8]) {
    if std::env::var("FASTGATE_GOLDEN").is_ok_and(|mode| mode == "write") {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/translators/golden").join(name);
        std::fs::write(path, made).expect("a file that can be written");
        return;
    }
    assert_eq!(String::from_utf8_lossy(made), read(name), "{name}: made (left) and looked through (right)");
}

/// The files of each pair: what is translated, and what it becomes.
fn pairs() -> impl Iterator<Item = ((Format, &'static str), (Format, &'static str))> {
    FORMATS.into_iter().flat_map(|from| FORMATS.into_iter().filter(move |to| to.0 != from.0).map(move |to| (from, to)))
}

#[test]
fn requests() {
    let mut losses = Vec::new();
    for ((from, own), (to, other)) in pairs() {
        let (text, mut room) = (read(&format!("request.{own}.json")), None);
        let body = View::read(text.as_bytes(), DEPTH_LIMIT).expect(own);
        let request = read_request(from, normal_request(from, body, &mut room)).expect(own);
        let dropped = match check(&request, from, to) {
            Ok(dropped) => dropped,
            Err(failure) => {
                losses.push(format!("{own} to {other}: refused, {}\n", failure.message));
                continue;
            }
        };
        losses.push(format!("{own} to {other}: drops {}\n", dropped.join(", ")));
        // Gemini's younger models think in levels, Anthropic's older ones in tokens.
        let unit = if to == Format::Gemini { ReasoningUnit::Words } else { ReasoningUnit::Tokens };
        let target = Target { model: "clock-1", output_tokens: None, reasoning: Some(unit) };
        let mut written = write_request(to, &request, &target).expect(own);
        written.push(b'\n');
        assert_golden(&format!("request.{own}.to-{other}.json"), &written);
    }
    assert_golden("request.losses.txt", losses.concat().as_bytes());
}

#[test]
fn answers() {
    for ((from, own), (to, other)) in pairs() {
        let (text, mut room) = (read(&format!("answer.{own}.json")), None);
        let body = View::read_answer(text.as_bytes(), DEPTH_LIMIT).expect(own);
        let answer = read_answer(from, normal_answer(from, body, &mut room)).expect(own);
        let mut written = write_answer(to, &answer, &REPLYING);
        written.push(b'\n');
        assert_golden(&format!("answer.{own}.to-{other}.json"), &written);
    }
}

#[test]
fn streams() {
    for ((from, own), (to, other)) in pairs() {
        let text = read(&format!("stream.{own}.sse"));
        let (mut translator, mut written) = (StreamTranslator::new(from, to, &REPLYING), Vec::new());
        let take = |event: crate::sse::Event| {
            let Ok(data) = View::read_answer(&event.data, DEPTH_LIMIT) else { return };
            translator.read(data, &mut written);
        };
        EventReader::new(1 << 20).feed(text.as_bytes(), take).expect("small events");
        translator.end(&mut written);
        assert_golden(&format!("stream.{own}.to-{other}.sse"), &written);
    }
}
