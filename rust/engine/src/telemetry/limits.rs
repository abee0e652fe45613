//! What `/metrics` shows of limits: who waits for a provider's capacity, and how many identities are counted.

use super::metrics::{self, Metric};
use super::text::{Page, decimal};
use crate::gateway::Shared;
use crate::limits::TierStanding;

const SECOND_NS: u32 = 1_000_000_000;

/// Adds it to the page.
pub(super) fn expose(page: &mut Page, shared: &Shared) {
    let tiers = shared.capacity.queues().standing();
    let mut show = |metric: &Metric, value: fn(&TierStanding) -> String| {
        page.begin(metric);
        for tier in &tiers {
            page.sample(metric, &[("tier", tier.tier.as_deref().unwrap_or_default())], value(tier));
        }
    };
    show(&metrics::QUEUE_WAITING, |tier| tier.waiting.to_string());
    show(&metrics::QUEUE_SERVED, |tier| tier.served.to_string());
    show(&metrics::QUEUE_WAIT, |tier| decimal(tier.waited.as_nanos(), SECOND_NS));
    page.begin(&metrics::QUEUE_REFUSED);
    for tier in &tiers {
        let name = tier.tier.as_deref().unwrap_or_default();
        for (reason, count) in [("full", tier.refused_full), ("late", tier.refused_late), ("left", tier.left)] {
            page.sample(&metrics::QUEUE_REFUSED, &[("tier", name), ("reason", reason)], count);
        }
    }
    page.single(&metrics::LIMIT_IDENTITIES, shared.customers.book.identities());
    page.single(&metrics::LIMIT_SHARED, shared.customers.book.shared_identities());
}
