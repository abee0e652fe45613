//! What limits cost in time and memory: `cargo bench -p fastgate-engine --bench limits`. The bars are in the design.

#![expect(clippy::expect_used, reason = "a measurement without its inputs is none")]

use std::sync::Arc;
use std::time::Instant;

use fastgate_core::limits::{Applied, Now, Rules, Who};
use fastgate_core::tables::Tables;
use fastgate_engine::limits::book::{Ask, Book};
use serde_json::{Value, json};

const NOW: Now = Now { steady_ns: 1_800_000_000_000_000_000, unix_s: 1_800_000_000 };

/// The four that everybody has, per each of these.
fn rules(scopes: &[&[&str]]) -> Rules {
    let kinds = [
        ("requests", json!({"rate": {"period_ms": 60_000, "burst": 1_000_000_000}})),
        ("tokens", json!({"sliding": {"window_ms": 3_600_000}})),
        ("usd", json!({"calendar": {"period": "month", "time_zone": "Europe/Berlin"}})),
        ("concurrent", json!("none")),
    ];
    let when = json!({"tenant": null, "tier": null, "key": null, "user": null, "feature": null, "model": null});
    let (kinds, when) = (&kinds, &when);
    let limits = scopes.iter().flat_map(|per| {
        kinds.iter().map(move |(resource, window)| {
            json!({"name": format!("{resource} per {per:?}"), "per": per, "when": when, "resource": resource,
                "amount": 1_000_000_000_000_u64, "key_amounts": {}, "window": window, "is_hard": true,
                "warn_permille": null, "downgrade": null})
        })
    });
    let mut tables: Value = serde_json::from_str(include_str!("../../core/tests/tables.json")).expect("JSON");
    tables["limits"] = limits.collect();
    Rules::prepare(&Tables::from_json(tables.to_string().as_bytes()).expect("valid")).expect("rules")
}

fn asks(rules: &Rules, user: &str) -> Vec<Ask> {
    let who = Who { user: Some(user), ..Who::default() };
    rules.applied(&who).iter().map(|applied: &Applied| Ask { applied: *applied, cost: 1 }).collect()
}

/// Nanoseconds of each of many decisions over 8 meters, sorted: 4 of one of `users`, 4 of their tenant.
fn decisions(book: &Arc<Book>, rules: &Rules, users: usize, count: usize) -> Vec<u64> {
    let asks: Vec<_> = (0..users).map(|user| asks(rules, &format!("user-{user}"))).collect();
    let start = Instant::now();
    let mut took = Vec::with_capacity(count);
    let mut before = start.elapsed();
    for round in 0..count {
        let elapsed_ns = u64::try_from(before.as_nanos()).unwrap_or(u64::MAX);
        let now = Now { steady_ns: NOW.steady_ns + elapsed_ns, ..NOW };
        let held = book.reserve(rules, &asks[round.wrapping_mul(7919) % users], now).expect("room");
        book.settle(held, |_| Some(1), now);
        let after = start.elapsed();
        took.push(u64::try_from(after.saturating_sub(before).as_nanos()).unwrap_or(u64::MAX));
        before = after;
    }
    took.sort_unstable();
    took
}

fn quantile(sorted: &[u64], permille: usize) -> u64 {
    sorted[(sorted.len() - 1) * permille / 1000]
}

fn a_decision_over_eight_scopes() {
    let rules = rules(&[&["tenant", "user"], &["tenant"]]);
    for (threads, users) in [(1, 1), (1, 1000), (1, 100_000), (2, 1000)] {
        let book = Arc::new(Book::new(1_000_000));
        let took: Vec<Vec<u64>> = std::thread::scope(|scope| {
            let running: Vec<_> =
                (0..threads).map(|_| scope.spawn(|| decisions(&book, &rules, users, 400_000))).collect();
            running.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        let mut all = took.concat();
        all.sort_unstable();
        let [p50, p99, p999] = [500, 990, 999].map(|permille| quantile(&all, permille));
        println!(
            "{threads} threads, {users} users: p50 {p50} ns, p99 {p99} ns, p99.9 {p999} ns, one clock reading included"
        );
    }
}

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages: usize = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a number");
    pages * 4096
}

fn a_million_identities() {
    let rules = rules(&[&["tenant", "user"]]);
    let book = Arc::new(Book::new(2_000_000));
    let before = resident_bytes();
    for user in 0..250_000 {
        let held = book.reserve(&rules, &asks(&rules, &format!("user-{user}")), NOW).expect("room");
        book.settle(held, |_| Some(1), NOW);
    }
    assert_eq!(book.identities(), 1_000_000);
    let grown = resident_bytes() - before;
    println!("1,000,000 meters, a quarter of each kind: {} MB resident", grown / 1_000_000);
    let start = Instant::now();
    let later = Now { steady_ns: NOW.steady_ns + 2 * 3_600_000_000_000, unix_s: NOW.unix_s + 40 * 86_400 };
    let dropped = book.sweep(later, 1_000_000);
    println!("swept in {} ms: {dropped} dropped, {} left", start.elapsed().as_millis(), book.identities());
    assert_eq!(book.identities(), 0);
}

fn main() {
    a_decision_over_eight_scopes();
    a_million_identities();
}
