//! When two requests to one tenant are the same question: a keyed hash over what the JSON text means.
//!
//! Spacing, the order of an object's members and the way a string is escaped make no difference; the order of an
//! array and the text of a number do (`1` and `1.0` differ: a miss is never wrong). What does not change the answer is
//! left out. The tenant is the hash's key, so no choice of body makes two tenants meet. BLAKE3: the paper of
//! O'Connor, Aumasson, Neves and Wilcox-O'Hearn, 2020.

use std::ops::Range;

use crate::json::{JsonError, Object, plain_prefix};

/// Top-level fields that do not change the answer: who asks, how it is delivered, what is kept of it.
pub const IGNORED_FIELDS: [&str; 8] = [
    "metadata",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "store",
    "stream",
    "stream_options",
    "user",
];

/// What tells this use of BLAKE3 from every other; a new canonical form takes a new one.
const CONTEXT: &str = "fastgate 2026 cache key v1";

/// The key of a request body.
///
/// `model` stands in for the body's own: an alias may come to mean another model. Top-level fields in `ignored` are left
/// out.
///
/// # Errors
/// [`JsonError`]: not a JSON object, a key twice at any depth, or nested deeper than `depth_limit`.
pub fn cache_key(
    body: &[u8],
    tenant: &[u8],
    model: Option<&str>,
    ignored: &[&str],
    depth_limit: usize,
) -> Result<[u8; 32], JsonError> {
    let object = Object::read(body, depth_limit)?;
    let mut fields: Vec<(&[u8], &[u8])> =
        object.fields().filter(|(name, _)| !ignored.iter().any(|other| other.as_bytes() == *name)).collect();
    if model.is_some() {
        fields.retain(|(name, _)| *name != b"model");
    }
    fields.sort_unstable_by_key(|(name, _)| *name);
    let mut canonical = Canonical { text: body, at: 0, out: Vec::with_capacity(body.len() + 64) };
    match model {
        Some(model) => canonical.put(b'm', model.as_bytes()),
        None => canonical.out.push(b'-'),
    }
    for (name, value) in fields {
        canonical.put(b's', name);
        canonical.text = value;
        canonical.at = 0;
        canonical.value();
    }
    Ok(*blake3::keyed_hash(&blake3::derive_key(CONTEXT, tenant), &canonical.out).as_bytes())
}

/// Writes a value in the one form that all texts with its meaning share: a tag, and a length where one is needed.
/// The text was read before, so it is valid.
struct Canonical<'text> {
    text: &'text [u8],
    at: usize,
    out: Vec<u8>,
}

