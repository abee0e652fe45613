//! Where one limit stands for one identity.

use fastgate_core::limits::{Applied, Now, Standing};
use fastgate_core::tables::limits::{LimitRule, Window};

use super::customers::Customers;
use crate::snapshot::Snapshot;

/// Where one limit stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    /// Index of the rule.
    pub(super) rule: usize,
    pub(super) amount: u64,
    pub(super) standing: Standing,
    /// What is used of what there may be at once, reservations included, in thousandths.
    pub(super) used_permille: u64,
    /// Its warning threshold is reached.
    pub(super) is_warned: bool,
}

impl Line {
    /// A rule that applies, and where it stands.
    pub(super) fn new(rule: &LimitRule, applied: &Applied, standing: Standing) -> Self {
        let most = most(rule, applied);
        let used_permille = permille(most.saturating_sub(standing.remaining), most.max(1));
        let is_warned = rule.warn_permille.is_some_and(|share| used_permille >= u64::from(share));
        Self { rule: applied.rule, amount: applied.allowance.amount, standing, used_permille, is_warned }
    }

    /// The same now.
    pub(super) fn of(customers: &Customers, snapshot: &Snapshot, applied: &Applied, now: Now) -> Self {
        let standing = customers.book.standing(&snapshot.limit_rules, applied, now);
        Self::new(&snapshot.tables.limits[applied.rule], applied, standing)
    }
}

/// How much there may be at once: the burst of a rate, else the amount.
pub(super) fn most(rule: &LimitRule, applied: &Applied) -> u64 {
    if matches!(rule.window, Window::Rate { .. }) { applied.allowance.burst } else { applied.allowance.amount }
}

/// A part of a whole. Divided in 128 bits only where 64 do not take it, since that is several times as slow.
fn permille(part: u64, whole: u64) -> u64 {
    part.checked_mul(1000).map_or_else(
        || u64::try_from(u128::from(part) * 1000 / u128::from(whole)).unwrap_or(u64::MAX),
        |scaled| scaled / whole,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_the_same_however_wide_it_is_divided() {
        assert_eq!([permille(0, 1), permille(1, 3), permille(5, 5), permille(7, 5)], [0, 333, 1000, 1400]);
        let large = u64::MAX / 1000;
        assert_eq!([permille(large, u64::MAX), permille(large + 1, u64::MAX)], [0, 1]);
        assert_eq!(permille(u64::MAX, u64::MAX), 1000);
    }
}
