//! A behaviour made ready to answer: its content cut into pieces and escaped once, not per request.

use super::behaviour::Behaviour;

/// Sized so that a whole JSON answer is about 600 bytes.
const WORDS: &str = "The mock provider says the same to all, always.";
const MULTI_BYTE_WORDS: &str = "Grüße, 世界! Ça va? Ελλάδα, Москва, नमस्ते, 안녕 🌍👩‍🚀, naïve café.";

/// One behaviour with everything in it that does not depend on the request.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) behaviour: Behaviour,
    /// Whether the answer has to be written byte by byte.
    pub(super) on_the_wire: bool,
    escaped: String,
    ends: Vec<usize>,
}

impl Reply {
    pub(super) fn new(behaviour: Behaviour) -> Self {
        let content = content(&behaviour);
        let mut escaped = String::with_capacity(content.len() + 8);
        let mut ends = Vec::new();
        for piece in pieces(&content, behaviour.chunks) {
            push_escaped(&mut escaped, piece);
            ends.push(escaped.len());
        }
        Self { on_the_wire: behaviour.touches_the_wire(), behaviour, escaped, ends }
    }

    /// How many content pieces (our tokens) there are.
    pub(super) fn pieces(&self) -> usize {
        self.ends.len()
    }

    /// The inside of a JSON string with the first `count` pieces.
    pub(super) fn first(&self, count: usize) -> &str {
        &self.escaped[..count.checked_sub(1).map_or(0, |last| self.ends[last])]
    }

    /// The inside of a JSON string with piece `index` alone.
    pub(super) fn piece(&self, index: usize) -> &str {
        &self.escaped[index.checked_sub(1).map_or(0, |before| self.ends[before])..self.ends[index]]
    }
}

fn content(behaviour: &Behaviour) -> String {
    let words = if behaviour.multi_byte { MULTI_BYTE_WORDS } else { WORDS };
    let text = behaviour.content.as_deref().unwrap_or(words);
    let Some(size) = behaviour.content_bytes else {
        return text.to_owned();
    };
    let mut content = String::with_capacity(size + text.len() + 1);
    while content.len() < size {
        content.push_str(if text.is_empty() { "." } else { text });
        content.push(' ');
    }
    content.truncate(boundary(&content, size));
    while content.len() < size {
        content.push('.');
    }
    content
}

/// The last place at or before `index` where a character starts.
fn boundary(text: &str, index: usize) -> usize {
    (0..=index).rev().find(|place| text.is_char_boundary(*place)).unwrap_or(0)
}

/// `count` pieces of about one length, or one piece per word with the space before it.
fn pieces(content: &str, count: Option<usize>) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut start = 0;
    if let Some(count) = count {
        for index in 1..=count {
            let end = boundary(content, content.len() * index / count).max(start);
            pieces.push(&content[start..end]);
            start = end;
        }
        return pieces;
    }
    for space in memchr::memchr_iter(b' ', content.as_bytes()).filter(|space| *space > 0) {
        pieces.push(&content[start..space]);
        start = space;
    }
    if start < content.len() {
        pieces.push(&content[start..]);
    }
    pieces
}

/// Appends the inside of a JSON string, as OpenAI writes it: UTF-8 as it is, control characters escaped.
pub(super) fn push_escaped(target: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '"' => target.push_str("\\\""),
            '\\' => target.push_str("\\\\"),
            '\n' => target.push_str("\\n"),
            '\r' => target.push_str("\\r"),
            '\t' => target.push_str("\\t"),
            control if control < ' ' => {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                let code = control as usize;
                target.push_str("\\u00");
                target.push(DIGITS[code >> 4] as char);
                target.push(DIGITS[code & 15] as char);
            }
            other => target.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(behaviour: Behaviour) -> Reply {
        Reply::new(behaviour)
    }

    #[test]
    fn pieces_join_to_the_content_however_they_are_cut() {
        let text = "a \"b\"\n\\ é世\u{1}🌍 end";
        for chunks in [None, Some(1), Some(3), Some(50)] {
            let reply = reply(Behaviour { content: Some(text.to_owned()), chunks, ..Behaviour::default() });
            let joined: String = (0..reply.pieces()).map(|index| reply.piece(index)).collect();
            assert_eq!(joined, reply.first(reply.pieces()));
            assert_eq!(serde_json::from_str::<String>(&format!("\"{joined}\"")).expect("valid"), text);
            assert!(chunks.is_none_or(|count| count == reply.pieces()));
        }
    }

    #[test]
    fn content_has_the_size_asked_for() {
        for size in [0, 1, 3, 100, 70_001] {
            let behaviour = Behaviour { content_bytes: Some(size), multi_byte: true, ..Behaviour::default() };
            assert_eq!(content(&behaviour).len(), size);
        }
    }
}
