//! Whatever happens to a spool's bytes, only the records that were hit are lost, and that is said.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

/// What a reader gets out of a whole file.
#[derive(Debug, Default, PartialEq)]
struct Report {
    records: Vec<Vec<u8>>,
    damaged_bytes: usize,
    torn_bytes: usize,
    faults: Vec<Fault>,
}

fn read_all(bytes: &[u8]) -> Report {
    let mut report = Report::default();
    let mut at = 0;
    loop {
        match read(&bytes[at..]) {
            Step::Record { payload, length } => {
                report.records.push(payload.to_vec());
                at += length;
            }
            Step::Damage { fault, length } => {
                assert!(length > 0, "a reader must get on");
                report.damaged_bytes += length;
                report.faults.push(fault);
                at += length;
            }
            Step::Cut { missing } => {
                assert!(missing > 0);
                report.torn_bytes = bytes.len() - at;
                return report;
            }
            Step::End => return report,
        }
    }
}

fn framed(payloads: &[Vec<u8>]) -> (Vec<u8>, Vec<std::ops::Range<usize>>) {
    let mut bytes = Vec::new();
    let mut ranges = Vec::new();
    for payload in payloads {
        let start = bytes.len();
        frame(payload, &mut bytes).expect("text");
        ranges.push(start..bytes.len());
    }
    (bytes, ranges)
}

/// Payloads of every byte that a record may hold, and some that look like a header.
fn payloads() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let payload = prop_oneof![
        proptest::collection::vec(0..=0xfe_u8, 0..80),
        Just(b"fgr\x01\x01\0\0\x04\0\0\0\0\0\0\0".to_vec()),
        "\\{\"id\":\"[a-zé☃]{1,9}\"\\}".prop_map(String::into_bytes),
    ];
    proptest::collection::vec(payload, 0..12)
}

#[test]
fn a_record_is_what_the_format_says() {
    let mut bytes = Vec::new();
    frame(br#"{"id":1}"#, &mut bytes).expect("text");
    // As Python's zlib.crc32 has it.
    assert_eq!(bytes, b"\xfffgr\x01\x01D\xda\x08\x00\x00\x00\xc5\xf8]D{\"id\":1}");
}

#[test]
fn what_is_no_text_or_too_long_is_refused_and_leaves_the_buffer_alone() {
    let mut bytes = b"before".to_vec();
    assert_eq!(frame(b"a\xffb", &mut bytes), Err(FrameError::NotText));
    assert_eq!(frame(&vec![b' '; PAYLOAD_MAX_BYTES + 1], &mut bytes), Err(FrameError::TooLong));
    assert_eq!(bytes, b"before");
    frame(&vec![b' '; PAYLOAD_MAX_BYTES], &mut bytes).expect("the longest");
}

#[test]
fn a_record_of_a_later_version_is_skipped_whole_and_named() {
    let mut bytes = Vec::new();
    for (version, kind) in [(VERSION + 1, JSON), (VERSION, JSON + 1)] {
        let header = Header { version, kind, length: 5, payload_crc: crc32fast::hash(b"later") };
        bytes.extend_from_slice(&header.to_bytes());
        bytes.extend_from_slice(b"later");
    }
    frame(b"known", &mut bytes).expect("text");
    let report = read_all(&bytes);
    assert_eq!(report.records, [b"known"]);
    assert_eq!(report.faults, [Fault::Unknown, Fault::Unknown]);
}

#[test]
fn every_single_flip_of_a_lone_record_is_damage_and_never_a_torn_tail() {
    let (bytes, _) = framed(&[b"{\"id\":\"only\"}".to_vec()]);
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let report = read_all(&flipped);
        assert_eq!(report.records, Vec::<Vec<u8>>::new(), "bit {bit}");
        assert_eq!((report.damaged_bytes, report.torn_bytes), (bytes.len(), 0), "bit {bit}");
    }
}

