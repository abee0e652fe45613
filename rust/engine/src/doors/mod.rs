//! Doors move bytes between clients and the engine; all decisions are behind them.

pub mod admin;
pub mod native;
mod tls;
