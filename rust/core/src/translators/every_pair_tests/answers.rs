//! Answers.

use super::form::{ChoiceForm, Form, Piece, of_answer};
use super::recordings::{Recorded, recordings};
use super::{DEPTH_LIMIT, FORMATS, REPLYING};
use crate::json_view::View;
use crate::neutral::{Finish, Format};
use crate::translators::{normal_answer, read_answer, write_answer};

/// What may differ once an answer, or a stream, was translated. `change` makes both the same.
pub(super) struct Difference {
    pub(super) reason: &'static str,
    pub(super) to: &'static [Format],
    pub(super) change: fn(&mut Form, Format),
}

const fn difference(reason: &'static str, to: &'static [Format], change: fn(&mut Form, Format)) -> Difference {
    Difference { reason, to, change }
}

const CHAT: &[Format] = &[Format::OpenaiChat];
const RESPONSES: &[Format] = &[Format::OpenaiResponses];
const ANTHROPIC: &[Format] = &[Format::Anthropic];
const GEMINI: &[Format] = &[Format::Gemini];

/// In the order in which they are made.
pub(super) const DIFFERENCES: [Difference; 15] = [
    difference(
        "ids begin as the client's SDK knows them, and are made up where a provider gives none",
        &FORMATS,
        |form, _| {
            let id = form.id.trim_start_matches("resp_").trim_start_matches("msg_").trim_start_matches("resp_");
            form.id = if id.is_empty() { REPLYING.fallback_id.to_owned() } else { id.to_owned() };
        },
    ),
    difference("a model without a name is called as the client called it", &FORMATS, |form, _| {
        if form.model.is_empty() {
            REPLYING.fallback_model.clone_into(&mut form.model);
        }
    }),
    difference("the first answer is given where several can't be asked for", ANTHROPIC, |form, _| {
        form.choices.retain(|index, _| *index == 0);
    }),
    difference("answers follow each other where several can't be asked for", RESPONSES, |form, _| {
        let rest = form.choices.split_off(&1);
        if let Some(first) = form.choices.get_mut(&0) {
            for mut choice in rest.into_values() {
                first.pieces.append(&mut choice.pieces);
            }
            first.join();
        }
    }),
    difference("proofs are another test's", &FORMATS, |form, _| {
        form.choices.values_mut().for_each(|choice| choice.signatures.clear());
    }),
    difference(
        "thoughts that are encrypted whole have a place in an id, or as a proof",
        &[Format::OpenaiChat, Format::OpenaiResponses, Format::Gemini],
        |form, _| {
            for choice in form.choices.values_mut() {
                choice.pieces.retain(|piece| !matches!(piece, Piece::Redacted(_)));
                choice.join();
            }
        },
    ),
    difference("calls carry proofs in their ids", CHAT, |form, _| {
        for piece in form.choices.values_mut().flat_map(|choice| &mut choice.pieces) {
            if let Piece::Call { id, .. } = piece {
                id.truncate(id.find("~sig~").unwrap_or(id.len()));
            }
        }
    }),
    difference("a message has its thoughts, words and calls apart", CHAT, |form, _| {
        for choice in form.choices.values_mut() {
            choice.pieces.sort_by_key(|piece| match piece {
                Piece::Thought(_) | Piece::Redacted(_) => 0,
                Piece::Text(_) => 1,
                Piece::Refusal(_) => 2,
                Piece::Call { .. } | Piece::Media => 3,
            });
            choice.join();
            for piece in &mut choice.pieces {
                if let Piece::Thought(text) = piece {
                    *text = text.replace("\\n\\n", "");
                }
            }
        }
    }),
    difference("a refusal is words", &[Format::Anthropic, Format::Gemini], |form, _| {
        for choice in form.choices.values_mut() {
            if choice.has_refusal() && choice.finish == Some(Finish::Stop) {
                choice.finish = Some(Finish::Refusal);
            }
            for piece in &mut choice.pieces {
                if let Piece::Refusal(text) = piece {
                    *piece = Piece::Text(std::mem::take(text));
                }
            }
            choice.join();
        }
    }),
    difference(
        "arguments that are no object are wrapped in one, or the call is malformed",
        &[Format::Anthropic, Format::Gemini],
        |form, to| {
            form.choices.values_mut().for_each(|choice| without_malformed_calls(choice, to));
        },
    ),
    difference("reasons to end that a format has no word for", &FORMATS, |form, to| {
        form.choices.values_mut().for_each(|choice| choice.finish = Some(finish(choice, to)));
    }),
    difference("Anthropic alone says which text ended it", OPENAI_AND_GEMINI, |form, _| {
        form.choices.values_mut().for_each(|choice| choice.stop_sequence = None);
    }),
    difference(
        "counts of sound, pictures and cache are summed where a format has no classes for them",
        &FORMATS,
        |form, to| {
            let usage = &mut form.usage;
            let writes = usage.cache_write_5m_tokens + usage.cache_write_1h_tokens + usage.cache_write_other_tokens;
            let cached = usage.cache_read_tokens + usage.cache_read_audio_tokens + usage.cache_read_image_tokens;
            // What is written to a cache is input like any other for Gemini.
            let writes = if to == Format::Gemini { 0 } else { writes };
            let (input, output, reasoning) = (usage.input(), usage.output(), usage.reasoning_tokens);
            *usage = crate::usage::Usage {
                input_tokens: input - cached - writes,
                cache_read_tokens: cached,
                cache_write_other_tokens: writes,
                output_tokens: output - reasoning,
                reasoning_tokens: reasoning,
                ..crate::usage::Usage::default()
            };
        },
    ),
    difference("Gemini names each address once", GEMINI, |form, _| {
        for choice in form.choices.values_mut() {
            let mut known = std::collections::BTreeSet::new();
            choice.citations.retain(|url| known.insert(url.clone()));
        }
    }),
    difference("Anthropic has no log probabilities", ANTHROPIC, |form, _| {
        form.choices.values_mut().for_each(|choice| choice.logprobs.clear());
    }),
];

