use std::sync::atomic::AtomicU64;
use std::thread;

use proptest::prelude::*;

use super::*;

const SECOND: u64 = 1_000_000_000;

/// The law, window by window: what was paid in since each moment, and what was taken.
#[derive(Default)]
struct Ledger {
    repeats: Vec<(u64, usize)>,
    calls: usize,
}

impl Ledger {
    /// Whether one more repeat would keep to the law in every window that ends now.
    fn allows(&self, permille: u32, per_second: u32, now_ns: u64) -> bool {
        let most = |calls: usize, ns: u64| {
            let calls = u128::try_from(calls).unwrap() * u128::from(permille) * 1_000_000;
            let burst = if permille == 0 && per_second == 0 { 0 } else { u128::from(BURST) * 1_000_000_000 };
            calls + u128::from(ns) * u128::from(per_second) + burst
        };
        let taken = (self.repeats.len() + 1) as u128;
        let windows = self.repeats.iter().enumerate();
        let mut windows = windows.map(|(before, (at_ns, calls))| (before as u128, now_ns - at_ns, self.calls - calls));
        1_000_000_000 <= most(0, 0)
            && windows.all(|(before, ns, calls)| (taken - before) * 1_000_000_000 <= most(calls, ns))
    }
}

proptest! {
    /// Nothing is allowed that breaks the law in any window, and nothing is refused that would keep it.
    #[test]
    fn the_law_holds_exactly(
        permille in 0_u32..400, per_second in 0_u32..5,
        steps in proptest::collection::vec((0_u8..8, 0_u64..SECOND), 0..400),
    ) {
        let budget = RetryBudget::new(permille, per_second);
        let (mut ledger, mut now_ns) = (Ledger::default(), 0);
        for (kind, wait_ns) in steps {
            match kind {
                0 => now_ns += wait_ns,
                1 | 2 => {
                    budget.deposit();
                    ledger.calls += 1;
                }
                _ => {
                    let allowed = budget.withdraw(now_ns);
                    prop_assert_eq!(allowed, ledger.allows(permille, per_second, now_ns));
                    if allowed {
                        ledger.repeats.push((now_ns, ledger.calls));
                    }
                }
            }
        }
    }
}

#[test]
fn a_share_of_the_calls_may_be_repeated() {
    let budget = RetryBudget::new(100, 1);
    let mut repeats = 0;
    for call in 0..10_000 {
        budget.deposit();
        repeats += u64::from(budget.withdraw(call * 1_000_000));
    }
    assert_eq!(repeats, 1000 + 9 + BURST);
    let none = RetryBudget::new(0, 0);
    none.deposit();
    assert!(!none.withdraw(u64::MAX));
}

#[test]
fn cores_share_it_without_breaking_the_law() {
    let (budget, now_ns, repeats) = (RetryBudget::new(100, 1), AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..25_000 {
                    budget.deposit();
                    let now_ns = now_ns.fetch_add(100_000, Ordering::Relaxed);
                    repeats.fetch_add(u64::from(budget.withdraw(now_ns)), Ordering::Relaxed);
                }
            });
        }
    });
    let (repeats, law) = (repeats.into_inner(), 10_000 + 10 + BURST);
    assert!(repeats <= law && repeats >= law - 2, "{repeats} of {law}");
}
