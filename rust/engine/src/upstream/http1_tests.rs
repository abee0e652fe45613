use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Uri, response};
use proptest::prelude::*;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::super::connection::{BrokenBody, SendError};
use super::super::counts::{ConnectionCounts, OpenConnection};
use super::super::{Address, CredentialHead, Origin, RequestHead};
use super::*;
use crate::snapshot::Environment;
use crate::testing::tables;
use crate::upload::UpstreamBody;

const REQUEST: &str = "POST /v1/chat/completions HTTP/1.1\r\nhost: api.example\r\nauthorization: Bearer secret\r\n\
    accept-encoding: identity\r\nuser-agent: fastgate/0.1.0\r\nx-own: 1\r\naccept: application/json\r\n\
    traceparent: 00-1\r\ncontent-type: application/json\r\ncontent-length: 5\r\n\r\nhello";

/// What a provider does, and what it was sent.
#[derive(Default)]
struct Script {
    /// Pieces that arrive one at a time; an empty one is a wait.
    arriving: VecDeque<Vec<u8>>,
    /// What comes behind them.
    end: Option<io::ErrorKind>,
    is_open: bool,
    written: Vec<u8>,
    /// Bytes that one write takes; 0 refuses all with a reset.
    takes: usize,
}

/// A connection to it.
#[derive(Clone)]
struct Scripted(Rc<RefCell<Script>>);

impl AsyncRead for Scripted {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, room: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut script = self.0.borrow_mut();
        match script.arriving.pop_front() {
            Some(piece) if piece.is_empty() => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Some(mut piece) => {
                let fits = room.remaining().min(piece.len());
                room.put_slice(&piece[..fits]);
                piece.drain(..fits);
                if !piece.is_empty() {
                    script.arriving.push_front(piece);
                }
                Poll::Ready(Ok(()))
            }
            None if script.is_open => Poll::Pending,
            None => Poll::Ready(script.end.map_or(Ok(()), |kind| Err(kind.into()))),
        }
    }
}