const OPENAI_AND_GEMINI: &[Format] = &[Format::OpenaiChat, Format::OpenaiResponses, Format::Gemini];

fn without_malformed_calls(choice: &mut ChoiceForm, to: Format) {
    let is_object = |text: &str| View::read_answer(text.as_bytes(), 128).is_ok();
    for piece in &mut choice.pieces {
        if let Piece::Call { arguments, .. } = piece
            && !is_object(arguments)
        {
            *piece = Piece::Media;
        } else if let Piece::Call { arguments, .. } = piece
            && arguments.starts_with("{\"INVALID_JSON\":")
        {
            *piece = Piece::Media;
        }
    }
    let before = choice.pieces.len();
    choice.pieces.retain(|piece| *piece != Piece::Media);
    if choice.pieces.len() < before && to == Format::Gemini {
        choice.finish = Some(Finish::MalformedToolCall);
    }
}

/// The reason that comes back.
fn finish(choice: &ChoiceForm, to: Format) -> Finish {
    let finish = match choice.finish {
        None | Some(Finish::Stop) if choice.calls() > 0 => Finish::ToolCalls,
        None => Finish::Stop,
        Some(finish) => finish,
    };
    match (to, finish) {
        (
            Format::OpenaiChat | Format::OpenaiResponses,
            Finish::StopSequence | Finish::Pause | Finish::MalformedToolCall | Finish::Other,
        )
        | (Format::Anthropic, Finish::MalformedToolCall | Finish::Other)
        | (Format::Gemini, Finish::StopSequence) => {
            if choice.calls() > 0 {
                Finish::ToolCalls
            } else {
                Finish::Stop
            }
        }
        (Format::OpenaiChat | Format::OpenaiResponses, Finish::Refusal) if !choice.has_refusal() => {
            Finish::ContentFilter
        }
        (Format::Anthropic, Finish::ContentFilter) => Finish::Refusal,
        (Format::Gemini, Finish::Refusal) => Finish::ContentFilter,
        (Format::Gemini, Finish::Pause) => Finish::Other,
        (_, finish) => finish,
    }
}

