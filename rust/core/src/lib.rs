//! Decisions over bytes and numbers.
//!
//! Nothing here opens a socket, reads a clock, draws a random number, looks at the environment or knows Python:
//! whatever a decision needs is an argument. `clippy.toml` keeps it so.

<<<<<<< HEAD
pub mod dialects;
pub mod failure;
pub mod json;
pub mod keys;
pub mod routing;
pub mod sse;
=======
pub mod config_text;
>>>>>>> config
pub mod tables;
