//! The items of a stream, and the frames that open, fill and close them.
//!
//! What was written is kept, because the protocol repeats each part when it is whole, each item when its parts are, and
//! all of them in the last event.

use super::output_item::{
    Content, IN_PROGRESS, ItemKind, OutputItem, Status, of_part, write_escaped, write_raw_list, write_summary,
};
use super::response_object::{Progress, ResponseObject};
use crate::json_object::JsonObject;
use crate::translators::web_citation::WebCitation;

const OUTPUT_TEXT_DELTA: &str = "response.output_text.delta";

/// What was written of a response.
#[derive(Clone, Debug, Default)]
pub(super) struct StreamItems {
    pub(super) response: ResponseObject,
    pub(super) items: Vec<StreamItem>,
    sequence_number: u64,
}

/// An item that is being written.
#[derive(Clone, Debug)]
pub(super) struct StreamItem {
    pub(super) item: OutputItem,
    pub(super) choice: u32,
    /// Indexes of its parts that are not whole.
    open: Vec<usize>,
    pub(super) is_done: bool,
    /// Citations of parts that are not whole.
    cited: Vec<(usize, WebCitation<'static>)>,
}

impl StreamItem {
    /// Whether it waits for more of its kind, and nothing in it for an end.
    pub(super) fn is_idle(&self) -> bool {
        !self.is_done && self.open.is_empty() && !matches!(self.item.kind, ItemKind::FunctionCall { .. })
    }

    /// Something was added to it, or to a part of it. What was whole is opened again: its last frames come once more.
    fn reopen(&mut self, inner: Option<usize>) {
        self.is_done = false;
        self.open.extend(inner.filter(|inner| !self.open.contains(inner)));
    }
}

/// What is opened within an item.
pub(super) enum Inner {
    Content(Content),
    Summary,
}

impl StreamItems {
    /// The number of the frame that comes next.
    pub(super) fn next_sequence_number(&self) -> u64 {
        self.sequence_number
    }

    /// A frame that carries the response as a whole.
    pub(super) fn response_frame(&mut self, kind: &str, progress: Progress, written: &mut Vec<u8>) {
        let has_output = progress.status != IN_PROGRESS;
        let items = self.items.iter().filter(|_| has_output).map(|item| &item.item);
        frame(kind, &mut self.sequence_number, written, |object| {
            object.value("response", |into| self.response.write(progress, None, items, into));
        });
    }

    /// Opens an item; its index.
    pub(super) fn open(&mut self, choice: u32, kind: ItemKind, written: &mut Vec<u8>) -> usize {
        let index = self.items.len();
        let item = OutputItem { id: self.response.item_id(&kind, index), status: IN_PROGRESS, kind };
        item_frame("response.output_item.added", &item, index, &mut self.sequence_number, written);
        self.items.push(StreamItem { item, choice, open: Vec::new(), is_done: false, cited: Vec::new() });
        index
    }

    /// Opens a part of a message or of thoughts; its index within the item.
    pub(super) fn open_inner(&mut self, index: usize, inner: Inner, written: &mut Vec<u8>) -> usize {
        let Some(StreamItem { item, open, .. }) = self.items.get_mut(index) else { return 0 };
        let place = match (&mut item.kind, inner) {
            (ItemKind::Message(contents), Inner::Content(content)) => {
                let place = Place { id: &item.id, index, inner: Some(("content_index", contents.len())) };
                place.frame("response.content_part.added", &mut self.sequence_number, written, |object| {
                    object.value("part", |into| content.write(into));
                });
                contents.push(content);
                contents.len() - 1
            }
            (ItemKind::Reasoning { summary, .. }, Inner::Summary) => {
                let place = Place { id: &item.id, index, inner: Some(("summary_index", summary.len())) };
                place.frame("response.reasoning_summary_part.added", &mut self.sequence_number, written, |object| {
                    object.value("part", |into| write_summary("", into));
                });
                summary.push(String::new());
                summary.len() - 1
            }
            _ => return 0,
        };
        open.push(place);
        place
    }

