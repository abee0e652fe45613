//! Limits that are higher for a while, as the control plane says.

use arc_swap::ArcSwap;
use fastgate_core::limits::{Applied, Who};
use fastgate_core::tables::Tables;
use foldhash::HashMap;
use serde::Deserialize;

use super::identity::{SCOPES, name};

/// One raise.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raise {
    /// Name of the rule.
    rule: String,
    /// Whose count, by scope; `None`: everybody's.
    identity: Option<HashMap<String, String>>,
    /// Units or picodollars.
    amount: u64,
    ends_unix_ms: u64,
}

/// All raises that hold.
#[derive(Debug, Default)]
pub(super) struct Raises(ArcSwap<Vec<Raise>>);

impl Raises {
    /// Replaces them.
    ///
    /// # Errors
    /// What is wrong with the document.
    pub(super) fn set(&self, document: &[u8]) -> Result<(), String> {
        let raises = serde_json::from_slice(document).map_err(|error| format!("raises: {error}"))?;
        self.0.store(std::sync::Arc::new(raises));
        Ok(())
    }

    /// Raises what applies to a request. A burst grows with its amount.
    pub(super) fn apply(&self, applied: &mut [Applied], who: &Who<'_>, tables: &Tables, now_unix_ms: impl Fn() -> u64) {
        let raises = self.0.load();
        if raises.is_empty() {
            return;
        }
        let now_unix_ms = now_unix_ms();
        for applied in applied {
            let rule = &tables.limits[applied.rule].name;
            let highest = raises
                .iter()
                .filter(|raise| raise.rule == *rule && raise.ends_unix_ms > now_unix_ms && raise.is_of(who, tables))
                .map(|raise| raise.amount)
                .max();
            let allowance = &mut applied.allowance;
            if let Some(amount) = highest.filter(|amount| *amount > allowance.amount) {
                let burst = u128::from(allowance.burst) * u128::from(amount) / u128::from(allowance.amount.max(1));
                allowance.burst = u64::try_from(burst).unwrap_or(u64::MAX).max(allowance.burst);
                allowance.amount = amount;
            }
        }
    }
}

impl Raise {
    fn is_of(&self, who: &Who<'_>, tables: &Tables) -> bool {
        self.identity.iter().flatten().all(|(word, wanted)| {
            let scope = SCOPES.iter().find(|(_, known)| known == word).map(|(scope, _)| *scope);
            scope.and_then(|scope| name(scope, who, tables)).is_some_and(|name| name == wanted)
        })
    }
}