/// Makes both the same where they may differ, and counts which rows were needed.
pub(super) fn reconcile(before: &mut Form, after: &mut Form, to: Format, made: &mut [usize]) {
    for (difference, made) in DIFFERENCES.iter().zip(made).filter(|(difference, _)| difference.to.contains(&to)) {
        let unchanged = (before.clone(), after.clone());
        (difference.change)(before, to);
        (difference.change)(after, to);
        *made += usize::from(unchanged != (before.clone(), after.clone()));
    }
}

fn compare(from: Format, to: Format, recorded: &Recorded, made: &mut [usize], wrong: &mut Vec<String>) -> bool {
    let body = View::read_answer(recorded.body.as_bytes(), DEPTH_LIMIT).expect(&recorded.name);
    let (mut room, mut room_after) = (None, None);
    let Some(answer) = read_answer(from, normal_answer(from, body, &mut room)) else { return false };
    let written = write_answer(to, &answer, &REPLYING);
    let again = View::read_answer(&written, DEPTH_LIMIT).expect(&recorded.name);
    let again = read_answer(to, normal_answer(to, again, &mut room_after)).expect(&recorded.name);
    let (mut before, mut after) = (of_answer(&answer), of_answer(&again));
    reconcile(&mut before, &mut after, to, made);
    if before != after && wrong.iter().filter(|other| other.contains(&format!("{from:?} to {to:?}"))).count() < 3 {
        wrong.push(format!("{} from {from:?} to {to:?}: {}", recorded.name, first_difference(&before, &after)));
    }
    true
}

/// Where two forms part.
pub(super) fn first_difference(before: &Form, after: &Form) -> String {
    let (before, after) = (format!("{before:?}"), format!("{after:?}"));
    let same = before.bytes().zip(after.bytes()).take_while(|(one, other)| one == other).count();
    let around = |text: &str| {
        let bytes = &text.as_bytes()[same.saturating_sub(60)..(same + 160).min(text.len())];
        String::from_utf8_lossy(bytes).into_owned()
    };
    format!("was …{}…\nand is …{}…", around(&before), around(&after))
}

/// Compares all; how many were translated, what went wrong, and how often each row was needed.
pub(super) fn compare_all() -> Option<(Vec<String>, Vec<String>, Vec<usize>)> {
    let (mut counts, mut wrong, mut made) = (Vec::new(), Vec::new(), vec![0; DIFFERENCES.len()]);
    for from in FORMATS {
        let recordings = recordings(from)?;
        for to in FORMATS.into_iter().filter(|to| *to != from) {
            let answers = recordings.answers.iter();
            let translated = answers.filter(|recorded| compare(from, to, recorded, &mut made, &mut wrong)).count();
            let others = recordings.answers.len() - translated;
            counts.push(format!("{from:?} to {to:?}: {translated} translated, {others} are no answers"));
        }
    }
    Some((counts, wrong, made))
}

#[test]
fn answers_say_the_same_in_every_format() {
    let Some((counts, wrong, _)) = compare_all() else { return };
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(counts, PINNED, "{counts:#?}");
}

const PINNED: [&str; 12] = [
    "OpenaiChat to OpenaiResponses: 383 translated, 14 are no answers",
    "OpenaiChat to Anthropic: 383 translated, 14 are no answers",
    "OpenaiChat to Gemini: 383 translated, 14 are no answers",
    "OpenaiResponses to OpenaiChat: 140 translated, 7 are no answers",
    "OpenaiResponses to Anthropic: 140 translated, 7 are no answers",
    "OpenaiResponses to Gemini: 140 translated, 7 are no answers",
    "Anthropic to OpenaiChat: 171 translated, 2 are no answers",
    "Anthropic to OpenaiResponses: 171 translated, 2 are no answers",
    "Anthropic to Gemini: 171 translated, 2 are no answers",
    "Gemini to OpenaiChat: 175 translated, 2 are no answers",
    "Gemini to OpenaiResponses: 175 translated, 2 are no answers",
    "Gemini to Anthropic: 175 translated, 2 are no answers",
];
