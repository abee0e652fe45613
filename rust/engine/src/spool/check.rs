//! Whether a spool is sound: what it holds, twice or damaged.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::Path;

use fastgate_core::json::Object;

use super::reader::{Problem, SpoolReader};
use super::segment;

const BATCH_BYTES: usize = 1 << 20;
const DEPTH_MAX: usize = 128;
/// Duplicate ids named in a report; all are counted.
const DUPLICATES_NAMED: usize = 20;

/// What a spool holds.
#[derive(Debug, Default)]
pub struct Report {
    /// Segments, open ones included.
    pub segments: u64,
    /// Intact records.
    pub records: u64,
    /// Bytes of their payloads.
    pub payload_bytes: u64,
    /// Records whose id an earlier one of the same type has. An exchange shares its id with what was reserved for it.
    pub duplicates: u64,
    /// Some of those ids.
    pub duplicate_ids: Vec<String>,
    /// Records that are no JSON object with a text `id`.
    pub without_id: u64,
    /// Damaged places and torn tails.
    pub problems: Vec<Problem>,
}

/// Reads the whole spool. Takes some 40 bytes of memory per record.
///
/// # Errors
/// The directory can't be read.
pub fn check(directory: &Path) -> io::Result<Report> {
    let mut report = Report { segments: segment::list(directory)?.len() as u64, ..Report::default() };
    let mut reader = SpoolReader::open(directory, None)?;
    let hashers = (RandomState::new(), RandomState::new());
    let mut seen = HashSet::new();
    while let Some(batch) = reader.next_batch(BATCH_BYTES) {
        for payload in batch.records() {
            report.records += 1;
            report.payload_bytes += payload.len() as u64;
            let object = Object::read(payload, DEPTH_MAX).ok();
            let text = |name| object.as_ref().and_then(|object| object.get(name)?.as_text());
            let Some(id) = text("id") else {
                report.without_id += 1;
                continue;
            };
            // 128 bits: a clash among 10^12 records would be a wonder.
            let of_its_type = (text("type"), &id);
            if !seen.insert((hashers.0.hash_one(&of_its_type), hashers.1.hash_one(&of_its_type))) {
                report.duplicates += 1;
                if report.duplicate_ids.len() < DUPLICATES_NAMED {
                    report.duplicate_ids.push(id);
                }
            }
        }
        report.problems.extend(batch.problems);
    }
    Ok(report)
}
