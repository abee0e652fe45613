//! The book as it was before the gateway stopped: everything that counts is in the spool.
//!
//! What was reserved under a hard limit and never settled, because the process died, counts as used in full. A record
//! says so from then on, so that ledger and limits tell the same.

use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use fastgate_core::json_object::JsonObject;
use fastgate_core::limits::{Amounts, Now, Rules, Who};
use fastgate_core::tables::Tables;
use fastgate_core::tables::limits::{Period, Resource, Window};
use fastgate_core::usage::Usage;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::customers::Customers;
use crate::record::RECORD_VERSION;
use crate::record_json::Whose;
use crate::settlement::Outcome;
use crate::spool::{SpoolReader, SpoolWriter};

const BATCH_BYTES: usize = 1 << 20;
/// A reservation is settled within this time of its segment's last record, or never: exchanges are not longer.
const EXCHANGE_S: u64 = 3600;

/// What the record of a reservation begins with.
const RESERVATION: &[u8] = br#"{"v":1,"type":"reservation","#;

/// What a record says of use.
#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    id: Cow<'a, str>,
    started_unix_us: u64,
    #[serde(borrow, default)]
    operation: Cow<'a, str>,
    #[serde(borrow, default)]
    tenant: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    user: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    feature: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    session: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    key: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    model: Option<Cow<'a, str>>,
    #[serde(default)]
    attempts: u32,
    #[serde(default)]
    counted_by: Option<IgnoredAny>,
    #[serde(default)]
    usage: Option<Usage>,
    #[serde(default)]
    cost_pusd: Option<i64>,
    #[serde(default)]
    trail: Vec<Billed>,
    #[serde(default)]
    input_tokens: u64,
    #[serde(default)]
    output_tokens: u64,
}

#[derive(Deserialize)]
struct Billed {
    #[serde(default)]
    usage: Option<Usage>,
    #[serde(default)]
    cost_pusd: Option<i64>,
}

/// A reservation that is not settled, and what its record says.
struct Open {
    payload: Vec<u8>,
    cost_pusd: u64,
}

/// Books everything in the spool that a rule still counts, and settles what is open.
///
/// # Errors
/// The spool can't be read, or what was lost can't be written down: then nothing may be served, for nobody knows what
/// is left.
pub(crate) fn restore(
    customers: &Customers,
    rules: &Rules,
    tables: &Tables,
    directory: &Path,
    writer: &mut SpoolWriter,
) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("what was used can't be read from {}: {error}", directory.display());
    let now = customers.present();
    let since = SystemTime::now().checked_sub(longest_window(tables));
    let since_us = since.map_or(0, |since| crate::clock::microseconds(crate::clock::since_1970(since)));
    let tenants = tables.tenants.iter().enumerate().map(|(index, tenant)| (tenant.id.as_str(), index)).collect();
    let replay = Replay { customers, rules, tables, tenants, now, since_us };
    let mut reader = SpoolReader::open(directory, since).map_err(failed)?;
    let mut open: HashMap<String, Open> = HashMap::new();
    while let Some(batch) = reader.next_batch(BATCH_BYTES) {
        for payload in batch.records() {
            // Without limits only what was lost matters, and it has a reservation.
            if tables.limits.is_empty() && open.is_empty() && !payload.starts_with(RESERVATION) {
                continue;
            }
            // What can't be read can't be counted; `fastgate spool check` names it.
            let Ok(entry) = serde_json::from_slice::<Entry<'_>>(payload) else { continue };
            match entry.kind.as_deref() {
                None => {
                    let reserved = open.remove(&*entry.id);
                    replay.book(&entry, entry.used(reserved.as_ref()));
                }
                Some("reservation") => {
                    let cost_pusd = entry.cost_pusd.map_or(0, i64::unsigned_abs);
                    open.insert(entry.id.clone().into_owned(), Open { payload: payload.to_vec(), cost_pusd });
                }
                Some("correction") => {
                    let cost_pusd = entry.cost_pusd.unwrap_or(0).max(0).unsigned_abs();
                    replay.book(&entry, Amounts { cost_pusd, ..Amounts::default() });
                }
                Some(_) => {}
            }
        }
    }
    for lost in open.values() {
        let Ok(entry) = serde_json::from_slice::<Entry<'_>>(&lost.payload) else { continue };
        writer.append(&entry.lost(lost.cost_pusd)).map_err(failed)?;
        let used = Amounts {
            requests: 1,
            input_tokens: entry.input_tokens,
            output_tokens: entry.output_tokens,
            cost_pusd: lost.cost_pusd,
        };
        replay.book(&entry, used);
    }
    Ok(())
}

