use std::path::Path;

use base64::prelude::*;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;

fn vocabulary(encoding: Encoding) -> &'static Vocabulary {
    Vocabulary::shared(encoding)
}

/// The slow way, from tiktoken's educational code: join the lowest-ranking neighbours until none joins.
fn reference(ranks: &Ranks, piece: &[u8]) -> usize {
    let mut parts: Vec<&[u8]> = piece.chunks(1).collect();
    let mut ends: Vec<usize> = (1..=piece.len()).collect();
    loop {
        let starts = |index: usize| ends[index] - parts[index].len();
        let joins = (0..parts.len().saturating_sub(1))
            .filter_map(|index| Some((ranks.find(&piece[starts(index)..ends[index + 1]])?, index)));
        let Some((_, index)) = joins.min() else { return parts.len() };
        parts[index] = &piece[starts(index)..ends[index + 1]];
        ends[index] = ends[index + 1];
        parts.remove(index + 1);
        ends.remove(index + 1);
    }
}

#[test]
fn ranks_are_those_openai_publishes() {
    for (encoding, digest) in [
        (Encoding::O200kBase, "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"),
        (Encoding::Cl100kBase, "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"),
    ] {
        let ranks = &vocabulary(encoding).ranks;
        let file: String = (0..ranks.len())
            .map(|rank| {
                assert_eq!(ranks.find(ranks.token(rank)), Some(rank));
                BASE64_STANDARD.encode(ranks.token(rank)) + &format!(" {rank}\n")
            })
            .collect();
        let found = Sha256::digest(file).iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
        assert_eq!(found, digest, "{encoding:?}");
    }
}

#[test]
fn counts_equal_the_fixtures() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/tokens/tokens.jsonl");
    let Ok(lines) = std::fs::File::open(&path).map(std::io::read_to_string) else {
        eprintln!("skipped: {} is not there", path.display());
        return;
    };
    let mut cases = 0;
    for line in lines.unwrap().lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = case["text"].as_str().unwrap();
        for encoding in Encoding::ALL {
            let vocabulary = vocabulary(encoding);
            let name = encoding.name();
            assert_eq!(vocabulary.count(text), case[name].as_u64().unwrap(), "{name} {text:?}");
            let special = case[format!("{name}_special")].as_u64().unwrap();
            assert_eq!(vocabulary.count_with_special(text), special, "{name} with special tokens {text:?}");
            cases += 1;
        }
    }
    assert!(cases >= 400);
}

#[test]
fn hostile_texts_take_time_that_grows_with_their_length() {
    // Without the heap each of these would take minutes. What they count is proved by the short ones below.
    for unit in ["a", " ", "\u{4e2d}", "!", "\n", "aB", "\u{301}", "\u{2b0}A", "<|endoftext", "'s", "0"] {
        let text = unit.repeat(300_000 / unit.len());
        for encoding in Encoding::ALL {
            let tokens = vocabulary(encoding).count(&text);
            assert!(tokens > 1_000 && tokens <= text.len() as u64, "{unit:?}: {tokens}");
        }
    }
}

#[test]
fn bytes_that_are_no_text_count_as_replacement_characters() {
    let vocabulary = vocabulary(Encoding::O200kBase);
    assert_eq!(vocabulary.count_bytes(b"caf\xc3\xa9"), vocabulary.count("caf\u{e9}"));
    assert_eq!(vocabulary.count_bytes(b"caf\xc3"), vocabulary.count("caf\u{fffd}"));
    assert_eq!(vocabulary.count_bytes(b""), 0);
}

#[test]
fn vocabularies_stay_compact() {
    for encoding in Encoding::ALL {
        let bytes = vocabulary(encoding).ranks.resident_bytes();
        assert!(bytes < 6 << 20, "{encoding:?} takes {bytes} bytes");
    }
}

#[test]
fn an_instance_is_built_once() {
    let built = Vocabulary::shared(Encoding::Cl100kBase);
    assert!(std::ptr::eq(built, Vocabulary::ready(Encoding::Cl100kBase).unwrap()));
    assert_eq!(built.encoding(), Encoding::Cl100kBase);
}

#[test]
fn names_of_encodings() {
    for encoding in Encoding::ALL {
        assert_eq!(Encoding::from_name(encoding.name()), Some(encoding));
        assert_eq!(Encoding::from_name(encoding.name().trim_end_matches("_base")), Some(encoding));
        let json: Encoding = serde_json::from_value(encoding.name().into()).unwrap();
        assert_eq!(json, encoding);
    }
    assert_eq!(Encoding::from_name("r50k_base"), None);
}

#[test]
fn models_have_the_longest_prefix_they_fit() {
    for (model, encoding) in [
        ("gpt-4", Some(Encoding::Cl100kBase)),
        ("gpt-4-turbo-2024-04-09", Some(Encoding::Cl100kBase)),
        ("gpt-4o-mini", Some(Encoding::O200kBase)),
        ("gpt-4.1-nano", Some(Encoding::O200kBase)),
        ("gpt-5.1", Some(Encoding::O200kBase)),
        ("openai/o3-pro", Some(Encoding::O200kBase)),
        ("ft:gpt-4o-2024-08-06:acme::id", Some(Encoding::O200kBase)),
        ("gpt-4ever", None),
        ("o1x", None),
        ("claude-sonnet-4-5", None),
        ("", None),
    ] {
        assert_eq!(encoding_of_model(model), encoding, "{model}");
    }
}

proptest! {
    #[test]
    fn merging_equals_the_reference(piece in prop_oneof![
        prop::collection::vec(any::<u8>(), 1..400),
        "[ab]{1,400}".prop_map(String::into_bytes),
        "[a-e\u{430}-\u{434}\u{4e00}-\u{4e05}]{1,200}".prop_map(String::into_bytes),
        "[a-z]{1,300}".prop_map(String::into_bytes),
    ]) {
        for encoding in Encoding::ALL {
            let ranks = &vocabulary(encoding).ranks;
            prop_assert_eq!(Merger::default().count(ranks, &piece), reference(ranks, &piece));
        }
    }

    #[test]
    fn every_piece_moves_on_and_ends_at_a_character(text in any::<String>()) {
        for encoding in Encoding::ALL {
            let vocabulary = vocabulary(encoding);
            let mut start = 0;
            while start < text.len() {
                let end = vocabulary.pattern.piece_end(vocabulary.characters, text.as_bytes(), start);
                prop_assert!(end > start && text.is_char_boundary(end));
                start = end;
            }
        }
    }
}
