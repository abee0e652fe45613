//! Signs of life on a stream that has nothing to say.
//!
//! A provider's own comments and pings don't survive a translation, and clients, balancers and proxies give up on a
//! connection that stays silent while a model thinks.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// When the next sign is due. One timer, moved lazily: output only notes the time, and the timer moves when it fires too
/// early.
#[derive(Debug)]
pub(crate) struct Pings {
    every: Duration,
    last_output: Instant,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Pings {
    /// One after each silence of this length.
    pub(crate) fn new(every: Duration, now: Instant) -> Self {
        Self { every, last_output: now, timer: None }
    }

    /// Something went out.
    pub(crate) fn note_output(&mut self) {
        self.last_output = Instant::now();
    }

    /// Ready once nothing has gone out for too long, which then begins anew.
    pub(crate) fn poll_due(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let due = self.last_output + self.every;
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
            if timer.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            let now = Instant::now();
            let is_due = now >= due;
            if is_due {
                self.last_output = now;
            }
            timer.as_mut().reset(self.last_output + self.every);
            if is_due {
                return Poll::Ready(());
            }
        }
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
