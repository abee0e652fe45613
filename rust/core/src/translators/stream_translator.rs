//! A stream on its way from one dialect to another.

use super::{Replying, StreamReader, StreamWriter, normal_answer};
use crate::failure::Failure;
use crate::json_view::View;
use crate::neutral::{Event, Format};

/// Reads a provider's events and writes what a client of another dialect gets, each as it comes.
#[derive(Debug)]
pub struct StreamTranslator {
    from: Format,
    reader: StreamReader,
    writer: StreamWriter,
}

impl StreamTranslator {
    /// At the beginning of a stream.
    #[must_use]
    pub fn new(from: Format, to: Format, replying: &Replying<'_>) -> Self {
        Self { from, reader: StreamReader::new(from), writer: StreamWriter::new(to, replying) }
    }

    /// Takes in the data of one event and puts what it comes to behind what is written.
    pub fn read(&mut self, data: View<'_>, written: &mut Vec<u8>) {
        let (mut room, mut events) = (None, Vec::new());
        self.reader.read(normal_answer(self.from, data, &mut room), &mut events);
        for event in &events {
            self.writer.write(event, written);
        }
    }

    /// Writes a sign of life.
    pub fn ping(&mut self, written: &mut Vec<u8>) {
        self.writer.write(&Event::Ping, written);
    }

    /// The stream is whole: writes what the client's format ends with.
    pub fn end(&mut self, written: &mut Vec<u8>) {
        let mut events = Vec::new();
        self.reader.end(&mut events);
        for event in &events {
            self.writer.write(event, written);
        }
    }

    /// The stream broke: writes the failure as the client's format has it.
    pub fn fail(&mut self, failure: &Failure, request_id: &str, written: &mut Vec<u8>) {
        self.writer.fail(failure, request_id, written);
    }
}
