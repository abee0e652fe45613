//! A spool from the first record to the compressed segment, with the keeper run by hand.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;
use std::sync::mpsc::{Sender, channel};

use fastgate_core::spool::frame;
use fastgate_core::tables::SpoolSettings;
use proptest::prelude::*;
use tempfile::TempDir;

use super::super::{SpoolReader, SpoolWriter, check};
use super::*;

const SETTINGS: SpoolSettings = SpoolSettings {
    segment_size_bytes: 1 << 20,
    segment_age_ms: 3_600_000,
    compress: true,
    free_space_floor_bytes: 0,
    total_size_bytes: u64::MAX,
};

/// A spool whose keeper works only when told to.
struct Bench {
    directory: TempDir,
    files: Arc<Files>,
    tasks: Sender<Task>,
    keeper: Keeper,
}

impl Bench {
    fn new(settings: SpoolSettings) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let files = Arc::new(Files::new(directory.path(), settings));
        let (tasks, received) = channel();
        let keeper = Keeper::new(Arc::clone(&files), received);
        Self { directory, files, tasks, keeper }
    }

    fn writer(&self) -> SpoolWriter {
        SpoolWriter::new(Arc::clone(&self.files), self.tasks.clone())
    }

    fn finish_all(&self) {
        while let Ok(Task::Finish(segment)) = self.keeper.tasks.try_recv() {
            self.keeper.finish_written(segment);
        }
    }

    fn records(&self) -> Vec<Vec<u8>> {
        records(self.directory.path(), 100)
    }

    /// How many files there are of each kind.
    fn kinds(&self) -> BTreeSet<(String, usize)> {
        let mut kinds = std::collections::BTreeMap::new();
        for entry in std::fs::read_dir(self.directory.path()).expect("listed") {
            let name = entry.expect("an entry").file_name().into_string().expect("text");
            *kinds.entry(name.split_once('.').expect("an extension").1.to_owned()).or_default() += 1;
        }
        kinds.into_iter().collect()
    }

    fn only_file(&self) -> PathBuf {
        let [only] = segment::list(self.directory.path()).expect("listed").try_into().expect("one segment");
        only.path(self.directory.path())
    }

    fn warnings(&self) -> usize {
        std::mem::take(&mut *self.files.notices.lock()).iter().filter(|notice| notice.is_warning).count()
    }
}

fn records(directory: &Path, batch_bytes: usize) -> Vec<Vec<u8>> {
    let mut reader = SpoolReader::open(directory, None).expect("readable");
    let mut found = Vec::new();
    while let Some(batch) = reader.next_batch(batch_bytes) {
        found.extend(batch.records().map(<[u8]>::to_vec));
    }
    found
}

fn kinds<const N: usize>(expected: [(&str, usize); N]) -> BTreeSet<(String, usize)> {
    expected.into_iter().map(|(kind, count)| (kind.to_owned(), count)).collect()
}

#[test]
fn a_record_can_be_read_while_its_segment_is_open_and_after_every_step() {
    let bench = Bench::new(SETTINGS);
    let mut writer = bench.writer();
    assert_eq!(bench.kinds(), kinds([]), "a core without records leaves no files");
    writer.append(b"one").expect("written");
    writer.append_many([b"two".as_slice(), b"three"]).expect("written");
    let expected = [b"one".to_vec(), b"two".to_vec(), b"three".to_vec()];
    assert_eq!((bench.records(), bench.kinds()), (expected.to_vec(), kinds([("open", 1)])));
    let written = std::fs::metadata(bench.only_file()).and_then(|file| file.modified()).expect("a time");
    drop(writer);
    bench.finish_all();
    assert_eq!((bench.records(), bench.kinds()), (expected.to_vec(), kinds([("spool.zst", 1)])));
    let kept = std::fs::metadata(bench.only_file()).and_then(|file| file.modified()).expect("a time");
    assert!(kept >= written, "--since must not leave a record out");
    assert_eq!(bench.files.status().records, 3);
    assert_eq!(bench.warnings(), 0);
}

