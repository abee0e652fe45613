use std::collections::HashMap;
use std::sync::Arc;

use fastgate_core::limits::{Allowance, Applied, Meter, Now, Refusal, Rules, Standing, Who};
use fastgate_core::tables::Tables;
use fastgate_core::tables::limits::Resource;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::book::{Ask, Book, Denied, Held};

const NOW: Now = Now { steady_ns: 1_800_000_000_000_000_000, unix_s: 1_800_000_000 };
const HOUR_NS: u64 = 3_600_000_000_000;

/// A rule for every kind of meter: rate, sliding window, calendar, concurrency.
const KINDS: [(&str, &str); 4] = [
    ("requests", r#"{"rate": {"period_ms": 60000, "burst": 20}}"#),
    ("tokens", r#"{"sliding": {"window_ms": 3600000}}"#),
    ("usd", r#"{"calendar": {"period": "month", "time_zone": "Europe/Berlin"}}"#),
    ("concurrent", r#""none""#),
];

fn limit(name: &str, per: &[&str], resource: &str, window: &str, amount: u64) -> Value {
    let window: Value = serde_json::from_str(window).expect("JSON");
    let when = json!({"tenant": null, "tier": null, "key": null, "user": null, "feature": null, "model": null});
    json!({"name": name, "per": per, "when": when, "resource": resource, "amount": amount, "key_amounts": {},
        "window": window, "is_hard": true, "warn_permille": null, "downgrade": null})
}

pub(super) fn tables(limits: &[Value]) -> Tables {
    crate::testing::tables(&json!({"limits": limits}))
}

/// Each kind per user and per tenant: 8 rules.
pub(super) fn eight(amount: u64) -> Rules {
    let scopes: [&[&str]; 2] = [&["tenant", "user"], &["tenant"]];
    let limits = scopes.iter().flat_map(|per| KINDS.iter().map(move |kind| (per, kind)));
    let limits: Vec<_> = limits
        .map(|(per, (resource, window))| limit(&format!("{resource} {}", per.len()), per, resource, window, amount))
        .collect();
    Rules::prepare(&tables(&limits)).expect("rules")
}

pub(super) fn one(resource: &str, window: &str, amount: u64) -> Rules {
    Rules::prepare(&tables(&[limit("one", &["tenant", "user"], resource, window, amount)])).expect("rules")
}

pub(super) fn who(user: &str) -> Who<'_> {
    Who { user: Some(user), ..Who::default() }
}

pub(super) fn asks(rules: &Rules, user: &str, cost: impl Fn(Resource) -> u64) -> Vec<Ask> {
    let ask = |applied: &Applied| Ask { applied: *applied, cost: cost(rules.specs()[applied.rule].resource) };
    rules.applied(&who(user)).iter().map(ask).collect()
}

fn standings(book: &Book, rules: &Rules, user: &str, now: Now) -> Vec<Standing> {
    rules.applied(&who(user)).iter().map(|applied| book.standing(rules, applied, now)).collect()
}

fn later(now: Now, seconds: u64) -> Now {
    Now { steady_ns: now.steady_ns + seconds * 1_000_000_000, unix_s: now.unix_s + seconds.cast_signed() }
}

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Reserve(usize, u64),
    TopUp(prop::sample::Index, u64),
    Settle(prop::sample::Index, Option<u64>),
    Drop(prop::sample::Index),
    Sweep(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..900_u64).prop_map(Step::Wait),
        (0..3_usize, 0..15_u64).prop_map(|(user, cost)| Step::Reserve(user, cost)),
        (any::<prop::sample::Index>(), 0..30_u64).prop_map(|(which, cost)| Step::TopUp(which, cost)),
        (any::<prop::sample::Index>(), prop::option::of(0..30_u64)).prop_map(|(which, used)| Step::Settle(which, used)),
        any::<prop::sample::Index>().prop_map(Step::Drop),
        (0..20_usize).prop_map(Step::Sweep),
    ];
    proptest::collection::vec(step, 0..50)
}

/// Meters without locks, sharing or sweeps, each asked by hand.
struct Slow {
    meters: HashMap<u128, Meter>,
}

type SlowHeld = Vec<(u128, fastgate_core::limits::HoldId, u64, Resource)>;

impl Slow {
    fn reserve(&mut self, rules: &Rules, asks: &[Ask], now: Now) -> Result<SlowHeld, ()> {
        for Ask { applied, .. } in asks {
            let spec = &rules.specs()[applied.rule];
            self.meters.entry(applied.meter).or_insert_with(|| Meter::new(spec, applied.allowance, now));
        }
        let fits = |ask: &Ask| {
            let meter = self.meters.get_mut(&ask.applied.meter).expect("made");
            meter.check(ask.cost, ask.applied.allowance, now).is_ok()
        };
        // All are asked: asking one moves its clock.
        let refused = asks.iter().map(fits).filter(|fits| !fits).count();
        if refused > 0 {
            return Err(());
        }
        let hold = |ask: &Ask| {
            let meter = self.meters.get_mut(&ask.applied.meter).expect("made");
            let resource = rules.specs()[ask.applied.rule].resource;
            (ask.applied.meter, meter.hold(ask.cost, now), ask.cost, resource)
        };
        Ok(asks.iter().map(hold).collect())
    }

    fn settle(&mut self, held: &SlowHeld, used: Option<u64>, now: Now) {
        let mut left = HashMap::new();
        for (position, (id, hold, cost, _)) in held.iter().enumerate() {
            let left = left.entry(*id).or_insert(used);
            let is_last = held[position + 1..].iter().all(|(other, ..)| other != id);
            let part = left.map(|left| if is_last { left } else { left.min(*cost) });
            *left = left.zip(part).map(|(left, part)| left - part);
            self.meters.get_mut(id).expect("made").settle(*hold, part, now);
        }
    }

    fn standings(&mut self, rules: &Rules, user: &str, now: Now) -> Vec<Standing> {
        let standing = |applied: &Applied| {
            let new = || Meter::new(&rules.specs()[applied.rule], applied.allowance, now);
            self.meters.entry(applied.meter).or_insert_with(new).standing(applied.allowance, now)
        };
        rules.applied(&who(user)).iter().map(standing).collect()
    }
}

proptest! {
    /// All or nothing over eight meters, for three users who share four of them; and neither shards, rollbacks nor
    /// sweeps show.
    #[test]
    fn every_meter_stands_as_if_asked_by_hand(steps in steps()) {
        const USERS: [&str; 3] = ["ann", "bob", "cyd"];
        let (rules, book) = (eight(40), Arc::new(Book::new(1000)));
        let mut slow = Slow { meters: HashMap::new() };
        let (mut open, mut now) = (Vec::<(Held, SlowHeld, usize, Now)>::new(), NOW);
        for step in steps {
            match step {
                Step::Wait(seconds) => now = later(now, seconds),
                Step::Reserve(user, cost) => {
                    let asks = asks(&rules, USERS[user], |resource| if resource == Resource::Usd { 2 * cost } else { cost });
                    let expected = slow.reserve(&rules, &asks, now);
                    match book.reserve(&rules, &asks, now) {
                        Ok(held) => open.push((held, expected.expect("refused by hand"), user, now)),
                        Err(_) => prop_assert!(expected.is_err()),
                    }
                }
                Step::TopUp(which, cost) if !open.is_empty() => {
                    let index = which.index(open.len());
                    let (held, slow_held, user, _) = &mut open[index];
                    let asks = asks(&rules, USERS[*user], |_| cost);
                    let missing = asks.iter().filter_map(|ask| {
                        let of_meter = slow_held.iter().filter(|(id, ..)| *id == ask.applied.meter);
                        let before: u64 = of_meter.map(|(_, _, cost, _)| cost).sum();
                        (cost > before).then(|| Ask { cost: cost - before, ..*ask })
                    });
                    let missing: Vec<_> = missing.collect();
                    let expected = slow.reserve(&rules, &missing, now);
                    prop_assert_eq!(book.top_up(&rules, held, &asks, now).is_ok(), expected.is_ok());
                    slow_held.extend(expected.unwrap_or_default());
                }
                Step::Settle(which, used) if !open.is_empty() => {
                    let (held, slow_held, ..) = open.swap_remove(which.index(open.len()));
                    book.settle(held, |_| used, now);
                    slow.settle(&slow_held, used, now);
                }
                Step::Drop(which) if !open.is_empty() => {
                    let (held, slow_held, _, at) = open.swap_remove(which.index(open.len()));
                    drop(held);
                    slow.settle(&slow_held, None, at);
                }
                Step::Sweep(budget) => {
                    book.sweep(now, budget);
                }
                _ => {}
            }
            for user in USERS {
                prop_assert_eq!(standings(&book, &rules, user, now), slow.standings(&rules, user, now));
            }
        }
        for (held, ..) in open {
            book.settle(held, |_| Some(0), now);
        }
        let far = later(now, 40 * 86_400);
        book.sweep(far, 1000);
        prop_assert_eq!(book.identities(), 0, "everything is forgotten in the end");
    }
}

#[test]
fn a_denial_says_what_holds_longest_and_leaves_nothing() {
    let (rules, book) = (eight(40), Arc::new(Book::new(1000)));
    let deny =
        |user: &str, cost: &dyn Fn(Resource) -> u64| book.reserve(&rules, &asks(&rules, user, cost), NOW).map(|_| ());
    let too_large = |resource| if resource == Resource::Usd { 41 } else { 1 };
    let denied = deny("ann", &too_large).expect_err("too large");
    assert_eq!(denied, Denied { rule: 2, refusal: Refusal::TooLarge });
    assert_eq!(book.identities(), 0, "whoever is denied is not remembered");

    let held = book.reserve(&rules, &asks(&rules, "ann", |_| 20), NOW).expect("room");
    let before = standings(&book, &rules, "bob", NOW);
    let rest = |resource| if resource == Resource::Requests { 1 } else { 21 };
    // The tenant's rate has to wait; its quotas and concurrency are reserved by somebody else.
    assert!(matches!(deny("bob", &rest), Err(Denied { rule: 4, refusal: Refusal::Wait { .. } })));
    let without_requests = |resource| if resource == Resource::Requests { 0 } else { 21 };
    assert_eq!(deny("bob", &without_requests), Err(Denied { rule: 5, refusal: Refusal::Reserved }));
    assert_eq!(standings(&book, &rules, "bob", NOW), before);
    book.settle(held, |_| Some(30), NOW);
    assert!(matches!(deny("bob", &without_requests), Err(Denied { rule: 6, refusal: Refusal::Spent { .. } })));
}

#[test]
fn a_top_up_is_all_or_nothing_and_never_waits_for_itself() {
    let (rules, book) = (eight(100), Arc::new(Book::new(1000)));
    let mut held = book.reserve(&rules, &asks(&rules, "ann", |_| 5), NOW).expect("room");
    let only = |wanted: Resource, cost: u64| move |resource: Resource| if resource == wanted { cost } else { 0 };
    let before = standings(&book, &rules, "ann", NOW);
    let above = |resource| if resource == Resource::Usd { 101 } else { 10 };
    let denied = book.top_up(&rules, &mut held, &asks(&rules, "ann", above), NOW);
    assert_eq!(denied, Err(Denied { rule: 2, refusal: Refusal::TooLarge }));
    assert_eq!(standings(&book, &rules, "ann", NOW), before);
    assert_eq!(book.top_up(&rules, &mut held, &asks(&rules, "ann", only(Resource::Usd, 100)), NOW), Ok(()));
    assert_eq!((held.cost(Resource::Usd), held.cost(Resource::Tokens)), (100, 5));
    book.settle(held, |resource| (resource == Resource::Usd).then_some(70), NOW);
    let standing = standings(&book, &rules, "ann", NOW)[2];
    assert_eq!((standing.used, standing.reserved, standing.remaining), (70, 0, 30));
}

#[test]
fn what_is_dropped_unsettled_counts_as_reserved() {
    let (rules, book) = (eight(100), Arc::new(Book::new(1000)));
    drop(book.reserve(&rules, &asks(&rules, "ann", |_| 10), NOW).expect("room"));
    let standings = standings(&book, &rules, "ann", NOW);
    assert_eq!(
        standings[1],
        Standing { used: 10, reserved: 0, remaining: 90, reset_after_s: standings[1].reset_after_s }
    );
    assert_eq!((standings[3].reserved, standings[3].remaining), (0, 100));
}

#[test]
fn a_request_that_outlives_a_reload_settles_where_it_reserved() {
    let (before, after, book) = (eight(100), eight(50), Arc::new(Book::new(1000)));
    let held = book.reserve(&before, &asks(&before, "ann", |_| 10), NOW).expect("room");
    drop(before);
    assert_eq!(standings(&book, &after, "ann", NOW)[1].remaining, 40);
    book.settle(held, |_| Some(4), NOW);
    assert_eq!(standings(&book, &after, "ann", NOW)[1].remaining, 46);
}

#[test]
fn beyond_the_bound_identities_share_one_meter_per_rule() {
    let rules = one("tokens", KINDS[1].1, 100);
    let book = Arc::new(Book::new(2));
    let use_up = |user: &str, tokens: u64| {
        let held = book.reserve(&rules, &asks(&rules, user, |_| tokens), NOW)?;
        book.settle(held, |_| None, NOW);
        Ok::<(), Denied>(())
    };
    assert_eq!((use_up("ann", 60), use_up("bob", 60)), (Ok(()), Ok(())));
    assert_eq!((use_up("cyd", 60), use_up("ann", 40)), (Ok(()), Ok(())));
    assert!(matches!(use_up("dan", 41), Err(Denied { refusal: Refusal::Spent { .. }, .. })));
    assert_eq!(use_up("dan", 40), Ok(()));
    assert_eq!((book.identities(), book.shared_identities()), (3, 2));
    assert_eq!(standings(&book, &rules, "eve", NOW)[0].remaining, 0);
    assert_eq!(standings(&book, &rules, "bob", NOW)[0].remaining, 40);

    let forgotten = Now { steady_ns: NOW.steady_ns + 2 * HOUR_NS, ..NOW };
    assert_eq!(book.sweep(forgotten, 2), 2, "a sweep keeps to its budget");
    assert_eq!(book.sweep(forgotten, 100), 1);
    assert_eq!(book.identities(), 0);
    book.set_identities_max(0);
    book.add(&rules, &rules.applied(&who("fay"))[0], 30, forgotten);
    assert_eq!((book.identities(), standings(&book, &rules, "gus", forgotten)[0].remaining), (1, 70));
}

#[test]
fn a_replay_books_without_asking() {
    let (rules, book) = (eight(100), Arc::new(Book::new(1000)));
    let month_ago = Now { steady_ns: NOW.steady_ns - 720 * HOUR_NS, unix_s: NOW.unix_s - 720 * 3600 };
    let minutes_ago = Now { steady_ns: NOW.steady_ns - HOUR_NS / 20, unix_s: NOW.unix_s - 180 };
    for applied in rules.applied(&who("ann")) {
        book.add(&rules, &applied, 70, month_ago);
        book.add(&rules, &applied, 130, minutes_ago);
    }
    let remaining: Vec<_> = standings(&book, &rules, "ann", NOW).iter().map(|standing| standing.remaining).collect();
    // 300 of the rate's 100 a minute are worked off since; a bucket holds 20.
    assert_eq!(remaining[..4], [20, 0, 0, 100]);
    assert_eq!(standings(&book, &rules, "ann", NOW)[1].used, 130);
}

/// A core reads its clock, and another one gets the lock first.
#[test]
fn what_was_idle_is_not_new_at_an_earlier_time() {
    let midnight = 1_798_758_000; // 2027 in Berlin
    let at = |unix_s: i64| Now { steady_ns: unix_s.cast_unsigned() * 1_000_000_000, unix_s };
    let rules = one("usd", KINDS[2].1, 100);
    let book = Arc::new(Book::new(1000));
    let held = book.reserve(&rules, &asks(&rules, "ann", |_| 100), at(midnight - 1)).expect("room");
    book.settle(held, |_| None, at(midnight - 1));
    assert_eq!(book.sweep(at(midnight), 10), 1);
    let held = book.reserve(&rules, &asks(&rules, "ann", |_| 100), at(midnight - 1)).expect("it is January");
    book.settle(held, |_| None, at(midnight - 1));
    assert!(book.reserve(&rules, &asks(&rules, "ann", |_| 1), at(midnight)).is_err());
}

#[test]
fn a_meter_asked_twice_is_charged_twice() {
    let rules = one("tokens", KINDS[1].1, 100);
    let book = Arc::new(Book::new(1000));
    let asks = asks(&rules, "ann", |_| 60);
    let twice = [asks[0], asks[0]];
    assert!(book.reserve(&rules, &twice, NOW).is_err());
    assert_eq!(book.identities(), 0);
    let halves = twice.map(|ask| Ask { cost: 30, ..ask });
    let held = book.reserve(&rules, &halves, NOW).expect("room");
    book.settle(held, |_| Some(45), NOW);
    assert_eq!(book.standing(&rules, &asks[0].applied, NOW).used, 45);
}

#[test]
fn an_allowance_is_the_askers() {
    let rules = one("tokens", KINDS[1].1, 100);
    let book = Arc::new(Book::new(1000));
    let [ask] = asks(&rules, "ann", |_| 60)[..] else { panic!("one rule") };
    let narrow = Ask { applied: Applied { allowance: Allowance { amount: 50, burst: 0 }, ..ask.applied }, ..ask };
    assert!(matches!(book.reserve(&rules, &[narrow], NOW), Err(Denied { refusal: Refusal::TooLarge, .. })));
}
