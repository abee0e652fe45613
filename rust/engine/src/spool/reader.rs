//! Reading a spool, also while it is written to: every intact record, and every place that holds none.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fastgate_core::spool::{Fault, MAGIC, Step, read};

use super::segment::{self, Segment, Stage};

const READ_BYTES: usize = 256 << 10;

/// Segments of a directory, the oldest first, in batches.
#[derive(Debug)]
pub struct SpoolReader {
    directory: PathBuf,
    segments: VecDeque<Segment>,
    current: Option<(String, SegmentReader)>,
}

/// Some records, and what was found between them.
#[derive(Debug, Default)]
pub struct Batch {
    payloads: Vec<u8>,
    ends: Vec<usize>,
    /// Places without a record.
    pub problems: Vec<Problem>,
}

impl Batch {
    /// The records' payloads, as they were appended.
    pub fn records(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, end)| &self.payloads[start..*end])
    }
}

/// A place without a record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// Name of its segment, without an extension.
    pub segment: String,
    /// Where it begins, in the segment before compression.
    pub offset: u64,
    /// Bytes without a record; 0 where they could not be read.
    pub length: u64,
    /// What is wrong, in words.
    pub fault: String,
    /// It is a last record that its process did not finish, or is writing now: nothing that was acknowledged is lost.
    pub is_torn: bool,
}

impl SpoolReader {
    /// The segments there are now; with `since`, those that are open, or were closed since.
    ///
    /// # Errors
    /// The directory can't be read.
    pub fn open(directory: &Path, since: Option<SystemTime>) -> io::Result<Self> {
        let mut segments = VecDeque::from(segment::list(directory)?);
        if let Some(since) = since {
            let written = |found: &Segment| std::fs::metadata(found.path(directory)).and_then(|file| file.modified());
            // One that was renamed in between is young.
            // That of a mapped file lags behind its records.
            let is_open = |found: &Segment| found.stage == Stage::Open;
            segments.retain(|found| is_open(found) || written(found).map_or(true, |written| written >= since));
        }
        Ok(Self { directory: directory.to_owned(), segments, current: None })
    }

    /// Records of at least `bytes`, fewer at a segment's end; `None` behind the last.
    pub fn next_batch(&mut self, bytes: usize) -> Option<Batch> {
        let mut batch = Batch::default();
        if self.current.is_none() {
            let found = self.segments.pop_front()?;
            match SegmentReader::open(&self.directory, &found) {
                Ok(reader) => self.current = Some((found.name, reader)),
                Err(error) => batch.problems.push(unreadable(&found.name, 0, &error)),
            }
        }
        let Some((name, reader)) = &mut self.current else { return Some(batch) };
        while batch.payloads.len() < bytes {
            let (offset, length, fault, is_torn) = match reader.next() {
                Ok(Some(Entry::Record { payload })) => {
                    batch.payloads.extend_from_slice(payload);
                    batch.ends.push(batch.payloads.len());
                    continue;
                }
                Ok(Some(Entry::Damage { fault, offset, length })) => (offset, length, fault.name(), false),
                Ok(Some(Entry::Torn { offset, length })) => (offset, length, "torn tail", true),
                Ok(Some(Entry::Unwritten { .. }) | None) => {
                    self.current = None;
                    break;
                }
                Err(error) => {
                    batch.problems.push(unreadable(name, reader.offset, &error));
                    self.current = None;
                    break;
                }
            };
            batch.problems.push(Problem { segment: name.clone(), offset, length, fault: fault.into(), is_torn });
        }
        Some(batch)
    }
}

/// What is behind `offset` can't be read: a compressed segment is damaged, or the disk is.
fn unreadable(segment: &str, offset: u64, error: &io::Error) -> Problem {
    Problem {
        segment: segment.into(),
        offset,
        length: 0,
        fault: format!("unreadable from here: {error}"),
        is_torn: false,
    }
}

/// What stands in a segment. Offsets are those of the segment before compression.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Entry<'bytes> {
    /// An intact record.
    Record {
        /// What was appended.
        payload: &'bytes [u8],
    },
    /// Bytes that hold no record.
    Damage {
        /// What is wrong.
        fault: Fault,
        /// Where they begin.
        offset: u64,
        /// How many they are.
        length: u64,
    },
    /// The last record is not whole: its process died, or is writing it now.
    Torn {
        /// Where it begins.
        offset: u64,
        /// How much of it there is.
        length: u64,
    },
    /// Nothing but room that an open segment has for more.
    Unwritten {
        /// Where it begins.
        offset: u64,
    },
}

/// One segment, read in pieces.
pub(super) struct SegmentReader {
    source: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    start: usize,
    /// Where `start` is in the segment.
    offset: u64,
    is_at_end: bool,
    /// Why there is nothing behind the buffer's end.
    failure: Option<io::Error>,
    /// Damage whose end has not been seen yet.
    damage: Option<Damaged>,
    stage: Stage,
}

