//! The end of an open segment, and how bytes get there.
//!
//! On a local Linux file system the segment's next megabyte is allocated and mapped, and a record is copied into it: the
//! page cache outlives the process like a `write`, without a call to the kernel for each record. The record's first four
//! bytes are stored last, so one that was not copied whole has zeros there, like everything that was never written.
//! Elsewhere, or where no room can be allocated, a record is one `write`.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use fastgate_core::spool::MAGIC;

#[cfg(target_os = "linux")]
use self::window::Window;

/// The file of an open segment.
#[derive(Debug)]
pub(super) struct Appender {
    file: File,
    /// Bytes of whole records.
    length: u64,
    #[cfg(target_os = "linux")]
    window: Option<Window>,
    /// The file may have zeros behind the records.
    is_padded: bool,
    may_map: bool,
}

impl Appender {
    pub(super) fn new(file: File) -> Self {
        #[cfg(target_os = "linux")]
        let may_map = window::is_safe_on(&file);
        #[cfg(not(target_os = "linux"))]
        let may_map = false;
        Self {
            file,
            length: 0,
            #[cfg(target_os = "linux")]
            window: None,
            is_padded: false,
            may_map,
        }
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Appends whole records.
    ///
    /// # Errors
    /// Writing failed; nothing of it stays in the file, unless that can't be cut off either.
    pub(super) fn append(&mut self, records: &[u8]) -> Result<(), AppendError> {
        #[cfg(target_os = "linux")]
        if self.may_map {
            if self.map(records).is_ok() {
                return Ok(());
            }
            // No room, most likely: the write says so, or finds the little that is left.
            (self.window, self.may_map) = (None, false);
        }
        self.write(records)
    }

    /// The file and the bytes of whole records, for who finishes the segment.
    pub(super) fn into_parts(self) -> (File, u64) {
        (self.file, self.length)
    }

    #[cfg(target_os = "linux")]
    fn map(&mut self, records: &[u8]) -> io::Result<()> {
        let is_room = self.window.as_ref().is_some_and(|window| window.has_room(self.length, records.len()));
        if !is_room {
            self.window = None;
            self.is_padded = true;
            self.window = Some(Window::open(&self.file, self.length, records.len())?);
        }
        if let Some(window) = &mut self.window {
            window.put(&self.file, self.length, records);
            self.length += records.len() as u64;
        }
        Ok(())
    }

    fn write(&mut self, records: &[u8]) -> Result<(), AppendError> {
        let unpadded = if self.is_padded { self.file.set_len(self.length) } else { Ok(()) };
        match unpadded.and_then(|()| self.file.write_all_at(records, self.length)) {
            Ok(()) => {
                self.is_padded = false;
                self.length += records.len() as u64;
                Ok(())
            }
            Err(error) => {
                let is_clean = self.file.set_len(self.length).is_ok();
                self.is_padded &= !is_clean;
                Err(AppendError { error, is_clean })
            }
        }
    }
}

/// Records could not be appended.
#[derive(Debug)]
pub(super) struct AppendError {
    pub(super) error: io::Error,
    /// Nothing of them is left in the file.
    pub(super) is_clean: bool,
}

#[cfg(target_os = "linux")]
mod window {
    use std::sync::atomic::{Ordering, compiler_fence};

    use memmap2::{Advice, MmapMut, MmapOptions};
    use rustix::fs::{FallocateFlags, fallocate, fstatfs};

    use super::{File, FileExt, MAGIC, io};

    /// Mapped at once.
    const WINDOW_BYTES: u64 = 1 << 20;
    /// Made present at once: two calls instead of a fault for each page.
    const STEP_BYTES: usize = 64 << 10;
    static ZEROS: [u8; STEP_BYTES] = [0; STEP_BYTES];
    /// No architecture that Linux runs servers on has larger pages.
    const PAGE_BYTES: u64 = 64 << 10;

    // From linux/magic.h. On these an allocated block can be written to whatever else happens to the disk; on a file
    // system that copies on write, a full disk would be a signal instead of an error.
    const EXT: i64 = 0xef53;
    const XFS: i64 = 0x5846_5342;
    const TMPFS: i64 = 0x0102_1994;

    pub(super) fn is_safe_on(file: &File) -> bool {
        #[expect(clippy::useless_conversion, reason = "the width differs between architectures")]
        fstatfs(file).is_ok_and(|found| matches!(i64::from(found.f_type), EXT | XFS | TMPFS))
    }

