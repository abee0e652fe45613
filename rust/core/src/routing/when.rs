//! A row's conditions, weighed one by one as they are written: for explanations, for errors, and as what
//! [`super::Policy`]'s compiled form is tested against.

use serde::Serialize;

use super::Asking;
use super::capabilities::CapabilitySet;
use crate::tables::{Tables, When};

/// What a condition of a row looks at.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "named as the fields of `When`")]
pub enum Dimension {
    Tenant,
    Tier,
    User,
    Feature,
    Region,
    Latency,
    CostClass,
    Capability,
    Model,
    ContextOver,
    Hours,
    Load,
}

impl Dimension {
    /// Its word in configuration and explanations.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Tier => "tier",
            Self::User => "user",
            Self::Feature => "feature",
            Self::Region => "region",
            Self::Latency => "latency",
            Self::CostClass => "cost_class",
            Self::Capability => "capability",
            Self::Model => "model",
            Self::ContextOver => "context_over",
            Self::Hours => "hour",
            Self::Load => "load",
        }
    }

    /// Whether it changes by itself, so that the same request may match later.
    #[must_use]
    pub const fn is_passing(self) -> bool {
        matches!(self, Self::Hours | Self::Load)
    }
}

/// The region a request is bound to: its tenant's, or else the one its header names.
pub(super) fn bound_region<'a>(tables: &'a Tables, asking: &Asking<'a>) -> Option<&'a str> {
    tables.tenants[asking.tenant].region.as_deref().or(asking.region)
}

/// The conditions of a row that do not hold, in the order of [`Dimension`].
pub(super) fn failing<'a>(
    when: &'a When,
    tables: &'a Tables,
    asking: &'a Asking<'_>,
) -> impl Iterator<Item = Dimension> + 'a {
    let tenant = &tables.tenants[asking.tenant];
    let region = bound_region(tables, asking);
    let needed = asking.needs.capabilities;
    let hour = 1 << (asking.hour % 24);
    let model = Some(asking.model);
    [
        (Dimension::Tenant, is_any(when.tenant.as_deref(), |one| *one == asking.tenant)),
        (Dimension::Tier, is_any(when.tier.as_deref(), |one| Some(*one) == tenant.tier)),
        (Dimension::User, is_any(when.user.as_deref(), |one| Some(one.as_str()) == asking.user)),
        (Dimension::Feature, is_any(when.feature.as_deref(), |one| Some(one.as_str()) == asking.feature)),
        (Dimension::Region, is_any(when.region.as_deref(), |one| Some(one.as_str()) == region)),
        (Dimension::Latency, is_any(when.latency.as_deref(), |one| *one == asking.latency.unwrap_or_default())),
        (Dimension::CostClass, is_any(when.cost_class.as_deref(), |one| Some(one.as_str()) == asking.cost_class)),
        (Dimension::Capability, is_any(when.capability.as_deref(), |one| needed.contains(*one))),
        (Dimension::Model, is_any(when.model.as_deref(), |one| Some(one.as_str()) == model)),
        (Dimension::ContextOver, when.context_over.is_none_or(|limit| asking.needs.input_tokens > limit)),
        (Dimension::Hours, when.hours.is_none_or(|hours| hours & hour != 0)),
        (Dimension::Load, when.load_permille.is_none_or(|least| asking.load_permille >= least)),
    ]
    .into_iter()
    .filter(|(_, holds)| !holds)
    .map(|(dimension, _)| dimension)
}

fn is_any<T>(values: Option<&[T]>, is_it: impl Fn(&T) -> bool) -> bool {
    values.is_none_or(|values| values.iter().any(is_it))
}

/// The capabilities of which a row wants any; `None`: it does not ask.
pub(super) fn capabilities(when: &When) -> Option<CapabilitySet> {
    when.capability.as_ref().map(|capabilities| capabilities.iter().copied().collect())
}
