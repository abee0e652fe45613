use std::sync::Arc;

use http::Request;

use super::*;

const NO_TIME: Duration = Duration::ZERO;

fn submit(bridge: &AdminBridge, path: &str) -> oneshot::Receiver<Response<Bytes>> {
    let (head, ()) = Request::get(path).body(()).expect("valid").into_parts();
    bridge.submit(head, Bytes::new(), SocketAddr::from(([127, 0, 0, 1], 1)))
}

fn taken(bridge: &AdminBridge) -> Option<String> {
    bridge.take(NO_TIME).map(|call| call.head.uri.path().to_owned())
}

#[test]
fn requests_come_in_order_and_answers_go_to_who_asked() {
    let bridge = AdminBridge::default();
    let (mut first, mut second) = (submit(&bridge, "/1"), submit(&bridge, "/2"));
    let calls: Vec<AdminCall> = (0..2).filter_map(|_| bridge.take(NO_TIME)).collect();
    assert!(bridge.take(NO_TIME).is_none());
    for call in calls {
        let path = call.head.uri.path().to_owned();
        call.reply.send(Response::new(path.into()));
    }
    assert_eq!(first.try_recv().expect("answered").into_body(), "/1");
    assert_eq!(second.try_recv().expect("answered").into_body(), "/2");
}

#[test]
fn a_request_dropped_unanswered_fails() {
    let bridge = AdminBridge::default();
    let mut answer = submit(&bridge, "/");
    drop(bridge.take(NO_TIME).expect("waiting"));
    assert_eq!(answer.try_recv().err(), Some(oneshot::error::TryRecvError::Closed));
}

#[test]
fn clients_that_have_left_are_passed_over_and_take_no_room() {
    let bridge = AdminBridge::default();
    drop(submit(&bridge, "/left"));
    let _first = submit(&bridge, "/first");
    assert_eq!(taken(&bridge).as_deref(), Some("/first"));
    for _ in 0..3 * REQUESTS {
        drop(submit(&bridge, "/left"));
    }
    assert!(bridge.waiting.lock().calls.len() <= REQUESTS);
    let _answer = submit(&bridge, "/waits");
    assert_eq!(taken(&bridge).as_deref(), Some("/waits"));
}

#[test]
fn who_waits_is_woken_by_a_request_and_by_the_end() {
    let bridge = Arc::new(AdminBridge::default());
    let waiting = {
        let bridge = Arc::clone(&bridge);
        std::thread::spawn(move || {
            // Dropped before the next is waited for.
            let was_woken = bridge.take(Duration::MAX).is_some();
            (was_woken, bridge.take(Duration::MAX).is_some())
        })
    };
    while !bridge.is_attended() {
        std::thread::yield_now();
    }
    let mut answer = submit(&bridge, "/");
    // Taken once its way back is gone.
    while !matches!(answer.try_recv(), Err(oneshot::error::TryRecvError::Closed)) {
        std::thread::yield_now();
    }
    bridge.close();
    assert_eq!(waiting.join().expect("no panic"), (true, false));
    assert!(!bridge.is_attended());
    bridge.open();
    assert!(bridge.is_attended());
}

#[test]
fn what_waits_at_the_end_is_dropped() {
    let bridge = AdminBridge::default();
    let mut before = submit(&bridge, "/");
    bridge.close();
    let mut after = submit(&bridge, "/");
    for answer in [&mut before, &mut after] {
        assert_eq!(answer.try_recv().err(), Some(oneshot::error::TryRecvError::Closed));
    }
    bridge.open();
    assert_eq!(taken(&bridge), None);
}

#[test]
fn seats_run_out_and_come_back() {
    let bridge = AdminBridge::default();
    let seats: Vec<Seat> = (0..REQUESTS).map(|_| bridge.seat().expect("free")).collect();
    assert!(bridge.seat().is_err());
    drop(seats);
    assert!(bridge.seat().is_ok());
}
