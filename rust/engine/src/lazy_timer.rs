//! A timer for deadlines that keep moving away: who makes progress only notes the time, and the timer is set anew when it
//! fires too early. Only a deadline that comes nearer has to be told to it at once.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::time::{Instant, Sleep};

/// One timer, made when it is first waited for.
#[derive(Debug, Default)]
pub(crate) struct LazyTimer(Option<Pin<Box<Sleep>>>);

impl LazyTimer {
    /// Ready with the time, once `deadline` has passed.
    pub(crate) fn poll_until(&mut self, deadline: Instant, context: &mut Context<'_>) -> Poll<Instant> {
        let timer = self.0.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        loop {
            if timer.deadline() > deadline {
                timer.as_mut().reset(deadline);
            }
            ready!(timer.as_mut().poll(context));
            let now = Instant::now();
            if now >= deadline {
                return Poll::Ready(now);
            }
            timer.as_mut().reset(deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn deadlines_move_both_ways() {
        let began = Instant::now();
        let after = |seconds| began + Duration::from_secs(seconds);
        let mut timer = LazyTimer::default();
        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut polled = |deadline| timer.poll_until(deadline, &mut context);
        assert!(polled(after(10)).is_pending());
        tokio::time::advance(Duration::from_secs(5)).await;
        assert!(polled(after(20)).is_pending(), "later than the timer");
        tokio::time::advance(Duration::from_secs(6)).await;
        assert!(polled(after(20)).is_pending(), "the timer has fired too early");
        assert_eq!(polled(after(11)), Poll::Ready(Instant::now()), "nearer than the timer");
        assert!(polled(after(30)).is_pending(), "used again");
        std::future::poll_fn(|context| timer.poll_until(after(30), context)).await;
        assert!(began.elapsed() >= Duration::from_secs(30));
    }
}
