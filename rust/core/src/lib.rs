//! Decisions over bytes and numbers.
//!
//! Nothing here opens a socket, reads a clock, draws a random number, looks at the environment or knows Python:
//! whatever a decision needs is an argument. `clippy.toml` keeps it so.

pub mod cache;
pub mod config_text;
pub mod deviations;
pub mod dialects;
pub mod failure;
pub mod http1;
pub mod json;
pub mod json_members;
pub mod json_object;
pub mod json_view;
pub mod jwt;
pub mod keys;
pub mod limits;
pub mod multipart;
pub mod neutral;
pub mod prices;
pub mod prompt_hash;
pub mod resilience;
pub mod routing;
pub mod service_tier;
pub mod spool;
pub mod sse;
pub mod tables;
pub mod telemetry;
pub mod tokens;
pub mod translators;
pub mod usage;
