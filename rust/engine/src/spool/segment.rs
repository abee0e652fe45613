//! Segments: their names, and who may touch them.
//!
//! A segment goes `NAME.open` → `NAME.spool` → `NAME.spool.zst`, each step an atomic rename, so a name stands for one
//! whole file at any time. Whoever works on a segment holds its `flock`: the writer while it is open, whoever finishes
//! it afterwards. A lock that can be had means that its process is gone, also where process ids are reused.

use std::fs::{File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How far a segment has come.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Stage {
    Open,
    Closed,
    Compressed,
}

impl Stage {
    pub(super) const ALL: [Self; 3] = [Self::Open, Self::Closed, Self::Compressed];

    fn extension(self) -> &'static str {
        match self {
            Self::Open => ".open",
            Self::Closed => ".spool",
            Self::Compressed => ".spool.zst",
        }
    }
}

/// One file of a spool.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Segment {
    /// `<start, Unix ms>-<process id>-<writer>-<sequence>`: sorts by start, one writer's in their order.
    pub(super) name: String,
    pub(super) stage: Stage,
}

impl Segment {
    fn parse(file_name: &str) -> Option<Self> {
        let (stage, name) = Stage::ALL
            .into_iter()
            .find_map(|stage| file_name.strip_suffix(stage.extension()).map(|name| (stage, name)))?;
        let is_own = name.split('-').count() == 4 && name.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit());
        is_own.then(|| Self { name: name.to_owned(), stage })
    }

    pub(super) fn path(&self, directory: &Path) -> PathBuf {
        path(directory, &self.name, self.stage)
    }
}

pub(super) fn path(directory: &Path, name: &str, stage: Stage) -> PathBuf {
    directory.join(format!("{name}{}", stage.extension()))
}

/// Every segment once, the oldest first. Of one that stands there twice (its finisher died between two steps) the
/// later stage counts: it is whole.
pub(super) fn list(directory: &Path) -> io::Result<Vec<Segment>> {
    let mut found = files(directory)?;
    found.dedup_by(|one, other| one.name == other.name);
    Ok(found)
}

/// Every file of a segment, the oldest segment and of it the latest stage first.
pub(super) fn files(directory: &Path) -> io::Result<Vec<Segment>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        found.extend(entry?.file_name().to_str().and_then(Segment::parse));
    }
    found.sort_unstable_by(|one, other| one.name.cmp(&other.name).then(other.stage.cmp(&one.stage)));
    Ok(found)
}

/// Bytes of everything in the directory.
pub(super) fn total_bytes(directory: &Path) -> io::Result<u64> {
    let mut total = 0;
    for entry in std::fs::read_dir(directory)? {
        match entry?.metadata() {
            Ok(metadata) => total += metadata.len(),
            // Renamed or removed since it was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(total)
}

/// Opens a segment that nobody works on, and locks it; `None` if somebody does, or did a moment ago.
pub(super) fn adopt(path: &Path) -> io::Result<Option<File>> {
    let file = match File::options().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    match file.try_lock() {
        Ok(()) => Ok(stands_at(&file, path)?.then_some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether the name still leads to this file: between opening and locking somebody may have renamed or removed it.
pub(super) fn stands_at(file: &File, path: &Path) -> io::Result<bool> {
    match std::fs::metadata(path) {
        Ok(named) => {
            let own = file.metadata()?;
            Ok(named.ino() == own.ino() && named.dev() == own.dev())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_segment_is_listed_once_in_its_latest_stage_and_foreign_files_are_left_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        for name in [
            "2-7-0-1.open",
            "1-7-0-0.spool",
            "1-7-0-0.spool.zst",
            "1-7-0-0.spool.zst.tmp",
            "notes.open",
            "x-1-2-3.open",
        ] {
            std::fs::write(directory.path().join(name), "x").expect("written");
        }
        let found = list(directory.path()).expect("listed");
        let names: Vec<_> = found.iter().map(|segment| (segment.name.as_str(), segment.stage)).collect();
        assert_eq!(names, [("1-7-0-0", Stage::Compressed), ("2-7-0-1", Stage::Open)]);
        assert_eq!(total_bytes(directory.path()).expect("summed"), 6);
    }

    #[test]
    fn what_somebody_works_on_is_not_adopted() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("1-7-0-0.open");
        let writer = File::create(&path).expect("created");
        writer.lock().expect("locked");
        assert!(adopt(&path).expect("looked at").is_none());
        drop(writer);
        let adopted = adopt(&path).expect("looked at").expect("free");
        std::fs::rename(&path, directory.path().join("elsewhere")).expect("renamed");
        assert!(!stands_at(&adopted, &path).expect("looked at"));
    }
}
