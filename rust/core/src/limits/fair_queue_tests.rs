use std::collections::HashMap as Slow;

use proptest::prelude::*;
use smallvec::smallvec;

use super::*;

const SECOND_NS: u64 = 1_000_000_000;
const WEIGHTS: [(u64, u32); 3] = [(0, 1), (1, 3), (2, 10)];

fn waiter(tier: u64, tenant: u64, tokens: u64) -> Waiter<()> {
    Waiter {
        tier,
        tenant,
        class: Latency::Interactive,
        tokens,
        deadline_ns: u64::MAX,
        deployments: smallvec![0],
        payload: (),
    }
}

fn queue(length: usize) -> FairQueue<()> {
    let mut queue = FairQueue::new(length);
    queue.configure(WEIGHTS, length);
    queue
}

fn next_tenant(queue: &mut FairQueue<()>) -> Option<u64> {
    queue.pop_fitting(0, |_, _| true).map(|(_, waiter, _)| waiter.tenant)
}

/// The same by the definition: a list that is sorted whenever it is asked, and counters that are never forgotten.
#[derive(Default)]
struct Model {
    waiters: Vec<(WaiterId, Waiter<()>)>,
    tags: Slow<u64, u128>,
    started: Slow<u64, u128>,
    floor: u128,
    counters: Slow<(u64, usize, u64), u64>,
    /// The waiter with which a tenant began to wait.
    since: Slow<(u64, usize, u64), WaiterId>,
    floors: Slow<(u64, usize), u64>,
}

fn account(waiter: &Waiter<()>) -> (u64, usize, u64) {
    (waiter.tier, waiter.class as usize, waiter.tenant)
}

fn weight(tier: u64) -> u32 {
    WEIGHTS.iter().find(|(id, _)| *id == tier).unwrap().1
}

impl Model {
    fn tag(&self, tier: u64) -> u128 {
        self.tags.get(&tier).copied().unwrap_or(0)
    }

    fn counter(&self, waiter: &Waiter<()>) -> u64 {
        self.counters.get(&account(waiter)).copied().unwrap_or(0)
    }

    fn ordered(&self) -> Vec<&(WaiterId, Waiter<()>)> {
        let mut order: Vec<_> = self.waiters.iter().collect();
        order.sort_by_key(|(id, waiter)| {
            let tier = (self.tag(waiter.tier), Reverse(weight(waiter.tier)));
            (tier, waiter.class, self.counter(waiter), self.since.get(&account(waiter)), *id)
        });
        order
    }

    /// The first in order of each group.
    fn heads<K: PartialEq>(&self, group: impl Fn(&Waiter<()>) -> K) -> Vec<&Waiter<()>> {
        let mut heads: Vec<&Waiter<()>> = Vec::new();
        for (_, waiter) in self.ordered() {
            if heads.iter().all(|head| group(head) != group(waiter)) {
                heads.push(waiter);
            }
        }
        heads
    }

    fn push(&mut self, id: WaiterId, new: Waiter<()>) {
        if self.waiters.iter().all(|(_, other)| other.tier != new.tier) {
            let heads = self.heads(|waiter| (waiter.tier, waiter.class));
            let rivals = heads.iter().filter(|head| head.competes_with(&new)).map(|head| self.started[&head.tier]);
            let lift = rivals.min().unwrap_or(self.floor);
            self.tags.insert(new.tier, self.tag(new.tier).max(lift));
            self.started.insert(new.tier, self.tag(new.tier));
        }
        if self.waiters.iter().all(|(_, other)| account(other) != account(&new)) {
            let heads = self.heads(account);
            let rivals = heads
                .iter()
                .filter(|head| (head.tier, head.class) == (new.tier, new.class) && head.competes_with(&new));
            let floor = self.floors.get(&(new.tier, new.class as usize)).copied().unwrap_or(0);
            let lift = rivals.map(|head| self.counter(head)).min().unwrap_or(floor);
            self.counters.insert(account(&new), self.counter(&new).max(lift));
            self.since.insert(account(&new), id);
        }
        self.waiters.push((id, new));
    }

