//! HTTP/1.1 as a client reads it: where an answer's head ends, how its body is delimited, chunks (RFC 9112).
//!
//! Strict where laxness lets two readers disagree on where a message ends: lengths that contradict each other, a length
//! beside a coding, codings nobody asked for, bare line feeds within chunks.

mod answer_head;
mod chunked;

pub use answer_head::{AnswerHead, Framing, HeadError};
pub use chunked::{ChunkError, ChunkedReader, Step};
