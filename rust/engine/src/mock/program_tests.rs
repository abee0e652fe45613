//! Programs for a stream of five events: role, two pieces, finish, `[DONE]`.

use super::super::answer::{EVENT_STREAM, Mark};
use super::super::behaviour::parse_fields;
use super::*;

const BODY: &str = "data: R\n\ndata: é\n\ndata: b\n\ndata: F\n\ndata: [DONE]\n\n";

fn answer() -> Answer {
    let kinds = [EventKind::Role, EventKind::Content, EventKind::Content, EventKind::Finish, EventKind::Done];
    let mut end = 0;
    let marks = BODY.split_inclusive("\n\n").zip(kinds).map(|(event, kind)| {
        end += event.len();
        Mark { end, kind }
    });
    let marks = marks.collect();
    Answer::stream(200, EVENT_STREAM.into(), Bytes::from_static(BODY.as_bytes()), marks)
}

fn program(fields: &str) -> Program {
    let behaviour = Behaviour::from_fields(parse_fields(fields).expect("reads")).expect("behaves");
    compile(&answer(), &behaviour, false, &mut Random::new(1, 1))
}

/// The bytes behind the head with the chunk framing taken off, and the sizes of the writes.
fn body(program: &Program) -> (String, Vec<usize>) {
    let (mut body, mut sizes) = (Vec::new(), Vec::new());
    for action in &program.actions {
        let Action::Write(bytes) = action else {
            continue;
        };
        let bytes = bytes
            .windows(4)
            .position(|four| four == b"\r\n\r\n" && bytes.starts_with(b"HTTP"))
            .map_or(&bytes[..], |end| &bytes[end + 4..]);
        let mut rest = bytes;
        let before = body.len();
        while let Some(line) = memchr::memmem::find(rest, b"\r\n") {
            let size = usize::from_str_radix(std::str::from_utf8(&rest[..line]).expect("text"), 16).expect("size");
            body.extend_from_slice(&rest[line + 2..line + 2 + size]);
            rest = &rest[line + 4 + size..];
        }
        sizes.push(body.len() - before);
    }
    (String::from_utf8_lossy(&body).into_owned(), sizes)
}

#[test]
fn one_write_per_event_and_the_whole_body() {
    let program = program("");
    assert_eq!(body(&program), (BODY.to_owned(), vec![9, 10, 9, 9, 14]));
    assert!(program.keep_alive);
    assert!(matches!(program.actions.last(), Some(Action::Write(last)) if last.ends_with(b"0\r\n\r\n")));
}

#[test]
fn any_split_gives_the_same_bytes() {
    for sizes in ["1", "2", "3,1", "7", "1000"] {
        let (text, writes) = body(&program(&format!("split_bytes={sizes}")));
        assert_eq!(text, BODY);
        let first: usize = sizes.split(',').next().and_then(|size| size.parse().ok()).expect("a size");
        assert_eq!(writes[0], first.min(BODY.len()));
    }
    assert_eq!(body(&program("events_per_write=2")).1, [19, 18, 14]);
}

#[test]
fn a_fault_ends_the_program_where_it_was_told() {
    for (fields, expected, last) in [
        ("cut=events:2", &BODY[..19], Action::Cut),
        ("reset=before_content", &BODY[..9], Action::Reset),
        ("cut=inside_event:3", &BODY[..23], Action::Cut),
        ("reset=bytes:3;split_bytes=2", &BODY[..3], Action::Reset),
        ("cut=events:99", BODY, Action::Cut),
        ("reset=after_headers", "", Action::Reset),
        ("stall=events:1", BODY, Action::Stall(None)),
    ] {
        let program = program(fields);
        assert_eq!(body(&program).0, expected, "{fields}");
        assert!(program.actions.contains(&last), "{fields}");
        assert!(matches!(last, Action::Stall(_)) || program.actions.last() == Some(&last), "{fields}");
    }
    assert_eq!(program("reset=before_headers").actions, [Action::Reset]);
    let stalled = program("stall=before_headers;stall_ms=5;cut=after_headers");
    assert_eq!(stalled.actions[0], Action::Stall(Some(Duration::from_millis(5))));
    assert_eq!(stalled.actions.len(), 3);
}

#[test]
fn waits_lie_before_headers_first_content_and_each_further_piece() {
    let wait = |action: &Action| match action {
        Action::Wait(wait) => u64::try_from(wait.as_millis()).ok(),
        Action::Write(_) => Some(0),
        _ => None,
    };
    let waits = |fields: &str| program(fields).actions.iter().filter_map(wait).collect::<Vec<_>>();
    assert_eq!(waits("latency_ms=3;first_token_ms=7;gap_ms=2"), [3, 0, 7, 0, 2, 0, 0, 0]);
    assert_eq!(waits("tokens_per_second=100"), [0, 0, 10, 0, 0, 0]);
}

#[test]
fn heads_tell_the_framing_and_the_connection() {
    let head = |fields: &str| {
        let program = program(fields);
        let Action::Write(bytes) = &program.actions[0] else { panic!("no head") };
        let text = String::from_utf8_lossy(bytes).into_owned();
        (text.split_once("\r\n\r\n").expect("a head").0.to_owned(), program.keep_alive)
    };
    let (text, keep) = head("headers.retry-after=2");
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.contains("\r\nretry-after: 2\r\n") && keep);
    assert!(text.ends_with("transfer-encoding: chunked"));
    let (text, keep) = head("framing=length;content_length=9999");
    assert!(text.ends_with("content-length: 9999") && !keep);
    let (text, keep) = head("close=silent");
    assert!(!text.contains("connection") && !keep);
    let (text, keep) = head("close=announced");
    assert!(text.ends_with("connection: close") && !keep);
    let (text, keep) = head("framing=close;content_type=text/plain");
    assert!(text.contains("content-type: text/plain") && text.ends_with("connection: close") && !keep);
}