    fn pop(&mut self, room: &[u64]) -> Option<(WaiterId, u64)> {
        let mut reserved = Vec::new();
        let mut found = None;
        for (id, waiter) in self.ordered() {
            let mut open = waiter.deployments.iter().filter(|deployment| !reserved.contains(*deployment));
            if let Some(deployment) =
                open.find(|deployment| room[usize::try_from(**deployment).unwrap()] >= waiter.tokens)
            {
                found = Some((*id, *deployment));
                break;
            }
            reserved.extend(waiter.deployments.iter().copied());
        }
        let (id, deployment) = found?;
        let waiter = self.waiters.iter().find(|(known, _)| *known == id).unwrap().1.clone();
        self.floor = self.floor.max(self.tag(waiter.tier));
        self.started.insert(waiter.tier, self.tag(waiter.tier));
        let floor = self.floors.entry((waiter.tier, waiter.class as usize)).or_default();
        *floor = (*floor).max(self.counters[&account(&waiter)]);
        self.charge(&waiter, waiter.tokens);
        self.remove(id);
        Some((id, deployment))
    }

    fn charge(&mut self, waiter: &Waiter<()>, tokens: u64) {
        *self.tags.get_mut(&waiter.tier).unwrap() += u128::from(tokens) * TAG_UNIT / u128::from(weight(waiter.tier));
        *self.counters.get_mut(&account(waiter)).unwrap() += tokens;
    }

