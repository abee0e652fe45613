use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex as StdMutex;
use std::task::{Context, Poll, Wake};

use fastgate_core::usage::Usage;
use serde_json::json;
use tokio::task::JoinSet;

use super::*;
use crate::limits::capacity::tests::{Gateway, tables};

const ONE_CALL: &str = r#"{"concurrent": 1}"#;

fn info(eligible: &[usize], tokens: u64, patience: Duration) -> WaiterInfo<'_> {
    WaiterInfo {
        tier: None,
        tenant: 0,
        class: Latency::Interactive,
        tokens,
        deadline: Instant::now() + patience,
        eligible,
        need: Need { input_tokens: tokens, output_tokens: 0, max_output_tokens: None },
        random: 0,
    }
}

fn one_call() -> (Gateway, Arc<Capacities>) {
    let gateway = Gateway::new();
    let limits = serde_json::from_str(ONE_CALL).expect("JSON");
    let capacities = gateway.capacities(&tables(&[limits], &[], 2));
    (gateway, capacities)
}

fn take(capacities: &Arc<Capacities>) -> Result<Taken, Blocked> {
    capacities.try_take_any(0, 0, &Need::default(), Instant::now())
}

const PATIENCE: Duration = Duration::from_secs(30);

/// Polls once, with a waker that does nothing.
fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_served_when_a_call_ends_and_nobody_gets_in_before() {
    let (gateway, capacities) = one_call();
    let first = take(&capacities).unwrap();
    let mut second = Box::pin(capacities.wait(info(&[0], 1, PATIENCE)));
    assert!(poll(second.as_mut()).is_pending());
    tokio::time::advance(Duration::from_secs(3)).await;
    first.settle(None, Instant::now());
    assert!(take(&capacities).is_err(), "it is the waiter's");
    let second = second.await.unwrap();
    let standing = gateway.registry.queues().standing();
    let own = standing.iter().find(|tier| tier.tier.is_none()).unwrap();
    assert_eq!((own.waiting, own.served, own.waited), (0, 1, Duration::from_secs(3)));
    drop(second);
    drop(take(&capacities).unwrap());
}

