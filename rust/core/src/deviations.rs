//! Where a vendor or a model departs from its dialect: fields of requests that it wants by another name, or refuses.
//!
//! What is refused and as good left out is taken out of a body before it is sent, so that a request which one provider
//! takes does not fail at the next. Whatever else a provider refuses is its own to judge. Bodies are spliced: every other
//! byte stays as it was.

use serde::Deserialize;

use crate::dialects::splice::{Splice, splice};
use crate::json_members::{Member, elements, members, removals, rename};
use crate::neutral::{Effort, Format, ReasoningUnit, Request};

/// What is known of a vendor's model, and costs it a request if nobody heeds it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Deviations {
    /// Fields with another name there. One that is there by that name too is left out.
    pub renames: Vec<(String, String)>,
    /// Fields to leave out; `messages.name` is the only one that is not at the top.
    pub drops: Vec<String>,
    /// Fields to leave out of requests that ask for reasoning.
    pub drops_reasoning: Vec<String>,
    /// Fields of which a request may have one: the first that it has stays.
    pub one_of: Vec<Vec<String>>,
    /// How the model is asked to think.
    pub reasoning: Option<ReasoningUnit>,
    /// The efforts that it knows; `None`: nobody said.
    pub efforts: Option<Vec<Effort>>,
}

/// A name within messages.
const MESSAGE_NAME: &str = "messages.name";

impl Deviations {
    /// Whether bodies have to be looked at.
    fn touch_bodies(&self) -> bool {
        !(self.renames.is_empty() && self.drops.is_empty() && self.drops_reasoning.is_empty() && self.one_of.is_empty())
    }

    /// The body as the model takes it, if that is another, and the names of the fields that it loses by it.
    #[must_use]
    pub fn fit(&self, body: &[u8]) -> (Option<Vec<u8>>, Vec<&str>) {
        if !self.touch_bodies() {
            return (None, Vec::new());
        }
        let (mut changes, dropped) = self.changes(body);
        ((!changes.is_empty()).then(|| splice(body, &mut changes)), dropped)
    }

    /// What has to be changed in a body that is valid JSON, and the names of the fields that it loses by it.
    fn changes(&self, body: &[u8]) -> (Vec<Splice>, Vec<&str>) {
        let members = members(body, 0..body.len());
        let has = |name: &str| members.iter().any(|member| member.key == name.as_bytes());
        let reasons = members.iter().any(|member| asks_for_reasoning(&member.key, &body[member.value.clone()]));
        let mut removed: Vec<&str> = self.drops.iter().map(String::as_str).filter(|name| has(name)).collect();
        if reasons {
            removed.extend(self.drops_reasoning.iter().map(String::as_str).filter(|name| has(name)));
        }
        for alternatives in &self.one_of {
            let found = alternatives.iter().map(String::as_str).filter(|name| has(name) && !removed.contains(name));
            let surplus: Vec<_> = found.skip(1).collect();
            removed.extend(surplus);
        }
        let mut dropped = removed.clone();
        let mut changes = Vec::new();
        let mut renamed = Vec::new();
        for (from, to) in &self.renames {
            let Some(member) = members.iter().find(|member| member.key == from.as_bytes()) else { continue };
            if has(to) || renamed.contains(&to) {
                removed.push(from);
            } else if !is_in(&removed, member) {
                changes.extend(rename(body, member, to));
                renamed.push(to);
            }
        }
        changes.extend(removals(body, &members, |member| is_in(&removed, member)));
        if self.drops.iter().any(|name| name == MESSAGE_NAME)
            && let Some(messages) = members.iter().find(|member| member.key == b"messages")
        {
            let found = names_of_messages(body, messages);
            if !found.is_empty() {
                dropped.push(MESSAGE_NAME);
            }
            changes.extend(found);
        }
        (changes, dropped)
    }

    /// Asks for an effort that it knows; false if it knows none, and the request asks for none any more. What is asked for
    /// in tokens stays so where it is asked in tokens.
    pub fn narrow(&self, request: &mut Request<'_>, format: Format) -> bool {
        let Some(reasoning) = request.reasoning.as_mut().filter(|_| self.efforts.is_some()) else { return true };
        let of_budget = || Effort::of_budget(reasoning.budget_tokens?);
        let asked = reasoning.effort.or_else(|| of_budget().filter(|_| self.reasoning != Some(ReasoningUnit::Tokens)));
        // Elsewhere not to reason is said by other means than an effort.
        let asked = asked.filter(|asked| *asked != Effort::None || format == Format::OpenaiChat);
        match asked.map(|asked| self.nearest_effort(asked)) {
            Some(None) => {
                request.reasoning = None;
                return false;
            }
            Some(effort) => reasoning.effort = effort,
            None => {}
        }
        true
    }

