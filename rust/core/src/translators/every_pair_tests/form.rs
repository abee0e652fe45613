//! What an answer or a stream says, in a form that can be compared.

use std::collections::BTreeMap;

use crate::json_view::View;
use crate::neutral::{Answer, Arguments, Begun, Choice, Event, Finish, Part, PartKind};
use crate::usage::Usage;

/// What an answer says, whole or put together from events. Texts are as they were written, escapes and all.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Form {
    pub(super) id: String,
    pub(super) model: String,
    pub(super) choices: BTreeMap<u32, ChoiceForm>,
    pub(super) usage: Usage,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ChoiceForm {
    pub(super) pieces: Vec<Piece>,
    pub(super) finish: Option<Finish>,
    pub(super) stop_sequence: Option<String>,
    /// Tokens with their probabilities.
    pub(super) logprobs: Vec<(String, String)>,
    /// Addresses.
    pub(super) citations: Vec<String>,
    pub(super) signatures: Vec<String>,
}

#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Piece {
    Thought(String),
    Redacted(String),
    Text(String),
    Refusal(String),
    Call { id: String, name: String, arguments: String },
    Media,
}

impl ChoiceForm {
    pub(super) fn calls(&self) -> usize {
        self.pieces.iter().filter(|piece| matches!(piece, Piece::Call { .. })).count()
    }

    pub(super) fn has_refusal(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Refusal(_)))
    }

    /// Texts of one kind that follow each other are one, and empty ones none.
    pub(super) fn join(&mut self) {
        let mut joined: Vec<Piece> = Vec::new();
        for piece in self.pieces.drain(..) {
            match (joined.last_mut(), piece) {
                (Some(Piece::Thought(before)), Piece::Thought(text))
                | (Some(Piece::Text(before)), Piece::Text(text))
                | (Some(Piece::Refusal(before)), Piece::Refusal(text)) => *before += &text,
                (_, Piece::Thought(text) | Piece::Text(text) | Piece::Refusal(text)) if text.is_empty() => {}
                (_, piece) => joined.push(piece),
            }
        }
        self.pieces = joined;
    }

    fn add_logprobs(&mut self, logprobs: View<'_>) {
        let tokens = logprobs.get("content").unwrap_or(logprobs).elements();
        let raw = |token: &View<'_>, name| token.get(name).map(View::raw).unwrap_or_default().to_owned();
        self.logprobs.extend(tokens.iter().map(|token| (raw(token, "token"), raw(token, "logprob"))));
    }

    fn add_citation(&mut self, citation: View<'_>) {
        let own = citation.get("url_citation").unwrap_or(citation);
        self.citations.extend(own.get("url").and_then(View::text).map(|url| url.escaped().to_owned()));
    }
}

/// The form of an answer.
pub(super) fn of_answer(answer: &Answer<'_>) -> Form {
    let text = |text: &Option<crate::json_view::Text<'_>>| text.as_ref().map(|text| text.escaped().to_owned());
    Form {
        id: text(&answer.id).unwrap_or_default(),
        model: text(&answer.model).unwrap_or_default(),
        choices: (0..).zip(answer.choices.iter().map(of_choice)).collect(),
        usage: answer.usage.unwrap_or_default(),
    }
}

fn of_choice(choice: &Choice<'_>) -> ChoiceForm {
    let mut form = ChoiceForm {
        finish: choice.finish,
        stop_sequence: choice.stop_sequence.as_ref().map(|text| text.escaped().to_owned()),
        ..ChoiceForm::default()
    };
    choice.logprobs.into_iter().for_each(|logprobs| form.add_logprobs(logprobs));
    choice.parts.iter().for_each(|part| form.add_part(part));
    form.join();
    form
}

impl ChoiceForm {
    fn add_part(&mut self, part: &Part<'_>) {
        self.signatures.extend(part.signature.as_ref().map(|signature| signature.escaped().to_owned()));
        let own = |text: &crate::json_view::Text<'_>| text.escaped().to_owned();
        let piece = match &part.kind {
            PartKind::Text { text, citations } => {
                citations.map(View::elements).into_iter().flatten().for_each(|citation| self.add_citation(citation));
                Piece::Text(own(text))
            }
            PartKind::Refusal(text) => Piece::Refusal(own(text)),
            PartKind::Thinking(text) => Piece::Thought(own(text)),
            PartKind::RedactedThinking(text) => Piece::Redacted(own(text)),
            PartKind::ToolCall { id, name, arguments } => {
                Piece::Call { id: own(id), name: own(name), arguments: written(arguments) }
            }
            _ => Piece::Media,
        };
        self.pieces.push(piece);
    }
}

