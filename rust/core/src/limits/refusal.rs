//! Why something does not fit, and what is left.

/// How long a client may be told to wait, in nanoseconds; what takes longer counts as spent.
pub const WAIT_MAX_NS: u64 = 120_000_000_000;

/// Why a cost does not fit. The table of denials hangs on it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// The cost alone is more than may be used at all: it never fits.
    TooLarge,
    /// What is used leaves no room, even if every reservation were given back.
    Spent {
        /// When it fits if nothing else comes, rounded up.
        reset_after_s: u64,
    },
    /// It fits soon, by itself.
    Wait {
        /// When, if nothing else comes and reservations are given back.
        retry_after_ns: u64,
    },
    /// It would fit but for reservations, which may be given back any time.
    Reserved,
    /// Too much is under way.
    Concurrent,
}

impl Refusal {
    /// Orders refusals of one request: the largest is the one to tell, since it holds longest.
    #[must_use]
    pub const fn weight(self) -> (u8, u64) {
        match self {
            Self::TooLarge => (4, 0),
            Self::Spent { reset_after_s } => (3, reset_after_s),
            Self::Wait { retry_after_ns } => (2, retry_after_ns),
            Self::Reserved => (1, 0),
            Self::Concurrent => (0, 0),
        }
    }
}

/// Where a meter stands.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Standing {
    /// What counts as used now, final or in debt; of a rate, what its burst lacks.
    pub used: u64,
    /// What is reserved beside it.
    pub reserved: u64,
    /// What would fit now.
    pub remaining: u64,
    /// Seconds until all that is used now counts no more, rounded up; 0 where nothing is.
    pub reset_after_s: u64,
}

/// Whole seconds, rounded up.
pub(super) const fn seconds(ns: u64) -> u64 {
    ns.div_ceil(1_000_000_000)
}

/// The largest number where it does not fit.
pub(super) fn saturated(sum: u128) -> u64 {
    u64::try_from(sum).unwrap_or(u64::MAX)
}
