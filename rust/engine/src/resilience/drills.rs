//! Failover drills: attempts at a provider that are made to fail before they are sent, for chosen traffic, so that the
//! real failover path is taken while the provider is well.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use fastgate_core::failure::{Cause, Failure};
use fastgate_core::resilience::{Action, Reason, Verdict};
use serde::Deserialize;

use crate::attempt::{Failed, FailedAttempt};
use crate::record::Record;
use crate::settlement::Outcome;
use crate::snapshot::Snapshot;
use crate::worker::Worker;

/// A drill as the control plane describes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    id: String,
    provider: String,
    /// Share of the traffic, in thousandths.
    permille: u32,
    /// Whose traffic; `None`: everybody's.
    tenants: Option<Vec<String>>,
    features: Option<Vec<String>>,
    ends_unix_ms: u64,
}

/// A drill under way.
#[derive(Debug)]
pub struct Drill {
    description: Description,
    ends_at: SystemTime,
    /// Kept over a change of the list, also for exchanges that are under way then.
    counts: Arc<Counts>,
}

/// What a drill has done so far.
#[derive(Debug, Default)]
struct Counts {
    /// Exchanges that it changed, settled.
    exchanges: AtomicU64,
    /// Those that were not answered.
    failed: AtomicU64,
    /// Attempts that it made to fail.
    forced: AtomicU64,
}

/// All drills under way.
#[derive(Debug, Default)]
pub(crate) struct Drills(ArcSwap<Vec<Arc<Drill>>>);

impl Drills {
    /// Replaces the drills; one that goes on keeps its counts.
    ///
    /// # Errors
    /// What is wrong with the document.
    pub(crate) fn set(&self, document: &[u8]) -> Result<(), String> {
        let descriptions: Vec<Description> =
            serde_json::from_slice(document).map_err(|error| format!("drills: {error}"))?;
        let before = self.0.load();
        let carry_on = |description: Description| {
            let kept = before.iter().find(|drill| drill.description.id == description.id);
            Arc::new(Drill {
                ends_at: SystemTime::UNIX_EPOCH + Duration::from_millis(description.ends_unix_ms),
                counts: kept.map(|drill| Arc::clone(&drill.counts)).unwrap_or_default(),
                description,
            })
        };
        self.0.store(Arc::new(descriptions.into_iter().map(carry_on).collect()));
        Ok(())
    }

    /// What each has done so far, as JSON: `{id: {exchanges, failed, forced}}`.
    pub(crate) fn counts(&self) -> Vec<u8> {
        let counts: serde_json::Map<_, _> = self
            .0
            .load()
            .iter()
            .map(|drill| {
                let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
                let counts = serde_json::json!({
                    "exchanges": count(&drill.counts.exchanges),
                    "failed": count(&drill.counts.failed),
                    "forced": count(&drill.counts.forced),
                });
                (drill.description.id.clone(), counts)
            })
            .collect();
        serde_json::Value::Object(counts).to_string().into_bytes()
    }

    /// The drill that this exchange falls to, if there is one.
    pub(crate) fn draw(&self, worker: &Worker, record: &Record) -> Option<Arc<Drill>> {
        let drills = self.0.load();
        if drills.is_empty() {
            return None;
        }
        let tenant = record.tenant.map(|index| record.snapshot.tables.tenants[index].id.as_str());
        let feature = record.identity.feature.as_deref();
        drills.iter().find(|drill| drill.concerns(tenant, feature, record.started_at, worker.random())).cloned()
    }
}

impl Drill {
    pub(crate) fn id(&self) -> &str {
        &self.description.id
    }

    fn concerns(&self, tenant: Option<&str>, feature: Option<&str>, now: SystemTime, random: u64) -> bool {
        let is_among = |names: &Option<Vec<String>>, name: Option<&str>| {
            names.as_ref().is_none_or(|names| name.is_some_and(|name| names.iter().any(|known| known == name)))
        };
        now < self.ends_at
            && is_among(&self.description.tenants, tenant)
            && is_among(&self.description.features, feature)
            && random % 1000 < u64::from(self.description.permille)
    }

    /// Whether calls to this deployment fail.
    pub(crate) fn forces(&self, snapshot: &Snapshot, deployment: usize) -> bool {
        snapshot.provider(deployment).id == self.description.provider
    }

    /// A call to a deployment that is not made.
    pub(crate) fn force(&self, deployment: &str) -> Failed {
        self.counts.forced.fetch_add(1, Ordering::Relaxed);
        let verdict = Verdict { action: Action::Move, reason: Reason::Drill, pause_ns: None };
        let message = format!("{deployment}: a failover drill keeps requests from this provider");
        FailedAttempt::new(verdict, Failure::new(Cause::ProviderFailed, message), None).into()
    }

    /// An exchange that it changed is settled.
    pub(crate) fn note(&self, outcome: Outcome) {
        self.counts.exchanges.fetch_add(1, Ordering::Relaxed);
        if !matches!(outcome, Outcome::Answered | Outcome::ClientGone) {
            self.counts.failed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn drills(members: &serde_json::Value) -> Drills {
        let mut drill = json!({"id": "d", "provider": "p", "permille": 100, "tenants": ["staging"], "features": null,
            "ends_unix_ms": 2_000_000_000_000_u64});
        for (name, value) in members.as_object().expect("an object") {
            drill[name] = value.clone();
        }
        let drills = Drills::default();
        drills.set(json!([drill]).to_string().as_bytes()).expect("valid");
        drills
    }

    #[test]
    fn concerns_the_chosen_share_of_the_chosen_traffic_until_it_ends() {
        let at = |unix_s| SystemTime::UNIX_EPOCH + Duration::from_secs(unix_s);
        let drills = drills(&json!({}));
        let drill = Arc::clone(&drills.0.load()[0]);
        let share = (0..1000).filter(|draw| drill.concerns(Some("staging"), None, at(1), *draw)).count();
        assert_eq!(share, 100);
        assert!(!drill.concerns(Some("acme"), None, at(1), 0) && !drill.concerns(None, None, at(1), 0));
        assert!(!drill.concerns(Some("staging"), None, at(2_000_000_000), 0));
    }

    #[test]
    fn a_drill_that_goes_on_keeps_its_counts() {
        let drills = drills(&json!({}));
        let drill = Arc::clone(&drills.0.load()[0]);
        drill.force("a");
        drill.note(Outcome::Answered);
        let description = json!([{"id": "d", "provider": "p", "permille": 5, "tenants": null, "features": null,
            "ends_unix_ms": 1}, {"id": "e", "provider": "p", "permille": 5, "tenants": null, "features": null,
            "ends_unix_ms": 1}]);
        drills.set(description.to_string().as_bytes()).expect("valid");
        // One that was under way when the list changed counts as well.
        drill.note(Outcome::Failed(Cause::ProviderFailed));
        let counts: serde_json::Value = serde_json::from_slice(&drills.counts()).expect("JSON");
        assert_eq!(counts["d"], json!({"exchanges": 2, "failed": 1, "forced": 1}));
        assert_eq!(counts["e"]["exchanges"], 0);
        assert!(drills.set(b"[{}]").is_err());
    }
}