    /// A mapped part of the file.
    #[derive(Debug)]
    pub(super) struct Window {
        map: MmapMut,
        /// Where it begins in the file.
        start: u64,
        present_bytes: usize,
    }

    impl Window {
        /// Allocates and maps what comes behind `length`, at least `needed` bytes of it.
        pub(super) fn open(file: &File, length: u64, needed: usize) -> io::Result<Self> {
            let start = length / PAGE_BYTES * PAGE_BYTES;
            let end = (length + needed as u64).max(start + WINDOW_BYTES);
            fallocate(file, FallocateFlags::empty(), start, end - start)?;
            let map_bytes = usize::try_from(end - start).map_err(io::Error::other)?;
            // SAFETY: the segment's lock keeps others from writing to the file or cutting it, and its blocks are
            // allocated, so no access can fail. Who reads it meanwhile reads the file, not this memory.
            #[expect(unsafe_code, reason = "a mapping is memory that the file system shares")]
            let map = unsafe { MmapOptions::new().offset(start).len(map_bytes).map_mut(file)? };
            Ok(Self { map, start, present_bytes: 0 })
        }

        pub(super) fn has_room(&self, length: u64, needed: usize) -> bool {
            length + needed as u64 <= self.start + self.map.len() as u64
        }

        /// Copies records to where the file's records end. The caller has looked that there is room.
        pub(super) fn put(&mut self, file: &File, length: u64, records: &[u8]) {
            let at = usize::try_from(length - self.start).unwrap_or(usize::MAX);
            let end = at + records.len();
            while self.present_bytes < end {
                let step = STEP_BYTES.min(self.map.len() - self.present_bytes);
                let unwritten = at.max(self.present_bytes);
                let zeros = &ZEROS[..(self.present_bytes + step).saturating_sub(unwritten)];
                // Written, pages cost a third of what they do where the fault itself has to make them. Neither this nor
                // the advice, which an older kernel can't follow, is needed: pages then come one by one.
                let _ = file.write_all_at(zeros, self.start + unwritten as u64);
                let _ = self.map.advise_range(Advice::PopulateWrite, self.present_bytes, step);
                self.present_bytes += step;
            }
            let (first, rest) = records.split_at(MAGIC.len().min(records.len()));
            self.map[at + first.len()..end].copy_from_slice(rest);
            // A process that is killed has done its stores in this order.
            compiler_fence(Ordering::Release);
            self.map[at..at + first.len()].copy_from_slice(first);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    fn opened() -> Appender {
        Appender::new(tempfile::tempfile().expect("a file"))
    }

    fn finished(appender: Appender) -> Vec<u8> {
        let (file, length) = appender.into_parts();
        let mut bytes = vec![0; usize::try_from(length).expect("small")];
        file.read_exact_at(&mut bytes, 0).expect("read");
        bytes
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(32))]

        /// Of any size, mapped or written, also when the one has to give way to the other.
        #[test]
        fn what_was_appended_stands_in_the_file(
            lengths in proptest::collection::vec(1..3_000_000_usize, 1..6), mapped in 0..6_usize,
        ) {
            let mut appender = opened();
            let mut expected = Vec::new();
            for (index, length) in lengths.into_iter().enumerate() {
                appender.may_map &= index < mapped;
                let record: Vec<u8> = b"records of any length".iter().cycle().skip(index).take(length).copied().collect();
                appender.append(&record).expect("appended");
                expected.extend_from_slice(&record);
            }
            let is_equal = finished(appender) == expected;
            proptest::prop_assert!(is_equal);
        }
    }

    #[test]
    fn a_write_leaves_no_padding_behind_it() {
        let mut appender = opened();
        appender.append(b"mapped").expect("appended");
        appender.may_map = false;
        appender.append(b", written").expect("appended");
        assert_eq!(appender.file.metadata().expect("there").len(), appender.length());
        assert_eq!(finished(appender), b"mapped, written");
    }

    #[test]
    fn an_error_leaves_nothing_and_says_so() {
        let read_only = File::open(std::env::current_exe().expect("this test")).expect("opened");
        let mut appender = Appender::new(read_only);
        let failure = appender.append(b"record").expect_err("can't be written to");
        assert!(!failure.is_clean, "nor cut");
        assert_eq!(appender.length(), 0);
    }
}
