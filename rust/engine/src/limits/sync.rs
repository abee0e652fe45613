//! What the book locks with. The test of its interleavings puts another module in this one's place.

pub(super) use std::sync::Arc;
pub(super) use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

pub(super) use parking_lot::{Mutex, MutexGuard};
