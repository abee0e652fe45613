//! Small writes, gathered: those of one connection into one `send`, those of one turn of a core one after the other.
//!
//! hyper hands a head, a chunk's length and its data over as separate slices. Copying a few hundred bytes and calling
//! `send` costs less than `writev` does (a tenth of a paced chunk's CPU); larger writes stay vectored, so that no body
//! is copied and no buffer grows with it.
//!
//! What a core has to send waits until it has looked at everything that has arrived, or has answers for a few
//! connections. A busy core then wakes the peers of a turn once, not each with its own `send` (a tenth of a request's
//! CPU over loopback), and an idle one sends at once, since its turn is over.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Writes up to this size are joined.
const JOIN_LIMIT_BYTES: usize = 2048;

/// Connections that wait for the end of a turn: more would only wait longer.
const TURN_CONNECTIONS: usize = 32;

thread_local! {
    static TURN: Turn = const { Turn { waiting: RefCell::new(Vec::new()), end: RefCell::new(None), spare: RefCell::new(Vec::new()) } };
}

/// Sends what each turn of the calling core has gathered. Without it, everything is sent as it is written.
pub(crate) async fn send_each_turn() {
    struct Running;
    impl Drop for Running {
        fn drop(&mut self) {
            TURN.with(|turn| drop(turn.end.borrow_mut().take()));
        }
    }
    let _running = Running;
    poll_fn(|context| {
        TURN.with(|turn| {
            turn.end.borrow_mut().get_or_insert_with(|| context.waker().clone());
            turn.send();
        });
        Poll::<()>::Pending
    })
    .await;
}

/// What waits on one thread.
struct Turn {
    waiting: RefCell<Vec<Weak<dyn Send>>>,
    /// Wakes the task that ends the turn: it comes after all that are to run by now.
    end: RefCell<Option<Waker>>,
    /// Emptied buffers: connections that wait for nothing need none.
    spare: RefCell<Vec<Vec<u8>>>,
}

impl Turn {
    fn add(&self, connection: Weak<dyn Send>) {
        let mut waiting = self.waiting.borrow_mut();
        waiting.push(connection);
        let count = waiting.len();
        drop(waiting);
        match &*self.end.borrow() {
            Some(_) if count >= TURN_CONNECTIONS => self.send(),
            Some(end) if count == 1 => end.wake_by_ref(),
            Some(_) => {}
            None => self.send(),
        }
    }

    fn send(&self) {
        let mut waiting = self.waiting.take();
        for connection in waiting.drain(..) {
            if let Some(connection) = connection.upgrade() {
                connection.send();
            }
        }
        // Nothing was added meanwhile: sending wakes tasks and runs none.
        *self.waiting.borrow_mut() = waiting;
    }
}

/// A connection with something to send.
trait Send {
    fn send(&self);
}

/// A stream whose small writes are gathered.
#[derive(Debug)]
pub(crate) struct Gather<T: AsyncWrite + Unpin + 'static>(Rc<RefCell<Outgoing<T>>>);

impl<T: AsyncWrite + Unpin> Gather<T> {
    pub(crate) fn new(stream: T) -> Self {
        Self(Rc::new(RefCell::new(Outgoing {
            stream,
            gathered: Vec::new(),
            sent: 0,
            is_waiting: false,
            waker: None,
            failure: None,
        })))
    }

    fn poll_gather(&self, context: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let total: usize = slices.iter().map(|slice| slice.len()).sum();
        let mut outgoing = self.0.borrow_mut();
        if !outgoing.is_waiting || outgoing.gathered.len() + total > JOIN_LIMIT_BYTES {
            ready!(outgoing.poll_send(context))?;
            if total > JOIN_LIMIT_BYTES {
                return Pin::new(&mut outgoing.stream).poll_write_vectored(context, slices);
            }
        }
        if outgoing.gathered.capacity() == 0 {
            let spare = TURN.with(|turn| turn.spare.borrow_mut().pop());
            outgoing.gathered = spare.unwrap_or_else(|| Vec::with_capacity(JOIN_LIMIT_BYTES));
        }
        for slice in slices {
            outgoing.gathered.extend_from_slice(slice);
        }
        if outgoing.waker.as_ref().is_none_or(|waker| !waker.will_wake(context.waker())) {
            outgoing.waker = Some(context.waker().clone());
        }
        if !std::mem::replace(&mut outgoing.is_waiting, true) {
            drop(outgoing);
            let connection: Weak<RefCell<Outgoing<T>>> = Rc::downgrade(&self.0);
            TURN.with(|turn| turn.add(connection));
        }
        Poll::Ready(Ok(total))
    }
}

#[derive(Debug)]
struct Outgoing<T: AsyncWrite + Unpin> {
    stream: T,
    gathered: Vec<u8>,
    /// How much of it is sent.
    sent: usize,
    /// It is to be sent when the turn ends. If not and there is some, the peer takes no more.
    is_waiting: bool,
    /// Of the task that gathered it last.
    waker: Option<Waker>,
    /// Comes out at the next write.
    failure: Option<io::Error>,
}

impl<T: AsyncWrite + Unpin> Outgoing<T> {
    /// Sends what was gathered.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(failure) = self.failure.take() {
            return Poll::Ready(Err(failure));
        }
        while self.sent < self.gathered.len() {
            match ready!(Pin::new(&mut self.stream).poll_write(context, &self.gathered[self.sent..])) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(count) => self.sent += count,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        self.clear();
        Poll::Ready(Ok(()))
    }

    fn clear(&mut self) {
        self.sent = 0;
        self.waker = None;
        if self.gathered.capacity() > 0 {
            let mut spare = std::mem::take(&mut self.gathered);
            spare.clear();
            // Fails only while the thread ends.
            let _ = TURN.try_with(|turn| {
                let mut spares = turn.spare.borrow_mut();
                if spares.len() < TURN_CONNECTIONS {
                    spares.push(spare);
                }
            });
        }
    }
}

impl<T: AsyncWrite + Unpin> Send for RefCell<Outgoing<T>> {
    fn send(&self) {
        let mut outgoing = self.borrow_mut();
        outgoing.is_waiting = false;
        // If the peer takes no more, this task goes on once it does.
        let waker = outgoing.waker.clone();
        let Some(waker) = waker else { return };
        if let Poll::Ready(Err(error)) = outgoing.poll_send(&mut Context::from_waker(&waker)) {
            outgoing.clear();
            outgoing.failure = Some(error);
            waker.wake();
        }
    }
}

impl<T: AsyncWrite + Unpin> Drop for Outgoing<T> {
    fn drop(&mut self) {
        // Taken from hyper as written: what fits goes out before the connection closes.
        if self.is_waiting {
            let _ = self.poll_send(&mut Context::from_waker(Waker::noop()));
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Gather<T> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.borrow_mut().stream).poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Gather<T> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_gather(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_gather(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.borrow().stream.is_write_vectored()
    }

    /// Ready while what was gathered waits for the end of the turn, which is near and needs nobody's waiting.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut outgoing = self.0.borrow_mut();
        if !outgoing.is_waiting {
            ready!(outgoing.poll_send(context))?;
        }
        Pin::new(&mut outgoing.stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut outgoing = self.0.borrow_mut();
        ready!(outgoing.poll_send(context))?;
        Pin::new(&mut outgoing.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
#[path = "gather_tests.rs"]
mod tests;
