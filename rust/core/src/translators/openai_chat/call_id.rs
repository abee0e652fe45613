//! Proofs of thoughts in the ids of tool calls, for clients that send ids back and know no other place for them.
//!
//! An id is `<id>`, then for each proof [`MARK`] and the proof: the call's own signature as it is, that of thoughts before
//! it behind `thought=`, encrypted thoughts behind `redacted=`.

use crate::json_view::Text;
use crate::neutral::signed_by::CHAT_REASONING;
use crate::neutral::{Part, PartKind};

/// What stands before each proof in an id.
pub const MARK: &str = "~sig~";

const THOUGHT: &str = "thought=";
const REDACTED: &str = "redacted=";

/// Something that a provider wants to have back unread.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Proof<'text> {
    /// The signature of the call.
    Call(Text<'text>),
    /// The signature of thoughts before it.
    Thought(Text<'text>),
    /// Encrypted thoughts before it.
    Redacted(Text<'text>),
}

impl<'text> Proof<'text> {
    /// The proof that a part before a tool call has for it.
    pub(super) fn of_thought(part: &Part<'text>) -> Option<Self> {
        match &part.kind {
            // What only says where thoughts came from needs no carrying: they have a field of their own here.
            PartKind::Thinking(_) => {
                let proof = part.signature.as_ref().filter(|proof| proof.escaped() != CHAT_REASONING);
                proof.cloned().map(Self::Thought)
            }
            PartKind::RedactedThinking(data) => Some(Self::Redacted(data.clone())),
            _ => None,
        }
    }
}

/// An id with proofs.
pub(super) fn join<'text>(id: &Text<'text>, proofs: &[Proof<'_>]) -> Text<'text> {
    let mut joined = id.clone();
    for proof in proofs {
        joined = match proof {
            Proof::Call(signature) => joined.joined(MARK, signature),
            Proof::Thought(signature) => joined.joined(MARK, &signature.after(THOUGHT)),
            Proof::Redacted(data) => joined.joined(MARK, &data.after(REDACTED)),
        };
    }
    joined
}

/// An id without proofs, and the proofs.
pub(super) fn split<'text>(id: &Text<'text>) -> (Text<'text>, Vec<Proof<'text>>) {
    let Some((id, mut rest)) = id.split_once(MARK) else { return (id.clone(), Vec::new()) };
    let mut proofs = Vec::new();
    while let Some((proof, behind)) = rest.split_once(MARK) {
        proofs.push(read(proof));
        rest = behind;
    }
    proofs.push(read(rest));
    (id, proofs)
}

fn read(proof: Text<'_>) -> Proof<'_> {
    let behind = |word| proof.split_once(word).filter(|(before, _)| before.is_empty()).map(|(_, behind)| behind);
    if let Some(signature) = behind(THOUGHT) {
        return Proof::Thought(signature);
    }
    match behind(REDACTED) {
        Some(data) => Proof::Redacted(data),
        None => Proof::Call(proof),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_carries_proofs() {
        let proofs = [
            Proof::Redacted(Text::of("d")),
            Proof::Thought(Text::of("anthropic:a+/=")),
            Proof::Call(Text::of("gemini:b")),
        ];
        let id = join(&Text::of("call_1"), &proofs);
        assert_eq!(id.escaped(), "call_1~sig~redacted=d~sig~thought=anthropic:a+/=~sig~gemini:b");
        assert_eq!(split(&id), (Text::of("call_1"), proofs.to_vec()));
        assert_eq!(split(&Text::of("call_1")), (Text::of("call_1"), Vec::new()));
    }

    proptest! {
        #[test]
        fn what_is_joined_is_split(id in "[^~]{0,9}", signatures in proptest::collection::vec("[^~]{0,9}", 0..4)) {
            let proofs: Vec<_> = signatures.iter().map(|text| Proof::Thought(Text::of(text))).collect();
            prop_assert_eq!(split(&join(&Text::of(&id), &proofs)), (Text::of(&id), proofs));
        }
    }
}
