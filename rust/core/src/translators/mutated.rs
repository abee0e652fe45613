//! Bodies that are nearly right: those of `golden/`, with a few values taken out, doubled, exchanged or made into something
//! else. What is made of nothing but names is hardly ever a conversation; this nearly always is.

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use crate::neutral::Format;

/// Requests, answers and events of streams, rich ones, of a format.
pub(super) fn bodies(format: Format) -> Vec<Value> {
    let (request, answer, stream) = match format {
        Format::OpenaiChat => (
            include_str!("golden/request.chat.json"),
            include_str!("golden/answer.chat.json"),
            include_str!("golden/stream.chat.sse"),
        ),
        Format::OpenaiResponses => (
            include_str!("golden/request.responses.json"),
            include_str!("golden/answer.responses.json"),
            include_str!("golden/stream.responses.sse"),
        ),
        Format::Anthropic => (
            include_str!("golden/request.anthropic.json"),
            include_str!("golden/answer.anthropic.json"),
            include_str!("golden/stream.anthropic.sse"),
        ),
        Format::Gemini => (
            include_str!("golden/request.gemini.json"),
            include_str!("golden/answer.gemini.json"),
            include_str!("golden/stream.gemini.sse"),
        ),
    };
    let events = stream.lines().filter_map(|line| line.strip_prefix("data: "));
    [request, answer].into_iter().chain(events).filter_map(|text| serde_json::from_str(text).ok()).collect()
}

/// A change of one value.
#[derive(Clone, Debug)]
struct Change {
    place: Index,
    /// Whence another value comes.
    donor: Index,
    kind: u8,
    text: String,
}

fn change() -> impl Strategy<Value = Change> {
    (any::<Index>(), any::<Index>(), 0_u8..10, ".{0,6}").prop_map(|(place, donor, kind, text)| Change {
        place,
        donor,
        kind,
        text,
    })
}

/// A body of this format, with up to six changes.
pub(super) fn mutated(format: Format) -> impl Strategy<Value = Value> {
    let bodies = bodies(format);
    let changes = proptest::collection::vec(change(), 0..7);
    // A request is worth as much as all events together.
    let which = prop_oneof![3 => Just(0_usize), 2 => Just(1), 3 => 0..bodies.len()];
    (which, changes).prop_map(move |(which, changes)| {
        let mut body = bodies[which].clone();
        for change in &changes {
            change.make(&mut body);
        }
        body
    })
}

impl Change {
    fn make(&self, body: &mut Value) {
        let mut places = Vec::new();
        pointers(body, "", &mut places);
        if places.is_empty() {
            return;
        }
        let donated = body.pointer(&places[self.donor.index(places.len())]).cloned().unwrap_or_default();
        let place = &places[self.place.index(places.len())];
        let (parent, last) = place.rsplit_once('/').unwrap_or_default();
        let parent = if self.kind < 2 { body.pointer_mut(parent) } else { None };
        match (self.kind, parent) {
            (0, Some(Value::Object(members))) => drop(members.remove(&last.replace("~1", "/").replace("~0", "~"))),
            (0, Some(Value::Array(elements))) => drop(elements.remove(last.parse().unwrap_or(0))),
            (1, Some(Value::Array(elements))) => {
                let doubled = elements[last.parse::<usize>().unwrap_or(0)].clone();
                elements.push(doubled);
            }
            _ => {
                let Some(value) = body.pointer_mut(place) else { return };
                let own = value.take();
                *value = match self.kind {
                    2 => Value::Null,
                    3 => json!(self.text),
                    4 => json!(self.place.index(5)),
                    5 => json!([own]),
                    6 => json!({ "type": own }),
                    7 => json!(self.text.len() > 3),
                    8 => json!(""),
                    _ => donated,
                };
            }
        }
    }
}

/// Where every value within is, as JSON pointers.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    let mut within = |name: String, value: &Value| {
        let place = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
        found.push(place.clone());
        pointers(value, &place, found);
    };
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| within(name.clone(), value)),
        Value::Array(elements) => {
            elements.iter().enumerate().for_each(|(index, value)| within(index.to_string(), value));
        }
        _ => {}
    }
}
