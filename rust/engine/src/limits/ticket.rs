//! The wait itself: a future that leaves the queue when it is dropped, and gives back what it has just got.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use fastgate_core::limits::fair_queue::WaiterId;
use tokio::time::{Instant, sleep_until};

use super::capacity::Capacities;
use super::queue::{Answer, QueueRefusal, TierQueues, WaiterInfo};
use super::taken::Taken;

/// A place in the queue.
struct Ticket<'a> {
    queues: &'a TierQueues,
    id: WaiterId,
    is_over: bool,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            self.queues.leave(self.id, Instant::now());
        }
    }
}

impl Capacities {
    /// Waits for room at one of the deployments; [`Taken::deployment`] and [`Taken::credential`] say where it is.
    ///
    /// # Errors
    /// [`QueueRefusal`] at once if its tier's queue is full or its turn would come after its deadline, and at the
    /// deadline if it has not come.
    pub(crate) async fn wait(self: &Arc<Self>, info: WaiterInfo<'_>) -> Result<Taken, QueueRefusal> {
        let id = self.queues.enter(self, &info, Instant::now())?;
        let mut ticket = Ticket { queues: &self.queues, id, is_over: false };
        let mut timer = pin!(sleep_until(info.deadline));
        std::future::poll_fn(|context| {
            loop {
                let at = match ticket.queues.ask(id, info.deadline, context.waker(), Instant::now()) {
                    Answer::Over(result) => {
                        ticket.is_over = true;
                        return Poll::Ready(result);
                    }
                    Answer::Until(at) => at,
                };
                if timer.deadline() != at {
                    timer.as_mut().reset(at);
                }
                if timer.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await
    }
}
