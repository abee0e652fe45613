//! The two numbers in a message about an input that is too long: what the model takes, and what the request needs.
//!
//! No provider has fields for them (llama.cpp excepted), so they stand behind phrases. The first phrase that a number
//! follows decides.

use std::sync::LazyLock;

use memchr::memmem::Finder;

/// What comes before the model's limit, in lower case.
const LIMITS: [&str; 21] = [
    "maximum context length is ",
    "maximum context length of ",
    "model maximum context length: ",
    "maximum prompt length is ",
    "maximum model length of ",
    "maximum context length (",
    "model's context length (",
    "too large for model with ",
    "maximum number of tokens allowed (",
    "maximum number of tokens allowed ",
    "model only supports up to ",
    "available context size (",
    "configured context size is ",
    "configured limit of ",
    "model token limit: ",
    "while limit is ",
    "in the prompt cannot exceed ",
    "`max_new_tokens` must be <= ",
    "`inputs` must have less than ",
    "exceeds the limit of ",
    " > ",
];

/// What comes before the request's size, in lower case.
const NEEDS: [&str; 22] = [
    "requested a total of ",
    "requested about ",
    "you requested ",
    "resulted in ",
    "(requested: ",
    "request contains ",
    "your request has ",
    "prompt contains ",
    "prompt has ",
    "prompt (length ",
    "prompt is too long: ",
    "exceed context limit: ",
    "input token count (",
    "input token count is ",
    "prompt token count of ",
    "input length (",
    "the input (",
    "your request (",
    "request (",
    "current length is ",
    "received ",
    "given: ",
];

/// The model's limit and the request's need, in tokens, where the text (lower case) has them. A need within the limit
/// is a part of it, and so none.
pub(super) fn read(text: &str) -> (Option<u64>, Option<u64>) {
    static FINDERS: LazyLock<(Vec<Finder<'static>>, Vec<Finder<'static>>)> = LazyLock::new(|| {
        let finders = |phrases: &[&'static str]| phrases.iter().map(|phrase| Finder::new(*phrase)).collect();
        (finders(&LIMITS), finders(&NEEDS))
    });
    let first = |finders: &[Finder<'_>]| {
        finders.iter().find_map(|finder| {
            let behind = finder.find(text.as_bytes())? + finder.needle().len();
            text.get(behind..).and_then(sum)
        })
    };
    let (limit, need) = (first(&FINDERS.0), first(&FINDERS.1));
    (limit, need.filter(|need| limit.is_none_or(|limit| *need > limit)))
}

/// A number, its thousands perhaps set apart, and what is added to it: `188,240 + 21333`.
fn sum(text: &str) -> Option<u64> {
    let length = text.bytes().take_while(|byte| byte.is_ascii_digit() || matches!(byte, b',' | b'_')).count();
    let number = text[..length]
        .bytes()
        .filter(u8::is_ascii_digit)
        .try_fold(0_u64, |number, digit| number.checked_mul(10)?.checked_add(u64::from(digit - b'0')))?;
    if number == 0 {
        return None;
    }
    match text[length..].strip_prefix(" + ").and_then(sum) {
        Some(more) => number.checked_add(more),
        None => Some(number),
    }
}

#[cfg(test)]
#[path = "classify_length_tests.rs"]
mod tests;
