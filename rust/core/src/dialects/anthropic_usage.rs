//! Token counts as Anthropic's Messages report them.
//!
//! Source: Anthropic API reference, "Messages" and "Streaming messages", "Prompt caching", "Extended thinking".
//! `input_tokens` excludes what the prompt cache gave and took, `output_tokens` includes thinking. A stream tells its counts
//! twice, each time with all that is known, so the largest of each count holds. Deviation: z.ai counts cached input in at the
//! start of a stream, where it does not know yet of any, and out at its end.

use super::openai_usage::{DEPTH_LIMIT, count, details};
use crate::json::pick;
use crate::usage::Usage;

/// The counts of one answer as they are written, of all events so far.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    input: Option<u64>,
    cache_read: Option<u64>,
    cache_write: Option<u64>,
    cache_write_5m: Option<u64>,
    cache_write_1h: Option<u64>,
    output: Option<u64>,
    thinking: Option<u64>,
}

/// Reads a `usage` object. `None` if it is none, or says nothing about tokens.
#[must_use]
pub fn read(usage: &[u8]) -> Option<Usage> {
    let mut counts = Counts::default();
    counts.take_in(usage);
    counts.usage()
}

impl Counts {
    /// Takes in a `usage` object; one that can't be read changes nothing.
    pub fn take_in(&mut self, usage: &[u8]) {
        let Some(told) = Self::of(usage) else { return };
        let input_was_told_with_cached = self.cache_read.is_none() && told.cache_read.is_some_and(|tokens| tokens > 0);
        if input_was_told_with_cached && told.input.is_some() {
            self.input = None;
        }
        for (known, told) in [
            (&mut self.input, told.input),
            (&mut self.cache_read, told.cache_read),
            (&mut self.cache_write, told.cache_write),
            (&mut self.cache_write_5m, told.cache_write_5m),
            (&mut self.cache_write_1h, told.cache_write_1h),
            (&mut self.output, told.output),
            (&mut self.thinking, told.thinking),
        ] {
            *known = (*known).max(told);
        }
    }

    /// What was used, as far as it was told. `None`: nothing was.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        if self.input.is_none() && self.output.is_none() {
            return None;
        }
        let known = |count: Option<u64>| count.unwrap_or(0);
        let with_lifetime = known(self.cache_write_5m).saturating_add(known(self.cache_write_1h));
        let thinking = known(self.thinking).min(known(self.output));
        Some(Usage {
            input_tokens: known(self.input),
            cache_read_tokens: known(self.cache_read),
            cache_write_5m_tokens: known(self.cache_write_5m),
            cache_write_1h_tokens: known(self.cache_write_1h),
            cache_write_other_tokens: known(self.cache_write).saturating_sub(with_lifetime),
            output_tokens: known(self.output) - thinking,
            reasoning_tokens: thinking,
            ..Usage::default()
        })
    }

    /// Whether it is known what the prompt cache gave: without it, input may be told with what was cached.
    #[must_use]
    pub fn knows_cached(&self) -> bool {
        self.cache_read.is_some()
    }

    fn of(usage: &[u8]) -> Option<Self> {
        let names = [
            "input_tokens",
            "cache_read_input_tokens",
            "cache_creation_input_tokens",
            "cache_creation",
            "output_tokens",
            "output_tokens_details",
        ];
        let [input, cache_read, cache_write, lifetimes, output, out_details] = pick(usage, DEPTH_LIMIT, names).ok()?;
        let names = ["ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"];
        let [briefly, for_long] = details(lifetimes, names)?;
        let [thinking] = details(out_details, ["thinking_tokens"])?;
        Some(Self {
            input: count(input)?,
            cache_read: count(cache_read)?,
            cache_write: count(cache_write)?,
            cache_write_5m: briefly,
            cache_write_1h: for_long,
            output: count(output)?,
            thinking,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_disjoint() {
        let usage = read(
            br#"{"input_tokens":10,"cache_read_input_tokens":70,"cache_creation_input_tokens":60,
                "cache_creation":{"ephemeral_5m_input_tokens":40,"ephemeral_1h_input_tokens":15},
                "output_tokens":50,"output_tokens_details":{"thinking_tokens":30},"service_tier":"standard"}"#,
        );
        let expected = Usage {
            input_tokens: 10,
            cache_read_tokens: 70,
            cache_write_5m_tokens: 40,
            cache_write_1h_tokens: 15,
            cache_write_other_tokens: 5,
            output_tokens: 20,
            reasoning_tokens: 30,
            ..Usage::default()
        };
        assert_eq!(usage, Some(expected));
        let old = read(br#"{"input_tokens":1,"cache_creation_input_tokens":7,"cache_creation":null}"#);
        assert_eq!(old.map(|usage| usage.cache_write_other_tokens), Some(7));
        let odd = read(br#"{"output_tokens":3,"output_tokens_details":{"thinking_tokens":9}}"#);
        assert_eq!(odd.map(|usage| (usage.output_tokens, usage.reasoning_tokens)), Some((0, 3)));
        for nothing in ["{}", "null", "[]", r#"{"input_tokens":-1}"#, r#"{"input_tokens":"1"}"#] {
            assert_eq!(read(nothing.as_bytes()), None, "{nothing}");
        }
    }

    #[test]
    fn the_largest_of_each_count_holds() {
        let mut counts = Counts::default();
        assert_eq!(counts.usage(), None);
        counts.take_in(
            br#"{"input_tokens":20,"cache_creation_input_tokens":9,"cache_read_input_tokens":0,
                "cache_creation":{"ephemeral_5m_input_tokens":9,"ephemeral_1h_input_tokens":0},"output_tokens":1}"#,
        );
        counts.take_in(br#"{"input_tokens":0,"cache_creation_input_tokens":9,"output_tokens":30}"#);
        counts.take_in(b"7");
        let expected = Usage { input_tokens: 20, cache_write_5m_tokens: 9, output_tokens: 30, ..Usage::default() };
        assert_eq!((counts.usage(), counts.knows_cached()), (Some(expected), true));
    }

    #[test]
    fn what_was_cached_is_not_counted_twice() {
        let mut counts = Counts::default();
        counts.take_in(br#"{"input_tokens":34824,"output_tokens":0}"#);
        assert!(!counts.knows_cached());
        counts.take_in(
            br#"{"input_tokens":3883,"output_tokens":49,"cache_creation_input_tokens":0,"cache_read_input_tokens":30464}"#,
        );
        let expected = Usage { input_tokens: 3_883, cache_read_tokens: 30_464, output_tokens: 49, ..Usage::default() };
        assert_eq!(counts.usage(), Some(expected));
    }
}
