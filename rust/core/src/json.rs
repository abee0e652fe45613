//! One pass over a JSON object: valid or refused, where its top-level fields lie, no key twice at any depth.
//!
//! A gateway that reads one `model` while the provider reads another is a hole, so duplicates are refused after
//! decoding escapes, everywhere. Values are offsets into the caller's bytes: nothing is copied or re-serialised.
//! Grammar: RFC 8259; UTF-8 only, no byte order mark.

use std::borrow::Cow;
use std::ops::Range;

/// Why a text is not the object a request needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum JsonError {
    /// Not UTF-8, or not RFC 8259 from this byte on.
    Syntax(usize),
    /// A key occurs twice in one object; the byte offset of the object's end.
    DuplicateKey(usize),
    /// Nested deeper than allowed at this byte.
    TooDeep(usize),
    /// Valid JSON, but not an object.
    NotAnObject,
}

impl std::fmt::Display for JsonError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Syntax(at) => write!(formatter, "invalid JSON at byte {at}"),
            Self::DuplicateKey(at) => write!(formatter, "a key occurs twice in the object that ends at byte {at}"),
            Self::TooDeep(at) => write!(formatter, "JSON nested too deeply at byte {at}"),
            Self::NotAnObject => formatter.write_str("the JSON text must be an object"),
        }
    }
}

/// Top-level fields of an object, as offsets into the text they were read from.
#[derive(Debug)]
pub struct Object<'text> {
    text: &'text [u8],
    fields: Vec<Field<'text>>,
}

/// A key, escapes resolved, and where its value lies.
type Field<'text> = (Cow<'text, [u8]>, Range<usize>);

/// A field's value: raw JSON and where it lies.
#[derive(Clone, Debug)]
pub struct Value<'text> {
    raw: &'text [u8],
    /// Offsets of the raw value in the text.
    pub span: Range<usize>,
}

impl<'text> Object<'text> {
    /// Reads a whole object.
    ///
    /// # Errors
    /// [`JsonError`] with the byte offset of the first fault.
    pub fn read(text: &'text [u8], depth_limit: usize) -> Result<Self, JsonError> {
        if let Err(error) = std::str::from_utf8(text) {
            return Err(JsonError::Syntax(error.valid_up_to()));
        }
        let mut reader = Reader::new(text, depth_limit, Keys::Unique);
        reader.fields.reserve(16);
        reader.open()?;
        reader.unique_members()?;
        reader.close()?;
        Ok(Self { text, fields: reader.fields })
    }

    /// Whether the object has no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Offset of the first member, or of the closing brace.
    #[must_use]
    pub fn first_member(&self) -> usize {
        let brace = self.text.iter().position(|byte| *byte == b'{').map_or(0, |brace| brace + 1);
        let space = self.text[brace..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        brace + space
    }

    /// The value of a top-level field.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Value<'text>> {
        let (_, span) = self.fields.iter().find(|(name, _)| name.as_ref() == key.as_bytes())?;
        Some(Value { raw: &self.text[span.clone()], span: span.clone() })
    }

    /// All top-level fields: key, escapes resolved, and raw value.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&[u8], &'text [u8])> {
        self.fields.iter().map(|(name, span)| (name.as_ref(), &self.text[span.clone()]))
    }
}

impl<'text> Value<'text> {
    /// The members of an object value, offsets from its start; `None` for other kinds.
    #[must_use]
    pub fn as_object(&self) -> Option<Object<'text>> {
        // Read once already, and so not nested deeper than was allowed then.
        Object::read(self.raw, usize::MAX).ok()
    }

    /// The text of a string value, escapes resolved; `None` for other kinds and for lone surrogates.
    #[must_use]
    pub fn as_text(&self) -> Option<String> {
        serde_json::from_slice(self.raw).ok()
    }

    /// `true` or `false`; `None` for other kinds.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self.raw {
            b"true" => Some(true),
            b"false" => Some(false),
            _ => None,
        }
    }

    /// A non-negative integer; `None` for other kinds.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        std::str::from_utf8(self.raw).ok()?.parse().ok()
    }

    /// How many elements an array value has, and whether they are numbers; `None` for other kinds.
    #[must_use]
    pub fn as_elements(&self) -> Option<(u64, bool)> {
        let elements: Vec<&serde_json::value::RawValue> = serde_json::from_slice(self.raw).ok()?;
        let are_numbers = elements.first().is_some_and(|first| !first.get().starts_with(['"', '[', '{']));
        Some((elements.len() as u64, are_numbers))
    }

    /// Whether the value is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.raw == b"null"
    }
}

