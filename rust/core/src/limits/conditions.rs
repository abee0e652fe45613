//! Whose requests a rule is about, beyond what the index has looked at already.

use super::rules::Who;
use crate::tables::limits::LimitWhen;

/// Conditions with what they take sorted; `None` does not matter.
#[derive(Debug)]
pub(super) struct Conditions {
    tenant: Option<Vec<usize>>,
    tier: Option<Vec<usize>>,
    user: Option<Vec<String>>,
    feature: Option<Vec<String>>,
    model: Option<Vec<String>>,
}

/// The condition that a rule is filed under: one that few requests meet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum FiledUnder<'a> {
    Key(&'a [String]),
    User(&'a [String]),
    Feature(&'a [String]),
    Model(&'a [String]),
    /// By tenant and tier, which nothing else remains of.
    Tenants,
}

impl<'a> FiledUnder<'a> {
    pub(super) fn of(when: &'a LimitWhen) -> Self {
        if let Some(keys) = &when.key {
            Self::Key(keys)
        } else if let Some(users) = &when.user {
            Self::User(users)
        } else if let Some(features) = &when.feature {
            Self::Feature(features)
        } else if let Some(models) = &when.model {
            Self::Model(models)
        } else {
            Self::Tenants
        }
    }
}

impl Conditions {
    /// What is left to look at; `None`: nothing.
    pub(super) fn beyond_index(when: &LimitWhen) -> Option<Self> {
        let filed = FiledUnder::of(when);
        let mut left = Self {
            tenant: sorted(when.tenant.as_ref()),
            tier: sorted(when.tier.as_ref()),
            user: sorted(when.user.as_ref()),
            feature: sorted(when.feature.as_ref()),
            model: sorted(when.model.as_ref()),
        };
        match filed {
            FiledUnder::Key(_) => {}
            FiledUnder::User(_) => left.user = None,
            FiledUnder::Feature(_) => left.feature = None,
            FiledUnder::Model(_) => left.model = None,
            FiledUnder::Tenants => return None,
        }
        let Self { tenant, tier, user, feature, model } = &left;
        let indices = tenant.is_some() || tier.is_some();
        (indices || user.is_some() || feature.is_some() || model.is_some()).then_some(left)
    }

    pub(super) fn are_met(&self, who: &Who<'_>) -> bool {
        takes_index(self.tenant.as_deref(), Some(who.tenant))
            && takes_index(self.tier.as_deref(), who.tier)
            && takes(self.user.as_deref(), who.user)
            && takes(self.feature.as_deref(), who.feature)
            && takes(self.model.as_deref(), who.model)
    }
}

fn sorted<T: Clone + Ord>(values: Option<&Vec<T>>) -> Option<Vec<T>> {
    let mut values = values?.clone();
    values.sort_unstable();
    Some(values)
}

fn takes_index(indices: Option<&[usize]>, index: Option<usize>) -> bool {
    indices.is_none_or(|indices| index.is_some_and(|index| indices.binary_search(&index).is_ok()))
}

fn takes(names: Option<&[String]>, name: Option<&str>) -> bool {
    let is_among = |names: &[String], name: &str| names.binary_search_by(|known| known.as_str().cmp(name)).is_ok();
    names.is_none_or(|names| name.is_some_and(|name| is_among(names, name)))
}
