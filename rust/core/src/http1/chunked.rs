//! A body in chunks, read as it arrives (RFC 9112, section 7.1). Extensions and trailers are skipped, and bounded.

/// Bytes that all extensions, or all trailers, of one body may have.
const SKIPPED_LIMIT_BYTES: usize = 16 * 1024;

/// Reads chunks.
#[derive(Clone, Debug)]
pub struct ChunkedReader {
    state: State,
    /// Bytes of extensions and trailers that may still come.
    left_to_skip: usize,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// In a size of which so many digits were read.
    Size {
        bytes: u64,
        digits: u8,
    },
    /// Behind a size, in blanks or an extension.
    Extension {
        bytes: u64,
    },
    /// Before the line feed that ends a size.
    SizeEnd {
        bytes: u64,
    },
    /// In data of which so much is missing.
    Data(u64),
    /// Before the line that ends data.
    DataEnd,
    DataLineFeed,
    /// At the beginning of a line behind the last chunk.
    Trailer,
    InTrailer,
    LastLineFeed,
    End,
}

/// What was found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// All of it was read, and more has to come.
    More,
    /// Behind `skipped` bytes come `length` bytes of data, at least one.
    Data {
        /// Bytes that are no data.
        skipped: usize,
        /// Bytes of data behind them.
        length: usize,
    },
    /// The body ends after so many bytes.
    End {
        /// Bytes that are no data.
        skipped: usize,
    },
}

/// What was read is not a body in chunks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ChunkError;

impl Default for ChunkedReader {
    fn default() -> Self {
        Self { state: State::Size { bytes: 0, digits: 0 }, left_to_skip: SKIPPED_LIMIT_BYTES }
    }
}

