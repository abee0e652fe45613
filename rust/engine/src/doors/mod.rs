//! Doors move bytes between clients and the engine; all decisions are behind them.

pub mod admin;
pub mod mailbox;
pub mod native;
pub mod queue;
mod tls;