/// The raw values of some top-level fields of a whole object, in the order of `names`; of a key that occurs twice, the
/// last. For what a provider says: nobody else reads it otherwise, and its strings are not looked into.
///
/// # Errors
/// [`JsonError`] with the byte offset of the first fault; never for bytes in strings that are not UTF-8.
pub(crate) fn pick<'text, const N: usize>(
    text: &'text [u8],
    depth_limit: usize,
    names: [&str; N],
) -> Result<[Option<&'text [u8]>; N], JsonError> {
    let mut reader = Reader::new(text, depth_limit, Keys::Any);
    let mut picked = [None; N];
    reader.open()?;
    reader.members(|reader, key| {
        let start = reader.at;
        reader.value()?;
        if let Some(index) = names.iter().position(|name| name.as_bytes() == key.as_ref()) {
            picked[index] = Some(&text[start..reader.at]);
        }
        Ok(())
    })?;
    reader.close()?;
    Ok(picked)
}

/// Walks through a whole object in one pass: `visit` gets each key and takes its value with one of [`Reader::raw`],
/// [`Reader::text`], [`Reader::object`] and [`Reader::array`]. Keys that occur twice are visited twice.
///
/// # Errors
/// [`JsonError`] with the byte offset of the first fault; never for bytes in strings that are not UTF-8.
pub(crate) fn walk<'text>(
    text: &'text [u8],
    depth_limit: usize,
    mut visit: impl FnMut(&mut Reader<'text>, &[u8]) -> Result<(), JsonError>,
) -> Result<(), JsonError> {
    let mut reader = Reader::new(text, depth_limit, Keys::Any);
    reader.open()?;
    reader.members(|reader, key| visit(reader, &key))?;
    reader.close()
}

/// Visits the elements of a whole array; `visit` takes each as in [`walk`].
///
/// # Errors
/// As [`walk`]; of another value than an array too.
pub(crate) fn walk_array<'text>(
    text: &'text [u8],
    depth_limit: usize,
    visit: impl FnMut(&mut Reader<'text>) -> Result<(), JsonError>,
) -> Result<(), JsonError> {
    let mut reader = Reader::new(text, depth_limit, Keys::Any);
    reader.skip_space();
    if reader.peek() != Some(b'[') {
        return Err(JsonError::Syntax(reader.at));
    }
    reader.array(visit)?;
    reader.close()
}

/// What is asked of the keys of an object within.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Keys {
    /// None may occur twice.
    Unique,
    Any,
}

/// Reads on from where it stands.
pub(crate) struct Reader<'text> {
    text: &'text [u8],
    at: usize,
    depth_left: usize,
    keys: Keys,
    /// Keys of all open objects, innermost last; each object owns the tail from where it began.
    fields: Vec<Field<'text>>,
}

impl<'text> Reader<'text> {
    fn new(text: &'text [u8], depth_left: usize, keys: Keys) -> Self {
        Self { text, at: 0, depth_left, keys, fields: Vec::new() }
    }

