//! Which rules apply to those who asked lately: of many requests most are of the same few, and to find their rules and
//! meters anew takes longer than to reserve on them.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::FixedState;

use super::meter_id::ScopeSet;
use super::rules::{Applied, Rules, Who};
use crate::tables::limits::Scope;

/// Askers there is room for; one who comes takes the place of another.
const PLACES: usize = 512;

/// For one thread and one set of rules: [`Self::forget`] has to be called before it is asked with others.
#[derive(Debug, Default)]
pub struct RecentAskers {
    /// Empty until somebody asks.
    places: Vec<Option<Asker>>,
    /// Whoever asks now, as in [`Asker::names`].
    names: Vec<u8>,
}

#[derive(Debug)]
struct Asker {
    /// All that decides which rules apply and where they count, one after the other.
    names: Box<[u8]>,
    applied: Box<[Applied]>,
}

impl RecentAskers {
    /// As [`Rules::applied`].
    pub fn applied(&mut self, rules: &Rules, who: &Who<'_>) -> Vec<Applied> {
        self.names.clear();
        write(&mut self.names, rules.named(), who);
        let mut hasher = FixedState::default().build_hasher();
        hasher.write(&self.names);
        #[expect(clippy::cast_possible_truncation, reason = "below the number of places")]
        let place = (hasher.finish() % PLACES as u64) as usize;
        if self.places.is_empty() {
            self.places.resize_with(PLACES, || None);
        }
        match &self.places[place] {
            Some(asker) if *asker.names == self.names => asker.applied.to_vec(),
            _ => {
                let applied = rules.applied(who);
                self.places[place] =
                    Some(Asker { names: self.names.as_slice().into(), applied: applied.as_slice().into() });
                applied
            }
        }
    }

    /// Other rules are in force now.
    pub fn forget(&mut self) {
        self.places.clear();
    }
}

/// Writes down who asks, as far as rules mind, so that no two read the same: each name with its length before it.
fn write(into: &mut Vec<u8>, named: ScopeSet, who: &Who<'_>) {
    into.extend_from_slice(&who.tenant.to_le_bytes());
    into.extend_from_slice(&who.tier.unwrap_or(usize::MAX).to_le_bytes());
    for (scope, name) in [
        (Scope::Key, who.key),
        (Scope::User, who.user),
        (Scope::Feature, who.feature),
        (Scope::Session, who.session),
        (Scope::Model, who.model),
    ] {
        if named.has(scope) {
            into.extend_from_slice(&name.map_or(usize::MAX, str::len).to_le_bytes());
            into.extend_from_slice(name.unwrap_or_default().as_bytes());
        }
    }
}
