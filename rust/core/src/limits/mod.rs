//! How much may pass: rates by the generic cell rate algorithm, with reservations.
//!
//! Nothing here locks or reads a clock. Asking and charging are two calls, so that a caller that holds several buckets
//! can ask all of them before it charges any.

pub mod gcra;
pub mod limiter;
pub mod outputs;
