//! How many connections there are to each origin, over all cores and configurations, for metrics.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

/// Connections to one origin.
#[derive(Debug, Default)]
pub(crate) struct ConnectionCounts {
    open: AtomicUsize,
    idle: AtomicUsize,
}

impl ConnectionCounts {
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// As of each core's last sweep: a shared count per request would be a cache line between cores.
    pub(crate) fn idle(&self) -> usize {
        self.idle.load(Ordering::Relaxed)
    }
}

/// One open connection.
#[derive(Debug)]
pub(crate) struct OpenConnection(Arc<ConnectionCounts>);

impl OpenConnection {
    pub(super) fn new(counts: &Arc<ConnectionCounts>) -> Self {
        counts.open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(counts))
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One core's share of the idle ones.
#[derive(Debug)]
pub(super) struct IdleShare {
    counts: Arc<ConnectionCounts>,
    share: usize,
}

impl IdleShare {
    pub(super) fn new(counts: &Arc<ConnectionCounts>) -> Self {
        Self { counts: Arc::clone(counts), share: 0 }
    }

    pub(super) fn set(&mut self, share: usize) {
        self.counts.idle.fetch_add(share, Ordering::Relaxed);
        self.counts.idle.fetch_sub(std::mem::replace(&mut self.share, share), Ordering::Relaxed);
    }
}

impl Drop for IdleShare {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// Counts by origin; a reload finds those of the configuration before.
#[derive(Debug, Default)]
pub(crate) struct CountsByOrigin(Mutex<HashMap<String, Arc<ConnectionCounts>>>);

impl CountsByOrigin {
    /// The counts of the origin with this key. Those that nobody uses any more are dropped.
    pub(super) fn of(&self, key: &str) -> Arc<ConnectionCounts> {
        let mut by_origin = self.0.lock();
        by_origin.retain(|_, counts| Arc::strong_count(counts) > 1);
        Arc::clone(by_origin.entry(key.to_owned()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_survive_a_reload_and_end_with_their_last_user() {
        let by_origin = CountsByOrigin::default();
        let before = by_origin.of("a");
        let open = OpenConnection::new(&before);
        let mut core = IdleShare::new(&before);
        core.set(3);
        let other = IdleShare::new(&before);
        core.set(1);
        drop(before);
        let after = by_origin.of("a");
        assert_eq!((after.open(), after.idle()), (1, 1));
        drop((open, core, other));
        assert_eq!((after.open(), after.idle()), (0, 0));
        drop(after);
        by_origin.of("b");
        assert_eq!(by_origin.0.lock().len(), 1);
    }
}
