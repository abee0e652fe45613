//! The functions that `make fuzz` drives with libFuzzer, driven here for a moment in every test run: by the seeds, and by
//! what a few random edits make of them.

use std::path::Path;

use proptest::prelude::*;

#[path = "../../../fuzz/src/lib.rs"]
#[expect(clippy::expect_used, unreachable_pub, reason = "a target fails by panicking; the crate of its own exports it")]
mod targets;

const INPUTS: u32 = 5_000;

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter_map(|file| std::fs::read(file.path()).ok()).collect()
}

/// A seed with some bytes replaced, dropped or doubled, and pieces of it that matter to one of the formats put in.
fn edited(target: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let pieces =
        [&b"\r\n\r\n"[..], b"data: ", b"\xef\xbb\xbf", b"\"a\":1,", b"{}", b"\\u0000", b"null", b":", b"\n", b"\xff"];
    let edits = proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 0..12);
    (prop::sample::select(seeds(target)), edits).prop_map(move |(mut input, edits)| {
        for (place, byte, kind) in edits {
            let at = place.index(input.len().max(1)).min(input.len());
            match kind {
                0 if at < input.len() => input[at] = byte,
                1 if at < input.len() => drop(input.remove(at)),
                2 => input.insert(at, byte),
                _ => drop(input.splice(at..at, pieces[usize::from(byte) % pieces.len()].iter().copied())),
            }
        }
        input
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(INPUTS))]

    #[test]
    fn sse(input in edited("sse")) {
        targets::sse(&input);
    }

    #[test]
    fn json(input in edited("json")) {
        targets::json(&input);
    }

    #[test]
    fn headers(input in edited("headers")) {
        targets::headers(&input);
    }

    #[test]
    fn routing(input in edited("routing")) {
        targets::routing(&input);
    }

    #[test]
    fn failures(input in edited("failures")) {
        targets::failures(&input);
    }

    #[test]
    fn translation(input in edited("translation")) {
        targets::translation(&input);
    }
}
