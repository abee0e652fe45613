//! What a provider lets a deployment or a credential do: requests a minute and a day, tokens a minute, calls at once.
//!
//! Rates are buckets of [`super::gcra`] whose burst is the whole minute's worth. Providers count by the minute and hold
//! it in a token bucket of that size (Anthropic states so; `OpenAI`'s resets behave so): a smaller burst would leave
//! capacity unused that was paid for, and where a vendor enforces a shorter time its headers and 429s say so. For the
//! same reason a need above the limit waits for a full bucket and then passes: whether it is refused is the provider's
//! to say, an estimate can't know.
//!
//! What the provider reports wins while it is the smaller ([`super::reported`]). A 429 that names a time closes the
//! meter until then; `resilience::health` keeps *new* exchanges from the deployment for the same time and adapts how
//! many calls it may have, and this keeps those from it that wait in a queue.

use foldhash::{HashMap, HashMapExt};

use super::gcra::{Bucket, ChargeId, Rate, UNITS_MAX};
use super::reported::{ProviderLimits, Window};
use crate::tables::limits::{Capacity, TokenWeights};
use crate::usage::Usage;

const MINUTE_NS: u64 = 60_000_000_000;
const MS_PER_DAY: u64 = 86_400_000;
const NS_PER_MS: u64 = 1_000_000;
/// No provider closes a meter for longer at one word.
const PAUSE_MAX_NS: u64 = 24 * 60 * MINUTE_NS;

/// A time, by both clocks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Moment {
    /// Monotonic nanoseconds from any fixed start.
    pub ns: u64,
    /// Milliseconds since 1970.
    pub unix_ms: u64,
}

/// What a request is about to use.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Need {
    /// Tokens in.
    pub input_tokens: u64,
    /// Tokens out, estimated.
    pub output_tokens: u64,
    /// The most it may put out, where it says so.
    pub max_output_tokens: Option<u64>,
}

/// There is no room.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Blocked {
    /// When there is if nothing else comes. `None`: when a call under way ends.
    pub free_at_ns: Option<u64>,
}

impl Blocked {
    /// Both hold: a call's end has to be waited for, or else the later time.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { free_at_ns: self.free_at_ns.zip(other.free_at_ns).map(|(one, another)| one.max(another)) }
    }

    /// Either is to end: the earlier time, if there is one.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self { free_at_ns: self.free_at_ns.into_iter().chain(other.free_at_ns).min() }
    }
}

/// A call's place in a meter, counted from 0.
pub type TakenId = u64;

/// What is counted: requests, tokens, input tokens, output tokens.
const COUNTED: usize = 4;

/// So much of each.
type Costs = [u64; COUNTED];

/// How much of its capacity is in use.
#[derive(Clone, Debug)]
pub struct CapacityMeter {
    capacity: Capacity,
    counted: [Counted; COUNTED],
    day: Day,
    closed_until_ns: u64,
    open: HashMap<TakenId, Open>,
    next: TakenId,
    /// The latest time seen.
    now_ns: u64,
}

/// One counted resource.
#[derive(Clone, Debug, Default)]
struct Counted {
    configured: Option<u64>,
    /// At what is configured, or less where the provider says so.
    bucket: Option<Bucket>,
    reported: Option<Window>,
    /// All that was ever taken.
    taken: u64,
}

/// A call under way.
#[derive(Clone, Copy, Debug)]
struct Open {
    costs: Costs,
    /// In the bucket that was there then; `None` if it is there no more.
    charges: [Option<ChargeId>; COUNTED],
    /// [`Counted::taken`] with this call.
    taken: Costs,
    day: u64,
}

/// Requests of a UTC day.
#[derive(Clone, Copy, Debug, Default)]
struct Day {
    /// Since 1970; never goes back.
    number: u64,
    requests: u64,
}

impl CapacityMeter {
    /// An unused meter.
    #[must_use]
    pub fn new(capacity: &Capacity) -> Self {
        let mut meter = Self {
            capacity: Capacity::default(),
            counted: Default::default(),
            day: Day::default(),
            closed_until_ns: 0,
            open: HashMap::new(),
            next: 0,
            now_ns: 0,
        };
        meter.set_capacity(capacity, 0);
        meter
    }

    /// Goes by another capacity from now on; what is used stays used.
    pub fn set_capacity(&mut self, capacity: &Capacity, now_ns: u64) {
        self.capacity = *capacity;
        let configured = [
            capacity.requests_per_minute,
            capacity.tokens_per_minute,
            capacity.input_tokens_per_minute,
            capacity.output_tokens_per_minute,
        ];
        for (at, units) in configured.into_iter().enumerate() {
            if self.counted[at].configured != units {
                self.counted[at].configured = units;
                self.set_rate(at, units, now_ns);
            }
        }
    }

