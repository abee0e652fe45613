//! One core's memory of whose requests came lately.

use std::sync::{Arc, Weak};

use fastgate_core::limits::{Applied, RecentAskers, Who};

use crate::snapshot::Snapshot;

/// Askers, and the configuration that they asked under.
#[derive(Debug, Default)]
pub(crate) struct Askers {
    recent: RecentAskers,
    /// Not what it holds, which may be gone; but while this is there no other has its address.
    snapshot: Weak<Snapshot>,
}

impl Askers {
    /// The rules that apply to a request, as the configuration says.
    pub(super) fn applied(&mut self, snapshot: &Arc<Snapshot>, who: &Who<'_>) -> Vec<Applied> {
        if self.snapshot.as_ptr() != Arc::as_ptr(snapshot) {
            self.recent.forget();
            self.snapshot = Arc::downgrade(snapshot);
        }
        self.recent.applied(&snapshot.limit_rules, who)
    }
}
