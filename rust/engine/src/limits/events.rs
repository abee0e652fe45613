//! What happened at limits that operators want to know of: warnings, downgrades, denials. The control plane takes them.

use std::collections::VecDeque;
use std::time::SystemTime;

use fastgate_core::json_object::{JsonObject, write_list};
use foldhash::HashMap;
use parking_lot::Mutex;

use super::customers::who;
use super::identity;
use crate::clock::unix_ms;
use crate::record::Record;

/// Events that wait to be taken; more are dropped, the oldest first.
const WAITING_MAX: usize = 1000;
/// The same event of the same identity is told once in so long.
const QUIET_MS: u64 = 60_000;
/// Identities that are kept quiet; at the bound all are forgotten, and may be told of again.
const QUIET_MAX: usize = 10_000;

/// What happened.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Kind {
    Warned,
    Downgraded,
    Denied,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Warned => "warned",
            Self::Downgraded => "downgraded",
            Self::Denied => "denied",
        }
    }
}

/// Events that wait to be taken.
#[derive(Debug, Default)]
pub(crate) struct Events(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    /// Each a JSON object.
    events: VecDeque<Vec<u8>>,
    told: HashMap<(Kind, u128), u64>,
}

impl Events {
    /// Notes one of a rule's meter, unless the same was told of it a moment ago.
    pub(crate) fn note(&self, kind: Kind, meter: u128, rule: usize, record: &Record, share_permille: u64) {
        let now_ms = unix_ms(SystemTime::now());
        let mut waiting = self.0.lock();
        if waiting.told.len() >= QUIET_MAX {
            waiting.told.clear();
        }
        let told_ms = waiting.told.entry((kind, meter)).or_default();
        if now_ms.saturating_sub(*told_ms) < QUIET_MS {
            return;
        }
        *told_ms = now_ms;
        if waiting.events.len() >= WAITING_MAX {
            waiting.events.pop_front();
        }
        let tables = &record.snapshot.tables;
        let mut event = Vec::new();
        let mut object = JsonObject::begin(&mut event);
        object.text("rule", &tables.limits[rule].name);
        object.text("kind", kind.name());
        if let Some(who) = who(record) {
            identity::write(&tables.limits[rule].per, &who, tables, &mut object);
        }
        object.number("share_permille", share_permille);
        object.number("unix_ms", now_ms);
        object.end();
        waiting.events.push_back(event);
    }

    /// All that wait, as a JSON list; they are told once.
    pub(crate) fn take(&self) -> Vec<u8> {
        let events = std::mem::take(&mut self.0.lock().events);
        let mut list = Vec::new();
        write_list(&mut list, events, |event, list| list.extend_from_slice(&event));
        list
    }
}
