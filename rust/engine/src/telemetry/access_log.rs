//! The access log: lines leave a core as bytes, and a thread of its own writes them.
//!
//! A core never waits: it hands its lines over when the queue is free at this moment, else with the next one. Nobody is
//! woken per line: the writer looks every [`INTERVAL`]. Where the disk or a pipe is slower than the traffic, further
//! lines are dropped and counted. A file that was renamed away (logrotate) is opened anew, as after a reload (SIGHUP).

use std::cell::RefCell;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fastgate_core::tables;
use fastgate_core::telemetry::access_line::AccessLine;
use parking_lot::{Condvar, Mutex};

/// How often the writer looks for lines.
const INTERVAL: Duration = Duration::from_millis(100);

/// A buffer that grew beyond this under load is let go afterwards.
const KEPT_BYTES: usize = 256 * 1024;

/// The log of all cores.
#[derive(Debug, Default)]
pub(super) struct AccessLog {
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    queues: Mutex<Vec<Arc<Mutex<Vec<u8>>>>>,
    dropped: AtomicU64,
    is_over: AtomicBool,
    control: Mutex<Control>,
    /// The writer has something to do at once.
    asked: Condvar,
    /// The writer has done it.
    done: Condvar,
}

#[derive(Debug, Default)]
struct Control {
    target: Option<tables::AccessLog>,
    /// How often the target was set.
    targets_set: u64,
    has_writer: bool,
    flushes_asked: u64,
    flushes_done: u64,
}

/// Whether the log can be written there. A pipe without a reader would wait, so it is taken on trust.
pub(super) fn check(settings: &tables::AccessLog) -> Result<(), String> {
    let Some(path) = &settings.path else { return Ok(()) };
    if std::fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo()) {
        return Ok(());
    }
    open(path).map(drop).map_err(|error| format!("access_log.path: can't write {path}: {error}"))
}

fn open(path: &str) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o640).open(path)
}

impl AccessLog {
    /// Writes there from now on; opened anew even if it is the same place.
    pub(super) fn configure(&self, settings: Option<&tables::AccessLog>) {
        let mut control = self.state.control.lock();
        control.target = settings.cloned();
        control.targets_set += 1;
        if settings.is_some() && !control.has_writer {
            let state = Arc::clone(&self.state);
            let writer = std::thread::Builder::new().name("fastgate-log".into()).spawn(move || write(&state));
            // Without a thread the queues fill up, and what is dropped is counted.
            control.has_writer = writer.is_ok();
        }
        self.state.asked.notify_all();
    }

    /// A new core's queue.
    pub(super) fn add_core(&self) -> LineQueue {
        let queue = Arc::new(Mutex::new(Vec::new()));
        self.state.queues.lock().push(Arc::clone(&queue));
        LineQueue { state: Arc::clone(&self.state), pending: RefCell::default(), queue }
    }

    /// Lines that were not written.
    pub(super) fn dropped(&self) -> u64 {
        self.state.dropped.load(Ordering::Relaxed)
    }

    /// Waits until what was handed over is written, at the longest for `limit`.
    pub(super) fn flush(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        let mut control = self.state.control.lock();
        if !control.has_writer {
            return;
        }
        control.flushes_asked += 1;
        let wanted = control.flushes_asked;
        self.state.asked.notify_all();
        self.state.done.wait_while_until(&mut control, |control| control.flushes_done < wanted, deadline);
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.state.is_over.store(true, Ordering::Relaxed);
        self.state.asked.notify_all();
    }
}

/// One core's way to the writer.
#[derive(Debug)]
pub(super) struct LineQueue {
    state: Arc<State>,
    /// Lines that could not be handed over without waiting.
    pending: RefCell<Vec<u8>>,
    queue: Arc<Mutex<Vec<u8>>>,
}

impl LineQueue {
    /// Logs a line, unless `limit_bytes` are waiting to be written already. Never waits.
    pub(super) fn push(&self, line: &AccessLine<'_>, limit_bytes: usize) {
        let pending = &mut *self.pending.borrow_mut();
        let start = pending.len();
        line.write(pending);
        let handed_over = self.queue.try_lock();
        let waiting_bytes = handed_over.as_ref().map_or(0, |queue| queue.len());
        if waiting_bytes + pending.len() > limit_bytes {
            pending.truncate(start);
            self.state.dropped.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(mut queue) = handed_over {
            queue.append(pending);
        }
    }

    /// Hands over what is pending, if that is possible now.
    pub(super) fn hand_over(&self) {
        if let Some(mut queue) = self.queue.try_lock() {
            queue.append(&mut self.pending.borrow_mut());
        }
    }
}

impl Drop for LineQueue {
    fn drop(&mut self) {
        self.queue.lock().append(self.pending.get_mut());
    }
}

/// The writer's thread.
fn write(state: &State) {
    let mut output = Output::Nowhere;
    let mut targets_seen = 0;
    let mut lines = Vec::new();
    loop {
        let (flushes_asked, target) = wait(state, targets_seen);
        if let Some((target, targets_set)) = target {
            output = Output::open(target);
            targets_seen = targets_set;
        }
        let queues = state.queues.lock().clone();
        for queue in queues {
            std::mem::swap(&mut *queue.lock(), &mut lines);
            if !lines.is_empty() && output.write(&lines).is_err() {
                let lost = memchr::memchr_iter(b'\n', &lines).count();
                state.dropped.fetch_add(lost as u64, Ordering::Relaxed);
            }
            lines.clear();
            lines.shrink_to(KEPT_BYTES);
        }
        state.control.lock().flushes_done = flushes_asked;
        state.done.notify_all();
        if state.is_over.load(Ordering::Relaxed) {
            return;
        }
    }
}

/// The target, and how often it has been set.
type NewTarget = (Option<tables::AccessLog>, u64);

/// Waits for the next look. Returns the flushes asked for by then, and the target if it was set since.
fn wait(state: &State, targets_seen: u64) -> (u64, Option<NewTarget>) {
    let mut control = state.control.lock();
    let is_asked =
        |control: &Control| control.flushes_asked > control.flushes_done || control.targets_set > targets_seen;
    if !is_asked(&control) && !state.is_over.load(Ordering::Relaxed) {
        if control.target.is_some() {
            state.asked.wait_for(&mut control, INTERVAL);
        } else {
            state.asked.wait(&mut control);
        }
    }
    let target = (control.targets_set > targets_seen).then(|| (control.target.clone(), control.targets_set));
    (control.flushes_asked, target)
}

enum Output {
    Nowhere,
    Standard,
    File { path: String, file: Option<File> },
}

impl Output {
    fn open(target: Option<tables::AccessLog>) -> Self {
        match target.map(|settings| settings.path) {
            None => Self::Nowhere,
            Some(None) => Self::Standard,
            Some(Some(path)) => Self::File { file: open(&path).ok(), path },
        }
    }

    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        match self {
            Self::Nowhere => Ok(()),
            Self::Standard => {
                let mut output = io::stdout().lock();
                output.write_all(lines)?;
                output.flush()
            }
            Self::File { path, file } => {
                if file.as_ref().is_none_or(|file| !is_still_at(file, Path::new(path))) {
                    *file = Some(open(path)?);
                }
                file.as_mut().map_or(Ok(()), |file| file.write_all(lines))
            }
        }
    }
}

/// Whether the path still leads to this file.
fn is_still_at(file: &File, path: &Path) -> bool {
    let id = |found: Metadata| (found.dev(), found.ino());
    file.metadata().map(id).ok() == std::fs::metadata(path).map(id).ok()
}