    /// Offset of what is read next.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// Takes the next value, and returns it as it is written.
    pub(crate) fn raw(&mut self) -> Result<&'text [u8], JsonError> {
        let start = self.at;
        self.value()?;
        Ok(&self.text[start..self.at])
    }

    /// Takes the next value, and returns the content of a string, escapes resolved, or nothing.
    pub(crate) fn text(&mut self) -> Result<Cow<'text, [u8]>, JsonError> {
        match self.peek() {
            Some(b'"') => self.key(),
            _ => self.value().map(|()| Cow::Borrowed(&b""[..])),
        }
    }

    /// Takes the next value, and visits its members if it is an object.
    pub(crate) fn object(
        &mut self,
        mut visit: impl FnMut(&mut Self, &[u8]) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        if self.peek() != Some(b'{') {
            return self.value();
        }
        self.descend()?;
        self.members(|reader, key| visit(reader, &key))?;
        self.depth_left += 1;
        Ok(())
    }

    /// Takes the next value, and visits its elements if it is an array.
    pub(crate) fn array(&mut self, visit: impl FnMut(&mut Self) -> Result<(), JsonError>) -> Result<(), JsonError> {
        if self.peek() != Some(b'[') {
            return self.value();
        }
        self.descend()?;
        self.elements(visit)?;
        self.depth_left += 1;
        Ok(())
    }

    /// Takes the next value, and visits its elements if it is an array, else itself.
    pub(crate) fn each(&mut self, mut visit: impl FnMut(&mut Self) -> Result<(), JsonError>) -> Result<(), JsonError> {
        if self.peek() == Some(b'[') { self.array(visit) } else { visit(self) }
    }

    /// Up to the brace that begins the text's only object.
    fn open(&mut self) -> Result<(), JsonError> {
        self.skip_space();
        if self.peek() != Some(b'{') {
            self.value()?;
            return Err(JsonError::NotAnObject);
        }
        self.descend()
    }

    /// Nothing comes behind it.
    fn close(&mut self) -> Result<(), JsonError> {
        self.skip_space();
        if self.at == self.text.len() { Ok(()) } else { Err(JsonError::Syntax(self.at)) }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<(), JsonError> {
        if self.peek() != Some(byte) {
            return Err(JsonError::Syntax(self.at));
        }
        self.at += 1;
        Ok(())
    }

    fn descend(&mut self) -> Result<(), JsonError> {
        self.depth_left = self.depth_left.checked_sub(1).ok_or(JsonError::TooDeep(self.at))?;
        Ok(())
    }

    fn value(&mut self) -> Result<(), JsonError> {
        match self.peek() {
            Some(b'"') => self.skip_string().map(|_| ()),
            Some(b'{') => {
                self.descend()?;
                match self.keys {
                    Keys::Unique => {
                        let first = self.fields.len();
                        self.unique_members()?;
                        self.fields.truncate(first);
                    }
                    Keys::Any => self.members(|reader, _| reader.value())?,
                }
                self.depth_left += 1;
                Ok(())
            }
            Some(b'[') => self.array(Self::value),
            Some(b't') => self.literal(b"true"),
            Some(b'f') => self.literal(b"false"),
            Some(b'n') => self.literal(b"null"),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(JsonError::Syntax(self.at)),
        }
    }

    /// Reads `{…}` and leaves its keys at the tail of `fields`.
    fn unique_members(&mut self) -> Result<(), JsonError> {
        let first = self.fields.len();
        self.members(|reader, key| {
            let start = reader.at;
            reader.value()?;
            reader.fields.push((key, start..reader.at));
            Ok(())
        })?;
        if has_duplicate(&mut self.fields[first..]) { Err(JsonError::DuplicateKey(self.at)) } else { Ok(()) }
    }

    /// Reads `{…}`; `visit` takes each member's value.
    fn members(
        &mut self,
        mut visit: impl FnMut(&mut Self, Cow<'text, [u8]>) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        self.at += 1;
        self.skip_space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            let key = self.key()?;
            self.skip_space();
            self.expect(b':')?;
            self.skip_space();
            visit(self, key)?;
            self.skip_space();
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    self.skip_space();
                }
                Some(b'}') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(JsonError::Syntax(self.at)),
            }
        }
    }

    /// Reads `[…]`; `visit` takes each element.
    fn elements(&mut self, mut visit: impl FnMut(&mut Self) -> Result<(), JsonError>) -> Result<(), JsonError> {
        self.at += 1;
        self.skip_space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            visit(self)?;
            self.skip_space();
            match self.peek() {
                Some(b',') => {
                    self.at += 1;
                    self.skip_space();
                }
                Some(b']') => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(JsonError::Syntax(self.at)),
            }
        }
    }

    fn literal(&mut self, word: &[u8]) -> Result<(), JsonError> {
        if !self.text[self.at..].starts_with(word) {
            return Err(JsonError::Syntax(self.at));
        }
        self.at += word.len();
        Ok(())
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start { Err(JsonError::Syntax(self.at)) } else { Ok(()) }
    }

    fn number(&mut self) -> Result<(), JsonError> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// Reads a key and returns its content, decoded where it has escapes.
    fn key(&mut self) -> Result<Cow<'text, [u8]>, JsonError> {
        let quote = self.at;
        let is_escaped = self.skip_string()?;
        let raw = &self.text[quote..self.at];
        if !is_escaped {
            return Ok(Cow::Borrowed(&raw[1..raw.len() - 1]));
        }
        // A lone surrogate keeps its raw form, which no known key equals.
        let decoded = serde_json::from_slice::<String>(raw).map(String::into_bytes);
        Ok(decoded.map_or(Cow::Borrowed(raw), Cow::Owned))
    }

    /// Reads a string; whether it has escapes.
    fn skip_string(&mut self) -> Result<bool, JsonError> {
        self.expect(b'"')?;
        let mut is_escaped = false;
        loop {
            self.at += plain_prefix(&self.text[self.at..]);
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    is_escaped = true;
                    self.escape()?;
                }
                _ => return Err(JsonError::Syntax(self.at)),
            }
        }
        self.at += 1;
        Ok(is_escaped)
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 1;
                Ok(())
            }
            Some(b'u') => {
                let digits = self.text.get(self.at + 1..self.at + 5).ok_or(JsonError::Syntax(self.at))?;
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return Err(JsonError::Syntax(self.at));
                }
                self.at += 5;
                Ok(())
            }
            _ => Err(JsonError::Syntax(self.at)),
        }
    }
}