    fn remove(&mut self, id: WaiterId) {
        let at = self.waiters.iter().position(|(known, _)| *known == id).unwrap();
        let (_, waiter) = self.waiters.remove(at);
        let class = (waiter.tier, waiter.class as usize);
        if self.waiters.iter().all(|(_, other)| (other.tier, other.class as usize) != class) {
            let counter = self.counter(&waiter);
            let floor = self.floors.entry(class).or_default();
            *floor = (*floor).max(counter);
        }
        if self.waiters.is_empty() {
            self.floor = self.floor.max(self.tag(waiter.tier));
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Push(Waiter<()>),
    Refill(usize, u64),
    Leave(prop::sample::Index),
    /// A call under way ends, having used so much more.
    End(prop::sample::Index, u64),
}

fn any_waiter() -> impl Strategy<Value = Waiter<()>> {
    let class = prop::sample::select(vec![Latency::Interactive, Latency::Background, Latency::Batch]);
    let deployments = prop::sample::subsequence(vec![0, 1, 2], 1..=3);
    (0..3_u64, 0..4_u64, class, 1..100_u64, deployments).prop_map(|(tier, tenant, class, tokens, deployments)| Waiter {
        class,
        deployments: deployments.into(),
        ..waiter(tier, tenant, tokens)
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => any_waiter().prop_map(Step::Push),
        4 => (0..3_usize, 0..120_u64).prop_map(|(deployment, tokens)| Step::Refill(deployment, tokens)),
        1 => any::<prop::sample::Index>().prop_map(Step::Leave),
        2 => (any::<prop::sample::Index>(), 0..50_u64).prop_map(|(call, excess)| Step::End(call, excess)),
    ];
    proptest::collection::vec(step, 0..80)
}

proptest! {
    /// Serves whom the definition serves, where it says, whoever comes, goes and turns out to be dearer.
    #[test]
    fn the_order_is_that_of_the_definition(steps in steps()) {
        let mut queue = queue(1000);
        let (mut model, mut room, mut ids, mut calls) = (Model::default(), [0_u64; 3], Vec::new(), Vec::new());
        for step in steps {
            match step {
                Step::Push(waiter) => {
                    let id = queue.push(waiter.clone(), 0).unwrap().id;
                    model.push(id, waiter);
                    ids.push(id);
                }
                Step::Refill(deployment, tokens) => room[deployment] += tokens,
                Step::Leave(which) if !ids.is_empty() => {
                    let id = ids.swap_remove(which.index(ids.len()));
                    prop_assert!(queue.remove(id, 0).is_some() && queue.remove(id, 0).is_none());
                    model.remove(id);
                }
                Step::End(which, excess) if !calls.is_empty() => {
                    let waiter: Waiter<()> = calls.swap_remove(which.index(calls.len()));
                    queue.note_served(waiter.account(), waiter.tokens, waiter.tokens + excess);
                    model.charge(&waiter, excess);
                }
                Step::Leave(_) | Step::End(..) => {}
            }
            loop {
                let expected = model.pop(&room);
                let popped = queue.pop_fitting(0, |waiter, deployment| {
                    room[usize::try_from(deployment).unwrap()] >= waiter.tokens
                });
                prop_assert_eq!(popped.as_ref().map(|(id, _, deployment)| (*id, *deployment)), expected);
                let Some((id, waiter, deployment)) = popped else { break };
                room[usize::try_from(deployment).unwrap()] -= waiter.tokens;
                ids.retain(|known| *known != id);
                calls.push(waiter);
            }
            prop_assert_eq!(queue.len(), model.waiters.len());
        }
    }

    /// Of two tenants that wait all the time neither is served more than the bound beyond the other, in any time,
    /// whoever else comes and goes and however wrong the charges are until they are corrected.
    #[test]
    fn the_service_gap_is_within_the_bound(
        requests in proptest::collection::vec((1..100_u64, 1..150_u64, 0..4_u64), 10..300),
        delay in 0..8_usize,
    ) {
        let mut queue = queue(1000);
        let mut costs = requests.iter().cycle().copied();
        let mut actual = Slow::new();
        let mut push = |queue: &mut FairQueue<()>, actual: &mut Slow<WaiterId, u64>, tenant: u64| {
            let (charged, used, _) = costs.next().unwrap();
            actual.insert(queue.push(waiter(0, tenant, charged), 0).unwrap().id, used);
        };
        let (mut gap, mut lowest, mut highest) = (0_i64, 0_i64, 0_i64);
        let (mut largest, mut error) = (0, 0);
        let mut calls: Vec<(Waiter<()>, u64)> = Vec::new();
        // One is left to wait whenever another is served.
        for tenant in [0, 0, 1, 1] {
            push(&mut queue, &mut actual, tenant);
        }
        for (_, _, visitor) in &requests {
            // Two of the four are the ones that always wait.
            push(&mut queue, &mut actual, *visitor);
            let (id, served, _) = queue.pop_fitting(0, |_, _| true).unwrap();
            let used = actual[&id];
            match served.tenant {
                0 => gap += used.cast_signed(),
                1 => gap -= used.cast_signed(),
                _ => {}
            }
            if served.tenant < 2 {
                largest = largest.max(served.tokens);
                push(&mut queue, &mut actual, served.tenant);
            }
            calls.push((served, used));
            for tenant in [0, 1] {
                let own = calls.iter().filter(|(call, _)| call.tenant == tenant);
                error = error.max(own.map(|(call, used)| call.tokens.abs_diff(*used)).sum());
            }
            if calls.len() > delay {
                let (call, used) = calls.remove(delay / 2);
                queue.note_served(call.account(), call.tokens, used);
            }
            (lowest, highest) = (lowest.min(gap), highest.max(gap));
        }
        let bound = 2 * (largest + 4 * error);
        prop_assert!((highest - lowest).unsigned_abs() <= bound, "{lowest} to {highest}, bound {bound}");
    }

    /// Tiers that wait all the time share by weight, within one request of each.
    #[test]
    fn tiers_share_by_weight(costs in proptest::collection::vec(1..100_u64, 50..300)) {
        let mut queue = queue(1000);
        let mut next = costs.iter().cycle();
        for (tier, _) in WEIGHTS.into_iter().chain(WEIGHTS) {
            queue.push(waiter(tier, 0, *next.next().unwrap()), 0).unwrap();
        }
        let mut served = [0_u64; 3];
        for _ in &costs {
            let (_, popped, _) = queue.pop_fitting(0, |_, _| true).unwrap();
            served[usize::try_from(popped.tier).unwrap()] += popped.tokens;
            queue.push(waiter(popped.tier, 0, *next.next().unwrap()), 0).unwrap();
            for (one, (_, weight)) in WEIGHTS.iter().enumerate() {
                for (other, (_, other_weight)) in WEIGHTS.iter().enumerate() {
                    let (weight, other_weight) = (u64::from(*weight), u64::from(*other_weight));
                    let bound = 100 * other_weight + 100 * weight;
                    prop_assert!(served[one] * other_weight <= served[other] * weight + bound, "{served:?}");
                }
            }
        }
    }
}

#[test]
fn a_tenant_that_was_away_has_saved_nothing() {
    let mut queue = queue(100);
    for _ in 0..10 {
        queue.push(waiter(0, 1, 50), 0).unwrap();
    }
    for _ in 0..5 {
        assert_eq!(next_tenant(&mut queue), Some(1));
    }
    for _ in 0..5 {
        queue.push(waiter(0, 2, 50), 0).unwrap();
    }
    let order: Vec<_> = std::iter::from_fn(|| next_tenant(&mut queue)).collect();
    assert_eq!(order, [1, 2, 1, 2, 1, 2, 1, 2, 1, 2]);
}

#[test]
fn one_that_is_dearer_than_thought_pays_later_even_if_it_waits_for_each_answer() {
    let mut queue = queue(100);
    queue.push(waiter(0, 1, 10), 0).unwrap();
    for _ in 0..20 {
        queue.push(waiter(0, 2, 10), 0).unwrap();
    }
    let (_, served, _) = queue.pop_fitting(0, |_, _| true).unwrap();
    assert_eq!(served.tenant, 1);
    for _ in 0..5 {
        assert_eq!(next_tenant(&mut queue), Some(2));
    }
    queue.note_served(served.account(), 10, 110);
    queue.push(waiter(0, 1, 10), 0).unwrap();
    for _ in 0..7 {
        assert_eq!(next_tenant(&mut queue), Some(2), "it has had 110 and the other 50, and the other waits for longer");
    }
    assert_eq!(next_tenant(&mut queue), Some(1));
}

#[test]
fn the_first_keeps_what_it_waits_for_and_nothing_else() {
    let mut queue = queue(100);
    let large = queue.push(Waiter { deployments: smallvec![0, 1], ..waiter(0, 1, 900) }, 0).unwrap().id;
    queue.push(Waiter { deployments: smallvec![1], ..waiter(0, 2, 1) }, 0).unwrap();
    let elsewhere = queue.push(Waiter { deployments: smallvec![1, 2], ..waiter(0, 3, 1) }, 0).unwrap().id;
    let fits = |waiter: &Waiter<()>, _| waiter.tokens <= 100;
    let popped = queue.pop_fitting(0, fits).map(|(id, _, deployment)| (id, deployment));
    assert_eq!(popped, Some((elsewhere, 2)));
    assert!(queue.pop_fitting(0, fits).is_none());
    assert!(queue.remove(large, 0).is_some());
    assert_eq!(queue.pop_fitting(0, fits).map(|(_, waiter, _)| waiter.tenant), Some(2));
}

#[test]
fn classes_go_in_order_within_a_tier_and_not_beyond_it() {
    let mut queue = queue(100);
    queue.push(Waiter { class: Latency::Batch, ..waiter(1, 1, 10) }, 0).unwrap();
    queue.push(Waiter { class: Latency::Background, ..waiter(1, 2, 10) }, 0).unwrap();
    queue.push(waiter(1, 3, 10), 0).unwrap();
    queue.push(waiter(0, 4, 10), 0).unwrap();
    let order: Vec<_> = std::iter::from_fn(|| next_tenant(&mut queue)).collect();
    assert_eq!(order, [3, 4, 2, 1], "the other tier has a third of the weight");
}

#[test]
fn a_queue_is_bounded_by_tier() {
    let mut queue = queue(2);
    queue.push(waiter(0, 1, 10), 0).unwrap();
    let leaves = queue.push(waiter(0, 2, 10), 0).unwrap().id;
    let refused = queue.push(waiter(0, 3, 10), 0).unwrap_err();
    assert_eq!(refused, Refused { refusal: Refusal::Full, estimate_ns: None });
    queue.push(waiter(1, 3, 10), 0).unwrap();
    queue.remove(leaves, 0);
    queue.push(waiter(0, 3, 10), 0).unwrap();
    assert_eq!((queue.waiting(0), queue.waiting(1), queue.waiting(7), queue.len()), (2, 1, 0, 3));
}

#[test]
fn places_of_a_full_tier_are_shared_by_tenants_and_given_to_the_urgent() {
    let mut queue = queue(12);
    let mut enter = |tenant: u64, class: Latency| {
        let place = queue.push(Waiter { class, ..waiter(0, tenant, 10) }, 0);
        place.map(|place| place.displaced.map(|(id, waiter)| (id, waiter.tenant, waiter.class)))
    };
    for _ in 0..12 {
        assert_eq!(enter(1, Latency::Batch), Ok(None));
    }
    let full = Err(Refused { refusal: Refusal::Full, estimate_ns: None });
    assert_eq!(enter(1, Latency::Batch), full, "nobody drives out its own");
    for newest in [11, 10, 9, 8, 7, 6] {
        assert_eq!(enter(2, Latency::Batch), Ok(Some((newest, 1, Latency::Batch))));
    }
    assert_eq!(enter(2, Latency::Batch), full, "both have the same");
    for tenant in [3, 3, 3, 3, 1, 2] {
        assert!(matches!(enter(tenant, Latency::Interactive), Ok(Some((_, 1 | 2, Latency::Batch)))));
    }
    for _ in 0..6 {
        assert!(matches!(enter(3, Latency::Interactive), Ok(Some((_, 1 | 2, Latency::Batch)))));
    }
    for class in [Latency::Background, Latency::Batch] {
        assert_eq!(enter(4, class), full, "all that wait are more urgent");
    }
    assert!(matches!(enter(4, Latency::Interactive), Ok(Some((_, 3, _)))));
}

#[test]
fn who_cant_be_served_in_time_is_told_at_once() {
    let mut queue = queue(100);
    for _ in 0..30 {
        queue.push(waiter(0, 1, 100), 0).unwrap();
    }
    // 100 tokens a second.
    for second in 1..=10 {
        queue.pop_fitting(second * SECOND_NS, |_, _| true).unwrap();
    }
    let now_ns = 10 * SECOND_NS;
    let by = |seconds: u64| Waiter { deadline_ns: now_ns + seconds * SECOND_NS, ..waiter(0, 1, 100) };
    let refused = queue.push(by(15), now_ns).unwrap_err();
    assert_eq!(refused.refusal, Refusal::TooLate);
    let estimate_s = refused.estimate_ns.unwrap() / SECOND_NS;
    assert!((17..=21).contains(&estimate_s), "20 wait before it: {estimate_s}");
    queue.push(by(25), now_ns).unwrap();
    // Another tenant waits for its turn, not for all of them; another tier still less; another deployment not at all.
    queue.push(Waiter { tenant: 2, ..by(3) }, now_ns).unwrap();
    queue.push(Waiter { tier: 2, ..by(3) }, now_ns).unwrap();
    queue.push(Waiter { deployments: smallvec![9], ..by(1) }, now_ns).unwrap();
    assert_eq!(queue.push(by(0), now_ns).unwrap_err().refusal, Refusal::TooLate);
}

#[test]
fn who_is_past_its_deadline_is_never_served() {
    let mut queue = queue(100);
    let first = queue.push(Waiter { deadline_ns: 5, ..waiter(0, 1, 10) }, 0).unwrap().id;
    let second = queue.push(Waiter { deadline_ns: 9, ..waiter(0, 1, 10) }, 0).unwrap().id;
    assert!(queue.pop_expired(4).is_none());
    assert_eq!(queue.pop_fitting(5, |_, _| true).map(|(id, ..)| id), Some(second));
    assert_eq!(queue.pop_expired(5).map(|(id, _)| id), Some(first));
    assert!(queue.is_empty() && queue.pop_expired(100).is_none());
}

#[test]
fn tiers_come_and_go_with_the_configuration() {
    let mut queue = queue(100);
    queue.push(waiter(2, 1, 10), 0).unwrap();
    queue.push(waiter(5, 1, 10), 0).unwrap();
    queue.configure([(0, 7)], 100);
    assert_eq!((queue.waiting(2), queue.waiting(5), queue.tiers.len()), (1, 1, 3));
    while queue.pop_fitting(0, |_, _| true).is_some() {}
    assert_eq!(queue.tiers.iter().map(|tier| (tier.id, tier.weight)).collect::<Vec<_>>(), [(0, 7)]);
}

#[test]
fn nothing_is_kept_of_tenants_that_are_even() {
    let mut queue = queue(100);
    for tenant in 0..1000 {
        queue.push(waiter(0, tenant, 10), 0).unwrap();
        let (_, served, _) = queue.pop_fitting(0, |_, _| true).unwrap();
        queue.note_served(served.account(), 10, 10);
    }
    assert_eq!(queue.tiers[0].classes[0].known(), 0);
}
