//! The data path: everything between the client's socket and the provider's.
//!
//! One current-thread runtime per core; a request never crosses cores. `entry` sorts requests by path, `exchange` is
//! the only place that knows the order of the stages, `flight` is the upstream half, `doors` move bytes.

mod answer;
mod arriving;
mod attempt;
pub mod body;
mod candidates;
mod charge;
mod choice;
mod client_tokens;
mod clock;
mod counting;
mod crossing;
pub mod doors;
pub mod entry;
mod exchange;
mod exhausted;
mod explain;
mod flight;
pub mod gateway;
mod gather;
pub mod guard;
mod header_texts;
pub mod idempotency;
mod identity;
mod joined;
mod lazy_timer;
pub mod limits;
mod local;
mod made;
pub mod mock;
mod operation;
mod payload;
mod pings;
mod probe;
pub mod rates;
pub mod record;
mod record_json;
mod relay;
pub mod resilience;
pub mod settlement;
pub mod snapshot;
mod spare_headers;
pub mod spool;
pub mod telemetry;
#[cfg(test)]
mod testing;
mod trail;
mod translation;
mod upload;
mod upstream;
pub mod vocabularies;
mod wishes;
mod work_translation;
pub mod worker;
