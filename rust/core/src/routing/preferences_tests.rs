use proptest::prelude::*;

use super::super::testing::Build;
use super::*;
use crate::tables::Capability;

#[test]
fn every_part_is_read() {
    let text =
        "order=a, b;only=x ; ignore=y,z;sort=price; max-input-usd=2.5;max-output-usd=10; require=tools,json_schema;";
    let expected = Preferences {
        order: vec!["a", "b"],
        only: vec!["x"],
        ignore: vec!["y", "z"],
        sort: Some(Sort::Price),
        max_input_pusd: Some(2_500_000_000_000),
        max_output_pusd: Some(10_000_000_000_000),
        require: [Capability::Tools, Capability::JsonSchema].into_iter().collect(),
    };
    assert_eq!(Preferences::parse(text), Ok(expected));
    assert_eq!(Preferences::parse(" ; "), Ok(Preferences::default()));
    for (text, sort) in [("sort=latency", Sort::Latency), ("sort = weight", Sort::Weight)] {
        assert_eq!(Preferences::parse(text).map(|read| read.sort), Ok(Some(sort)));
    }
}

#[test]
fn errors_name_the_part() {
    let names = |range: std::ops::Range<u8>| range.map(|index| index.to_string()).collect::<Vec<_>>().join(",");
    let halves = format!("order={};only={}", names(0..20), names(20..33));
    for (text, expected) in [
        ("fast", "`fast` is not of the form key=value"),
        ("speed=1", "`speed` is none of order, only, ignore, sort, max-input-usd, max-output-usd, require"),
        ("only=a;only=b", "`only` occurs twice"),
        ("only=", "`only` has no value"),
        ("ignore=a,,b", "ignore: a name is empty"),
        ("sort=name", "sort: `name` is none of price, latency, weight"),
        (
            "require=tools,wings",
            "require: `wings` is none of tools, json_schema, reasoning, image_input, audio_input, \
            file_input, audio_output",
        ),
        (&format!("order={}", names(0..33)), "order: more than 32 names in all"),
        (&halves, "only: more than 32 names in all"),
    ] {
        assert_eq!(Preferences::parse(text), Err(expected.to_owned()), "{text}");
    }
    assert!(Preferences::parse(&format!("order={};ignore={}", names(0..16), names(0..16))).is_ok());
}

#[test]
fn amounts_are_exact_or_refused() {
    let read = |text: &str| Preferences::parse(&format!("max-input-usd={text}")).map(|read| read.max_input_pusd);
    assert_eq!(read("0.1"), Ok(Some(100_000_000_000)));
    assert_eq!(read("0.000000000001"), Ok(Some(1)));
    assert_eq!(read("0"), Ok(Some(0)));
    assert_eq!(read("9000000"), Ok(Some(9_000_000_000_000_000_000)));
    for text in [
        "-1",
        "+1",
        "1e3",
        ".5",
        "5.",
        "1.2.3",
        "1,5",
        "0.0000000000001",
        "9300000",
        "99999999999999999999",
        "NaN",
        "٣",
    ] {
        assert!(read(text).is_err(), "{text}");
    }
    let expected = "max-output-usd: `free` is not an amount like 2.5, below 9,000,000, with up to 12 decimals";
    assert_eq!(Preferences::parse("max-output-usd=free"), Err(expected.to_owned()));
}

#[test]
fn names_that_nobody_has_are_refused() {
    let policy = Policy::prepare(&Build::with(2).tables());
    let check = |text| Preferences::parse(text).and_then(|read| read.check(&policy));
    assert_eq!(check("order=d1,p0;only=p0;ignore=d0"), Ok(()));
    assert_eq!(check("ignore=d0,d9"), Err("ignore: no deployment and no provider is called `d9`".into()));
    assert!(check("only=P0").is_err() && check("order=x").is_err());
}

#[test]
fn who_looks_at_tokens_is_known() {
    let looks = |text| Preferences::parse(text).map(|read| read.looks_at_needs());
    assert_eq!(
        [looks("sort=price"), looks("max-input-usd=1"), looks("max-output-usd=1")],
        [Ok(true), Ok(true), Ok(true)]
    );
    assert_eq!([looks(""), looks("sort=latency;only=a;require=tools")], [Ok(false), Ok(false)]);
}

#[test]
fn classes_of_latency() {
    assert_eq!(read_latency(" interactive "), Ok(Latency::Interactive));
    assert_eq!(read_latency("background"), Ok(Latency::Background));
    assert_eq!(read_latency("batch"), Ok(Latency::Batch));
    assert_eq!(read_latency("Fast"), Err("`Fast` is none of interactive, background, batch".into()));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "([a-z=,; .0-9-]|order=|only=|max-input-usd=|é){0,40}") {
        if let Ok(read) = Preferences::parse(&text) {
            prop_assert!(read.order.len() + read.only.len() + read.ignore.len() <= 32);
            prop_assert!(read.max_input_pusd.is_none_or(|most| most >= 0));
        }
    }

    #[test]
    fn amounts_agree_with_arithmetic(whole in 0..9_000_000_i64, millionths in 0..1_000_000_i64) {
        let read = Preferences::parse(&format!("max-output-usd={whole}.{millionths:06}")).map(|read| read.max_output_pusd);
        prop_assert_eq!(read, Ok(Some(whole * 1_000_000_000_000 + millionths * 1_000_000)));
    }
}
