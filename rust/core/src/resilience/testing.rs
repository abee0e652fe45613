//! What tests of health have in common.

use crate::tables::BreakerSettings;

pub(super) const MS: u64 = 1_000_000;
pub(super) const SECOND: u64 = 1000 * MS;
/// Those of `tests/tables.json`.
pub(super) const SETTINGS: BreakerSettings = BreakerSettings {
    consecutive_failures: 5,
    success_permille: 500,
    minimum_calls: 20,
    open_ms: 2000,
    open_max_ms: 20_000,
};
