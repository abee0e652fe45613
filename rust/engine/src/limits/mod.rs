//! What customers may use: the meters of all identities, shared by the cores, and what each exchange holds of them.

pub mod book;
mod costs;
mod customers;
mod denial;
mod events;
mod headers;
mod held;
mod reservation;
mod restore;
mod shard;
mod sync;
mod total;

pub(crate) use costs::{Costs, Question};
pub(crate) use customers::Customers;
pub(crate) use reservation::Reservation;
pub(crate) use restore::restore;
