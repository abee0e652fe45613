//! The health of what the gateway calls, shared by all cores and kept over a change of the configuration.
//!
//! The decisions are `fastgate_core::resilience`'s; here are the clock, the locks (one per deployment, held for
//! nanoseconds and never two at once) and the names by which health survives a reload.

mod call;
mod drills;
mod fleet;
mod registry;
mod report;

pub(crate) use call::Call;
pub use drills::Drill;
pub(crate) use fleet::{Fleet, Report};
pub use registry::Registry;
pub(crate) use report::report;
