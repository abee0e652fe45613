//! What was acknowledged is read back, whatever becomes of the process or of its disk.
//!
//! The parent runs this very test binary again as the process that dies.

#![cfg(unix)]
#![expect(clippy::expect_used, reason = "a test may fail")]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fastgate_core::tables::SpoolSettings;
use fastgate_engine::spool::{Spool, SpoolReader, check};

const DIRECTORY: &str = "FASTGATE_TEST_SPOOL";
const FIRST: &str = "FASTGATE_TEST_FIRST";
const SETTINGS: SpoolSettings = SpoolSettings {
    segment_size_bytes: 3 << 20,
    segment_age_ms: 3_600_000,
    compress: true,
    free_space_floor_bytes: 0,
    total_size_bytes: u64::MAX,
};

/// Every fiftieth record is large, so that the end often comes in the middle of its write.
fn payload(id: u64) -> Vec<u8> {
    let length = if id.is_multiple_of(50) { 2 << 20 } else { 500 };
    format!("{{\"id\":\"{id}\",\"text\":\"{}\"}}", "x".repeat(length)).into_bytes()
}

fn ids(directory: &Path) -> Vec<u64> {
    let mut reader = SpoolReader::open(directory, None).expect("readable");
    let mut found = Vec::new();
    while let Some(batch) = reader.next_batch(1 << 20) {
        for record in batch.records() {
            let text = std::str::from_utf8(record).expect("text");
            let id = text.strip_prefix("{\"id\":\"").and_then(|rest| rest.split_once('"')).expect("an id").0;
            let id = id.parse().expect("a number");
            assert!(record == payload(id), "record {id} is what was appended");
            found.push(id);
        }
    }
    found
}

fn acknowledged(child: &mut Child, mut stop: impl FnMut(u64, &mut Child)) -> BTreeSet<u64> {
    let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut seen = BTreeSet::new();
    let mut line = String::new();
    while output.read_line(&mut line).expect("read") > 0 {
        // A line without its end was cut by the death of the child.
        if let Some(id) = line.strip_prefix("ack ").and_then(|rest| rest.strip_suffix('\n')) {
            let id = id.parse().expect("a number");
            seen.insert(id);
            stop(id, child);
        }
        line.clear();
    }
    seen
}

fn child(test: &str, directory: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this binary"));
    command.args(["--ignored", "--exact", test, "--nocapture"]).env(DIRECTORY, directory);
    command.stdout(Stdio::piped());
    command
}

#[test]
#[ignore = "the process that `records_survive_kill_9` kills"]
fn appends_until_killed() {
    let directory = std::env::var(DIRECTORY).expect("a directory");
    let first: u64 = std::env::var(FIRST).expect("a number").parse().expect("a number");
    let spool = Spool::open(Path::new(&directory), SETTINGS).expect("a spool");
    let mut writer = spool.writer().expect("open");
    for id in first.. {
        writer.append(&payload(id)).expect("written");
        println!("ack {id}");
    }
}

#[test]
fn records_survive_kill_9() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut acked = BTreeSet::new();
    for round in 0..6_u64 {
        let first = round * 1_000_000;
        let killed_after = first + 7 + round * 61;
        let mut running =
            child("appends_until_killed", directory.path()).env(FIRST, first.to_string()).spawn().expect("started");
        acked.append(&mut acknowledged(&mut running, |id, child| {
            if id == killed_after {
                child.kill().expect("killed");
            }
        }));
        running.wait().expect("ended");
        let found = ids(directory.path());
        let unique: BTreeSet<u64> = found.iter().copied().collect();
        assert_eq!(unique.len(), found.len(), "no record twice");
        assert!(unique.is_superset(&acked), "what was acknowledged is there");
        // One record per process may have been written whole and its acknowledgement lost.
        assert!(unique.len() <= acked.len() + usize::try_from(round).expect("small") + 1);
        assert!(check(directory.path()).expect("read").problems.iter().all(|problem| problem.is_torn));
    }
    // The next start takes over what they left.
    let spool = Spool::open(directory.path(), SETTINGS).expect("a spool");
    let deadline = Instant::now() + Duration::from_secs(60);
    let is_compressed = || {
        let mut names =
            std::fs::read_dir(directory.path()).expect("listed").map(|entry| entry.expect("one").file_name());
        names.all(|name| name.to_string_lossy().ends_with(".spool.zst"))
    };
    while !is_compressed() {
        assert!(Instant::now() < deadline, "segments left behind are adopted");
        std::thread::yield_now();
    }
    spool.close();
    let report = check(directory.path()).expect("read");
    assert!(report.problems.is_empty() && report.duplicates == 0, "{report:?}");
    assert!(ids(directory.path()).into_iter().collect::<BTreeSet<_>>().is_superset(&acked));
}

#[test]
#[ignore = "the process that `a_full_disk_costs_no_other_record` limits"]
fn appends_to_a_full_disk() {
    let directory = std::env::var(DIRECTORY).expect("a directory");
    let spool = Spool::open(Path::new(&directory), SETTINGS).expect("a spool");
    let mut writer = spool.writer().expect("open");
    let written = (1..1_000).take_while(|id| writer.append(&payload(*id)).is_ok()).inspect(|id| println!("ack {id}"));
    assert!(written.count() < 999, "the disk is full at some point");
    let status = spool.status();
    assert_eq!((status.write_failures, status.is_alarmed), (1, true));
    assert!(writer.append_many([payload(1_001).as_slice(), &payload(1_002)]).is_err());
    writer.append(b"{}").expect("what is small still fits");
    let status = spool.status();
    assert_eq!((status.write_failures, status.is_alarmed), (3, false));
}

/// A limit on file sizes fails like a full disk does: the first part of a record is written, the rest refused.
#[test]
fn a_full_disk_costs_no_other_record() {
    let directory = tempfile::tempdir().expect("a directory");
    let inner = child("appends_to_a_full_disk", directory.path());
    let mut limited = Command::new("sh");
    // Ignored, the signal leaves a plain error, as on a full disk.
    limited.args(["-c", "trap '' XFSZ; ulimit -f 44; exec \"$0\" \"$@\""]);
    limited.arg(inner.get_program()).args(inner.get_args()).env(DIRECTORY, directory.path()).stdout(Stdio::piped());
    let mut running = limited.spawn().expect("started");
    let acked = acknowledged(&mut running, |_, _| {});
    assert!(running.wait().expect("ended").success());
    let mut reader = SpoolReader::open(directory.path(), None).expect("readable");
    let mut found = Vec::new();
    while let Some(batch) = reader.next_batch(1 << 20) {
        assert_eq!(batch.problems, []);
        found.extend(batch.records().map(<[u8]>::to_vec));
    }
    assert!(acked.len() > 10);
    assert_eq!(found.pop().as_deref(), Some(b"{}".as_slice()));
    assert!(found == acked.into_iter().map(payload).collect::<Vec<_>>());
}
