//! Anthropic Messages, to and from the neutral form.
//!
//! Source: Anthropic API reference, "Messages", "Streaming messages", "Extended thinking", "Prompt caching".
//!
//! Thinking is proved by signatures. What this provider signed is known in other dialects by a prefix ([`SIGNED`]), and
//! only what has it is sent back; a client of this dialect keeps foreign proofs in `thinking` blocks, as they are. A proof
//! that another provider hangs on words or on a tool call (Gemini) is an empty `thinking` block before them.

mod answer_reader;
mod answer_writer;
mod block_reader;
mod block_writer;
mod fields;
mod finish;
mod request_reader;
mod request_writer;
mod schema;
mod stream_reader;
mod stream_writer;
mod thinking;
mod unexpressed;
mod usage_writer;

pub use answer_reader::read_answer;
pub use answer_writer::write_answer;
pub use request_reader::read_request;
pub use request_writer::write_request;
pub use stream_reader::StreamReader;
pub use stream_writer::StreamWriter;

use crate::json_view::Text;

/// What stands before this provider's signatures in other dialects.
use crate::neutral::signed_by::ANTHROPIC as SIGNED;
/// What stands before signatures that belong to the part they came with.
use crate::neutral::signed_by::GEMINI as SIGNED_BY_PART;

/// A signature of this provider's without what stands before it; `None` for foreign ones.
fn own_signature<'text>(signature: &'text Text<'_>) -> Option<&'text str> {
    signature.escaped().strip_prefix(SIGNED).filter(|signature| !signature.is_empty())
}

/// Puts a string that is escaped already behind what is written.
fn write_escaped(written: &mut Vec<u8>, escaped: &str) {
    written.push(b'"');
    written.extend_from_slice(escaped.as_bytes());
    written.push(b'"');
}

#[cfg(test)]
mod recorded_tests;
#[cfg(test)]
mod testing;
