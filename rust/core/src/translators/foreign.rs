//! Proofs of one vendor in a history that passes as it is to another.
//!
//! A client resends what it got, whoever answered then. A translated request leaves foreign proofs out; one that passes as
//! it is would bring them to a vendor which refuses what it did not sign. What is spliced out here was put in by this
//! gateway's own writers.

use super::gemini;
use super::openai_chat::MARK;
use crate::dialects::splice::Splice;
use crate::json_members::{Member, elements, members, removals};
use crate::neutral::{Format, signed_by};

/// What has to be changed in a request of this format, valid JSON, so that its own vendor takes the history.
#[must_use]
pub fn changes(format: Format, body: &[u8]) -> Vec<Splice> {
    let has = |mark: &str| memchr::memmem::find(body, mark.as_bytes()).is_some();
    let may_have = match format {
        Format::OpenaiChat => has(MARK),
        Format::OpenaiResponses => has("\"encrypted_content\""),
        Format::Anthropic => ["\"signature\"", "\"redacted_thinking\"", "\"encrypted_index\""].into_iter().any(has),
        Format::Gemini => has("\"thoughtSignature\"") || has("\"thought_signature\""),
    };
    if !may_have {
        return Vec::new();
    }
    let history = History { body, members: members(body, 0..body.len()) };
    match format {
        Format::OpenaiChat => history.without_marks(),
        Format::OpenaiResponses => history.without_items(),
        Format::Anthropic => history.without_blocks(),
        Format::Gemini => history.without_part_signatures(),
    }
}

struct History<'body> {
    body: &'body [u8],
    members: Vec<Member>,
}

