//! How much may pass. For customers: rates by the generic cell rate algorithm, quotas by sliding window or by the calendar,
//! and what may be under way at once, all with reservations, and which rules apply to whom. For providers: what they let
//! deployments do, and who goes next of those who wait for it.
//!
//! Nothing here locks or reads a clock. Asking and charging are two calls, so that a caller that holds several meters
//! can ask all of them before it charges any.

mod amounts;
mod calendar;
mod calendar_quota;
pub mod capacity;
mod concurrency;
mod conditions;
pub mod fair_queue;
mod fair_tenants;
pub mod gcra;
mod holds;
pub mod limiter;
mod load;
mod meter;
mod meter_id;
mod now;
pub mod outputs;
pub mod provider_headers;
mod rate;
mod recent_askers;
mod refusal;
pub mod reported;
mod rule_index;
mod rules;
mod service_rate;
mod sliding;

pub use self::amounts::Amounts;
pub use self::calendar::Periods;
pub use self::holds::HoldId;
pub use self::meter::{Allowance, Meter, MeterSpec};
pub use self::now::Now;
pub use self::recent_askers::RecentAskers;
pub use self::refusal::{Refusal, Standing, WAIT_MAX_NS};
pub use self::rules::{Applied, Rules, Who};
