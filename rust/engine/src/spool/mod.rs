//! The spool: what must not be lost, in files that outlive the process.
//!
//! Every core appends to a segment of its own (`writer`), a thread beside them makes closed ones durable and small and
//! watches the disk (`keeper`), and anybody may read them at any time (`reader`). Nothing here deletes a record.

mod appender;
mod check;
mod keeper;
mod reader;
mod segment;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use fastgate_core::tables::SpoolSettings;
use parking_lot::Mutex;

pub use check::{Report, check};
pub use reader::{Batch, Problem, SpoolReader};
pub use writer::SpoolWriter;

use keeper::{Keeper, Task};

/// The spool of one process. Dropping it waits until closed segments are on the disk.
#[derive(Debug)]
pub struct Spool {
    files: Arc<Files>,
    keeper: Mutex<Option<(std::sync::mpsc::Sender<Task>, JoinHandle<()>)>>,
}

/// What writers and the keeper share.
#[derive(Debug)]
pub(crate) struct Files {
    directory: PathBuf,
    settings: ArcSwap<SpoolSettings>,
    /// Writers made so far: their numbers are part of their segments' names.
    writers: AtomicU32,
    counts: Mutex<Vec<Arc<WriterCounts>>>,
    disk: Disk,
    is_closing: AtomicBool,
    notices: Mutex<Vec<Notice>>,
}

/// What one writer did. Its own core writes; readers add up.
#[derive(Debug, Default)]
pub(crate) struct WriterCounts {
    records: AtomicU64,
    failures: AtomicU64,
    is_failing: AtomicBool,
}

/// What the keeper saw when it last looked.
#[derive(Debug, Default)]
struct Disk {
    free_bytes: AtomicU64,
    spool_bytes: AtomicU64,
    is_low: AtomicBool,
    is_large: AtomicBool,
    damaged: AtomicU64,
}

/// Something an operator should read, for the control plane to log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Notice {
    /// It wants action; else it is for information.
    pub is_warning: bool,
    /// One line.
    pub text: String,
}

/// Notices kept until someone takes them; more are dropped.
const NOTICES_MAX: usize = 100;

/// The state of a spool, for gauges.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Status {
    /// Records appended by this process.
    pub records: u64,
    /// Appends refused because writing failed.
    pub write_failures: u64,
    /// Bytes of all segments in the directory, a few seconds old.
    pub spool_bytes: u64,
    /// Bytes the file system still has for this process, a few seconds old.
    pub free_bytes: u64,
    /// Damaged places found in segments that other processes left behind.
    pub damaged: u64,
    /// Free space is below the floor, the spool above its size, or the last append of a core failed.
    pub is_alarmed: bool,
}

impl Spool {
    /// Makes the directory if it is missing, starts the keeper, which adopts what dead processes left.
    ///
    /// # Errors
    /// The directory can't be made or looked at; a thread can't be started.
    pub fn open(directory: &Path, settings: SpoolSettings) -> io::Result<Arc<Self>> {
        std::fs::create_dir_all(directory)?;
        let files = Arc::new(Files::new(directory, settings));
        files.look_at_disk()?;
        let (tasks, received) = std::sync::mpsc::channel();
        let keeper = Keeper::new(Arc::clone(&files), received);
        let thread = std::thread::Builder::new().name("fastgate-spool".into()).spawn(move || keeper.run())?;
        Ok(Arc::new(Self { files, keeper: Mutex::new(Some((tasks, thread))) }))
    }

    /// A writer for one core; `None` once the spool is closing.
    pub fn writer(&self) -> Option<SpoolWriter> {
        let tasks = self.keeper.lock().as_ref().map(|(tasks, _)| tasks.clone())?;
        Some(SpoolWriter::new(Arc::clone(&self.files), tasks))
    }

    /// Puts other settings in force; writers and keeper follow within seconds.
    pub fn set_settings(&self, settings: SpoolSettings) {
        self.files.settings.store(Arc::new(settings));
    }

    /// The state now.
    pub fn status(&self) -> Status {
        self.files.status()
    }

    /// What there is to log since the last call.
    pub fn take_notices(&self) -> Vec<Notice> {
        std::mem::take(&mut *self.files.notices.lock())
    }

    /// Waits until every closed segment is durable; writers that still live keep theirs open. Again is no error.
    pub fn close(&self) {
        if let Some((tasks, thread)) = self.keeper.lock().take() {
            self.files.is_closing.store(true, Ordering::Relaxed);
            // The keeper is gone only if it panicked; there is nothing left to wait for then.
            let _ = tasks.send(Task::End);
            let _ = thread.join();
        }
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.close();
    }
}

impl Files {
    fn new(directory: &Path, settings: SpoolSettings) -> Self {
        Self {
            directory: directory.to_owned(),
            settings: ArcSwap::from_pointee(settings),
            writers: AtomicU32::new(0),
            counts: Mutex::default(),
            disk: Disk::default(),
            is_closing: AtomicBool::new(false),
            notices: Mutex::default(),
        }
    }

    fn status(&self) -> Status {
        let mut status = Status {
            spool_bytes: self.disk.spool_bytes.load(Ordering::Relaxed),
            free_bytes: self.disk.free_bytes.load(Ordering::Relaxed),
            damaged: self.disk.damaged.load(Ordering::Relaxed),
            is_alarmed: self.disk.is_low.load(Ordering::Relaxed) || self.disk.is_large.load(Ordering::Relaxed),
            ..Status::default()
        };
        for counts in self.counts.lock().iter() {
            status.records += counts.records.load(Ordering::Relaxed);
            status.write_failures += counts.failures.load(Ordering::Relaxed);
            status.is_alarmed |= counts.is_failing.load(Ordering::Relaxed);
        }
        status
    }

    /// Whether the settings hold: free space and total size, with a notice when that changes.
    fn look_at_disk(&self) -> io::Result<()> {
        let settings = self.settings.load();
        let found = rustix::fs::statvfs(&self.directory)?;
        let free_bytes = found.f_bavail.saturating_mul(found.f_frsize);
        let spool_bytes = segment::total_bytes(&self.directory)?;
        let disk = &self.disk;
        disk.free_bytes.store(free_bytes, Ordering::Relaxed);
        disk.spool_bytes.store(spool_bytes, Ordering::Relaxed);
        let directory = self.directory.display();
        let is_low = free_bytes < settings.free_space_floor_bytes;
        if disk.is_low.swap(is_low, Ordering::Relaxed) != is_low {
            let floor = settings.free_space_floor_bytes;
            self.notify(is_low, if is_low {
                format!("the disk of {directory} has {free_bytes} bytes left, less than spool.free_space_floor ({floor}); make room before records can't be written")
            } else {
                format!("the disk of {directory} has {free_bytes} bytes left, enough again")
            });
        }
        let is_large = spool_bytes > settings.total_size_bytes;
        if disk.is_large.swap(is_large, Ordering::Relaxed) != is_large {
            let bound = settings.total_size_bytes;
            self.notify(is_large, if is_large {
                format!("{directory} holds {spool_bytes} bytes, more than spool.total_size ({bound}); nothing is deleted: move old segments away")
            } else {
                format!("{directory} holds {spool_bytes} bytes, within spool.total_size again")
            });
        }
        Ok(())
    }

    fn notify(&self, is_warning: bool, text: String) {
        let mut notices = self.notices.lock();
        if notices.len() < NOTICES_MAX {
            notices.push(Notice { is_warning, text });
        }
    }
}
