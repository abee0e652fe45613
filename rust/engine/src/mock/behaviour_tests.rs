//! Fields that are read, and fields that are refused.

use super::super::point::Point;
use super::*;

fn read(text: &str) -> Result<Behaviour, String> {
    Behaviour::from_fields(&parse_fields(text)?)
}

#[test]
fn short_form_reads_what_json_reads() {
    let short =
        read("status=429; headers.retry-after=2; error.code=rate_limit_exceeded; omit=done,usage").expect("reads");
    let json = read(
        r#"{"status":429,"headers":{"Retry-After":"2"},"error":{"code":"rate_limit_exceeded"},"omit":["done","usage"]}"#,
    )
    .expect("reads");
    assert_eq!(format!("{short:?}"), format!("{json:?}"));
    assert_eq!(short.headers["retry-after"], "2");
    assert_eq!(short.omit, [Omission::Done, Omission::Usage]);
}

#[test]
fn points_read_and_refuse() {
    assert_eq!(read("cut=inside_event:3").expect("reads").cut, Some(Point::InsideEvent(3)));
    assert_eq!(read("reset=bytes:0").expect("reads").reset, Some(Point::Bytes(0)));
    for wrong in ["cut=inside_event:0", "cut=events", "stall=later", "reset=bytes:-1"] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn refuses_what_it_does_not_know() {
    for wrong in [
        "statsu=503",
        "status=99",
        "split_bytes=1,0",
        "tokens_per_second=0",
        "headers.bad name=1",
        r#"{"headers":{"a":"x\r\ny"}}"#,
        "headers.Content-Length=3",
        "garbage=pdf",
        "error=1;error.code=2",
    ] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn split_sizes_come_as_number_text_or_list() {
    assert_eq!(read("split_bytes=7").expect("reads").split_bytes, [7]);
    assert_eq!(read("split_bytes=1,7").expect("reads").split_bytes, [1, 7]);
    assert_eq!(read(r#"{"split_bytes":[1,7]}"#).expect("reads").split_bytes, [1, 7]);
}