impl AsyncWrite for Scripted {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut script = self.0.borrow_mut();
        let taken = bytes.len().min(script.takes);
        if taken == 0 {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        script.written.extend_from_slice(&bytes[..taken]);
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// A provider that sends this, cut there, and then closes.
fn provider(answer: &[u8], cuts: &[usize]) -> Scripted {
    let mut borders: Vec<usize> = cuts.iter().map(|cut| cut % (answer.len() + 1)).collect();
    borders.extend([0, answer.len()]);
    borders.sort_unstable();
    let arriving = borders.windows(2).map(|pair| answer[pair[0]..pair[1]].to_vec()).collect();
    Scripted(Rc::new(RefCell::new(Script { arriving, takes: usize::MAX, ..Script::default() })))
}

fn connection(scripted: &Scripted) -> Http1 {
    Http1::new(Box::new(scripted.clone()), OpenConnection::new(&Arc::new(ConnectionCounts::default())))
}

async fn send(http1: &mut Http1, body: UpstreamBody) -> Result<response::Parts, SendError> {
    let provider = json!({"id": "p", "dialect": "openai", "stream_usage": true, "ca_file": null, "proxy": null, "base_url": "https://api.example/v1", "credentials": [{"secret": "secret", "weight": 1}],
        "headers": [["x-own", "1"], ["Accept", "text/plain"]]});
    let tables = tables(&json!({"providers": [provider]}));
    let provider = &tables.providers[0];
    let base = Uri::from_static("https://api.example/v1");
    let origin = Origin::prepare(&base, provider, &Environment::from_process()).expect("an origin");
    let head = RequestHead {
        method: &Method::POST,
        address: &Address::new(&origin, "/v1/chat/completions").expect("an address"),
        credential: &CredentialHead::prepare(provider, &origin, &provider.credentials[0]).expect("a head"),
        accept: "application/json",
        content_type: Some(&HeaderValue::from_static("application/json")),
        fields: &[
            (HeaderName::from_static("traceparent"), Some(HeaderValue::from_static("00-1"))),
            (HeaderName::from_static("tracestate"), None),
        ],
    };
    http1.send(&head, body).await
}

fn hello() -> UpstreamBody {
    UpstreamBody::Whole(Bytes::from_static(b"hello"))
}

async fn read(http1: &mut Http1) -> Result<Vec<u8>, BrokenBody> {
    let mut whole = Vec::new();
    while let Some(piece) = poll_fn(|context| http1.poll_body(context)).await {
        let piece = piece?;
        assert!(!piece.is_empty(), "a piece has something in it");
        whole.extend_from_slice(&piece);
    }
    Ok(whole)
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

/// Status and body of the answer, and whether the connection may be used again while the provider keeps it open.
type Seen = (u16, Result<Vec<u8>, BrokenBody>, bool);

fn answer_of(answer: &str) -> Result<Seen, String> {
    run(async {
        let scripted = provider(answer.as_bytes(), &[]);
        let mut http1 = connection(&scripted);
        let head = send(&mut http1, hello()).await.map_err(|error| error.reason)?;
        scripted.0.borrow_mut().is_open =
            head.headers.contains_key("content-length") || head.headers.contains_key("transfer-encoding");
        let body = read(&mut http1).await;
        assert_eq!(scripted.0.borrow().written, REQUEST.as_bytes());
        Ok((head.status.as_u16(), body, http1.is_usable()))
    })
}

#[test]
fn answers_in_every_framing() {
    let cut_short = Err(BrokenBody);
    for (answer, status, body, is_usable) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", 200, Ok("hello"), true),
        ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhelloHTTP", 200, Ok("hello"), false),
        ("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi", 200, Ok("hi"), false),
        (
            "HTTP/1.1 429 No\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n4\r\n you\r\n0\r\n\r\n",
            429,
            Ok("hi you"),
            true,
        ),
        ("HTTP/1.1 200 OK\r\n\r\nuntil the end", 200, Ok("until the end"), false),
        ("HTTP/1.1 204 No\r\n\r\n", 204, Ok(""), false),
        (
            "HTTP/1.1 100 Go on\r\n\r\nHTTP/1.1 103 Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            200,
            Ok(""),
            true,
        ),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\nno", 200, cut_short, false),
    ] {
        let body = body.map(|body: &str| body.as_bytes().to_vec());
        assert_eq!(answer_of(answer), Ok((status, body, is_usable)), "{answer:?}");
    }
}

#[test]
fn what_is_no_answer() {
    let large = format!("HTTP/1.1 200 OK\r\nx: {}", "x".repeat(HEAD_LIMIT_BYTES));
    for (answer, reason) in [
        ("HTTP/2 200\r\n\r\n", "its answer is not HTTP"),
        ("HTTP/1.1 101 Switching\r\nupgrade: x\r\n\r\n", "it changed to a protocol that nobody asked for"),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
            "the Content-Length of its answer is not a number, or not one",
        ),
        (&large, "the head of its answer is too large"),
        ("HTTP/1.1 200 OK\r\nx: y", "it closed the connection"),
    ] {
        assert_eq!(answer_of(answer).unwrap_err(), reason);
    }
}

#[test]
fn a_body_that_breaks_off_is_no_whole_one() {
    for answer in ["content-length: 9\r\n\r\nhello", "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"] {
        let scripted = provider(format!("HTTP/1.1 200 OK\r\n{answer}").as_bytes(), &[]);
        let mut http1 = connection(&scripted);
        let body = run(async {
            send(&mut http1, hello()).await.expect("a head");
            read(&mut http1).await
        });
        assert_eq!((body, http1.is_usable()), (Err(BrokenBody), false), "{answer:?}");
    }
    // TLS tells a cut from an end.
    let scripted = provider(b"HTTP/1.1 200 OK\r\n\r\nhello", &[]);
    scripted.0.borrow_mut().end = Some(io::ErrorKind::UnexpectedEof);
    let mut http1 = connection(&scripted);
    let body = run(async {
        send(&mut http1, hello()).await.expect("a head");
        read(&mut http1).await
    });
    assert_eq!(body, Err(BrokenBody));
}

#[test]
fn a_connection_that_was_closed_meanwhile_gives_the_body_back_if_nothing_of_it_went_out() {
    let failed = |takes, end| {
        let scripted = provider(b"", &[]);
        *scripted.0.borrow_mut() = Script { end, takes, ..Script::default() };
        let error = run(send(&mut connection(&scripted), hello())).expect_err("no answer");
        (error.is_connection_closed, error.unsent.is_some())
    };
    assert_eq!(failed(usize::MAX, None), (true, false));
    assert_eq!(failed(usize::MAX, Some(io::ErrorKind::ConnectionReset)), (true, false));
    assert_eq!(failed(0, None), (true, true));
    assert_eq!(failed(usize::MAX, Some(io::ErrorKind::InvalidData)), (false, false), "TLS that makes no sense");
}

#[test]
fn an_answer_that_comes_while_the_request_is_refused_is_read() {
    let scripted = provider(b"HTTP/1.1 413 Too large\r\ncontent-length: 2\r\n\r\nno", &[]);
    scripted.0.borrow_mut().takes = 0;
    let mut http1 = connection(&scripted);
    let (head, body) = run(async {
        let head = send(&mut http1, hello()).await.expect("a head");
        (head, read(&mut http1).await)
    });
    assert_eq!((head.status.as_u16(), body), (413, Ok(b"no".to_vec())));
    scripted.0.borrow_mut().is_open = true;
    assert!(!http1.is_usable(), "half a request is on it");
}

#[test]
fn connections_serve_one_request_after_the_other() {
    let scripted = provider(b"", &[]);
    let mut http1 = connection(&scripted);
    scripted.0.borrow_mut().is_open = true;
    assert!(http1.is_usable());
    for round in 1..4_usize {
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{}", 9000 * round, "x".repeat(9000 * round));
        scripted.0.borrow_mut().arriving.push_back(answer.into_bytes());
        let body = run(async {
            send(&mut http1, hello()).await.expect("a head");
            read(&mut http1).await
        });
        assert_eq!(body.map(|body| body.len()), Ok(9000 * round));
        assert!(http1.is_usable());
        assert_eq!(scripted.0.borrow().written.len(), REQUEST.len() * round);
    }
    scripted.0.borrow_mut().is_open = false;
    assert!(!http1.is_usable(), "it was closed");
}

#[test]
fn what_comes_unasked_makes_a_connection_useless() {
    let scripted = provider(b"HTTP/1.1 408 Too slow\r\n\r\n", &[]);
    assert!(!connection(&scripted).is_usable());
}

proptest! {
    #[test]
    fn pieces_make_no_difference(
        chunks in prop::collection::vec("[ -~]{1,30}", 0..5),
        is_chunked: bool,
        cuts in prop::collection::vec(0..400_usize, 0..12),
        takes in 1..80_usize,
    ) {
        let whole = chunks.concat();
        let mut answer = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nx-a: b\r\n".to_owned();
        if is_chunked {
            answer += "transfer-encoding: chunked\r\n\r\n";
            answer.extend(chunks.iter().map(|chunk| format!("{:x}\r\n{chunk}\r\n", chunk.len())));
            answer += "0\r\n\r\n";
        } else {
            let length = whole.len();
            answer.extend([format!("content-length: {length}\r\n\r\n"), whole.clone()]);
        }
        let scripted = provider(answer.as_bytes(), &cuts);
        *scripted.0.borrow_mut() = Script { takes, is_open: true, ..scripted.0.take() };
        let mut http1 = connection(&scripted);
        let (head, body) = run(async {
            let head = send(&mut http1, hello()).await.expect("a head");
            (head, read(&mut http1).await)
        });
        prop_assert_eq!(head.headers.get("x-a").map(HeaderValue::as_bytes), Some(&b"b"[..]));
        prop_assert_eq!(body, Ok(whole.into_bytes()));
        prop_assert_eq!(&scripted.0.borrow().written, REQUEST.as_bytes());
        prop_assert!(http1.is_usable());
    }

    #[test]
    fn nothing_that_arrives_makes_it_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..100),
        framing in prop::sample::select(vec!["", "content-length: 9\r\n\r\n", "transfer-encoding: chunked\r\n\r\n", "\r\n"]),
        cuts in prop::collection::vec(0..150_usize, 0..4),
    ) {
        let mut answer = format!("HTTP/1.1 200 OK\r\n{framing}").into_bytes();
        answer.extend(bytes);
        let mut http1 = connection(&provider(&answer, &cuts));
        run(async {
            if send(&mut http1, hello()).await.is_ok() {
                let _ = read(&mut http1).await;
            }
        });
        prop_assert!(!http1.is_usable());
    }
}