struct Replay<'a> {
    customers: &'a Customers,
    rules: &'a Rules,
    tables: &'a Tables,
    /// Indices by name.
    tenants: HashMap<&'a str, usize>,
    now: Now,
    since_us: u64,
}

impl Replay<'_> {
    fn book(&self, entry: &Entry<'_>, used: Amounts) {
        let Some(tenant) = entry.tenant.as_deref().and_then(|id| self.tenants.get(id)).copied() else { return };
        if entry.started_unix_us < self.since_us {
            return;
        }
        let who = Who {
            tenant,
            tier: self.tables.tenants[tenant].tier,
            key: entry.key.as_deref(),
            user: entry.user.as_deref(),
            feature: entry.feature.as_deref(),
            session: entry.session.as_deref(),
            model: entry.model.as_deref(),
        };
        let mut at = Now::at_unix_us(entry.started_unix_us);
        // A clock that was ahead must not make limits wait for it.
        at.steady_ns = at.steady_ns.min(self.now.steady_ns);
        at.unix_s = at.unix_s.min(self.now.unix_s);
        for applied in self.rules.applied(&who) {
            let resource = self.tables.limits[applied.rule].resource;
            // Nothing that is over is under way.
            if resource != Resource::Concurrent {
                self.customers.book.add(self.rules, &applied, used.of(resource), at);
            }
        }
    }
}

impl Entry<'_> {
    /// What an exchange used; what it had reserved, where nobody knows what that cost.
    fn used(&self, reserved: Option<&Open>) -> Amounts {
        let was_served = self.attempts > 0 || self.counted_by.is_some();
        let mut used = Amounts { requests: u64::from(was_served), ..Amounts::default() };
        let last = Billed { usage: self.usage, cost_pusd: self.cost_pusd };
        let mut is_known = true;
        for billed in self.trail.iter().chain([&last]) {
            if let Some(usage) = &billed.usage {
                used.add_tokens(usage);
                is_known &= billed.cost_pusd.is_some();
            }
            used.cost_pusd = used.cost_pusd.saturating_add(u64::try_from(billed.cost_pusd.unwrap_or(0)).unwrap_or(0));
        }
        if let Some(reserved) = reserved.filter(|_| !is_known) {
            used.cost_pusd = used.cost_pusd.max(reserved.cost_pusd);
        }
        used
    }

    /// The record of an exchange that the gateway died in.
    fn lost(&self, cost_pusd: u64) -> Vec<u8> {
        let mut record = Vec::new();
        let mut object = JsonObject::begin(&mut record);
        object.number("v", RECORD_VERSION);
        object.text("id", &self.id);
        object.number("started_unix_us", self.started_unix_us);
        object.text("operation", &self.operation);
        let whose = Whose {
            tenant: self.tenant.as_deref(),
            user: self.user.as_deref(),
            feature: self.feature.as_deref(),
            session: self.session.as_deref(),
            key: self.key.as_deref(),
        };
        whose.write(&mut object);
        object.text_or_null("model", self.model.as_deref());
        object.number("attempts", 1);
        object.literal("status", b"null");
        object.text("outcome", Outcome::Lost.name());
        object.text("fault", Outcome::Lost.fault());
        object.object("usage", |object| {
            object.number("input_tokens", self.input_tokens);
            object.number("output_tokens", self.output_tokens);
        });
        object.flag("usage_estimated", true);
        object.number("cost_pusd", cost_pusd);
        object.end();
        record
    }
}

/// How far back anything counts.
fn longest_window(tables: &Tables) -> Duration {
    const DAY: Duration = Duration::from_secs(86_400);
    let of = |window: &Window| match window {
        Window::None => Duration::ZERO,
        Window::Rate { period_ms, .. } => Duration::from_millis(*period_ms),
        // A sub-window more, since a window begins with a whole one.
        Window::Sliding { window_ms } => Duration::from_millis(*window_ms) * 2,
        Window::Calendar { period: Period::Day, .. } => DAY * 2,
        Window::Calendar { period: Period::Week, .. } => DAY * 8,
        Window::Calendar { period: Period::Month, .. } => DAY * 32,
    };
    let longest = tables.limits.iter().map(|rule| of(&rule.window)).max().unwrap_or_default();
    longest + Duration::from_secs(EXCHANGE_S)
}