    /// The effort that it knows and that is nearest to one that is asked for, the lower of two; `None` if it knows none.
    #[must_use]
    pub fn nearest_effort(&self, asked: Effort) -> Option<Effort> {
        let Some(efforts) = &self.efforts else { return Some(asked) };
        efforts.iter().copied().min_by_key(|effort| ((*effort as u8).abs_diff(asked as u8), *effort as u8))
    }
}

fn is_in(names: &[&str], member: &Member) -> bool {
    names.iter().any(|name| name.as_bytes() == member.key)
}

/// Whether a field of a chat request, or of Anthropic's, asks for reasoning.
fn asks_for_reasoning(key: &[u8], value: &[u8]) -> bool {
    match key {
        b"reasoning_effort" => value != b"null" && value != br#""none""#,
        b"reasoning" => value != b"null" && memchr::memmem::find(value, br#""none""#).is_none(),
        b"thinking" => memchr::memmem::find(value, br#""disabled""#).is_none() && value != b"null",
        _ => false,
    }
}

/// Changes that take the names out of messages.
fn names_of_messages(body: &[u8], messages: &Member) -> Vec<Splice> {
    let mut changes = Vec::new();
    for message in elements(body, messages.value.clone()) {
        let members = members(body, message.value);
        let is = |name: &str, value: &[u8]| {
            members.iter().any(|one| one.key == name.as_bytes() && &body[one.value.clone()] == value)
        };
        // Of a legacy result it is the function's.
        if !is("role", br#""function""#) {
            changes.extend(removals(body, &members, |one| one.key == b"name"));
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value, json};

    use super::*;

    fn changed(deviations: &Deviations, body: &str) -> (String, Vec<String>) {
        let (mut changes, dropped) = deviations.changes(body.as_bytes());
        let written = splice(body.as_bytes(), &mut changes);
        (String::from_utf8(written).expect("text"), dropped.into_iter().map(str::to_owned).collect())
    }

    fn deviations(value: Value) -> Deviations {
        serde_json::from_value(value).expect("deviations")
    }

    #[test]
    fn fields_are_renamed_and_taken_out_where_they_stand() {
        let mistral = deviations(json!({
            "renames": [["max_completion_tokens", "max_tokens"], ["seed", "random_seed"]],
            "drops": ["user", "store", "messages.name"],
        }));
        let body = r#" {"user": "u" , "model":"m", "\u0073eed" : 7,
            "messages": [{"name":"n","role":"user","content":"\"name\":1"}, {"role":"user", "name" : "x"}, {"role":"function","name":"f"}, 3],
            "max_completion_tokens":9, "store" :true}"#;
        let (written, dropped) = changed(&mistral, body);
        let expected = r#" {  "model":"m", "random_seed" : 7,
            "messages": [{"role":"user","content":"\"name\":1"}, {"role":"user"}, {"role":"function","name":"f"}, 3],
            "max_tokens":9}"#;
        assert_eq!(written, expected);
        assert_eq!(dropped, ["user", "store", "messages.name"]);
        let untouched = r#"{"model":"m","messages":[{"role":"user","content":"name"}]}"#;
        assert_eq!(mistral.changes(untouched.as_bytes()), (vec![], vec![]));
    }

    #[test]
    fn what_is_there_by_both_names_stays_by_the_one_that_counts() {
        let renames = deviations(json!({"renames": [["max_completion_tokens", "max_tokens"]]}));
        let body = r#"{"max_completion_tokens":1,"model":"m","max_tokens":2}"#;
        assert_eq!(changed(&renames, body), (r#"{"model":"m","max_tokens":2}"#.to_owned(), vec![]));
    }

    #[test]
    fn some_fields_go_only_with_reasoning_or_alone() {
        let gpt = deviations(json!({"drops_reasoning": ["temperature"], "one_of": [["temperature", "top_p"]]}));
        for (body, expected) in [
            (r#"{"temperature":1,"reasoning_effort":"low","top_p":1}"#, r#"{"reasoning_effort":"low","top_p":1}"#),
            (
                r#"{"temperature":1,"reasoning_effort":"none","top_p":1}"#,
                r#"{"temperature":1,"reasoning_effort":"none"}"#,
            ),
            (r#"{"reasoning":{"effort":"low"},"temperature":1}"#, r#"{"reasoning":{"effort":"low"}}"#),
            (
                r#"{"thinking":{"type":"disabled"},"temperature":1}"#,
                r#"{"thinking":{"type":"disabled"},"temperature":1}"#,
            ),
            (r#"{"thinking":{"type":"adaptive"},"temperature":1}"#, r#"{"thinking":{"type":"adaptive"}}"#),
            (r#"{"top_p":1}"#, r#"{"top_p":1}"#),
        ] {
            assert_eq!(changed(&gpt, body).0, expected);
        }
    }

    #[test]
    fn efforts_that_it_does_not_know_become_the_nearest() {
        let of = |efforts: Value| deviations(json!({"efforts": efforts}));
        let nearest = |efforts: Value, asked| of(efforts).nearest_effort(asked);
        assert_eq!(nearest(json!(null), Effort::Max), Some(Effort::Max));
        assert_eq!(nearest(json!([]), Effort::Low), None);
        assert_eq!(nearest(json!(["low", "medium", "high"]), Effort::None), Some(Effort::Low));
        assert_eq!(nearest(json!(["low", "high"]), Effort::Medium), Some(Effort::Low));
        assert_eq!(nearest(json!(["low", "xhigh"]), Effort::Max), Some(Effort::ExtraHigh));
    }

    #[test]
    fn a_request_asks_for_no_effort_that_the_model_does_not_know() {
        use crate::neutral::Reasoning;
        let of = |effort, budget_tokens| Some(Reasoning { effort, budget_tokens, ..Reasoning::default() });
        let narrowed = |rules: Value, asked, format| {
            let mut request = Request { reasoning: asked, ..Request::default() };
            deviations(rules).narrow(&mut request, format);
            request.reasoning
        };
        let high = json!({"efforts": ["low", "high"], "reasoning": "words"});
        let chat = Format::OpenaiChat;
        assert_eq!(narrowed(high.clone(), of(Some(Effort::None), None), chat), of(Some(Effort::Low), None));
        assert_eq!(
            narrowed(high.clone(), of(Some(Effort::None), None), Format::Anthropic),
            of(Some(Effort::None), None)
        );
        assert_eq!(narrowed(high.clone(), of(None, Some(30_000)), chat), of(Some(Effort::High), Some(30_000)));
        assert_eq!(narrowed(high, of(None, None), chat), of(None, None));
        assert_eq!(narrowed(json!({"efforts": []}), of(Some(Effort::Low), None), chat), None);
        let tokens = json!({"efforts": ["low"], "reasoning": "tokens"});
        assert_eq!(narrowed(tokens, of(None, Some(30_000)), Format::Anthropic), of(None, Some(30_000)));
    }

    proptest! {
        /// The same as taking the fields out of the value, whatever the spelling.
        #[test]
        fn any_body_loses_these_fields_and_no_other(
            fields in proptest::collection::vec(("[a-d]", prop_oneof![Just("1"), Just(r#""a,}\"""#), Just(r#"{"a":[{}]}"#)]), 0..6),
            space in "[ \n]{0,2}",
        ) {
            let mut seen = Map::new();
            let mut texts = Vec::new();
            for (key, value) in &fields {
                if seen.insert(key.clone(), serde_json::from_str(value).expect("a value")).is_none() {
                    texts.push(format!("{space}\"{key}\"{space}:{space}{value}"));
                } else {
                    seen.insert(key.clone(), serde_json::from_str(fields.iter().find(|(one, _)| one == key).expect("it").1).expect("a value"));
                }
            }
            let body = format!("{space}{{{}{space}}}", texts.join(&format!("{space},")));
            let rules = deviations(json!({"drops": ["a", "b"], "renames": [["c", "e"]]}));
            let (written, dropped) = changed(&rules, &body);
            let mut expected = seen.clone();
            let lost: Vec<_> = ["a", "b"].into_iter().filter(|key| expected.remove(*key).is_some()).collect();
            if let Some(value) = expected.remove("c") {
                expected.insert("e".to_owned(), value);
            }
            prop_assert_eq!(serde_json::from_str::<Value>(&written).expect("JSON"), Value::Object(expected));
            prop_assert_eq!(dropped, lost);
        }
    }
}
