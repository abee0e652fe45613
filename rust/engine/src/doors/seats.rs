//! How many requests a door carries at once: one counter over all of its cores, and a clear no beyond the bound.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fastgate_core::failure::{Cause, Failure};

/// The requests a door carries.
#[derive(Clone, Debug, Default)]
pub(super) struct Seats(Arc<AtomicUsize>);

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Seat(Arc<AtomicUsize>);

impl Seats {
    /// A seat among `limit`.
    ///
    /// # Errors
    /// [`Cause::Overloaded`] when all are taken.
    pub(super) fn take(&self, limit: usize) -> Result<Seat, Failure> {
        let taken = self.0.fetch_add(1, Ordering::Relaxed);
        let seat = Seat(Arc::clone(&self.0));
        if taken < limit {
            return Ok(seat);
        }
        Err(Failure::new(Cause::Overloaded, format!("the gateway carries {limit} requests already")))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_limit_and_every_seat_comes_back() {
        let seats = Seats::default();
        let taken: Vec<Seat> = (0..3).map(|_| seats.take(3).expect("free")).collect();
        assert_eq!(seats.take(3).expect_err("full").cause, Cause::Overloaded);
        assert!(seats.take(4).is_ok(), "a refusal keeps no seat");
        drop(taken);
        assert_eq!(seats.0.load(Ordering::Relaxed), 0);
    }
}
