//! Signs of life on a stream that has nothing to say.
//!
//! A provider's own comments and pings don't survive a translation, and clients, balancers and proxies give up on a
//! connection that stays silent while a model thinks.

use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Instant;

use crate::lazy_timer::LazyTimer;

/// When the next sign is due.
#[derive(Debug)]
pub(crate) struct Pings {
    every: Duration,
    last_output: Instant,
    timer: LazyTimer,
}

impl Pings {
    /// One after each silence of this length.
    pub(crate) fn new(every: Duration, now: Instant) -> Self {
        Self { every, last_output: now, timer: LazyTimer::default() }
    }

    /// Something went out.
    pub(crate) fn note_output(&mut self) {
        self.last_output = Instant::now();
    }

    /// Ready once nothing has gone out for too long, which then begins anew.
    pub(crate) fn poll_due(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.last_output = ready!(self.timer.poll_until(self.last_output + self.every, context));
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_silence_has_its_sign() {
        let every = Duration::from_secs(15);
        let began = Instant::now();
        let mut pings = Pings::new(every, began);
        let mut signs = Vec::new();
        for _ in 0..2 {
            std::future::poll_fn(|context| pings.poll_due(context)).await;
            signs.push(began.elapsed());
        }
        tokio::time::advance(Duration::from_secs(14)).await;
        pings.note_output();
        std::future::poll_fn(|context| pings.poll_due(context)).await;
        signs.push(began.elapsed());
        // Timers have a granularity of a millisecond.
        let seconds: Vec<_> = signs.iter().map(Duration::as_secs).collect();
        assert_eq!(seconds, [15, 30, 59]);
    }
}
