//! Cuts text into the pieces within which tokens are sought: the vocabularies' patterns, by hand.
//!
//! A backtracking regex engine would take most of a count's time; these scanners read each character once or twice.
//! Where a pattern backtracks, the comment says what its first match is. Source: the `pat_str` of tiktoken's
//! `openai_public.py`; `tests.rs` and the property tests compare with tiktoken.

use super::characters::{BLANK, CASELESS, Characters, END, LETTER, LOWER, MARK, NEWLINE, NUMBER, SPACE, UPPER};

/// Which pattern cuts the text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Pattern {
    O200k,
    Cl100k,
}

impl Pattern {
    /// Where the piece that starts at `start` ends; beyond `start` unless the text ends there.
    #[inline]
    pub(super) fn piece_end(self, characters: &Characters, text: &[u8], start: usize) -> usize {
        let scan = Scan { characters, text };
        match self {
            Self::O200k => scan.o200k(start),
            Self::Cl100k => scan.cl100k(start),
        }
    }
}

struct Scan<'text> {
    characters: &'text Characters,
    text: &'text [u8],
}

impl Scan<'_> {
    #[inline]
    fn at(&self, at: usize) -> (u8, usize) {
        self.characters.at(self.text, at)
    }

    /// The end of the run of characters with one of `flags`.
    #[inline]
    fn run(&self, mut at: usize, flags: u8) -> usize {
        loop {
            let (found, length) = self.at(at);
            if found & flags == 0 {
                return at;
            }
            at += length;
        }
    }

    fn o200k(&self, start: usize) -> usize {
        let (first, length) = self.at(start);
        // [^\r\n\p{L}\p{N}]?
        let prefixed = first & (NEWLINE | LETTER | NUMBER) == 0;
        let word = if prefixed { start + length } else { start };
        if let Some(end) = self.o200k_word(word) {
            return end + self.contraction(end);
        }
        // The first alternative again without its prefix: only a mark may be both prefix and word.
        if first & MARK != 0 {
            return start + length + self.contraction(start + length);
        }
        // The second alternative: capitals that no small letter follows.
        let end = self.run(word, UPPER);
        if end > word {
            return end + self.contraction(end);
        }
        if first & NUMBER != 0 {
            return self.numbers(start);
        }
        if let Some(mut end) = self.symbols(start) {
            while matches!(self.text.get(end), Some(b'\r' | b'\n' | b'/')) {
                end += 1;
            }
            return end;
        }
        self.spaces(start, false)
    }

    /// `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+`.
    ///
    /// Where no small letter follows the first run, that run gives characters back up to its last one without case,
    /// and ends behind it.
    #[inline]
    fn o200k_word(&self, start: usize) -> Option<usize> {
        let mut at = start;
        let mut caseless_end = None;
        loop {
            let (flags, length) = self.at(at);
            if flags & (UPPER | CASELESS | MARK) == 0 {
                return if flags & LOWER != 0 { Some(self.run(at, LOWER | CASELESS | MARK)) } else { caseless_end };
            }
            at += length;
            if flags & (CASELESS | MARK) != 0 {
                caseless_end = Some(at);
            }
        }
    }

    fn cl100k(&self, start: usize) -> usize {
        let contraction = self.contraction(start);
        if contraction > 0 {
            return start + contraction;
        }
        let (first, length) = self.at(start);
        // [^\r\n\p{L}\p{N}]?+\p{L}++
        let word = if first & (NEWLINE | LETTER | NUMBER) == 0 { start + length } else { start };
        let end = self.run(word, LETTER);
        if end > word {
            return end;
        }
        if first & NUMBER != 0 {
            return self.numbers(start);
        }
        match self.symbols(start) {
            Some(end) => self.run(end, NEWLINE),
            None => self.spaces(start, true),
        }
    }

    /// Length of `'s`, `'t`, `'re`, `'ve`, `'m`, `'ll` or `'d` in any case. Folding case, `ſ` (U+017F) is an s.
    #[inline]
    fn contraction(&self, at: usize) -> usize {
        if self.text.get(at) != Some(&b'\'') {
            return 0;
        }
        match &self.text[at + 1..] {
            [b's' | b'S' | b't' | b'T' | b'm' | b'M' | b'd' | b'D', ..] => 2,
            [b'r' | b'R' | b'v' | b'V', b'e' | b'E', ..] | [b'l' | b'L', b'l' | b'L', ..] | [0xc5, 0xbf, ..] => 3,
            _ => 0,
        }
    }

    /// `\p{N}{1,3}`.
    fn numbers(&self, start: usize) -> usize {
        let mut end = start;
        for _ in 0..3 {
            let (flags, length) = self.at(end);
            if flags & NUMBER == 0 {
                break;
            }
            end += length;
        }
        end
    }

    /// ` ?[^\s\p{L}\p{N}]+`.
    fn symbols(&self, start: usize) -> Option<usize> {
        let first = start + usize::from(self.text.get(start) == Some(&b' '));
        let mut end = first;
        loop {
            let (flags, length) = self.at(end);
            if flags & (SPACE | LETTER | NUMBER | END) != 0 {
                return (end > first).then_some(end);
            }
            end += length;
        }
    }

    /// `\s*[\r\n]+|\s+(?!\S)|\s+`; before them `\s++$` where the end of the text goes `whole`.
    fn spaces(&self, start: usize, whole: bool) -> usize {
        let mut end = start;
        let mut last = start;
        let mut newline_end = None;
        loop {
            let (flags, length) = self.at(end);
            if flags & (NEWLINE | BLANK) == 0 {
                if flags & END != 0 && whole {
                    return end;
                }
                return match newline_end {
                    Some(newline_end) => newline_end,
                    // The last one goes with the word behind it, unless it is the only one.
                    None if flags & END == 0 && last > start => last,
                    None => end,
                };
            }
            last = end;
            end += length;
            if flags & NEWLINE != 0 {
                newline_end = Some(end);
            }
        }
    }
}
