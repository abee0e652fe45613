//! One rate with reservations: how long one is held, and that each is settled once.
//!
//! A reservation whose holder is lost stays spent in full: giving it back would let more through than the rate
//! allows whenever the holder did use it.

use std::collections::VecDeque;

use super::gcra::{Bucket, ChargeId, Denied, Rate};

/// Reservations held at once; beyond it the oldest count as lost.
pub const HELD_MAX: usize = 65_536;

/// A bucket and the reservations on it.
#[derive(Clone, Debug)]
pub struct Limiter {
    bucket: Bucket,
    hold_ns: u64,
    /// When the reservations that are held expire, the oldest first.
    expiries: VecDeque<(u64, ChargeId)>,
    /// The latest time seen.
    now_ns: u64,
}

impl Limiter {
    /// An unused limiter whose reservations are held for `hold_ns`.
    #[must_use]
    pub fn new(rate: Rate, hold_ns: u64) -> Self {
        Self { bucket: Bucket::new(rate), hold_ns, expiries: VecDeque::new(), now_ns: 0 }
    }

    /// Its rate.
    #[must_use]
    pub const fn rate(&self) -> Rate {
        self.bucket.rate()
    }

    /// Spends `cost` units for good.
    ///
    /// # Errors
    /// [`Denied`] if they do not fit; nothing is spent then.
    pub fn acquire(&mut self, cost: u64, now_ns: u64) -> Result<(), Denied> {
        self.expire(now_ns);
        self.bucket.check(cost, self.now_ns)?;
        self.bucket.charge(cost, self.now_ns);
        Ok(())
    }

    /// Spends `cost` units until [`Self::settle`] says what was used.
    ///
    /// # Errors
    /// [`Denied`] if they do not fit; nothing is spent then.
    pub fn reserve(&mut self, cost: u64, now_ns: u64) -> Result<ChargeId, Denied> {
        self.expire(now_ns);
        self.bucket.check(cost, self.now_ns)?;
        let id = self.bucket.charge_open(cost, self.now_ns);
        self.expiries.push_back((self.now_ns.saturating_add(self.hold_ns), id));
        Ok(id)
    }

    /// Says what a reservation used: less is given back, more is taken, into debt if need be. Whether it was still
    /// held; one that is settled or expired stays as it is.
    pub fn settle(&mut self, id: ChargeId, used: u64, now_ns: u64) -> bool {
        self.expire(now_ns);
        if let Ok(at) = self.expiries.binary_search_by_key(&id, |(_, id)| *id) {
            self.expiries.remove(at);
        }
        self.bucket.settle(id, Some(used), self.now_ns)
    }

    /// Units that would fit.
    pub fn available(&mut self, now_ns: u64) -> u64 {
        self.expire(now_ns);
        self.bucket.available(self.now_ns)
    }

    /// Keeps as spent what expired.
    fn expire(&mut self, now_ns: u64) {
        self.now_ns = self.now_ns.max(now_ns);
        while let Some((expiry_ns, id)) = self.expiries.front().copied() {
            if self.now_ns < expiry_ns && self.expiries.len() <= HELD_MAX {
                return;
            }
            self.bucket.settle(id, None, self.now_ns);
            self.expiries.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    fn limiter() -> Limiter {
        Limiter::new(Rate::per_minute(600).unwrap(), 5 * SECOND_NS)
    }

    #[test]
    fn a_reservation_is_settled_once() {
        let mut limiter = limiter();
        let id = limiter.reserve(100, 0).unwrap();
        assert!(limiter.acquire(1, 0).is_err());
        assert!(limiter.settle(id, 40, 0));
        assert!(!limiter.settle(id, 0, 0));
        assert_eq!(limiter.available(0), 60);
    }

    #[test]
    fn an_excess_is_debt() {
        let mut limiter = limiter();
        let id = limiter.reserve(10, 0).unwrap();
        assert!(limiter.settle(id, 300, 0));
        assert_eq!(limiter.acquire(1, 0), Err(Denied { retry_after_ns: Some(20 * SECOND_NS + SECOND_NS / 10) }));
    }

    #[test]
    fn a_lost_reservation_stays_spent() {
        let mut limiter = limiter();
        let lost = limiter.reserve(100, 0).unwrap();
        let held = limiter.reserve(10, SECOND_NS).unwrap();
        assert!(!limiter.settle(lost, 0, 5 * SECOND_NS));
        assert_eq!(limiter.available(5 * SECOND_NS), 40);
        assert!(limiter.settle(held, 0, 5 * SECOND_NS));
        assert_eq!(limiter.available(5 * SECOND_NS), 50);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut limiter = Limiter::new(Rate::new(1, 1, 1 << 40).unwrap(), u64::MAX);
        let first = limiter.reserve(1, 0).unwrap();
        for _ in 0..HELD_MAX + 5 {
            limiter.reserve(1, 0).unwrap();
        }
        assert!(!limiter.settle(first, 0, 0));
        assert!(limiter.expiries.len() <= HELD_MAX + 1);
    }
}
