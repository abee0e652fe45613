//! Which classes of the tokenizers' patterns a character is in: one byte of flags, two table reads.
//!
//! The classes are Unicode's general categories as `regex-syntax` has them: tiktoken's own matcher is built on the same
//! tables, so both agree on every code point.

use std::sync::OnceLock;

use regex_syntax::hir::{Class, HirKind};

/// `\p{Lu}`, `\p{Lt}`.
pub(super) const UPPER: u8 = 1;
/// `\p{Ll}`.
pub(super) const LOWER: u8 = 2;
/// `\p{Lm}`, `\p{Lo}`: letters of scripts without case.
pub(super) const CASELESS: u8 = 4;
/// `\p{M}`.
pub(super) const MARK: u8 = 8;
/// `\p{N}`.
pub(super) const NUMBER: u8 = 16;
/// `[\r\n]`.
pub(super) const NEWLINE: u8 = 32;
/// The rest of `\s`.
pub(super) const BLANK: u8 = 64;
/// No character: the text ends here.
pub(super) const END: u8 = 128;
/// `\p{L}`.
pub(super) const LETTER: u8 = UPPER | LOWER | CASELESS;
/// `\s`.
pub(super) const SPACE: u8 = NEWLINE | BLANK;

const PATTERNS: [(&str, u8); 6] = [
    (r"[\p{Lu}\p{Lt}]", UPPER),
    (r"\p{Ll}", LOWER),
    (r"[\p{Lm}\p{Lo}]", CASELESS),
    (r"\p{M}", MARK),
    (r"\p{N}", NUMBER),
    (r"\s", BLANK),
];

const BLOCK: usize = 256;
const BLOCKS: usize = 0x11_0000 / BLOCK;

/// Flags of every code point; equal blocks are stored once (about 40 KB in all).
pub(super) struct Characters {
    ascii: [u8; 128],
    blocks: Vec<u16>,
    flags: Vec<[u8; BLOCK]>,
}

impl Characters {
    /// The one table of the process, built at its first use.
    pub(super) fn get() -> &'static Self {
        static TABLE: OnceLock<Characters> = OnceLock::new();
        TABLE.get_or_init(Self::build)
    }

    fn build() -> Self {
        let mut every = vec![0_u8; BLOCKS * BLOCK];
        for (pattern, flag) in PATTERNS {
            // A pattern that did not parse would leave its class empty; the tests against the oracle would tell.
            let Ok(hir) = regex_syntax::parse(pattern) else { continue };
            let HirKind::Class(Class::Unicode(class)) = hir.kind() else { continue };
            for range in class.iter() {
                for flags in &mut every[range.start() as usize..=range.end() as usize] {
                    *flags |= flag;
                }
            }
        }
        for newline in *b"\r\n" {
            every[usize::from(newline)] = NEWLINE;
        }
        let mut ascii = [0; 128];
        ascii.copy_from_slice(&every[..128]);
        let mut flags: Vec<[u8; BLOCK]> = Vec::new();
        let mut blocks = Vec::with_capacity(BLOCKS);
        for block in every.as_chunks::<BLOCK>().0 {
            let index = flags.iter().position(|known| known == block).unwrap_or_else(|| {
                flags.push(*block);
                flags.len() - 1
            });
            blocks.push(u16::try_from(index).unwrap_or(0));
        }
        Self { ascii, blocks, flags }
    }

    /// Flags of the character at byte `at` of valid UTF-8, and its length in bytes; `(END, 0)` at the end.
    #[inline]
    pub(super) fn at(&self, text: &[u8], at: usize) -> (u8, usize) {
        match text.get(at) {
            None => (END, 0),
            Some(byte @ 0..=0x7f) => (self.ascii[usize::from(*byte)], 1),
            Some(lead) => self.beyond_ascii(text, at, *lead),
        }
    }

    fn beyond_ascii(&self, text: &[u8], at: usize, lead: u8) -> (u8, usize) {
        let next = |offset: usize| text.get(at + offset).map_or(0, |byte| usize::from(byte & 0x3f));
        let lead = usize::from(lead);
        let (code, length) = match lead {
            0..0xe0 => ((lead & 0x1f) << 6 | next(1), 2),
            0xe0..0xf0 => ((lead & 0x0f) << 12 | next(1) << 6 | next(2), 3),
            _ => ((lead & 0x07) << 18 | next(1) << 12 | next(2) << 6 | next(3), 4),
        };
        let flags = self.blocks.get(code / BLOCK).map_or(0, |block| self.flags[usize::from(*block)][code % BLOCK]);
        (flags, length)
    }
}
