//! Bounded sets of label values, shared by all cores and known to each.
//!
//! A model's name may be any text a client sends, and every new value would be a new time series for good. So the first
//! `limit` values get an id; what comes later is [`OTHER`]. A core asks the shared set once per value, or, when that is
//! full, once for the whole set: after that a look-up is one hash and takes no lock.

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::Arc;

use foldhash::{HashMap, HashMapExt};
use parking_lot::Mutex;

/// The id of everything beyond the bound.
pub const OTHER: u32 = 0;

/// What [`OTHER`] is called.
pub const OTHER_NAME: &str = "other";

/// At most `limit` values with an id each, from 1.
#[derive(Debug)]
pub struct BoundedSet<K> {
    limit: usize,
    ids: Mutex<HashMap<K, u32>>,
}

impl<K: Clone + Eq + Hash> BoundedSet<K> {
    /// An empty set.
    #[must_use]
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, ids: Mutex::default() })
    }

    /// How many values have an id.
    pub fn len(&self) -> usize {
        self.ids.lock().len()
    }

    /// Whether no value has.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One core's knowledge of a set.
#[derive(Debug)]
pub struct Known<K> {
    set: Arc<BoundedSet<K>>,
    ids: HashMap<K, u32>,
    /// The set is full and all of it is in `ids`.
    is_complete: bool,
}

impl<K: Clone + Eq + Hash> Known<K> {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(set: Arc<BoundedSet<K>>) -> Self {
        Self { set, ids: HashMap::new(), is_complete: false }
    }

    /// The value's id; [`OTHER`] where the set was full before it came. Allocates only for a value that is new here.
    pub fn id<Q>(&mut self, value: &Q) -> u32
    where
        Q: Eq + Hash + ToOwned<Owned = K> + ?Sized,
        K: Borrow<Q>,
    {
        match self.ids.get(value) {
            Some(id) => *id,
            None if self.is_complete => OTHER,
            None => self.learn(value.to_owned()),
        }
    }

    #[cold]
    fn learn(&mut self, value: K) -> u32 {
        let mut ids = self.set.ids.lock();
        if let Some(id) = ids.get(&value) {
            self.ids.insert(value, *id);
            return *id;
        }
        if ids.len() >= self.set.limit {
            self.ids.clone_from(&ids);
            self.is_complete = true;
            return OTHER;
        }
        let id = u32::try_from(ids.len() + 1).unwrap_or(OTHER);
        ids.insert(value.clone(), id);
        self.ids.insert(value, id);
        id
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// However values reach the cores: all agree on every id, and no more than the limit have one.
        #[test]
        fn cores_agree_and_the_bound_holds(asked in prop::collection::vec((0_usize..3, 0_u32..40), 1..200)) {
            let set: Arc<BoundedSet<String>> = BoundedSet::new(10);
            let mut cores: Vec<_> = (0..3).map(|_| Known::new(Arc::clone(&set))).collect();
            let mut seen: HashMap<u32, u32> = HashMap::new();
            for (core, value) in asked {
                let id = cores[core].id(value.to_string().as_str());
                prop_assert_eq!(*seen.entry(value).or_insert(id), id);
            }
            let ids: HashSet<u32> = seen.values().copied().filter(|id| *id != OTHER).collect();
            prop_assert_eq!(ids.len(), seen.len().min(10));
            prop_assert_eq!(set.len(), ids.len());
        }
    }
}
