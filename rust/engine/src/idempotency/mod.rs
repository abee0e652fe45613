//! Requests that carry an `Idempotency-Key`: a repeat joins the answer under way or gets the one that is kept, so it is
//! never asked of a provider, and billed, twice.
//!
//! Whoever comes first leads: its exchange runs in a task of its own, to the end also if its client leaves, since a
//! client that lost its connection comes back with the same key. Kept are whole successes, bounded in time and bytes; what
//! failed may be tried again. Keys are a tenant's own; of them and of requests only keyed hashes are kept.

mod answer;
mod store;

pub use answer::Subscription;
pub(crate) use store::{Claim, Store};