#[test]
fn a_segment_is_closed_when_it_is_large_or_old() {
    let bench = Bench::new(SpoolSettings { segment_size_bytes: 60, compress: false, ..SETTINGS });
    let mut writer = bench.writer();
    for _ in 0..5 {
        writer.append(&[b'x'; 20]).expect("written");
    }
    bench.finish_all();
    assert_eq!(bench.kinds(), kinds([("open", 1), ("spool", 2)]), "two records of 36 bytes exceed 60");
    writer.rotate_if_due();
    assert!(bench.keeper.tasks.try_recv().is_err(), "neither large nor old");
    bench.files.settings.store(Arc::new(SpoolSettings { segment_age_ms: 0, compress: true, ..SETTINGS }));
    writer.rotate_if_due();
    bench.finish_all();
    assert_eq!(bench.kinds(), kinds([("spool", 2), ("spool.zst", 1)]));
    bench.keeper.adopt_all();
    assert_eq!(bench.kinds(), kinds([("spool.zst", 3)]), "what was closed before compression was on");
    assert_eq!(bench.records().len(), 5);
}

#[test]
fn what_a_dead_process_left_is_adopted_and_what_a_living_one_writes_is_not() {
    let bench = Bench::new(SETTINGS);
    let mut writer = bench.writer();
    writer.append(b"of the living").expect("written");
    let mut left = Vec::new();
    frame(b"of the dead", &mut left).expect("text");
    let whole = left.len();
    frame(b"never acknowledged", &mut left).expect("text");
    std::fs::write(bench.directory.path().join("1-1-0-0.open"), &left[..whole + 20]).expect("written");
    std::fs::write(bench.directory.path().join("2-1-0-1.open"), &left[..5]).expect("written");
    std::fs::write(bench.directory.path().join("3-1-0-2.open"), b"").expect("written");
    let expected = [b"of the dead".to_vec(), b"of the living".to_vec()];
    assert_eq!(bench.records(), expected);
    assert_eq!(check(bench.directory.path()).expect("read").problems.len(), 2, "the torn tails");
    bench.keeper.adopt_all();
    assert_eq!(bench.kinds(), kinds([("open", 1), ("spool.zst", 1)]));
    assert_eq!(bench.records(), expected);
    assert_eq!(check(bench.directory.path()).expect("read").problems, []);
    writer.append(b"still writing").expect("written");
    assert_eq!(bench.records().len(), 3);
}

#[test]
fn a_step_that_was_cut_short_is_taken_again() {
    let bench = Bench::new(SETTINGS);
    let mut bytes = Vec::new();
    frame(b"only once", &mut bytes).expect("text");
    std::fs::write(bench.directory.path().join("1-1-0-0.spool"), &bytes).expect("written");
    std::fs::write(bench.directory.path().join("1-1-0-0.spool.zst.part"), b"half of it").expect("written");
    std::fs::write(bench.directory.path().join("1-1-0-0.spool.zst"), zstd::encode_all(&*bytes, 1).expect("packed"))
        .expect("written");
    assert_eq!(bench.records(), [b"only once"]);
    bench.keeper.adopt_all();
    assert_eq!((bench.records(), bench.kinds()), (vec![b"only once".to_vec()], kinds([("spool.zst", 1)])));
}

#[test]
fn damage_in_what_is_adopted_stays_and_is_told() {
    let bench = Bench::new(SETTINGS);
    let mut bytes = Vec::new();
    for payload in [b"first", b"other", b"third"] {
        frame(payload, &mut bytes).expect("text");
    }
    bytes[40] ^= 1;
    std::fs::write(bench.directory.path().join("1-1-0-0.open"), &bytes).expect("written");
    bench.keeper.adopt_all();
    assert_eq!(bench.records(), [b"first", b"third"]);
    let problems = check(bench.directory.path()).expect("read").problems;
    assert_eq!(problems.len(), 1);
    assert_eq!((problems[0].offset, problems[0].length, problems[0].is_torn), (21, 21, false));
    assert_eq!((bench.files.status().damaged, bench.warnings()), (1, 1));
}

