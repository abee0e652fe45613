//! Limits: rules for customers, capacity of deployments and credentials, and what waiting requests may take.

use foldhash::HashMap;
use serde::Deserialize;

/// So much of a resource, per identity and window.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct LimitRule {
    /// Names it in messages, headers, reports and on the admin listener; unique.
    pub name: String,
    /// What has a count of its own. Sorted, none twice. A user, feature or session is always one of a tenant, so
    /// `tenant` is there wherever one of these is. Empty: all who meet `when` share one count.
    pub per: Vec<Scope>,
    /// Whose requests it is about.
    pub when: LimitWhen,
    /// Of what.
    pub resource: Resource,
    /// How much: units, or picodollars of [`Resource::Usd`].
    pub amount: u64,
    /// Other amounts, by key id (the first 12 hex digits of a key's digest).
    pub key_amounts: HashMap<String, u64>,
    /// In which time.
    pub window: Window,
    /// Reserves an upper bound, so it is never exceeded; else an estimate, and a request may go into debt.
    pub is_hard: bool,
    /// Clients and operators are warned from this share on, in thousandths.
    pub warn_permille: Option<u32>,
    /// Requests go to a cheaper model from a share on.
    pub downgrade: Option<Downgrade>,
}

/// What a count may be kept per.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the words of the design")]
pub enum Scope {
    Tenant,
    Tier,
    Key,
    User,
    Feature,
    Session,
    /// As the client named it.
    Model,
}

/// Whose requests a rule is about; what is `None` does not matter.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct LimitWhen {
    /// Indices into `tenants`.
    pub tenant: Option<Vec<usize>>,
    /// Indices into `tiers`.
    pub tier: Option<Vec<usize>>,
    /// Key ids.
    pub key: Option<Vec<String>>,
    /// Users.
    pub user: Option<Vec<String>>,
    /// Features.
    pub feature: Option<Vec<String>>,
    /// Models, as clients name them.
    pub model: Option<Vec<String>>,
}

/// What is limited.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the words of the design")]
pub enum Resource {
    Requests,
    InputTokens,
    OutputTokens,
    /// Input and output together.
    Tokens,
    /// Requests under way.
    Concurrent,
    /// Money, in picodollars.
    Usd,
}

impl Resource {
    /// Whether a request takes one of it, whatever becomes of it; of the others nobody knows before it is over.
    #[must_use]
    pub const fn is_one_each(self) -> bool {
        matches!(self, Self::Requests | Self::Concurrent)
    }
}

/// In which time.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Window {
    /// At no time: [`Resource::Concurrent`] only.
    None,
    /// A rate: `amount` each `period_ms`, of which `burst` may come at once.
    Rate {
        /// A second or a minute.
        period_ms: u64,
        /// At least 1.
        burst: u64,
    },
    /// A quota: never above `amount` in any window of this length.
    Sliding {
        /// Longer than a minute.
        window_ms: u64,
    },
    /// A quota: never above `amount` in a period of the calendar.
    Calendar {
        /// Which.
        period: Period,
        /// IANA name: `Europe/Berlin`.
        time_zone: String,
    },
}

/// A period of the calendar.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Period {
    Day,
    /// From Monday.
    Week,
    Month,
}

/// Where requests go while little is left.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Downgrade {
    /// From this share on, in thousandths.
    pub at_permille: u32,
    /// A name in `models`.
    pub model: String,
}

/// What a provider lets a deployment or a credential do; `None`: nobody said.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Capacity {
    /// Requests a minute.
    pub requests_per_minute: Option<u64>,
    /// Requests a day, from midnight UTC.
    pub requests_per_day: Option<u64>,
    /// Input and output together, a minute.
    pub tokens_per_minute: Option<u64>,
    /// Input only.
    pub input_tokens_per_minute: Option<u64>,
    /// Output only.
    pub output_tokens_per_minute: Option<u64>,
    /// Requests under way.
    pub concurrent: Option<u32>,
    /// How the vendor counts.
    pub weights: TokenWeights,
}

impl Capacity {
    /// Whether nobody said anything of limits.
    #[must_use]
    pub fn is_unlimited(&self) -> bool {
        *self == Self { weights: self.weights, ..Self::default() }
    }
}

/// How a vendor counts tokens against its limits.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct TokenWeights {
    /// Input read from the prompt cache counts so much, in thousandths.
    pub cache_read_permille: u32,
    /// Output counts so much, in thousandths.
    pub output_permille: u32,
    /// What a request is charged before its answer: its `max_tokens` in full, or an estimate.
    pub reserves_max_tokens: bool,
}

impl Default for TokenWeights {
    fn default() -> Self {
        Self { cache_read_permille: 1000, output_permille: 1000, reserves_max_tokens: false }
    }
}

/// What limits and queues may take.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct LimitSettings {
    /// Identities with counts of their own; what comes later shares one per rule.
    pub identities: usize,
    /// Output that a request under a hard limit is held for where neither it nor its deployment says how much.
    pub output_tokens: u64,
    /// Requests of a tier that may wait for a provider's capacity.
    pub queue_length: usize,
    /// How long one may wait where it has no budget.
    pub queue_wait_ms: u64,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self { identities: 1_000_000, output_tokens: 4096, queue_length: 1000, queue_wait_ms: 30_000 }
    }
}
