use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{Response, StatusCode};

use super::*;
use crate::body::{BrokenOff, ResponseBody};

const BOUNDS: (Duration, usize) = (Duration::from_secs(600), 80_000);

fn claim(store: &Arc<Store>, key: &str, body: &str, now: Instant) -> Claim {
    store.claim(("acme", key.as_bytes()), (0, body.as_bytes()), BOUNDS, now)
}

fn lead(store: &Arc<Store>, key: &str, now: Instant) -> (Lead, Subscription) {
    match claim(store, key, "body", now) {
        Claim::Lead(lead, subscription) => (lead, subscription),
        other => panic!("not the first: {other:?}"),
    }
}

fn follow(store: &Arc<Store>, key: &str, now: Instant) -> Subscription {
    match claim(store, key, "body", now) {
        Claim::Follow(subscription) => subscription,
        other => panic!("nobody to follow: {other:?}"),
    }
}

/// Brings an answer to its end, at once.
fn answer(lead: Lead, status: StatusCode, text: impl Into<Bytes>) {
    let mut response = Response::new(ResponseBody::Whole(text.into()));
    *response.status_mut() = status;
    let mut following = std::pin::pin!(lead.follow(response));
    let mut context = Context::from_waker(Waker::noop());
    assert!(following.as_mut().poll(&mut context).is_ready());
}

fn read(subscription: &mut Subscription) -> Result<Vec<u8>, BrokenOff> {
    let mut context = Context::from_waker(Waker::noop());
    let mut text = Vec::new();
    loop {
        match subscription.poll_next(&mut context) {
            Poll::Ready(Some(chunk)) => text.extend_from_slice(&chunk?),
            Poll::Ready(None) => return Ok(text),
            Poll::Pending => panic!("not over"),
        }
    }
}

#[test]
fn a_repeat_joins_and_then_replays_the_first_answer() {
    let (store, now) = (Store::new(), Instant::now());
    let (lead, mut first) = lead(&store, "k", now);
    let mut joined = follow(&store, "k", now);
    assert!(!joined.was_whole);
    answer(lead, StatusCode::OK, &b"text"[..]);
    let mut replayed = follow(&store, "k", now);
    assert!(replayed.was_whole);
    for reader in [&mut first, &mut joined, &mut replayed] {
        assert!(matches!(read(reader), Ok(text) if text == b"text"));
    }
}

#[test]
fn a_key_belongs_to_one_tenant_and_one_request() {
    let (store, now) = (Store::new(), Instant::now());
    let (lead, _first) = lead(&store, "k", now);
    assert!(matches!(claim(&store, "k", "other body", now), Claim::Reused));
    assert!(matches!(store.claim(("acme", b"k"), (1, b"body"), BOUNDS, now), Claim::Reused));
    assert!(matches!(store.claim(("other", b"k"), (0, b"body"), BOUNDS, now), Claim::Lead(..)));
    drop(lead);
}

#[test]
fn what_failed_or_broke_off_may_be_tried_again() {
    let (store, now) = (Store::new(), Instant::now());
    let (failed, mut first) = lead(&store, "k", now);
    answer(failed, StatusCode::BAD_GATEWAY, &b"no"[..]);
    assert!(matches!(read(&mut first), Ok(text) if text == b"no"));
    let (broken, mut first) = lead(&store, "k", now);
    drop(broken);
    assert!(read(&mut first).is_err());
    lead(&store, "k", now);
}

#[test]
fn answers_are_kept_for_their_time_and_within_their_bytes() {
    let (store, now) = (Store::new(), Instant::now());
    let (first, _reader) = lead(&store, "k", now);
    answer(first, StatusCode::OK, &b"text"[..]);
    assert!(matches!(claim(&store, "k", "body", now + BOUNDS.0 / 2), Claim::Follow(_)));
    assert!(matches!(claim(&store, "k", "body", now + BOUNDS.0 * 2), Claim::Lead(..)));
    for number in 0..1000 {
        let (lead, _reader) = lead(&store, &format!("key {number}"), now);
        answer(lead, StatusCode::OK, vec![b'x'; 5000]);
        assert!(store.kept.lock().bytes <= BOUNDS.1);
    }
    assert!(matches!(claim(&store, "key 999", "body", now), Claim::Follow(_)));
    assert!(matches!(claim(&store, "key 0", "body", now), Claim::Lead(..)));
}

#[test]
fn an_answer_that_is_too_large_reaches_its_reader_and_is_not_kept() {
    let (store, now) = (Store::new(), Instant::now());
    let (lead_of_large, mut reader) = lead(&store, "k", now);
    answer(lead_of_large, StatusCode::OK, vec![b'x'; 70_000]);
    assert!(matches!(read(&mut reader), Ok(text) if text.len() == 70_000));
    let kept = store.kept.lock().bytes;
    assert_eq!(kept, 0);
    lead(&store, "k", now);
}
