//! OpenAI Responses, to and from the neutral form.
//!
//! Source: OpenAI API reference, "Create a model response", "The response object", "Streaming events"; the models of the
//! official Python SDK 3.54. A turn of the model is a row of items here: reasoning, messages, function calls. Nothing is
//! stored on either side, so what a provider wants back of its reasoning travels in `encrypted_content`.

mod answer_reader;
mod answer_writer;
mod fields;
mod input_reader;
mod input_writer;
mod output_item;
mod request_reader;
mod request_writer;
mod response_object;
mod signature;
mod stream_items;
mod stream_reader;
mod stream_writer;

pub use answer_reader::read_answer;
pub use answer_writer::write_answer;
pub use request_reader::read_request;
pub use request_writer::write_request;
pub use stream_reader::StreamReader;
pub use stream_writer::StreamWriter;

#[cfg(test)]
mod frames_in_tests;
#[cfg(test)]
mod recorded_tests;