    /// More of an item, or of its part.
    pub(super) fn delta(&mut self, index: usize, inner: usize, text: &str, written: &mut Vec<u8>) {
        let Some(own) = self.items.get_mut(index) else { return };
        let (kind, name) = match &mut own.item.kind {
            ItemKind::FunctionCall { arguments, .. } => {
                arguments.push_str(text);
                ("response.function_call_arguments.delta", None)
            }
            ItemKind::Message(contents) => {
                let Some(content) = contents.get_mut(inner) else { return };
                content.text.push_str(text);
                let kind = if content.is_refusal { "response.refusal.delta" } else { OUTPUT_TEXT_DELTA };
                (kind, Some("content_index"))
            }
            ItemKind::Reasoning { summary, .. } => {
                let Some(summary) = summary.get_mut(inner) else { return };
                summary.push_str(text);
                ("response.reasoning_summary_text.delta", Some("summary_index"))
            }
        };
        own.reopen(name.map(|_| inner));
        let place = Place { id: &own.item.id, index, inner: name.map(|name| (name, inner)) };
        place.frame(kind, &mut self.sequence_number, written, |object| {
            object.value("delta", |into| write_escaped(text, into));
            if kind == OUTPUT_TEXT_DELTA {
                object.literal("logprobs", b"[]");
            }
        });
    }

    /// Log probabilities of the words that came last in a choice: a delta without words.
    pub(super) fn logprobs(&mut self, choice: u32, logprobs: Vec<String>, written: &mut Vec<u8>) {
        for (index, own) in self.items.iter_mut().enumerate().rev().filter(|(_, item)| item.choice == choice) {
            let ItemKind::Message(contents) = &mut own.item.kind else { continue };
            let Some(inner) = contents.iter().rposition(|content| !content.is_refusal) else { continue };
            let place = Place { id: &own.item.id, index, inner: Some(("content_index", inner)) };
            place.frame(OUTPUT_TEXT_DELTA, &mut self.sequence_number, written, |object| {
                object.text("delta", "");
                object.value("logprobs", |into| write_raw_list(&logprobs, into));
            });
            contents[inner].logprobs.extend(logprobs);
            own.reopen(Some(inner));
            return;
        }
    }

    /// Where words of a message are from.
    pub(super) fn annotation(&mut self, index: usize, inner: usize, annotation: String, written: &mut Vec<u8>) {
        let Some(own) = self.items.get_mut(index) else { return };
        let ItemKind::Message(contents) = &mut own.item.kind else { return };
        let Some(content) = contents.get_mut(inner).filter(|content| !content.is_refusal) else { return };
        let place = Place { id: &own.item.id, index, inner: Some(("content_index", inner)) };
        place.frame("response.output_text.annotation.added", &mut self.sequence_number, written, |object| {
            object.number("annotation_index", content.annotations.len());
            object.literal("annotation", annotation.as_bytes());
        });
        content.annotations.push(annotation);
        own.reopen(Some(inner));
    }

    /// Where words of a message are from, once all of them are there.
    pub(super) fn cite(&mut self, index: usize, inner: usize, web: WebCitation<'static>) {
        let Some(own) = self.items.get_mut(index) else { return };
        own.cited.push((inner, web));
        own.reopen(Some(inner));
    }

    fn write_cited(&mut self, index: usize, inner: usize, written: &mut Vec<u8>) {
        let Some(own) = self.items.get_mut(index) else { return };
        let (whole, rest): (Vec<_>, _) = std::mem::take(&mut own.cited).into_iter().partition(|(own, _)| *own == inner);
        own.cited = rest;
        for (_, web) in whole {
            let text = match &self.items[index].item.kind {
                ItemKind::Message(contents) => contents.get(inner).map(|content| content.text.as_str()),
                _ => None,
            };
            let annotation = of_part(&web, text.unwrap_or_default());
            self.annotation(index, inner, annotation, written);
        }
    }

