//! Streams: whole, cut at any event, and split anywhere.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::answers::{DIFFERENCES, compare_all as compare_answers, first_difference, reconcile};
use super::form::{Form, Gathered, Piece, of_answer};
use super::recordings::{Recorded, recordings};
use super::{DEPTH_LIMIT, FORMATS, REPLYING, pairs};
use crate::dialects::{Completeness, Dialect};
use crate::failure::{Cause, Failure};
use crate::json_view::{Text, View};
use crate::neutral::{Answer, Arguments, Choice, Format, Part, PartKind};
use crate::sse::EventReader;
use crate::translators::{Replying, StreamReader, StreamWriter, normal_answer, read_answer, write_answer};

const EVENT_LIMIT_BYTES: usize = 1 << 24;

fn dialect(format: Format) -> Dialect {
    match format {
        Format::OpenaiChat => Dialect::OpenaiChat,
        Format::OpenaiResponses => Dialect::OpenaiResponses,
        Format::Anthropic => Dialect::Anthropic,
        Format::Gemini => Dialect::Gemini { stream: true },
    }
}

/// The data of each event in a stream that arrives in chunks.
fn events_of<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
    let (mut reader, mut found) = (EventReader::new(EVENT_LIMIT_BYTES), Vec::new());
    for chunk in chunks {
        reader.feed(chunk, |event| found.push(event.data)).expect("events of a usual size");
    }
    found
}

/// A stream on its way, as the engine leads it.
struct Translation {
    from: Format,
    reader: StreamReader,
    writer: StreamWriter,
    gathered: Gathered,
    written: Vec<u8>,
}

impl Translation {
    fn new(from: Format, to: Format) -> Self {
        let (reader, writer) = (StreamReader::new(from), StreamWriter::new(to, &REPLYING));
        Self { from, reader, writer, gathered: Gathered::default(), written: Vec::new() }
    }

    fn read(&mut self, data: &[u8]) {
        let Ok(view) = View::read_answer(data, DEPTH_LIMIT) else { return };
        let (mut room, mut events) = (None, Vec::new());
        self.reader.read(normal_answer(self.from, view, &mut room), &mut events);
        for event in &events {
            self.gathered.add(event);
            self.writer.write(event, &mut self.written);
        }
    }

    fn end(&mut self) {
        let mut events = Vec::new();
        self.reader.end(&mut events);
        for event in &events {
            self.gathered.add(event);
            self.writer.write(event, &mut self.written);
        }
    }
}

/// What a stream that is whole says.
fn read_whole(format: Format, stream: &[u8]) -> Form {
    // Into its own format: only what is read counts.
    let mut translation = Translation::new(format, format);
    for data in &events_of([stream]) {
        translation.read(data);
    }
    translation.end();
    assert!(translation.gathered.is_done);
    translation.gathered.form()
}

fn completeness<'a>(format: Format, choices: u64, events: impl IntoIterator<Item = &'a Vec<u8>>) -> Completeness {
    let mut reader = dialect(format).stream_reader(choices);
    for data in events {
        reader.read(data);
    }
    reader.completeness()
}

fn is_whole(completeness: Completeness) -> bool {
    matches!(completeness, Completeness::Complete | Completeness::EndMarkMissing)
}

/// How many choices a stream has.
fn choices_of(format: Format, events: &[Vec<u8>]) -> u64 {
    let mut translation = Translation::new(format, format);
    for data in events {
        translation.read(data);
    }
    translation.gathered.form().choices.keys().next_back().map_or(1, |last| u64::from(*last) + 1)
}

/// The answer that says what a stream said.
fn answer_of(form: &Form) -> Answer<'static> {
    let text = |raw: &String| Text::default().after(raw);
    let part = |piece: &Piece| {
        Part::new(match piece {
            Piece::Thought(raw) => PartKind::Thinking(text(raw)),
            Piece::Redacted(raw) => PartKind::RedactedThinking(text(raw)),
            Piece::Text(raw) => PartKind::Text { text: text(raw), citations: None },
            Piece::Refusal(raw) => PartKind::Refusal(text(raw)),
            Piece::Call { id, name, arguments } => {
                PartKind::ToolCall { id: text(id), name: text(name), arguments: Arguments::Text(Text::of(arguments)) }
            }
            Piece::Media => panic!("nobody streams pictures"),
        })
    };
    let choices = form.choices.values().map(|choice| Choice {
        parts: choice.pieces.iter().map(part).collect(),
        finish: choice.finish,
        stop_sequence: choice.stop_sequence.as_ref().map(text),
        logprobs: None,
    });
    Answer {
        id: Some(&form.id).filter(|id| !id.is_empty()).map(text),
        model: Some(&form.model).filter(|model| !model.is_empty()).map(text),
        choices: choices.collect(),
        usage: Some(form.usage),
        ..Answer::default()
    }
}

