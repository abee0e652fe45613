//! An answer for the client, whole.

use super::output_item::{COMPLETED, Cited, Content, ItemKind, OutputItem, cited, logprobs, of_part};
use super::request_writer::service_tier;
use super::response_object::{Progress, ResponseObject, repeated, status};
use super::signature;
use crate::json_view::{Text, View};
use crate::neutral::{Answer, Arguments, Choice, Part, PartKind};
use crate::translators::Replying;

/// Writes an answer. A client of this dialect can't ask for several choices; if there are, their items follow each other.
#[must_use]
pub fn write_answer(answer: &Answer<'_>, replying: &Replying<'_>) -> Vec<u8> {
    let id = answer.id.clone().unwrap_or_else(|| Text::of(replying.fallback_id));
    let model = answer.model.clone().unwrap_or_else(|| Text::of(replying.fallback_model));
    let created = answer.created_unix_s.unwrap_or(replying.now_unix_s);
    let mut output =
        Output { response: ResponseObject::new(&id, &model, created, &repeated(replying.request)), items: Vec::new() };
    answer.choices.iter().for_each(|choice| output.choice(choice));
    let first = answer.choices.first();
    let refuses = first.is_some_and(|choice| choice.parts.iter().any(|part| matches!(part.kind, PartKind::Refusal(_))));
    let (status, reason) = status(first.and_then(|choice| choice.finish), refuses);
    let completed_unix_s = (status == COMPLETED).then_some(replying.now_unix_s);
    let progress = Progress { status, reason, completed_unix_s, usage: answer.usage };
    let mut written = Vec::with_capacity(2_048);
    let tier = answer.service_tier.as_ref().and_then(service_tier);
    output.response.write(progress, tier, &output.items, &mut written);
    written
}

/// A tool's arguments, escaped for a string. A call without any is one with none: clients parse what they get.
fn escaped(arguments: &Arguments<'_>) -> String {
    match arguments {
        Arguments::Text(text) if text.is_empty() => "{}".to_owned(),
        Arguments::Text(text) => text.escaped().to_owned(),
        Arguments::Object(view) => Text::of(view.raw()).escaped().to_owned(),
    }
}

struct Output {
    response: ResponseObject,
    items: Vec<OutputItem>,
}

impl Output {
    fn choice(&mut self, choice: &Choice<'_>) {
        let first = self.items.len();
        for part in &choice.parts {
            self.part(part, first);
        }
        if let Some(probabilities) = choice.logprobs {
            self.logprobs(probabilities, first);
        }
        if let Some(last) = self.items[first..].last_mut() {
            let refuses = choice.parts.iter().any(|part| matches!(part.kind, PartKind::Refusal(_)));
            last.status = status(choice.finish, refuses).0;
        }
    }

    fn part(&mut self, part: &Part<'_>, first: usize) {
        let proof = part.signature.as_ref().map(|signature| signature.escaped().to_owned());
        match &part.kind {
            PartKind::Thinking(text) => return self.thoughts(text, proof, first),
            PartKind::RedactedThinking(data) => {
                let data = signature::of_redacted(data).escaped().to_owned();
                return self.item(ItemKind::Reasoning { summary: Vec::new(), encrypted_content: Some(data) });
            }
            _ => {}
        }
        // The proof of the thought behind something else stands before it.
        if proof.is_some() {
            self.item(ItemKind::Reasoning { summary: Vec::new(), encrypted_content: proof });
        }
        match &part.kind {
            PartKind::Text { text, citations } => {
                let citations = citations.map(View::elements).unwrap_or_default();
                let annotations = citations.into_iter().filter_map(cited).map(|cited| match cited {
                    Cited::Said(annotation) => annotation,
                    Cited::OfPart(web) => of_part(&web, text.escaped()),
                });
                let content = Content {
                    text: text.escaped().to_owned(),
                    annotations: annotations.collect(),
                    ..Content::default()
                };
                self.content(content, first);
            }
            PartKind::Refusal(text) => {
                let text = text.escaped().to_owned();
                self.content(Content { is_refusal: true, text, ..Content::default() }, first);
            }
            PartKind::ToolCall { id, name, arguments } => self.item(ItemKind::FunctionCall {
                call_id: id.escaped().to_owned(),
                name: name.escaped().to_owned(),
                arguments: escaped(arguments),
            }),
            // No answer has them in a form that this dialect knows.
            _ => {}
        }
    }

    fn item(&mut self, kind: ItemKind) {
        let id = self.response.item_id(&kind, self.items.len());
        self.items.push(OutputItem { id, status: COMPLETED, kind });
    }

    /// Thoughts belong together up to their proof.
    fn thoughts(&mut self, text: &Text<'_>, proof: Option<String>, first: usize) {
        let text = (!text.is_empty()).then(|| text.escaped().to_owned());
        match self.items[first..].last_mut().map(|item| &mut item.kind) {
            Some(ItemKind::Reasoning { summary, encrypted_content: encrypted_content @ None }) => {
                summary.extend(text);
                *encrypted_content = proof;
            }
            _ => self.item(ItemKind::Reasoning { summary: text.into_iter().collect(), encrypted_content: proof }),
        }
    }

    /// Words that follow each other are one message.
    fn content(&mut self, content: Content, first: usize) {
        match self.items[first..].last_mut().map(|item| &mut item.kind) {
            Some(ItemKind::Message(contents)) => contents.push(content),
            _ => self.item(ItemKind::Message(vec![content])),
        }
    }

    fn logprobs(&mut self, probabilities: View<'_>, first: usize) {
        let contents = self.items[first..].iter_mut().rev().filter_map(|item| match &mut item.kind {
            ItemKind::Message(contents) => Some(contents),
            _ => None,
        });
        if let Some(content) = contents.flatten().find(|content| !content.is_refusal) {
            content.logprobs = logprobs(probabilities);
        }
    }
}

#[cfg(test)]
#[path = "answer_writer_tests.rs"]
mod tests;