    /// A part of an item is whole.
    pub(super) fn close_inner(&mut self, index: usize, inner: usize, written: &mut Vec<u8>) {
        self.write_cited(index, inner, written);
        let Some(StreamItem { item, open, .. }) = self.items.get_mut(index) else { return };
        let Some(position) = open.iter().position(|one| *one == inner) else { return };
        open.remove(position);
        let number = &mut self.sequence_number;
        match &item.kind {
            ItemKind::Message(contents) => {
                let Some(content) = contents.get(inner) else { return };
                let place = Place { id: &item.id, index, inner: Some(("content_index", inner)) };
                if content.is_refusal {
                    place.frame("response.refusal.done", number, written, |object| {
                        object.value("refusal", |into| write_escaped(&content.text, into));
                    });
                } else {
                    place.frame("response.output_text.done", number, written, |object| {
                        object.value("text", |into| write_escaped(&content.text, into));
                        object.value("logprobs", |into| write_raw_list(&content.logprobs, into));
                    });
                }
                place.frame("response.content_part.done", number, written, |object| {
                    object.value("part", |into| content.write(into));
                });
            }
            ItemKind::Reasoning { summary, .. } => {
                let Some(text) = summary.get(inner) else { return };
                let place = Place { id: &item.id, index, inner: Some(("summary_index", inner)) };
                place.frame("response.reasoning_summary_text.done", number, written, |object| {
                    object.value("text", |into| write_escaped(text, into));
                });
                place.frame("response.reasoning_summary_part.done", number, written, |object| {
                    object.value("part", |into| write_summary(text, into));
                });
            }
            ItemKind::FunctionCall { .. } => {}
        }
    }

    /// An item is whole, and all that is open in it.
    pub(super) fn close(&mut self, index: usize, status: Status, written: &mut Vec<u8>) {
        let Some(item) = self.items.get(index).filter(|item| !item.is_done) else { return };
        // Clients parse what they get: a call without arguments is one with none.
        if matches!(&item.item.kind, ItemKind::FunctionCall { arguments, .. } if arguments.is_empty()) {
            self.delta(index, 0, "{}", written);
        }
        while let Some(inner) = self.items.get(index).and_then(|item| item.open.first().copied()) {
            self.close_inner(index, inner, written);
        }
        let Some(StreamItem { item, is_done, .. }) = self.items.get_mut(index) else { return };
        (item.status, *is_done) = (status, true);
        if let ItemKind::FunctionCall { name, arguments, .. } = &item.kind {
            let place = Place { id: &item.id, index, inner: None };
            place.frame("response.function_call_arguments.done", &mut self.sequence_number, written, |object| {
                object.value("name", |into| write_escaped(name, into));
                object.value("arguments", |into| write_escaped(arguments, into));
            });
        }
        item_frame("response.output_item.done", item, index, &mut self.sequence_number, written);
    }

    /// Closes every open item that `is_meant`, in order.
    pub(super) fn close_where(
        &mut self,
        status: Status,
        written: &mut Vec<u8>,
        is_meant: impl Fn(&StreamItem) -> bool,
    ) {
        for index in 0..self.items.len() {
            if is_meant(&self.items[index]) {
                self.close(index, status, written);
            }
        }
    }
}

/// Where a frame's news are.
struct Place<'item> {
    id: &'item str,
    index: usize,
    /// Which part of the item, by the name of its index.
    inner: Option<(&'static str, usize)>,
}

impl Place<'_> {
    fn frame(&self, kind: &str, number: &mut u64, written: &mut Vec<u8>, fill: impl FnOnce(&mut JsonObject<'_>)) {
        frame(kind, number, written, |object| {
            object.value("item_id", |into| write_escaped(self.id, into));
            object.number("output_index", self.index);
            if let Some((name, index)) = self.inner {
                object.number(name, index);
            }
            fill(object);
        });
    }
}

fn item_frame(kind: &str, item: &OutputItem, index: usize, number: &mut u64, written: &mut Vec<u8>) {
    frame(kind, number, written, |object| {
        object.number("output_index", index);
        object.value("item", |into| item.write(into));
    });
}

fn frame(kind: &str, number: &mut u64, written: &mut Vec<u8>, fill: impl FnOnce(&mut JsonObject<'_>)) {
    written.extend_from_slice(b"event: ");
    written.extend_from_slice(kind.as_bytes());
    written.extend_from_slice(b"\ndata: ");
    let mut object = JsonObject::begin(written);
    object.text("type", kind);
    object.number("sequence_number", *number);
    fill(&mut object);
    object.end();
    written.extend_from_slice(b"\n\n");
    *number += 1;
}
