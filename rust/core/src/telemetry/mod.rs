//! What is counted, timed and written of each exchange: bounded in memory, merged only when it is read.
//!
//! Each core writes its own counters with relaxed stores; whoever reads adds the cores up. Label values come from
//! configuration and clients, so their number is bounded: beyond the bound they count as `other`.

pub mod access_line;
pub mod histogram;
pub mod labels;
pub mod recorder;
pub mod series;
pub mod trace_context;
