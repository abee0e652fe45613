//! Tier queues before providers of limited capacity, in virtual time: the very meters and queue that serve requests, in
//! a discrete-event simulation. Every draw comes from the seed, so a run repeats to the byte.
//!
//! `cargo test -p fastgate-core --test fairness -- --nocapture` prints the figures.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use fastgate_core::limits::capacity::{CapacityMeter, Moment, Need, TakenId};
use fastgate_core::limits::fair_queue::{FairQueue, Place, Refused, Waiter};
use fastgate_core::tables::Latency;
use fastgate_core::tables::limits::Capacity;
use fastgate_core::usage::Usage;

const MS: u64 = 1_000_000;
const SECOND: u64 = 1000 * MS;
const FREE: u64 = 0;
const PAID: u64 = 1;

/// `SplitMix64` (Steele, Lea and Flood, 2014).
struct Random(u64);

impl Random {
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.draw() % (most - least + 1)
    }

    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a draw")]
    fn exponential(&mut self, mean: u64) -> u64 {
        let unit = ((self.draw() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        (mean as f64 * -unit.ln()) as u64
    }
}

#[derive(Clone, Debug)]
struct Request {
    tier: u64,
    tenant: u64,
    tokens: u64,
    /// What it turns out to use.
    used_tokens: u64,
    took_ns: u64,
    arrives_ns: u64,
    patience_ns: u64,
    deployments: Vec<u64>,
}

/// A stream of requests at random (Poisson) of some tenants of a tier.
struct Traffic {
    tier: u64,
    tenants: std::ops::Range<u64>,
    mean_gap_ns: u64,
    tokens: (u64, u64),
    /// Least and most.
    took_ns: (u64, u64),
    patience_ns: u64,
    deployments: Vec<u64>,
}

impl Traffic {
    fn requests(&self, until_ns: u64, seed: u64) -> Vec<Request> {
        let mut random = Random(seed);
        let mut requests = Vec::new();
        let mut now_ns = 0;
        loop {
            now_ns += random.exponential(self.mean_gap_ns);
            if now_ns > until_ns {
                return requests;
            }
            let tokens = random.between(self.tokens.0, self.tokens.1);
            requests.push(Request {
                tier: self.tier,
                tenant: random.between(self.tenants.start, self.tenants.end - 1),
                tokens,
                used_tokens: tokens,
                took_ns: random.between(self.took_ns.0, self.took_ns.1),
                arrives_ns: now_ns,
                patience_ns: self.patience_ns,
                deployments: self.deployments.clone(),
            });
        }
    }
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Event {
    Refill,
    End { request: usize, deployment: usize, id: TakenId, waited: bool },
    Arrive(usize),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Fate {
    Waiting,
    /// After so long.
    Served(u64),
    Refused,
    Expired,
}

/// What has happened by the end.
struct Outcome {
    requests: Vec<Request>,
    fates: Vec<Fate>,
    /// Requests in the order they were served: when, which.
    order: Vec<(u64, usize)>,
    /// Whether there was always somebody who waited, from this time on.
    waited_since_ns: Option<u64>,
    /// Times at which somebody waited while a call more was allowed.
    idle_slots: usize,
}

impl Outcome {
    fn waits_ms(&self, tier: u64) -> Vec<u64> {
        let served = self.requests.iter().zip(&self.fates).filter_map(|(request, fate)| match fate {
            Fate::Served(waited_ns) if request.tier == tier => Some(waited_ns / MS),
            _ => None,
        });
        let mut waits: Vec<u64> = served.collect();
        waits.sort_unstable();
        waits
    }

    fn percentile_ms(&self, tier: u64, permille: usize) -> u64 {
        let waits = self.waits_ms(tier);
        waits[(waits.len() * permille / 1000).min(waits.len() - 1)]
    }

    fn report(&self, name: &str) {
        for (tier, label) in [(PAID, "paid"), (FREE, "free")] {
            let count = self.requests.iter().filter(|request| request.tier == tier).count();
            if count > 0 {
                let (served, at) = (self.waits_ms(tier).len(), |permille| self.percentile_ms(tier, permille));
                let of_tier = self.requests.iter().zip(&self.fates).filter(|(request, _)| request.tier == tier);
                let expired = of_tier.filter(|(_, fate)| **fate == Fate::Expired).count();
                println!(
                    "{name:>28} {label}: {served:>6} of {count:>6} served, {expired:>5} expired, wait p50 {:>5} p99 {:>5} p99.9 {:>5} ms",
                    at(500),
                    at(990),
                    at(999)
                );
            }
        }
    }
}

struct Simulation {
    meters: Vec<CapacityMeter>,
    concurrent: Option<u32>,
    queue: FairQueue<usize>,
    events: BinaryHeap<Reverse<(u64, Event)>>,
    outcome: Outcome,
    /// When the next refill was asked for.
    refill_ns: Option<u64>,
}

fn moment(ns: u64) -> Moment {
    Moment { ns, unix_ms: ns / MS }
}

fn need(tokens: u64) -> Need {
    Need { input_tokens: tokens, output_tokens: 0, max_output_tokens: None }
}

impl Simulation {
    fn run(capacities: &[Capacity], mut requests: Vec<Request>, length: usize, paid_weight: u32) -> Outcome {
        requests.sort_by_key(|request| request.arrives_ns);
        let mut queue = FairQueue::new(length);
        queue.configure([(FREE, 1), (PAID, paid_weight)], length);
        let arrivals = requests.iter().enumerate();
        let events = arrivals.map(|(at, request)| Reverse((request.arrives_ns, Event::Arrive(at)))).collect();
        let fates = vec![Fate::Waiting; requests.len()];
        let mut simulation = Self {
            meters: capacities.iter().map(CapacityMeter::new).collect(),
            concurrent: capacities[0].concurrent,
            queue,
            events,
            outcome: Outcome { requests, fates, order: Vec::new(), waited_since_ns: None, idle_slots: 0 },
            refill_ns: None,
        };
        while let Some(Reverse((now_ns, event))) = simulation.events.pop() {
            if now_ns > TIME {
                break;
            }
            simulation.happen(event, now_ns);
            simulation.dispatch(now_ns);
        }
        simulation.outcome
    }

    fn happen(&mut self, event: Event, now_ns: u64) {
        match event {
            Event::Refill => self.refill_ns = None,
            Event::End { request, deployment, id, waited } => {
                let request = &self.outcome.requests[request];
                let used = Usage { input_tokens: request.used_tokens, ..Usage::default() };
                assert!(self.meters[deployment].settle(id, Some(&used), now_ns));
                if waited {
                    let account = waiter(request, 0).account();
                    self.queue.note_served(account, request.tokens, request.used_tokens);
                }
            }
            Event::Arrive(at) => self.arrive(at, now_ns),
        }
    }

    fn arrive(&mut self, at: usize, now_ns: u64) {
        let request = self.outcome.requests[at].clone();
        if self.queue.is_empty() {
            for deployment in request.deployments.iter().map(|deployment| index(*deployment)) {
                if self.meters[deployment].has_room(&need(request.tokens), moment(now_ns)).is_ok() {
                    let id = self.meters[deployment].take(&need(request.tokens), moment(now_ns));
                    self.serve(at, deployment, id, false, now_ns);
                    return;
                }
            }
        }
        let out = match self.queue.push(waiter(&request, at), now_ns) {
            Ok(Place { displaced, .. }) => displaced.map(|(_, waiter)| waiter.payload),
            Err(Refused { .. }) => Some(at),
        };
        if let Some(out) = out {
            self.outcome.fates[out] = Fate::Refused;
        }
    }

    fn serve(&mut self, at: usize, deployment: usize, id: TakenId, waited: bool, now_ns: u64) {
        let request = &self.outcome.requests[at];
        self.outcome.fates[at] = Fate::Served(now_ns - request.arrives_ns);
        self.outcome.order.push((now_ns, at));
        self.events.push(Reverse((now_ns + request.took_ns, Event::End { request: at, deployment, id, waited })));
    }

    fn dispatch(&mut self, now_ns: u64) {
        while let Some((_, expired)) = self.queue.pop_expired(now_ns) {
            self.outcome.fates[expired.payload] = Fate::Expired;
        }
        loop {
            let (mut taken, mut refill_ns) = (None, None::<u64>);
            let meters = &mut self.meters;
            let popped = self.queue.pop_fitting(now_ns, |waiter, deployment| {
                let (meter, need) = (&mut meters[index(deployment)], need(waiter.tokens));
                match meter.has_room(&need, moment(now_ns)) {
                    Ok(()) => taken = Some(meter.take(&need, moment(now_ns))),
                    Err(blocked) => refill_ns = refill_ns.into_iter().chain(blocked.free_at_ns).min(),
                }
                taken.is_some()
            });
            let (Some((_, waiter, deployment)), Some(id)) = (popped, taken) else {
                if let Some(refill_ns) = refill_ns
                    && self.refill_ns.is_none_or(|asked_ns| asked_ns > refill_ns)
                {
                    self.refill_ns = Some(refill_ns);
                    self.events.push(Reverse((refill_ns, Event::Refill)));
                }
                break;
            };
            self.serve(waiter.payload, index(deployment), id, true, now_ns);
        }
        if self.queue.is_empty() {
            self.outcome.waited_since_ns = None;
        } else {
            self.outcome.waited_since_ns.get_or_insert(now_ns);
            let has_slot = |limit| self.meters.iter().any(|meter| meter.in_flight() < u64::from(limit));
            self.outcome.idle_slots += usize::from(self.concurrent.is_some_and(has_slot));
        }
    }
}

fn index(deployment: u64) -> usize {
    usize::try_from(deployment).unwrap_or(usize::MAX)
}

fn waiter(request: &Request, at: usize) -> Waiter<usize> {
    Waiter {
        tier: request.tier,
        tenant: request.tenant,
        class: Latency::Interactive,
        tokens: request.tokens,
        deadline_ns: request.arrives_ns + request.patience_ns,
        deployments: request.deployments.iter().copied().collect(),
        payload: at,
    }
}

fn calls(concurrent: u32) -> Capacity {
    Capacity { concurrent: Some(concurrent), ..Capacity::default() }
}

fn tokens(tokens_per_minute: u64) -> Capacity {
    Capacity { tokens_per_minute: Some(tokens_per_minute), ..Capacity::default() }
}

const TIME: u64 = 600 * SECOND;

fn paid(mean_gap_ns: u64) -> Traffic {
    Traffic {
        tier: PAID,
        tenants: 0..10,
        mean_gap_ns,
        tokens: (500, 1500),
        took_ns: (800 * MS, 2400 * MS),
        patience_ns: 30 * SECOND,
        deployments: vec![0],
    }
}

fn free(mean_gap_ns: u64) -> Traffic {
    Traffic { tier: FREE, tenants: 100..200, ..paid(mean_gap_ns) }
}

/// 16 calls at once of 1.6 s on average are 10 requests a second. Paying tenants ask for half of that, or for most of it with
/// a weight that leaves room for it; free ones for ten times of it. A tier that asks for more than its share waits
/// longer in a flood, as it must: the weight is the promise.
#[test]
fn a_flood_does_not_move_paying_tenants_where_calls_are_limited() {
    for (load, gap_ms, weight) in [("50 %", 200, 10), ("85 %", 118, 100)] {
        let asked = paid(gap_ms * MS).requests(TIME, 1);
        let calm = Simulation::run(&[calls(16)], asked.clone(), 1000, weight);
        let flood = [asked, free(10 * MS).requests(TIME, 2)].concat();
        let flooded = Simulation::run(&[calls(16)], flood, 1000, weight);
        calm.report(&format!("calls, {load} paid, calm"));
        flooded.report(&format!("calls, {load} paid, flood x 10"));
        // Nothing can be done before a call under way ends.
        let quantum_ms = 2400;
        let bound_ms = (calm.percentile_ms(PAID, 990) * 11 / 10).max(calm.percentile_ms(PAID, 990) + quantum_ms);
        assert!(flooded.percentile_ms(PAID, 990) <= bound_ms, "{} ms", flooded.percentile_ms(PAID, 990));
        let lost = |outcome: &Outcome| {
            let paid = outcome.requests.iter().zip(&outcome.fates).filter(|(request, _)| request.tier == PAID);
            paid.filter(|(_, fate)| matches!(fate, Fate::Refused | Fate::Expired)).count()
        };
        assert_eq!((lost(&calm), lost(&flooded)), (0, 0));
        assert_eq!(flooded.idle_slots, 0, "somebody waited while a call more was allowed");
    }
}

/// 10,000 tokens a second. A flood takes the minute's worth that a calm bucket has in store, for whatever is given out
/// by need: what is left to promise is the wait at a bucket of the tier's own share without store, and one quantum, the refill of the largest
/// request.
#[test]
fn a_flood_does_not_move_paying_tenants_where_tokens_are_limited() {
    let asked = paid(200 * MS).requests(TIME, 3);
    let flood = [asked.clone(), free(10 * MS).requests(TIME, 4)].concat();
    let flooded = Simulation::run(&[tokens(600_000)], flood, 1000, 10);
    let calm = Simulation::run(&[tokens(600_000)], asked.clone(), 1000, 10);
    calm.report("tokens, 50 % paid, calm");
    flooded.report("tokens, 50 % paid, flood x 10");
    let (mut free_ns, mut waits) = (0, Vec::new());
    for request in &asked {
        // Ten parts of eleven are the tier's share.
        let refill_ns = request.tokens * SECOND * 11 / 100_000;
        free_ns = request.arrives_ns.max(free_ns) + refill_ns;
        waits.push((free_ns - request.arrives_ns) / MS);
    }
    waits.sort_unstable();
    let alone_ms = waits[waits.len() * 99 / 100];
    println!("{:>28} paid: wait p99 {alone_ms} ms", "its share, without store");
    let quantum_ms = 150;
    let bound_ms = alone_ms + quantum_ms.max(alone_ms / 10);
    assert!(flooded.percentile_ms(PAID, 990) <= bound_ms, "{} ms", flooded.percentile_ms(PAID, 990));
}

/// What a bucket brings is handed out as long as somebody waits: burst and refill, bar the one request that is next.
#[test]
fn no_token_is_lost_while_somebody_waits() {
    let flood = free(10 * MS).requests(TIME, 5);
    let outcome = Simulation::run(&[tokens(600_000)], flood, 1000, 10);
    let since_ns = outcome.waited_since_ns.expect("a flood");
    let served: u64 = outcome.order.iter().map(|(_, at)| outcome.requests[*at].tokens).sum();
    let brought = 600_000 + 10_000 * TIME / SECOND;
    assert!(since_ns < 60 * SECOND, "{since_ns}");
    assert!(served <= brought && served + 1500 + 1000 >= brought, "{served} of {brought}");
}

/// Two tenants with other sizes and counts of requests, and charges that are wrong by up to a half: the gap of their
/// service stays within what `FairQueue` promises, in every time.
#[test]
fn two_tenants_gap_stays_within_the_bound() {
    let of = |tenant: u64, tokens, gap_ms: u64, seed| {
        let traffic = Traffic { tenants: tenant..tenant + 1, tokens, patience_ns: TIME, ..free(gap_ms * MS) };
        let mut requests = traffic.requests(TIME, seed);
        let mut random = Random(seed);
        for request in &mut requests {
            request.used_tokens = random.between(request.tokens / 2, request.tokens * 3 / 2);
        }
        requests
    };
    let requests = [of(1, (100, 300), 20, 6), of(2, (1000, 3000), 150, 7)].concat();
    let outcome = Simulation::run(&[calls(16)], requests, 1_000_000, 10);
    // The last ones of both still wait, so both waited ever since each had its first in the queue.
    let first_ns = outcome.waited_since_ns.expect("more is asked for than there is") + 10 * SECOND;
    let (mut gap, mut lowest, mut highest, mut served) = (0_i64, 0, 0, BTreeMap::new());
    for (_, at) in outcome.order.iter().filter(|(ns, _)| *ns >= first_ns) {
        let request = &outcome.requests[*at];
        gap += if request.tenant == 1 { request.used_tokens.cast_signed() } else { -request.used_tokens.cast_signed() };
        (lowest, highest) = (gap.min(lowest), gap.max(highest));
        *served.entry(request.tenant).or_insert(0_u64) += request.used_tokens;
    }
    let largest = 3000;
    // Half of each of the calls that one tenant may have under way.
    let error = 16 * largest / 2;
    let bound = 2 * (largest + 4 * error);
    println!("{:>28} {served:?} tokens, gap {lowest} to {highest}, bound {bound}", "two tenants");
    assert!(outcome.fates.contains(&Fate::Waiting));
    assert!(highest - lowest <= bound, "{lowest} to {highest}");
    assert!(served[&1] > 500_000 && served[&2] > 500_000, "{served:?}");
}

/// A request that needs half a minute's tokens among a flood of small ones gets them as soon as it is its turn.
#[test]
fn large_requests_do_not_starve() {
    let small = free(10 * MS).requests(TIME, 8);
    let large = Traffic { tenants: 500..501, tokens: (300_000, 300_000), patience_ns: TIME, ..free(100 * SECOND) };
    let large = large.requests(TIME / 2, 9);
    let count = large.len();
    let outcome = Simulation::run(&[tokens(600_000)], [small, large].concat(), 1_000_000, 10);
    let waits: Vec<u64> = outcome
        .requests
        .iter()
        .zip(&outcome.fates)
        .filter_map(|(request, fate)| match fate {
            Fate::Served(waited_ns) if request.tenant == 500 => Some(waited_ns / SECOND),
            _ => None,
        })
        .collect();
    println!("{:>28} {} of {count} served after {waits:?} s", "large requests", waits.len());
    assert!(!waits.is_empty() && waits[0] <= 31, "30 s bring what the first needs: {waits:?}");
}