/// Arguments as JSON; none are an empty object.
pub(super) fn written(arguments: &Arguments<'_>) -> String {
    let written = match arguments {
        Arguments::Object(object) => object.raw().to_owned(),
        Arguments::Text(text) => text.decoded().expect("no lone surrogates").into_owned(),
    };
    if written.is_empty() { "{}".to_owned() } else { written }
}

/// The form of a stream, put together event by event. What no stream may do fails: pieces of parts that were never begun,
/// anything behind the end.
#[derive(Default)]
pub(super) struct Gathered {
    form: Form,
    /// Where each part is among its choice's pieces, and whether it is open.
    parts: BTreeMap<(u32, u32), (usize, bool)>,
    pub(super) is_done: bool,
}

impl Gathered {
    pub(super) fn add(&mut self, event: &Event<'_>) {
        assert!(!self.is_done, "{event:?} comes behind the end");
        let own = |text: &crate::json_view::Text<'_>| text.escaped().to_owned();
        match event {
            Event::Start { id, model } => {
                self.form.id = id.as_ref().map(own).unwrap_or_default();
                self.form.model = model.as_ref().map(own).unwrap_or_default();
            }
            Event::Begin { choice, part, kind } => {
                let pieces = &mut self.form.choices.entry(*choice).or_default().pieces;
                self.parts.insert((*choice, *part), (pieces.len(), true));
                pieces.push(match kind {
                    Begun::Text => Piece::Text(String::new()),
                    Begun::Refusal => Piece::Refusal(String::new()),
                    Begun::Thinking => Piece::Thought(String::new()),
                    Begun::RedactedThinking(data) => Piece::Redacted(own(data)),
                    Begun::ToolCall { id, name } => {
                        Piece::Call { id: own(id), name: own(name), arguments: String::new() }
                    }
                });
            }
            Event::Piece { choice, part, text } => {
                let (at, is_open) = self.parts[&(*choice, *part)];
                assert!(is_open, "{text:?} comes behind the end of its part");
                match &mut self.form.choices.entry(*choice).or_default().pieces[at] {
                    Piece::Text(into)
                    | Piece::Refusal(into)
                    | Piece::Thought(into)
                    | Piece::Call { arguments: into, .. } => *into += text.escaped(),
                    other => panic!("{text:?} belongs to {other:?}"),
                }
            }
            Event::Signature { choice, part, signature } => {
                assert!(self.parts.contains_key(&(*choice, *part)), "a proof of nothing");
                self.form.choices.entry(*choice).or_default().signatures.push(own(signature));
            }
            Event::Citation { choice, part, citation } => {
                assert!(self.parts.contains_key(&(*choice, *part)), "a citation in nothing");
                self.form.choices.entry(*choice).or_default().add_citation(*citation);
            }
            Event::End { choice, part } => {
                let (_, is_open) = self.parts.get_mut(&(*choice, *part)).expect("a part");
                assert!(std::mem::take(is_open), "two ends of a part");
            }
            Event::Finish { choice, reason, stop_sequence } => {
                let choice = self.form.choices.entry(*choice).or_default();
                assert_eq!(choice.finish, None, "two ends of a choice");
                choice.finish = Some(*reason);
                choice.stop_sequence = stop_sequence.as_ref().map(own);
            }
            Event::Logprobs { choice, logprobs } => {
                self.form.choices.entry(*choice).or_default().add_logprobs(*logprobs);
            }
            Event::Usage(usage) => self.form.usage = self.form.usage.field_wise_max(usage),
            Event::Ping => {}
            Event::Done => self.is_done = true,
        }
    }

    pub(super) fn form(mut self) -> Form {
        for choice in self.form.choices.values_mut() {
            for piece in &mut choice.pieces {
                if let Piece::Call { arguments, .. } = piece {
                    let quoted = format!("\"{arguments}\"");
                    *arguments = serde_json::from_str(&quoted).expect("no lone surrogates");
                    if arguments.is_empty() {
                        "{}".clone_into(arguments);
                    }
                }
            }
            choice.join();
        }
        self.form
    }
}