struct Damaged {
    fault: Fault,
    place: Range<u64>,
    /// It begins with zeros, where a record that was copied whole has its magic.
    is_unfinished: bool,
    /// There are only zeros.
    is_blank: bool,
}

impl std::fmt::Debug for SegmentReader {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("SegmentReader").field("offset", &self.offset).finish_non_exhaustive()
    }
}

impl SegmentReader {
    pub(super) fn new(source: Box<dyn Read + Send>, stage: Stage) -> Self {
        Self { source, buffer: Vec::new(), start: 0, offset: 0, is_at_end: false, failure: None, damage: None, stage }
    }

    fn open(directory: &Path, found: &Segment) -> io::Result<Self> {
        // It may get on while it is looked for.
        let stages = Stage::ALL.into_iter().filter(|stage| *stage >= found.stage);
        let mut result = Err(io::ErrorKind::NotFound.into());
        for stage in stages {
            result = File::open(segment::path(directory, &found.name, stage)).map(|file| (stage, file));
            if !result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
                break;
            }
        }
        let (stage, file) = result?;
        let source: Box<dyn Read + Send> = match stage {
            Stage::Compressed => Box::new(zstd::Decoder::new(file)?),
            Stage::Open | Stage::Closed => Box::new(file),
        };
        Ok(Self::new(source, stage))
    }

    /// What comes next; `None` at the end. An error comes behind everything that could be read.
    pub(super) fn next(&mut self) -> io::Result<Option<Entry<'_>>> {
        let payload = loop {
            match read(&self.buffer[self.start..]) {
                Step::Cut { missing } if !self.is_at_end => self.fill(missing),
                Step::End if !self.is_at_end => self.fill(READ_BYTES),
                // A reader that got the bytes in one piece would have seen one place.
                Step::Damage { fault: Fault::NoRecord, length } if self.damage.is_some() => {
                    let is_blank = self.is_blank(length);
                    self.skip(length);
                    if let Some(damage) = &mut self.damage {
                        damage.place.end = self.offset;
                        damage.is_blank &= is_blank;
                    }
                }
                Step::Damage { fault, length } if self.damage.is_none() => {
                    let start = self.offset;
                    let (is_unfinished, is_blank) = (self.is_blank(length.min(MAGIC.len())), self.is_blank(length));
                    self.skip(length);
                    self.damage = Some(Damaged { fault, place: start..self.offset, is_unfinished, is_blank });
                }
                step if self.damage.is_some() => {
                    let is_tail = self.stage == Stage::Open && step == Step::End;
                    return Ok(self.damage.take().map(|damage| damage.entry(is_tail)));
                }
                Step::Record { payload, length } => {
                    let payload_bytes = payload.len();
                    self.skip(length);
                    break self.start - payload_bytes..self.start;
                }
                Step::Cut { .. } | Step::End if self.failure.is_some() => {
                    return self.failure.take().map_or(Ok(None), Err);
                }
                Step::Cut { .. } => {
                    let (offset, length) = (self.offset, self.buffer.len() - self.start);
                    self.skip(length);
                    return Ok(Some(Entry::Torn { offset, length: length as u64 }));
                }
                Step::Damage { .. } | Step::End => return Ok(None),
            }
        };
        Ok(Some(Entry::Record { payload: &self.buffer[payload] }))
    }

    fn is_blank(&self, length: usize) -> bool {
        self.buffer[self.start..self.start + length].iter().all(|byte| *byte == 0)
    }

    fn skip(&mut self, length: usize) {
        self.start += length;
        self.offset += length as u64;
    }

    /// Reads on, if it can `missing` bytes and more.
    fn fill(&mut self, missing: usize) {
        self.buffer.drain(..self.start);
        self.start = 0;
        let wanted = missing.max(READ_BYTES) as u64;
        match (&mut self.source).take(wanted).read_to_end(&mut self.buffer) {
            Ok(got) => self.is_at_end = (got as u64) < wanted,
            // What was read before it stays in the buffer.
            Err(error) => (self.is_at_end, self.failure) = (true, Some(error)),
        }
    }
}

impl Damaged {
    /// What it is. `is_tail`: nothing stands behind it in a segment that is open.
    fn entry<'bytes>(self, is_tail: bool) -> Entry<'bytes> {
        let (offset, length) = (self.place.start, self.place.end - self.place.start);
        match (is_tail && self.is_unfinished, self.is_blank) {
            (true, true) => Entry::Unwritten { offset },
            (true, false) => Entry::Torn { offset, length },
            (false, _) => Entry::Damage { fault: self.fault, offset, length },
        }
    }
}