proptest! {
    #[test]
    fn what_was_framed_is_read(payloads in payloads()) {
        let (bytes, _) = framed(&payloads);
        prop_assert_eq!(read_all(&bytes), Report { records: payloads, ..Report::default() });
    }

    /// A file cut anywhere keeps every whole record, and what is left of the one that was hit is a torn tail.
    #[test]
    fn a_cut_loses_only_the_record_it_goes_through(payloads in payloads(), cut in any::<Index>()) {
        let (mut bytes, ranges) = framed(&payloads);
        bytes.truncate(cut.index(bytes.len() + 1));
        let whole = ranges.iter().filter(|range| range.end <= bytes.len()).count();
        let border = if whole == 0 { 0 } else { ranges[whole - 1].end };
        let report = read_all(&bytes);
        prop_assert_eq!(&report.records, &payloads[..whole]);
        prop_assert_eq!((report.damaged_bytes, report.torn_bytes), (0, bytes.len() - border));
    }

    /// Flipped bits cost the records they stand in, and nothing passes as a record that was not written.
    #[test]
    fn flips_lose_only_the_records_they_hit(
        payloads in payloads(),
        flips in proptest::collection::vec((any::<Index>(), 0..8_u32), 1..4),
    ) {
        let (mut bytes, ranges) = framed(&payloads);
        prop_assume!(!bytes.is_empty());
        let flips: std::collections::BTreeMap<usize, u32> =
            flips.into_iter().map(|(at, bit)| (at.index(bytes.len()), bit)).collect();
        for (at, bit) in &flips {
            bytes[*at] ^= 1 << bit;
        }
        let is_intact = |range: &&std::ops::Range<usize>| !flips.keys().any(|at| range.contains(at));
        let hit_bytes: usize = ranges.iter().filter(|range| !is_intact(range)).map(ExactSizeIterator::len).sum();
        let intact = ranges.iter().zip(&payloads).filter(|(range, _)| is_intact(range));
        let intact: Vec<Vec<u8>> = intact.map(|(_, payload)| payload.clone()).collect();
        let report = read_all(&bytes);
        prop_assert_eq!(report.records, intact);
        prop_assert_eq!(report.damaged_bytes + report.torn_bytes, hit_bytes);
    }

    /// Bytes thrown into the middle of a file are skipped.
    #[test]
    fn foreign_bytes_are_skipped(
        before in payloads(),
        foreign in proptest::collection::vec(any::<u8>(), 1..60),
        after in payloads(),
    ) {
        let (mut bytes, _) = framed(&before);
        bytes.extend_from_slice(&foreign);
        bytes.extend_from_slice(&framed(&after).0);
        let report = read_all(&bytes);
        prop_assert_eq!(report.records, [before, after].concat());
        prop_assert_eq!(report.damaged_bytes + report.torn_bytes, foreign.len());
    }

    #[test]
    fn any_bytes_are_read_to_their_end(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let report = read_all(&bytes);
        prop_assert!(report.records.is_empty());
    }

    /// A reader that gets the file in pieces, and asks for what a cut misses, sees what one sees that has it whole.
    #[test]
    fn a_file_in_pieces_reads_the_same(payloads in payloads(), foreign in proptest::collection::vec(any::<u8>(), 0..20), piece in 1..40_usize) {
        let (mut bytes, _) = framed(&payloads);
        bytes.extend_from_slice(&foreign);
        bytes.extend_from_slice(&framed(&payloads).0);
        let (mut at, mut end, mut records) = (0, 0, Vec::new());
        loop {
            match read(&bytes[at..end]) {
                Step::Record { payload, length } => { records.push(payload.to_vec()); at += length; }
                Step::Damage { length, .. } => at += length,
                Step::Cut { .. } | Step::End if end < bytes.len() => end = bytes.len().min(end + piece),
                Step::Cut { .. } | Step::End => break,
            }
        }
        prop_assert_eq!(records, read_all(&bytes).records);
    }
}
