//! What a request holds until it is known what it used.

use fastgate_core::limits::{HoldId, Now, Standing};
use fastgate_core::tables::limits::Resource;

use super::book::Book;
use super::sync::Arc;

/// Reservations on several meters, settled together by [`Book::settle`].
///
/// It needs no rules for that, so a request that outlives a reload settles where it reserved. Dropping it instead is a
/// bug, but no leak: everything counts as used as it was reserved then, and what is concurrent is over. As the exchange
/// owns it, there are no lost holders, and no time-out looks for them.
#[derive(Debug)]
#[must_use = "what is held is settled by `Book::settle`"]
pub struct Held {
    pub(super) book: Arc<Book>,
    pub(super) parts: Vec<Part>,
    pub(super) at: Now,
}

/// What is held on one meter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// The meter that was asked for.
    pub(super) asked: u128,
    /// The one that it counts on: the same, or the one that is shared.
    pub(super) meter: u128,
    pub(super) hold: HoldId,
    pub(super) cost: u64,
    pub(super) resource: Resource,
    /// Where the meter stood with this on it.
    pub(super) standing: Standing,
}

impl Held {
    /// Where the meters stood with the reservation on them, in the order of what was asked.
    pub(super) fn standings(&self) -> impl Iterator<Item = Standing> {
        self.parts.iter().map(|part| part.standing)
    }

    /// What is reserved of a resource: the highest of its meters' costs.
    #[must_use]
    pub fn cost(&self, resource: Resource) -> u64 {
        let of_resource = |part: &&Part| part.resource == resource;
        let total = |asked: u128| self.parts.iter().filter(|part| part.asked == asked).map(|part| part.cost).sum();
        self.parts.iter().filter(of_resource).map(|part| total(part.asked)).max().unwrap_or(0)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let parts = std::mem::take(&mut self.parts);
        self.book.close(&parts, |_| None, self.at);
    }
}