#[test]
fn a_record_that_was_not_copied_whole_is_torn_and_room_for_more_is_nothing() {
    let mut whole = Vec::new();
    fastgate_core::spool::frame(b"{\"id\":\"1\"}", &mut whole).expect("framed");
    let mut unfinished = whole.clone();
    unfinished[..4].fill(0);
    let half = unfinished[..20].to_vec();
    let room = vec![0; 5_000];
    for (tail, torn) in [(vec![], 0), (unfinished.clone(), 1), (half, 1)] {
        let bench = Bench::new(SETTINGS);
        let path = bench.directory.path().join("1-1-0-0.open");
        std::fs::write(&path, [whole.as_slice(), &tail, &room].concat()).expect("written");
        let report = check(bench.directory.path()).expect("read");
        assert_eq!((report.records, report.problems.len()), (1, torn));
        assert!(report.problems.iter().all(|problem| problem.is_torn && problem.offset == whole.len() as u64));
        bench.keeper.adopt_all();
        assert_eq!((bench.kinds(), bench.warnings()), (kinds([("spool.zst", 1)]), 0));
        assert_eq!(check(bench.directory.path()).expect("read").problems, [], "what was no record is cut off");
        assert_eq!(bench.records(), [b"{\"id\":\"1\"}"]);
    }
    // With a record behind it, or in a segment that was closed, the same is damage.
    for (name, bytes) in [
        ("1-1-0-0.open", [whole.as_slice(), &unfinished, &whole].concat()),
        ("1-1-0-0.spool", [whole.as_slice(), &unfinished].concat()),
    ] {
        let bench = Bench::new(SETTINGS);
        std::fs::write(bench.directory.path().join(name), bytes).expect("written");
        let report = check(bench.directory.path()).expect("read");
        assert!(report.problems.len() == 1 && !report.problems[0].is_torn);
    }
}

#[test]
fn a_compressed_segment_that_is_damaged_is_told_and_hides_no_other() {
    let bench = Bench::new(SpoolSettings { segment_size_bytes: 1, ..SETTINGS });
    let mut writer = bench.writer();
    for payload in [b"first", b"other", b"third"] {
        writer.append(payload).expect("written");
    }
    drop(writer);
    bench.finish_all();
    let path = segment::list(bench.directory.path()).expect("listed")[1].path(bench.directory.path());
    let mut bytes = std::fs::read(&path).expect("read");
    bytes[0] ^= 1;
    std::fs::write(&path, &bytes).expect("written");
    assert_eq!(bench.records(), [b"first", b"third"]);
    let report = check(bench.directory.path()).expect("read");
    assert_eq!((report.records, report.segments, report.problems.len()), (2, 3, 1));
    assert!(!report.problems[0].is_torn);
}

#[test]
fn a_compressed_segment_that_ends_too_soon_gives_what_is_before_its_end() {
    let bench = Bench::new(SETTINGS);
    let mut writer = bench.writer();
    let random = std::hash::RandomState::new();
    let payloads: Vec<Vec<u8>> =
        (0..20_000).map(|at| format!("{:x}", std::hash::BuildHasher::hash_one(&random, at)).into_bytes()).collect();
    writer.append_many(payloads.iter().map(Vec::as_slice)).expect("written");
    drop(writer);
    bench.finish_all();
    let path = bench.only_file();
    let bytes = std::fs::read(&path).expect("read");
    std::fs::write(&path, &bytes[..bytes.len() - 40]).expect("written");
    let left = bench.records();
    assert!(left.len() > 10_000 && left == payloads[..left.len()], "{} records", left.len());
    let problems = check(bench.directory.path()).expect("read").problems;
    assert_eq!((problems.len(), problems[0].is_torn), (1, false));
}

