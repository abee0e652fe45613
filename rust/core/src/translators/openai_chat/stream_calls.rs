//! Which tool call a delta belongs to.
//!
//! OpenAI numbers calls by `index` and says id and name once. Vendors leave the index out, give each call of an answer the
//! same index, repeat id and name in each delta, or send a call whole; an id or a name that is new tells a new call.

use crate::json_view::{Kind, Text, View};
use crate::neutral::{Begun, Event, PartsInOrder};

use super::answer_reader::made_id;

/// The tool calls of one choice.
#[derive(Clone, Debug, Default)]
pub(super) struct StreamCalls {
    calls: Vec<Call>,
}

#[derive(Clone, Debug)]
struct Call {
    index: Option<u64>,
    id: Option<Text<'static>>,
    /// Its number, once its name has come.
    part: Option<u32>,
}

impl StreamCalls {
    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Takes in an element of a delta's `tool_calls`.
    pub(super) fn read<'text>(
        &mut self,
        choice: u32,
        delta: View<'text>,
        answer_id: Option<&Text<'_>>,
        parts: &mut PartsInOrder,
        events: &mut Vec<Event<'text>>,
    ) {
        let Some(function) = delta.get("function") else { return };
        let id = delta.get("id").and_then(View::text).filter(|id| !id.is_empty());
        self.read_function(choice, delta.get("index").and_then(View::as_u64), id, function, answer_id, parts, events);
    }

    /// Takes in what a delta says of a function; `index` and `id` as the delta has them.
    #[expect(clippy::too_many_arguments, reason = "a delta's own fields, and where they go")]
    pub(super) fn read_function<'text>(
        &mut self,
        choice: u32,
        index: Option<u64>,
        id: Option<Text<'text>>,
        function: View<'text>,
        answer_id: Option<&Text<'_>>,
        parts: &mut PartsInOrder,
        events: &mut Vec<Event<'text>>,
    ) {
        let name = function.get("name").and_then(View::text).filter(|name| !name.is_empty());
        let arguments = arguments(function);
        let position = self.find(index, id.as_ref(), name.is_some()).unwrap_or_else(|| {
            self.calls.push(Call { index, id: None, part: None });
            self.calls.len() - 1
        });
        let call = &mut self.calls[position];
        if call.id.is_none() {
            call.id = id.map(Text::into_owned);
        }
        if call.part.is_none() && (name.is_some() || !arguments.is_empty()) {
            let id = call.id.clone().unwrap_or_else(|| made_id(answer_id, u64::from(choice), position));
            let kind = Begun::ToolCall { id, name: name.unwrap_or_default() };
            call.part = Some(parts.of(choice, kind, events));
        }
        if let Some(part) = call.part
            && !arguments.is_empty()
        {
            events.push(Event::Piece { choice, part, text: arguments });
        }
    }

    /// The call that a delta goes on with.
    fn find(&self, index: Option<u64>, id: Option<&Text<'_>>, has_name: bool) -> Option<usize> {
        let is_other = |call: &Call| call.id.is_some() && id.is_some() && call.id.as_ref() != id;
        match (index, id) {
            (Some(_), _) => {
                let position = self.calls.iter().rposition(|call| call.index == index)?;
                (!(has_name && is_other(&self.calls[position]))).then_some(position)
            }
            (None, Some(id)) => self.calls.iter().rposition(|call| call.id.as_ref() == Some(id)),
            (None, None) if has_name => None,
            (None, None) => self.calls.len().checked_sub(1),
        }
    }
}

/// Arguments as they go into a string.
fn arguments(function: View<'_>) -> Text<'_> {
    match function.get("arguments") {
        Some(object) if object.kind() == Kind::Object => Text::of(object.raw()),
        Some(other) => other.text().unwrap_or_default(),
        None => Text::default(),
    }
}
