//! The data path: everything between the client's socket and the provider's.
//!
//! One current-thread runtime per core; a request never crosses cores. `entry` sorts requests by path, `exchange` is
//! the only place that knows the order of the stages, `flight` is the upstream half, `doors` move bytes.

mod answer;
mod arriving;
pub mod body;
mod choice;
mod client_tokens;
pub mod doors;
pub mod entry;
mod exchange;
mod flight;
pub mod gateway;
mod gather;
pub mod guard;
mod identity;
mod joined;
mod local;
mod made;
pub mod mock;
mod operation;
mod payload;
pub mod rates;
pub mod record;
mod record_json;
mod relay;
pub mod settlement;
pub mod snapshot;
pub mod spool;
pub mod telemetry;
#[cfg(test)]
mod testing;
mod upload;
mod upstream;
pub mod vocabularies;
pub mod worker;
