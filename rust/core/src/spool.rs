//! How one record stands in a spool: framing, and reading on past damage.
//!
//! A record is a header of 16 bytes and a payload of text. Integers are little-endian.
//!
//! ```text
//! 0    4        5     6       8       12           16
//! magic version kind  check   length  payload CRC  payload …
//! ```
//!
//! `check` covers the rest of the header, so a cut payload can be told from a damaged length. The magic begins with the
//! byte FF, which UTF-8 never has: no payload can hold something that looks like a record, and a reader that lost its
//! place finds the next record by looking for the magic. CRC-32 is that of zlib and PNG (ISO-HDLC).

use memchr::memmem;

/// What every record begins with.
pub const MAGIC: [u8; 4] = *b"\xfffgr";
/// Bytes before the payload.
pub const HEADER_BYTES: usize = 16;
/// Longest payload.
pub const PAYLOAD_MAX_BYTES: usize = 16 << 20;
const VERSION: u8 = 1;
/// The payload is one JSON object.
const JSON: u8 = 1;

/// Why a payload can't become a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FrameError {
    /// It is longer than [`PAYLOAD_MAX_BYTES`].
    TooLong,
    /// It holds the byte FF, so it is no text.
    NotText,
}

impl std::fmt::Display for FrameError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TooLong => write!(formatter, "a record's payload has at most {PAYLOAD_MAX_BYTES} bytes"),
            Self::NotText => formatter.write_str("a record's payload is UTF-8 text"),
        }
    }
}

impl std::error::Error for FrameError {}

/// Appends a record to `into`; on an error `into` is as before.
///
/// # Errors
/// The payload is too long or no text.
pub fn frame(payload: &[u8], into: &mut Vec<u8>) -> Result<(), FrameError> {
    let length = u32::try_from(payload.len()).ok().filter(|_| payload.len() <= PAYLOAD_MAX_BYTES);
    let length = length.ok_or(FrameError::TooLong)?;
    if memchr::memchr(MAGIC[0], payload).is_some() {
        return Err(FrameError::NotText);
    }
    let header = Header { version: VERSION, kind: JSON, length, payload_crc: crc32fast::hash(payload) };
    into.reserve(HEADER_BYTES + payload.len());
    into.extend_from_slice(&header.to_bytes());
    into.extend_from_slice(payload);
    Ok(())
}

/// What stands at the start of some bytes of a spool.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step<'bytes> {
    /// An intact record of `length` bytes.
    Record {
        /// The payload as it was framed.
        payload: &'bytes [u8],
        /// Bytes of the whole record.
        length: usize,
    },
    /// `length` bytes hold no record; behind them one may begin.
    Damage {
        /// What is wrong.
        fault: Fault,
        /// Bytes to skip.
        length: usize,
    },
    /// The record goes on for at least `missing` bytes behind the end.
    Cut {
        /// Bytes that would have to follow.
        missing: usize,
    },
    /// There are no bytes.
    End,
}

/// What is wrong with bytes that hold no record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// They do not begin with a record's magic.
    NoRecord,
    /// The header does not match its check.
    Header,
    /// The payload does not match its checksum, or another record begins inside it.
    Payload,
    /// An intact record in a version or of a kind that this reader does not know.
    Unknown,
}

impl Fault {
    /// The fault in words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoRecord => "no record",
            Self::Header => "damaged header",
            Self::Payload => "damaged payload",
            Self::Unknown => "unknown version",
        }
    }
}

/// Reads what `bytes` begin with. [`Step::Cut`] at the end of a file is a torn tail; before, more bytes are needed.
///
/// Damage ends where the next magic stands, so that one damaged record never takes an intact one with it.
#[must_use]
pub fn read(bytes: &[u8]) -> Step<'_> {
    if bytes.is_empty() {
        return Step::End;
    }
    let Some((head, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        let begun = bytes.len().min(MAGIC.len());
        if bytes[..begun] == MAGIC[..begun] && next_magic(bytes).is_none() {
            return Step::Cut { missing: HEADER_BYTES - bytes.len() };
        }
        return damage(bytes, if bytes.starts_with(&MAGIC) { Fault::Header } else { Fault::NoRecord });
    };
    if head[..MAGIC.len()] != MAGIC {
        return damage(bytes, Fault::NoRecord);
    }
    let Some(header) = Header::from_bytes(head) else {
        return damage(bytes, Fault::Header);
    };
    let payload_bytes = header.length as usize;
    let Some(payload) = rest.get(..payload_bytes) else {
        // A record that begins before this one ends was written behind the cut.
        return match next_magic(bytes) {
            Some(_) => damage(bytes, Fault::Payload),
            None => Step::Cut { missing: payload_bytes - rest.len() },
        };
    };
    if crc32fast::hash(payload) != header.payload_crc {
        return damage(bytes, Fault::Payload);
    }
    let length = HEADER_BYTES + payload_bytes;
    if header.version != VERSION || header.kind != JSON {
        return Step::Damage { fault: Fault::Unknown, length };
    }
    Step::Record { payload, length }
}

/// Damage up to the next magic, or to a part of one at the end, or to the end.
fn damage(bytes: &[u8], fault: Fault) -> Step<'_> {
    let length = next_magic(bytes).unwrap_or_else(|| {
        let tail = (1..MAGIC.len()).rev().find(|begun| bytes.len() > *begun && bytes.ends_with(&MAGIC[..*begun]));
        bytes.len() - tail.unwrap_or(0)
    });
    Step::Damage { fault, length }
}

/// Where a magic stands, but for the very start.
fn next_magic(bytes: &[u8]) -> Option<usize> {
    memmem::find(&bytes[1..], &MAGIC).map(|at| at + 1)
}

struct Header {
    version: u8,
    kind: u8,
    length: u32,
    payload_crc: u32,
}

impl Header {
    fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4] = self.version;
        bytes[5] = self.kind;
        bytes[8..12].copy_from_slice(&self.length.to_le_bytes());
        bytes[12..].copy_from_slice(&self.payload_crc.to_le_bytes());
        let check = header_check(&bytes);
        bytes[6..8].copy_from_slice(&check.to_le_bytes());
        bytes
    }

    /// `None` if the bytes do not match their check, or claim an impossible length.
    fn from_bytes(bytes: &[u8; HEADER_BYTES]) -> Option<Self> {
        let [_, _, _, _, version, kind, check @ .., _, _, _, _, _, _, _, _] = bytes;
        let [.., l0, l1, l2, l3, c0, c1, c2, c3] = bytes;
        let length = u32::from_le_bytes([*l0, *l1, *l2, *l3]);
        let is_intact = u16::from_le_bytes(*check) == header_check(bytes) && length as usize <= PAYLOAD_MAX_BYTES;
        is_intact.then(|| Self {
            version: *version,
            kind: *kind,
            length,
            payload_crc: u32::from_le_bytes([*c0, *c1, *c2, *c3]),
        })
    }
}

/// Both halves of the CRC of version, kind, length and payload CRC, folded into one.
fn header_check(bytes: &[u8; HEADER_BYTES]) -> u16 {
    let mut covered = [0; 10];
    covered[..2].copy_from_slice(&bytes[4..6]);
    covered[2..].copy_from_slice(&bytes[8..]);
    let crc = crc32fast::hash(&covered);
    #[expect(clippy::cast_possible_truncation, reason = "folding both halves is the check")]
    let folded = (crc >> 16) as u16 ^ crc as u16;
    folded
}

#[cfg(test)]
#[path = "spool_tests.rs"]
mod tests;
