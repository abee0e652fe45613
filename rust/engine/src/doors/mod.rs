//! Doors move bytes between clients and the engine; all decisions are behind them.

mod accept;
pub mod admin;
pub mod admin_bridge;
mod held;
pub mod mailbox;
pub mod native;
pub mod queue;
mod seats;
mod tls;
mod watch;
