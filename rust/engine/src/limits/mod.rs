//! What customers may use, and what providers let deployments do, in shared memory.
//!
//! The decisions are `fastgate_core::limits`'; here are the clock, the locks and the names by which counts survive a
//! reload. Lock order: shards of the book in ascending order, which nothing else is locked under; the tier queues, then a
//! deployment's meter, a credential's, the pair's; health is last.

pub mod book;
#[allow(dead_code, reason = "the exchange does not take capacity yet")]
pub(crate) mod capacity;
mod costs;
mod customers;
mod denial;
mod events;
mod headers;
mod held;
mod identity;
#[allow(dead_code, reason = "the exchange does not wait yet")]
pub(crate) mod queue;
mod raises;
#[allow(dead_code, reason = "as above")]
mod registry;
mod reservation;
mod restore;
mod shard;
mod standings;
mod sync;
#[allow(dead_code, reason = "as above")]
mod taken;
#[allow(dead_code, reason = "as above")]
mod ticket;
mod total;

#[allow(unused_imports, reason = "as above")]
pub(crate) use self::capacity::Capacities;
pub(crate) use self::costs::{Costs, Question};
pub(crate) use self::customers::Customers;
#[allow(unused_imports, reason = "as above")]
pub(crate) use self::queue::{QueueRefusal, QueueStanding, TierQueues, TierStanding, WaiterInfo};
#[allow(unused_imports, reason = "as above")]
pub(crate) use self::registry::CapacityRegistry;
pub(crate) use self::reservation::Reservation;
pub(crate) use self::restore::restore;
#[allow(unused_imports, reason = "as above")]
pub(crate) use self::taken::Taken;

#[cfg(test)]
mod book_tests;
#[cfg(test)]
mod interleaved;