impl Canonical<'_> {
    fn put(&mut self, tag: u8, bytes: &[u8]) {
        self.out.push(tag);
        self.out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        self.out.extend_from_slice(bytes);
    }

    fn value(&mut self) {
        match self.text.get(self.at) {
            Some(b'"') => self.string(),
            Some(b'{') => self.object(),
            Some(b'[') => {
                self.out.push(b'[');
                while self.next_is_not(b']') {
                    self.value();
                }
                self.out.push(b']');
            }
            _ => {
                let start = self.at;
                let end = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t');
                self.at += self.text[start..].iter().position(end).unwrap_or(self.text.len() - start);
                self.put(b'n', &self.text[start..self.at]);
            }
        }
    }

    fn object(&mut self) {
        self.out.push(b'{');
        let begin = self.out.len();
        let mut members: Vec<(Range<usize>, usize)> = Vec::with_capacity(8);
        while self.next_is_not(b'}') {
            let start = self.out.len();
            self.string();
            let name = start..self.out.len();
            self.skip(b':');
            self.value();
            members.push((name, self.out.len()));
        }
        // Names are unique, and written as tag, length and text: any fixed order of them will do.
        if !members.is_sorted_by(|left, right| self.out[left.0.clone()] < self.out[right.0.clone()]) {
            let written = self.out.split_off(begin);
            let name = |member: &(Range<usize>, usize)| &written[member.0.start - begin..member.0.end - begin];
            members.sort_unstable_by(|left, right| name(left).cmp(name(right)));
            for (name, end) in &members {
                self.out.extend_from_slice(&written[name.start - begin..end - begin]);
            }
        }
        self.out.push(b'}');
    }

    /// Moves into an array or object, or on to its next element; false at its end, which is taken.
    fn next_is_not(&mut self, end: u8) -> bool {
        self.skip_space();
        if self.text.get(self.at) != Some(&end) {
            // The opening bracket, or a comma.
            self.at += 1;
            self.skip_space();
        }
        if self.text.get(self.at).is_none_or(|byte| *byte == end) {
            self.at += 1;
            return false;
        }
        true
    }

    fn skip(&mut self, byte: u8) {
        self.skip_space();
        debug_assert_eq!(self.text.get(self.at), Some(&byte), "the text was read before");
        self.at += 1;
        self.skip_space();
    }

    fn skip_space(&mut self) {
        while matches!(self.text.get(self.at), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn string(&mut self) {
        let start = self.at;
        self.at += 1;
        let mut is_escaped = false;
        loop {
            self.at += plain_prefix(&self.text[self.at..]);
            if self.text.get(self.at) != Some(&b'\\') {
                break;
            }
            is_escaped = true;
            self.at += 2;
        }
        self.at += 1;
        let raw = &self.text[start..self.at];
        let decoded = if is_escaped { serde_json::from_slice::<String>(raw).ok() } else { None };
        match decoded {
            Some(decoded) => self.put(b's', decoded.as_bytes()),
            None if is_escaped => self.put(b'u', raw), // a lone surrogate has no text
            None => self.put(b's', &raw[1..raw.len() - 1]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(body: &str) -> [u8; 32] {
        cache_key(body.as_bytes(), b"acme", None, &IGNORED_FIELDS, 64).unwrap()
    }

    #[test]
    fn spacing_order_and_escapes_make_no_difference() {
        let one = key(r#"{"model":"m","messages":[{"role":"user","content":"h\u00e9 \"x\""},{}],"n":1,"a":[]}"#);
        let same = "{ \"n\" : 1 ,\n\"a\":[ ], \"messages\" : [ { \"content\":\"hé \\u0022x\\\"\", \"role\":\"user\" } , { } ], \"model\":\"m\", \"user\":\"u\"}";
        assert_eq!(one, key(same));
    }

    #[test]
    fn everything_else_does() {
        let texts = [
            r#"{"a":[1,2]}"#,
            r#"{"a":[2,1]}"#,
            r#"{"a":[1,2.0]}"#,
            r#"{"a":[[1],2]}"#,
            r#"{"a":[1,[2]]}"#,
            r#"{"a":[12]}"#,
            r#"{"a":["1","2"]}"#,
            r#"{"a":{"b":1,"c":2}}"#,
            r#"{"a":{"b":1},"c":2}"#,
            r#"{"a":{"b":2,"c":1}}"#,
            r#"{"a":{"bc":1}}"#,
            r#"{"a":{}}"#,
            r#"{"a":[]}"#,
            r#"{"a":[{}]}"#,
            r#"{"a":null}"#,
            r#"{"a":"null"}"#,
            r#"{"a":"\ud800"}"#,
            r#"{"a":"\\ud800"}"#,
            r#"{"a":""}"#,
            "{}",
        ];
        for (index, left) in texts.iter().enumerate() {
            for right in &texts[..index] {
                assert_ne!(key(left), key(right), "{left} {right}");
            }
        }
    }

    #[test]
    fn tenant_and_model_are_part_of_it() {
        let body = br#"{"model":"chat","n":1}"#;
        let of = |tenant: &str, model| cache_key(body, tenant.as_bytes(), model, &[], 64).unwrap();
        assert_ne!(of("a", None), of("b", None));
        assert_ne!(of("a", None), of("a", Some("chat")));
        assert_ne!(of("a", Some("gpt")), of("a", Some("chat")));
        let other = cache_key(br#"{"model":"other","n":1}"#, b"a", Some("gpt"), &[], 64).unwrap();
        assert_eq!(of("a", Some("gpt")), other);
    }

    #[test]
    fn refuses_what_two_readers_may_read_differently() {
        let of = |body: &str| cache_key(body.as_bytes(), b"a", None, &[], 8);
        assert_eq!(of(r#"{"a":{"b":1,"\u0062":2}}"#), Err(JsonError::DuplicateKey(23)));
        assert_eq!(of("[]"), Err(JsonError::NotAnObject));
        assert!(matches!(of(r#"{"a":[[[[[[[[]]]]]]]]}"#), Err(JsonError::TooDeep(_))));
    }
}
