//! One core's writer: what it has appended outlives the process.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fastgate_core::spool::frame;

use super::appender::Appender;
use super::keeper::Task;
use super::segment::{self, Stage};
use super::{Files, WriterCounts};

/// Records say who asked for what: for the gateway's user only.
pub(super) const MODE: u32 = 0o600;

/// Buffers beyond this are given back after use.
const BUFFER_KEPT_BYTES: usize = 1 << 20;

/// Appends records to segments of its own. A segment begins with its first record.
#[derive(Debug)]
pub struct SpoolWriter {
    files: Arc<Files>,
    keeper: Sender<Task>,
    counts: Arc<WriterCounts>,
    number: u32,
    segments: u32,
    current: Option<Current>,
    buffer: Vec<u8>,
}

/// The segment that is written to. The lock goes with the file.
#[derive(Debug)]
pub(super) struct Current {
    pub(super) name: String,
    pub(super) appender: Appender,
    opened: Instant,
}

impl SpoolWriter {
    pub(super) fn new(files: Arc<Files>, keeper: Sender<Task>) -> Self {
        let counts = Arc::new(WriterCounts::default());
        files.counts.lock().push(Arc::clone(&counts));
        let number = files.writers.fetch_add(1, Ordering::Relaxed);
        Self { files, keeper, counts, number, segments: 0, current: None, buffer: Vec::new() }
    }

    /// Appends one record. Once this returns `Ok` the record survives the death of the process, but not that of the
    /// machine.
    ///
    /// # Errors
    /// The payload is too long or no text, or writing failed; then nothing of it stays in the file.
    pub fn append(&mut self, payload: &[u8]) -> io::Result<()> {
        self.append_many([payload])
    }

    /// Appends records: all of them or none.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub fn append_many<'a>(&mut self, payloads: impl IntoIterator<Item = &'a [u8]>) -> io::Result<()> {
        self.buffer.clear();
        let mut records = 0;
        let framed = payloads.into_iter().try_for_each(|payload| {
            records += 1;
            frame(payload, &mut self.buffer)
        });
        let written = framed
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
            .and_then(|()| if records == 0 { Ok(()) } else { self.write_buffer() });
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_KEPT_BYTES);
        match &written {
            Ok(()) => {
                self.counts.records.fetch_add(records, Ordering::Relaxed);
                if self.counts.is_failing.swap(false, Ordering::Relaxed) {
                    self.files.notify(false, "records are written to the spool again".into());
                }
            }
            Err(error) => {
                self.counts.failures.fetch_add(records, Ordering::Relaxed);
                if !self.counts.is_failing.swap(true, Ordering::Relaxed) {
                    let directory = self.files.directory.display();
                    self.files.notify(true, format!("records can't be written to {directory}: {error}"));
                }
            }
        }
        written
    }

    fn write_buffer(&mut self) -> io::Result<()> {
        let segment_size_bytes = self.files.settings.load().segment_size_bytes;
        if self.current.as_ref().is_some_and(|current| current.appender.length() >= segment_size_bytes) {
            self.close_segment();
        }
        let current = match &mut self.current {
            Some(current) => current,
            none => none.insert(create(&self.files.directory, self.number, &mut self.segments)?),
        };
        current.appender.append(&self.buffer).map_err(|failure| {
            if !failure.is_clean {
                // Half a record that can't be cut off must be this segment's end; the keeper tries again.
                self.close_segment();
            }
            failure.error
        })
    }

    /// Closes a segment that is large or old enough. A core calls it every second or so, which is often enough to tell
    /// its age.
    pub fn rotate_if_due(&mut self) {
        let settings = self.files.settings.load();
        let age = Duration::from_millis(settings.segment_age_ms);
        let is_due = |current: &Current| {
            current.appender.length() >= settings.segment_size_bytes || current.opened.elapsed() >= age
        };
        if self.current.as_ref().is_some_and(is_due) {
            self.close_segment();
        }
    }

    fn close_segment(&mut self) {
        if let Some(current) = self.current.take() {
            // Without a keeper the segment stays as it is and is adopted at the next start.
            let _ = self.keeper.send(Task::Finish(current));
        }
    }
}

impl Drop for SpoolWriter {
    fn drop(&mut self) {
        self.close_segment();
    }
}

/// A new segment, locked.
fn create(directory: &Path, writer: u32, segments: &mut u32) -> io::Result<Current> {
    loop {
        let started_unix_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
        let name = format!("{started_unix_ms:013}-{}-{writer}-{segments:06}", std::process::id());
        *segments = segments.wrapping_add(1);
        let path = segment::path(directory, &name, Stage::Open);
        let file = match File::options().read(true).write(true).create_new(true).mode(MODE).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(error),
        };
        file.lock()?;
        // Before it was locked another process may have taken it for one left behind, and removed it as empty.
        if segment::stands_at(&file, &path)? {
            return Ok(Current { name, appender: Appender::new(file), opened: Instant::now() });
        }
    }
}