/// What is said of words, apart from them.
fn without_marks(mut form: Form) -> Form {
    for choice in form.choices.values_mut() {
        choice.logprobs.clear();
        choice.citations.clear();
        choice.signatures.clear();
    }
    form
}

fn compare(from: Format, to: Format, recorded: &Recorded, made: &mut [usize], wrong: &mut Vec<String>) -> bool {
    let events = events_of([recorded.body.as_bytes()]);
    let choices = choices_of(from, &events);
    let mut translation = Translation::new(from, to);
    for data in &events {
        translation.read(data);
    }
    if !is_whole(completeness(from, choices, &events)) {
        return false;
    }
    translation.end();
    let (written, streamed) = (translation.written, translation.gathered.form());
    let name = format!("{} from {from:?} to {to:?}", recorded.name);
    let end = completeness(to, choices, &events_of([&written[..]]));
    if end != Completeness::Complete {
        wrong.push(format!("{name}: the client finds it {end:?}"));
    }
    let (mut before, mut after) = (streamed.clone(), read_whole(to, &written));
    reconcile(&mut before, &mut after, to, made);
    if before != after && wrong.len() < 8 {
        wrong.push(format!("{name}: {}", first_difference(&before, &after)));
    }
    // The same in one piece.
    let answer = write_answer(to, &answer_of(&streamed), &REPLYING);
    let answer = View::read_answer(&answer, DEPTH_LIMIT).expect(&name);
    let (mut room, mut whole) = (None, Form::default());
    if let Some(answer) = read_answer(to, normal_answer(to, answer, &mut room)) {
        whole = of_answer(&answer);
    }
    let mut after = without_marks(read_whole(to, &written));
    whole = without_marks(whole);
    reconcile(&mut whole, &mut after, to, &mut vec![0; made.len()]);
    if whole != after && wrong.len() < 8 {
        wrong.push(format!("{name}, in one piece: {}", first_difference(&whole, &after)));
    }
    true
}

/// A client of Gemini's that takes an array gets the same answers as one that takes events.
#[test]
fn an_array_has_what_the_events_have() {
    let mut compared = 0;
    for from in FORMATS.into_iter().filter(|from| *from != Format::Gemini) {
        let Some(recordings) = recordings(from) else { return };
        for recorded in &recordings.streams {
            let events = events_of([recorded.body.as_bytes()]);
            let mut translations = [false, true].map(|is_json_array| {
                let mut translation = Translation::new(from, Format::Gemini);
                let replying = Replying { is_json_array, ..REPLYING };
                translation.writer = StreamWriter::new(Format::Gemini, &replying);
                translation
            });
            for translation in &mut translations {
                for data in &events {
                    translation.read(data);
                }
                translation.end();
            }
            let [of_events, of_array] = translations.map(|translation| translation.written);
            let told: Vec<Value> =
                events_of([&of_events[..]]).iter().map(|data| serde_json::from_slice(data).expect("JSON")).collect();
            let mut array: Vec<Value> = serde_json::from_slice(&of_array).expect("an array");
            let adds_nothing = |answer: &Value| {
                let candidate = &answer["candidates"][0];
                candidate["content"]["parts"] == json!([{"text": ""}])
                    && candidate.get("finishReason").or(candidate.get("logprobsResult")).is_none()
            };
            // A ping is space in an array.
            let told: Vec<_> = told.into_iter().filter(|answer| !adds_nothing(answer)).collect();
            array.retain(|answer| !adds_nothing(answer));
            assert_eq!(array, told, "{} from {from:?}", recorded.name);
            compared += 1;
        }
    }
    assert!(compared > 150, "{compared}");
}