    /// Whether a call may begin; changes nothing but the time.
    ///
    /// # Errors
    /// [`Blocked`] with when to ask again.
    pub fn has_room(&mut self, need: &Need, now: Moment) -> Result<(), Blocked> {
        self.now_ns = self.now_ns.max(now.ns);
        if self.capacity.concurrent.is_some_and(|limit| self.in_flight() >= u64::from(limit)) {
            return Err(Blocked { free_at_ns: None });
        }
        let mut free_at_ns = self.closed_until_ns;
        if let Some(limit) = self.capacity.requests_per_day {
            self.day.turn(now.unix_ms);
            if self.day.requests >= limit {
                free_at_ns = free_at_ns.max(self.day.end_ns(now));
            }
        }
        let costs = costs_ahead(need, self.capacity.weights);
        for (counted, cost) in self.counted.iter_mut().zip(costs) {
            free_at_ns = free_at_ns.max(counted.free_at_ns(cost, self.next, self.now_ns));
        }
        if free_at_ns > self.now_ns { Err(Blocked { free_at_ns: Some(free_at_ns) }) } else { Ok(()) }
    }

    /// A call begins, whether or not there is room: ask [`Self::has_room`] first. Exactly one of [`Self::settle`] and
    /// [`Self::give_back`] has to follow.
    pub fn take(&mut self, need: &Need, now: Moment) -> TakenId {
        self.now_ns = self.now_ns.max(now.ns);
        self.day.turn(now.unix_ms);
        self.day.requests = self.day.requests.saturating_add(1);
        let costs = costs_ahead(need, self.capacity.weights);
        let mut open = Open { costs, charges: [None; COUNTED], taken: [0; COUNTED], day: self.day.number };
        for (at, counted) in self.counted.iter_mut().enumerate() {
            counted.taken = counted.taken.saturating_add(costs[at]);
            open.taken[at] = counted.taken;
            open.charges[at] = counted.bucket.as_mut().map(|bucket| bucket.charge_open(costs[at], self.now_ns));
            if let Some(reported) = &mut counted.reported {
                reported.take(costs[at]);
            }
        }
        let id = self.next;
        self.next += 1;
        self.open.insert(id, open);
        id
    }

    /// The call is over and used so much, or as much as it took (`None`). Whether it was under way.
    ///
    /// A vendor that reserves `max_tokens` charges it for good: its count is not corrected by the answer (Azure), so
    /// what the answer used changes nothing here.
    pub fn settle(&mut self, id: TakenId, used: Option<&Usage>, now_ns: u64) -> bool {
        let used = used.filter(|_| !self.capacity.weights.reserves_max_tokens);
        let costs = used.map(|used| costs_after(used, self.capacity.weights));
        self.close(id, costs, now_ns).is_some()
    }

    /// The call was never sent. Whether it was under way.
    pub fn give_back(&mut self, id: TakenId, now_ns: u64) -> bool {
        let Some(open) = self.close(id, Some([0; COUNTED]), now_ns) else { return false };
        if open.day == self.day.number {
            self.day.requests = self.day.requests.saturating_sub(1);
        }
        for (counted, cost) in self.counted.iter_mut().zip(open.costs) {
            if let Some(reported) = &mut counted.reported {
                reported.give_back(id, cost);
            }
        }
        true
    }

    /// What the provider said in the answer to a call: `None` for one that is over or not from here. The smaller of
    /// its remainder and the meter's own wins until its reset, and a limit below the configured one replaces it.
    pub fn note_headers(&mut self, said: &ProviderLimits, call: Option<TakenId>, now_ns: u64) {
        self.now_ns = self.now_ns.max(now_ns);
        let number = call.unwrap_or(self.next);
        let begun = call.and_then(|call| self.open.get(&call)).map(|open| open.taken);
        let remainders = [said.requests, said.tokens, said.input_tokens, said.output_tokens];
        for (at, said) in remainders.into_iter().enumerate() {
            let (Some(said), counted) = (said, &mut self.counted[at]) else { continue };
            if counted.reported.is_some_and(|reported| reported.is_newer_than(number, self.now_ns)) {
                continue;
            }
            let since = begun.map_or(0, |begun| counted.taken.saturating_sub(begun[at]));
            if let Some(window) = Window::new(&said, number, since, self.now_ns) {
                counted.reported = Some(window);
            }
            if let (Some(configured), Some(limit)) = (counted.configured, said.limit) {
                self.set_rate(at, Some(configured.min(limit)), self.now_ns);
            }
        }
    }

    /// The provider has had too much and asks to be left alone for so long.
    pub fn close_for(&mut self, pause_ns: u64, now_ns: u64) {
        self.now_ns = self.now_ns.max(now_ns);
        self.closed_until_ns = self.closed_until_ns.max(self.now_ns.saturating_add(pause_ns.min(PAUSE_MAX_NS)));
    }

    /// When there may be room at the earliest: what [`Self::has_room`] says, unless a call under way may bring it sooner,
    /// by what it did not use or by what its answer says. At most `now`: at any moment.
    pub fn room_not_before_ns(&mut self, need: &Need, now: Moment) -> u64 {
        let [requests, tokens @ ..] = &self.counted;
        let may_grow = tokens.iter().any(|counted| counted.bucket.is_some() || counted.reported.is_some())
            || requests.reported.is_some();
        if may_grow && self.in_flight() > 0 {
            return now.ns;
        }
        self.has_room(need, now).err().and_then(|blocked| blocked.free_at_ns).unwrap_or(now.ns)
    }

