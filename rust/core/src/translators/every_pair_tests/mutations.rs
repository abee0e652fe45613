//! Whatever is nearly right, in any format, for any other: nothing panics, and what is written its own reader understands.

use proptest::prelude::*;

use super::{DEPTH_LIMIT, REPLYING, pairs};
use crate::json_view::View;
use crate::neutral::{Format, ReasoningUnit, Target, check};
use crate::sse::EventReader;
use crate::translators::mutated::mutated;
use crate::translators::{StreamReader, StreamWriter};
use crate::translators::{normal_answer, normal_request, read_answer, read_request, write_answer, write_request};

fn translate_request(body: View<'_>, from: Format, to: Format, unit: Option<ReasoningUnit>) -> bool {
    let (mut room, mut room_after) = (None, None);
    let Ok(request) = read_request(from, normal_request(from, body, &mut room)) else { return false };
    if check(&request, from, to).is_err() {
        return false;
    }
    let target = Target { model: "m", output_tokens: None, reasoning: unit };
    let Ok(written) = write_request(to, &request, &target) else { return false };
    let again = View::read(&written, DEPTH_LIMIT).expect("a request is JSON without doubled keys");
    read_request(to, normal_request(to, again, &mut room_after)).expect("its own dialect understands it");
    true
}

fn translate_answer(body: View<'_>, from: Format, to: Format) {
    let (mut room, mut room_after) = (None, None);
    if let Some(answer) = read_answer(from, normal_answer(from, body, &mut room)) {
        let written = write_answer(to, &answer, &REPLYING);
        let again = View::read(&written, DEPTH_LIMIT).expect("an answer is JSON without doubled keys");
        assert!(read_answer(to, normal_answer(to, again, &mut room_after)).is_some(), "{}", again.raw());
    }
}

fn translate_events(body: View<'_>, from: Format, to: Format) {
    let (mut reader, mut writer, mut written) = (StreamReader::new(from), StreamWriter::new(to, &REPLYING), Vec::new());
    let (mut room, mut events) = (None, Vec::new());
    reader.read(normal_answer(from, body, &mut room), &mut events);
    // Twice the same: parts that begin again.
    events.iter().chain(&events).for_each(|event| writer.write(event, &mut written));
    let mut ends = Vec::new();
    reader.end(&mut ends);
    for event in &ends {
        writer.write(event, &mut written);
    }
    let take = |event: crate::sse::Event| {
        let is_end = event.data == b"[DONE]";
        assert!(is_end || View::read(&event.data, DEPTH_LIMIT).is_ok(), "an event is JSON without doubled keys");
    };
    EventReader::new(1 << 24).feed(&written, take).expect("small events");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_is_nearly_right_is_refused_or_understood(
        chat in mutated(Format::OpenaiChat),
        responses in mutated(Format::OpenaiResponses),
        anthropic in mutated(Format::Anthropic),
        gemini in mutated(Format::Gemini),
        unit in prop_oneof![Just(None), Just(Some(ReasoningUnit::Words)), Just(Some(ReasoningUnit::Tokens))],
    ) {
        for (from, to) in pairs() {
            let body = match from {
                Format::OpenaiChat => &chat,
                Format::OpenaiResponses => &responses,
                Format::Anthropic => &anthropic,
                Format::Gemini => &gemini,
            };
            let text = body.to_string();
            let Ok(view) = View::read_answer(text.as_bytes(), DEPTH_LIMIT) else { continue };
            translate_request(view, from, to, unit);
            translate_answer(view, from, to);
            translate_events(view, from, to);
        }
    }
}

/// The generator is worth something: most of what it makes is a conversation that can be translated.
#[test]
fn most_of_what_is_made_is_a_conversation() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    for (from, to) in pairs().filter(|(_, to)| *to == Format::Anthropic || *to == Format::Gemini) {
        let (mut runner, mut understood) = (TestRunner::deterministic(), 0);
        for _ in 0..300 {
            let text = mutated(from).new_tree(&mut runner).expect("a body").current().to_string();
            let Ok(view) = View::read_answer(text.as_bytes(), DEPTH_LIMIT) else { continue };
            understood += usize::from(translate_request(view, from, to, None));
        }
        assert!(understood > 20, "{from:?} to {to:?}: {understood} of 300");
    }
}