/// Length of the run of bytes that need no look: not a quote, a backslash or a control character.
///
/// Eight bytes at a time, and four times that once a text is longer than a name: most of a prompt is plain text, and this
/// is where the reader spends its time.
pub(crate) fn plain_prefix(bytes: &[u8]) -> usize {
    const WORDS_FIRST: usize = 2;
    let (words, _) = bytes.as_chunks::<8>();
    let mut read = 0;
    while let Some(word) = words.get(read) {
        let special = special(*word);
        if special != 0 {
            return read * 8 + special.trailing_zeros() as usize / 8;
        }
        read += 1;
        if read == WORDS_FIRST {
            let (blocks, _) = bytes[read * 8..].as_chunks::<32>();
            read += 4 * blocks.iter().take_while(|block| is_plain(block)).count();
        }
    }
    let length = read * 8;
    match bytes.last_chunk::<8>() {
        // Once more what is known to be plain, rather than the rest byte by byte.
        Some(last) if length < bytes.len() => match special(*last) {
            0 => bytes.len(),
            special => bytes.len() - 8 + special.trailing_zeros() as usize / 8,
        },
        _ => length + bytes[length..].iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)).count(),
    }
}

fn is_plain(block: &[u8; 32]) -> bool {
    let (words, _) = block.as_chunks::<8>();
    words.iter().fold(0, |found, word| found | special(*word)) == 0
}

/// The highest bit of the first byte that is a quote, a backslash or a control character; of later ones perhaps too.
const fn special(word: [u8; 8]) -> u64 {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGHS: u64 = u64::from_ne_bytes([0x80; 8]);
    let word = u64::from_le_bytes(word);
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let special = (quote.wrapping_sub(ONES) & !quote)
        | (backslash.wrapping_sub(ONES) & !backslash)
        | (word.wrapping_sub(ONES * 0x20) & !word);
    special & HIGHS
}

/// Whether a key occurs twice. Few keys are compared in pairs; many are sorted, so that a hostile object stays cheap.
fn has_duplicate(fields: &mut [Field<'_>]) -> bool {
    if fields.len() <= 12 {
        return fields
            .iter()
            .enumerate()
            .any(|(index, (key, _))| fields[..index].iter().any(|(other, _)| other == key));
    }
    fields.sort_unstable_by(|left, right| left.0.cmp(&right.0));
    fields.windows(2).any(|pair| pair[0].0 == pair[1].0)
}

#[cfg(test)]
#[path = "json_tests.rs"]
mod tests;