impl History<'_> {
    /// What is at a member's value.
    fn raw(&self, member: &Member) -> &[u8] {
        &self.body[member.value.clone()]
    }

    fn field(&self, name: &str) -> Vec<Member> {
        let found = self.members.iter().find(|member| member.key == name.as_bytes());
        found.map(|member| elements(self.body, member.value.clone())).unwrap_or_default()
    }

    fn of(&self, member: &Member) -> Vec<Member> {
        members(self.body, member.value.clone())
    }

    /// Whether one of these members is this string.
    fn is(&self, members: &[Member], name: &str, text: &str) -> bool {
        members.iter().any(|one| one.key == name.as_bytes() && self.text(one) == text.as_bytes())
    }

    /// A string between its quotes; empty for anything else.
    fn text(&self, member: &Member) -> &[u8] {
        let raw = self.raw(member);
        raw.strip_prefix(b"\"").and_then(|raw| raw.strip_suffix(b"\"")).unwrap_or_default()
    }

    fn is_foreign(&self, member: &Member, others: &[&str]) -> bool {
        let text = self.text(member);
        others.iter().any(|vendor| text.starts_with(vendor.as_bytes()))
    }

    /// Ids of tool calls as their providers gave them.
    fn without_marks(&self) -> Vec<Splice> {
        let mut changes = Vec::new();
        let mut shorten = |member: &Member| {
            if let Some(mark) = memchr::memmem::find(self.text(member), MARK.as_bytes()) {
                let start = member.value.start + 1 + mark;
                changes.push(Splice::new(start..member.value.end - 1, String::new()));
            }
        };
        for message in self.field("messages") {
            for member in self.of(&message) {
                match member.key.as_slice() {
                    b"tool_call_id" => shorten(&member),
                    b"tool_calls" => {
                        for call in elements(self.body, member.value.clone()) {
                            self.of(&call).iter().filter(|one| one.key == b"id").for_each(&mut shorten);
                        }
                    }
                    _ => {}
                }
            }
        }
        changes
    }

    /// Reasoning that OpenAI encrypted, or none.
    fn without_items(&self) -> Vec<Splice> {
        const OTHERS: [&str; 4] =
            [signed_by::ANTHROPIC, signed_by::GEMINI, signed_by::CHAT_REASONING, signed_by::REDACTED];
        let items = self.field("input");
        removals(self.body, &items, |item| {
            let fields = self.of(item);
            let is_foreign = |one: &Member| one.key == b"encrypted_content" && self.is_foreign(one, &OTHERS);
            self.is(&fields, "type", "reasoning") && fields.iter().any(is_foreign)
        })
    }

    /// Thoughts that Anthropic signed, or none; then neither may it be asked for a budget of thoughts, since the turn that it
    /// is to go on with begins without them.
    fn without_blocks(&self) -> Vec<Splice> {
        const OTHERS: [&str; 3] = [signed_by::GEMINI, signed_by::OPENAI, signed_by::CHAT_REASONING];
        let is_foreign = |block: &Member| {
            let fields = self.of(block);
            let is_unsigned = |one: &Member| self.raw(one) == b"\"\"" || self.is_foreign(one, &OTHERS);
            let has = |name: &str| fields.iter().any(|one| one.key == name.as_bytes() && is_unsigned(one));
            match () {
                () if self.is(&fields, "type", "thinking") => has("signature"),
                () if self.is(&fields, "type", "redacted_thinking") => has("data"),
                () => false,
            }
        };
        let messages = self.field("messages");
        let mut emptied = Vec::new();
        let mut changes = Vec::new();
        let mut last_is_robbed = false;
        for message in &messages {
            let fields = self.of(message);
            if !self.is(&fields, "role", "assistant") {
                continue;
            }
            let content = fields.iter().find(|one| one.key == b"content");
            let blocks = content.map(|one| elements(self.body, one.value.clone())).unwrap_or_default();
            let foreign = blocks.iter().filter(|block| is_foreign(block)).count();
            last_is_robbed = foreign > 0;
            if foreign > 0 && foreign == blocks.len() {
                emptied.push(message.value.start);
            } else if foreign > 0 {
                changes.extend(removals(self.body, &blocks, is_foreign));
            }
            for block in blocks.iter().filter(|block| !is_foreign(block)) {
                changes.extend(self.without_citations(block));
            }
        }
        if !emptied.is_empty() {
            changes.extend(removals(self.body, &messages, |message| emptied.contains(&message.value.start)));
        }
        if last_is_robbed {
            changes.extend(removals(self.body, &self.members, |member| {
                member.key == b"thinking" && self.is(&self.of(member), "type", "enabled")
            }));
        }
        changes
    }

    /// Citations of a search that Anthropic made.
    fn without_citations(&self, block: &Member) -> Vec<Splice> {
        let citations = self.of(block).into_iter().find(|member| member.key == b"citations");
        let citations = citations.map(|list| elements(self.body, list.value)).unwrap_or_default();
        removals(self.body, &citations, |citation| {
            self.of(citation).iter().any(|one| one.key == b"encrypted_index" && self.raw(one) == b"\"\"")
        })
    }

    /// Signatures that Gemini made; calls of others carry what it documents for them.
    fn without_part_signatures(&self) -> Vec<Splice> {
        let is_signature = |one: &Member| matches!(one.key.as_slice(), b"thoughtSignature" | b"thought_signature");
        let mut changes = Vec::new();
        for content in self.field("contents") {
            let parts = self.of(&content).into_iter().find(|member| member.key == b"parts");
            let parts = parts.map(|parts| elements(self.body, parts.value));
            for part in parts.unwrap_or_default() {
                let fields = self.of(&part);
                let Some(signature) = fields.iter().find(|one| is_signature(one)) else { continue };
                if !std::str::from_utf8(self.text(signature)).is_ok_and(gemini::is_foreign) {
                    continue;
                }
                let is_call = fields.iter().any(|one| matches!(one.key.as_slice(), b"functionCall" | b"function_call"));
                if is_call {
                    changes.push(Splice::text(signature.value.clone(), gemini::OF_ANOTHER_MODEL));
                } else {
                    changes.extend(removals(self.body, &fields, is_signature));
                }
            }
        }
        changes
    }
}

#[cfg(test)]
#[path = "foreign_tests.rs"]
mod tests;
