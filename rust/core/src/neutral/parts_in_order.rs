//! Numbers for parts in dialects whose streams don't begin and end them: a part ends when another kind of part begins.

use super::{Begun, Event};
use crate::json_view::Text;

/// What is open in one choice.
#[derive(Clone, Debug, Default)]
pub struct PartsInOrder {
    next: u32,
    open: Option<(u32, Family)>,
    /// Numbers of tool calls, by the provider's own index.
    tool_calls: Vec<(u64, u32)>,
    /// What stands for a proof of the thoughts that are open.
    proof: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Family {
    Text,
    Refusal,
    Thinking,
    /// Whole when it begins, or one of its own.
    Single,
}

impl PartsInOrder {
    /// The number of the part that words of this kind belong to: the open one of the same kind, or a new one.
    pub fn of<'text>(&mut self, choice: u32, kind: Begun<'text>, events: &mut Vec<Event<'text>>) -> u32 {
        let family = match kind {
            Begun::Text => Family::Text,
            Begun::Refusal => Family::Refusal,
            Begun::Thinking => Family::Thinking,
            Begun::RedactedThinking(_) | Begun::ToolCall { .. } => Family::Single,
        };
        match self.open {
            Some((part, open)) if open == family && family != Family::Single => part,
            _ => self.begin(choice, kind, family, events),
        }
    }

    /// The number of a tool call that the provider calls by this index, if it has begun.
    #[must_use]
    pub fn tool_call(&self, index: u64) -> Option<u32> {
        self.tool_calls.iter().find(|(own, _)| *own == index).map(|(_, part)| *part)
    }

    /// Begins a tool call that the provider calls by this index.
    pub fn begin_tool_call<'text>(
        &mut self,
        choice: u32,
        index: u64,
        kind: Begun<'text>,
        events: &mut Vec<Event<'text>>,
    ) -> u32 {
        let part = self.begin(choice, kind, Family::Single, events);
        self.tool_calls.push((index, part));
        part
    }

    /// What stands for a proof of the thoughts that are open; it is told where they end.
    pub fn prove(&mut self, proof: &'static str) {
        self.proof = matches!(self.open, Some((_, Family::Thinking))).then_some(proof);
    }

    /// The number of the words that are open.
    #[must_use]
    pub fn open_words(&self) -> Option<u32> {
        self.open.filter(|(_, family)| *family == Family::Text).map(|(part, _)| part)
    }

    /// Ends what is open.
    pub fn end(&mut self, choice: u32, events: &mut Vec<Event<'_>>) {
        if let Some((part, _)) = self.open.take() {
            if let Some(proof) = self.proof.take() {
                events.push(Event::Signature { choice, part, signature: Text::of(proof) });
            }
            events.push(Event::End { choice, part });
        }
    }

    fn begin<'text>(&mut self, choice: u32, kind: Begun<'text>, family: Family, events: &mut Vec<Event<'text>>) -> u32 {
        self.end(choice, events);
        let part = self.next;
        self.next += 1;
        self.open = Some((part, family));
        events.push(Event::Begin { choice, part, kind });
        part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_kind_ends_a_part() {
        let (mut parts, mut events) = (PartsInOrder::default(), Vec::new());
        assert_eq!(parts.of(0, Begun::Thinking, &mut events), 0);
        parts.prove("p");
        assert_eq!((parts.of(0, Begun::Text, &mut events), parts.open_words()), (1, Some(1)));
        let signature = Text::of("p");
        assert_eq!(
            events[1..3],
            [Event::Signature { choice: 0, part: 0, signature }, Event::End { choice: 0, part: 0 }]
        );
        parts.prove("words need none");
        assert_eq!(parts.of(0, Begun::Text, &mut events), 1);
        let call = || Begun::ToolCall { id: Text::of("a"), name: Text::of("f") };
        assert_eq!(parts.begin_tool_call(0, 7, call(), &mut events), 2);
        assert_eq!(parts.begin_tool_call(0, 8, call(), &mut events), 3);
        assert_eq!((parts.tool_call(7), parts.tool_call(8), parts.tool_call(9)), (Some(2), Some(3), None));
        parts.end(0, &mut events);
        parts.end(0, &mut events);
        let ends = events.iter().filter(|event| matches!(event, Event::End { .. })).count();
        assert_eq!((events.len(), ends), (9, 4));
    }
}