    /// Calls under way.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.open.len() as u64
    }

    fn close(&mut self, id: TakenId, used: Option<Costs>, now_ns: u64) -> Option<Open> {
        self.now_ns = self.now_ns.max(now_ns);
        let open = self.open.remove(&id)?;
        for (at, counted) in self.counted.iter_mut().enumerate() {
            let Some(bucket) = &mut counted.bucket else { continue };
            match open.charges[at] {
                Some(charge) => {
                    bucket.settle(charge, used.map(|used| used[at]), self.now_ns);
                }
                // Counted into the bucket when it was made: what is missing is added, nothing is given back twice.
                None => bucket.charge(used.map_or(0, |used| used[at].saturating_sub(open.costs[at])), self.now_ns),
            }
        }
        Some(open)
    }

    /// Another rate for a resource, with what is used of the old one.
    fn set_rate(&mut self, at: usize, units: Option<u64>, now_ns: u64) {
        self.now_ns = self.now_ns.max(now_ns);
        let counted = &mut self.counted[at];
        let units = units.map(|units| units.clamp(1, UNITS_MAX));
        if counted.bucket.as_ref().map(|bucket| bucket.rate().units()) == units {
            return;
        }
        let used = counted.bucket.as_mut().map_or(0, |bucket| used_units(bucket, self.now_ns));
        counted.bucket = units.and_then(|units| Rate::new(units, MINUTE_NS, units)).map(Bucket::new);
        if let Some(bucket) = &mut counted.bucket {
            bucket.charge(used, self.now_ns);
        }
        for open in self.open.values_mut() {
            open.charges[at] = None;
        }
    }
}

impl Counted {
    /// When `cost` units are there for call number `call`.
    fn free_at_ns(&mut self, cost: u64, call: TakenId, now_ns: u64) -> u64 {
        let mut free_at_ns = now_ns;
        if let Some(bucket) = &mut self.bucket {
            let asked = cost.min(bucket.rate().burst());
            if let Err(denied) = bucket.check(asked, now_ns) {
                free_at_ns = now_ns.saturating_add(denied.retry_after_ns.unwrap_or(u64::MAX));
            }
        }
        if self.reported.is_some_and(|reported| reported.is_over(now_ns)) {
            let is_alone = self.bucket.is_none();
            self.reported = self.reported.and_then(|reported| reported.next(call, now_ns)).filter(|_| is_alone);
        }
        free_at_ns.max(self.reported.map_or(0, |reported| reported.free_at_ns(cost, now_ns)))
    }
}

impl Day {
    fn turn(&mut self, unix_ms: u64) {
        let number = unix_ms / MS_PER_DAY;
        if number > self.number {
            *self = Self { number, requests: 0 };
        }
    }

    /// When it ends, by the monotonic clock.
    fn end_ns(&self, now: Moment) -> u64 {
        let end_ms = self.number.saturating_add(1).saturating_mul(MS_PER_DAY);
        now.ns.saturating_add(end_ms.saturating_sub(now.unix_ms).saturating_mul(NS_PER_MS))
    }
}

/// How full a bucket is, debt included, rounded up.
fn used_units(bucket: &mut Bucket, now_ns: u64) -> u64 {
    let rate = bucket.rate();
    let Err(denied) = bucket.check(rate.burst(), now_ns) else { return 0 };
    let wait_ns = u128::from(denied.retry_after_ns.unwrap_or(u64::MAX));
    u64::try_from((wait_ns * u128::from(rate.units())).div_ceil(u128::from(MINUTE_NS))).unwrap_or(u64::MAX)
}

fn costs_ahead(need: &Need, weights: TokenWeights) -> Costs {
    let whole = need.max_output_tokens.filter(|_| weights.reserves_max_tokens);
    costs(need.input_tokens, whole.unwrap_or(need.output_tokens), weights)
}

fn costs_after(used: &Usage, weights: TokenWeights) -> Costs {
    let cached = [used.cache_read_tokens, used.cache_read_audio_tokens, used.cache_read_image_tokens]
        .into_iter()
        .fold(0, u64::saturating_add);
    let counted = used.input().saturating_sub(cached).saturating_add(permille(cached, weights.cache_read_permille));
    costs(counted, used.output(), weights)
}

fn costs(input_tokens: u64, output_tokens: u64, weights: TokenWeights) -> Costs {
    let output = permille(output_tokens, weights.output_permille);
    [1, input_tokens.saturating_add(output), input_tokens, output].map(|cost| cost.min(UNITS_MAX))
}

/// Rounded up: a provider counts no less.
fn permille(tokens: u64, permille: u32) -> u64 {
    u64::try_from((u128::from(tokens) * u128::from(permille)).div_ceil(1000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "capacity_tests.rs"]
mod tests;
