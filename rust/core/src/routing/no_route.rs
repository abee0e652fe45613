//! Why nothing can answer, in words for the client.

use super::capabilities::capability_name;
use super::when::{self, Dimension};
use super::{Asking, Removed};
use crate::failure::Cause;
use crate::tables::Tables;

/// Deployments that a message names before it only counts.
const NAMED_MAX: usize = 16;

/// Why nothing can answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NoRoute {
    /// Nobody serves the model.
    Unknown,
    /// No row of the model's table is for this request.
    NoRow {
        /// A row would be for it at another hour, or under another load.
        is_passing: bool,
    },
    /// A rule took out each deployment.
    Removed {
        /// The matching row; `None`: an open provider.
        row: Option<usize>,
        /// Every deployment of the row with the rule.
        removed: Vec<(usize, Removed)>,
    },
}

impl NoRoute {
    pub(super) fn no_row(tables: &Tables, asking: &Asking<'_>) -> Self {
        let rows = tables.models.get(asking.model).into_iter().flat_map(|route| &route.rows);
        let mut failing = rows.map(|row| when::failing(&row.when, tables, asking));
        Self::NoRow { is_passing: failing.any(|mut failing| failing.all(Dimension::is_passing)) }
    }

    /// The cause that the client is told.
    #[must_use]
    pub fn cause(&self) -> Cause {
        match self {
            Self::Unknown => Cause::ModelNotFound,
            Self::Removed { removed, .. } if removed.iter().any(|(_, rule)| *rule == Removed::UnknownPrice) => {
                Cause::PriceUnknown
            }
            Self::NoRow { .. } | Self::Removed { .. } => Cause::NoRoute,
        }
    }

    /// Whether the same request may find a route later, with the same configuration.
    #[must_use]
    pub const fn is_temporary(&self) -> bool {
        matches!(self, Self::NoRow { is_passing: true })
    }

    /// A sentence for the client that says which rule took out which deployment.
    #[must_use]
    pub fn message(&self, tables: &Tables, asking: &Asking<'_>) -> String {
        let model = asking.model;
        match self {
            Self::Unknown => format!("the model `{model}` does not exist here"),
            Self::NoRow { is_passing: true } => {
                format!("no row of `{model}` is for this request at this hour and load")
            }
            Self::NoRow { is_passing: false } => format!("no row of `{model}` is for this request"),
            Self::Removed { removed, .. } => {
                let reasons = removed.iter().take(NAMED_MAX).map(|(deployment, rule)| {
                    format!("{} {}", tables.deployments[*deployment].id, rule.reason(tables, asking))
                });
                let mut reasons: Vec<String> = reasons.collect();
                if let Some(more) = removed.len().checked_sub(NAMED_MAX).filter(|more| *more > 0) {
                    reasons.push(format!("and {more} more"));
                }
                format!("no deployment may serve `{model}`: {}", reasons.join("; "))
            }
        }
    }
}

impl Removed {
    /// Its word in explanations and traces.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Residency => "residency",
            Self::Region => "region",
            Self::KeyForbids => "key",
            Self::NotMaker => "other_provider",
            Self::NotInOnly => "only",
            Self::Ignored => "ignore",
            Self::Latency => "latency",
            Self::Capability(_) => "capability",
            Self::Context { .. } => "context",
            Self::OutputTooLong { .. } => "output",
            Self::UnknownPrice => "unknown_price",
            Self::Price => "price",
        }
    }

    /// The end of a sentence that begins with the deployment's name.
    #[must_use]
    pub fn reason(self, tables: &Tables, asking: &Asking<'_>) -> String {
        let residency = tables.tenants[asking.tenant].region.as_deref().unwrap_or_default();
        match self {
            Self::Residency => format!("is not in the region `{residency}` that the tenant is bound to"),
            Self::Region => format!("is not in the region `{}` that is asked for", asking.region.unwrap_or_default()),
            Self::KeyForbids => "may not be used with this key".into(),
            Self::NotMaker => "is not at the provider that keeps what this goes on from".into(),
            Self::NotInOnly => "is not among those that the request wants only".into(),
            Self::Ignored => "is to be ignored".into(),
            Self::Latency => "is for slower requests than this one asks to be".into(),
            Self::Capability(capability) => format!("lacks {}", capability_name(capability)),
            Self::Context { needed_tokens, window_tokens } => {
                format!("has a context window of {window_tokens} tokens, below the {needed_tokens} needed")
            }
            Self::OutputTooLong { asked_tokens, limit_tokens } => {
                format!("answers with up to {limit_tokens} tokens, below the {asked_tokens} asked for")
            }
            Self::UnknownPrice => "has no known price, and billing.unknown_price is \"block\"".into(),
            Self::Price => "is not known to cost at most the request's maximum".into(),
        }
    }
}
