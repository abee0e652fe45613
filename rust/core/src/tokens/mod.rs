//! How many tokens a text is, exactly where a vocabulary is public and by a learned factor where none is.
//!
//! Nothing here is loaded at start: a [`Vocabulary`] unpacks its ranks when it is built (10 ms) and takes 4 MB (o200k)
//! or 2 MB (cl100k). Source: tiktoken, whose counts these equal; `data/README.md` says where the ranks come
//! from.

mod characters;
pub mod chat;
mod factor;
mod merge;
mod models;
mod pieces;
mod ranks;

use std::borrow::Cow;
use std::sync::OnceLock;

use memchr::memmem;
use serde::Deserialize;

pub use factor::Factor;
pub use models::encoding_of_model;

use characters::Characters;
use merge::Merger;
use pieces::Pattern;
use ranks::Ranks;

/// A longer run without a border (letters without a space, say) is counted in stretches of this length, which bounds
/// memory to some 30 times as much; each cut may add a token or two to such a text's count.
const PIECE_LIMIT_BYTES: usize = 256 << 10;

/// A vocabulary that is shipped.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// GPT-4o and everything of OpenAI's since.
    #[serde(rename = "o200k_base")]
    O200kBase,
    /// GPT-4, GPT-3.5 and the embedding models.
    #[serde(rename = "cl100k_base")]
    Cl100kBase,
}

impl Encoding {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::O200kBase, Self::Cl100kBase];

    /// tiktoken's name of it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::O200kBase => "o200k_base",
            Self::Cl100kBase => "cl100k_base",
        }
    }

    /// The encoding of this name: tiktoken's, or that without `_base`. `o200k_harmony` has o200k's tokens for all
    /// ordinary text, and special tokens of its own that are not told apart here.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "o200k_base" | "o200k" | "o200k_harmony" => Some(Self::O200kBase),
            "cl100k_base" | "cl100k" => Some(Self::Cl100kBase),
            _ => None,
        }
    }

    fn special_tokens(self) -> &'static [&'static str] {
        match self {
            Self::O200kBase => &["<|endoftext|>", "<|endofprompt|>"],
            Self::Cl100kBase => {
                &["<|endoftext|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|endofprompt|>"]
            }
        }
    }
}

static BUILT: [OnceLock<Vocabulary>; Encoding::ALL.len()] = [const { OnceLock::new() }; Encoding::ALL.len()];

/// An encoding, ready to count.
pub struct Vocabulary {
    encoding: Encoding,
    pattern: Pattern,
    ranks: Ranks,
    characters: &'static Characters,
}

impl std::fmt::Debug for Vocabulary {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Vocabulary").field(&self.encoding).finish()
    }
}

impl Vocabulary {
    /// The one instance of the process, built at its first use and kept: waits 10 ms then, so not on an I/O thread.
    pub fn shared(encoding: Encoding) -> &'static Self {
        BUILT[encoding as usize].get_or_init(|| Self::build(encoding))
    }

    /// The one instance of the process if it is built already. Never waits.
    #[must_use]
    pub fn ready(encoding: Encoding) -> Option<&'static Self> {
        BUILT[encoding as usize].get()
    }

    /// Unpacks and indexes a vocabulary.
    ///
    /// # Panics
    /// If the data compiled in is damaged, which the tests exclude.
    #[must_use]
    #[expect(clippy::expect_used, reason = "the data is part of the program, and a test unpacks it")]
    pub fn build(encoding: Encoding) -> Self {
        let (packed, tokens, pattern): (&[u8], _, _) = match encoding {
            Encoding::O200kBase => (include_bytes!("../../data/o200k_base.ranks"), 199_998, Pattern::O200k),
            Encoding::Cl100kBase => (include_bytes!("../../data/cl100k_base.ranks"), 100_256, Pattern::Cl100k),
        };
        let ranks = Ranks::unpack(packed, tokens).expect("packed ranks are whole");
        Self { encoding, pattern, ranks, characters: Characters::get() }
    }

    /// Which one it is.
    #[must_use]
    pub fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Tokens of a text, in which nothing is a special token. Some 6 to 10 µs per KB of English.
    #[must_use]
    pub fn count(&self, text: &str) -> u64 {
        self.count_ordinary(text.as_bytes(), &mut Merger::default())
    }

    /// Tokens of a text in which special tokens, as `<|endoftext|>`, count as the one token they are.
    #[must_use]
    pub fn count_with_special(&self, text: &str) -> u64 {
        let mut merger = Merger::default();
        let (mut tokens, mut start, mut from) = (0, 0, 0);
        let bytes = text.as_bytes();
        while let Some(found) = memmem::find(&bytes[from..], b"<|") {
            let at = from + found;
            from = at + 1;
            if let Some(special) = self.encoding.special_tokens().iter().find(|token| text[at..].starts_with(**token)) {
                tokens += self.count_ordinary(&bytes[start..at], &mut merger) + 1;
                start = at + special.len();
                from = start;
            }
        }
        tokens + self.count_ordinary(&bytes[start..], &mut merger)
    }

    /// Tokens of bytes; what is not UTF-8 counts as U+FFFD, as providers replace it.
    #[must_use]
    pub fn count_bytes(&self, text: &[u8]) -> u64 {
        match String::from_utf8_lossy(text) {
            Cow::Borrowed(text) => self.count(text),
            Cow::Owned(text) => self.count(&text),
        }
    }

    /// `text` is valid UTF-8.
    fn count_ordinary(&self, text: &[u8], merger: &mut Merger) -> u64 {
        let (mut tokens, mut start) = (0, 0);
        while start < text.len() {
            let end = self.pattern.piece_end(self.characters, text, start);
            for stretch in text[start..end].chunks(PIECE_LIMIT_BYTES) {
                tokens += match self.ranks.find(stretch) {
                    Some(_) => 1,
                    None => merger.count(&self.ranks, stretch) as u64,
                };
            }
            start = end;
        }
        tokens
    }
}

#[cfg(test)]
mod tests;
