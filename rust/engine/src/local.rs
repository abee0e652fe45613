//! Tasks that stay on their core.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::gateway::Shared;
use crate::gather::send_each_turn;
use crate::probe;
use crate::worker::Worker;

const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Makes the calling thread a core of the engine until `serve` returns; what it spawned is dropped then.
pub(crate) fn run_core<F: Future<Output = ()>>(shared: Arc<Shared>, serve: impl FnOnce(Rc<Worker>) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(4).build();
    #[expect(clippy::expect_used, reason = "without a runtime this thread can do nothing; its panic is the report")]
    let runtime = runtime.expect("a runtime");
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let counts = shared.add_counts();
        let worker = Worker::new(shared, counts);
        tokio::task::spawn_local(send_each_turn());
        tokio::task::spawn_local(sweep(Rc::clone(&worker)));
        serve(Rc::clone(&worker)).await;
        worker.end();
    });
    // A look-up of a name that nobody answers must not hold up the end.
    drop(local);
    runtime.shutdown_background();
}

/// Lets idle connections to providers and the spool's segment age, and asks for providers that are left alone.
async fn sweep(worker: Rc<Worker>) {
    let mut interval = tokio::time::interval(SWEEP_INTERVAL);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        worker.sweep();
        probe::start_due(&worker);
    }
}

/// The same with an end: a task that takes longer is dropped, which resets its HTTP/2 stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BoundedExecutor(pub(crate) Duration);

impl<F: Future + 'static> hyper::rt::Executor<F> for BoundedExecutor
where
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        tokio::task::spawn_local(tokio::time::timeout(self.0, future));
    }
}

/// Lets hyper spawn tasks that are not `Send` on the current core.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LocalExecutor;

impl<F: Future + 'static> hyper::rt::Executor<F> for LocalExecutor
where
    F::Output: 'static,
{
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}
