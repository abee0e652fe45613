//! The book once more, over locks and atomics whose every interleaving a scheduler chooses.

#[path = "book.rs"]
#[expect(clippy::duplicate_mod, unreachable_pub, dead_code, reason = "the same source, over other locks")]
mod book;
#[path = "held.rs"]
#[expect(clippy::duplicate_mod, unreachable_pub, dead_code, reason = "the same source, over other locks")]
mod held;
#[path = "shard.rs"]
#[expect(clippy::duplicate_mod, reason = "the same source, over other locks")]
mod shard;

mod sync {
    pub(super) use shuttle::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
    pub(super) use std::sync::Arc;

    pub(super) use shuttle::sync::MutexGuard;

    /// With the functions of `parking_lot`'s.
    #[derive(Debug)]
    pub(super) struct Mutex<T>(shuttle::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(super) fn new(value: T) -> Self {
            Self(shuttle::sync::Mutex::new(value))
        }

        pub(super) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().expect("no thread panics")
        }
    }
}

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fastgate_core::limits::{Applied, Now, Rules, Standing};
use fastgate_core::tables::limits::Resource;
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner, thread};

use self::book::{Ask, Book};
use super::book_tests::{eight, one, who};

const NOW: Now = Now { steady_ns: 1_800_000_000_000_000_000, unix_s: 1_800_000_000 };
const SCHEDULES: usize = 300;

/// Random schedules, and those that a bug of three constraints between threads shows in.
fn check(test: impl Fn() + Send + Sync + Clone + 'static) {
    let mut config = Config::new();
    // A book is moved about while it is made, and is larger than the default takes.
    config.stack_size = 1 << 18;
    Runner::new(RandomScheduler::new(SCHEDULES), config.clone()).run(test.clone());
    Runner::new(PctScheduler::new(3, SCHEDULES), config).run(test);
}

fn asks(rules: &Rules, user: &str, cost: u64) -> Vec<Ask> {
    let cost = |applied: &Applied| if rules.specs()[applied.rule].resource == Resource::Concurrent { 1 } else { cost };
    rules.applied(&who(user)).iter().map(|applied| Ask { applied: *applied, cost: cost(applied) }).collect()
}

fn standings(book: &Book, rules: &Rules, user: &str) -> Vec<Standing> {
    rules.applied(&who(user)).iter().map(|applied| book.standing(rules, applied, NOW)).collect()
}

/// Four of ten fit at once, whoever comes; what is held and used is never above the amount; and in the end exactly what
/// was settled is used.
#[test]
fn no_schedule_lets_more_through_or_loses_a_unit() {
    check(|| {
        let (rules, book) = (Arc::new(eight(10)), Arc::new(Book::new(100)));
        let (held_now, used_in_all) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let threads = (0..3).map(|thread| {
            let (rules, book) = (Arc::clone(&rules), Arc::clone(&book));
            let (held_now, used_in_all) = (Arc::clone(&held_now), Arc::clone(&used_in_all));
            thread::spawn(move || {
                for round in 0..2 {
                    let mut asks = asks(&rules, ["ann", "bob", "ann"][thread], 4);
                    if thread == 1 {
                        asks.reverse();
                    }
                    let Ok(mut held) = book.reserve(&rules, &asks, NOW) else { continue };
                    assert!(held_now.fetch_add(4, Ordering::Relaxed) + 4 + used_in_all.load(Ordering::Relaxed) <= 10);
                    for ask in &mut asks {
                        ask.cost += u64::from(ask.cost > 1);
                    }
                    let topped_up = u64::from(book.top_up(&rules, &mut held, &asks, NOW).is_ok());
                    let used = [1, 4 + topped_up][round];
                    held_now.fetch_sub(4, Ordering::Relaxed);
                    used_in_all.fetch_add(used, Ordering::Relaxed);
                    book.settle(held, |_| Some(used), NOW);
                }
            })
        });
        threads.collect::<Vec<_>>().into_iter().for_each(|thread| thread.join().expect("no panic"));
        for standing in &standings(&book, &rules, "ann")[4..7] {
            assert_eq!((standing.used, standing.reserved), (used_in_all.load(Ordering::Relaxed), 0));
        }
        assert_eq!(standings(&book, &rules, "ann")[7].remaining, 10);
        let later = Now { steady_ns: NOW.steady_ns * 2, unix_s: NOW.unix_s * 2 };
        book.sweep(later, 100);
        assert_eq!(book.identities(), 0);
    });
}

/// Identities come and go while others sweep, replay and look; the bound holds but for those that come at the same moment.
#[test]
fn no_schedule_locks_up_or_miscounts_identities() {
    check(|| {
        let (rules, book) = (Arc::new(one("concurrent", r#""none""#, 1)), Arc::new(Book::new(1)));
        let threads = (0..3).map(|thread| {
            let (rules, book) = (Arc::clone(&rules), Arc::clone(&book));
            thread::spawn(move || {
                for user in [["ann", "bob"], ["bob", "cyd"], ["cyd", "ann"]][thread] {
                    let held = book.reserve(&rules, &asks(&rules, user, 1), NOW);
                    book.sweep(NOW, 10);
                    assert!(standings(&book, &rules, user)[0].reserved <= 1);
                    match held {
                        Ok(held) if thread == 1 => drop(held),
                        Ok(held) => book.settle(held, |_| None, NOW),
                        Err(_) => {}
                    }
                }
            })
        });
        threads.collect::<Vec<_>>().into_iter().for_each(|thread| thread.join().expect("no panic"));
        assert!(book.identities() <= 1 + 3);
        book.sweep(NOW, 100);
        assert_eq!(book.identities(), 0);
    });
}