#[test]
fn streams_say_the_same_in_every_format() {
    let Some((_, _, mut made)) = compare_answers() else { return };
    let (mut counts, mut wrong) = (Vec::new(), Vec::new());
    for from in FORMATS {
        let Some(recordings) = recordings(from) else { return };
        for to in FORMATS.into_iter().filter(|to| *to != from) {
            let streams = recordings.streams.iter();
            let translated = streams.filter(|recorded| compare(from, to, recorded, &mut made, &mut wrong)).count();
            let others = recordings.streams.len() - translated;
            counts.push(format!("{from:?} to {to:?}: {translated} translated, {others} are not whole"));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    let unneeded = DIFFERENCES.iter().zip(made).filter(|(_, made)| *made == 0).map(|(difference, _)| difference.reason);
    assert_eq!(unneeded.collect::<Vec<_>>(), Vec::<&str>::new(), "rows that no recording needs");
    assert_eq!(counts, PINNED, "{counts:#?}");
}

const PINNED: [&str; 12] = [
    "OpenaiChat to OpenaiResponses: 99 translated, 2 are not whole",
    "OpenaiChat to Anthropic: 99 translated, 2 are not whole",
    "OpenaiChat to Gemini: 99 translated, 2 are not whole",
    "OpenaiResponses to OpenaiChat: 34 translated, 0 are not whole",
    "OpenaiResponses to Anthropic: 34 translated, 0 are not whole",
    "OpenaiResponses to Gemini: 34 translated, 0 are not whole",
    "Anthropic to OpenaiChat: 30 translated, 0 are not whole",
    "Anthropic to OpenaiResponses: 30 translated, 0 are not whole",
    "Anthropic to Gemini: 30 translated, 0 are not whole",
    "Gemini to OpenaiChat: 10 translated, 0 are not whole",
    "Gemini to OpenaiResponses: 10 translated, 0 are not whole",
    "Gemini to Anthropic: 10 translated, 0 are not whole",
];

/// What a stream ends with when it stops where it stopped.
fn assert_is_not_complete(from: Format, to: Format, choices: u64, events: &[Vec<u8>], name: &str) {
    let mut translation = Translation::new(from, to);
    for data in events {
        translation.read(data);
    }
    let cut = completeness(to, choices, &events_of([&translation.written[..]]));
    assert!(!is_whole(cut), "{name}: cut, and the client finds it {cut:?}");
    let failure = Failure::new(Cause::StreamCut, "the provider's stream ended early");
    translation.writer.fail(&failure, "req_1", &mut translation.written);
    let failed = completeness(to, choices, &events_of([&translation.written[..]]));
    assert_eq!(failed, Completeness::Failed, "{name}: failed");
}

#[test]
fn a_cut_stream_never_comes_out_as_complete() {
    for from in FORMATS {
        let Some(recordings) = recordings(from) else { return };
        let (mut cuts, mut whole) = (0, 0);
        for (index, recorded) in recordings.streams.iter().enumerate() {
            let events = events_of([recorded.body.as_bytes()]);
            let choices = choices_of(from, &events);
            let said = |events: &[Vec<u8>]| {
                let mut translation = Translation::new(from, from);
                for data in events {
                    translation.read(data);
                }
                translation.end();
                let choices = translation.gathered.form().choices.into_values();
                choices.map(|choice| (choice.pieces, choice.finish)).collect::<Vec<_>>()
            };
            // Every border of some, and a few of each.
            let step = if index % 12 == 0 { 1 } else { events.len() / 5 + 1 };
            let last = events.len().saturating_sub(4)..events.len();
            for length in (0..events.len()).step_by(step).chain(last) {
                let name = format!("{} at {length}", recorded.name);
                if is_whole(completeness(from, choices, &events[..length])) {
                    assert_eq!(said(&events[..length]), said(&events), "{name}: all there is was said");
                    whole += 1;
                    continue;
                }
                for to in FORMATS.into_iter().filter(|to| *to != from) {
                    assert_is_not_complete(from, to, choices, &events[..length], &format!("{name} to {to:?}"));
                }
                cuts += 1;
            }
        }
        eprintln!("{from:?}: cut at {cuts} places, {whole} behind all that counts");
        assert!(cuts > 40, "{from:?}: {cuts} cuts");
    }
}

/// A stream of each format, rich enough to have something in it that a cut may tear.
fn samples() -> Option<Vec<(Format, Recorded)>> {
    let mut samples = Vec::new();
    for format in FORMATS {
        let mut streams = recordings(format)?.streams;
        streams.sort_by_key(|stream| std::cmp::Reverse(stream.body.len().min(40_000)));
        samples
            .extend(streams.into_iter().filter(|stream| stream.body.len() < 40_000).take(6).map(|one| (format, one)));
    }
    Some(samples)
}

#[test]
fn any_split_of_a_stream_gives_the_same() {
    let Some(samples) = samples() else { return };
    let translated = |chunks: &[&[u8]], from, to| {
        let mut translation = Translation::new(from, to);
        for data in &events_of(chunks.iter().copied()) {
            translation.read(data);
        }
        translation.end();
        translation.written
    };
    let whole: Vec<Vec<u8>> = samples
        .iter()
        .flat_map(|(format, recorded)| {
            pairs().filter(move |(from, _)| from == format).map(move |pair| (pair, recorded))
        })
        .map(|((from, to), recorded)| translated(&[recorded.body.as_bytes()], from, to))
        .collect();
    let choices =
        (any::<proptest::sample::Index>(), proptest::collection::vec(any::<proptest::sample::Index>(), 1..12));
    proptest!(ProptestConfig::with_cases(64), |((which, cuts) in choices)| {
        let at = which.index(whole.len());
        let (format, recorded) = &samples[at / 3];
        let (from, to) = pairs().filter(|(from, _)| from == format).nth(at % 3).expect("a pair");
        let bytes = recorded.body.as_bytes();
        let mut borders: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        borders.extend([0, bytes.len()]);
        borders.sort_unstable();
        let chunks: Vec<&[u8]> = borders.windows(2).map(|two| &bytes[two[0]..two[1]]).collect();
        prop_assert!(translated(&chunks, from, to) == whole[at], "{} from {:?} to {:?}", recorded.name, from, to);
    });
}
