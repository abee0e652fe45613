use std::future::poll_fn;

use super::*;

/// Takes at most `most` bytes a call, `room` in all, and notes how many slices it was given.
#[derive(Debug)]
struct Sink {
    most: usize,
    room: usize,
    is_broken: bool,
    taken: Rc<RefCell<Vec<u8>>>,
    slices: Rc<RefCell<Vec<usize>>>,
}

impl Sink {
    fn new(most: usize, room: usize) -> Self {
        Self { most, room, is_broken: false, taken: Rc::default(), slices: Rc::default() }
    }

    fn take(&mut self, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if self.is_broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let all: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
        let length = all.len().min(self.most).min(self.room);
        if length == 0 {
            return Poll::Pending;
        }
        self.room -= length;
        self.taken.borrow_mut().extend_from_slice(&all[..length]);
        self.slices.borrow_mut().push(slices.len());
        Poll::Ready(Ok(length))
    }
}

impl AsyncWrite for Sink {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.take(&[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.take(slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn write(gather: &mut Gather<Sink>, pieces: &[&[u8]]) -> Poll<io::Result<usize>> {
    let slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
    Pin::new(gather).poll_write_vectored(&mut Context::from_waker(Waker::noop()), &slices)
}

fn flush(gather: &mut Gather<Sink>) -> Poll<io::Result<()>> {
    Pin::new(gather).poll_flush(&mut Context::from_waker(Waker::noop()))
}

fn written(polled: Poll<io::Result<usize>>) -> usize {
    match polled {
        Poll::Ready(Ok(count)) => count,
        other => panic!("{other:?}"),
    }
}

/// Runs a test as the first task of a core.
fn on_core(test: impl Future<Output = ()> + 'static) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, async {
        tokio::task::spawn_local(send_each_turn());
        // The task that sends has to have begun.
        tokio::task::yield_now().await;
        tokio::task::spawn_local(test).await.expect("the test");
    });
}

#[test]
fn joins_small_writes_and_leaves_large_ones() {
    let sink = Sink::new(usize::MAX, usize::MAX);
    let (taken, slices) = (Rc::clone(&sink.taken), Rc::clone(&sink.slices));
    let mut gather = Gather::new(sink);
    assert_eq!(written(write(&mut gather, &[b"head", b"", b"body"])), 8);
    assert_eq!((taken.take().as_slice(), slices.take().as_slice()), (&b"headbody"[..], &[1][..]));
    let full = [7; JOIN_LIMIT_BYTES];
    assert_eq!(written(write(&mut gather, &[&full])), JOIN_LIMIT_BYTES);
    assert_eq!(slices.take(), [1]);
    assert_eq!(written(write(&mut gather, &[b"head", &full])), JOIN_LIMIT_BYTES + 4);
    assert_eq!(slices.take(), [2]);
}

#[test]
fn a_turn_sends_at_its_end_and_in_order() {
    on_core(async {
        let sink = Sink::new(usize::MAX, usize::MAX);
        let (taken, slices) = (Rc::clone(&sink.taken), Rc::clone(&sink.slices));
        let mut gather = Gather::new(sink);
        assert_eq!(written(write(&mut gather, &[b"one"])), 3);
        assert_eq!(written(write(&mut gather, &[b"two"])), 3);
        assert!(flush(&mut gather).is_ready());
        assert!(taken.borrow().is_empty(), "the turn is not over");
        tokio::task::yield_now().await;
        assert_eq!((taken.take().as_slice(), slices.take().as_slice()), (&b"onetwo"[..], &[1][..]));
        // What does not fit goes behind what waits.
        let large = [7; JOIN_LIMIT_BYTES + 1];
        assert_eq!(written(write(&mut gather, &[b"head"])), 4);
        assert_eq!(written(write(&mut gather, &[&large])), large.len());
        assert_eq!(*taken.borrow(), [&b"head"[..], &large].concat());
    });
}

#[test]
fn a_turn_with_many_connections_does_not_wait() {
    on_core(async {
        let sinks: Vec<_> = (0..TURN_CONNECTIONS).map(|_| Sink::new(usize::MAX, usize::MAX)).collect();
        let taken: Vec<_> = sinks.iter().map(|sink| Rc::clone(&sink.taken)).collect();
        let mut gathers: Vec<_> = sinks.into_iter().map(Gather::new).collect();
        for (index, gather) in gathers.iter_mut().enumerate() {
            assert!(taken.iter().all(|taken| taken.borrow().is_empty()), "sent before connection {index}");
            assert_eq!(written(write(gather, &[b"x"])), 1);
        }
        assert!(taken.iter().all(|taken| *taken.borrow() == b"x"));
    });
}

#[test]
fn a_peer_that_takes_no_more_holds_the_writer_back() {
    on_core(async {
        let sink = Sink::new(2, 5);
        let taken = Rc::clone(&sink.taken);
        let mut gather = Gather::new(sink);
        assert_eq!(written(write(&mut gather, &[b"head", b"body"])), 8);
        tokio::task::yield_now().await;
        assert_eq!(*taken.borrow(), b"headb");
        assert!(flush(&mut gather).is_pending() && write(&mut gather, &[b"more"]).is_pending());
        gather.0.borrow_mut().stream.room = usize::MAX;
        assert!(flush(&mut gather).is_ready());
        assert_eq!(*taken.borrow(), b"headbody");
    });
}

#[test]
fn a_failure_wakes_the_writer_and_comes_out_once() {
    on_core(async {
        let mut sink = Sink::new(usize::MAX, usize::MAX);
        sink.is_broken = true;
        let mut gather = Gather::new(sink);
        let mut is_written = false;
        // Pending forever, were it not woken.
        let failure = poll_fn(|context| {
            if !std::mem::replace(&mut is_written, true) {
                assert_eq!(written(Pin::new(&mut gather).poll_write(context, b"head")), 4);
            }
            match Pin::new(&mut gather).poll_flush(context) {
                Poll::Ready(Err(error)) => Poll::Ready(error),
                _ => Poll::Pending,
            }
        })
        .await;
        assert_eq!(failure.kind(), io::ErrorKind::BrokenPipe);
        assert!(matches!(flush(&mut gather), Poll::Ready(Ok(()))));
    });
}

#[test]
fn what_waits_goes_out_when_its_connection_is_dropped_or_shut_down() {
    on_core(async {
        for shuts_down in [false, true] {
            let sink = Sink::new(3, usize::MAX);
            let taken = Rc::clone(&sink.taken);
            let mut gather = Gather::new(sink);
            assert_eq!(written(write(&mut gather, &[b"goodbye"])), 7);
            if shuts_down {
                let shut = Pin::new(&mut gather).poll_shutdown(&mut Context::from_waker(Waker::noop()));
                assert!(shut.is_ready());
            }
            drop(gather);
            assert_eq!(*taken.borrow(), b"goodbye");
        }
    });
}
