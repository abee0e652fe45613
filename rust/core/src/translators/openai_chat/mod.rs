//! OpenAI Chat Completions, to and from the neutral form.
//!
//! Source: OpenAI API reference, "Chat Completions" and "Streaming". Compatible vendors write thoughts as
//! `reasoning_content` or `reasoning`, and are lax about indexes and ids of tool calls; readers cope with both. The format
//! has no place for proofs of thoughts, so the ids of tool calls carry them ([`call_id`]).

mod annotations;
mod answer_reader;
mod answer_writer;
mod call_id;
mod finish;
mod message_reader;
mod message_writer;
mod part_reader;
mod part_writer;
mod request_reader;
mod request_writer;
mod said;
mod stream_calls;
mod stream_reader;
mod stream_writer;
mod usage_writer;

#[cfg(test)]
mod answer_tests;
#[cfg(test)]
mod any_input_tests;
#[cfg(test)]
mod recorded_tests;
#[cfg(test)]
mod request_tests;
#[cfg(test)]
mod stream_tests;

pub use answer_reader::read_answer;
pub use answer_writer::write_answer;
pub use call_id::MARK;
pub use request_reader::read_request;
pub use request_writer::write_request;
pub use stream_reader::StreamReader;
pub use stream_writer::StreamWriter;