#[test]
fn the_check_counts_what_is_there_twice() {
    let bench = Bench::new(SETTINGS);
    let (mut one, mut other) = (bench.writer(), bench.writer());
    for id in ["a", "b", "a"] {
        one.append(format!("{{\"id\":\"{id}\"}}").as_bytes()).expect("written");
    }
    other.append(br#"{"id":"b","again":true}"#).expect("written");
    other.append(br#"{"name":"without"}"#).expect("written");
    let report = check(bench.directory.path()).expect("read");
    assert_eq!((report.records, report.duplicates, report.without_id, report.segments), (5, 2, 1, 2));
    assert_eq!(report.duplicate_ids.into_iter().collect::<BTreeSet<_>>(), ["a".to_owned(), "b".to_owned()].into());
}

#[test]
fn what_was_reserved_for_an_exchange_is_no_duplicate_of_it() {
    let bench = Bench::new(SETTINGS);
    let mut writer = bench.writer();
    let (reservation, exchange) = (br#"{"type":"reservation","id":"a"}"#, br#"{"id":"a"}"#);
    for record in [&reservation[..], exchange] {
        writer.append(record).expect("written");
    }
    assert_eq!(check(bench.directory.path()).expect("read").duplicates, 0);
    for record in [&reservation[..], exchange, br#"{"type":"correction","id":"a"}"#] {
        writer.append(record).expect("written");
    }
    let report = check(bench.directory.path()).expect("read");
    assert_eq!((report.records, report.duplicates, report.without_id), (5, 2, 0));
}

#[test]
fn an_append_that_fails_is_an_error_and_an_alarm_until_one_succeeds() {
    let bench = Bench::new(SETTINGS);
    let mut writer = bench.writer();
    std::fs::remove_dir_all(bench.directory.path()).expect("removed");
    assert!(writer.append(b"lost").is_err());
    assert!(writer.append(b"lost").is_err());
    assert_eq!(writer.append(b"\xff").expect_err("no text").kind(), io::ErrorKind::InvalidInput);
    let status = bench.files.status();
    assert_eq!((status.records, status.write_failures, status.is_alarmed), (0, 3, true));
    assert_eq!(bench.warnings(), 1, "once, not for every record");
    std::fs::create_dir(bench.directory.path()).expect("made");
    writer.append(b"kept").expect("written");
    assert!(!bench.files.status().is_alarmed);
    assert_eq!(bench.records(), [b"kept"]);
}

#[test]
fn little_room_and_a_large_spool_are_alarms_as_long_as_they_last() {
    let bench = Bench::new(SETTINGS);
    bench.writer().append(b"a record").expect("written");
    for settings in [
        SpoolSettings { free_space_floor_bytes: u64::MAX, ..SETTINGS },
        SpoolSettings { total_size_bytes: 1, ..SETTINGS },
    ] {
        for (settings, warnings) in [(settings, 1), (settings, 0), (SETTINGS, 0)] {
            bench.files.settings.store(Arc::new(settings));
            bench.files.look_at_disk().expect("looked at");
            assert_eq!(bench.files.status().is_alarmed, settings != SETTINGS);
            assert_eq!(bench.warnings(), warnings);
        }
    }
    let status = bench.files.status();
    assert!(status.free_bytes > 0);
    assert!(status.spool_bytes >= 24);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Records, segments and batches of any size; damage anywhere in a file as it stands on the disk.
    #[test]
    fn every_record_is_read_once_and_damage_adds_none(
        lengths in proptest::collection::vec(0..2_000_usize, 1..20),
        segment_size_bytes in 1..8_000_u64,
        batch_bytes in 1..5_000_usize,
        is_finished in any::<bool>(),
        flip in any::<proptest::sample::Index>(),
    ) {
        let bench = Bench::new(SpoolSettings { segment_size_bytes, ..SETTINGS });
        let mut writer = bench.writer();
        let payloads: Vec<Vec<u8>> = lengths.iter().enumerate().map(|(at, length)| {
            format!("{{\"id\":\"{at}\",\"text\":\"{}\"}}", "☃".repeat(*length)).into_bytes()
        }).collect();
        for payload in &payloads {
            writer.append(payload).expect("written");
        }
        if is_finished {
            drop(writer);
            bench.finish_all();
        }
        prop_assert!(records(bench.directory.path(), batch_bytes) == payloads);
        prop_assert_eq!(check(bench.directory.path()).expect("read").problems, []);

        let segments = segment::list(bench.directory.path()).expect("listed");
        let path = segments[flip.index(segments.len())].path(bench.directory.path());
        let mut bytes = std::fs::read(&path).expect("read");
        let written = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let at = flip.index(written);
        bytes[at] ^= 0x10;
        let mut file = File::options().write(true).open(&path).expect("opened");
        file.write_all(&bytes).expect("written");
        let report = check(bench.directory.path()).expect("read");
        let left = records(bench.directory.path(), batch_bytes);
        prop_assert!(left.iter().all(|record| payloads.contains(record)));
        let expected = match (report.problems.is_empty(), is_finished) {
            (true, _) => left == payloads,
            (false, true) => left.len() <= payloads.len(),
            (false, false) => left.len() == payloads.len() - 1,
        };
        prop_assert!(expected, "{} of {} records left", left.len(), payloads.len());
    }
}