impl ChunkedReader {
    /// Reads on in `bytes`, up to the next data or all of them: what it read, data included, is not to be given again.
    ///
    /// # Errors
    /// When they can't go on a body in chunks.
    pub fn step(&mut self, bytes: &[u8]) -> Result<Step, ChunkError> {
        let mut at = 0;
        loop {
            if let State::Data(left) = self.state {
                let length = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len() - at);
                if length == 0 {
                    return Ok(Step::More);
                }
                let left = left - length as u64;
                self.state = if left == 0 { State::DataEnd } else { State::Data(left) };
                return Ok(Step::Data { skipped: at, length });
            }
            if self.state == State::End {
                return Ok(Step::End { skipped: at });
            }
            let Some(byte) = bytes.get(at) else { return Ok(Step::More) };
            self.state = self.after(*byte)?;
            at += 1;
        }
    }

    fn after(&mut self, byte: u8) -> Result<State, ChunkError> {
        Ok(match (self.state, byte) {
            (State::Size { bytes, digits }, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                let digit = char::from(byte).to_digit(16).ok_or(ChunkError)?;
                let bytes =
                    bytes.checked_mul(16).and_then(|bytes| bytes.checked_add(digit.into())).ok_or(ChunkError)?;
                // Zeros in front are digits too, and without a bound there could be any number of them.
                State::Size { bytes, digits: digits.checked_add(1).ok_or(ChunkError)? }
            }
            (State::Size { bytes, digits: 1.. } | State::Extension { bytes }, b'\r') => State::SizeEnd { bytes },
            (State::Size { bytes, digits: 1.. }, b' ' | b'\t' | b';') => self.skip(State::Extension { bytes })?,
            (State::Extension { bytes }, byte) if byte != b'\n' => self.skip(State::Extension { bytes })?,
            (State::SizeEnd { bytes: 0 } | State::InTrailer, b'\n') => State::Trailer,
            (State::SizeEnd { bytes }, b'\n') => State::Data(bytes),
            (State::DataEnd, b'\r') => State::DataLineFeed,
            (State::DataLineFeed, b'\n') => State::Size { bytes: 0, digits: 0 },
            (State::Trailer, b'\r') => State::LastLineFeed,
            (State::Trailer | State::InTrailer, _) => self.skip(State::InTrailer)?,
            (State::LastLineFeed, b'\n') => State::End,
            _ => return Err(ChunkError),
        })
    }

    fn skip(&mut self, state: State) -> Result<State, ChunkError> {
        self.left_to_skip = self.left_to_skip.checked_sub(1).ok_or(ChunkError)?;
        Ok(state)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The data of a body that comes in pieces, and how many bytes behind it were left.
    fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<(Vec<u8>, Option<usize>), ChunkError> {
        let (mut reader, mut data) = (ChunkedReader::default(), Vec::new());
        let (mut left, mut is_over) = (0, false);
        for mut piece in pieces {
            while !is_over {
                match reader.step(piece)? {
                    Step::More => break,
                    Step::Data { skipped, length } => {
                        data.extend_from_slice(&piece[skipped..skipped + length]);
                        piece = &piece[skipped + length..];
                    }
                    Step::End { skipped } => {
                        piece = &piece[skipped..];
                        is_over = true;
                    }
                }
            }
            left += if is_over { piece.len() } else { 0 };
        }
        Ok((data, is_over.then_some(left)))
    }

    #[test]
    fn bodies_in_chunks() {
        for (body, data, left) in [
            ("0\r\n\r\n", "", Some(0)),
            ("5\r\nhello\r\n0\r\n\r\nHTTP", "hello", Some(4)),
            ("A;name=\"v\"\r\n0123456789\r\n00 \r\n\r\n", "0123456789", Some(0)),
            ("1\r\na\r\n1\t\r\nb\r\n0\r\nDigest: x\r\nother: y\r\n\r\n", "ab", Some(0)),
            ("5\r\nhel", "hel", None),
            ("5\r\nhello\r\n0\r\n", "hello", None),
            ("", "", None),
        ] {
            assert_eq!(read([body.as_bytes()]), Ok((data.as_bytes().to_vec(), left)), "{body:?}");
        }
    }

    #[test]
    fn what_is_not_in_chunks() {
        let zeros = "0".repeat(256);
        let long = format!("1;{}\r\n", "x".repeat(SKIPPED_LIMIT_BYTES));
        let trailers = format!("0\r\n{}", "a: b\r\n".repeat(SKIPPED_LIMIT_BYTES / 4));
        for body in [
            "\r\n",
            "g\r\n",
            " 5\r\n",
            "-5\r\n",
            "0x5\r\n",
            "5\nhello",
            "5\rhello",
            "1\r\nab",
            "1\r\na\n0\r\n\r\n",
            "1\r\na\rb",
            "1;x\n",
            "0\r\n\rx",
            "10000000000000000\r\n",
            &zeros,
            &long,
            &trailers,
        ] {
            assert_eq!(read([body.as_bytes()]), Err(ChunkError), "{body:?}");
        }
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..6),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        ) {
            let mut body = Vec::new();
            for chunk in &chunks {
                body.extend_from_slice(format!("{:x};e\r\n", chunk.len()).as_bytes());
                body.extend_from_slice(chunk);
                body.extend_from_slice(b"\r\n");
            }
            body.extend_from_slice(b"0\r\nt: v\r\n\r\n");
            let mut borders: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len())).collect();
            borders.extend([0, body.len()]);
            borders.sort_unstable();
            let pieces = borders.windows(2).map(|pair| &body[pair[0]..pair[1]]);
            prop_assert_eq!(read(pieces), Ok((chunks.concat(), Some(0))));
        }

        #[test]
        fn nothing_makes_it_panic(
            bytes in prop::collection::vec(prop::sample::select(b"0123fF;\r\n \t:x\xff".to_vec()), 0..80),
            cut in any::<prop::sample::Index>(),
        ) {
            let (first, second) = bytes.split_at(cut.index(bytes.len() + 1));
            prop_assert_eq!(read([first, second]).is_ok(), read([&bytes[..]]).is_ok());
        }
    }
}
