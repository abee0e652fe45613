//! Events on their way to a thread that runs an event loop of its own: a list, and a pipe the loop can watch.
//!
//! Posting does not wake the loop; [`Mailbox::ring`] does, once its caller has posted what it had at hand. One byte is
//! in the pipe from then until the events are taken, so a batch costs one wake-up however many events it has, and
//! neither side ever finds the pipe full or empty when it touches it.

use std::io::{self, PipeReader, PipeWriter, Read, Write};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;

/// How far an answer has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// All of it is here or was posted before.
    Ended = 0,
    /// More will follow.
    More = 1,
    /// It will never be whole; the client's connection must not end as if it were.
    Broken = 2,
}

/// Pieces of a body, in order.
#[derive(Debug, Default)]
pub struct Chunks {
    first: Bytes,
    rest: Vec<Bytes>,
}

impl From<Bytes> for Chunks {
    fn from(first: Bytes) -> Self {
        Self { first, rest: Vec::new() }
    }
}

impl Chunks {
    /// Adds a piece.
    pub fn push(&mut self, chunk: Bytes) {
        if self.first.is_empty() {
            self.first = chunk;
        } else {
            self.rest.push(chunk);
        }
    }

    /// Bytes in all pieces.
    #[must_use]
    pub fn len(&self) -> usize {
        self.first.len() + self.rest.iter().map(Bytes::len).sum::<usize>()
    }

    /// Whether there is no byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.first.is_empty()
    }

    /// The pieces.
    pub fn iter(&self) -> impl Iterator<Item = &Bytes> {
        std::iter::once(&self.first).chain(&self.rest)
    }
}

/// What became of an exchange since its last event.
#[derive(Debug)]
pub struct Event {
    /// The exchange, as [`super::queue::QueueDoor::submit`] named it.
    pub exchange: u64,
    /// Status and headers; in an exchange's first event only.
    pub head: Option<(StatusCode, HeaderMap)>,
    /// What there is of the body.
    pub body: Chunks,
    /// Whether more will follow.
    pub state: State,
}

/// Where an exchange's latest event is, so that the next one can join it while nobody has taken it.
#[derive(Debug, Default)]
pub struct Place {
    round: u64,
    index: usize,
}

/// The list and its pipe.
#[derive(Debug)]
pub struct Mailbox {
    list: Mutex<List>,
    bell: PipeWriter,
    ear: PipeReader,
}

#[derive(Debug)]
struct List {
    events: Vec<Event>,
    /// The byte is in the pipe.
    has_rung: bool,
    /// Grows by one whenever the events are taken; places of earlier rounds are void.
    round: u64,
}

impl Mailbox {
    /// An empty mailbox.
    ///
    /// # Errors
    /// No descriptors are left.
    pub fn new() -> io::Result<Self> {
        let (ear, bell) = io::pipe()?;
        Ok(Self { list: Mutex::new(List { events: Vec::new(), has_rung: false, round: 1 }), bell, ear })
    }

    /// The descriptor that is readable while there are events.
    pub fn ear(&self) -> &PipeReader {
        &self.ear
    }

    /// Posts an event, joined to the exchange's previous one if that is still here.
    pub fn post(&self, place: &mut Place, event: Event) {
        let mut list = self.list.lock();
        if place.round == list.round {
            let earlier = &mut list.events[place.index];
            event.body.iter().for_each(|chunk| earlier.body.push(chunk.clone()));
            earlier.state = event.state;
            return;
        }
        *place = Place { round: list.round, index: list.events.len() };
        list.events.push(event);
    }

    /// Wakes the loop if there is something it has not been woken for.
    pub fn ring(&self) {
        let mut list = self.list.lock();
        if !list.events.is_empty() && !list.has_rung {
            list.has_rung = true;
            // Fails only once the reading end is gone, and with it everybody who could care. The byte goes in under
            // the lock, so that whoever sees `has_rung` finds it there.
            let _ = (&self.bell).write_all(&[1]);
        }
    }

    /// Swaps what has been posted into `taken`, which must be empty.
    pub fn take(&self, taken: &mut Vec<Event>) {
        let mut list = self.list.lock();
        list.round += 1;
        std::mem::swap(&mut list.events, taken);
        if std::mem::take(&mut list.has_rung) {
            let _ = (&self.ear).read_exact(&mut [0]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    fn event(exchange: u64, body: &'static str, state: State) -> Event {
        Event { exchange, head: None, body: Bytes::from_static(body.as_bytes()).into(), state }
    }

    fn take(mailbox: &Mailbox) -> Vec<(u64, Vec<u8>, State)> {
        let mut taken = Vec::new();
        mailbox.take(&mut taken);
        let flat = |event: Event| (event.exchange, event.body.iter().flatten().copied().collect(), event.state);
        taken.into_iter().map(flat).collect()
    }

    /// Bytes in the pipe, read through a duplicate that does not block.
    fn rings(mailbox: &Mailbox) -> usize {
        let ear: std::os::unix::net::UnixStream =
            mailbox.ear().as_fd().try_clone_to_owned().expect("a duplicate").into();
        ear.set_nonblocking(true).expect("a flag");
        let count = (&mailbox.ear).read(&mut [0; 16]).unwrap_or(0);
        ear.set_nonblocking(false).expect("a flag");
        (&mailbox.bell).write_all(&[1; 16][..count]).expect("room");
        count
    }

    #[test]
    fn a_batch_rings_once() {
        let mailbox = Mailbox::new().expect("a pipe");
        assert_eq!((rings(&mailbox), take(&mailbox)), (0, vec![]));
        for exchange in 0..100 {
            mailbox.post(&mut Place::default(), event(exchange, "x", State::Ended));
        }
        assert_eq!(rings(&mailbox), 0);
        mailbox.ring();
        mailbox.ring();
        assert_eq!(rings(&mailbox), 1);
        let taken = take(&mailbox);
        assert_eq!(taken.iter().map(|event| event.0).collect::<Vec<_>>(), (0..100).collect::<Vec<_>>());
        assert_eq!(rings(&mailbox), 0);
        mailbox.ring();
        assert_eq!(rings(&mailbox), 0);
        mailbox.post(&mut Place::default(), event(100, "x", State::Ended));
        mailbox.ring();
        assert_eq!(rings(&mailbox), 1);
    }

    #[test]
    fn joins_what_nobody_has_taken() {
        let mailbox = Mailbox::new().expect("a pipe");
        let (mut ours, mut other) = (Place::default(), Place::default());
        mailbox.post(&mut ours, event(1, "a", State::More));
        mailbox.post(&mut other, event(2, "z", State::More));
        mailbox.post(&mut ours, event(1, "b", State::More));
        assert_eq!(take(&mailbox), [(1, b"ab".to_vec(), State::More), (2, b"z".to_vec(), State::More)]);
        mailbox.post(&mut ours, event(1, "c", State::More));
        mailbox.post(&mut ours, event(1, "", State::Broken));
        assert_eq!(take(&mailbox), [(1, b"c".to_vec(), State::Broken)]);
    }

    #[test]
    fn no_event_is_lost_between_threads() {
        let mailbox = Mailbox::new().expect("a pipe");
        let mut seen = 0;
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let mailbox = &mailbox;
                scope.spawn(move || {
                    for exchange in 0..5000 {
                        mailbox.post(&mut Place::default(), event(thread * 5000 + exchange, "x", State::Ended));
                        mailbox.ring();
                    }
                });
            }
            while seen < 20_000 {
                seen += take(&mailbox).len();
            }
        });
        assert_eq!((seen, rings(&mailbox)), (20_000, 0));
    }
}