#[tokio::test(start_paused = true)]
async fn refills_serve_by_the_clock_of_those_who_wait() {
    let gateway = Gateway::new();
    let capacities = gateway.capacities(&tables(&[json!({"tokens_per_minute": 600})], &[], 100));
    let start = Instant::now();
    let mut waits = JoinSet::new();
    for index in 0..5_u64 {
        let capacities = Arc::clone(&capacities);
        waits.spawn(async move {
            let tokens = if index == 0 { 600 } else { 200 };
            // The last one has the most patience, so it keeps the clock; but its client leaves.
            let client_s = if index == 4 { 30 } else { 1000 };
            let wait = capacities.wait(info(&[0], tokens, Duration::from_secs(100 + index)));
            let result = tokio::time::timeout(Duration::from_secs(client_s), wait).await;
            // Timers are exact to a millisecond.
            let waited_s = (start.elapsed().as_millis() + 500) / 1000;
            (index, waited_s, result.is_ok_and(|result| result.is_ok()))
        });
    }
    let mut served = waits.join_all().await;
    served.sort_unstable();
    assert_eq!(served, [(0, 0, true), (1, 20, true), (2, 40, true), (3, 60, true), (4, 30, false)]);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_is_kept() {
    let (gateway, capacities) = one_call();
    let _held = take(&capacities).unwrap();
    let start = Instant::now();
    let refused = capacities.wait(info(&[0], 1, Duration::from_secs(7))).await.unwrap_err();
    assert_eq!((refused.refusal, start.elapsed().as_secs()), (Refusal::TooLate, 7));
    let refused = capacities.wait(info(&[0], 1, Duration::ZERO)).await.unwrap_err();
    assert_eq!(refused.refusal, Refusal::TooLate);
    let standing = gateway.registry.queues().standing();
    assert_eq!(standing.iter().map(|tier| (tier.waiting, tier.refused_late)).max(), Some((0, 2)));
}

#[tokio::test(start_paused = true)]
async fn a_refill_that_comes_too_late_is_told_at_once() {
    let gateway = Gateway::new();
    let limits = [json!({"requests_per_minute": 1}), json!({"tokens_per_minute": 60})];
    let capacities = gateway.capacities(&tables(&limits, &[], 2));
    let start = Instant::now();
    let wait = |eligible: &'static [usize], seconds| capacities.wait(info(eligible, 60, Duration::from_secs(seconds)));
    let used = |taken: Taken| taken.settle(None, Instant::now());
    used(wait(&[0], 1).await.unwrap());
    let refused = wait(&[0], 20).await.unwrap_err();
    assert_eq!(refused, QueueRefusal { refusal: Refusal::TooLate, estimate_ms: Some(60_000) });
    let call = wait(&[0, 1], 20).await.unwrap();
    assert_eq!((call.deployment(), start.elapsed()), (1, Duration::ZERO));
    // What is under way may use less than was taken for it.
    let refused = wait(&[0, 1], 20).await.unwrap_err();
    assert_eq!((refused.estimate_ms, start.elapsed().as_secs()), (None, 20));
    used(call);
    assert_eq!(wait(&[0, 1], 20).await.unwrap_err().estimate_ms, Some(40_000));
    used(wait(&[0], 100).await.unwrap());
    assert_eq!(start.elapsed().as_secs(), 60);
    let late = gateway.registry.queues().standing().iter().map(|tier| tier.refused_late).sum::<u64>();
    assert_eq!(late, 3);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_at_once_by_tier() {
    let (gateway, capacities) = one_call();
    let _held = take(&capacities).unwrap();
    let mut waiting: Vec<_> = (0..2).map(|_| Box::pin(capacities.wait(info(&[0], 1, PATIENCE)))).collect();
    assert!(waiting.iter_mut().all(|wait| poll(wait.as_mut()).is_pending()));
    let refused = capacities.wait(info(&[0], 1, PATIENCE)).await.unwrap_err();
    assert_eq!(refused.refusal, Refusal::Full);
    let mut paid = Box::pin(capacities.wait(WaiterInfo { tier: Some(1), tenant: 1, ..info(&[0], 1, PATIENCE) }));
    assert!(poll(paid.as_mut()).is_pending());
    let standing = gateway.registry.queues().standing();
    let of = |name: Option<&str>| standing.iter().find(|tier| tier.tier.as_deref() == name).unwrap();
    assert_eq!((of(None).waiting, of(None).refused_full, of(Some("paid")).waiting), (2, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn who_has_to_leave_for_another_is_told_at_once() {
    let (gateway, capacities) = one_call();
    let held = take(&capacities).unwrap();
    let batch = WaiterInfo { class: Latency::Batch, ..info(&[0], 1, PATIENCE) };
    let mut waiting: Vec<_> = (0..2).map(|_| Box::pin(capacities.wait(batch))).collect();
    assert!(waiting.iter_mut().all(|wait| poll(wait.as_mut()).is_pending()));
    let mut urgent = Box::pin(capacities.wait(info(&[0], 1, PATIENCE)));
    assert!(poll(urgent.as_mut()).is_pending());
    let refused = waiting.pop().unwrap().await.unwrap_err();
    assert_eq!(refused, QueueRefusal { refusal: Refusal::Full, estimate_ms: None });
    held.settle(None, Instant::now());
    urgent.await.unwrap().settle(None, Instant::now());
    waiting.pop().unwrap().await.unwrap().settle(None, Instant::now());
    let none = gateway.registry.queues().standing().into_iter().find(|tier| tier.tier.is_none()).unwrap();
    assert_eq!((none.waiting, none.served, none.refused_full), (0, 2, 1));
}

#[tokio::test(start_paused = true)]
async fn who_leaves_is_out_at_once_and_gives_back_what_it_just_got() {
    let (gateway, capacities) = one_call();
    let held = take(&capacities).unwrap();
    let mut first = Box::pin(capacities.wait(info(&[0], 1, PATIENCE)));
    let mut second = Box::pin(capacities.wait(info(&[0], 1, PATIENCE)));
    let mut third = Box::pin(capacities.wait(WaiterInfo { tier: Some(1), tenant: 1, ..info(&[0], 1, PATIENCE) }));
    assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
    assert!(poll(third.as_mut()).is_pending());
    drop(first);
    held.settle(None, Instant::now());
    // Served, but it never learns of it.
    let served_now: u64 = gateway.registry.queues().standing().iter().map(|tier| tier.served).sum();
    assert_eq!(served_now, 1);
    drop(third);
    let taken = second.await.unwrap();
    let standing = gateway.registry.queues().standing();
    assert_eq!(standing.iter().map(|tier| (tier.waiting, tier.left)).max(), Some((0, 1)));
    drop(taken);
    drop(take(&capacities).unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_reload_with_more_room_serves_those_who_wait_already() {
    let (gateway, capacities) = one_call();
    let _held = take(&capacities).unwrap();
    let mut wait = Box::pin(capacities.wait(info(&[0], 1, PATIENCE)));
    assert!(poll(wait.as_mut()).is_pending());
    let new = gateway.capacities(&tables(&[json!({"concurrent": 2})], &[], 2));
    let taken = wait.await.unwrap();
    assert!(take(&new).is_err());
    drop(taken);
    assert!(take(&new).is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_first_eligible_deployment_with_room_serves() {
    let gateway = Gateway::new();
    let limits = [json!({"concurrent": 1}), json!({"concurrent": 1})];
    let capacities = gateway.capacities(&tables(&limits, &[], 10));
    let _held = take(&capacities).unwrap();
    let taken = capacities.wait(info(&[0, 1, 0], 1, PATIENCE)).await.unwrap();
    assert_eq!(taken.deployment(), 1);
    assert!(capacities.wait(info(&[1], 1, Duration::from_secs(1))).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn what_was_really_used_counts_between_tenants() {
    let gateway = Gateway::new();
    let capacities = gateway.capacities(&tables(&[json!({"concurrent": 1})], &[], 10));
    let wait = |tenant, tokens| Box::pin(capacities.wait(WaiterInfo { tenant, ..info(&[0], tokens, PATIENCE) }));
    let held = take(&capacities).unwrap();
    let mut dear = wait(0, 10);
    let mut others = [wait(1, 20), wait(1, 20)];
    assert!(poll(dear.as_mut()).is_pending() && others.iter_mut().all(|other| poll(other.as_mut()).is_pending()));
    held.settle(None, Instant::now());
    let Poll::Ready(Ok(taken)) = poll(dear.as_mut()) else { panic!("it came first") };
    let mut again = wait(0, 10);
    assert!(poll(again.as_mut()).is_pending());
    taken.settle(Some(&Usage { input_tokens: 1000, ..Usage::default() }), Instant::now());
    for other in &mut others {
        assert!(poll(again.as_mut()).is_pending(), "it has had 1000, not 10");
        let Poll::Ready(Ok(taken)) = poll(other.as_mut()) else { panic!("its turn") };
        taken.settle(None, Instant::now());
    }
    assert!(poll(again.as_mut()).is_ready());
}

/// Counts how often it wakes.
#[derive(Default)]
struct Bell(StdMutex<usize>);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        *self.0.lock().unwrap() += 1;
    }
}

#[tokio::test(start_paused = true)]
async fn only_those_are_woken_that_are_served() {
    let (_gateway, capacities) = one_call();
    let held = take(&capacities).unwrap();
    let bells = [Arc::new(Bell::default()), Arc::new(Bell::default())];
    let mut waits: Vec<_> = bells.iter().map(|_| Box::pin(capacities.wait(info(&[0], 1, PATIENCE)))).collect();
    for (wait, bell) in waits.iter_mut().zip(&bells) {
        let waker = Waker::from(Arc::clone(bell));
        assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    held.settle(None, Instant::now());
    assert_eq!(bells.each_ref().map(|bell| *bell.0.lock().unwrap()), [1, 0]);
}

/// Threads that take, wait, leave and settle at will: never more under way than there may be, and none is left over.
#[test]
fn many_cores_share_one_queue() {
    let (gateway, capacities) = one_call();
    let under_way = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..4_u64)
        .map(|seed| {
            let (capacities, under_way) = (Arc::clone(&capacities), Arc::clone(&under_way));
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                runtime.block_on(async move {
                    let mut served = 0;
                    for round in 0..200_u64 {
                        let wait = capacities.wait(info(&[0], 1, PATIENCE));
                        let leaves = (round + seed) % 5 == 0;
                        let outcome = if leaves {
                            tokio::select! { biased; outcome = wait => Some(outcome), () = tokio::task::yield_now() => None }
                        } else {
                            Some(wait.await)
                        };
                        if let Some(Ok(taken)) = outcome {
                            assert_eq!(under_way.fetch_add(1, Ordering::SeqCst), 0);
                            tokio::task::yield_now().await;
                            under_way.fetch_sub(1, Ordering::SeqCst);
                            taken.settle(None, Instant::now());
                            served += 1;
                        }
                    }
                    served
                })
            })
        })
        .collect();
    let served: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert!(served > 100, "{served}");
    drop(take(&capacities).unwrap());
    assert!(gateway.registry.queues().standing().iter().all(|tier| tier.waiting == 0));
}
