//! What customers may use, and what providers let deployments do, in shared memory.
//!
//! The decisions are `fastgate_core::limits`'; here are the clock, the locks and the names by which counts survive a
//! reload. Lock order: shards of the book in ascending order, which nothing else is locked under; the tier queues, then a
//! deployment's meter, a credential's, the pair's; health is last.

mod admission;
mod askers;
pub mod book;
pub(crate) mod capacity;
mod costs;
mod customers;
mod denial;
mod events;
mod headers;
mod held;
mod identity;
mod line;
pub(crate) mod queue;
mod raises;
mod registry;
mod reservation;
mod restore;
mod room;
mod shard;
mod standings;
mod sync;
mod taken;
mod ticket;
mod total;

pub(crate) use self::admission::{apply, cover, reserve};
pub(crate) use self::askers::Askers;
pub(crate) use self::capacity::{Capacities, Credentials};
pub(crate) use self::customers::Customers;
pub(crate) use self::queue::TierStanding;
pub(crate) use self::registry::CapacityRegistry;
pub(crate) use self::reservation::Reservation;
pub(crate) use self::restore::restore;
pub(crate) use self::room::{need, take, wait};
pub(crate) use self::taken::Taken;

#[cfg(test)]
mod book_tests;
#[cfg(test)]
mod interleaved;
