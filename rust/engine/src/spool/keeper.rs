//! The thread beside the writers: makes closed segments durable, then small, adopts what dead processes left, and looks
//! at the disk.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::Files;
use super::reader::{Entry, SegmentReader};
use super::segment::{self, Stage};
use super::writer::{Current, MODE};

#[cfg(target_os = "linux")]
const KEEPER_NICENESS: i32 = 10;

/// Free space and sizes are looked at this often.
const DISK_INTERVAL: Duration = Duration::from_secs(2);
/// Records are so much alike that zstd's own default of 3 takes twice the time and makes them no smaller.
const COMPRESSION_LEVEL: i32 = 1;

/// Compressed at a stretch, some 100 µs: then whoever waits for the CPU gets it.
const PIECE_BYTES: usize = 128 << 10;

/// What the keeper is asked to do.
#[derive(Debug)]
pub(super) enum Task {
    /// A writer is done with this segment.
    Finish(Current),
    /// The spool closes.
    End,
}

pub(super) struct Keeper {
    files: Arc<Files>,
    tasks: Receiver<Task>,
}

impl Keeper {
    pub(super) fn new(files: Arc<Files>, tasks: Receiver<Task>) -> Self {
        Self { files, tasks }
    }

    pub(super) fn run(self) {
        // Compressing must not take a core's turn. On Linux this is the thread's own niceness, elsewhere the whole
        // process's; where it may not be changed, things go on as they were.
        #[cfg(target_os = "linux")]
        let _ = rustix::process::setpriority_process(None, KEEPER_NICENESS);
        self.adopt_all();
        loop {
            match self.tasks.recv_timeout(DISK_INTERVAL) {
                Ok(Task::Finish(segment)) => self.finish_written(segment),
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Task::End) | Err(RecvTimeoutError::Disconnected) => return,
            }
            self.report(&self.files.directory, self.files.look_at_disk());
        }
    }

    fn report(&self, what: &Path, result: io::Result<()>) {
        if let Err(error) = result {
            self.files.notify(true, format!("spool: {}: {error}", what.display()));
        }
    }

    /// Takes over every segment without a living owner. One that can't be is reported and left as it is.
    fn adopt_all(&self) {
        let directory = &self.files.directory;
        let files = segment::files(directory).unwrap_or_else(|error| {
            self.report(directory, Err(error));
            Vec::new()
        });
        for found in files {
            if found.stage == Stage::Compressed || self.files.is_closing.load(Ordering::Relaxed) {
                continue;
            }
            let path = found.path(directory);
            let result = segment::adopt(&path).and_then(|free| match (free, found.stage) {
                (Some(file), Stage::Open) => self.adopt(&found.name, &path, &file),
                (Some(file), _) => self.compress(&found.name, &file),
                (None, _) => Ok(()),
            });
            self.report(&path, result);
        }
    }

    fn finish_written(&self, segment: Current) {
        let path = segment::path(&self.files.directory, &segment.name, Stage::Open);
        let (file, whole_bytes) = segment.appender.into_parts();
        self.report(&path, self.finish(&segment.name, &file, whole_bytes));
    }

    /// Finishes a segment whose process died in the middle of it.
    fn adopt(&self, name: &str, path: &Path, file: &File) -> io::Result<()> {
        let mut whole_bytes = file.metadata()?.len();
        let (mut records, mut damaged, mut torn_bytes) = (0_u64, 0_u64, 0);
        let mut reader = SegmentReader::new(Box::new(File::open(path)?), Stage::Open);
        while let Some(entry) = reader.next()? {
            match entry {
                Entry::Record { .. } => records += 1,
                Entry::Damage { .. } => damaged += 1,
                Entry::Torn { offset, length } => (whole_bytes, torn_bytes) = (offset, length),
                Entry::Unwritten { offset } => whole_bytes = offset,
            }
        }
        self.files.disk.damaged.fetch_add(damaged, Ordering::Relaxed);
        let segment = path.display();
        self.files.notify(damaged > 0, format!(
            "adopted {segment}, left by a process that is gone: {records} records, {torn_bytes} bytes of a torn tail cut, {damaged} damaged places"
        ));
        self.finish(name, file, whole_bytes)
    }

    /// Cuts what is behind the last whole record, makes the rest durable, renames and compresses it.
    fn finish(&self, name: &str, file: &File, whole_bytes: u64) -> io::Result<()> {
        let directory = &self.files.directory;
        let open = segment::path(directory, name, Stage::Open);
        if whole_bytes == 0 {
            return std::fs::remove_file(open);
        }
        if file.metadata()?.len() != whole_bytes {
            file.set_len(whole_bytes)?;
        }
        file.sync_all()?;
        std::fs::rename(open, segment::path(directory, name, Stage::Closed))?;
        sync_directory(directory)?;
        // A process that ends does not keep its user waiting: the next one compresses.
        if self.files.is_closing.load(Ordering::Relaxed) { Ok(()) } else { self.compress(name, file) }
    }

    fn compress(&self, name: &str, file: &File) -> io::Result<()> {
        if !self.files.settings.load().compress {
            return Ok(());
        }
        let directory = &self.files.directory;
        let closed = segment::path(directory, name, Stage::Closed);
        let compressed = segment::path(directory, name, Stage::Compressed);
        let part = compressed.with_extension("zst.part");
        let into = File::options().write(true).create(true).truncate(true).mode(MODE).open(&part)?;
        let written = compress_into(&closed, &into).and_then(|()| {
            // `spool cat --since` goes by the time of the last record.
            into.set_modified(file.metadata()?.modified()?)?;
            into.sync_all()?;
            std::fs::rename(&part, &compressed)
        });
        if let Err(error) = written {
            // Only room was lost, and is given back.
            let _ = std::fs::remove_file(&part);
            return Err(error);
        }
        sync_directory(directory)?;
        std::fs::remove_file(closed)
    }
}

fn compress_into(closed: &Path, into: &File) -> io::Result<()> {
    let mut encoder = zstd::Encoder::new(io::BufWriter::new(into), COMPRESSION_LEVEL)?;
    encoder.include_checksum(true)?;
    let (mut closed, mut piece) = (File::open(closed)?, vec![0; PIECE_BYTES]);
    loop {
        let length = closed.read(&mut piece)?;
        if length == 0 {
            return encoder.finish()?.flush();
        }
        encoder.write_all(&piece[..length])?;
        std::thread::yield_now();
    }
}

/// Makes renames durable.
fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(test)]
#[path = "keeper_tests.rs"]
mod tests;
