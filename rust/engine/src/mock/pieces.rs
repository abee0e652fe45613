//! Text cut into pieces and escaped for JSON once, so that an answer only copies.

/// The inside of a JSON string, and where each piece of it ends.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    escaped: String,
    ends: Vec<usize>,
}

impl Pieces {
    fn new<'a>(pieces: impl Iterator<Item = &'a str>) -> Self {
        let mut all = Self::default();
        for piece in pieces {
            push_escaped(&mut all.escaped, piece);
            all.ends.push(all.escaped.len());
        }
        all
    }

    /// One piece per word, with the space before it.
    pub(super) fn words(text: &str) -> Self {
        let spaces = memchr::memchr_iter(b' ', text.as_bytes()).filter(|space| *space > 0);
        let ends = spaces.chain((!text.is_empty()).then_some(text.len()));
        Self::new(ends.scan(0, |start, end| Some(&text[std::mem::replace(start, end)..end])))
    }

    /// `count` pieces of about one length.
    pub(super) fn parts(text: &str, count: usize) -> Self {
        let mut start = 0;
        Self::new((1..=count).map(|index| {
            let end = boundary(text, text.len() * index / count).max(start);
            &text[std::mem::replace(&mut start, end)..end]
        }))
    }

    /// Pieces of `characters` characters.
    pub(super) fn of_characters(text: &str, characters: usize) -> Self {
        let starts = text.char_indices().step_by(characters).map(|(start, _)| start);
        let ends = starts.skip(1).chain((!text.is_empty()).then_some(text.len()));
        Self::new(ends.scan(0, |start, end| Some(&text[std::mem::replace(start, end)..end])))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The inside of a JSON string with the first `count` pieces.
    pub(super) fn first(&self, count: usize) -> &str {
        &self.escaped[..count.checked_sub(1).map_or(0, |last| self.ends[last])]
    }

    /// The inside of a JSON string with all pieces.
    pub(super) fn whole(&self) -> &str {
        &self.escaped
    }

    /// The inside of a JSON string with piece `index` alone.
    pub(super) fn piece(&self, index: usize) -> &str {
        &self.escaped[index.checked_sub(1).map_or(0, |before| self.ends[before])..self.ends[index]]
    }
}

/// The last place at or before `index` where a character starts.
pub(super) fn boundary(text: &str, index: usize) -> usize {
    (0..=index).rev().find(|place| text.is_char_boundary(*place)).unwrap_or(0)
}

pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 8);
    push_escaped(&mut escaped, text);
    escaped
}

/// Appends the inside of a JSON string, as the vendors write it: UTF-8 as it is, control characters escaped.
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

    #[test]
    fn pieces_join_to_the_text_however_they_are_cut() {
        let text = "a \"b\"\n\\ é世\u{1}🌍 end";
        let cuts =
            [Pieces::words(text), Pieces::parts(text, 3), Pieces::parts(text, 50), Pieces::of_characters(text, 5)];
        assert_eq!(cuts.each_ref().map(Pieces::len), [4, 3, 50, 4]);
        for pieces in cuts {
            let joined: String = (0..pieces.len()).map(|index| pieces.piece(index)).collect();
            assert_eq!((joined.as_str(), joined.as_str()), (pieces.whole(), pieces.first(pieces.len())));
            assert_eq!(serde_json::from_str::<String>(&format!("\"{joined}\"")).expect("valid"), text);
        }
    }

    #[test]
    fn no_text_has_no_words_and_as_many_parts_as_asked() {
        let lengths =
            [Pieces::words(""), Pieces::of_characters("", 5), Pieces::parts("", 2)].map(|pieces| pieces.len());
        assert_eq!(lengths, [0, 0, 2]);
    }
}
