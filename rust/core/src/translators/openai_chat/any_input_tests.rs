//! Whatever comes, nothing panics, and what is written is JSON.

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::json_view::{Text, View};
use crate::neutral::{Begun, Event, Finish, Format, Target};
use crate::sse::{Splitter, event_data};
use crate::translators::Replying;
use crate::translators::mutated::mutated;
use crate::usage::Usage;

const REPLYING: Replying<'_> = Replying {
    fallback_id: "i",
    fallback_model: "m",
    now_unix_s: 1,
    includes_usage: true,
    is_json_array: false,
    request: None,
};

fn assert_is_json(written: &[u8]) {
    assert!(serde_json::from_slice::<Value>(written).is_ok(), "{}", String::from_utf8_lossy(written));
}

/// The chunks of a stream; a ping is a comment, and the end mark no chunk.
fn chunks(mut written: &[u8]) -> Vec<Value> {
    let (mut splitter, mut chunks) = (Splitter::default(), Vec::new());
    while let Some(border) = splitter.next_border(written) {
        if let Some(data) = event_data(&written[..border]).filter(|data| data.as_ref() != b"[DONE]") {
            chunks.push(serde_json::from_slice(&data).expect("JSON"));
        }
        written = &written[border..];
    }
    assert!(written.is_empty(), "a frame without its end");
    chunks
}

fn event() -> impl Strategy<Value = Event<'static>> {
    let text = || ".{0,3}".prop_map(|text| Text::of(&text));
    let begun = prop_oneof![
        Just(Begun::Text),
        Just(Begun::Refusal),
        Just(Begun::Thinking),
        text().prop_map(Begun::RedactedThinking),
        (text(), text()).prop_map(|(id, name)| Begun::ToolCall { id, name }),
    ];
    let reason = proptest::sample::select(&[Finish::Stop, Finish::ToolCalls, Finish::Refusal, Finish::Other][..]);
    let any_view = || {
        proptest::sample::select(&["{\"a\":\n1}", "{}"][..])
            .prop_map(|text| View::read_answer(text.as_bytes(), 8).expect("an object"))
    };
    let event = (0_u32..3, 0_u32..4).prop_flat_map(move |(choice, part)| {
        prop_oneof![
            text().prop_map(|id| Event::Start { id: Some(id), model: None }),
            begun.clone().prop_map(move |kind| Event::Begin { choice, part, kind }),
            text().prop_map(move |text| Event::Piece { choice, part, text }),
            text().prop_map(move |signature| Event::Signature { choice, part, signature }),
            any_view().prop_map(move |citation| Event::Citation { choice, part, citation }),
            Just(Event::End { choice, part }),
            reason.clone().prop_map(move |reason| Event::Finish { choice, reason, stop_sequence: None }),
            any_view().prop_map(move |logprobs| Event::Logprobs { choice, logprobs }),
            any::<u64>().prop_map(|output_tokens| Event::Usage(Usage { output_tokens, ..Usage::default() })),
            Just(Event::Ping),
        ]
    });
    prop_oneof![20 => event, 1 => Just(Event::Done)]
}

proptest! {
    #[test]
    fn what_is_nearly_right_is_read_or_refused(body in mutated(Format::OpenaiChat)) {
        let body = body.to_string();
        let Ok(view) = View::read_answer(body.as_bytes(), 64) else { return Ok(()) };
        if let Ok(request) = read_request(view) {
            let target = Target { model: "m", output_tokens: None, reasoning: None };
            if let Ok(written) = write_request(&request, &target) {
                assert_is_json(&written);
            }
        }
        if let Some(answer) = read_answer(view) {
            assert_is_json(&write_answer(&answer, &REPLYING));
        }
        let (mut reader, mut events, mut ends) = (StreamReader::default(), Vec::new(), Vec::new());
        reader.read(view, &mut events);
        reader.end(&mut ends);
        let (mut writer, mut written) = (StreamWriter::new(&REPLYING), Vec::new());
        for event in events.iter().chain(&ends) {
            writer.write(event, &mut written);
        }
        chunks(&written);
    }

    #[test]
    fn events_in_any_order_are_chunks(events in proptest::collection::vec(event(), 0..40)) {
        let (mut writer, mut written) = (StreamWriter::new(&REPLYING), Vec::new());
        for event in &events {
            writer.write(event, &mut written);
        }
        let is_done = events.contains(&Event::Done);
        prop_assert_eq!(written.ends_with(b"data: [DONE]\n\n"), is_done);
        let (mut ends, mut begun) = (Vec::new(), Vec::new());
        for chunk in chunks(&written) {
            for choice in chunk["choices"].as_array().into_iter().flatten() {
                let index = &choice["index"];
                if !choice["finish_reason"].is_null() {
                    prop_assert!(!ends.contains(index), "two ends of choice {}", index);
                    ends.push(index.clone());
                }
                for call in choice["delta"]["tool_calls"].as_array().into_iter().flatten() {
                    let own = (index.clone(), call["index"].clone());
                    prop_assert_eq!(call["id"].is_string(), !begun.contains(&own), "a call begins once, and first");
                    begun.push(own);
                }
            }
        }
        prop_assert!(!is_done || !ends.is_empty());
    }
}
